//! Adit's rules, and nothing else.
//!
//! Owns: what a valid header, block, transaction, script, share and payout is. Must not know: time, chance, files,
//! sockets, threads, databases, actors. Time and chance come in as arguments; state comes in through [`consensus::HeaderView`]
//! and [`consensus::UtxoView`].
//!
//! Direction of the modules: `units <- wire, script <- consensus <- chain <- mempool <- template <- stratum`,
//! `wire <- peer`, `units <- payout, fees`. `tests/tidy.rs` holds it.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

pub mod chain;
pub mod consensus;
pub mod fees;
pub mod mempool;
pub mod payout;
pub mod peer;
pub mod script;
pub mod stratum;
pub mod template;
pub mod units;
pub mod wire;
