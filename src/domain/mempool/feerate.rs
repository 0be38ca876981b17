use std::cmp::Ordering;

use bitcoin::Txid;

/// A fee for a size, compared by what is paid for a virtual byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct FeeRate {
    /// Satoshis.
    pub fee_sat: u64,
    /// Virtual bytes; never zero for a transaction.
    pub vsize: u64,
}

impl FeeRate {
    /// Which pays more for a virtual byte. Exact: 2^51 satoshis times 2^28 bytes fit 128 bits many times over.
    pub(super) fn compare(self, other: FeeRate) -> Ordering {
        let cross = |a: FeeRate, b: FeeRate| u128::from(a.fee_sat).saturating_mul(u128::from(b.vsize));
        cross(self, other).cmp(&cross(other, self))
    }

    pub(super) fn lower(self, other: FeeRate) -> FeeRate {
        if self.compare(other).is_lt() { self } else { other }
    }

    pub(super) fn higher(self, other: FeeRate) -> FeeRate {
        if self.compare(other).is_gt() { self } else { other }
    }

    pub(super) fn with(self, other: FeeRate) -> FeeRate {
        let fee_sat = self.fee_sat.saturating_add(other.fee_sat);
        FeeRate { fee_sat, vsize: self.vsize.saturating_add(other.vsize) }
    }

    pub(super) fn without(self, other: FeeRate) -> FeeRate {
        let fee_sat = self.fee_sat.saturating_sub(other.fee_sat);
        FeeRate { fee_sat, vsize: self.vsize.saturating_sub(other.vsize) }
    }

    /// Satoshis per 1,000 virtual bytes, rounded down.
    pub(super) fn sat_per_kvb_floor(self) -> u64 {
        self.fee_sat.saturating_mul(1_000).checked_div(self.vsize).unwrap_or(0)
    }
}

/// The fee for `vsize` at a rate, rounded up.
pub(super) fn fee_at_ceil(sat_per_kvb: u64, vsize: u64) -> u64 {
    sat_per_kvb.saturating_mul(vsize).div_ceil(1_000)
}

/// A place in an order by feerate; the id decides between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub rate: FeeRate,
    pub txid: Txid,
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        self.rate.compare(other.rate).then_with(|| self.txid.cmp(&other.txid))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
#[path = "feerate/tests.rs"]
mod tests;
