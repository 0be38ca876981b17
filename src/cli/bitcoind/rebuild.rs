//! `-reindex`, `-reindex-chainstate` and `-loadblock`: what is made of block files before the node starts.
//!
//! Owns: which of it is done, and in what order. Must not know: how blocks are found and judged; that is `adit_chainstate`.
//!
//! What a process before this one began to build, and did not end, is gone on with whatever the flags say: there is no other database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_actors::clock::{SystemClock, SystemEntropy};
use adit_chainstate::{
    ChainConfig, Chainstate, ImportOptions, ImportProgress, ReindexError, ReindexOptions, ReindexProgress,
    Sources, import, reindex,
};
use adit_domain::script::Interpreter;
use adit_domain::units::{Clock, Entropy, UnixMillis};
use adit_store::{DataDir, DataDirError, Store, XorKey};

use super::config::Config;
use super::error::InitError;
use super::layers::Layers;
use crate::cli::settings::Settings;
use crate::cli::{host, offline};

/// What is to be done, and who may break it off.
pub(super) struct Rebuild<'a> {
    settings: &'a Settings,
    /// Everything again, from the block files.
    all: bool,
    /// The coins again.
    coins: bool,
    /// Files of blocks.
    load: Vec<PathBuf>,
    /// The clock: that of the machine, or one that stands.
    now: UnixMillis,
    /// Whether the process was asked to end.
    stop: &'a AtomicBool,
    /// Who is told how far it is.
    tell: &'a dyn Fn(String),
}

/// A fault, in Core's form.
fn said(error: impl std::fmt::Display) -> InitError {
    InitError::said(error.to_string())
}

/// The clock at the start.
fn now(layers: &Layers) -> UnixMillis {
    match u64::try_from(layers.number("mocktime", 0)) {
        Ok(seconds) if seconds > 0 => UnixMillis::from_seconds(seconds),
        _ => SystemClock.now(),
    }
}

impl<'a> Rebuild<'a> {
    /// What the settings ask for.
    pub(super) fn of(
        config: &Config,
        settings: &'a Settings,
        stop: &'a AtomicBool,
        tell: &'a dyn Fn(String),
    ) -> Rebuild<'a> {
        let layers = &config.layers;
        let load = layers.texts("loadblock").into_iter().filter(|text| !text.is_empty());
        Rebuild {
            settings,
            all: layers.switch("reindex", false),
            coins: layers.switch("reindex-chainstate", false),
            load: load.map(PathBuf::from).collect(),
            now: now(layers),
            stop,
            tell,
        }
    }

    /// Does it; whether it came to its end.
    pub(super) fn run(&self) -> Result<bool, InitError> {
        let dir = self.open()?;
        let goes_on = dir.rebuilding().exists();
        let wanted = (self.all || self.coins) && has_block_files(&dir.blocks()).map_err(said)?;
        let whole = if goes_on || wanted {
            self.reindex(dir, goes_on)?
        } else {
            drop(dir);
            true
        };
        if whole && !self.load.is_empty() { self.load() } else { Ok(whole) }
    }

    fn open(&self) -> Result<DataDir, InitError> {
        let Settings { datadir, params, layout, .. } = self.settings;
        DataDir::open_to_rebuild_as(datadir.clone(), &params.folder(), layout.clone()).map_err(|error| {
            match error {
                DataDirError::Locked { path } => InitError::said(host::locked(&path)),
                other => said(other),
            }
        })
    }

    fn config(&self) -> ChainConfig {
        offline::config(self.settings)
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn reindex(&self, dir: DataDir, resumed: bool) -> Result<bool, InitError> {
        if self.all && !resumed {
            // They follow the blocks that will be there.
            remove(&self.settings.datadir.join("indexes"), |_| true).map_err(said)?;
        }
        let store = Arc::new(Store::rebuild(dir).map_err(said)?);
        let options = ReindexOptions { chainstate_only: self.coins && !self.all };
        let done = reindex(&store, self.config(), Arc::new(Interpreter), &options, &mut |at| {
            self.tell_reindex(at);
            self.goes_on()
        });
        match done {
            Ok(done) if done.stopped => Ok(false),
            Ok(_) => {
                store.dir().rebuilt().map_err(said)?;
                tracing::info!("Reindexing finished");
                Ok(true)
            }
            // As in Core, a node that prunes begins anew: it fetches its blocks again.
            Err(ReindexError::Pruned) if self.all && self.settings.chain.prune_mib > 0 => {
                self.begin_anew(&store).map(|()| true)
            }
            Err(error) => Err(said(error)),
        }
    }

    /// Takes away all that a pruned node has.
    fn begin_anew(&self, store: &Store) -> Result<(), InitError> {
        tracing::info!(
            "the first blocks are pruned: what is left is taken away, and the chain is fetched again"
        );
        remove(&self.settings.datadir.join("chainstate"), |_| true).map_err(said)?;
        remove(&store.dir().blocks(), is_block_file).map_err(said)
    }

    fn tell_reindex(&self, at: ReindexProgress) {
        match at {
            ReindexProgress::Scanning { files, files_total } => {
                tracing::info!("Reindexing block file blk{files:05}.dat...");
                (self.tell)(format!("Reindexing: {files} of {files_total} files"));
            }
            ReindexProgress::Reading { .. } => (self.tell)("Reindexing: checking blocks".to_owned()),
            ReindexProgress::Connecting { height, target, .. } => {
                (self.tell)(format!("Reindexing: block {height} of {target}"));
            }
        }
    }

    /// Reads the files of -loadblock, one after the other.
    fn load(&self) -> Result<bool, InitError> {
        let Settings { datadir, params, layout, .. } = self.settings;
        let dir = DataDir::open_as(datadir.clone(), &params.folder(), layout.clone()).map_err(said)?;
        let config = self.config();
        let key = XorKey::new(SystemEntropy.next_u64().to_le_bytes());
        let store = Store::open_with_key(dir, key, ChainConfig::page_bytes(config.cache_mib));
        let store = Arc::new(store.map_err(said)?);
        let mut chain = Chainstate::open(config, store, Arc::new(Interpreter)).map_err(said)?;
        for path in &self.load {
            if !self.load_one(&mut chain, path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One file; what cannot be read is passed over, as in Core.
    fn load_one(&self, chain: &mut Chainstate, path: &Path) -> Result<bool, InitError> {
        let sources = match Sources::find(&[path.to_owned()]) {
            Ok(sources) => sources,
            Err(error) => {
                tracing::warn!(%error, "Could not open blocks file {}", path.display());
                return Ok(true);
            }
        };
        tracing::info!("Importing blocks file {}...", path.display());
        let done = import(chain, &sources, ImportOptions::at(self.now), &mut |at| {
            if let ImportProgress::Connecting { height, target, .. } = at {
                (self.tell)(format!("Importing: block {height} of {target}"));
            }
            self.goes_on()
        });
        let done = done.map_err(said)?;
        if let Some(block) = &done.rejected {
            tracing::warn!(hash = %block.hash, reason = %block.reason, "a block of the file is invalid");
        }
        Ok(!done.stopped)
    }
}

fn is_block_file(name: &str) -> bool {
    ["blk", "rev"].iter().any(|prefix| name.starts_with(prefix)) && name.ends_with(".dat")
}

/// Whether there is anything to build from.
fn has_block_files(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name().to_str().is_some_and(|name| name.starts_with("blk")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the files of a folder whose names are wanted gone; a folder that is not there has none.
fn remove(folder: &Path, goes: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(&goes) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
