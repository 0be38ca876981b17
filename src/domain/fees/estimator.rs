use std::collections::BTreeMap;

use bitcoin::Txid;

use super::horizon::{Estimate, Horizon, Pace};
use super::{Memory, real, whole};
use crate::units::Height;

/// Blocks that a target may be away.
pub const TARGET_MAX: u32 = 1_008;
/// What was remembered counts no more after so many blocks without anybody counting.
const HISTORY_BLOCKS_MAX: u32 = 6 * TARGET_MAX;

const SHORT: Pace = Pace { decay: 0.962, scale: 1, periods: 12, sufficient_txs: 0.5 };
const MEDIUM: Pace = Pace { decay: 0.9952, scale: 2, periods: 24, sufficient_txs: 0.1 };
const LONG: Pace = Pace { decay: 0.99931, scale: 24, periods: 42, sufficient_txs: 0.1 };

/// The first bucket's upper bound and the last one's but for the one without; each is so many times the one before; satoshis per 1,000
/// virtual bytes.
const BUCKET_MIN: f64 = 100.0;
const BUCKET_MAX: f64 = 1e7;
const SPACING: f64 = 1.05;
/// The last one's: as good as none.
const BUCKET_LAST: f64 = 1e99;

/// Of those that pay an estimate, so many were taken within half of the target, within it, and within twice as much.
const HALF: f64 = 0.6;
const FULL: f64 = 0.85;
const DOUBLE: f64 = 0.95;

/// A transaction that has joined the mempool, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its id.
    pub txid: Txid,
    /// The tip's height when it came.
    pub height: Height,
    /// What it pays; satoshis per 1,000 virtual bytes.
    pub sat_per_kvb: u64,
    /// It came by itself and not together with others.
    pub is_alone: bool,
    /// Nothing in the mempool is spent by it.
    pub is_first: bool,
    /// The tip is young, and about the best there is.
    pub is_current: bool,
}

/// What to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmartFee {
    /// Satoshis per 1,000 virtual bytes; none where too little is known.
    pub sat_per_kvb: Option<u64>,
    /// The target that was answered for, in blocks.
    pub blocks: u32,
}

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    height: u32,
    bucket: usize,
    sat_per_kvb: u64,
}

/// What transactions paid, and how long they waited.
#[derive(Clone, Debug, PartialEq)]
pub struct FeeEstimator {
    /// Upper bounds of feerates, rising.
    pub(super) buckets: Vec<f64>,
    /// The highest block that was counted; 0: none.
    pub(super) best: u32,
    /// The first one of this run that had a transaction in it that was counted; 0: none.
    pub(super) first: u32,
    /// The first and the last one of earlier runs.
    pub(super) history: (u32, u32),
    pub(super) short: Horizon,
    pub(super) medium: Horizon,
    pub(super) long: Horizon,
    /// Those in the mempool that count. No more than it holds.
    pub(super) waiting: BTreeMap<Txid, Waiting>,
    /// How many of them a height and a bucket.
    pub(super) by_height: BTreeMap<u32, Vec<u32>>,
}

impl Default for FeeEstimator {
    fn default() -> FeeEstimator {
        let rising = std::iter::successors(Some(BUCKET_MIN), |bound| Some(bound * SPACING));
        let mut buckets: Vec<f64> = rising.take_while(|bound| *bound <= BUCKET_MAX).collect();
        buckets.push(BUCKET_LAST);
        let count = buckets.len();
        let [short, medium, long] = [SHORT, MEDIUM, LONG].map(|pace| Horizon::new(pace, count));
        FeeEstimator::of(buckets, [short, medium, long])
    }
}

impl FeeEstimator {
    /// One that remembers this, and nobody waits.
    pub(super) fn of(buckets: Vec<f64>, [short, medium, long]: [Horizon; 3]) -> FeeEstimator {
        let (waiting, by_height) = (BTreeMap::new(), BTreeMap::new());
        FeeEstimator { buckets, best: 0, first: 0, history: (0, 0), short, medium, long, waiting, by_height }
    }

