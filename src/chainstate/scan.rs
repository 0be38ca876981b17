//! Finds blocks in files that others wrote: framed as Core's blk*.dat, with whatever lies between them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bitcoin::block::Header;
use bitcoin::consensus::encode;

/// The frame before a block: magic and length.
const FRAME_BYTES: u64 = 8;
const HEADER_BYTES: u32 = 80;
/// What is read at once while a frame is looked for.
const SEARCH_BYTES: usize = 1 << 16;

/// Where a block lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// What was not a block of this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Bytes that belong to no frame, runs of zeros left out.
    pub garbage_bytes: u64,
    /// Zeros that belong to no frame: Core makes room ahead with them.
    pub padding_bytes: u64,
    /// Blocks framed with another network's magic.
    pub foreign_blocks: u64,
    /// Frames that promise more than the file has.
    pub truncated_blocks: u64,
    /// Frames with a length that no block has, or a header that does not decode or that nobody worked for.
    pub malformed_blocks: u64,
}

/// What a file is searched for.
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
}

/// Shows `each` every header that stands in a whole frame of the file, in the file's order.
pub(crate) fn scan_file(
    path: &Path,
    wanted: &Wanted<'_>,
    skipped: &mut Skipped,
    mut each: impl FnMut(Header, Extent) -> Verdict,
) -> io::Result<()> {
    let file = File::open(path)?;
    let mut scan = Scan { len: file.metadata()?.len(), file, at: 0 };
    while scan.at.saturating_add(FRAME_BYTES) <= scan.len {
        let (magic, len) = scan.frame()?;
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
                let offset = scan.at.saturating_add(FRAME_BYTES);
                let header = scan.header(offset)?;
                let verdict = header.map_or(Verdict::NoBlock, |h| each(h, Extent { offset, len }));
                if verdict == Verdict::Block {
                    scan.skip_block(len);
                } else {
                    skipped.malformed_blocks = skipped.malformed_blocks.saturating_add(1);
                    scan.skip_magic(skipped);
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

/// The bytes of a block that a scan has found.
pub(crate) fn read_block(path: &Path, extent: Extent) -> io::Result<Vec<u8>> {
    let mut raw = vec![0; usize::try_from(extent.len).unwrap_or(0)];
    File::open(path)?.read_exact_at(&mut raw, extent.offset)?;
    Ok(raw)
}

struct Scan {
    file: File,
    len: u64,
    at: u64,
}

impl Scan {
    fn frame(&self) -> io::Result<([u8; 4], u32)> {
        let (mut magic, mut len) = ([0; 4], [0; 4]);
        self.file.read_exact_at(&mut magic, self.at)?;
        self.file.read_exact_at(&mut len, self.at.saturating_add(4))?;
        Ok((magic, u32::from_le_bytes(len)))
    }

    fn header(&self, offset: u64) -> io::Result<Option<Header>> {
        let mut bytes = [0; 80];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(encode::deserialize(&bytes).ok())
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
        let mut chunk = vec![0; SEARCH_BYTES.min(usize::try_from(room).unwrap_or(SEARCH_BYTES))];
        self.file.read_exact_at(&mut chunk, self.at)?;
        // The first byte is no frame's: that is why a search began.
        let is_magic = |w: &[u8]| w == wanted.magic || wanted.foreign.iter().any(|f| w == f);
        let found = chunk.windows(4).skip(1).position(is_magic).map(|p| p.saturating_add(1));
        // Without one, the last three bytes may still begin one.
        let step = found.unwrap_or(chunk.len().saturating_sub(3).max(1));
        self.count(chunk.get(..step).unwrap_or(&chunk), skipped);
        self.at = self.at.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
        Ok(())
    }

    fn count(&self, bytes: &[u8], skipped: &mut Skipped) {
        let zeros = u64::try_from(bytes.iter().filter(|b| **b == 0).count()).unwrap_or(0);
        let all = u64::try_from(bytes.len()).unwrap_or(0);
        skipped.padding_bytes = skipped.padding_bytes.saturating_add(zeros);
        skipped.garbage_bytes = skipped.garbage_bytes.saturating_add(all.saturating_sub(zeros));
    }

    /// What is too short for a frame.
    fn rest(&mut self, skipped: &mut Skipped) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, self.at)?;
        self.count(&bytes, skipped);
        Ok(())
    }
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
