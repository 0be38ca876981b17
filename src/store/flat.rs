//! Block and undo files: numbered, appended to, never changed. The bytes stand in docs/store.md.
//!
//! Owns: names, handles, the key over the bytes, what is not synced yet. Nothing is made ahead: a file ends where its data ends.

mod blocks;
mod journal;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use blocks::BlockFiles;
pub use undo::{EncodedUndo, UndoFiles, Verified};

use crate::codec::CodecError;
use crate::disk::{Disk, DiskFile};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::xor::XorKey;

/// Files kept open to read from; a chain of a terabyte has 8,000 of them, and a process 1,024 handles.
const OPEN_FILES_MAX: usize = 64;
/// Bytes that are put together before they are written: a block is one to sixteen writes, and they stay in a core's own cache.
const WRITE_BYTES: usize = 256 << 10;
/// Before a block or its undo data: the network's magic and the length.
const FRAME_BYTES: u32 = 8;

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
    key: XorKey,
    disk: Arc<dyn Disk>,
    open: Mutex<Open>,
    /// Held while files are synced: whoever finds nothing left to sync must not return before it is done.
    syncing: Mutex<()>,
    /// A write or a sync has failed.
    broken: AtomicBool,
}

#[derive(Default)]
struct Open {
    handles: BTreeMap<u32, Arc<dyn DiskFile>>,
    unsynced: BTreeSet<u32>,
}

