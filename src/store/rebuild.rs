//! A second database beside the old one, which takes its place when it is whole.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain_db::{ChainDb, PAGE_BYTES_DEFAULT};
use crate::datadir::DataDir;
use crate::disk::{Disk, MachineDisk};
use crate::fault::StoreFault;
use crate::node_store::Store;

impl DataDir {
    /// Where headers and coins lie while they are built again.
    pub fn rebuilding(&self) -> PathBuf {
        self.databases().join("chainstate.rebuild.redb")
    }
}

impl Store {
    /// As [`Store::open`], over a database of its own: a new one, or what an earlier process left of it. The old one is not
    /// touched before [`Store::finish_rebuild`].
    pub fn rebuild(dir: DataDir) -> Result<Store, StoreFault> {
        let disk: Arc<dyn Disk> = Arc::new(MachineDisk);
        let path = dir.rebuilding();
        Store::over(dir, disk, &path, PAGE_BYTES_DEFAULT)
    }

    /// The old database beside the one that is being built, where there is one. Of two that with the headers: a snapshot's, whose coins are
    /// not to be believed.
    pub fn old_db(&self) -> Result<Option<ChainDb>, StoreFault> {
        for path in [self.dir().snapshot(), self.dir().chainstate()] {
            if self.disk().len_of(&path).map_err(StoreFault::io(&path))?.is_some() {
                return ChainDb::open_on(self.disk(), &path).map(Some);
            }
        }
        Ok(None)
    }

    /// Puts the new database in the place of the old one; durable when it returns.
    pub fn finish_rebuild(&self) -> Result<(), StoreFault> {
        let (new, old) = (self.dir().rebuilding(), self.dir().chainstate());
        // What a snapshot led to is built of the blocks now. Until the rename, a start is refused: see above.
        self.drop_snapshot()?;
        self.disk().rename(&new, &old).map_err(StoreFault::io(&new))
    }

    /// Takes the new database away; durable when it returns. The old one is what there is.
    pub fn abandon_rebuild(&self) -> Result<(), StoreFault> {
        let path = self.dir().rebuilding();
        self.disk().remove(&path).map_err(StoreFault::io(&path))
    }

    /// Refuses a folder in which a database is being built: the undo files go with that one.
    pub(crate) fn refuse_unfinished(dir: &DataDir, disk: &dyn Disk) -> Result<(), StoreFault> {
        let path = dir.rebuilding();
        match disk.len_of(&path) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StoreFault::Unfinished { path }),
            Err(error) => Err(StoreFault::io(&path)(io::Error::other(error))),
        }
    }
}
