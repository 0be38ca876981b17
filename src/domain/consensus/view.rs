use bitcoin::block::Header;
use bitcoin::{BlockHash, OutPoint};
use thiserror::Error;

use super::Coin;
use crate::units::Height;

/// Timestamps of which the median is taken.
pub const MEDIAN_TIME_SPAN: u32 = 11;

/// The state behind a view could not be read: our disk or our bug, never the block's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("state could not be read: {source_text}")]
pub struct ViewFault {
    /// What the store said; for the log only, nothing decides by it.
    pub source_text: String,
}

impl ViewFault {
    pub(super) fn header_missing(height: Height) -> ViewFault {
        ViewFault { source_text: format!("no header at height {height}") }
    }
}

/// Why something was not taken: by a rule (their fault), or because our state could not be read (ours; decides nothing).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused<E: std::error::Error + 'static> {
    /// It breaks a rule.
    #[error("{0}")]
    Invalid(#[source] E),
    /// Our disk or our bug.
    #[error(transparent)]
    Fault(#[from] ViewFault),
}

/// The chain of headers that ends in one tip.
pub trait HeaderView {
    /// The tip's height.
    fn tip_height(&self) -> Height;
    /// The header at `height` on this chain; none above the tip.
    fn header_at(&self, height: Height) -> Option<Header>;

    /// The hash of the header at `height`; none above the tip.
    fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.header_at(height).map(|header| header.block_hash())
    }

    /// The median of the timestamps of the block at `height` and the ten below (fewer at the chain's start); seconds
    /// since 1970; none above the tip (BIP-0113).
    fn median_time_past_at(&self, height: Height) -> Option<u32> {
        let lowest = height.to_u32().saturating_sub(MEDIAN_TIME_SPAN.saturating_sub(1));
        let times = (lowest..=height.to_u32()).map(|h| Some(self.header_at(Height::new(h))?.time));
        times.collect::<Option<Vec<u32>>>().and_then(median_time)
    }

    /// The median time past at the tip: what the next block's lock times are judged by.
    fn median_time_past(&self) -> Option<u32> {
        self.median_time_past_at(self.tip_height())
    }
}

/// The middle one of timestamps; of an even number the upper of the two in the middle; none of none.
pub fn median_time(mut times: Vec<u32>) -> Option<u32> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The set of coins at one tip.
pub trait UtxoView {
    /// The coin at `outpoint`, if it is unspent.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault>;

    /// Whether `outpoint` is unspent.
    fn has_coin(&self, outpoint: &OutPoint) -> Result<bool, ViewFault> {
        Ok(self.coin(outpoint)?.is_some())
    }
}
