//! A second database of coins: those of a snapshot, beside the ones that were verified block by block.
//!
//! Owns: their names, and the steps from one to the other. Each is one rename, so that a process that ends finds one state or the other.
//! Must not know: whether coins are right.
//!
//! | name | what |
//! |---|---|
//! | `chainstate.loading.redb` | coins of a snapshot that is being read; taken away at the next start |
//! | `chainstate.snapshot.redb` | headers and coins that the chain stands on, from a snapshot; `chainstate.redb` follows from below |
//! | `chainstate.refused.redb` | what that turned out to be, where the two did not agree |

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chain_db::ChainDb;
use crate::datadir::DataDir;
use crate::disk::Disk;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::node_store::Store;

impl DataDir {
    /// Where the coins of a snapshot lie while they are read.
    pub fn loading(&self) -> PathBuf {
        self.databases().join("chainstate.loading.redb")
    }

    /// Headers and coins that came from a snapshot, until the blocks below it are verified.
    pub fn snapshot(&self) -> PathBuf {
        self.databases().join("chainstate.snapshot.redb")
    }

    /// A snapshot that the blocks below it did not lead to.
    pub fn refused(&self) -> PathBuf {
        self.databases().join("chainstate.refused.redb")
    }
}

/// The databases of a store.
pub(crate) struct Databases {
    now: Mutex<Now>,
}

struct Now {
    active: Arc<ChainDb>,
    behind: Option<Arc<ChainDb>>,
    is_loading: bool,
}

impl Databases {
    pub(crate) fn one(db: ChainDb) -> Databases {
        Databases::of(db, None)
    }

    fn of(active: ChainDb, behind: Option<ChainDb>) -> Databases {
        let behind = behind.map(Arc::new);
        Databases { now: Mutex::new(Now { active: Arc::new(active), behind, is_loading: false }) }
    }

    /// Those of a datadir: one, or that of a snapshot before it.
    ///
    /// Two share what one would take of pages in memory.
    pub(crate) fn open(dir: &DataDir, disk: &dyn Disk, page_bytes: usize) -> Result<Databases, StoreFault> {
        let (verified, snapshot, loading) = (dir.chainstate(), dir.snapshot(), dir.loading());
        if disk.len_of(&loading).map_err(StoreFault::io(&loading))?.is_some() {
            tracing::info!("a snapshot that was not read to its end is taken away");
            disk.remove(&loading).map_err(StoreFault::io(&loading))?;
        }
        let there = disk.len_of(&snapshot).map_err(StoreFault::io(&snapshot))?;
        let open = |path: &Path, bytes: usize| ChainDb::open_sized(disk, path, bytes);
        match there {
            Some(_) => {
                let behind = open(&verified, page_bytes / 2)?;
                Ok(Databases::of(open(&snapshot, page_bytes / 2)?, Some(behind)))
            }
            None => Ok(Databases::one(open(&verified, page_bytes)?)),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Each use is one step that cannot end half-way.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Headers, coins and the flushed tip: those that the chain stands on.
    pub fn db(&self) -> Arc<ChainDb> {
        Arc::clone(&self.databases().now().active)
    }

    /// The coins that were verified block by block, while [`Store::db`] came from a snapshot.
    pub fn db_behind(&self) -> Option<Arc<ChainDb>> {
        self.databases().now().behind.clone()
    }

    /// The snapshot's coins are what all blocks lead to: they take the others' place. Durable when it returns.
    pub fn confirm_snapshot(&self) -> Result<(), StoreFault> {
        let (snapshot, verified) = (self.dir().snapshot(), self.dir().chainstate());
        failpoint::before(Place::SnapshotConfirm);
        self.disk().rename(&snapshot, &verified).map_err(StoreFault::io(&snapshot))?;
        failpoint::after(Place::SnapshotConfirm);
        self.databases().now().behind = None;
        Ok(())
    }

    /// They are not: at the next start the others are what there is. Durable when it returns; the process is to end.
    pub fn refuse_snapshot(&self) -> Result<PathBuf, StoreFault> {
        let (snapshot, refused) = (self.dir().snapshot(), self.dir().refused());
        failpoint::before(Place::SnapshotRefuse);
        self.disk().rename(&snapshot, &refused).map_err(StoreFault::io(&snapshot))?;
        failpoint::after(Place::SnapshotRefuse);
        Ok(refused)
    }

    /// Takes a snapshot's database away, before another is built in the place of both. Durable when it returns.
    pub(crate) fn drop_snapshot(&self) -> Result<(), StoreFault> {
        let path = self.dir().snapshot();
        self.disk().remove(&path).map_err(StoreFault::io(&path))
    }
}

/// A database that is filled from a snapshot. Dropped, it is taken away.
pub struct LoadingDb {
    store: Arc<Store>,
    db: Option<Arc<ChainDb>>,
}

impl LoadingDb {
    /// Begins one; none where a snapshot is loaded or on its way.
    pub fn begin(store: &Arc<Store>) -> Result<Option<LoadingDb>, StoreFault> {
        {
            let mut now = store.databases().now();
            if now.is_loading || now.behind.is_some() {
                return Ok(None);
            }
            now.is_loading = true;
        }
        // From here on it gives the place back when it is dropped.
        let mut this = LoadingDb { store: Arc::clone(store), db: None };
        let path = store.dir().loading();
        store.disk().remove(&path).map_err(StoreFault::io(&path))?;
        this.db = Some(Arc::new(ChainDb::open_on(store.disk(), &path)?));
        Ok(Some(this))
    }

    /// It.
    pub fn db(&self) -> Result<&Arc<ChainDb>, StoreFault> {
        self.db.as_ref().ok_or(StoreFault::Missing { what: "the database of a snapshot" })
    }

    /// Makes it what the chain stands on; durable when it returns.
    pub fn activate(mut self) -> Result<(), StoreFault> {
        let db = self.db.take().ok_or(StoreFault::Missing { what: "the database of a snapshot" })?;
        let (loading, snapshot) = (self.store.dir().loading(), self.store.dir().snapshot());
        failpoint::before(Place::SnapshotActivate);
        self.store.disk().rename(&loading, &snapshot).map_err(StoreFault::io(&loading))?;
        failpoint::after(Place::SnapshotActivate);
        let mut now = self.store.databases().now();
        now.behind = Some(std::mem::replace(&mut now.active, db));
        Ok(())
    }
}

impl Drop for LoadingDb {
    fn drop(&mut self) {
        if self.db.take().is_some() {
            let path = self.store.dir().loading();
            if let Err(error) = self.store.disk().remove(&path) {
                tracing::warn!(path = %path.display(), %error, "a snapshot that was not taken stays until the next start");
            }
        }
        self.store.databases().now().is_loading = false;
    }
}

#[cfg(test)]
#[path = "snapshot/tests.rs"]
mod tests;
