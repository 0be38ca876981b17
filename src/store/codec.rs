//! Coins as bytes. The tables stand in docs/store.md.

use adit_domain::chain::coin_codec::CoinCodecError;
use adit_domain::consensus::{BlockUndo, Coin};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use thiserror::Error;

/// Bytes of an outpoint as a key: txid, then the output's number big-endian, so that keys sort by both.
pub const OUTPOINT_BYTES: usize = 36;
/// Bytes of a checksum.
pub(crate) const CHECKSUM_BYTES: usize = 4;

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

/// What it takes to disconnect a block.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UndoRecord {
    /// The coins that it spent.
    pub spent: BlockUndo,
    /// The unspent coins that its outputs took the place of: only where BIP30 was broken (heights 91,842 and 91,880).
    pub overwritten: Vec<(OutPoint, Coin)>,
}

/// An outpoint as a key.
pub fn outpoint_key(outpoint: &OutPoint) -> [u8; OUTPOINT_BYTES] {
    let mut key = [0; OUTPOINT_BYTES];
    let (txid, vout) = key.split_at_mut(32);
    txid.copy_from_slice(outpoint.txid.as_byte_array());
    vout.copy_from_slice(&outpoint.vout.to_be_bytes());
    key
}

/// The outpoint of a key.
pub fn outpoint_of(key: &[u8; OUTPOINT_BYTES]) -> OutPoint {
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

/// The first `N` bytes.
pub(crate) fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CodecError::Short)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
#[path = "codec/tests.rs"]
mod tests;
