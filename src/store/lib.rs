//! Adit's disk: where everything durable lies, byte for byte.
//!
//! Owns: the datadir and its lock, block and undo files, the tables of `chainstate.redb`, the books' tables and the share log;
//! every layout is written down in docs/store.md. The only place that names redb.
//! Must not know: rules, which chain is best, when to flush, actors.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

mod chain_db;
mod codec;
mod coin;
mod database;
mod datadir;
mod disk;
pub mod failpoint;
mod fault;
mod filter;
mod flat;
mod found_blocks;
mod index_db;
mod inventory;
mod lease;
pub mod ledger;
mod node_store;
mod pages;
mod rebuild;
pub mod share_log;
mod snapshot;
mod xor;

pub use chain_db::{
    ChainDb, ChangedCoin, CoinScan, CoinSnapshot, Flush, FlushState, MergeStep, NodeRecord, TierCheck,
    TierInfo,
};
pub use codec::{CodecError, OUTPOINT_BYTES, UndoRecord, outpoint_key, outpoint_of};
pub use coin::{CompactCoin, PackedCoin};
pub use datadir::{DataDir, DataDirError, FORMAT_VERSION, Layout};
pub use disk::{Disk, DiskFile, MachineDisk};
pub use fault::StoreFault;
pub use flat::{BlockFiles, EncodedUndo, FileEnd, FilePos, UndoFiles, Verified};
pub use found_blocks::FoundBlocks;
pub use index_db::{CoinStatsRecord, FilterRecord, IndexDb, IndexedBlock, TxPlace};
pub use lease::FileLease;
pub use node_store::Store;
pub use snapshot::LoadingDb;
pub use xor::XorKey;

// What is shared with the tests of other crates names this one as they do.
#[cfg(test)]
extern crate self as adit_store;
#[cfg(test)]
mod tests;
