//! A coin in as few bytes as a cache and a disk can bear. The byte table stands in docs/store.md.
//!
//! Owns: the packed form, in memory and on disk. Must not know: who keeps coins, and when.

use adit_domain::chain::coin_codec::{
    coin_code, compress_amount, decompress_amount, put_script, put_varint, split_coin_code, take_script,
    take_varint,
};
use adit_domain::consensus::Coin;
use adit_domain::units::Height;
use bitcoin::{Amount, ScriptBuf, TxOut};

use crate::codec::{CHECKSUM_BYTES, CodecError, OUTPOINT_BYTES, checksum};

/// Packed coins up to this long need no allocation: 4 bytes of height, 7 of amount and the 35 of P2TR and P2WSH.
const INLINE_BYTES: usize = 46;
/// Bytes of a longer script can never be spent, so that such a coin is in no set: Core's limit. One byte stands in its place.
const SCRIPT_BYTES_MAX: usize = 10_000;
const OP_RETURN: u8 = 0x6a;
/// An uncompressed key, as P2PK pays to it: a push of 65 bytes, and OP_CHECKSIG.
const UNCOMPRESSED_P2PK: usize = 67;
/// Kinds of scripts that the codec does not write out.
const KINDS: u64 = 6;

/// A coin, packed: height, amount, script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactCoin {
    packed: Packed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Packed {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

/// A packed coin that lies somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedCoin<'c>(&'c [u8]);

impl CompactCoin {
    /// The coin that `output` of a block at `height` makes. Heights above 2^31 - 1 are not reached (40,000 years).
    pub fn new(output: &TxOut, height: Height, is_coinbase: bool) -> CompactCoin {
        let mut bytes = Vec::with_capacity(INLINE_BYTES);
        put_varint(&mut bytes, coin_code(height, is_coinbase));
        put_varint(&mut bytes, compress_amount(output.value.to_sat()));
        match output.script_pubkey.as_bytes() {
            // Short it would cost a square root each time that it is read.
            key if key.len() == UNCOMPRESSED_P2PK => put_whole(&mut bytes, key),
            long if long.len() > SCRIPT_BYTES_MAX => put_whole(&mut bytes, &[OP_RETURN]),
            script => put_script(&mut bytes, script),
        }
        PackedCoin(&bytes).to_compact()
    }

    /// Its packed bytes.
    pub fn as_packed(&self) -> PackedCoin<'_> {
        PackedCoin(match &self.packed {
            Packed::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Packed::Heap(bytes) => bytes,
        })
    }

    /// As the rules see it.
    pub fn to_coin(&self) -> Coin {
        self.as_packed().to_coin()
    }

    /// The height of the block that made it.
    pub fn height(&self) -> Height {
        self.as_packed().height()
    }

    /// Whether a coinbase made it.
    pub fn is_coinbase(&self) -> bool {
        self.as_packed().is_coinbase()
    }

    /// Satoshis.
    pub fn amount_sat(&self) -> u64 {
        self.as_packed().amount_sat()
    }

    /// Bytes that it holds outside itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.packed {
            Packed::Inline { .. } => 0,
            Packed::Heap(bytes) => bytes.len(),
        }
    }
}

impl From<&Coin> for CompactCoin {
    fn from(coin: &Coin) -> CompactCoin {
        CompactCoin::new(&coin.output, coin.height, coin.is_coinbase)
    }
}

impl<'c> PackedCoin<'c> {
    /// Bytes that came from [`PackedCoin::bytes`], unchanged.
    pub fn kept(bytes: &'c [u8]) -> PackedCoin<'c> {
        PackedCoin(bytes)
    }

    /// The bytes.
    pub fn bytes(self) -> &'c [u8] {
        self.0
    }

    /// Bytes of its record: key, packed coin, checksum.
    pub fn record_bytes(self) -> usize {
        self.0.len().saturating_add(OUTPOINT_BYTES).saturating_add(CHECKSUM_BYTES)
    }

