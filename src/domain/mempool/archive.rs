//! The pool as bytes, to be kept over a restart.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ADITMEM1` |
//! | a row a transaction: 8 | when it came, milliseconds since 1970, little-endian |
//! | 4 | bytes of the transaction, little-endian |
//! | n | the transaction, BIP144 encoding |
//! | 32 | SHA-256d of everything before |

use std::sync::Arc;

use bitcoin::hashes::{Hash, sha256d};
use thiserror::Error;

use crate::units::UnixMillis;
use crate::wire::{ParsedTx, TxDecodeError};

const MAGIC: &[u8; 8] = b"ADITMEM1";
const CHECKSUM_BYTES: usize = 32;

/// Why bytes are not a kept pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// Not such a file, or of another version.
    #[error("not a kept mempool")]
    Magic,
    /// Changed since it was written, or cut off.
    #[error("the checksum does not match")]
    Checksum,
    /// A row that does not end where the bytes do.
    #[error("a row is cut off")]
    Truncated,
    /// A row that is no transaction.
    #[error(transparent)]
    Tx(#[from] TxDecodeError),
}

/// Writes transactions, each with the time at which it came, parents before children.
pub fn encode_archive<'a>(txs: impl Iterator<Item = (&'a ParsedTx, UnixMillis)>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (tx, added_at) in txs {
        // A held transaction weighs no more than a tenth of a block.
        let length = u32::try_from(tx.raw().len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&added_at.to_ms().to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(tx.raw());
    }
    let checksum = sha256d::Hash::hash(&bytes);
    bytes.extend_from_slice(checksum.as_byte_array());
    bytes
}

/// Reads them again, in the same order.
pub fn decode_archive(bytes: &[u8]) -> Result<Vec<(Arc<ParsedTx>, UnixMillis)>, ArchiveError> {
    let body_bytes = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(ArchiveError::Magic)?;
    let (body, checksum) = bytes.split_at_checked(body_bytes).ok_or(ArchiveError::Magic)?;
    let mut rest = body.strip_prefix(MAGIC).ok_or(ArchiveError::Magic)?;
    if sha256d::Hash::hash(body).as_byte_array() != checksum {
        return Err(ArchiveError::Checksum);
    }
    let mut txs = Vec::new();
    while !rest.is_empty() {
        let added_at = UnixMillis::new(u64::from_le_bytes(take(&mut rest)?));
        let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).unwrap_or(usize::MAX);
        let (raw, after) = rest.split_at_checked(length).ok_or(ArchiveError::Truncated)?;
        rest = after;
        txs.push((Arc::new(ParsedTx::decode(raw)?), added_at));
    }
    Ok(txs)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ArchiveError> {
    let (front, after) = rest.split_first_chunk::<N>().ok_or(ArchiveError::Truncated)?;
    *rest = after;
    Ok(*front)
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
