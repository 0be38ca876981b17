//! Signatures and keys: their encodings, and the curve.

use secp256k1::{Message, ecdsa, schnorr};

use super::memo::Memo;
use super::{ScriptError, ScriptFlags};

/// A signature that is not empty MUST have the encoding that the flags ask for. BIP-0066 and policy.
pub(super) fn check_signature_encoding(signature: &[u8], flags: ScriptFlags) -> Result<(), ScriptError> {
    let Some((hash_type, der)) = signature.split_last() else { return Ok(()) };
    let strict = ScriptFlags::DERSIG | ScriptFlags::LOW_S | ScriptFlags::STRICTENC;
    if flags.intersects(strict) && !is_strict_der(der) {
        return Err(ScriptError::SigDer);
    }
    if flags.contains(ScriptFlags::LOW_S) && !has_low_s(der) {
        return Err(ScriptError::SigHighS);
    }
    if flags.contains(ScriptFlags::STRICTENC) && !matches!(hash_type & 0x7f, 1..=3) {
        return Err(ScriptError::SigHashType);
    }
    Ok(())
}

/// Whether this is a signature by BIP-0066's form with a type of hash that is defined.
pub fn is_strict_signature(signature: &[u8]) -> bool {
    !signature.is_empty() && check_signature_encoding(signature, ScriptFlags::STRICTENC).is_ok()
}

/// A key MUST have the form that the flags ask for (policy).
pub(super) fn check_key_encoding(
    key: &[u8],
    flags: ScriptFlags,
    is_witness_v0: bool,
) -> Result<(), ScriptError> {
    let is_compressed = key.len() == 33 && matches!(key.first(), Some(2 | 3));
    let is_uncompressed = key.len() == 65 && key.first() == Some(&4);
    if flags.contains(ScriptFlags::STRICTENC) && !is_compressed && !is_uncompressed {
        return Err(ScriptError::PubKeyType);
    }
    if flags.contains(ScriptFlags::WITNESS_PUBKEYTYPE) && is_witness_v0 && !is_compressed {
        return Err(ScriptError::WitnessPubKeyType);
    }
    Ok(())
}

/// Whether `der` (without the hash type) is the one encoding that BIP-0066 allows.
///
/// ```text
/// 30 <length of all that follows> 02 <length> <R> 02 <length> <S>
/// ```
/// R and S are not empty, not negative, and have a leading zero only where they would be negative without.
fn is_strict_der(der: &[u8]) -> bool {
    if !(8..=72).contains(&der.len()) {
        return false;
    }
    let [0x30, total, body @ ..] = der else { return false };
    usize::from(*total) == body.len()
        && strict_integer(body).and_then(strict_integer).is_some_and(<[u8]>::is_empty)
}

/// What follows the integer that `bytes` begin with, if that is in its shortest form.
fn strict_integer(bytes: &[u8]) -> Option<&[u8]> {
    let [0x02, len, rest @ ..] = bytes else { return None };
    let (integer, rest) = rest.split_at_checked(usize::from(*len))?;
    let is_shortest = match integer {
        [] | [0x80..=0xff, ..] => false,
        [0, next, ..] => next & 0x80 != 0,
        _ => true,
    };
    is_shortest.then_some(rest)
}

/// R and S as the lax rules before BIP-0066 read them: lengths in any form, what lies behind S ignored. A number that
/// does not fit makes both zero: then no key verifies it. None where even these rules see no signature.
fn parse_lax(der: &[u8]) -> Option<ecdsa::Signature> {
    let [0x30, len, rest @ ..] = der else { return None };
    let body = match len & 0x80 {
        0 => rest,
        _ => rest.get(usize::from(len & 0x7f)..)?,
    };
    let (r, rest) = lax_integer(body)?;
    let (s, _) = lax_integer(rest)?;
    let mut compact = [0; 64];
    let (to_r, to_s) = compact.split_at_mut(32);
    if !copy_integer(to_r, r) || !copy_integer(to_s, s) {
        compact = [0; 64];
    }
    ecdsa::Signature::from_compact(&compact).or_else(|_| ecdsa::Signature::from_compact(&[0; 64])).ok()
}

/// The integer that `bytes` begin with and what follows it.
fn lax_integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x02, len, rest @ ..] = bytes else { return None };
    if len & 0x80 == 0 {
        return rest.split_at_checked(usize::from(*len));
    }
    let (len_bytes, rest) = rest.split_at_checked(usize::from(len & 0x7f))?;
    let len_bytes = without_leading_zeros(len_bytes);
    if len_bytes.len() > 3 {
        return None;
    }
    let len = len_bytes.iter().fold(0_u32, |len, byte| (len << 8) | u32::from(*byte));
    rest.split_at_checked(usize::try_from(len).ok()?)
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Writes a big-endian number to the right of 32 zero bytes; false where it has more.
fn copy_integer(to: &mut [u8], integer: &[u8]) -> bool {
    let integer = without_leading_zeros(integer);
    let fits = integer.len() <= to.len();
    let start = to.len().saturating_sub(integer.len());
    if let Some(to) = to.get_mut(start..).filter(|to| to.len() == integer.len()) {
        to.copy_from_slice(integer);
    }
    fits
}

fn has_low_s(der: &[u8]) -> bool {
    parse_lax(der).is_some_and(|signature| {
        let mut normalized = signature;
        normalized.normalize_s();
        normalized == signature
    })
}

/// Whether the signature (without the hash type) is one of `digest` by `key`, which [`has_key_form`]; a high S is as
/// good as a low one, and a key may also have the hybrid form.
pub(super) fn verify_ecdsa(memo: &Memo, key: &[u8], der: &[u8], digest: [u8; 32]) -> bool {
    let (Some(key), Some(mut signature)) = (memo.key(key), parse_lax(der)) else { return false };
    signature.normalize_s();
    ecdsa::verify(&signature, Message::from_digest(digest), &key).is_ok()
}

/// Whether 64 bytes are a signature of `message`, which may have any length, by the x-only `key` of 32 bytes. BIP-0340.
pub fn verify_schnorr(key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    verify_schnorr_by(&Memo::default(), key, signature, message)
}

/// The same with the keys that are kept.
pub(super) fn verify_schnorr_by(memo: &Memo, key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let (Some(key), Ok(signature)) = (memo.x_only_key(key), signature.try_into()) else { return false };
    schnorr::verify(&schnorr::Signature::from_byte_array(signature), message, &key).is_ok()
}

#[cfg(test)]
mod tests;
