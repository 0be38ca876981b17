use std::fmt;

use adit_domain::consensus::BlockError;
use adit_domain::units::Height;
use adit_store::{FilePos, StoreFault};
use bitcoin::BlockHash;
use thiserror::Error;

/// What repairs a problem, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// `adit db reindex --chainstate`: the coins are made again from the blocks.
    ReindexChainstate,
    /// `adit db reindex`: headers and coins are made again from the block files; what is not in them comes from the network.
    Reindex,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::ReindexChainstate => "adit db reindex --chainstate",
            Remedy::Reindex => "adit db reindex",
        })
    }
}

/// Something on disk that is not as it was written.
#[derive(Debug, Error)]
pub enum Problem {
    /// The table of headers does not read.
    #[error("chainstate.redb: the headers do not read: {0}")]
    Headers(#[source] StoreFault),
    /// A header's record makes no sense.
    #[error("chainstate.redb: header {number} has an unknown status, stands before its parent or twice")]
    Header {
        /// Its number.
        number: u32,
    },
    /// Nobody worked for a header.
    #[error("chainstate.redb: header {hash} does not have the work that it names")]
    HeaderWork {
        /// Its hash.
        hash: BlockHash,
    },
    /// The coins belong to a block that is not known.
    #[error("chainstate.redb: the coins belong to block {hash}, of which there is no header")]
    NoTip {
        /// The block.
        hash: BlockHash,
    },
    /// A block of the best chain has no body, though later ones do.
    #[error(
        "chainstate.redb: block {hash} at height {height} is in the best chain and its body is not stored"
    )]
    NoBody {
        /// The block.
        hash: BlockHash,
        /// Its height.
        height: Height,
    },
    /// A block of the best chain has no undo data.
    #[error(
        "chainstate.redb: block {hash} at height {height} is in the best chain and its undo data is not stored"
    )]
    NoUndo {
        /// The block.
        hash: BlockHash,
        /// Its height.
        height: Height,
    },
    /// A file ends before what lies in it.
    #[error("{}: {bytes} bytes, but what is stored in it reaches to byte {needed}", file(kind, .number))]
    FileShort {
        /// `blk` or `rev`.
        kind: &'static str,
        /// Its number.
        number: u32,
        /// Its length; 0 where it is missing.
        bytes: u64,
        /// The length that it should have.
        needed: u64,
    },
    /// A block's bytes do not read.
    #[error("{} at byte {}: block {hash}: {fault}", file(&"blk", &.pos.file), .pos.offset)]
    BlockUnread {
        /// The block.
        hash: BlockHash,
        /// Where it lies.
        pos: FilePos,
        /// Why.
        fault: StoreFault,
    },
    /// A block's bytes are not the block.
    #[error("{} at byte {}: these are not the bytes of block {hash}", file(&"blk", &.pos.file), .pos.offset)]
    OtherBlock {
        /// The block.
        hash: BlockHash,
        /// Where it should lie.
        pos: FilePos,
    },
    /// A block's bytes break a rule that needs nothing but the block: the merkle root, for one.
    #[error("{} at byte {}: block {hash}: {error}", file(&"blk", &.pos.file), .pos.offset)]
    BlockInvalid {
        /// The block.
        hash: BlockHash,
        /// Where it lies.
        pos: FilePos,
        /// The rule.
        error: BlockError,
    },
    /// Undo data does not read, or not as it was written.
    #[error("{} at byte {}: undo data of block {hash}: {fault}", file(&"rev", &.pos.file), .pos.offset)]
    UndoUnread {
        /// The block.
        hash: BlockHash,
        /// Where it lies.
        pos: FilePos,
        /// Why.
        fault: StoreFault,
    },
    /// Undo data is not that of its block.
    #[error("{} at byte {}: this is not the undo data of block {hash}", file(&"rev", &.pos.file), .pos.offset)]
    OtherUndo {
        /// The block.
        hash: BlockHash,
        /// Where it lies.
        pos: FilePos,
    },
    /// A tier of coins does not read.
    #[error("chainstate.redb: the table coins.{table} does not read: {fault}")]
    TierUnread {
        /// Its table.
        table: u64,
        /// Why.
        fault: StoreFault,
    },
    /// Coins of a tier are damaged.
    #[error("chainstate.redb: {damaged} coins in the table coins.{table} are damaged")]
    CoinsDamaged {
        /// Its table.
        table: u64,
        /// How many.
        damaged: u64,
    },
    /// Coins of a tier would not be found.
    #[error("chainstate.redb: the filter of the table coins.{table} hides {hidden} of its records")]
    Hidden {
        /// Its table.
        table: u64,
        /// How many.
        hidden: u64,
    },
    /// A tier has more or fewer records than were written.
    #[error("chainstate.redb: the table coins.{table} has {rows} records, and {records} were written")]
    Records {
        /// Its table.
        table: u64,
        /// What is there.
        rows: u64,
        /// What should be.
        records: u64,
    },
    /// The coins, as they are served, do not read.
    #[error("chainstate.redb: the coins do not read: {0}")]
    CoinsUnread(String),
    /// The coins are not those that the blocks leave.
    #[error(
        "chainstate.redb: the coins' MuHash is {found}, and the blocks and their undo data leave {wanted}"
    )]
    OtherCoins {
        /// Of the coins.
        found: String,
        /// Of the blocks.
        wanted: String,
    },
}

impl Problem {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Problem::NoUndo { .. }
            | Problem::FileShort { kind: "rev", .. }
            | Problem::UndoUnread { .. }
            | Problem::OtherUndo { .. }
            | Problem::TierUnread { .. }
            | Problem::CoinsDamaged { .. }
            | Problem::Hidden { .. }
            | Problem::Records { .. }
            | Problem::CoinsUnread(_)
            | Problem::OtherCoins { .. } => Remedy::ReindexChainstate,
            _ => Remedy::Reindex,
        }
    }
}

fn file(kind: &&'static str, number: &u32) -> String {
    format!("blocks/{kind}{number:05}.dat")
}
