//! What a person names, as files: blocks folders, whole datadirs, single files.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params, check_proof_of_work};
use adit_store::{FilePos, Store, StoreFault, XorKey};
use bitcoin::Network;
use thiserror::Error;

use super::{foreign_networks, read_failure};
use crate::engine::Outside;
use crate::scan::{BlockFile, Skipped, Verdict, Wanted, first_foreign, scan_file};

/// Where a bitcoind keeps the blocks of networks but mainnet, below its datadir.
const NETWORK_FOLDERS: [&str; 4] = ["testnet3", "testnet4", "signet", "regtest"];

/// The files that an import reads, in its order.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<Arc<BlockFile>>,
}

/// Why what was named cannot be imported. Nothing has been written when this is found.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The system refused.
    #[error("{path}: {}", read_failure(.source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without block files.
    #[error("{path} holds no blk*.dat; name a bitcoind's blocks folder, or files of blocks")]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A folder whose blocks lie deeper.
    #[error("{path} holds no blk*.dat, but {deeper} does; name that one")]
    Deeper {
        /// The folder.
        path: PathBuf,
        /// The folder that has them.
        deeper: PathBuf,
    },
    /// Neither a file nor a folder.
    #[error("{path} is neither a file nor a folder; name a bitcoind's blocks folder, or files of blocks")]
    Special {
        /// What was named.
        path: PathBuf,
    },
    /// The key beside the files does not read.
    #[error(
        "{0}; without the right key the blocks beside it cannot be read: copy it again from where they come from"
    )]
    Key(#[source] StoreFault),
    /// Blocks of another network, and none of this.
    #[error("{path} holds blocks of {found}, not of {wanted}; --network {found} imports them")]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// Whose they are.
        found: &'static str,
        /// The network that was asked for.
        wanted: &'static str,
    },
    /// Nothing like a block in all the files.
    #[error(
        "no block of {network} in {path}{}; if a bitcoind of version 28 or later wrote it, the xor.dat of its folder must lie beside it",
        and_more(*.more)
    )]
    NoBlocks {
        /// The first file.
        path: PathBuf,
        /// Files beside it.
        more: usize,
        /// The network that was asked for.
        network: &'static str,
    },
}

impl Sources {
    /// Finds the files that `paths` name: a file is itself, a folder its `blk*.dat` in their order, a datadir those of its `blocks`.
    /// What lies beside an `xor.dat` is read with its key.
    pub fn find(paths: &[PathBuf]) -> Result<Sources, SourceError> {
        let mut files = Vec::new();
        for path in paths {
            let meta = look(path)?;
            if meta.is_dir() {
                files.extend(in_folder(path)?);
            } else if meta.is_file() {
                files.push(single(path)?);
            } else {
                return Err(SourceError::Special { path: path.clone() });
            }
        }
        Ok(Sources { files: files.into_iter().map(Arc::new).collect() })
    }

