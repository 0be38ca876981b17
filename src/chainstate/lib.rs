//! Adit's data plane: headers, blocks and coins, from bytes to a validated tip.
//!
//! Owns: the coin cache, the block pipeline, reorganisations, the scripts' worker threads, what readers see.
//! Must not know: actors, sockets, how a table looks on disk.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

mod budget;
mod chainstates;
mod check;
mod coins;
mod config;
mod counts;
mod engine;
mod holds;
mod import;
mod index;
mod inventory;
mod judge;
mod known;
mod live;
mod look;
mod prepare;
pub mod probe;
mod reader;
mod reindex;
mod scan;
mod scripts;
mod snapshot;
mod stage;
mod stats;
mod types;
mod verifier;
mod warnings;
mod workers;

pub use chainstates::ChainstateInfo;
pub use check::{CheckOptions, CheckProgress, Checked, Problem, Remedy, check};
pub use coins::FlushEnd;
pub use config::{CACHE_MIB_DEFAULT, ChainConfig};
pub use engine::{
    Activated, BATCH_BLOCKS_MAX, BATCH_BYTES_MAX, Behind, BlocksAccepted, Chainstate, KEPT_BLOCKS, Mark,
    MarkError, PruneError, PruneUpTo, Pruned, Rejected, Totals,
};
pub use import::{
    ImportError, ImportOptions, ImportProgress, Imported, SourceError, Sources, import, room_needed,
};
pub use index::{
    CoinStats, FilterFound, IndexConfig, IndexError, IndexKind, IndexOpenError, IndexStatus, IndexStep,
    Indexer, Indexes, TxFound,
};
pub use inventory::{CoinCount, Files, Inventory, inventory};
pub use look::{ChainTip, HeaderEntry};
pub use reader::{ChainReader, Path, Pruning};
pub use reindex::{ReindexError, ReindexOptions, ReindexProgress, Reindexed, reindex};
pub use scan::Skipped;
pub use snapshot::{DumpError, Dumped, LoadError, LoadedSnapshot, SnapshotHead, SnapshotLoad};
pub use stats::StatsJob;
pub use types::{BlockAccepted, ChainFault, HeadersAccepted, SubmitError, UtxoStats};
pub use verifier::{BlockVerifier, PoolVerifier, SCRIPT_CACHE_MIB_DEFAULT, ScriptCaches};
pub use warnings::{Warning, Warnings};

#[cfg(test)]
mod tests;
