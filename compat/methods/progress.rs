//! How many transactions the chain has, and how much of what there may be by now is verified: a guess, as Core makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_actors::root::NodeLinks;
use adit_chainstate::ChainReader;
use adit_domain::chain::Tip;
use adit_domain::consensus::Params;
use bitcoin::{BlockHash, Network};

/// The count of blocks whose records lack it: once in a process, beside everything else.
#[derive(Default)]
pub(crate) struct Counting {
    begun: AtomicBool,
    ended: AtomicBool,
}

impl Counting {
    /// Has it end.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    fn begin(self: &Arc<Counting>, chain: &ChainReader) {
        if self.begun.swap(true, Ordering::SeqCst) {
            return;
        }
        let (this, chain) = (Arc::clone(self), chain.clone());
        drop(tokio::task::spawn_blocking(move || {
            tracing::info!("blocks of before transactions were counted are counted now");
            match chain.count_stored(&|| !this.ended.load(Ordering::SeqCst)) {
                Ok(()) => tracing::info!("all blocks are counted"),
                Err(fault) => tracing::warn!(%fault, "not all blocks were counted"),
            }
        }));
    }
}

/// The transactions of the chain up to a block; none where they are not known, or not yet. For threads that may wait.
pub(super) fn chain_txs(chain: &ChainReader, block: &BlockHash, counting: &Arc<Counting>) -> Option<u64> {
    let found = chain.chain_tx_count(block);
    if found.is_none() && chain.has_header(block) {
        counting.begin(chain);
    }
    found
}

/// The share that is verified up to a tip. For threads that may wait.
pub(super) fn of(node: &NodeLinks, tip: &Tip, counting: &Arc<Counting>) -> f64 {
    let (_, best) = node.chain.best_header();
    let (best, height) = (best.to_u32(), tip.height.to_u32());
    match chain_txs(&node.chain, &tip.hash, counting) {
        Some(txs) => {
            let now_s = i64::try_from(node.clock.now().to_seconds_floor()).unwrap_or(i64::MAX);
            guess(&node.params, (txs, i64::from(tip.header.time)), best.saturating_sub(height), now_s)
        }
        // Of blocks alone.
        None if height >= best => 1.0,
        None => f64::from(height) / f64::from(best.max(1)),
    }
}

/// How many transactions a chain had at a time, and how many came a second then: of Core's chainparams, with version 31.
struct Pace {
    at_s: i64,
    txs: u64,
    per_s: f64,
}

fn pace(params: &Params) -> Pace {
    let (at_s, txs, per_s) = match params.network {
        Network::Bitcoin => (1_772_055_173, 1_315_805_869, 5.40111006496122),
        Network::Testnet => (1_772_051_651, 536_108_416, 0.02691479016257117),
        Network::Testnet4 => (1_772_013_387, 14_191_421, 0.01848579579528412),
        // A signet of one's own has no coins that are known.
        Network::Signet if params.assumed_coins.is_empty() => (0, 0, 0.0),
        Network::Signet => (1_772_055_248, 28_676_833, 0.06736623436338929),
        Network::Regtest => (0, 0, 0.001),
    };
    Pace { at_s, txs, per_s }
}

/// A tip that is no older is one of today: what is missing is counted in blocks.
const RECENT_S: u64 = 2 * 60 * 60;

/// The nearest double.
pub(super) fn double(number: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits & 0xffff_ffff).unwrap_or(u32::MAX));
    half(number >> 32) * 4_294_967_296.0 + half(number)
}

fn difference(from: i64, to: i64) -> f64 {
    let size = double(to.abs_diff(from));
    if to < from { -size } else { size }
}

/// `txs` transactions up to a tip of that time, so many blocks below the best header.
fn guess(params: &Params, (txs, tip_s): (u64, i64), blocks_missing: u32, now_s: i64) -> f64 {
    let pace = pace(params);
    let total = if txs <= pace.txs {
        double(pace.txs) + difference(pace.at_s, now_s) * pace.per_s
    } else {
        let missing_s = i64::from(blocks_missing).saturating_mul(i64::from(params.pow.spacing_s));
        let since_s = if now_s.abs_diff(tip_s) <= RECENT_S { now_s.saturating_sub(missing_s) } else { tip_s };
        double(txs) + difference(since_s, now_s) * pace.per_s
    };
    (double(txs) / total).min(1.0)
}

#[cfg(test)]
mod tests;
