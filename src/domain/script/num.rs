//! Numbers as scripts have them: little-endian, the sign in the highest bit, no byte for zero.

use super::ScriptError;
use super::stack::Element;

/// Bytes that an operand of an arithmetic opcode may have.
pub(super) const OPERAND_BYTES_MAX: usize = 4;
/// Bytes that the operand of CHECKLOCKTIMEVERIFY and CHECKSEQUENCEVERIFY may have (BIP-0065, BIP-0112).
pub(super) const LOCK_BYTES_MAX: usize = 5;

/// Reads a number of at most `bytes_max` bytes (8 at most); `minimal` asks for the shortest form.
pub(super) fn decode(bytes: &[u8], minimal: bool, bytes_max: usize) -> Result<i64, ScriptError> {
    if bytes.len() > bytes_max || (minimal && !is_minimal(bytes)) {
        return Err(ScriptError::ScriptNum);
    }
    let mut le = [0; 8];
    for (to, from) in le.iter_mut().zip(bytes) {
        *to = *from;
    }
    let Some(last) = bytes.len().checked_sub(1).and_then(|i| le.get_mut(i)) else { return Ok(0) };
    let negative = *last & 0x80 != 0;
    *last &= 0x7f;
    let magnitude = i64::from_le_bytes(le);
    Ok(if negative { magnitude.saturating_neg() } else { magnitude })
}

/// Whether no shorter form means the same number.
fn is_minimal(bytes: &[u8]) -> bool {
    match bytes {
        [.., before, last] if last & 0x7f == 0 => before & 0x80 != 0,
        [last] => last & 0x7f != 0,
        _ => true,
    }
}

/// The shortest form of a number.
pub(super) fn encode(number: i64) -> Element<'static> {
    let mut bytes = [0; 32];
    let mut len: usize = 0;
    let mut rest = number.unsigned_abs();
    for byte in bytes.iter_mut().take(9) {
        if rest == 0 {
            break;
        }
        *byte = u8::try_from(rest & 0xff).unwrap_or_default();
        rest >>= 8;
        // The sign needs the highest bit of the last byte; where that is taken, one more byte carries it.
        len = len.saturating_add(1);
        if rest == 0 && *byte & 0x80 != 0 {
            len = len.saturating_add(1);
        }
    }
    if let Some(last) = len.checked_sub(1).and_then(|i| bytes.get_mut(i))
        && number < 0
    {
        *last |= 0x80;
    }
    Element::short(bytes, len)
}

#[cfg(test)]
mod tests;