    /// On its own.
    pub fn to_compact(self) -> CompactCoin {
        let mut bytes = [0; INLINE_BYTES];
        let packed = match (bytes.get_mut(..self.0.len()), u8::try_from(self.0.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(self.0);
                Packed::Inline { len, bytes }
            }
            _ => Packed::Heap(self.0.into()),
        };
        CompactCoin { packed }
    }

    /// As the rules see it.
    pub fn to_coin(self) -> Coin {
        // Whatever is packed was packed here, or has been looked at by `decode`.
        self.unpack().unwrap_or_else(|_| Coin {
            output: TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![OP_RETURN]) },
            height: Height::GENESIS,
            is_coinbase: false,
        })
    }

    fn unpack(self) -> Result<Coin, CodecError> {
        let mut rest = self.0;
        let (height, is_coinbase) = split_coin_code(take_varint(&mut rest)?)?;
        let value = Amount::from_sat(decompress_amount(take_varint(&mut rest)?)?);
        let script_pubkey = ScriptBuf::from_bytes(take_script(&mut rest)?);
        match rest {
            [] => Ok(Coin { output: TxOut { value, script_pubkey }, height, is_coinbase }),
            _ => Err(CodecError::Trailing),
        }
    }

    fn code(self) -> (Height, bool) {
        let mut rest = self.0;
        let code = take_varint(&mut rest).and_then(split_coin_code);
        code.unwrap_or((Height::GENESIS, false))
    }

    /// The height of the block that made it.
    pub fn height(self) -> Height {
        self.code().0
    }

    /// Whether a coinbase made it.
    pub fn is_coinbase(self) -> bool {
        self.code().1
    }

    /// Satoshis.
    pub fn amount_sat(self) -> u64 {
        let mut rest = self.0;
        let amount = take_varint(&mut rest).and_then(|_| take_varint(&mut rest)).and_then(decompress_amount);
        amount.unwrap_or(0)
    }

    /// The value stored under `key`: the packed coin, and a checksum over both.
    pub(crate) fn encode(self, key: &[u8; OUTPOINT_BYTES], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.0);
        out.extend_from_slice(&checksum(&[key, self.0]));
    }

    /// The coin in the value stored under `key`, which is one that we write: looked at up to its last byte.
    pub(crate) fn decode(key: &[u8; OUTPOINT_BYTES], value: &'c [u8]) -> Result<PackedCoin<'c>, CodecError> {
        let (body, sum) = value.split_last_chunk::<CHECKSUM_BYTES>().ok_or(CodecError::Short)?;
        if checksum(&[key, body]) != *sum {
            return Err(CodecError::Checksum);
        }
        let mut rest = body;
        split_coin_code(take_varint(&mut rest)?)?;
        decompress_amount(take_varint(&mut rest)?)?;
        let kind = take_varint(&mut rest)?;
        let len = match kind {
            0..=1 => 20,
            2..=3 => 32,
            // Keys that a curve would have to make whole again are not written.
            4..KINDS => return Err(CodecError::Range),
            len => usize::try_from(len - KINDS).map_err(|_| CodecError::Range)?,
        };
        match rest.len().cmp(&len) {
            _ if len > SCRIPT_BYTES_MAX => Err(CodecError::Range),
            std::cmp::Ordering::Less => Err(CodecError::Short),
            std::cmp::Ordering::Greater => Err(CodecError::Trailing),
            std::cmp::Ordering::Equal => Ok(PackedCoin(body)),
        }
    }
}

fn put_whole(out: &mut Vec<u8>, script: &[u8]) {
    let len = u64::try_from(script.len()).unwrap_or(u64::MAX);
    put_varint(out, len.saturating_add(KINDS));
    out.extend_from_slice(script);
}

#[cfg(test)]
#[path = "coin/tests.rs"]
mod tests;
