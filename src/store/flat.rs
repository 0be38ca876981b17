//! Block and undo files: numbered, appended to, never changed. The bytes stand in docs/store.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use crate::codec::{CodecError, UndoRecord, checksum};
use crate::disk::{Disk, DiskFile};
use crate::fault::StoreFault;

/// A file is closed before it would grow beyond this: 128 MiB, as Core's, so that tools made for those can read ours.
const FILE_BYTES_MAX: u32 = 0x0800_0000;
/// Files kept open to read from; a chain of a terabyte has 8,000 of them, and a process 1,024 handles.
const OPEN_FILES_MAX: usize = 64;
/// Magic and length before a block; the block's hash and length before undo data.
const BLOCK_FRAME_BYTES: u32 = 8;
const UNDO_FRAME_BYTES: u32 = 36;
/// Undo data of a block has at most so many bytes: a coin takes no more than what spends it and made it, and both fit blocks.
const UNDO_BYTES_MAX: u32 = 64 << 20;
const CHECKSUM_BYTES: u32 = 4;

/// Where a block or its undo data lies: file number, offset of its first byte, its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilePos {
    /// The number in the file's name.
    pub file: u32,
    /// Bytes before it in the file.
    pub offset: u32,
    /// Its bytes, the frame left out.
    pub len: u32,
}

/// How far a row of files is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FileEnd {
    /// The last file's number.
    pub file: u32,
    /// Its length.
    pub offset: u32,
}

/// One row of numbered files.
struct FlatFiles {
    dir: PathBuf,
    prefix: &'static str,
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    end: FileEnd,
    open: BTreeMap<u32, Arc<dyn DiskFile>>,
    unsynced: BTreeSet<u32>,
}

