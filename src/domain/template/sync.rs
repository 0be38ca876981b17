use thiserror::Error;

use crate::units::{Height, UnixMillis};
use bitcoin::Work;

/// Blocks that may be missing below the best header: one, since a header comes before its block.
const BLOCKS_MISSING_MAX: u32 = 1;

/// How far the chain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainProgress {
    /// The tip's height.
    pub tip: Height,
    /// What its header says of its time; seconds since 1970.
    pub tip_time: u32,
    /// The work of the chain up to it.
    pub work: Work,
    /// The work that the network's best chain is known to have had.
    pub work_min: Work,
    /// The height of the best header.
    pub best_header: Height,
}

/// Why there is nothing to mine on yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSynced {
    /// The chain has less work than the network's is known to have.
    #[error("the chain is syncing: block {tip} has less work than the network had long ago")]
    WorkMissing {
        /// The tip's height.
        tip: Height,
    },
    /// Headers are known whose blocks are not there yet.
    #[error("the chain is syncing: {blocks} blocks are missing")]
    BlocksMissing {
        /// How many.
        blocks: u32,
    },
    /// The newest block is old, so there must be newer ones.
    #[error("the chain is syncing: its newest block is {hours} hours old")]
    TipOld {
        /// How old.
        hours: u64,
    },
}

/// A block on this tip MUST have a chance: what is mined while the chain is still syncing is lost. Core's
/// `getblocktemplate` refuses for the same reasons, `-10 (in initial sync)`.
pub fn check_synced(chain: &ChainProgress, now: UnixMillis, tip_age_h_max: u64) -> Result<(), NotSynced> {
    const HOUR_S: u64 = 3_600;
    if chain.work < chain.work_min {
        return Err(NotSynced::WorkMissing { tip: chain.tip });
    }
    let blocks = chain.best_header.blocks_above(chain.tip);
    if blocks > BLOCKS_MISSING_MAX {
        return Err(NotSynced::BlocksMissing { blocks });
    }
    let age_s = now.to_seconds_floor().saturating_sub(u64::from(chain.tip_time));
    if age_s > tip_age_h_max.saturating_mul(HOUR_S) {
        return Err(NotSynced::TipOld { hours: age_s / HOUR_S });
    }
    Ok(())
}

#[cfg(test)]
#[path = "sync/tests.rs"]
mod tests;
