//! What the commands have in common that open a datadir without a node: how they begin, why they fail, and with which exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adit_chainstate::{ChainConfig, ChainFault, ImportError, ReindexError, SourceError};
use adit_store::{DataDirError, StoreFault};
use thiserror::Error;

use super::exit::Exit;
use super::settings::{Given, Settings, SettingsError};
use super::signals::Again;
use super::{logging, signals};

/// How often it is said how far a command is, where no terminal shows it.
pub(super) const SAY_EVERY: Duration = Duration::from_secs(30);

/// Why nothing came of it, or not all that was asked for.
#[derive(Debug, Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{path} is no datadir of Adit; --datadir and --network choose another")]
    NoDataDir { path: PathBuf },
    #[error(
        "{path}: the disk has {} left, and these blocks need about {}; make room, choose a datadir on another disk, or keep fewer blocks \
         (chain.prune_mib)", bytes(*.free), bytes(*.needed)
    )]
    NoRoom { path: PathBuf, free: u64, needed: u64 },
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error(transparent)]
    Chain(#[from] ChainFault),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Import(ImportError),
    #[error(transparent)]
    Reindex(ReindexError),
    #[error("{0}")]
    Logging(String),
    #[error("signals: {0}")]
    Signals(std::io::Error),
}

impl Failed {
    /// What the shell is told.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Failed::Settings(_) | Failed::Logging(_) => Exit::Config,
            Failed::NoDataDir { .. } | Failed::Source(_) | Failed::Import(_) | Failed::Reindex(_) => {
                Exit::Input
            }
            Failed::DataDir(DataDirError::Io { .. }) => Exit::Io,
            Failed::DataDir(_)
            | Failed::Signals(_)
            | Failed::NoRoom { .. }
            | Failed::Store(StoreFault::Unfinished { .. }) => Exit::Unavailable,
            Failed::Store(_) | Failed::Chain(_) => Exit::Io,
        }
    }
}

impl From<ImportError> for Failed {
    fn from(error: ImportError) -> Failed {
        match error {
            ImportError::Fault(fault) => Failed::Chain(fault),
            error => Failed::Import(error),
        }
    }
}

impl From<ReindexError> for Failed {
    fn from(error: ReindexError) -> Failed {
        match error {
            ReindexError::Fault(fault) => Failed::Chain(fault),
            error => Failed::Reindex(error),
        }
    }
}

/// Reads the configuration, and begins to log and to listen to Ctrl-C, which sets the flag.
pub(super) fn begin(given: &Given) -> Result<(Settings, Arc<AtomicBool>), Failed> {
    let settings = Settings::read(given)?;
    logging::start("warn", logging::To::Stderr).map_err(Failed::Logging)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    signals::on_first(Again::Ends, move || asked.store(true, Ordering::SeqCst)).map_err(Failed::Signals)?;
    Ok((settings, stop))
}

/// What the configuration says of the chain.
pub(super) fn config(settings: &Settings) -> ChainConfig {
    ChainConfig {
        params: Arc::new(settings.params.clone()),
        cache_mib: usize::try_from(settings.chain.cache_mib).unwrap_or(usize::MAX),
        script_threads: settings.chain.script_threads,
        prune_mib: settings.chain.prune_mib,
        small_files: settings.chain.small_files,
        indexes: settings.index,
    }
}

/// Bytes as a person reads them.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1_000),
        10_000_000..10_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{} GB", count / 1_000_000_000),
    }
}
