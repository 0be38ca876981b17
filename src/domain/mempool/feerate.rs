use std::cmp::Ordering;

/// A fee for a size, compared by what is paid for a unit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct FeeRate {
    /// Satoshis; less than none where an operator holds it back.
    pub fee_sat: i64,
    /// Units of weight where transactions are put in order, virtual bytes where a fee is asked for; never zero for a transaction.
    pub size: u64,
}

impl FeeRate {
    /// Which pays more for a unit. Exact: 2^63 satoshis times 2^40 units fit 128 bits.
    pub(super) fn compare(self, other: FeeRate) -> Ordering {
        let cross = |a: FeeRate, b: FeeRate| i128::from(a.fee_sat).saturating_mul(i128::from(b.size));
        cross(self, other).cmp(&cross(other, self))
    }

    pub(super) fn with(self, other: FeeRate) -> FeeRate {
        let fee_sat = self.fee_sat.saturating_add(other.fee_sat);
        FeeRate { fee_sat, size: self.size.saturating_add(other.size) }
    }

    /// The same for the virtual bytes that its units of weight come to.
    pub(super) fn by_vsize(self) -> FeeRate {
        FeeRate { size: self.size.div_ceil(4), ..self }
    }

    /// Satoshis per 1,000 virtual bytes, of which it is a size, rounded down; none is the least.
    pub(super) fn sat_per_kvb_floor(self) -> u64 {
        let fee_sat = u64::try_from(self.fee_sat).unwrap_or(0);
        fee_sat.saturating_mul(1_000).checked_div(self.size).unwrap_or(0)
    }
}

/// The fee for `vsize` at a rate, rounded up.
pub(super) fn fee_at_ceil(sat_per_kvb: u64, vsize: u64) -> u64 {
    sat_per_kvb.saturating_mul(vsize).div_ceil(1_000)
}

/// A place in the order of all that is held: by what is paid for a byte; within a cluster the first chunk is the best of equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub rate: FeeRate,
    pub cluster: u64,
    pub index: u64,
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        let by_rate = self.rate.compare(other.rate);
        by_rate.then_with(|| (other.index, other.cluster).cmp(&(self.index, self.cluster)))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What chunks pay, the best first, as a curve of fees over sizes: it rises along each chunk in a straight line, and is level behind the last.
/// Says whether `new` is nowhere below `old`, and above it somewhere.
pub(super) fn is_better(old: &[FeeRate], new: &[FeeRate]) -> bool {
    let (old, new) = (corners(old), corners(new));
    let mut above = false;
    for at in old.iter().chain(&new).map(|corner| corner.size) {
        match height_at(&new, at).compare_to(height_at(&old, at)) {
            Ordering::Less => return false,
            Ordering::Greater => above = true,
            Ordering::Equal => {}
        }
    }
    above
}

/// Where the curve bends: fees and sizes up to there.
fn corners(chunks: &[FeeRate]) -> Vec<FeeRate> {
    let mut sorted = chunks.to_vec();
    sorted.sort_by(|a, b| b.compare(*a));
    let sum = |sum: &mut FeeRate, chunk: FeeRate| {
        *sum = sum.with(chunk);
        Some(*sum)
    };
    sorted.into_iter().scan(FeeRate::default(), sum).collect()
}

/// A number of satoshis as a fraction.
#[derive(Clone, Copy)]
struct Fraction {
    above: i128,
    below: i128,
}

impl Fraction {
    /// Fees of 2^53 and sizes of 2^26, the most that a few clusters have, leave 22 bits of 128 free.
    fn compare_to(self, other: Fraction) -> Ordering {
        self.above.saturating_mul(other.below).cmp(&other.above.saturating_mul(self.below))
    }
}

/// How high the curve is at a size.
fn height_at(corners: &[FeeRate], at: u64) -> Fraction {
    let mut from = FeeRate::default();
    for corner in corners {
        if at <= corner.size {
            let (run, step) = (corner.size.saturating_sub(from.size), at.saturating_sub(from.size));
            let rise = i128::from(corner.fee_sat.saturating_sub(from.fee_sat));
            let (run, step) = (i128::from(run.max(1)), i128::from(step));
            let base = i128::from(from.fee_sat).saturating_mul(run);
            return Fraction { above: base.saturating_add(rise.saturating_mul(step)), below: run };
        }
        from = *corner;
    }
    Fraction { above: i128::from(from.fee_sat), below: 1 }
}

#[cfg(test)]
#[path = "feerate/tests.rs"]
mod tests;
