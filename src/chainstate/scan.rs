//! Finds blocks in files that others wrote: framed as Core's blk*.dat, with whatever lies between them.
//!
//! One file here; many at once in `files`.

mod files;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use adit_store::XorKey;
use bitcoin::block::Header;
use bitcoin::consensus::encode;

pub(crate) use files::{Finder, FoundHeader, scan_files};

/// The frame before a block: magic and length.
const FRAME_BYTES: u64 = 8;
const HEADER_BYTES: u32 = 80;
/// What is read of a block: its frame and its header.
const HEAD_BYTES: usize = 88;
/// What is read at once while a frame is looked for.
const SEARCH_BYTES: usize = 1 << 16;

/// A file that others wrote, and the key that its bytes are XORed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockFile {
    pub(crate) path: PathBuf,
    pub(crate) key: XorKey,
}

/// Where a block lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// What was not a block of this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Bytes that belong to no frame, zeros left out.
    pub garbage_bytes: u64,
    /// Zeros, as they lie on disk, that belong to no frame: Core makes room ahead with them.
    pub padding_bytes: u64,
    /// Blocks framed with another network's magic.
    pub foreign_blocks: u64,
    /// Frames that promise more than the file has.
    pub truncated_blocks: u64,
    /// Frames with a length that no block has, or a header that does not decode or that nobody worked for.
    pub malformed_blocks: u64,
}

impl Skipped {
    pub(crate) fn add(&mut self, more: &Skipped) {
        let Skipped { garbage_bytes, padding_bytes, foreign_blocks, truncated_blocks, malformed_blocks } =
            more;
        for (sum, more) in [
            (&mut self.garbage_bytes, garbage_bytes),
            (&mut self.padding_bytes, padding_bytes),
            (&mut self.foreign_blocks, foreign_blocks),
            (&mut self.truncated_blocks, truncated_blocks),
            (&mut self.malformed_blocks, malformed_blocks),
        ] {
            *sum = sum.saturating_add(*more);
        }
    }
}

/// What a file is searched for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// This network's.
    pub(crate) magic: [u8; 4],
    /// Other networks'.
    pub(crate) foreign: &'a [[u8; 4]],
    /// A block has at most so many bytes.
    pub(crate) block_bytes_max: u32,
}

/// What the caller says of a header that stands in a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a block's: the search goes on behind the block.
    Block,
    /// It is not: the search goes on behind the magic.
    NoBlock,
    /// No matter: nothing more is wanted of this file.
    Stop,
}

/// Shows `each` every header that stands in a whole frame of the file, in the file's order.
pub(crate) fn scan_file(
    file: &BlockFile,
    wanted: &Wanted<'_>,
    skipped: &mut Skipped,
    each: impl FnMut(Header, Extent) -> Verdict,
) -> io::Result<()> {
    scan_from(file, 0, wanted, skipped, each)
}

/// As [`scan_file`], of what lies behind the byte `from`.
pub(crate) fn scan_from(
    file: &BlockFile,
    from: u64,
    wanted: &Wanted<'_>,
    skipped: &mut Skipped,
    mut each: impl FnMut(Header, Extent) -> Verdict,
) -> io::Result<()> {
    let mut scan = Scan::open(file)?;
    scan.at = from;
    while scan.at.saturating_add(FRAME_BYTES) <= scan.len {
        let (magic, len, header) = scan.head()?;
        let room = scan.len.saturating_sub(scan.at).saturating_sub(FRAME_BYTES);
        let is_ours = magic == wanted.magic;
        let plausible = (HEADER_BYTES..=wanted.block_bytes_max).contains(&len);
        let is_foreign = wanted.foreign.contains(&magic) && plausible;
        if !(is_ours || is_foreign) {
            scan.search(wanted, skipped)?;
            continue;
        }
        let whole = plausible && u64::from(len) <= room;
        match (is_ours, whole) {
            (false, true) => {
                skipped.foreign_blocks = skipped.foreign_blocks.saturating_add(1);
                scan.skip_block(len);
            }
            (true, true) => {
                let extent = Extent { offset: scan.at.saturating_add(FRAME_BYTES), len };
                match header.map_or(Verdict::NoBlock, |header| each(header, extent)) {
                    Verdict::Block => scan.skip_block(len),
                    Verdict::NoBlock => {
                        skipped.malformed_blocks = skipped.malformed_blocks.saturating_add(1);
                        scan.skip_magic(skipped);
                    }
                    Verdict::Stop => return Ok(()),
                }
            }
            _ => {
                let count =
                    if plausible { &mut skipped.truncated_blocks } else { &mut skipped.malformed_blocks };
                *count = count.saturating_add(1);
                scan.skip_magic(skipped);
            }
        }
    }
    scan.rest(skipped)
}

