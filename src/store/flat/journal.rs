//! Which blocks were verified since the last flush: so that their scripts are not run again after a crash.
//!
//! Undo files, whose bytes are Core's, do not say what block undo data is for. One file for each flush, `verified.N`: what was
//! verified since flush N began. It is never synced: what a crash takes from it is verified again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::{FilePos, lock};
use crate::codec::{CodecError, checksum, take_array};
use crate::disk::{Disk, DiskFile};
use crate::fault::StoreFault;

/// Hash, place, sum of the undo data, crc.
const ROW_BYTES: usize = 32 + 12 + 32 + 4;
/// Rows of one file that are read, 20 MB of them: a flush comes after 500,000 inputs, and blocks of two inputs each are quickly
/// verified again.
const ROWS_MAX: usize = 250_000;

/// A block that was verified, and where its undo data was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The block.
    pub block: BlockHash,
    /// Where its undo data should lie.
    pub pos: FilePos,
    /// The double SHA-256 that stands behind it.
    pub sum: [u8; 32],
}

impl Verified {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.pos.file, self.pos.offset, self.pos.len].map(u32::to_le_bytes);
        let mut row = [self.block.as_byte_array().as_slice(), numbers.as_flattened(), &self.sum].concat();
        let crc = checksum(&[&row]);
        row.extend_from_slice(&crc);
        row
    }

    fn decode(row: &[u8]) -> Result<Verified, CodecError> {
        let (mut rest, crc) = row.split_last_chunk::<4>().ok_or(CodecError::Short)?;
        if checksum(&[rest]) != *crc {
            return Err(CodecError::Checksum);
        }
        let block = BlockHash::from_byte_array(take_array(&mut rest)?);
        let mut number = || take_array(&mut rest).map(u32::from_le_bytes);
        let pos = FilePos { file: number()?, offset: number()?, len: number()? };
        Ok(Verified { block, pos, sum: take_array(&mut rest)? })
    }
}

/// The journal; see the module.
pub(super) struct Journal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    writing: Mutex<Writing>,
}

struct Writing {
    flush: u64,
    file: Option<Arc<dyn DiskFile>>,
    len: u64,
}

impl Journal {
    /// What was noted since flush `flushes`, the last committed, began: also while the next one ran.
    pub(super) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        flushes: u64,
    ) -> Result<(Journal, Vec<Verified>), StoreFault> {
        let next = flushes.saturating_add(1);
        let writing = Mutex::new(Writing { flush: next, file: None, len: 0 });
        let this = Journal { dir: dir.to_owned(), disk, writing };
        let mut found = this.rows(flushes)?;
        let later = this.rows(next)?;
        // Rows that are written go behind those that are whole.
        let rows = u64::try_from(later.len()).unwrap_or(0);
        lock(&this.writing).len = rows.saturating_mul(u64::try_from(ROW_BYTES).unwrap_or(0));
        found.extend(later);
        if let Some(before) = flushes.checked_sub(1) {
            this.remove(before)?;
        }
        Ok((this, found))
    }

    fn path(&self, flush: u64) -> PathBuf {
        self.dir.join(format!("verified.{flush}"))
    }

    /// The whole rows of a file, up to the first that is not.
    fn rows(&self, flush: u64) -> Result<Vec<Verified>, StoreFault> {
        let path = self.path(flush);
        let io = || StoreFault::io(&path);
        let Some(len) = self.disk.len_of(&path).map_err(io())? else { return Ok(Vec::new()) };
        let rows = usize::try_from(len).unwrap_or(usize::MAX).checked_div(ROW_BYTES).unwrap_or(0);
        let mut bytes = vec![0; rows.min(ROWS_MAX).saturating_mul(ROW_BYTES)];
        self.disk.open(&path).and_then(|file| file.read_at(&mut bytes, 0)).map_err(io())?;
        Ok(bytes.chunks_exact(ROW_BYTES).map_while(|row| Verified::decode(row).ok()).collect())
    }

    pub(super) fn add(&self, verified: &Verified) -> Result<(), StoreFault> {
        let mut writing = lock(&self.writing);
        let path = self.path(writing.flush);
        let io = || StoreFault::io(&path);
        let file = match &writing.file {
            Some(file) => Arc::clone(file),
            None => self.disk.open(&path).map_err(io())?,
        };
        let row = verified.encode();
        file.write_at(&row, writing.len).map_err(io())?;
        writing.file = Some(file);
        writing.len = writing.len.saturating_add(u64::try_from(row.len()).unwrap_or(0));
        Ok(())
    }

    /// Flush `number` begins: the one before it is committed, and what that one found is not needed any more.
    pub(super) fn begin_flush(&self, number: u64) -> Result<(), StoreFault> {
        let mut writing = lock(&self.writing);
        if writing.flush != number {
            *writing = Writing { flush: number, file: None, len: 0 };
        }
        number.checked_sub(2).map_or(Ok(()), |before| self.remove(before))
    }

    fn remove(&self, flush: u64) -> Result<(), StoreFault> {
        let path = self.path(flush);
        if self.disk.len_of(&path).map_err(StoreFault::io(&path))?.is_some() {
            self.disk.remove(&path).map_err(StoreFault::io(&path))?;
        }
        Ok(())
    }
}
