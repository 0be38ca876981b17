//! The arithmetic of targets: 256-bit integers, no floats, cut off where Core cuts them off.

use bitcoin::{CompactTarget, Target, Work};

/// The target that a header's bits mean; none where they are negative, zero or beyond 256 bits.
///
/// The bits are `size << 24 | mantissa`: the mantissa's three bytes are the first of a number of `size` bytes. The
/// bit 0x800000 is the sign. The size is unsigned.
pub fn decode_bits(bits: CompactTarget) -> Option<Target> {
    let [size, a, b, c] = bits.to_consensus().to_be_bytes();
    if a & 0x80 != 0 {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (digit, from_top) in [a, b, c].into_iter().zip(0u8..) {
        // The byte's place from the low end, one-based: `size` for the mantissa's first one; below 1 it is cut off.
        let place = usize::from(size.saturating_sub(from_top));
        if digit == 0 || place == 0 {
            continue;
        }
        *bytes.get_mut(32usize.checked_sub(place)?)? = digit;
    }
    (bytes != [0; 32]).then(|| Target::from_be_bytes(bytes))
}

/// The work that one block of these bits stands for: 2^256 / (target + 1), rounded down; none for bits that mean no target.
pub fn work_of_bits(bits: CompactTarget) -> Work {
    match decode_bits(bits) {
        None => Work::from_be_bytes([0; 32]),
        // The library calls the inverse of 1 the largest number; it is 2^255.
        Some(target) if target == one() => Work::from_be_bytes(first_byte(0x80)),
        Some(target) => target.to_work(),
    }
}

/// The sum, which stays at the largest number there; no chain gets there, since 2^256 hashes are needed.
pub fn add_work(a: Work, b: Work) -> Work {
    let (mut sum, mut carry) = ([0u8; 32], 0u16);
    for ((to, x), y) in sum.iter_mut().zip(a.to_le_bytes()).zip(b.to_le_bytes()) {
        let digit = u16::from(x).wrapping_add(u16::from(y)).wrapping_add(carry);
        let [high, low] = digit.to_be_bytes();
        *to = low;
        carry = u16::from(high);
    }
    if carry == 0 { Work::from_le_bytes(sum) } else { Work::from_be_bytes([0xff; 32]) }
}

/// `target * numerator / denominator`, the product cut to 256 bits, the quotient rounded down; zero for a denominator of zero.
pub(super) fn scale_floor(target: Target, numerator: u32, denominator: u32) -> Target {
    let mut product = [0u32; 8];
    let mut carry = 0u64;
    for (to, from) in product.iter_mut().rev().zip(limbs(target).iter().rev()) {
        // At most (2^32 - 1)^2 + 2^32 - 1, which is below 2^64.
        let digit = u64::from(*from).wrapping_mul(u64::from(numerator)).wrapping_add(carry);
        *to = low_half(digit);
        carry = digit >> 32;
    }
    let mut bytes = [0u8; 32];
    let mut rest = 0u64;
    for (to, digit) in bytes.chunks_exact_mut(4).zip(product) {
        let dividend = (rest << 32) | u64::from(digit);
        let quotient = dividend.checked_div(u64::from(denominator)).unwrap_or(0);
        rest = dividend.checked_rem(u64::from(denominator)).unwrap_or(0);
        to.copy_from_slice(&low_half(quotient).to_be_bytes());
    }
    Target::from_be_bytes(bytes)
}

/// Eight limbs, the most significant first.
fn limbs(target: Target) -> [u32; 8] {
    let mut limbs = [0u32; 8];
    for (to, from) in limbs.iter_mut().zip(target.to_be_bytes().chunks_exact(4)) {
        *to = from.iter().fold(0, |limb, byte| (limb << 8) | u32::from(*byte));
    }
    limbs
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX)
}

fn one() -> Target {
    let mut bytes = [0; 32];
    if let Some(last) = bytes.last_mut() {
        *last = 1;
    }
    Target::from_be_bytes(bytes)
}

fn first_byte(byte: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    if let Some(first) = bytes.first_mut() {
        *first = byte;
    }
    bytes
}

#[cfg(test)]
#[path = "target/tests.rs"]
mod tests;
