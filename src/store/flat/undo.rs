use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use adit_domain::chain::coin_codec::{encode_undo, take_undo};
use adit_domain::consensus::BlockUndo;
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, HashEngine, sha256d};

use super::journal::Journal;
pub use super::journal::Verified;
use super::{FRAME_BYTES, FileEnd, FilePos, FlatFiles, frame, lock};
use crate::codec::CodecError;
use crate::disk::Disk;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::xor::XorKey;

/// Bytes of the double SHA-256 behind undo data.
const SUM_BYTES: u32 = 32;
/// What is read.
const WHAT: &str = "undo data";

/// A block's undo data as it will lie in its file. It is made where there is time, and appended in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedUndo {
    data: Vec<u8>,
    sum: [u8; 32],
}

impl EncodedUndo {
    /// The coins that a block on `parent` spent.
    pub fn new(parent: &BlockHash, undo: &BlockUndo) -> EncodedUndo {
        let data = encode_undo(undo);
        let sum = sum(parent, &data);
        EncodedUndo { data, sum }
    }
}

/// The double SHA-256 over the parent's hash and the data.
fn sum(parent: &BlockHash, data: &[u8]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    engine.input(parent.as_byte_array());
    engine.input(data);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// `revNNNNN.dat`: magic, length (little-endian), undo data, its double SHA-256. A block's lies in the file of the same number
/// as the block.
pub struct UndoFiles {
    files: FlatFiles,
    magic: [u8; 4],
    writing: Mutex<Writing>,
    journal: Journal,
}

struct Writing {
    ends: BTreeMap<u32, u32>,
    /// Files that end where they should: what lies behind is cut off before a file is written.
    cut: BTreeSet<u32>,
    buffer: Vec<u8>,
}

impl UndoFiles {
    /// The files in `dir`, each written up to its end in `ends`; `flushes` were committed. Beside them what was
    /// appended since then, to be judged by [`UndoFiles::take`].
    pub fn open(
        dir: &Path,
        (journal_dir, flushes): (&Path, u64),
        disk: Arc<dyn Disk>,
        (magic, key): ([u8; 4], XorKey),
        ends: BTreeMap<u32, u32>,
    ) -> Result<(UndoFiles, Vec<Verified>), StoreFault> {
        let (journal, since) = Journal::open(journal_dir, Arc::clone(&disk), flushes)?;
        let writing = Mutex::new(Writing { ends, cut: BTreeSet::new(), buffer: Vec::new() });
        let files = FlatFiles::new(dir, "rev", disk, key);
        Ok((UndoFiles { files, magic, writing, journal }, since))
    }

    /// Whether what the journal names is there, whole and that of a block on `parent`. If so it counts as written.
    pub fn take(&self, found: &Verified, parent: &BlockHash) -> Result<bool, StoreFault> {
        let Verified { pos, sum: wanted, .. } = found;
        let Some(behind) = end_of(*pos) else { return Ok(false) };
        if self.files.len_of(pos.file)?.unwrap_or(0) < u64::from(behind) {
            return Ok(false);
        }
        let bytes = match self.files.read_framed(self.magic, *pos, SUM_BYTES, WHAT) {
            Err(StoreFault::DamagedFile { .. }) => return Ok(false),
            read => read?,
        };
        let Some((data, stored)) = bytes.split_last_chunk::<32>() else { return Ok(false) };
        let is_whole = stored == wanted && sum(parent, data) == *wanted;
        if is_whole {
            let mut writing = lock(&self.writing);
            let end = writing.ends.entry(pos.file).or_default();
            *end = behind.max(*end);
        }
        Ok(is_whole)
    }

    /// Appends what it takes to disconnect a block to the file of number `file`: that of the block. Durable after the next
    /// [`UndoFiles::sync`]; found after a crash without it where it is `noted` that the block is verified.
    ///
    /// Where a file would grow beyond 4 GiB (a hundred blocks that spend nothing but the longest scripts) the next one that has
    /// room is taken.
    pub fn append(
        &self,
        block: &BlockHash,
        file: u32,
        undo: &EncodedUndo,
        noted: bool,
    ) -> Result<FilePos, StoreFault> {
        let mut writing = lock(&self.writing);
        let Writing { ends, cut, buffer } = &mut *writing;
        let len = u32::try_from(undo.data.len()).unwrap_or(u32::MAX);
        let place = |file: u32| {
            let start = ends.get(&file).copied().unwrap_or(0);
            let pos = FilePos { file, offset: start.checked_add(FRAME_BYTES)?, len };
            end_of(pos).map(|behind| (start, pos, behind))
        };
        let room = (file..=u32::MAX).find_map(place);
        let (start, pos, behind) = room.ok_or(StoreFault::Missing { what: "room for undo data" })?;
        if cut.insert(pos.file) && self.files.len_of(pos.file)?.unwrap_or(0) > u64::from(start) {
            self.files.set_len(pos.file, start)?;
        }
        let at = FileEnd { file: pos.file, offset: start };
        failpoint::before(Place::UndoAppend);
        self.files.write(at, &[&frame(self.magic, len), &undo.data, &undo.sum], buffer)?;
        failpoint::after(Place::UndoAppend);
        ends.insert(pos.file, behind);
        if noted {
            self.journal.add(&Verified { block: *block, pos, sum: undo.sum })?;
        }
        Ok(pos)
    }

    /// What it takes to disconnect a block on `parent`.
    pub fn read(&self, parent: &BlockHash, pos: FilePos) -> Result<BlockUndo, StoreFault> {
        let bytes = self.files.read_framed(self.magic, pos, SUM_BYTES, WHAT)?;
        let damaged = |error| self.files.damaged(pos, WHAT, error);
        let (data, stored) = bytes.split_last_chunk::<32>().ok_or_else(|| damaged(CodecError::Short))?;
        if sum(parent, data) != *stored {
            return Err(damaged(CodecError::Checksum));
        }
        let mut rest = data;
        let undo = take_undo(&mut rest).map_err(|error| damaged(error.into()))?;
        if rest.is_empty() { Ok(undo) } else { Err(damaged(CodecError::Trailing)) }
    }

    /// From here on, what is appended is found by the flush of this number, the next one. What was noted before
    /// the last committed one is forgotten.
    pub fn begin_flush(&self, number: u64) -> Result<(), StoreFault> {
        self.journal.begin_flush(number)
    }

    /// Returns when everything appended is durable.
    pub fn sync(&self) -> Result<(), StoreFault> {
        self.files.sync()
    }

    /// Makes the first file, if it is not there: beside a block file whoever looks for them expects one of undo data, empty or not.
    pub fn begin(&self) -> Result<(), StoreFault> {
        match self.files.len_of(0)? {
            None => self.files.set_len(0, 0),
            Some(_) => Ok(()),
        }
    }

    /// Bytes of a file; none where there is no such file.
    pub fn file_bytes(&self, file: u32) -> Result<Option<u64>, StoreFault> {
        self.files.len_of(file)
    }

    /// Takes a file away, with all undo data in it; durable when it returns. One that is not there is no error.
    pub fn remove(&self, file: u32) -> Result<(), StoreFault> {
        let mut writing = lock(&self.writing);
        writing.ends.remove(&file);
        writing.cut.remove(&file);
        self.files.remove(file)
    }
}

/// Where the file goes on behind undo data and its sum.
fn end_of(pos: FilePos) -> Option<u32> {
    pos.offset.checked_add(pos.len)?.checked_add(SUM_BYTES)
}

impl FilePos {
    /// Where an undo file goes on behind the data at this place: its sum comes first. None beyond 4 GiB.
    pub fn undo_end(self) -> Option<u32> {
        end_of(self)
    }
}