    /// How each memory counts, as it is made.
    pub(super) fn pace(memory: Memory) -> Pace {
        match memory {
            Memory::Short => SHORT,
            Memory::Medium => MEDIUM,
            Memory::Long => LONG,
        }
    }

    fn memory(&self, memory: Memory) -> &Horizon {
        match memory {
            Memory::Short => &self.short,
            Memory::Medium => &self.medium,
            Memory::Long => &self.long,
        }
    }

    fn memories(&mut self) -> [&mut Horizon; 3] {
        [&mut self.short, &mut self.medium, &mut self.long]
    }

    /// A transaction has joined the mempool. It counts where it must find its way into a block by its own feerate, from the block that was
    /// counted last on.
    pub fn joined(&mut self, tx: &Arrival) {
        let Arrival { txid, sat_per_kvb, is_alone, is_first, is_current, .. } = *tx;
        let height = tx.height.to_u32();
        if height != self.best || !is_alone || !is_first || !is_current || self.waiting.contains_key(&txid) {
            return;
        }
        let rate = real(sat_per_kvb);
        let last = self.buckets.len().saturating_sub(1);
        let bucket = self.buckets.partition_point(|bound| *bound < rate).min(last);
        let row = self.by_height.entry(height).or_insert_with(|| vec![0; self.buckets.len()]);
        if let Some(count) = row.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.waiting.insert(txid, Waiting { height, bucket, sat_per_kvb });
    }

    /// It has left the mempool without a block.
    pub fn left(&mut self, txid: &Txid) {
        let Some(Waiting { height, bucket, .. }) = self.take(txid) else { return };
        let blocks = self.best.saturating_sub(height);
        self.memories().into_iter().for_each(|memory| memory.lost(blocks, bucket));
    }

    /// Those that are held no more have left for another chain, which says nothing of them.
    pub fn keep(&mut self, is_held: impl Fn(&Txid) -> bool) {
        let gone: Vec<Txid> = self.waiting.keys().filter(|txid| !is_held(txid)).copied().collect();
        for txid in &gone {
            self.take(txid);
        }
    }

    /// The node ends: those that wait are seen no more, and have waited in vain for so long.
    pub fn end(&mut self) {
        let all: Vec<Txid> = self.waiting.keys().copied().collect();
        all.iter().for_each(|txid| self.left(txid));
    }

    fn take(&mut self, txid: &Txid) -> Option<Waiting> {
        let waiting = self.waiting.remove(txid)?;
        if let Some(row) = self.by_height.get_mut(&waiting.height) {
            if let Some(count) = row.get_mut(waiting.bucket) {
                *count = count.saturating_sub(1);
            }
            if row.iter().all(|count| *count == 0) {
                self.by_height.remove(&waiting.height);
            }
        }
        Some(waiting)
    }

    /// A block has come at a height, or several of which it is the last, and has taken these out of the mempool. One that is no higher than
    /// another before it says nothing.
    pub fn block(&mut self, height: Height, taken: &[Txid]) {
        let blocks = height.to_u32().saturating_sub(self.best);
        if blocks == 0 {
            return;
        }
        self.best = height.to_u32();
        self.memories().into_iter().for_each(|memory| memory.fade(blocks));
        let waited: Vec<Waiting> = taken.iter().filter_map(|txid| self.take(txid)).collect();
        for Waiting { height, bucket, sat_per_kvb } in &waited {
            let (blocks, rate) = (self.best.saturating_sub(*height), real(*sat_per_kvb));
            self.memories().into_iter().for_each(|memory| memory.taken(blocks, *bucket, rate));
        }
        if self.first == 0 && !waited.is_empty() {
            self.first = self.best;
        }
    }

    /// How far a memory looks ahead, in blocks.
    pub fn target_max(&self, memory: Memory) -> u32 {
        self.memory(memory).target_max()
    }

    /// What one memory says; none where it does not look so far ahead.
    pub fn raw(&self, target: u32, likelihood: f64, memory: Memory) -> Option<Estimate> {
        let horizon = self.memory(memory);
        let is_known = (1..=horizon.target_max()).contains(&target);
        is_known.then(|| horizon.estimate(target, likelihood, &self.buckets, &self.waiting_for(target)))
    }

