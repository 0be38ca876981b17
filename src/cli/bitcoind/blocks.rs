//! The folder of block files as Core's tools look for it: its key, and the folder of an index.
//!
//! Owns: what of it is made here. Must not know: what is in a block file.

use std::fs;
use std::path::PathBuf;

use adit_store::XorKey;

use super::config::Config;
use super::error::InitError;
use super::paths::Paths;

/// Where block files lie.
fn folder(config: &Config) -> PathBuf {
    let base = Paths::of(&config.layers).blocks_base(config.chain).unwrap_or_else(|| config.folder());
    base.join("blocks")
}

/// With `-blocksxor=0`: files that are begun have no key, and those that have one cannot be read without it.
pub(super) fn heed_key(config: &Config) -> Result<(), InitError> {
    if config.layers.switch("blocksxor", true) {
        return Ok(());
    }
    let folder = folder(config);
    let path = folder.join("xor.dat");
    let failed = |error: &dyn std::fmt::Display| InitError::said(format!("{}: {error}", path.display()));
    let key = XorKey::of_folder(&folder).map_err(|error| failed(&error))?;
    if key != XorKey::NONE {
        let digits: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(InitError::said(format!(
            "The blocksdir XOR-key can not be disabled when a random key was already stored! Stored key: '{digits}', stored path: \
             '{}'.",
            path.display()
        )));
    }
    if path.exists() {
        return Ok(());
    }
    let made = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, XorKey::NONE.to_bytes()));
    made.map_err(|error| failed(&error))
}

/// Programs look for the folder of an index beside the block files. It is empty: headers lie in `chainstate`.
pub(super) fn make_index_folder(config: &Config) -> Result<(), InitError> {
    let path = config.folder().join("blocks").join("index");
    fs::create_dir_all(&path).map_err(|error| InitError::said(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests;
