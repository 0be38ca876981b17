use super::{real, whole};

/// What a memory counts by, and how it fades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// What is left of a count after a block.
    pub(super) decay: f64,
    /// Blocks a period.
    pub(super) scale: u32,
    /// Periods that are told apart.
    pub(super) periods: usize,
    /// Transactions a block that a range of buckets must have had on average for it to say anything.
    pub(super) sufficient_txs: f64,
}

/// How the transactions of a range of feerates fared. The numbers fade, so that they are not whole.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Range {
    /// From this feerate on; satoshis per 1,000 virtual bytes.
    pub start: f64,
    /// Up to this one.
    pub end: f64,
    /// Those that a block took within the target.
    pub within_target: f64,
    /// Those that a block took at all.
    pub confirmed: f64,
    /// Those that wait in the mempool, for as long as the target already.
    pub waiting: f64,
    /// Those that left it after as long, without a block.
    pub left: f64,
}

impl Range {
    fn likelihood(&self) -> f64 {
        self.within_target / (self.confirmed + self.left + self.waiting)
    }
}

/// An estimate, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The feerate, in satoshis per 1,000 virtual bytes; none where too little is known, or too few were taken in time.
    pub(super) rate: Option<f64>,
    /// The lowest range of which enough were taken in time.
    pub pass: Option<Range>,
    /// The highest range below it of which too few were.
    pub fail: Option<Range>,
    /// What is left of a count after a block.
    pub decay: f64,
    /// Blocks a period.
    pub scale: u32,
}

impl Estimate {
    /// The feerate, in whole satoshis per 1,000 virtual bytes; none where too little is known, or too few were taken in time.
    pub fn sat_per_kvb(&self) -> Option<u64> {
        self.rate.map(whole).filter(|rate| *rate != 0)
    }
}

/// One memory. All its rows have a number a bucket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Horizon {
    pub(super) pace: Pace,
    /// The sum of the feerates of those that a block took.
    pub(super) feerates: Vec<f64>,
    /// How many it took.
    pub(super) confirmed: Vec<f64>,
    /// A row a period: those of them that had waited for no longer.
    pub(super) within: Vec<Vec<f64>>,
    /// A row a period: those that left without a block and had waited for longer.
    pub(super) failed: Vec<Vec<f64>>,
}

fn add(row: &mut [f64], bucket: usize, number: f64) {
    if let Some(count) = row.get_mut(bucket) {
        *count += number;
    }
}

fn at(row: &[f64], bucket: usize) -> f64 {
    row.get(bucket).copied().unwrap_or(0.0)
}

impl Horizon {
    pub(super) fn new(pace: Pace, buckets: usize) -> Horizon {
        let row = vec![0.0; buckets];
        Horizon {
            pace,
            feerates: row.clone(),
            confirmed: row.clone(),
            within: vec![row.clone(); pace.periods],
            failed: vec![row; pace.periods],
        }
    }

    /// Blocks that it looks ahead.
    pub(super) fn target_max(&self) -> u32 {
        let periods = u32::try_from(self.within.len()).unwrap_or(u32::MAX);
        self.pace.scale.saturating_mul(periods)
    }

    /// So many blocks have come.
    pub(super) fn fade(&mut self, blocks: u32) {
        let left = i32::try_from(blocks).map_or(0.0, |blocks| self.pace.decay.powi(blocks));
        let rows = self.within.iter_mut().chain(&mut self.failed);
        let all = rows.chain([&mut self.feerates, &mut self.confirmed]).flatten();
        all.for_each(|count| *count *= left);
    }

    /// The period that so many blocks fall into, from 0 on.
    fn period(&self, blocks: u32) -> usize {
        let periods = blocks.div_ceil(self.pace.scale.max(1)).saturating_sub(1);
        usize::try_from(periods).unwrap_or(usize::MAX)
    }

    /// A block took a transaction that had waited for so many blocks, itself among them.
    pub(super) fn taken(&mut self, blocks: u32, bucket: usize, sat_per_kvb: f64) {
        let period = self.period(blocks);
        self.within.iter_mut().skip(period).for_each(|row| add(row, bucket, 1.0));
        add(&mut self.confirmed, bucket, 1.0);
        add(&mut self.feerates, bucket, sat_per_kvb);
    }

