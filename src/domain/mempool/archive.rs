//! The pool as bytes, to be kept over a restart: Core's `mempool.dat`. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the version: 1 or 2 |
//! | 1, 8 | in version 2: how long the key is, which is 8, and the key. Every byte behind it is XORed with the key's byte at its place in the file, modulo 8 |
//! | 8 | how many transactions follow |
//! | a row a transaction: n | the transaction, BIP144 encoding |
//! | 8 | when it came, seconds since 1970, signed |
//! | 8 | what an operator adds to its fee, satoshis, signed |
//! | CompactSize | how many others there are that he adds to |
//! | a row of them: 32, 8 | its id, and satoshis, signed |
//! | CompactSize | how many no peer has asked for yet |
//! | a row of them: 32 | its id |

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Txid, VarInt, consensus};
use thiserror::Error;

use crate::units::UnixMillis;
use crate::wire::{ParsedTx, TxDecodeError};

const PLAIN: u64 = 1;
const XORED: u64 = 2;
/// Bytes of the key.
const KEY_BYTES: usize = 8;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Archive {
    /// Transactions, parents before children.
    pub txs: Vec<ArchivedTx>,
    /// What an operator adds to the fees of others; satoshis.
    pub deltas: Vec<(Txid, i64)>,
    /// Those that no peer has asked for yet.
    pub unbroadcast: Vec<Txid>,
}

/// A transaction that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedTx {
    /// It.
    pub tx: Arc<ParsedTx>,
    /// When it came; whole seconds are kept.
    pub added_at: UnixMillis,
    /// What an operator adds to its fee; satoshis.
    pub delta_sat: i64,
}

/// Why bytes are not a kept pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// Of no version that is known.
    #[error("not a kept mempool, or of another version")]
    Version,
    /// A key that is not eight bytes long.
    #[error("the key is not eight bytes long")]
    Key,
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// A row that is no transaction.
    #[error(transparent)]
    Tx(#[from] TxDecodeError),
}

impl Archive {
    /// As bytes: with a key of version 2, without one of version 1.
    pub fn encode(&self, key: Option<[u8; KEY_BYTES]>) -> Vec<u8> {
        let mut bytes = Vec::new();
        match key {
            None => bytes.extend_from_slice(&PLAIN.to_le_bytes()),
            Some(key) => {
                bytes.extend_from_slice(&XORED.to_le_bytes());
                bytes.push(8);
                bytes.extend_from_slice(&key);
            }
        }
        let body = bytes.len();
        self.encode_rows(&mut bytes);
        xor(&mut bytes, body, key.unwrap_or_default());
        bytes
    }

    fn encode_rows(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&u64::try_from(self.txs.len()).unwrap_or(u64::MAX).to_le_bytes());
        for row in &self.txs {
            bytes.extend_from_slice(row.tx.raw());
            bytes.extend_from_slice(&row.added_at.to_seconds_floor().to_le_bytes());
            bytes.extend_from_slice(&row.delta_sat.to_le_bytes());
        }
        bytes.extend_from_slice(&consensus::serialize(&VarInt::from(self.deltas.len())));
        for (txid, delta_sat) in &self.deltas {
            bytes.extend_from_slice(txid.as_byte_array());
            bytes.extend_from_slice(&delta_sat.to_le_bytes());
        }
        bytes.extend_from_slice(&consensus::serialize(&VarInt::from(self.unbroadcast.len())));
        for txid in &self.unbroadcast {
            bytes.extend_from_slice(txid.as_byte_array());
        }
    }

    /// Reads them again, in the same order. What stands behind the end is not looked at, as in Core.
    pub fn decode(mut bytes: Vec<u8>) -> Result<Archive, ArchiveError> {
        let mut head = bytes.as_slice();
        let version = u64::from_le_bytes(take(&mut head)?);
        let (key, body) = match version {
            PLAIN => ([0; KEY_BYTES], KEY_BYTES),
            XORED => {
                let length = take::<1>(&mut head)?;
                if length != [8] {
                    return Err(ArchiveError::Key);
                }
                (take(&mut head)?, 2 * KEY_BYTES + 1)
            }
            _ => return Err(ArchiveError::Version),
        };
        xor(&mut bytes, body, key);
        decode_rows(bytes.get(body..).unwrap_or_default())
    }
}

fn decode_rows(mut rest: &[u8]) -> Result<Archive, ArchiveError> {
    // Nothing is reserved for what the file announces: each row is there, or the bytes end.
    let mut archive = Archive::default();
    for _ in 0..u64::from_le_bytes(take(&mut rest)?) {
        let (tx, length) = ParsedTx::decode_first(rest)?;
        rest = rest.get(length..).unwrap_or_default();
        let seconds = i64::from_le_bytes(take(&mut rest)?);
        let added_at = UnixMillis::new(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let delta_sat = i64::from_le_bytes(take(&mut rest)?);
        archive.txs.push(ArchivedTx { tx: Arc::new(tx), added_at, delta_sat });
    }
    for _ in 0..size(&mut rest)? {
        let txid = Txid::from_byte_array(take(&mut rest)?);
        archive.deltas.push((txid, i64::from_le_bytes(take(&mut rest)?)));
    }
    for _ in 0..size(&mut rest)? {
        archive.unbroadcast.push(Txid::from_byte_array(take(&mut rest)?));
    }
    Ok(archive)
}

/// XORs what stands from `from` on.
fn xor(bytes: &mut [u8], from: usize, key: [u8; KEY_BYTES]) {
    let keys = key.iter().cycle().skip(from % KEY_BYTES);
    for (byte, key) in bytes.iter_mut().skip(from).zip(keys) {
        *byte ^= key;
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ArchiveError> {
    let (front, after) = rest.split_first_chunk::<N>().ok_or(ArchiveError::Truncated)?;
    *rest = after;
    Ok(*front)
}

/// A CompactSize.
fn size(rest: &mut &[u8]) -> Result<u64, ArchiveError> {
    let (VarInt(size), length) = consensus::deserialize_partial(rest).map_err(|_| ArchiveError::Truncated)?;
    *rest = rest.get(length..).unwrap_or_default();
    Ok(size)
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
