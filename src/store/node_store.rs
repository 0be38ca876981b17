use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::chain_db::{ChainDb, PAGE_BYTES_DEFAULT};
use crate::datadir::DataDir;
use crate::disk::{Disk, MachineDisk};
use crate::fault::StoreFault;
use crate::flat::{BlockFiles, FileEnd, UndoFiles, Verified};
use crate::index_db::IndexDb;
use crate::inventory::free_bytes_at;
use crate::snapshot::Databases;
use crate::xor::XorKey;

/// Everything durable of one network's chain, opened once and shared.
pub struct Store {
    databases: Databases,
    key: XorKey,
    disk: Arc<dyn Disk>,
    /// Dropped last: it holds the lock, which must outlive the database.
    dir: DataDir,
}

impl Store {
    /// Opens the database in a locked datadir. Block files that are begun here lie as they are, without a key.
    pub fn open(dir: DataDir) -> Result<Store, StoreFault> {
        Store::with_disk(dir, Arc::new(MachineDisk))
    }

    /// As [`Store::open`], with so many bytes of the database's pages in memory. Where there is no block file yet, those to come are XORed
    /// with `fresh`, eight bytes that nobody knew before.
    pub fn open_with_key(dir: DataDir, fresh: XorKey, page_bytes: usize) -> Result<Store, StoreFault> {
        fresh.begin_in(&dir.blocks())?;
        Store::refuse_unfinished(&dir, &MachineDisk)?;
        Store::opened(dir, Arc::new(MachineDisk), page_bytes)
    }

    /// As [`Store::open`], with everything but the datadir's own small files on another disk.
    pub fn with_disk(dir: DataDir, disk: Arc<dyn Disk>) -> Result<Store, StoreFault> {
        Store::refuse_unfinished(&dir, disk.as_ref())?;
        Store::opened(dir, disk, PAGE_BYTES_DEFAULT)
    }

    fn opened(dir: DataDir, disk: Arc<dyn Disk>, page_bytes: usize) -> Result<Store, StoreFault> {
        let key = XorKey::of_folder(&dir.blocks())?;
        let databases = Databases::open(&dir, disk.as_ref(), page_bytes)?;
        Ok(Store { dir, databases, key, disk })
    }

    /// Over the database at `path`.
    pub(crate) fn over(
        dir: DataDir,
        disk: Arc<dyn Disk>,
        path: &Path,
        page_bytes: usize,
    ) -> Result<Store, StoreFault> {
        let key = XorKey::of_folder(&dir.blocks())?;
        let databases = Databases::one(ChainDb::open_sized(disk.as_ref(), path, page_bytes)?);
        Ok(Store { dir, databases, key, disk })
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// The key of block and undo files.
    pub fn key(&self) -> XorKey {
        self.key
    }

    /// The folder.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    pub(crate) fn databases(&self) -> &Databases {
        &self.databases
    }

    /// The index of this name; see [`IndexDb`].
    pub fn index(&self, name: &str) -> Result<IndexDb, StoreFault> {
        let path = self.dir.index(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(StoreFault::io(folder))?;
        }
        IndexDb::open_on(self.disk.as_ref(), &path)
    }

    /// Bytes that the disk under the datadir has left for this process.
    pub fn free_bytes(&self) -> Result<u64, StoreFault> {
        free_bytes_at(self.dir.path())
    }

    /// The block files, written up to `end`; see [`BlockFiles::new`].
    pub fn block_files(&self, magic: [u8; 4], block_bytes_max: u32, end: FileEnd) -> BlockFiles {
        let disk = Arc::clone(&self.disk);
        BlockFiles::new(&self.dir.blocks(), disk, (magic, self.key), block_bytes_max, end)
    }

    /// The undo files; see [`UndoFiles::open`].
    pub fn undo_files(
        &self,
        magic: [u8; 4],
        ends: BTreeMap<u32, u32>,
        flushes: u64,
    ) -> Result<(UndoFiles, Vec<Verified>), StoreFault> {
        let folder = self.dir.databases();
        let journal = (folder.as_path(), flushes);
        UndoFiles::open(&self.dir.blocks(), journal, Arc::clone(&self.disk), (magic, self.key), ends)
    }
}
