//! The folder that a node lives in: its paths, its lock, and what it says of its own format.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::disk::{Disk, MachineDisk, write_whole};
use crate::failpoint::{self, Place};

/// The format that this program reads and writes. Any other is refused; what is lost of an older one can be built again from its
/// blocks, see [`DataDir::open_to_rebuild`].
pub const FORMAT_VERSION: u32 = 2;
/// The oldest format whose block files are those of today: in it they had no key, undo files and coins another encoding.
const FORMAT_VERSION_MIN: u32 = 1;
/// The first line of the format file, before the version.
const FORMAT_WORD: &str = "adit-datadir";
/// The format file holds two short lines; what is longer is not ours.
const FORMAT_BYTES_MAX: u64 = 256;

/// How the files of a folder lie in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As Adit's own programs expect it.
    #[default]
    Own,
    /// As those expect it that live with Bitcoin Core's: no folders but `blocks`, `chainstate` and `indexes`, and nothing beside
    /// these that a next start cannot do without. The lock is `.lock`.
    Core {
        /// The folder that `blocks` lies in; none: the network's.
        blocks: Option<PathBuf>,
    },
}

/// A network's folder, locked for this process until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    network: String,
    layout: Layout,
    _locks: Vec<File>,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("{path} is in use by another process of Adit; stop that one, or choose another folder")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Something else lives there.
    #[error(
        "{path} holds data of another program ({found}); choose an empty folder (`adit import` reads the blocks of a bitcoind)"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found.
        found: &'static str,
    },
    /// It was written for another network.
    #[error("{path} holds the network {found}, not {wanted}; choose another folder, or that network")]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// The network in the format file.
        found: String,
        /// The network that was asked for.
        wanted: String,
    },
    /// A newer Adit wrote it.
    #[error(
        "{path} has format {found}, and this program knows formats up to {FORMAT_VERSION}; use a newer Adit"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An older Adit wrote it.
    #[error(
        "{path} has format {found} of an older Adit, and this one needs {FORMAT_VERSION}; `adit db reindex` builds it again from its \
         blocks, or choose an empty folder"
    )]
    Older {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The format file is not one.
    #[error("{path} is not a format file of Adit; if that folder is another program's, choose an empty one")]
    BadFormatFile {
        /// The file.
        path: PathBuf,
    },
    /// This user has no right to it.
    #[error("{path}: this user may not write here; run as one who may, or choose another folder")]
    Denied {
        /// What was touched.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataDir {
    /// Opens (or makes) the folder of `network` under `base`, and locks it.
    ///
    /// `mainnet` lies in `base` itself, every other network in a subfolder of its name.
    pub fn open(base: &Path, network: &str) -> Result<DataDir, DataDirError> {
        Self::open_from(Self::folder(base, network), network, Layout::Own, FORMAT_VERSION)
    }

    /// As [`DataDir::open`] of the folder itself, with its files laid out as `layout` says.
    pub fn open_as(path: PathBuf, network: &str, layout: Layout) -> Result<DataDir, DataDirError> {
        Self::open_from(path, network, layout, FORMAT_VERSION)
    }

    /// As [`DataDir::open`], also where an older Adit wrote the folder: its block files, its books and its shares are as they are
    /// today, and what is in `chainstate.redb` and the undo files is built again from the blocks by the caller, who says so with
    /// [`DataDir::rebuilt`].
    pub fn open_to_rebuild(base: &Path, network: &str) -> Result<DataDir, DataDirError> {
        Self::open_from(Self::folder(base, network), network, Layout::Own, FORMAT_VERSION_MIN)
    }

    /// As [`DataDir::open_to_rebuild`] of the folder itself, with its files laid out as `layout` says.
    pub fn open_to_rebuild_as(path: PathBuf, network: &str, layout: Layout) -> Result<DataDir, DataDirError> {
        Self::open_from(path, network, layout, FORMAT_VERSION_MIN)
    }

    /// Says that everything in the folder has the present format; durable when it returns.
    pub fn rebuilt(&self) -> Result<(), DataDirError> {
        write_format(&MachineDisk, &self.databases(), &self.network)
    }

    fn open_from(path: PathBuf, network: &str, layout: Layout, oldest: u32) -> Result<DataDir, DataDirError> {
        let mut dir = DataDir { path, network: network.to_owned(), layout, _locks: Vec::new() };
        let (databases, blocks) = (dir.databases(), dir.blocks());
        // Before anything is made: what another program has is not touched. Once more below, where nobody else can be at it.
        if read_format(&MachineDisk, &databases)?.is_none() {
            dir.refuse(dir.foreign())?;
        }
        fs::create_dir_all(&dir.path).map_err(io_error(&dir.path))?;
        let name = if dir.layout == Layout::Own { "lock" } else { ".lock" };
        dir._locks.push(lock(&dir.path, name)?);
        if dir.layout != Layout::Own {
            // Block files may lie where another datadir has its own.
            fs::create_dir_all(&blocks).map_err(io_error(&blocks))?;
            dir._locks.push(lock(&blocks, ".lock")?);
        }
        match read_format(&MachineDisk, &databases)? {
            Some((version, found)) => check_format(&dir.path, (oldest, version), found, &dir.network)?,
            None => {
                let elsewhere = blocks.join("blk00000.dat").exists().then_some("blocks/blk00000.dat");
                dir.refuse(dir.foreign().or(elsewhere))?;
                fs::create_dir_all(&databases).map_err(io_error(&databases))?;
                write_format(&MachineDisk, &databases, &dir.network)?;
            }
        }
        if dir.layout == Layout::Own {
            for folder in [blocks, dir.shares()] {
                fs::create_dir_all(&folder).map_err(io_error(&folder))?;
            }
        }
        Ok(dir)
    }

    /// What another program left in the folder. An empty folder is nobody's.
    fn foreign(&self) -> Option<&'static str> {
        let own = ["blocks", "chainstate", "chainstate.redb", "ledger.redb", "wallet.dat", "block_index"];
        let core = ["chainstate/CURRENT", "blocks/index/CURRENT", "blocks/blk00000.dat", "wallet.dat"];
        match self.layout {
            Layout::Own => own.into_iter().find(|name| self.path.join(name).exists()),
            Layout::Core { .. } => core.into_iter().find(|name| self.path.join(name).exists()),
        }
    }

    fn refuse(&self, foreign: Option<&'static str>) -> Result<(), DataDirError> {
        match foreign {
            Some(found) => Err(DataDirError::Foreign { path: self.path.clone(), found }),
            None => Ok(()),
        }
    }

    /// The folder of the databases, of what belongs to them, and of the format file.
    pub(crate) fn databases(&self) -> PathBuf {
        match self.layout {
            Layout::Own => self.path.clone(),
            Layout::Core { .. } => self.path.join("chainstate"),
        }
    }

    /// The database of an index.
    pub(crate) fn index(&self, name: &str) -> PathBuf {
        match self.layout {
            Layout::Own => self.path.join(format!("index-{name}.redb")),
            Layout::Core { .. } => self.path.join("indexes").join(format!("{name}.redb")),
        }
    }

    /// Where `network` lies under `base`.
    pub fn folder(base: &Path, network: &str) -> PathBuf {
        if network == "mainnet" { base.to_owned() } else { base.join(network) }
    }

    /// Where the control socket of `network` lies under `base`; for clients, which take no lock.
    pub fn socket_of(base: &Path, network: &str) -> PathBuf {
        Self::folder(base, network).join("adit.sock")
    }

    /// The network's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The network's word.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The folder of block and undo files.
    pub fn blocks(&self) -> PathBuf {
        match &self.layout {
            Layout::Core { blocks: Some(base) } => base.join("blocks"),
            Layout::Own | Layout::Core { blocks: None } => self.path.join("blocks"),
        }
    }

    /// The folder of found blocks that wait for the chain's answer.
    pub fn found(&self) -> PathBuf {
        self.path.join("found")
    }

    /// The database of headers and coins.
    pub fn chainstate(&self) -> PathBuf {
        self.databases().join("chainstate.redb")
    }

    /// The database of the books.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.redb")
    }

    /// The folder of the share log.
    pub fn shares(&self) -> PathBuf {
        self.path.join("shares")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("adit.sock")
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirError + '_ {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            DataDirError::Denied { path: path.to_owned() }
        }
        _ => DataDirError::Io { path: path.to_owned(), source },
    }
}

