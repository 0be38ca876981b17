use bitcoin::Target;
use thiserror::Error;

/// How much harder than difficulty 1 a share is, in steps of 2^-32: integer, so that what is credited adds up exactly.
///
/// Difficulty 1 is the target `0xFFFF * 2^208` ("bdiff"). The raw number is, within 0.002 %, the hashes that a share
/// takes on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difficulty(u64);

/// Why a number is not a difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DifficultyError {
    /// Zero, negative, infinite or not a number.
    #[error("a difficulty is a positive number")]
    NotPositive,
    /// Beyond [`Difficulty::MAX`].
    #[error("a difficulty is below 4294967296")]
    TooLarge,
}

impl Difficulty {
    /// Difficulty 1.
    pub const ONE: Difficulty = Difficulty(1 << 32);
    /// The smallest: 2^-32, which one hash meets.
    pub const MIN: Difficulty = Difficulty(1);
    /// The largest: 2^31 (2^63 hashes), so that sums of two never overflow.
    pub const MAX: Difficulty = Difficulty(1 << 63);

    /// From steps of 2^-32.
    pub const fn from_raw(raw: u64) -> Result<Difficulty, DifficultyError> {
        match raw {
            0 => Err(DifficultyError::NotPositive),
            r if r > Self::MAX.0 => Err(DifficultyError::TooLarge),
            r => Ok(Difficulty(r)),
        }
    }

    /// In steps of 2^-32; about the hashes that a share takes.
    pub const fn to_raw(self) -> u64 {
        self.0
    }

    /// The highest hash that meets it: `0xFFFF * 2^240 / raw`, rounded down.
    pub fn to_target(self) -> Target {
        // Long division of a 256-bit number by a 64-bit one, most significant 32 bits first.
        let mut out = [0u8; 32];
        let mut rest: u128 = 0;
        for (i, limb) in out.chunks_exact_mut(4).enumerate() {
            // 0xFFFF * 2^240 in eight big-endian limbs of 32 bits: the first is 0xFFFF0000.
            let digit: u128 = if i == 0 { 0xFFFF_0000 } else { 0 };
            let dividend = (rest << 32) | digit;
            // A difficulty is never zero, so both are there.
            let divisor = u128::from(self.0);
            let quotient = dividend.checked_div(divisor).unwrap_or(0);
            rest = dividend.checked_rem(divisor).unwrap_or(0);
            // The quotient of a limb fits 32 bits, since the rest is below the divisor.
            let quotient = u32::try_from(quotient).unwrap_or(u32::MAX);
            limb.copy_from_slice(&quotient.to_be_bytes());
        }
        Target::from_be_bytes(out)
    }
}

#[cfg(test)]
#[path = "difficulty/tests.rs"]
mod tests;
