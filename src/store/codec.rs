//! Coins as bytes. The tables stand in docs/store.md.

use adit_domain::chain::coin_codec::CoinCodecError;
use adit_domain::consensus::{BlockUndo, Coin};
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut, Txid};
use thiserror::Error;

/// Bytes of an outpoint as a key: txid, then the output's number big-endian, so that keys sort by both.
pub(crate) const OUTPOINT_BYTES: usize = 36;
/// Scripts up to this long lie in the coin itself: every standard one does (P2WSH and P2TR have 34 bytes).
const INLINE_BYTES: usize = 34;
/// A varint of 64 bits has ten groups of seven bits at most.
const VARINT_BYTES_MAX: usize = 10;
const CHECKSUM_BYTES: usize = 4;

/// Why stored bytes do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// They end too early.
    #[error("cut short")]
    Short,
    /// Something is left over.
    #[error("bytes left over")]
    Trailing,
    /// A number is too large for its field.
    #[error("number out of range")]
    Range,
    /// The checksum is another one.
    #[error("checksum mismatch")]
    Checksum,
    /// The network's magic and the length do not stand before it.
    #[error("no frame")]
    Frame,
    /// A compressed key is none.
    #[error("no key has this coordinate")]
    Key,
}

impl From<CoinCodecError> for CodecError {
    fn from(error: CoinCodecError) -> CodecError {
        match error {
            CoinCodecError::Short => CodecError::Short,
            CoinCodecError::Range => CodecError::Range,
            CoinCodecError::Key => CodecError::Key,
        }
    }
}

/// A coin in as few bytes as a cache can bear: no allocation for a standard script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactCoin {
    amount_sat: u64,
    /// Twice the height, and one more where a coinbase made it.
    code: u32,
    script: CompactScript,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CompactScript {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl CompactScript {
    fn new(script: &[u8]) -> CompactScript {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..script.len()), u8::try_from(script.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(script);
                CompactScript::Inline { len, bytes }
            }
            _ => CompactScript::Heap(script.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            CompactScript::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            CompactScript::Heap(bytes) => bytes,
        }
    }
}

impl CompactCoin {
    /// The coin that `output` of a block at `height` makes. Heights above 2^31 - 1 are not reached (40,000 years).
    pub fn new(output: &TxOut, height: Height, is_coinbase: bool) -> CompactCoin {
        let code = (height.to_u32() << 1) | u32::from(is_coinbase);
        let script = CompactScript::new(output.script_pubkey.as_bytes());
        CompactCoin { amount_sat: output.value.to_sat(), code, script }
    }

    /// As the rules see it.
    pub fn to_coin(&self) -> Coin {
        Coin {
            output: TxOut {
                value: Amount::from_sat(self.amount_sat),
                script_pubkey: ScriptBuf::from_bytes(self.script.as_bytes().to_vec()),
            },
            height: self.height(),
            is_coinbase: self.is_coinbase(),
        }
    }

    /// The height of the block that made it.
    pub fn height(&self) -> Height {
        Height::new(self.code >> 1)
    }

    /// Whether a coinbase made it.
    pub fn is_coinbase(&self) -> bool {
        self.code & 1 == 1
    }

    /// Satoshis.
    pub fn amount_sat(&self) -> u64 {
        self.amount_sat
    }

    /// Bytes that it holds outside itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.script {
            CompactScript::Inline { .. } => 0,
            CompactScript::Heap(bytes) => bytes.len(),
        }
    }

    /// The value stored under `key`: code, amount, script, checksum over key and value.
    pub(crate) fn encode(&self, key: &[u8; OUTPOINT_BYTES], out: &mut Vec<u8>) {
        out.clear();
        put_varint(out, u64::from(self.code));
        put_varint(out, self.amount_sat);
        out.extend_from_slice(self.script.as_bytes());
        let sum = checksum(&[key, out]);
        out.extend_from_slice(&sum);
    }

    /// The coin from the value stored under `key`.
    pub(crate) fn decode(key: &[u8; OUTPOINT_BYTES], value: &[u8]) -> Result<CompactCoin, CodecError> {
        let body_len = value.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Short)?;
        let (body, sum) = value.split_at_checked(body_len).ok_or(CodecError::Short)?;
        if checksum(&[key, body]) != sum {
            return Err(CodecError::Checksum);
        }
        let mut rest = body;
        let code = u32::try_from(take_varint(&mut rest)?).map_err(|_| CodecError::Range)?;
        let amount_sat = take_varint(&mut rest)?;
        Ok(CompactCoin { amount_sat, code, script: CompactScript::new(rest) })
    }
}

impl From<&Coin> for CompactCoin {
    fn from(coin: &Coin) -> CompactCoin {
        CompactCoin::new(&coin.output, coin.height, coin.is_coinbase)
    }
}

/// What it takes to disconnect a block.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UndoRecord {
    /// The coins that it spent.
    pub spent: BlockUndo,
    /// The unspent coins that its outputs took the place of: only where BIP30 was broken (heights 91,842 and 91,880).
    pub overwritten: Vec<(OutPoint, Coin)>,
}

/// An outpoint as a key.
pub(crate) fn outpoint_key(outpoint: &OutPoint) -> [u8; OUTPOINT_BYTES] {
    let mut key = [0; OUTPOINT_BYTES];
    let (txid, vout) = key.split_at_mut(32);
    txid.copy_from_slice(outpoint.txid.as_byte_array());
    vout.copy_from_slice(&outpoint.vout.to_be_bytes());
    key
}

/// The outpoint of a key.
pub(crate) fn outpoint_of(key: &[u8; OUTPOINT_BYTES]) -> OutPoint {
    let mut rest = key.as_slice();
    // A key has exactly 32 and 4 bytes, so neither part can be short.
    let txid = take_array::<32>(&mut rest).unwrap_or_default();
    let vout = take_array::<4>(&mut rest).unwrap_or_default();
    OutPoint { txid: Txid::from_byte_array(txid), vout: u32::from_be_bytes(vout) }
}

/// CRC-32 of the parts, little-endian: against a disk that lies, not against an attacker.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

/// Seven bits a byte, the lowest first, the top bit set on all but the last (LEB128).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0x7f);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The inverse of [`put_varint`].
pub(crate) fn take_varint(rest: &mut &[u8]) -> Result<u64, CodecError> {
    let mut value = 0u64;
    for group in 0..VARINT_BYTES_MAX {
        let [byte] = take_array::<1>(rest)?;
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(group).map_err(|_| CodecError::Range)?;
        if bits.checked_shl(shift).is_none_or(|shifted| shifted >> shift != bits) {
            return Err(CodecError::Range);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(CodecError::Range)
}

/// The first `N` bytes.
pub(crate) fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CodecError::Short)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
#[path = "codec/tests.rs"]
mod tests;
