use bitcoin::block::Header;
use bitcoin::{BlockHash, Work};

use crate::units::Height;

/// A header's place in its tree. Given by the tree, and good for that tree only; headers are never taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// How many headers joined the tree before it: what it is stored under.
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

/// Why a block will never be in the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It breaks a rule itself.
    Itself,
    /// One below it does.
    Ancestor,
}

/// What is known of a block beyond its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct BlockStatus {
    /// Its body is on disk, and passed every rule that needs no coins.
    pub body_stored: bool,
    /// It was connected once, its scripts included.
    pub script_valid: bool,
    /// It is invalid by our own verdict.
    pub failure: Option<Failure>,
    /// An operator said that it, or one below it, is invalid.
    pub invalidated: bool,
}

impl BlockStatus {
    const BODY_STORED: u8 = 1;
    const SCRIPT_VALID: u8 = 2;
    const FAILED: u8 = 4;
    const FAILED_ANCESTOR: u8 = 8;
    const INVALIDATED: u8 = 16;

    /// One byte: bit 0 body stored, bit 1 scripts valid, bit 2 failed itself, bit 3 failed by an ancestor, bit 4 invalid by an
    /// operator's word.
    pub fn to_bits(self) -> u8 {
        let failure = match self.failure {
            None => 0,
            Some(Failure::Itself) => Self::FAILED,
            Some(Failure::Ancestor) => Self::FAILED_ANCESTOR,
        };
        u8::from(self.body_stored) * Self::BODY_STORED
            + u8::from(self.script_valid) * Self::SCRIPT_VALID
            + u8::from(self.invalidated) * Self::INVALIDATED
            + failure
    }

    /// What [`BlockStatus::to_bits`] wrote; none where other bits are set, or both failures.
    pub fn from_bits(bits: u8) -> Option<BlockStatus> {
        let failure = match bits & !(Self::BODY_STORED | Self::SCRIPT_VALID | Self::INVALIDATED) {
            0 => None,
            Self::FAILED => Some(Failure::Itself),
            Self::FAILED_ANCESTOR => Some(Failure::Ancestor),
            _ => return None,
        };
        let has = |bit: u8| bits & bit != 0;
        Some(BlockStatus {
            body_stored: has(Self::BODY_STORED),
            script_valid: has(Self::SCRIPT_VALID),
            failure,
            invalidated: has(Self::INVALIDATED),
        })
    }

    /// Whether its body was there, connected, and was taken away to save room.
    pub fn is_pruned(self) -> bool {
        self.script_valid && !self.body_stored
    }

    /// Whether its body is there or was, and may be built upon.
    pub(super) fn was_stored(self) -> bool {
        self.body_stored || self.is_pruned()
    }

    /// Whether it, or one below it, breaks a rule, or an operator said so.
    pub fn is_failed(self) -> bool {
        self.failure.is_some() || self.invalidated
    }
}

/// A header, and what follows from those below it.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) header: Header,
    pub(super) hash: BlockHash,
    pub(super) work: Work,
    pub(super) height: Height,
    pub(super) median_time_past: u32,
    pub(super) parent: Option<NodeId>,
    /// An ancestor further down, at the height that [`skip_height`] gives.
    pub(super) skip: Option<NodeId>,
    pub(super) first_child: Option<NodeId>,
    pub(super) next_sibling: Option<NodeId>,
    pub(super) status: BlockStatus,
    /// When its body came, in order; 0 while it is missing.
    pub(super) stored_since: u32,
    /// When the last body of its chain came, in order: none while one is missing; below 0 where an operator prefers it.
    pub(super) complete_since: Option<i64>,
}

impl Node {
    /// The 80-byte header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its hash.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Blocks below it.
    pub fn height(&self) -> Height {
        self.height
    }

    /// Work of the chain up to it.
    pub fn work(&self) -> Work {
        self.work
    }

    /// The median of its timestamp and the ten below; seconds since 1970.
    pub fn median_time_past(&self) -> u32 {
        self.median_time_past
    }

    /// The block below; none for the first one.
    pub fn parent(&self) -> Option<NodeId> {
        self.parent
    }

    /// What is known of the block.
    pub fn status(&self) -> BlockStatus {
        self.status
    }

    /// Whether the bodies of the whole chain up to it are stored.
    pub fn is_complete(&self) -> bool {
        self.complete_since.is_some()
    }
}

/// The height that a node's second pointer leads to: with it and the parent, any ancestor is found in a few dozen steps.
///
/// Even heights clear their lowest set bit; odd ones clear two of the height below and keep the one, so that a walk that
/// steps down once is not stuck with short jumps.
pub(super) fn skip_height(height: u32) -> u32 {
    let clear_lowest = |n: u32| n & n.saturating_sub(1);
    match height {
        0 | 1 => 0,
        odd if odd & 1 == 1 => clear_lowest(clear_lowest(odd.saturating_sub(1))).saturating_add(1),
        even => clear_lowest(even),
    }
}
