use bitcoin::block::{Header, Version};
use bitcoin::{BlockHash, CompactTarget, Work};

use crate::units::Height;

/// The last block of the best chain, fully validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Its header.
    pub header: Header,
    /// Median of the last eleven timestamps, this one's included; seconds since 1970 (BIP113).
    pub median_time_past: u32,
    /// Work of the whole chain up to it.
    pub chain_work: Work,
}

/// What the rules ask of a header on the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextBlock {
    /// Its parent.
    pub prev: BlockHash,
    /// Its height.
    pub height: Height,
    /// The version that says what its miner votes for (BIP9); other bits may be rolled.
    pub version: Version,
    /// The target it must meet, at the time that was asked for.
    pub bits: CompactTarget,
    /// The earliest time it may carry: median time past and one second (and BIP94's bound); seconds since 1970.
    pub time_min: u32,
    /// The parent's median time past, against which lock times are judged; seconds since 1970.
    pub median_time_past: u32,
}

impl NextBlock {
    /// The version of a miner who votes for nothing (BIP9).
    pub const NO_VOTES: Version = Version::from_consensus(0x2000_0000);
}