/// No step under one of these locks can leave what it guards half-made.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FlatFiles {
    fn new(dir: &Path, prefix: &'static str, disk: Arc<dyn Disk>, key: XorKey) -> FlatFiles {
        FlatFiles {
            dir: dir.to_owned(),
            prefix,
            key,
            disk,
            open: Mutex::default(),
            syncing: Mutex::default(),
            broken: AtomicBool::new(false),
        }
    }

    fn path(&self, file: u32) -> PathBuf {
        self.dir.join(format!("{}{file:05}.dat", self.prefix))
    }

    fn handle(&self, open: &mut Open, file: u32) -> Result<Arc<dyn DiskFile>, StoreFault> {
        if let Some(handle) = open.handles.get(&file) {
            return Ok(Arc::clone(handle));
        }
        if open.handles.len() >= OPEN_FILES_MAX {
            let unsynced = &open.unsynced;
            open.handles.retain(|number, _| unsynced.contains(number));
        }
        let path = self.path(file);
        let handle = self.disk.open(&path).map_err(StoreFault::io(&path))?;
        open.handles.insert(file, Arc::clone(&handle));
        Ok(handle)
    }

    /// Writes the parts one behind the other. `buffer` is used for it, whatever is in it.
    fn write(&self, at: FileEnd, parts: &[&[u8]], buffer: &mut Vec<u8>) -> Result<(), StoreFault> {
        let handle = {
            let mut open = lock(&self.open);
            // A handle with something to sync is not let go.
            open.unsynced.insert(at.file);
            self.handle(&mut open, at.file)?
        };
        let mut offset = u64::from(at.offset);
        buffer.clear();
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let room = WRITE_BYTES.saturating_sub(buffer.len());
                let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
                buffer.extend_from_slice(now);
                rest = later;
                if buffer.len() >= WRITE_BYTES {
                    offset = self.put(handle.as_ref(), at.file, offset, buffer)?;
                }
            }
        }
        self.put(handle.as_ref(), at.file, offset, buffer)?;
        // Again: a sync that began before these bytes were there has taken it out.
        lock(&self.open).unsynced.insert(at.file);
        Ok(())
    }

    /// Nothing is written or said to be durable after something has failed: a later sync would know nothing of it.
    fn unless_broken<T>(&self, act: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreFault::io(&self.dir)(io::Error::other("the disk failed before")));
        }
        act().inspect_err(|_| self.broken.store(true, Ordering::SeqCst))
    }

    /// Writes the buffer under the key and empties it; gives the offset behind it.
    fn put(
        &self,
        handle: &dyn DiskFile,
        file: u32,
        offset: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<u64, StoreFault> {
        self.key.apply(buffer, offset);
        self.unless_broken(|| handle.write_at(buffer, offset).map_err(StoreFault::io(&self.path(file))))?;
        let behind = offset.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        buffer.clear();
        Ok(behind)
    }

    /// A file is not made by being read.
    fn read(&self, file: u32, offset: u32, len: usize) -> Result<Vec<u8>, StoreFault> {
        let handle = {
            let mut open = lock(&self.open);
            if !open.handles.contains_key(&file) && self.len_of(file)?.is_none() {
                return Err(StoreFault::io(&self.path(file))(io::ErrorKind::NotFound.into()));
            }
            self.handle(&mut open, file)?
        };
        let mut bytes = vec![0; len];
        handle.read_at(&mut bytes, u64::from(offset)).map_err(StoreFault::io(&self.path(file)))?;
        self.key.apply(&mut bytes, u64::from(offset));
        Ok(bytes)
    }

    /// What stands at `pos` with its frame, and `behind` bytes that follow it, the frame taken off. `what` it is, if it is not.
    fn read_framed(
        &self,
        magic: [u8; 4],
        pos: FilePos,
        behind: u32,
        what: &'static str,
    ) -> Result<Vec<u8>, StoreFault> {
        let damaged = || self.damaged(pos, what, CodecError::Frame);
        let start = pos.offset.checked_sub(FRAME_BYTES).ok_or_else(damaged)?;
        let frame = frame(magic, pos.len);
        // Apart: a block is not moved to take eight bytes off it.
        if self.read(pos.file, start, frame.len())? != frame {
            return Err(damaged());
        }
        let total = u64::from(pos.len) + u64::from(behind);
        self.read(pos.file, pos.offset, usize::try_from(total).unwrap_or(usize::MAX))
    }

    fn damaged(&self, pos: FilePos, what: &'static str, source: CodecError) -> StoreFault {
        StoreFault::DamagedFile { path: self.path(pos.file), offset: pos.offset, what, source }
    }

    fn sync(&self) -> Result<(), StoreFault> {
        let _alone = lock(&self.syncing);
        self.unless_broken(|| {
            failpoint::before(Place::FileSync);
            self.sync_all()?;
            failpoint::after(Place::FileSync);
            Ok(())
        })
    }

    fn sync_all(&self) -> Result<(), StoreFault> {
        let handles: Vec<(u32, Arc<dyn DiskFile>)> = {
            let mut open = lock(&self.open);
            let files = std::mem::take(&mut open.unsynced);
            files.into_iter().filter_map(|f| open.handles.get(&f).map(|h| (f, Arc::clone(h)))).collect()
        };
        for (file, handle) in handles {
            handle.sync().map_err(StoreFault::io(&self.path(file)))?;
        }
        Ok(())
    }

    fn set_len(&self, file: u32, len: u32) -> Result<(), StoreFault> {
        let handle = self.handle(&mut lock(&self.open), file)?;
        handle.set_len(u64::from(len)).map_err(StoreFault::io(&self.path(file)))
    }

    /// Takes a file away; one that is not there is no error.
    fn remove(&self, file: u32) -> Result<(), StoreFault> {
        let mut open = lock(&self.open);
        open.handles.remove(&file);
        open.unsynced.remove(&file);
        let path = self.path(file);
        failpoint::before(Place::FileRemove);
        self.disk.remove(&path).map_err(StoreFault::io(&path))?;
        failpoint::after(Place::FileRemove);
        Ok(())
    }

    /// Its bytes; none where there is no such file.
    fn len_of(&self, file: u32) -> Result<Option<u64>, StoreFault> {
        let path = self.path(file);
        self.disk.len_of(&path).map_err(StoreFault::io(&path))
    }
}

/// The network's magic, then the length, little-endian.
fn frame(magic: [u8; 4], len: u32) -> [u8; 8] {
    let [a, b, c, d] = magic;
    let [e, f, g, h] = len.to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
#[path = "flat/tests.rs"]
mod tests;