/// The first magic of another network that stands before something like a block.
pub(crate) fn first_foreign(file: &BlockFile, wanted: &Wanted<'_>) -> io::Result<Option<[u8; 4]>> {
    let mut found = None;
    for magic in wanted.foreign {
        let as_ours = Wanted { magic: *magic, foreign: &[], ..*wanted };
        scan_file(file, &as_ours, &mut Skipped::default(), |_, _| {
            found = Some(*magic);
            Verdict::Stop
        })?;
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

impl BlockFile {
    pub(crate) fn open(&self) -> io::Result<OpenFile> {
        Ok(OpenFile { file: File::open(&self.path)?, key: self.key })
    }

    /// The bytes of a block that a scan has found.
    pub(crate) fn read_block(&self, extent: Extent) -> io::Result<Vec<u8>> {
        let mut raw = vec![0; usize::try_from(extent.len).unwrap_or(0)];
        self.open()?.read(&mut raw, extent.offset)?;
        Ok(raw)
    }
}

/// A [`BlockFile`] to read from.
pub(crate) struct OpenFile {
    file: File,
    key: XorKey,
}

impl OpenFile {
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)?;
        self.key.apply(bytes, offset);
        Ok(())
    }
}

struct Scan {
    file: OpenFile,
    len: u64,
    at: u64,
    /// What was read for the last search, and where it lies: rubbish that looks like frames costs no read each.
    window: Vec<u8>,
    window_at: u64,
}

/// Magic, length, and the header where the file has as much.
type Head = ([u8; 4], u32, Option<Header>);

impl Scan {
    fn open(file: &BlockFile) -> io::Result<Scan> {
        let file = file.open()?;
        Ok(Scan { len: file.file.metadata()?.len(), file, at: 0, window: Vec::new(), window_at: 0 })
    }

    /// What stands at the present place: eight bytes at least are there.
    fn head(&self) -> io::Result<Head> {
        let mut bytes = [0; HEAD_BYTES];
        let room = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(HEAD_BYTES);
        let head = bytes.get_mut(..room.min(HEAD_BYTES)).unwrap_or_default();
        match self.windowed(head.len()) {
            Some(known) => head.copy_from_slice(known),
            None => self.file.read(head, self.at)?,
        }
        let (magic, rest) = bytes.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let (len, header) = rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let header = encode::deserialize(header).ok().filter(|_| room >= HEAD_BYTES);
        Ok((*magic, u32::from_le_bytes(*len), header))
    }

    /// The next `len` bytes, where the last search has read them.
    fn windowed(&self, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(self.at.checked_sub(self.window_at)?).ok()?;
        self.window.get(from..from.checked_add(len)?)
    }

    fn skip_block(&mut self, len: u32) {
        self.at = self.at.saturating_add(FRAME_BYTES).saturating_add(u64::from(len));
    }

    fn skip_magic(&mut self, skipped: &mut Skipped) {
        skipped.garbage_bytes = skipped.garbage_bytes.saturating_add(4);
        self.at = self.at.saturating_add(4);
    }

    /// Goes on to the next place where a magic stands, or to the end.
    fn search(&mut self, wanted: &Wanted<'_>, skipped: &mut Skipped) -> io::Result<()> {
        let room = self.len.saturating_sub(self.at);
        // A window that has run short of a head is read again from here.
        if self.windowed(HEAD_BYTES).is_none() {
            self.window.resize(SEARCH_BYTES.min(usize::try_from(room).unwrap_or(SEARCH_BYTES)), 0);
            self.file.read(&mut self.window, self.at)?;
            self.window_at = self.at;
        }
        let from = usize::try_from(self.at.saturating_sub(self.window_at)).unwrap_or(0);
        let ahead = self.window.get(from..).unwrap_or_default();
        // The first byte is no frame's: that is why a search began.
        let is_magic = |w: &[u8]| w == wanted.magic || wanted.foreign.iter().any(|f| w == f);
        let found = ahead.windows(4).skip(1).position(is_magic).map(|p| p.saturating_add(1));
        // Without one, the last three bytes may still begin one.
        let step = found.unwrap_or(ahead.len().saturating_sub(3).max(1));
        self.count(ahead.get(..step).unwrap_or(ahead), skipped);
        self.at = self.at.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Counts bytes from the present place on.
    fn count(&self, bytes: &[u8], skipped: &mut Skipped) {
        let mut raw = bytes.to_vec();
        self.file.key.apply(&mut raw, self.at);
        let zeros = u64::try_from(raw.iter().filter(|b| **b == 0).count()).unwrap_or(0);
        let all = u64::try_from(bytes.len()).unwrap_or(0);
        skipped.padding_bytes = skipped.padding_bytes.saturating_add(zeros);
        skipped.garbage_bytes = skipped.garbage_bytes.saturating_add(all.saturating_sub(zeros));
    }

    /// What is too short for a frame.
    fn rest(&mut self, skipped: &mut Skipped) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(0)];
        self.file.read(&mut bytes, self.at)?;
        self.count(&bytes, skipped);
        Ok(())
    }
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
