//! Blocks that the pool found and that no chain has answered for yet: whatever happens to the process, they are handed over
//! again.
//!
//! Owns: the folder `found` of the datadir, a file a block. Must not know: who found it, what the chain says to it.
//!
//! A file is named `<block hash>.block` and holds the block as on the wire. It is written under another name first, so that
//! under its own it is whole.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;

use crate::disk::{Disk, MachineDisk, write_whole};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;

/// Blocks that are kept at most: a chain that answers none of so many is out of order for a day and more, or they are a test's.
/// 256 x 4 MB = 1 GB.
const KEPT_MAX: usize = 256;
/// How a kept block's file ends.
const ENDING: &str = "block";
/// How it ends while it is written.
const ENDING_UNFINISHED: &str = "new";

/// The folder.
#[derive(Clone)]
pub struct FoundBlocks {
    folder: Arc<Path>,
    disk: Arc<dyn Disk>,
}

impl FoundBlocks {
    /// Opens or makes it.
    pub fn open(folder: &Path) -> Result<FoundBlocks, StoreFault> {
        fs::create_dir_all(folder).map_err(StoreFault::io(folder))?;
        let this = FoundBlocks::open_on(Arc::new(MachineDisk), folder);
        this.clear()?;
        Ok(this)
    }

    /// Takes away what was not written to its end: nobody was told of it, and nobody would ever look at it.
    fn clear(&self) -> Result<(), StoreFault> {
        self.files(ENDING_UNFINISHED)?
            .iter()
            .try_for_each(|path| self.disk.remove(path).map_err(StoreFault::io(path)))
    }

    /// One that is there, on another disk.
    pub(crate) fn open_on(disk: Arc<dyn Disk>, folder: &Path) -> FoundBlocks {
        FoundBlocks { folder: folder.into(), disk }
    }

    /// Keeps a block; durable when it returns. Blocks this thread for a sync.
    pub fn keep(&self, block: &ParsedBlock) -> Result<(), StoreFault> {
        let (path, unfinished) =
            (self.path(&block.hash(), ENDING), self.path(&block.hash(), ENDING_UNFINISHED));
        let io = || StoreFault::io(&path);
        // Under its own name it is whole, but the name may be from a process that ended before it was durable: opening makes it so.
        if self.disk.len_of(&path).map_err(io())?.is_some() {
            return self.disk.open(&path).map(drop).map_err(io());
        }
        if self.kept()?.len() >= KEPT_MAX {
            return Err(io()(io::Error::other("too many found blocks wait for the chain")));
        }
        let before = || failpoint::before(Place::FoundBlock);
        let named = write_whole(self.disk.as_ref(), (&unfinished, &path), block.raw(), before);
        failpoint::after(Place::FoundBlock);
        named.map_err(io())
    }

    /// The chain has answered: forgets the block, if it was kept.
    pub fn forget(&self, hash: &BlockHash) -> Result<(), StoreFault> {
        let path = self.path(hash, ENDING);
        self.disk.remove(&path).map_err(StoreFault::io(&path))
    }

    /// What is kept. A file that holds no block is left where it is, and out; so is a block that is forgotten meanwhile.
    pub fn all(&self) -> Result<Vec<ParsedBlock>, StoreFault> {
        let mut blocks = Vec::new();
        for path in self.kept()? {
            let raw = match self.disk.read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(StoreFault::io(&path))?,
            };
            match ParsedBlock::decode(&raw) {
                Ok(block) => blocks.push(block),
                Err(error) => tracing::error!(path = %path.display(), %error, "not a block"),
            }
        }
        Ok(blocks)
    }

    /// The files, each of one block.
    fn kept(&self) -> Result<Vec<PathBuf>, StoreFault> {
        self.files(ENDING)
    }

    fn files(&self, ending: &str) -> Result<Vec<PathBuf>, StoreFault> {
        let names = self.disk.names(&self.folder).map_err(StoreFault::io(&self.folder))?;
        let paths = names.iter().map(|name| self.folder.join(name));
        Ok(paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect())
    }

    fn path(&self, hash: &BlockHash, ending: &str) -> PathBuf {
        self.folder.join(format!("{hash}.{ending}"))
    }
}

impl fmt::Debug for FoundBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundBlocks").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "found_blocks/tests.rs"]
mod tests;
