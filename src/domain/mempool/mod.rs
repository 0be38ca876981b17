//! Transactions that wait for a block.
//!
//! Owns: which transactions are held, their order by feerate, what a block or a reorganisation does to them.
//! Must not know: who sent one, or who wants it.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod archive;
mod closure;
mod cluster;
mod feerate;
mod floor;
mod graph;
mod judge;
pub mod limits;
mod memory;
mod orphans;
mod package;
mod policy;
mod pool;
mod selection;
mod truc;
mod types;

pub use archive::{Archive, ArchiveError, ArchivedTx};
pub use judge::{Candidate, VerifiedTx};
pub use orphans::{Orphan, Orphans};
pub use package::{
    Joined, PackageError, PackageRun, PackageVerdict, Pays, ReplacementFlaw, Step, TxVerdict, check_form,
};
pub use pool::{Accepted, ChainContext, DustyPriority, Mempool, MempoolConfig};
pub use types::{
    Chunk, InputFlaw, MempoolDetail, MempoolEntry, MempoolSnapshot, MempoolSummary, Prioritised, Sum,
    TrucViolation, TxRejected, Wanted, feerate_text,
};
