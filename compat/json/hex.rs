//! Bytes as digits.

/// Bytes whose digits are made at a time, in memory that stays at hand.
const AT_ONCE: usize = 256;

/// A digit of four bits; without a branch, so that many are made at once.
fn digit(bits: u8) -> u8 {
    let letter = b'a'.wrapping_sub(10);
    bits.wrapping_add(if bits < 10 { b'0' } else { letter })
}

/// Two digits a byte, in lower case.
pub(super) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().saturating_mul(2));
    let mut made = [[0; 2]; AT_ONCE];
    for some in bytes.chunks(AT_ONCE) {
        made.iter_mut().zip(some).for_each(|(pair, byte)| *pair = [digit(byte >> 4), digit(byte & 0xf)]);
        out.extend_from_slice(made.get(..some.len()).unwrap_or_default().as_flattened());
    }
}

/// The same, as a text.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    put(bytes, &mut out);
    // Digits are ASCII.
    String::from_utf8(out).unwrap_or_default()
}
