use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use adit_domain::peer::BanList;

/// Bytes of a list that are read at most: 100,000 rows of 200 bytes, and as much again.
const FILE_BYTES_MAX: u64 = 40_000_000;

/// Who is banned since before. One that is not there is begun; one that says nothing is left as it is until somebody is banned.
pub(super) fn load(path: &Path) -> io::Result<BanList> {
    let size = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("Recreating the banlist database");
            let none = BanList::default();
            save(path, &none.to_json())?;
            return Ok(none);
        }
        Err(error) => return Err(error),
    };
    let read = if size <= FILE_BYTES_MAX { BanList::from_json(&fs::read(path)?).ok() } else { None };
    Ok(read.unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "the list of bans is not used: it is none");
        BanList::default()
    }))
}

/// Writes beside the old file and then takes its place.
pub(super) fn save(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
