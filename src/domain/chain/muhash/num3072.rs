//! Numbers modulo 2^3072 - 1103717, the largest prime below 2^3072 of which half, rounded down, is prime too.

/// Limbs of 64 bits in a number.
const LIMBS: usize = 48;

/// Bytes of a number.
pub const NUM_BYTES: usize = 384;

/// The modulus is 2^3072 less this.
const PRIME_GAP: u64 = 1_103_717;

/// The exponent of an inverse, the modulus less 2, is 3051 ones and these 21 bits: 2^21 - PRIME_GAP - 2.
const INVERSE_TAIL_BITS: u32 = 21;
const INVERSE_TAIL: u64 = (1 << INVERSE_TAIL_BITS) - PRIME_GAP - 2;
const INVERSE_ONES: u32 = 3072 - INVERSE_TAIL_BITS;

/// A number; any value below 2^3072 stands for its rest.
#[derive(Clone, Debug)]
pub(super) struct Num3072([u64; LIMBS]);

/// Equal as rests.
impl PartialEq for Num3072 {
    fn eq(&self, other: &Num3072) -> bool {
        self.to_canonical_bytes() == other.to_canonical_bytes()
    }
}

impl Eq for Num3072 {}

impl Num3072 {
    pub(super) const ZERO: Num3072 = Num3072([0; LIMBS]);

    pub(super) const ONE: Num3072 = {
        let mut limbs = [0; LIMBS];
        limbs[0] = 1;
        Num3072(limbs)
    };

    pub(super) fn from_le_bytes(bytes: &[u8; NUM_BYTES]) -> Num3072 {
        let mut limbs = [0; LIMBS];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Num3072(limbs)
    }

    /// The number itself, below the modulus.
    pub(super) fn to_canonical_bytes(&self) -> [u8; NUM_BYTES] {
        let mut limbs = self.0;
        // At or above the modulus, adding the gap carries out of the top, and what is left is the rest.
        let mut reduced = limbs;
        if add_small(&mut reduced, PRIME_GAP) {
            limbs = reduced;
        }
        let mut bytes = [0; NUM_BYTES];
        for (chunk, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(limbs) {
            *chunk = limb.to_le_bytes();
        }
        bytes
    }

    /// `self * other`: 2304 products of limbs, and the upper half, times the gap, added to the lower.
    pub(super) fn multiply(&mut self, other: &Num3072) {
        let mut product = [0u64; 2 * LIMBS];
        for (shift, limb) in self.0.iter().enumerate() {
            let Some((row, above)) = product.split_at_mut(shift).1.split_at_mut_checked(LIMBS) else { break };
            let carry = add_scaled(row, &other.0, *limb);
            if let Some(top) = above.first_mut() {
                *top = carry;
            }
        }
        let (low, high) = product.split_at(LIMBS);
        self.0.copy_from_slice(low);
        let mut over = add_scaled(&mut self.0, high, PRIME_GAP);
        // What is above 2^3072 is at most the gap; times the gap it fits in two limbs' carry, and once more at most.
        while over != 0 {
            let (low, high) = halves(u128::from(over).wrapping_mul(u128::from(PRIME_GAP)));
            let carried = add_small(&mut self.0, low);
            over = high.wrapping_add(u64::from(carried));
        }
    }

    fn square(&mut self) {
        let copy = self.clone();
        self.multiply(&copy);
    }

    fn square_times(&mut self, times: u32) {
        (0..times).for_each(|_| self.square());
    }

    /// The number that multiplied with this one gives 1, by Fermat: this one to the modulus less 2. Zero of zero.
    pub(super) fn inverse(&self) -> Num3072 {
        let mut power = self.to_ones(INVERSE_ONES);
        for bit in (0..INVERSE_TAIL_BITS).rev() {
            power.square();
            if (INVERSE_TAIL >> bit) & 1 == 1 {
                power.multiply(self);
            }
        }
        power
    }

    /// This one to the power of a number of so many one bits, by doubling the ones.
    fn to_ones(&self, count: u32) -> Num3072 {
        let (mut power, mut ones) = (self.clone(), 1u32);
        for bit in (0..count.ilog2()).rev() {
            let half = power.clone();
            power.square_times(ones);
            power.multiply(&half);
            ones = ones.wrapping_mul(2);
            if (count >> bit) & 1 == 1 {
                power.square();
                power.multiply(self);
                ones = ones.wrapping_add(1);
            }
        }
        power
    }
}

/// `row += factor * limbs`; the carry out of the top.
fn add_scaled(row: &mut [u64], limbs: &[u64], factor: u64) -> u64 {
    let mut carry = 0u64;
    for (to, limb) in row.iter_mut().zip(limbs) {
        // (2^64 - 1)^2 + 2 * (2^64 - 1) is 2^128 - 1.
        let sum = u128::from(*limb) * u128::from(factor) + u128::from(*to) + u128::from(carry);
        (*to, carry) = halves(sum);
    }
    carry
}

/// `limbs += value`; whether it carried out of the top.
fn add_small(limbs: &mut [u64; LIMBS], value: u64) -> bool {
    let mut carry = value;
    for limb in limbs.iter_mut() {
        let (sum, over) = limb.overflowing_add(carry);
        *limb = sum;
        carry = u64::from(over);
    }
    carry != 0
}

/// The lower and the upper 64 bits.
#[expect(clippy::as_conversions, reason = "cutting off is what is meant, and this is the innermost loop")]
fn halves(value: u128) -> (u64, u64) {
    (value as u64, (value >> 64) as u64)
}

#[cfg(test)]
#[path = "num3072/tests.rs"]
mod tests;
