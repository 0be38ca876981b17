use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use adit_domain::chain::{MuHash, SetHasher, SetSums, Tip};
use adit_store::CoinSnapshot;
use bitcoin::hashes::sha256d;

use crate::types::{ChainFault, UtxoStats};

/// The coins at one tip, to be counted and hashed on any thread: a chain goes on meanwhile.
pub struct StatsJob {
    coins: CoinSnapshot,
    tip: Arc<Tip>,
    threads: usize,
}

impl StatsJob {
    pub(crate) fn new(coins: CoinSnapshot, tip: Arc<Tip>, threads: usize) -> StatsJob {
        StatsJob { coins, tip, threads: threads.clamp(1, 256) }
    }

    pub(crate) fn coins(&self) -> &CoinSnapshot {
        &self.coins
    }

    pub(crate) fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Walks over all coins, twice at the same time: by ranges for the MuHash, about 4 microseconds a coin and core, and in
    /// their order for the other hash, 1 microsecond a coin.
    pub fn run(self) -> Result<UtxoStats, ChainFault> {
        let step = 256usize.div_ceil(self.threads);
        let coins = &self.coins;
        let (muhash, (hash, sums, record_bytes)) = thread::scope(|scope| {
            let in_order = scope.spawn(move || in_order(coins));
            let ranges = (0..256usize).step_by(step).map(|first| {
                let last = first.saturating_add(step).min(256).saturating_sub(1);
                scope.spawn(move || muhash_of(coins, first, last))
            });
            let running: Vec<_> = ranges.collect();
            let mut muhash = MuHash::EMPTY;
            for part in running {
                muhash.combine(&joined(part)?);
            }
            Ok::<_, ChainFault>((muhash, joined(in_order)?))
        })?;
        Ok(UtxoStats {
            tip: self.tip.hash,
            height: self.tip.height,
            coins: sums.coins,
            transactions: sums.transactions,
            amount_sat: sums.amount_sat,
            bogo_size: sums.bogo_size,
            record_bytes,
            hash_serialized: hash.to_string(),
            muhash: muhash.digest().to_string(),
        })
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, ChainFault>>) -> Result<T, ChainFault> {
    let panicked = |_| Err(ChainFault::State("counting coins panicked".to_owned()));
    thread.join().unwrap_or_else(panicked)
}

/// The hash, what is counted beside it, and the bytes of all records.
fn in_order(coins: &CoinSnapshot) -> Result<(sha256d::Hash, SetSums, u64), ChainFault> {
    let (mut hasher, mut record_bytes) = (SetHasher::default(), 0u64);
    for row in coins.scan(0, u8::MAX)? {
        let (outpoint, coin) = row?;
        let bytes = u64::try_from(coin.as_packed().record_bytes()).unwrap_or(u64::MAX);
        record_bytes = record_bytes.saturating_add(bytes);
        hasher.push(&outpoint, &coin.to_coin());
    }
    let (hash, sums) = hasher.finish();
    Ok((hash, sums, record_bytes))
}

fn muhash_of(coins: &CoinSnapshot, first: usize, last: usize) -> Result<MuHash, ChainFault> {
    // Both are bytes: the ranges end at 255.
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    let mut hash = MuHash::EMPTY;
    for row in coins.scan(byte(first), byte(last))? {
        let (outpoint, coin) = row?;
        hash.insert_coin(&outpoint, &coin.to_coin());
    }
    Ok(hash)
}
