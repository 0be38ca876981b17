//! Coins and undo data in Bitcoin Core's compact serialisation: what stands in rev*.dat and in its snapshots of the coin set.
//!
//! Owns: Core's variable-length numbers, the compression of amounts and scripts, a block's undo data. Must not know: files, keys,
//! checksums.
//!
//! | bytes | field of an output |
//! |---|---|
//! | varint | the amount: 0, or without its zeros at the end, see [`compress_amount`] |
//! | varint | 0 to 5: a kind of script, of which 20 (0, 1) or 32 (2 to 5) bytes follow; else the script's length and 6 more |
//! | 20, 32 or length | hash, the key's x, or the script |

use bitcoin::{Amount, ScriptBuf, TxOut};
use secp256k1::PublicKey;
use thiserror::Error;

use crate::consensus::{BlockUndo, Coin};
use crate::units::Height;

/// A longer script can never be spent, and is in no coin set: Core's limit of a script, 10,000 bytes.
const SCRIPT_BYTES_MAX: usize = 10_000;
/// Kinds of scripts that are not written out.
const SPECIAL_SCRIPTS: usize = 6;
/// Zeros at an amount's end that are counted: more of them stay in the number.
const ZEROS_MAX: u64 = 9;

const OP_DUP: u8 = 0x76;
const OP_HASH160: u8 = 0xa9;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_CHECKSIG: u8 = 0xac;
/// Pushes of a hash, a compressed and an uncompressed key.
const PUSH_20: u8 = 20;
const PUSH_33: u8 = 33;
const PUSH_65: u8 = 65;

/// Why bytes are no coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CoinCodecError {
    /// They end too early.
    #[error("cut short")]
    Short,
    /// A number is too large for its field.
    #[error("number out of range")]
    Range,
    /// A compressed key is not on the curve.
    #[error("no key has this coordinate")]
    Key,
}

/// Core's variable-length number: seven bits a byte, the highest first, the top bit set on all but the last, and one taken off
/// before each further byte, so that no number has two encodings.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    let from = out.len();
    let low = |value: u64| u8::try_from(value & 0x7f).unwrap_or(0x7f);
    out.push(low(value));
    while value > 0x7f {
        value = (value >> 7).saturating_sub(1);
        out.push(low(value) | 0x80);
    }
    if let Some(written) = out.get_mut(from..) {
        written.reverse();
    }
}

/// The inverse of [`put_varint`].
pub fn take_varint(rest: &mut &[u8]) -> Result<u64, CoinCodecError> {
    let mut value = 0u64;
    loop {
        let [byte] = take_array(rest)?;
        let shifted = value.checked_mul(0x80).ok_or(CoinCodecError::Range)?;
        value = shifted | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
        value = value.checked_add(1).ok_or(CoinCodecError::Range)?;
    }
}

/// Bitcoin's CompactSize, the shortest encoding.
pub fn put_compact_size(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    let (mark, len) = match value {
        0..=0xfc => (None, 1),
        0xfd..=0xffff => (Some(0xfd), 2),
        0x1_0000..=0xffff_ffff => (Some(0xfe), 4),
        _ => (Some(0xff), 8),
    };
    out.extend(mark);
    out.extend(bytes.into_iter().take(len));
}

/// The inverse of [`put_compact_size`]; a longer encoding than needed is refused, as Core does.
pub fn take_compact_size(rest: &mut &[u8]) -> Result<u64, CoinCodecError> {
    let [mark] = take_array(rest)?;
    let (value, least) = match mark {
        0xfd => (u64::from(u16::from_le_bytes(take_array(rest)?)), 0xfd),
        0xfe => (u64::from(u32::from_le_bytes(take_array(rest)?)), 0x1_0000),
        0xff => (u64::from_le_bytes(take_array(rest)?), 0x1_0000_0000),
        small => (u64::from(small), 0),
    };
    if value >= least { Ok(value) } else { Err(CoinCodecError::Range) }
}

/// An amount without its zeros at the end. With e of them (9 at most), d the last digit before them and n what is left of it:
/// 1 + 10 * (9 * n + d - 1) + e; with 9 zeros no digit is taken off: 1 + 10 * (n - 1) + 9; 0 is 0.
///
/// For up to 2 * 10^17 satoshis, a hundred times what there will be; more is cut to what fits.
pub fn compress_amount(sat: u64) -> u64 {
    if sat == 0 {
        return 0;
    }
    let (mut digits, mut zeros) = (sat, 0u64);
    while zeros < ZEROS_MAX && digits % 10 == 0 {
        (digits, zeros) = (digits / 10, zeros.saturating_add(1));
    }
    let front = match zeros {
        ZEROS_MAX => digits.saturating_sub(1),
        _ => (digits / 10).saturating_mul(9).saturating_add(digits % 10).saturating_sub(1),
    };
    front.saturating_mul(10).saturating_add(zeros).saturating_add(1)
}

/// The inverse of [`compress_amount`].
pub fn decompress_amount(compressed: u64) -> Result<u64, CoinCodecError> {
    let Some(rest) = compressed.checked_sub(1) else { return Ok(0) };
    let (front, zeros) = (rest / 10, rest % 10);
    let digits = match zeros {
        ZEROS_MAX => front.checked_add(1),
        _ => (front / 9).checked_mul(10).and_then(|n| n.checked_add((front % 9).saturating_add(1))),
    };
    let scale = (0..zeros).fold(1u64, |scale, _| scale.saturating_mul(10));
    digits.and_then(|digits| digits.checked_mul(scale)).ok_or(CoinCodecError::Range)
}

