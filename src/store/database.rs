//! Opening a database so that a kill at any moment leaves either none or a whole one.

use std::fs::{self, File};
use std::path::Path;

use redb::{Builder, Database};

use crate::fault::StoreFault;

/// Opens the database at `path`, or makes it. It is made under another name and renamed: redb writes its magic number last, and a
/// process that is killed before that leaves a file that nobody can open.
pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Database, StoreFault> {
    let io = || StoreFault::io(path);
    if !path.try_exists().map_err(io())? {
        let fresh = path.with_extension("new");
        if fresh.try_exists().map_err(io())? {
            fs::remove_file(&fresh).map_err(io())?;
        }
        drop(Builder::new().create(&fresh)?);
        fs::rename(&fresh, path).map_err(io())?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io())?;
        }
    }
    Ok(Builder::new().set_cache_size(cache_bytes).create(path)?)
}

#[cfg(test)]
#[path = "database/tests.rs"]
mod tests;
