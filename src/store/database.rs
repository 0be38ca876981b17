//! Opening a database so that a kill at any moment leaves either none or a whole one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Builder, Database};

use crate::disk::Disk;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::pages::{Health, PageFile};

/// Opens the database at `path`, or makes it. It is made under another name and renamed: redb writes its magic number last, and a
/// process that is killed before that leaves a file that nobody can open.
pub(crate) fn open(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Database, StoreFault> {
    let io = || StoreFault::io(path);
    if disk.len_of(path).map_err(io())?.is_none() {
        let fresh = path.with_extension("new");
        disk.remove(&fresh).map_err(io())?;
        let (db, health) = on_pages(disk, &fresh, cache_bytes)?;
        drop(db);
        if health.failed.load(Ordering::SeqCst) {
            return Err(StoreFault::io(&fresh)(io::Error::other("it cannot be written")));
        }
        failpoint::before(Place::DatabaseName);
        disk.rename(&fresh, path).map_err(io())?;
        failpoint::after(Place::DatabaseName);
    } else if disk.len_of(path).map_err(io())? == Some(0) {
        // It is renamed when it is whole: nothing of ours is empty, and nobody's data is begun anew unasked.
        return Err(io()(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")));
    }
    Ok(on_pages(disk, path, cache_bytes)?.0)
}

fn on_pages(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<(Database, Arc<Health>), StoreFault> {
    let io = || StoreFault::io(path);
    let pages = disk.open(path).and_then(PageFile::open).map_err(io())?;
    let health = pages.health();
    let mut db = Builder::new().set_cache_size(cache_bytes).create_with_backend(pages)?;
    if health.fell_back.load(Ordering::SeqCst) {
        tracing::warn!(path = %path.display(), "a header does not read; all of the database is looked at");
        db.check_integrity()?;
    }
    Ok((db, health))
}

#[cfg(test)]
#[path = "database/tests.rs"]
mod tests;
