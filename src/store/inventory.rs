//! Which files lie in a datadir, as the folder itself says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::datadir::DataDir;
use crate::fault::StoreFault;
use crate::node_store::Store;

impl DataDir {
    /// Bytes that the disk has left for this user where `network` lies under `base`, or would lie. Nothing is touched.
    pub fn free_bytes(base: &Path, network: &str) -> Result<u64, StoreFault> {
        let folder = DataDir::folder(base, network);
        let folder = std::path::absolute(&folder).map_err(StoreFault::io(&folder))?;
        // What is not there yet will be made on the disk of the nearest folder that is.
        let there = folder.ancestors().find(|path| path.exists()).unwrap_or(&folder);
        free_bytes_at(there)
    }

    /// Bytes of the block files that lie there already; 0 where there is no such folder.
    pub fn stored_block_bytes(base: &Path, network: &str) -> Result<u64, StoreFault> {
        let folder = DataDir::folder(base, network).join("blocks");
        if !folder.exists() {
            return Ok(0);
        }
        Ok(flat_files_in(&folder, "blk")?.values().fold(0, |sum, bytes| sum.saturating_add(*bytes)))
    }
}

/// Bytes that the disk under a folder has left for this process.
pub(crate) fn free_bytes_at(folder: &Path) -> Result<u64, StoreFault> {
    let stat = rustix::fs::statvfs(folder).map_err(|e| StoreFault::io(folder)(e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn flat_files_in(folder: &Path, prefix: &str) -> Result<BTreeMap<u32, u64>, StoreFault> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(StoreFault::io(folder))? {
        let entry = entry.map_err(StoreFault::io(folder))?;
        let number = entry.file_name().to_str().and_then(|name| number(name, prefix));
        if let Some(number) = number {
            let meta = entry.metadata().map_err(StoreFault::io(&entry.path()))?;
            found.insert(number, meta.len());
        }
    }
    Ok(found)
}

impl Store {
    /// The files `blkNNNNN.dat` or `revNNNNN.dat`: their numbers and bytes.
    pub fn flat_files(&self, prefix: &str) -> Result<BTreeMap<u32, u64>, StoreFault> {
        flat_files_in(&self.dir().blocks(), prefix)
    }

    /// Where such a file lies.
    pub fn flat_path(&self, prefix: &str, number: u32) -> PathBuf {
        self.dir().blocks().join(format!("{prefix}{number:05}.dat"))
    }

    /// Bytes of the database of headers and coins.
    pub fn chainstate_bytes(&self) -> Result<u64, StoreFault> {
        let path = self.dir().chainstate();
        Ok(fs::metadata(&path).map_err(StoreFault::io(&path))?.len())
    }
}

/// The number in `blk00012.dat`.
fn number(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(".dat")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}
