//! Transactions that wait for a block.
//!
//! Owns: which transactions are held, their order by feerate, what a block or a reorganisation does to them.
//! Must not know: who sent one, or who wants it.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod archive;
mod feerate;
mod graph;
pub mod limits;
mod policy;
mod pool;
mod selection;
mod types;

pub use archive::{ArchiveError, decode_archive, encode_archive};
pub use pool::{Accepted, Candidate, ChainContext, Mempool, MempoolConfig, VerifiedTx};
pub use types::{MempoolDetail, MempoolEntry, MempoolSnapshot, MempoolSummary, Sum, TxRejected, Wanted};
