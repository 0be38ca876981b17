//! The feerate that a full pool asks for, and how it falls again.

use super::feerate::FeeRate;
use crate::units::UnixMillis;

/// The floor halves in so many seconds; in half of them where the pool is less than half full, in a quarter where less than a quarter.
const HALF_LIFE_S: u64 = 12 * 60 * 60;
/// It is looked at no more often than this.
const STEP_MS: u64 = 10_000;
/// What is left of it after a second, in units of 2^-64, for each of the three: 2^(-1/43200), 2^(-1/21600), 2^(-1/10800).
const LEFT_A_SECOND: [u64; 3] =
    [18_446_448_096_717_257_183, 18_446_152_124_473_897_284, 18_445_560_194_233_676_304];
/// Bits of a fraction of a satoshi that are kept: what ten seconds take from a floor of a satoshi is seen.
const FRACTION_BITS: u32 = 20;

const _: () = assert!(HALF_LIFE_S == 43_200);

/// The floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Floor {
    /// Satoshis per 1,000 virtual bytes, in units of 2^-20.
    scaled: u64,
    /// Up to when it has fallen.
    at: UnixMillis,
    /// Whether a block has come since it rose: before, it does not fall.
    falls: bool,
    /// What is asked for now.
    asked: u64,
}

impl Floor {
    /// What is asked for; satoshis per 1,000 virtual bytes.
    pub(super) fn sat_per_kvb(self) -> u64 {
        self.asked
    }

    /// What left a full pool paid so much: what comes pays more.
    pub(super) fn rise(&mut self, left: FeeRate, incremental_sat_per_kvb: u64) {
        let above = left.sat_per_kvb_floor().saturating_add(incremental_sat_per_kvb);
        if above > self.scaled >> FRACTION_BITS {
            self.scaled = above.saturating_mul(1 << FRACTION_BITS);
            self.falls = false;
            self.asked = above;
        }
    }

    /// A block has come.
    pub(super) fn block(&mut self, now: UnixMillis) {
        (self.at, self.falls) = (now, true);
    }

    /// Time has passed, with so much of the pool in use. Below half of what a replacement adds nothing is asked for.
    pub(super) fn pass(
        &mut self,
        now: UnixMillis,
        usage_bytes: u64,
        bytes_max: u64,
        incremental_sat_per_kvb: u64,
    ) {
        let passed_ms = now.ms_since(self.at);
        if !self.falls || self.scaled == 0 || passed_ms <= STEP_MS {
            return;
        }
        let speed = if usage_bytes < bytes_max / 4 {
            2
        } else if usage_bytes < bytes_max / 2 {
            1
        } else {
            0
        };
        let left = LEFT_A_SECOND.get(speed).copied().unwrap_or(0);
        self.scaled = of(self.scaled, power(left, passed_ms / 1_000));
        self.at = now;
        if self.scaled >> FRACTION_BITS < incremental_sat_per_kvb / 2 {
            self.scaled = 0;
        }
        let whole = self.scaled.saturating_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS;
        self.asked = if self.scaled == 0 { 0 } else { whole.max(incremental_sat_per_kvb) };
    }
}

/// A part of a number; the part is in units of 2^-64.
fn of(number: u64, part: u64) -> u64 {
    // The product of two numbers of 64 bits has 128, its upper half 64.
    u64::try_from(u128::from(number).saturating_mul(u128::from(part)) >> 64).unwrap_or(u64::MAX)
}

/// A part, so often its own part.
fn power(part: u64, mut times: u64) -> u64 {
    let (mut power, mut square) = (u64::MAX, part);
    while times != 0 {
        if times & 1 != 0 {
            power = of(power, square);
        }
        square = of(square, square);
        times >>= 1;
    }
    power
}

#[cfg(test)]
#[path = "floor/tests.rs"]
mod tests;
