//! Bytes as digits.

/// A digit of four bits; without a branch, so that many are made at once.
fn digit(bits: u8) -> u8 {
    let letter = b'a'.wrapping_sub(10);
    bits.wrapping_add(if bits < 10 { b'0' } else { letter })
}

/// Two digits a byte, in lower case.
pub(super) fn digits<'a>(bytes: impl ExactSizeIterator<Item = &'a u8>) -> String {
    let mut out = vec![0; bytes.len().saturating_mul(2)];
    let (pairs, _) = out.as_chunks_mut::<2>();
    pairs.iter_mut().zip(bytes).for_each(|(pair, byte)| *pair = [digit(byte >> 4), digit(byte & 0xf)]);
    // Digits are ASCII.
    String::from_utf8(out).unwrap_or_default()
}
