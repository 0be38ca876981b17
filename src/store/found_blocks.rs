//! Blocks that the pool found and that no chain has answered for yet: whatever happens to the process, they are handed over
//! again.
//!
//! Owns: the folder `found` of the datadir, a file a block. Must not know: who found it, what the chain says to it.
//!
//! A file is named `<block hash>.block` and holds the block as on the wire. It is written under another name first, so that
//! under its own it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;

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
#[derive(Clone, Debug)]
pub struct FoundBlocks {
    folder: Arc<Path>,
}

impl FoundBlocks {
    /// Opens or makes it.
    pub fn open(folder: &Path) -> Result<FoundBlocks, StoreFault> {
        fs::create_dir_all(folder).map_err(StoreFault::io(folder))?;
        Ok(FoundBlocks { folder: folder.into() })
    }

    /// Keeps a block; durable when it returns. Blocks this thread for a sync.
    pub fn keep(&self, block: &ParsedBlock) -> Result<(), StoreFault> {
        let (path, unfinished) =
            (self.path(&block.hash(), ENDING), self.path(&block.hash(), ENDING_UNFINISHED));
        // Under its own name it is whole, and may be from an earlier process.
        if path.exists() {
            return self.sync_folder().map_err(StoreFault::io(&path));
        }
        if self.kept()?.len() >= KEPT_MAX {
            return Err(StoreFault::io(&path)(io::Error::other("too many found blocks wait for the chain")));
        }
        let written = write(&unfinished, block.raw());
        failpoint::before(Place::FoundBlock);
        let named = written.and_then(|()| fs::rename(&unfinished, &path)).and_then(|()| self.sync_folder());
        failpoint::after(Place::FoundBlock);
        named.map_err(StoreFault::io(&path))
    }

    /// The chain has answered: forgets the block, if it was kept.
    pub fn forget(&self, hash: &BlockHash) -> Result<(), StoreFault> {
        let path = self.path(hash, ENDING);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreFault::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// What is kept. A file that holds no block is left where it is, and out; so is a block that is forgotten meanwhile.
    pub fn all(&self) -> Result<Vec<ParsedBlock>, StoreFault> {
        let mut blocks = Vec::new();
        for path in self.kept()? {
            let raw = match fs::read(&path) {
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
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(StoreFault::io(&self.folder))? {
            let path = entry.map_err(StoreFault::io(&self.folder))?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, hash: &BlockHash, ending: &str) -> PathBuf {
        self.folder.join(format!("{hash}.{ending}"))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

#[cfg(test)]
#[path = "found_blocks/tests.rs"]
mod tests;
