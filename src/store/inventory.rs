//! Which files lie in a datadir, as the folder itself says.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::fault::StoreFault;
use crate::node_store::Store;

impl Store {
    /// The files `blkNNNNN.dat` or `revNNNNN.dat`: their numbers and bytes.
    pub fn flat_files(&self, prefix: &str) -> Result<BTreeMap<u32, u64>, StoreFault> {
        let folder = self.dir().blocks();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(StoreFault::io(&folder))? {
            let entry = entry.map_err(StoreFault::io(&folder))?;
            let number = entry.file_name().to_str().and_then(|name| number(name, prefix));
            if let Some(number) = number {
                let meta = entry.metadata().map_err(StoreFault::io(&entry.path()))?;
                found.insert(number, meta.len());
            }
        }
        Ok(found)
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
