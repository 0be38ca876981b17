//! The headers that are known, which chain of them is best, and what stands at its tip.
//!
//! Owns: the header tree, work, status of blocks, the tip, hashes and figures of the coin set, the compact filters of blocks, the
//! compact serialisation of coins. Must not know: how any of it is stored.

pub mod coin_codec;
mod coin_stats;
mod filter;
pub mod header_tree;
pub mod muhash;
mod tip;

pub use coin_stats::{ChainSums, DoesNotFit, Flows, SetHasher, SetSums, bogo_size};
pub use filter::{basic_filter, filter_header};
pub use header_tree::{
    BlockStatus, Failure, HeaderTree, InsertError, Node, NodeId, RestoreError, ScriptsRun,
};
pub use muhash::{MuHash, MuHashDigest};
pub use tip::{NextBlock, Tip};
