use std::io;
use std::path::PathBuf;

use bitcoin::BlockHash;
use bitcoin::hashes::sha256d;
use thiserror::Error;

use crate::types::ChainFault;

/// Why a snapshot was not loaded. Nothing of it stays.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("{path}: {source}")]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not begin as a snapshot does.
    #[error("the file is no snapshot of a coin set")]
    NotASnapshot,
    /// It is one of another version.
    #[error("the snapshot has version {found}, and this program knows version 2")]
    OtherVersion {
        /// Its version.
        found: u16,
    },
    /// It is one of another network.
    #[error("the snapshot is of {}, and this node is on {wanted}", found.unwrap_or("a network that is not known"))]
    OtherNetwork {
        /// Its network, where that is a public one.
        found: Option<&'static str>,
        /// Ours.
        wanted: &'static str,
    },
    /// Nothing is known of the coins behind its block.
    #[error("the coins behind block {base} are not known to this program; those at heights {heights:?} are")]
    NotListed {
        /// The snapshot's block.
        base: BlockHash,
        /// Where they are known.
        heights: Vec<u32>,
    },
    /// Its block's header has not come.
    #[error("the header of block {base} is not here yet: wait until the headers are, then load again")]
    NoHeader {
        /// The snapshot's block.
        base: BlockHash,
    },
    /// Its block is invalid, or one below it.
    #[error("block {base} is part of an invalid chain")]
    InvalidChain {
        /// The snapshot's block.
        base: BlockHash,
    },
    /// Other headers have more work than those with its block.
    #[error("block {base} is not on the chain of headers with the most work")]
    OtherChain {
        /// The snapshot's block.
        base: BlockHash,
    },
    /// One is loaded, and is being verified or read.
    #[error("a snapshot is in use or on its way already")]
    Already,
    /// Transactions wait that were judged by the coins of today.
    #[error("the mempool is not empty")]
    MempoolNotEmpty,
    /// The chain is there already.
    #[error("block {base} has no more work than the tip: there is nothing to gain")]
    NoMoreWork {
        /// The snapshot's block.
        base: BlockHash,
    },
    /// More coins of a transaction are told of than there should be in all.
    #[error("after {coins} coins: more are told of than the file's head says")]
    CountMismatch {
        /// Coins before it.
        coins: u64,
    },
    /// What follows is no coin, or the file ends.
    #[error("after {coins} coins: the file is cut short or damaged")]
    Malformed {
        /// Coins before it.
        coins: u64,
    },
    /// A coin says that it was made above the snapshot's block.
    #[error("after {coins} coins: one of a block above the snapshot's")]
    AboveBase {
        /// Coins before it.
        coins: u64,
    },
    /// A coin of more than there can be.
    #[error("after {coins} coins: one of more than 21 million bitcoin")]
    BadAmount {
        /// Coins before it.
        coins: u64,
    },
    /// The file goes on behind its last coin.
    #[error("after {coins} coins, which are all: the file goes on")]
    LeftOver {
        /// All coins.
        coins: u64,
    },
    /// The coins are not those that are known.
    #[error("the coins' hash is {found}, and that of the true ones {wanted}")]
    OtherCoins {
        /// What they come to.
        found: sha256d::Hash,
        /// What they should.
        wanted: sha256d::Hash,
    },
    /// Coins stand in it more than once.
    #[error("{found} coins are left of {told}: some stand in the file more than once")]
    Repeated {
        /// Coins of different names.
        found: u64,
        /// Coins in the file.
        told: u64,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
    /// Our disk or our bug.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

impl From<adit_store::StoreFault> for LoadError {
    fn from(fault: adit_store::StoreFault) -> LoadError {
        LoadError::Fault(fault.into())
    }
}