impl FlatFiles {
    fn new(dir: &Path, prefix: &'static str, disk: Arc<dyn Disk>, end: FileEnd) -> FlatFiles {
        FlatFiles { dir: dir.to_owned(), prefix, disk, state: Mutex::new(State { end, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step under the lock can leave the state half-made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, file: u32) -> PathBuf {
        self.dir.join(format!("{}{file:05}.dat", self.prefix))
    }

    fn handle(&self, state: &mut State, file: u32) -> Result<Arc<dyn DiskFile>, StoreFault> {
        if let Some(open) = state.open.get(&file) {
            return Ok(Arc::clone(open));
        }
        if state.open.len() >= OPEN_FILES_MAX {
            let unsynced = &state.unsynced;
            state.open.retain(|number, _| unsynced.contains(number));
        }
        let path = self.path(file);
        let handle = self.disk.open(&path).map_err(StoreFault::io(&path))?;
        state.open.insert(file, Arc::clone(&handle));
        Ok(handle)
    }

    /// Takes the next `len` bytes of the row for the caller, in one file.
    fn reserve(&self, len: u32) -> Result<(FileEnd, Arc<dyn DiskFile>), StoreFault> {
        let mut state = self.state();
        let fits = state.end.offset.checked_add(len).is_some_and(|end| end <= FILE_BYTES_MAX);
        if !fits && state.end.offset > 0 {
            state.end = FileEnd { file: state.end.file.saturating_add(1), offset: 0 };
        }
        let start = state.end;
        let handle = self.handle(&mut state, start.file)?;
        state.end.offset = start.offset.saturating_add(len);
        state.unsynced.insert(start.file);
        Ok((start, handle))
    }

    fn append(&self, parts: &[&[u8]]) -> Result<FileEnd, StoreFault> {
        let total = parts.iter().map(|p| p.len()).sum::<usize>();
        let (start, handle) = self.reserve(u32::try_from(total).unwrap_or(u32::MAX))?;
        let mut offset = u64::from(start.offset);
        for part in parts {
            handle.write_at(part, offset).map_err(StoreFault::io(&self.path(start.file)))?;
            offset = offset.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        Ok(start)
    }

    fn read(&self, file: u32, offset: u32, len: usize) -> Result<Vec<u8>, StoreFault> {
        let handle = self.handle(&mut self.state(), file)?;
        let mut bytes = vec![0; len];
        handle.read_at(&mut bytes, u64::from(offset)).map_err(StoreFault::io(&self.path(file)))?;
        Ok(bytes)
    }

    fn sync(&self) -> Result<(), StoreFault> {
        let handles: Vec<(u32, Arc<dyn DiskFile>)> = {
            let mut state = self.state();
            let files = std::mem::take(&mut state.unsynced);
            files.into_iter().filter_map(|f| state.open.get(&f).map(|h| (f, Arc::clone(h)))).collect()
        };
        for (file, handle) in handles {
            handle.sync().map_err(StoreFault::io(&self.path(file)))?;
        }
        Ok(())
    }

    /// Forgets everything from `end` on.
    fn cut(&self, end: FileEnd) -> Result<(), StoreFault> {
        let mut state = self.state();
        let mut file = end.file;
        while file == end.file || self.len_of(file)?.is_some() {
            let keep = if file == end.file { end.offset } else { 0 };
            let handle = self.handle(&mut state, file)?;
            handle.set_len(u64::from(keep)).map_err(StoreFault::io(&self.path(file)))?;
            file = file.saturating_add(1);
        }
        state.end = end;
        Ok(())
    }

    fn len_of(&self, file: u32) -> Result<Option<u64>, StoreFault> {
        let path = self.path(file);
        self.disk.len_of(&path).map_err(StoreFault::io(&path))
    }
}

/// `blkNNNNN.dat`: magic, length (little-endian), block in BIP144 encoding.
pub struct BlockFiles {
    files: FlatFiles,
    magic: [u8; 4],
    block_bytes_max: u32,
}

impl BlockFiles {
    /// The files in `dir`, written up to `end`; a block has at most `block_bytes_max` bytes.
    pub fn new(dir: &Path, disk: Arc<dyn Disk>, magic: [u8; 4], block_bytes_max: u32, end: FileEnd) -> Self {
        BlockFiles { files: FlatFiles::new(dir, "blk", disk, end), magic, block_bytes_max }
    }

    /// Appends a block's bytes. Durable after the next [`BlockFiles::sync`].
    pub fn append(&self, raw: &[u8]) -> Result<FilePos, StoreFault> {
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let start = self.files.append(&[&self.magic, &len.to_le_bytes(), raw])?;
        Ok(FilePos { file: start.file, offset: start.offset.saturating_add(BLOCK_FRAME_BYTES), len })
    }

    /// A block's bytes.
    pub fn read(&self, pos: FilePos) -> Result<Vec<u8>, StoreFault> {
        self.files.read(pos.file, pos.offset, usize::try_from(pos.len).unwrap_or(usize::MAX))
    }

    /// Returns when every block appended is durable.
    pub fn sync(&self) -> Result<(), StoreFault> {
        self.files.sync()
    }

    /// How far they are written.
    pub fn end(&self) -> FileEnd {
        self.files.state().end
    }

    /// After a crash: shows `take` each whole record behind `from`, in order, until it refuses one or one is cut short,
    /// and forgets what follows. Returns how many it took.
    pub fn recover_tail<F, E>(&self, from: FileEnd, mut take: F) -> Result<u64, E>
    where
        F: FnMut(FilePos, &[u8]) -> Result<bool, E>,
        E: From<StoreFault>,
    {
        let (mut end, mut taken) = (from, 0u64);
        while let Some(pos) = self.record_at(end)? {
            let raw = self.read(pos)?;
            if !take(pos, &raw)? {
                break;
            }
            taken = taken.saturating_add(1);
            end = FileEnd { file: pos.file, offset: pos.offset.saturating_add(pos.len) };
        }
        self.files.cut(end)?;
        Ok(taken)
    }

    /// The record at `at`, or the first of the next file where this one is at its end.
    fn record_at(&self, at: FileEnd) -> Result<Option<FilePos>, StoreFault> {
        let next = FileEnd { file: at.file.saturating_add(1), offset: 0 };
        for start in [at, next] {
            let Some(file_len) = self.files.len_of(start.file)? else { continue };
            let room = file_len.saturating_sub(u64::from(start.offset));
            if room < u64::from(BLOCK_FRAME_BYTES) {
                continue;
            }
            let frame = self.files.read(start.file, start.offset, 8)?;
            let (magic, len) = frame.split_at(4);
            let len = u32::from_le_bytes(len.try_into().unwrap_or_default());
            let whole = u64::from(len) <= room.saturating_sub(u64::from(BLOCK_FRAME_BYTES));
            let ours = magic == self.magic && len <= self.block_bytes_max && whole;
            let offset = start.offset.saturating_add(BLOCK_FRAME_BYTES);
            return Ok(ours.then_some(FilePos { file: start.file, offset, len }));
        }
        Ok(None)
    }
}

/// `revNNNNN.dat`: the block's hash, length (little-endian), undo data, checksum over hash and data.
pub struct UndoFiles {
    files: FlatFiles,
}

impl UndoFiles {
    /// The files in `dir`, and the undo data behind `end`: whole, but not committed yet. What follows the last whole record
    /// is forgotten.
    pub fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        end: FileEnd,
    ) -> Result<(Self, Vec<(BlockHash, FilePos)>), StoreFault> {
        let this = UndoFiles { files: FlatFiles::new(dir, "rev", disk, end) };
        let (mut end, mut tail) = (end, Vec::new());
        while let Some((hash, pos)) = this.record_at(end)? {
            if this.read(&hash, pos).is_err() {
                break;
            }
            let behind = pos.offset.saturating_add(pos.len).saturating_add(CHECKSUM_BYTES);
            end = FileEnd { file: pos.file, offset: behind };
            tail.push((hash, pos));
        }
        this.files.cut(end)?;
        Ok((this, tail))
    }

    /// The record at `at`, or the first of the next file where this one is at its end; none where it is cut short.
    fn record_at(&self, at: FileEnd) -> Result<Option<(BlockHash, FilePos)>, StoreFault> {
        let next = FileEnd { file: at.file.saturating_add(1), offset: 0 };
        for start in [at, next] {
            let Some(file_len) = self.files.len_of(start.file)? else { continue };
            let room = file_len.saturating_sub(u64::from(start.offset));
            if room < u64::from(UNDO_FRAME_BYTES) {
                continue;
            }
            let frame = self.files.read(start.file, start.offset, 36)?;
            let (hash, len) = frame.split_at(32);
            let len = u32::from_le_bytes(len.try_into().unwrap_or_default());
            let needed = u64::from(UNDO_FRAME_BYTES) + u64::from(len) + u64::from(CHECKSUM_BYTES);
            let hash = BlockHash::from_byte_array(hash.try_into().unwrap_or_default());
            let offset = start.offset.saturating_add(UNDO_FRAME_BYTES);
            let whole = len <= UNDO_BYTES_MAX && needed <= room;
            return Ok(whole.then_some((hash, FilePos { file: start.file, offset, len })));
        }
        Ok(None)
    }

    /// Appends what it takes to disconnect `block`. Durable after the next [`UndoFiles::sync`].
    pub fn append(&self, block: &BlockHash, undo: &UndoRecord) -> Result<FilePos, StoreFault> {
        let bytes = undo.encode();
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sum = checksum(&[block.as_byte_array(), &bytes]);
        let start = self.files.append(&[block.as_byte_array(), &len.to_le_bytes(), &bytes, &sum])?;
        Ok(FilePos { file: start.file, offset: start.offset.saturating_add(UNDO_FRAME_BYTES), len })
    }

    /// What it takes to disconnect `block`.
    pub fn read(&self, block: &BlockHash, pos: FilePos) -> Result<UndoRecord, StoreFault> {
        let with_sum = pos.len.saturating_add(CHECKSUM_BYTES);
        let bytes = self.files.read(pos.file, pos.offset, usize::try_from(with_sum).unwrap_or(usize::MAX))?;
        let split = bytes.split_last_chunk::<4>().ok_or(CodecError::Short);
        let (body, sum) = split.map_err(StoreFault::damaged("undo data"))?;
        if checksum(&[block.as_byte_array(), body]) != *sum {
            return Err(StoreFault::damaged("undo data")(CodecError::Checksum));
        }
        UndoRecord::decode(body).map_err(StoreFault::damaged("undo data"))
    }

    /// Returns when everything appended is durable.
    pub fn sync(&self) -> Result<(), StoreFault> {
        self.files.sync()
    }

    /// How far they are written.
    pub fn end(&self) -> FileEnd {
        self.files.state().end
    }
}

#[cfg(test)]
#[path = "flat/tests.rs"]
mod tests;