    /// Looks for one block of the network, before anything is written for it.
    pub fn probe(&self, params: &Params) -> Result<(), SourceError> {
        let wanted = Wanted { magic: params.magic, foreign: &[], block_bytes_max: BLOCK_WEIGHT_MAX };
        for file in &self.files {
            if has_block(file, &wanted, params)? {
                return Ok(());
            }
        }
        Err(self.nothing(params)?)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> Result<u64, SourceError> {
        let lens = self.files.iter().map(|file| look(&file.path).map(|meta| meta.len()));
        lens.sum::<Result<u64, SourceError>>()
    }

    /// What the files hold instead.
    fn nothing(&self, params: &Params) -> Result<SourceError, SourceError> {
        let (networks, magics): (Vec<Network>, Vec<[u8; 4]>) = foreign_networks(params.magic).unzip();
        let wanted = Wanted { magic: params.magic, foreign: &magics, block_bytes_max: BLOCK_WEIGHT_MAX };
        for file in &self.files {
            let foreign = first_foreign(file, &wanted).map_err(read(&file.path))?;
            let found = networks.iter().zip(&magics).find(|(_, magic)| Some(**magic) == foreign);
            if let Some((network, _)) = found {
                let (path, found) = (file.path.clone(), Params::of(*network).name());
                return Ok(SourceError::OtherNetwork { path, found, wanted: params.name() });
            }
        }
        Ok(SourceError::NoBlocks {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            more: self.files.len().saturating_sub(1),
            network: params.name(),
        })
    }

    /// Our own block files.
    pub(crate) fn own(store: &Store) -> Result<Sources, SourceError> {
        let folder = store.dir().blocks();
        let key = store.key();
        let files = numbered_in(&folder)?.into_iter().map(|path| Arc::new(BlockFile { path, key }));
        Ok(Sources { files: files.collect() })
    }

    /// Where a block of our own files lies in them; none in a file that cannot be one of them.
    pub(crate) fn own_place(&self, found: &Outside) -> Option<FilePos> {
        let file = found.file.path.file_name()?.to_str().and_then(number)?;
        Some(FilePos { file, offset: u32::try_from(found.extent.offset).ok()?, len: found.extent.len })
    }

    pub(crate) fn files(&self) -> &[Arc<BlockFile>] {
        &self.files
    }
}

fn read(path: &Path) -> impl FnOnce(io::Error) -> SourceError + '_ {
    move |source| SourceError::Read { path: path.to_owned(), source }
}

fn and_more(files: usize) -> String {
    if files == 0 { String::new() } else { format!(" and {files} more") }
}

fn look(path: &Path) -> Result<Metadata, SourceError> {
    fs::metadata(path).map_err(read(path))
}

/// Whether a header of this network, with the work that it names, stands before a block in it.
fn has_block(file: &BlockFile, wanted: &Wanted<'_>, params: &Params) -> Result<bool, SourceError> {
    let mut found = false;
    let scanned = scan_file(file, wanted, &mut Skipped::default(), |header, _| {
        found = check_proof_of_work(header.block_hash(), header.bits, params).is_ok();
        if found { Verdict::Stop } else { Verdict::NoBlock }
    });
    scanned.map_err(read(&file.path))?;
    Ok(found)
}

/// A file by itself. A key beside it is for files that are named as a node names them.
fn single(path: &Path) -> Result<BlockFile, SourceError> {
    let is_numbered = path.file_name().and_then(|name| name.to_str()).and_then(number).is_some();
    let folder = path.parent().filter(|_| is_numbered);
    let folder = folder.map(|f| if f.as_os_str().is_empty() { Path::new(".") } else { f });
    let key = folder.map_or(Ok(XorKey::NONE), XorKey::of_folder).map_err(SourceError::Key)?;
    Ok(BlockFile { path: path.to_owned(), key })
}

fn in_folder(path: &Path) -> Result<Vec<BlockFile>, SourceError> {
    for folder in [path.to_owned(), path.join("blocks")] {
        let numbered = numbered_in(&folder)?;
        if !numbered.is_empty() {
            let key = XorKey::of_folder(&folder).map_err(SourceError::Key)?;
            return Ok(numbered.into_iter().map(|path| BlockFile { path, key }).collect());
        }
    }
    for name in NETWORK_FOLDERS {
        let deeper = path.join(name).join("blocks");
        if !numbered_in(&deeper)?.is_empty() {
            return Err(SourceError::Deeper { path: path.to_owned(), deeper });
        }
    }
    Err(SourceError::NoFiles { path: path.to_owned() })
}

/// The `blk*.dat` of a folder, by their numbers; none where there is no such folder.
fn numbered_in(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(read(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(read(folder))?;
        if let Some(number) = entry.file_name().to_str().and_then(number) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number in `blk00012.dat`.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("blk")?.strip_suffix(".dat")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
#[path = "sources/tests.rs"]
mod tests;