    /// One left without a block that had waited for so many: it counts where it had waited for a whole period.
    pub(super) fn lost(&mut self, blocks: u32, bucket: usize) {
        let periods = blocks.checked_div(self.pace.scale).unwrap_or(0);
        let periods = usize::try_from(periods).unwrap_or(usize::MAX);
        self.failed.iter_mut().take(periods).for_each(|row| add(row, bucket, 1.0));
    }

    /// The lowest feerate of which so many were taken within `target` blocks. `waiting` has, a bucket, those that have waited for as long
    /// already. From the best bucket on, as many are taken together as have enough transactions to say something.
    pub(super) fn estimate(
        &self,
        target: u32,
        likelihood: f64,
        buckets: &[f64],
        waiting: &[u64],
    ) -> Estimate {
        let period = self.period(target);
        let none: &[f64] = &[];
        let row = |rows: &[Vec<f64>], bucket| at(rows.get(period).map_or(none, Vec::as_slice), bucket);
        let enough = self.pace.sufficient_txs / (1.0 - self.pace.decay);
        let mut walk = Walk::default();
        for bucket in (0..buckets.len()).rev() {
            walk.take(
                bucket,
                &Range {
                    within_target: row(&self.within, bucket),
                    confirmed: at(&self.confirmed, bucket),
                    waiting: waiting.get(bucket).map_or(0.0, |count| real(*count)),
                    left: row(&self.failed, bucket),
                    ..Range::default()
                },
            );
            if walk.sample >= enough {
                walk.judge(bucket, likelihood, buckets);
            }
        }
        walk.end(buckets);
        Estimate {
            rate: walk.best.and_then(|(near, far)| self.median(far, near)),
            pass: walk.pass,
            fail: walk.fail,
            decay: self.pace.decay,
            scale: self.pace.scale,
        }
    }

    /// What those of the middle one's bucket paid on average.
    fn median(&self, from: usize, to: usize) -> Option<f64> {
        let row = self.confirmed.get(from..=to)?;
        let mut left = row.iter().sum::<f64>() / 2.0;
        if left == 0.0 {
            return None;
        }
        let rows = row.iter().zip(self.feerates.get(from..=to)?);
        for (count, feerates) in rows {
            if *count >= left {
                return Some(feerates / count);
            }
            left -= count;
        }
        None
    }
}

/// A way from the best bucket to the worst.
#[derive(Default)]
struct Walk {
    /// What is counted now: the best bucket of it, and its numbers.
    near: Option<usize>,
    now: Range,
    /// Transactions taken by blocks since it was last looked.
    sample: f64,
    is_failing: bool,
    /// The best and the worst bucket of the last range that passed.
    best: Option<(usize, usize)>,
    pass: Option<Range>,
    fail: Option<Range>,
}

impl Walk {
    fn take(&mut self, bucket: usize, more: &Range) {
        self.near.get_or_insert(bucket);
        self.sample += more.confirmed;
        self.now.within_target += more.within_target;
        self.now.confirmed += more.confirmed;
        self.now.waiting += more.waiting;
        self.now.left += more.left;
    }

    /// What is counted, between its feerates.
    fn range(&self, far: usize, buckets: &[f64]) -> Range {
        let near = self.near.unwrap_or(far);
        let start = far.checked_sub(1).map_or(0.0, |below| at(buckets, below));
        Range { start, end: at(buckets, near), ..self.now }
    }

    fn judge(&mut self, far: usize, likelihood: f64, buckets: &[f64]) {
        self.sample = 0.0;
        let range = self.range(far, buckets);
        if range.likelihood() >= likelihood {
            self.best = self.near.map(|near| (near, far));
            (self.pass, self.fail, self.is_failing) = (Some(range), None, false);
            (self.near, self.now) = (None, Range::default());
        } else if !self.is_failing {
            (self.fail, self.is_failing) = (Some(range), true);
        }
    }

    /// What was too little to be judged has not passed.
    fn end(&mut self, buckets: &[f64]) {
        if !self.is_failing && self.near.is_some() {
            self.fail = Some(self.range(0, buckets));
        }
    }
}

#[cfg(test)]
#[path = "horizon/tests.rs"]
mod tests;
