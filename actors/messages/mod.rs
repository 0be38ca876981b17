//! The messages, by the role that handles them.

pub mod chain;
pub mod index;
pub mod mempool;
pub mod payout;
pub mod peer;
pub mod store;
pub mod stratum;
pub mod template;
pub mod utxo;
