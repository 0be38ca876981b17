use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{FRAME_BYTES, FileEnd, FilePos, FlatFiles, frame, lock};
use crate::codec::{CodecError, checksum};
use crate::disk::Disk;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::xor::XorKey;

/// A file is closed before it would grow to this: 128 MiB, as Core's.
const FILE_BYTES_MAX: u32 = 0x0800_0000;
/// The same for tests, that of Core's `-fastprune`.
const SMALL_FILE_BYTES_MAX: u32 = 0x0001_0000;

/// Bytes of blocks that are shown at once when the files' tail is read: 16 MiB, and one block more at most.
const TAIL_BYTES: usize = 16 << 20;

/// `blkNNNNN.dat`: magic, length (little-endian), block in BIP144 encoding.
pub struct BlockFiles {
    files: FlatFiles,
    magic: [u8; 4],
    block_bytes_max: u32,
    file_bytes_max: u32,
    /// Held while a block is written: they lie behind each other without gaps, so that a start after a crash finds them.
    writing: Mutex<Writing>,
}

struct Writing {
    end: FileEnd,
    buffer: Vec<u8>,
}

impl BlockFiles {
    /// The files in `dir`, written up to `end`; a block has at most `block_bytes_max` bytes.
    pub fn new(
        dir: &Path,
        disk: Arc<dyn Disk>,
        (magic, key): ([u8; 4], XorKey),
        block_bytes_max: u32,
        end: FileEnd,
    ) -> Self {
        let writing = Mutex::new(Writing { end, buffer: Vec::new() });
        BlockFiles {
            files: FlatFiles::new(dir, "blk", disk, key),
            magic,
            block_bytes_max,
            file_bytes_max: FILE_BYTES_MAX,
            writing,
        }
    }

    /// With files of 64 KiB instead of 128 MiB, so that a short chain has many; a block of more than that has a file of its own.
    pub fn small(self) -> Self {
        BlockFiles { file_bytes_max: SMALL_FILE_BYTES_MAX, ..self }
    }

    /// Appends a block's bytes. Durable after the next [`BlockFiles::sync`].
    pub fn append(&self, raw: &[u8]) -> Result<FilePos, StoreFault> {
        let mut writing = lock(&self.writing);
        let Writing { end, buffer } = &mut *writing;
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let total = len.saturating_add(FRAME_BYTES);
        let is_full = end.offset.saturating_add(total) >= self.file_bytes_max;
        let start = if is_full && end.offset > 0 { next_file(*end) } else { *end };
        failpoint::before(Place::BlockAppend);
        self.files.write(start, &[&frame(self.magic, len), raw], buffer)?;
        failpoint::after(Place::BlockAppend);
        *end = FileEnd { file: start.file, offset: start.offset.saturating_add(total) };
        Ok(FilePos { file: start.file, offset: start.offset.saturating_add(FRAME_BYTES), len })
    }

    /// A block's bytes; that they are this block's is for the caller to see.
    pub fn read(&self, pos: FilePos) -> Result<Vec<u8>, StoreFault> {
        self.files.read_framed(self.magic, pos, 0, "a block")
    }

