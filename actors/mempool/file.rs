use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use adit_domain::mempool::Archive;
use adit_domain::units::UnixMillis;

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

/// How long ago a file was written, by the node's clock; none where there is none.
pub(super) fn age_ms(path: &Path, now: UnixMillis) -> Option<u64> {
    let written = fs::metadata(path).and_then(|known| known.modified()).ok()?;
    let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(now.to_ms().saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
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
