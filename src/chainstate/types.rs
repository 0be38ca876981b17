use std::sync::Arc;

use adit_domain::chain::Tip;
use adit_domain::consensus::ViewFault;
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;
use thiserror::Error;

/// Our disk or our bug; never marks a block invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// The store failed: nothing is tried again in this process.
    #[error("storage: {0}")]
    Storage(String),
    /// What is stored does not make sense.
    #[error("state: {0}")]
    State(String),
}

impl From<adit_store::StoreFault> for ChainFault {
    fn from(fault: adit_store::StoreFault) -> ChainFault {
        ChainFault::Storage(fault.to_string())
    }
}

impl From<ViewFault> for ChainFault {
    fn from(fault: ViewFault) -> ChainFault {
        ChainFault::Storage(fault.to_string())
    }
}

/// Why headers or a block were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// It breaks a rule, in Core's words (`bad-cb-amount`); its sender may be dropped.
    #[error("{reject}")]
    Invalid {
        /// The block.
        hash: BlockHash,
        /// Its height, where its parent is known.
        height: Option<Height>,
        /// Core's reject reason, with Core's detail in brackets where there is one.
        reject: String,
    },
    /// Its parent is not known (yet): no fault of the sender's.
    #[error("prev-blk-not-found")]
    Orphan {
        /// The parent that is missing.
        prev: BlockHash,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// What became of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadersAccepted {
    /// How many were not known before.
    pub new: u32,
    /// The height of the last one.
    pub last_height: Height,
    /// Whether the best header is now beyond the tip: there are blocks to fetch.
    pub blocks_wanted: bool,
}

/// What became of a block, and what it did to the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAccepted {
    /// Whether it was known before.
    pub duplicate: bool,
    /// The tip afterwards.
    pub tip: Arc<Tip>,
    /// Blocks that left the best chain, the highest first.
    pub disconnected: Vec<Arc<ParsedBlock>>,
    /// Blocks that joined it, the lowest first; empty where the block went to a side chain.
    pub connected: Vec<Arc<ParsedBlock>>,
}

/// The coin set at one tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtxoStats {
    /// The tip.
    pub tip: BlockHash,
    /// Its height.
    pub height: Height,
    /// Coins.
    pub coins: u64,
    /// Transactions that have any.
    pub transactions: u64,
    /// Their amounts in all, in satoshis.
    pub amount_sat: u64,
    /// A measure of their bytes that no database changes, as Core's `bogosize`.
    pub bogo_size: u64,
    /// Bytes of their records on disk, without what the database needs to find them.
    pub record_bytes: u64,
    /// Double SHA256 of the set in order, as Core's `gettxoutsetinfo hash_serialized_3` prints it (hex, byte-reversed).
    pub hash_serialized: String,
    /// MuHash3072 of the set, as Core's `gettxoutsetinfo muhash` prints it (hex, byte-reversed).
    pub muhash: String,
}