    /// A bucket: those that have waited for so many blocks or more.
    fn waiting_for(&self, blocks: u32) -> Vec<u64> {
        let mut counts = vec![0u64; self.buckets.len()];
        let Some(newest) = self.best.checked_sub(blocks) else { return counts };
        for row in self.by_height.range(..=newest).map(|(_, row)| row) {
            for (sum, count) in counts.iter_mut().zip(row) {
                *sum = sum.saturating_add(u64::from(*count));
            }
        }
        counts
    }

    fn feerate(&self, target: u32, likelihood: f64, memory: Memory) -> Option<f64> {
        self.raw(target, likelihood, memory)?.rate
    }

    /// What to pay to be in a block within `target` ones: the most of what it takes for half of the target, the target, and twice the target.
    /// A conservative one asks the longer memories too, which what happened lately moves less.
    pub fn smart(&self, target: u32, conservative: bool) -> SmartFee {
        if target == 0 || target > self.long.target_max() {
            return SmartFee { sat_per_kvb: None, blocks: target };
        }
        // Nobody can say what the next block takes.
        let blocks = target.max(2).min(self.target_usable());
        if blocks <= 1 {
            return SmartFee { sat_per_kvb: None, blocks };
        }
        let twice = blocks.saturating_mul(2);
        let half = self.shortest(blocks / 2, HALF, true);
        let full = self.shortest(blocks, FULL, true);
        let double = self.shortest(twice, DOUBLE, !conservative);
        // None is less than any.
        let mut most =
            [half, full, double].into_iter().fold(None, |most, next| if next > most { next } else { most });
        if conservative || most.is_none() {
            let lasting = self.lasting(twice);
            most = if lasting > most { lasting } else { most };
        }
        SmartFee { sat_per_kvb: most.map(whole).filter(|rate| *rate != 0), blocks }
    }

    /// What the shortest memory says that looks so far ahead; where a shorter one is asked too, what it says of the furthest that it sees, if
    /// that is less.
    fn shortest(&self, target: u32, likelihood: f64, asks_shorter: bool) -> Option<f64> {
        let sees = |memory: &Memory| target <= self.target_max(*memory);
        let memory = Memory::ALL.into_iter().find(sees)?;
        let mut least = self.feerate(target, likelihood, memory);
        for shorter in
            [Memory::Medium, Memory::Short].into_iter().filter(|memory| asks_shorter && !sees(memory))
        {
            let furthest = self.feerate(self.target_max(shorter), likelihood, shorter);
            if furthest.is_some_and(|rate| rate > 0.0 && least.is_none_or(|least| rate < least)) {
                least = furthest;
            }
        }
        least
    }

    /// The most of what longer memories say than the shortest one that looks so far ahead.
    fn lasting(&self, target: u32) -> Option<f64> {
        let ask = |longer, shorter| {
            let sees = target <= self.target_max(shorter);
            sees.then(|| self.feerate(target, DOUBLE, longer)).flatten()
        };
        let (medium, long) = (ask(Memory::Medium, Memory::Short), ask(Memory::Long, Memory::Medium));
        if long > medium { long } else { medium }
    }

    /// The furthest target that so few blocks can say something of: half of them, so that as many could have missed it.
    fn target_usable(&self) -> u32 {
        self.long.target_max().min(self.blocks_counted().max(self.blocks_of_history()) / 2)
    }

    /// Blocks of this run.
    pub(super) fn blocks_counted(&self) -> u32 {
        if self.first == 0 { 0 } else { self.best.saturating_sub(self.first) }
    }

    /// Blocks of earlier runs, if they are not too old.
    pub(super) fn blocks_of_history(&self) -> u32 {
        let (first, last) = self.history;
        let is_old = self.best.saturating_sub(last) > HISTORY_BLOCKS_MAX;
        if first == 0 || is_old { 0 } else { last.saturating_sub(first) }
    }
}

#[cfg(test)]
#[path = "estimator/tests.rs"]
mod tests;