fn lock(path: &Path, name: &str) -> Result<File, DataDirError> {
    let file_path = path.join(name);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file_path)
        .map_err(io_error(&file_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(e)) => Err(io_error(&file_path)(e)),
    }
}

fn format_path(path: &Path) -> PathBuf {
    path.join("format")
}

fn read_format(disk: &dyn Disk, path: &Path) -> Result<Option<(u32, String)>, DataDirError> {
    let file = format_path(path);
    match disk.len_of(&file).map_err(io_error(&file))? {
        None => return Ok(None),
        Some(bytes) if bytes > FORMAT_BYTES_MAX => return Err(DataDirError::BadFormatFile { path: file }),
        Some(_) => {}
    }
    let bytes = disk.read(&file).map_err(io_error(&file))?;
    let text = String::from_utf8_lossy(&bytes);
    parse_format(&text).map(Some).ok_or(DataDirError::BadFormatFile { path: file })
}

/// `adit-datadir 2 regtest`
fn parse_format(text: &str) -> Option<(u32, String)> {
    let mut words = text.split_ascii_whitespace();
    if words.next()? != FORMAT_WORD {
        return None;
    }
    let version = words.next()?.parse().ok()?;
    Some((version, words.next()?.to_owned()))
}

fn check_format(
    path: &Path,
    (oldest, version): (u32, u32),
    found: String,
    wanted: &str,
) -> Result<(), DataDirError> {
    if version > FORMAT_VERSION {
        return Err(DataDirError::Newer { path: path.to_owned(), found: version });
    }
    if found != wanted {
        return Err(DataDirError::OtherNetwork { path: path.to_owned(), found, wanted: wanted.to_owned() });
    }
    if version < oldest {
        return Err(DataDirError::Older { path: path.to_owned(), found: version });
    }
    Ok(())
}

fn write_format(disk: &dyn Disk, path: &Path, network: &str) -> Result<(), DataDirError> {
    let (file, unfinished) = (format_path(path), path.join("format.new"));
    let text = format!("{FORMAT_WORD} {FORMAT_VERSION} {network}\n");
    let before = || failpoint::before(Place::DatadirFormat);
    write_whole(disk, (&unfinished, &file), text.as_bytes(), before).map_err(io_error(&file))?;
    failpoint::after(Place::DatadirFormat);
    Ok(())
}

#[cfg(test)]
#[path = "datadir/tests.rs"]
mod tests;
