//! Transactions that wait for a block.
//!
//! Owns: which transactions are held, their order by feerate, what a block or a reorganisation does to them.
//! Must not know: who sent one, or who wants it.

mod types;

pub use types::{MempoolEntry, MempoolSnapshot, MempoolSummary, TxRejected};