    /// Up to `len` bytes of a block from its byte `from` on, fewer where it ends before; that they are this block's is for the caller to see.
    pub fn read_part(&self, pos: FilePos, from: u32, len: u32) -> Result<Vec<u8>, StoreFault> {
        let len = len.min(pos.len.saturating_sub(from));
        self.files.read(pos.file, pos.offset.saturating_add(from), usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A sum of a block's bytes by which they are known again: CRC-32.
    pub fn sum(raw: &[u8]) -> u32 {
        u32::from_le_bytes(checksum(&[raw]))
    }

    /// What to say where the bytes at `pos` are not those of the block that was written there.
    pub fn damaged(&self, pos: FilePos) -> StoreFault {
        self.files.damaged(pos, "a block", CodecError::Checksum)
    }

    /// Returns when every block appended is durable.
    pub fn sync(&self) -> Result<(), StoreFault> {
        self.files.sync()
    }

    /// How far they are written.
    pub fn end(&self) -> FileEnd {
        lock(&self.writing).end
    }

    /// Bytes of a file; none where there is no such file.
    pub fn file_bytes(&self, file: u32) -> Result<Option<u64>, StoreFault> {
        self.files.len_of(file)
    }

    /// Takes a file away, with all blocks in it; durable when it returns. One that is not there is no error.
    pub fn remove(&self, file: u32) -> Result<(), StoreFault> {
        self.files.remove(file)
    }

    /// After a crash: shows `take` the whole records behind `from`, in order, several at once; it says how many of them, from
    /// the first on, are blocks. From the first one in a file that is none on, the search goes on in the next file. Returns how
    /// many it took.
    ///
    /// What is torn at the end of the last file is cut off. Where more than a torn block lies there, nothing is cut: it
    /// is none of ours, and a new file is begun.
    pub fn recover_tail<F, E>(&self, from: FileEnd, mut take: F) -> Result<u64, E>
    where
        F: FnMut(&[(FilePos, Vec<u8>)]) -> Result<usize, E>,
        E: From<StoreFault>,
    {
        let (mut end, mut taken) = (from, 0u64);
        loop {
            loop {
                let records = self.records_from(end)?;
                if records.is_empty() {
                    break;
                }
                let blocks = take(&records)?;
                for (pos, _) in records.iter().take(blocks) {
                    taken = taken.saturating_add(1);
                    end.offset = pos.offset.saturating_add(pos.len);
                }
                if blocks < records.len() {
                    break;
                }
            }
            if self.files.len_of(next_file(end).file)?.is_none() {
                break;
            }
            end = next_file(end);
        }
        self.end_at(end)?;
        Ok(taken)
    }

    fn end_at(&self, end: FileEnd) -> Result<(), StoreFault> {
        let behind = self.files.len_of(end.file)?.unwrap_or(0).saturating_sub(u64::from(end.offset));
        let torn_max = u64::from(self.block_bytes_max) + u64::from(FRAME_BYTES);
        let end = match behind {
            0 => end,
            torn if torn <= torn_max => {
                self.files.set_len(end.file, end.offset)?;
                end
            }
            _ => next_file(end),
        };
        lock(&self.writing).end = end;
        Ok(())
    }

    /// The whole records of one file from `from` on, as many as are shown at once.
    fn records_from(&self, mut from: FileEnd) -> Result<Vec<(FilePos, Vec<u8>)>, StoreFault> {
        let (mut records, mut bytes) = (Vec::new(), 0usize);
        while bytes < TAIL_BYTES
            && let Some(pos) = self.record_at(from)?
        {
            let raw = self.read(pos)?;
            bytes = bytes.saturating_add(raw.len());
            records.push((pos, raw));
            from.offset = pos.offset.saturating_add(pos.len);
        }
        Ok(records)
    }

    /// The whole record at `at`.
    fn record_at(&self, at: FileEnd) -> Result<Option<FilePos>, StoreFault> {
        let room = self.files.len_of(at.file)?.unwrap_or(0).saturating_sub(u64::from(at.offset));
        if room < u64::from(FRAME_BYTES) {
            return Ok(None);
        }
        let found = self.files.read(at.file, at.offset, 8)?;
        let len = found.last_chunk().copied().map_or(0, u32::from_le_bytes);
        let whole = u64::from(len) <= room.saturating_sub(u64::from(FRAME_BYTES));
        let is_ours = found == frame(self.magic, len) && len <= self.block_bytes_max && whole;
        let offset = at.offset.saturating_add(FRAME_BYTES);
        Ok(is_ours.then_some(FilePos { file: at.file, offset, len }))
    }
}

fn next_file(end: FileEnd) -> FileEnd {
    FileEnd { file: end.file.saturating_add(1), offset: 0 }
}
