//! Adit's actors: who may talk, what happens next, what restarts.
//!
//! Owns: mailboxes, handlers, supervision, sockets. Must not know: a rule, a parser, arithmetic on amounts.
//!
//! # The catalogue of messages
//! Each role's messages stand in `messages/<role>.rs`, one struct a message; each says who sends it, who handles it, what
//! comes back and what happens when the mailbox is full. `tests/tidy.rs` holds that every one has a handler.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

pub mod chain;
pub mod clock;
pub mod events;
pub mod house;
pub mod index;
pub mod mempool;
pub mod messages;
pub mod net;
pub mod payout;
pub mod peer;
pub mod root;
pub mod rpc;
pub mod store;
pub mod stratum;
pub mod supervision;
pub mod template;
pub mod utxo;