/// A script: its kind and hash or key where it is of a kind, else its length and bytes.
pub fn put_script(out: &mut Vec<u8>, script: &[u8]) {
    if let Some((kind, data)) = special(script) {
        out.push(kind);
        out.extend_from_slice(data);
        return;
    }
    let len = script.len().saturating_add(SPECIAL_SCRIPTS);
    put_varint(out, u64::try_from(len).unwrap_or(u64::MAX));
    out.extend_from_slice(script);
}

/// The inverse of [`put_script`].
pub fn take_script(rest: &mut &[u8]) -> Result<Vec<u8>, CoinCodecError> {
    let size = usize::try_from(take_varint(rest)?).map_err(|_| CoinCodecError::Range)?;
    match (size, u8::try_from(size)) {
        (0, _) => {
            let hash: [u8; 20] = take_array(rest)?;
            Ok([&[OP_DUP, OP_HASH160, PUSH_20], &hash[..], &[OP_EQUALVERIFY, OP_CHECKSIG]].concat())
        }
        (1, _) => {
            let hash: [u8; 20] = take_array(rest)?;
            Ok([&[OP_HASH160, PUSH_20], &hash[..], &[OP_EQUAL]].concat())
        }
        (2 | 3, Ok(parity)) => {
            let x: [u8; 32] = take_array(rest)?;
            Ok([&[PUSH_33, parity], &x[..], &[OP_CHECKSIG]].concat())
        }
        (4 | 5, Ok(kind)) => {
            let key = [&[kind.saturating_sub(2)], &take_array::<32>(rest)?[..]].concat();
            let key = PublicKey::from_slice(&key).map_err(|_| CoinCodecError::Key)?;
            Ok([&[PUSH_65], &key.serialize_uncompressed()[..], &[OP_CHECKSIG]].concat())
        }
        _ => {
            let len = size.saturating_sub(SPECIAL_SCRIPTS);
            if len > SCRIPT_BYTES_MAX {
                return Err(CoinCodecError::Range);
            }
            let (script, tail) = rest.split_at_checked(len).ok_or(CoinCodecError::Short)?;
            *rest = tail;
            Ok(script.to_vec())
        }
    }
}

/// The kind of a script and what of it cannot be told from the kind: P2PKH, P2SH, P2PK by a key that is on the curve.
fn special(script: &[u8]) -> Option<(u8, &[u8])> {
    match script {
        [OP_DUP, OP_HASH160, PUSH_20, hash @ .., OP_EQUALVERIFY, OP_CHECKSIG] if hash.len() == 20 => {
            Some((0, hash))
        }
        [OP_HASH160, PUSH_20, hash @ .., OP_EQUAL] if hash.len() == 20 => Some((1, hash)),
        [PUSH_33, parity @ (2 | 3), x @ .., OP_CHECKSIG] if x.len() == 32 => Some((*parity, x)),
        [PUSH_65, key @ .., OP_CHECKSIG] if key.len() == 65 => special_key(key),
        _ => None,
    }
}

/// An uncompressed key: x, and whether y is odd. One that is not on the curve could not be made whole again.
fn special_key(key: &[u8]) -> Option<(u8, &[u8])> {
    let [4, x_and_y @ ..] = key else { return None };
    PublicKey::from_slice(key).ok()?;
    let odd = x_and_y.last()? & 1;
    Some((4 | odd, x_and_y.get(..32)?))
}

/// An output: amount and script.
pub fn put_output(out: &mut Vec<u8>, amount: Amount, script: &[u8]) {
    put_varint(out, compress_amount(amount.to_sat()));
    put_script(out, script);
}

/// The inverse of [`put_output`].
pub fn take_output(rest: &mut &[u8]) -> Result<TxOut, CoinCodecError> {
    let value = Amount::from_sat(decompress_amount(take_varint(rest)?)?);
    Ok(TxOut { value, script_pubkey: ScriptBuf::from_bytes(take_script(rest)?) })
}

/// Twice the height, and one more where a coinbase made the coin.
pub fn coin_code(height: Height, is_coinbase: bool) -> u64 {
    u64::from(height.to_u32()).saturating_mul(2) | u64::from(is_coinbase)
}

/// The inverse of [`coin_code`].
pub fn split_coin_code(code: u64) -> Result<(Height, bool), CoinCodecError> {
    let height = u32::try_from(code >> 1).map_err(|_| CoinCodecError::Range)?;
    Ok((Height::new(height), code & 1 == 1))
}

/// A block's undo data: CompactSize of transactions (the coinbase left out); of each, CompactSize of coins; of each its
/// code as a varint, a 0 where the height is not 0 (there once stood the version of the transaction), the output.
pub fn encode_undo(undo: &BlockUndo) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, undo.spent.len());
    for coins in &undo.spent {
        put_count(&mut out, coins.len());
        for coin in coins {
            put_varint(&mut out, coin_code(coin.height, coin.is_coinbase));
            if coin.height > Height::GENESIS {
                out.push(0);
            }
            put_output(&mut out, coin.output.value, coin.output.script_pubkey.as_bytes());
        }
    }
    out
}

/// The inverse of [`encode_undo`]; what is left over stays in `rest`.
pub fn take_undo(rest: &mut &[u8]) -> Result<BlockUndo, CoinCodecError> {
    let mut undo = BlockUndo::default();
    for _ in 0..take_compact_size(rest)? {
        let mut coins = Vec::new();
        for _ in 0..take_compact_size(rest)? {
            let (height, is_coinbase) = split_coin_code(take_varint(rest)?)?;
            if height > Height::GENESIS {
                take_varint(rest)?;
            }
            coins.push(Coin { output: take_output(rest)?, height, is_coinbase });
        }
        undo.spent.push(coins);
    }
    Ok(undo)
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put_compact_size(out, u64::try_from(count).unwrap_or(u64::MAX));
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CoinCodecError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CoinCodecError::Short)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests;
