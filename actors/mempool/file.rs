use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use adit_domain::mempool::{decode_archive, encode_archive};
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedTx;

/// The transactions of the last run. A file that is not there or not sound costs nothing but what was in it.
pub(super) fn load(path: &Path) -> Vec<(Arc<ParsedTx>, UnixMillis)> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the mempool's file cannot be read");
            return Vec::new();
        }
    };
    decode_archive(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "the mempool's file is not used");
        Vec::new()
    })
}

/// Writes beside the old file and then takes its place: whatever happens, one of the two is whole.
pub(super) fn save(path: &Path, txs: &[(Arc<ParsedTx>, UnixMillis)]) -> io::Result<()> {
    let bytes = encode_archive(txs.iter().map(|(tx, added_at)| (tx.as_ref(), *added_at)));
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
