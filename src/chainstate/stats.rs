use std::sync::Arc;
use std::thread;

use adit_domain::chain::{MuHash, Tip};
use adit_store::CoinSnapshot;

use crate::types::{ChainFault, UtxoStats};

/// The coins at one tip, to be counted and hashed on any thread: a chain goes on meanwhile.
pub struct StatsJob {
    coins: CoinSnapshot,
    tip: Arc<Tip>,
    threads: usize,
}

/// What one thread has found in its range of keys.
struct Part {
    coins: u64,
    amount_sat: u64,
    hash: MuHash,
}

impl StatsJob {
    pub(crate) fn new(coins: CoinSnapshot, tip: Arc<Tip>, threads: usize) -> StatsJob {
        StatsJob { coins, tip, threads: threads.clamp(1, 256) }
    }

    /// Walks over all coins: about 4 microseconds a coin and core.
    pub fn run(self) -> Result<UtxoStats, ChainFault> {
        let step = 256usize.div_ceil(self.threads);
        let parts: Vec<Result<Part, ChainFault>> = thread::scope(|scope| {
            let ranges = (0..256usize).step_by(step).map(|first| {
                let last = first.saturating_add(step).min(256).saturating_sub(1);
                let coins = &self.coins;
                scope.spawn(move || part(coins, first, last))
            });
            let running: Vec<_> = ranges.collect();
            let panicked = |_| Err(ChainFault::State("counting coins panicked".to_owned()));
            running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        let mut sum = Part { coins: 0, amount_sat: 0, hash: MuHash::EMPTY };
        for part in parts {
            let part = part?;
            sum.coins = sum.coins.saturating_add(part.coins);
            sum.amount_sat = sum.amount_sat.saturating_add(part.amount_sat);
            sum.hash.combine(&part.hash);
        }
        Ok(UtxoStats {
            tip: self.tip.hash,
            height: self.tip.height,
            coins: sum.coins,
            amount_sat: sum.amount_sat,
            muhash: sum.hash.digest().to_string(),
        })
    }
}

fn part(coins: &CoinSnapshot, first: usize, last: usize) -> Result<Part, ChainFault> {
    // Both are bytes: the ranges end at 255.
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    let mut part = Part { coins: 0, amount_sat: 0, hash: MuHash::EMPTY };
    for row in coins.scan(byte(first), byte(last))? {
        let (outpoint, coin) = row?;
        part.coins = part.coins.saturating_add(1);
        part.amount_sat = part.amount_sat.saturating_add(coin.amount_sat());
        part.hash.insert_coin(&outpoint, &coin.to_coin());
    }
    Ok(part)
}
