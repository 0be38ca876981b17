use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::failpoint;

/// The seam between what is stored and the machine: a simulator that loses and tears writes and fails syncs can stand here instead.
/// Block files, databases, the share log and the lease lie on it.
pub trait Disk: Send + Sync {
    /// Opens a file to read and write, and makes it where it is not there; its name is durable then.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Bytes in the file of this name; none where there is no such file.
    fn len_of(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Takes a file away; durable when it returns. One that is not there is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in the place of what had it; durable when it returns.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// All bytes of a file, which is not made by being read. For small files that were written whole.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// Writes a file whole: under the name `unfinished` first, so that under its own name it is there with all bytes or not at all; durable
/// when it returns. `between` is called when only the name is left to do.
pub(crate) fn write_whole(
    disk: &dyn Disk,
    (unfinished, path): (&Path, &Path),
    bytes: &[u8],
    between: impl FnOnce(),
) -> io::Result<()> {
    let file = disk.open(unfinished)?;
    // What an earlier process left there may be longer.
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    between();
    disk.rename(unfinished, path)
}

/// An open file. Positions are bytes from its start.
pub trait DiskFile: Send + Sync {
    /// Fills `buf` from `offset`; an end of file before that is an error.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when everything written is durable.
    fn sync(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends it.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineDisk;

impl Disk for MachineDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        sync_folder_of(path)?;
        Ok(Arc::new(file))
    }

    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => sync_folder_of(path),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// The name of a file is durable only once its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

impl DiskFile for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        failpoint::disk()?;
        self.write_all_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        failpoint::disk()?;
        self.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        failpoint::disk()?;
        File::set_len(self, len)
    }
}
