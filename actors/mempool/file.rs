use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use adit_domain::mempool::Archive;

/// Bytes of a file that are read at most: a pool of 1 GiB and as much again; a larger one is not the mempool's.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// What a file holds; none where it is not there or not sound, which costs nothing but what was in it.
pub(super) fn load(path: &Path) -> Option<Archive> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the mempool's file cannot be read");
            return None;
        }
    };
    let archive = Archive::decode(bytes);
    archive
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "the mempool's file is not used"))
        .ok()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes beside the old file and then takes its place: whatever happens, one of the two is whole.
pub(super) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
