//! The coin set in a file, as Bitcoin Core's `dumptxoutset` writes and its `loadtxoutset` reads it (version 2).
//!
//! Owns: the file's layout, its way to its name, and a file's way into a database of coins (`load.rs`). Must not know: how blocks
//! connect.

mod back;
mod error;
mod file;
mod load;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use adit_domain::chain::coin_codec::{coin_code, put_compact_size, put_output, put_varint};
use adit_domain::chain::{SetHasher, SetSums};
use adit_domain::consensus::Coin;
use adit_domain::units::Height;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{BlockHash, OutPoint, Txid};
use thiserror::Error;

use crate::reader::ChainReader;
use crate::stats::StatsJob;
use crate::types::ChainFault;

use back::Back;
pub use error::LoadError;
pub(crate) use file::SnapshotFile;
pub use file::SnapshotHead;
pub use load::{LoadedSnapshot, SnapshotLoad};
pub(crate) use load::{check_base, hash_all};

/// What the file begins with.
const MAGIC: [u8; 5] = *b"utxo\xff";
const VERSION: u16 = 2;
/// Where the count of coins stands: behind the magic, the version, the network's magic and the base's hash.
const COUNT_AT: u64 = 5 + 2 + 4 + 32;
/// Bytes before the first coin.
const HEAD_BYTES: usize = 5 + 2 + 4 + 32 + 8;
/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumped {
    /// The file.
    pub path: PathBuf,
    /// The block that the coins belong to.
    pub base: BlockHash,
    /// Its height.
    pub height: Height,
    /// Coins in the file.
    pub coins: u64,
    /// Their `hash_serialized_3`, by which whoever loads the file knows it.
    pub hash_serialized: String,
}

/// Why no file was written.
#[derive(Debug, Error)]
pub enum DumpError {
    /// Something has that name already; it is left alone.
    #[error("{path} exists already: name a file that does not")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It can't be written; what was written of it is taken away.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The block whose coins are asked for is not one of the tip's chain.
    #[error("block {block} is not in the best chain")]
    NotBelow {
        /// The block.
        block: BlockHash,
    },
    /// A block above it can't be undone any more.
    #[error("the block at height {height} is not kept any more, or not what it took to undo it")]
    Gone {
        /// Its height.
        height: Height,
    },
    /// The coins can't be read.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// Whose coins are written.
struct Base<'a> {
    block: BlockHash,
    height: Height,
    /// Those of a block below the tip.
    back: Option<Back<'a>>,
}

impl StatsJob {
    /// Writes the coins to a new file at `path`. They are written under another name (`.incomplete` behind it) and renamed when they
    /// are durable, so that a file of this name is whole.
    pub fn dump(self, path: &Path, network_magic: [u8; 4]) -> Result<Dumped, DumpError> {
        let (block, height) = (self.tip().hash, self.tip().height);
        self.dump_of(path, network_magic, &Base { block, height, back: None })
    }

    /// The same of the coins as they were at a block of the tip's chain, which the blocks above it must be here for.
    pub fn dump_at(
        self,
        path: &Path,
        network_magic: [u8; 4],
        (reader, block): (&ChainReader, BlockHash),
    ) -> Result<Dumped, DumpError> {
        let (_, height) = reader.header(&block).ok_or(DumpError::NotBelow { block })?;
        let back = Some(Back::new(reader, self.tip(), block)?);
        self.dump_of(path, network_magic, &Base { block, height, back })
    }

    fn dump_of(self, path: &Path, network_magic: [u8; 4], base: &Base<'_>) -> Result<Dumped, DumpError> {
        if path.try_exists().map_err(at(path))? {
            return Err(DumpError::Exists { path: path.to_owned() });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".incomplete");
        let fresh = PathBuf::from(name);
        let written = self.dump_into(&fresh, network_magic, base);
        let (hash, sums) = match written {
            Ok(written) => written,
            Err(error) => {
                // The first error is the one to tell.
                let _ = fs::remove_file(&fresh);
                return Err(error);
            }
        };
        fs::rename(&fresh, path).map_err(at(path))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(path))?;
        let hash_serialized = hash.to_string();
        let (path, height) = (path.to_owned(), base.height);
        Ok(Dumped { path, base: base.block, height, coins: sums.coins, hash_serialized })
    }

    fn dump_into(
        &self,
        fresh: &Path,
        magic: [u8; 4],
        base: &Base<'_>,
    ) -> Result<(sha256d::Hash, SetSums), DumpError> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).open(fresh).map_err(at(fresh))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&magic);
        head.extend_from_slice(base.block.as_byte_array());
        head.extend_from_slice(&0u64.to_le_bytes());
        out.write_all(&head).map_err(at(fresh))?;
        let mut set = SetHasher::default();
        let mut group = Group::default();
        let mut each = |outpoint: OutPoint, coin: Coin| {
            set.push(&outpoint, &coin);
            if group.txid != Some(outpoint.txid) {
                group.write(&mut out).map_err(at(fresh))?;
            }
            group.push(&outpoint, &coin);
            Ok::<_, DumpError>(())
        };
        match &base.back {
            Some(back) => back.visit(self.coins(), &mut each)?,
            None => {
                for row in self.coins().scan(0, u8::MAX).map_err(ChainFault::from)? {
                    let (outpoint, coin) = row.map_err(ChainFault::from)?;
                    each(outpoint, coin.to_coin())?;
                }
            }
        }
        group.write(&mut out).map_err(at(fresh))?;
        let (hash, sums) = set.finish();
        finish(out, sums.coins).map_err(at(fresh))?;
        Ok((hash, sums))
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> DumpError + '_ {
    |source| DumpError::Write { path: path.to_owned(), source }
}

/// How many coins there are is known at the end; it stands at the beginning.
fn finish(out: BufWriter<File>, coins: u64) -> io::Result<()> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(COUNT_AT))?;
    file.write_all(&coins.to_le_bytes())?;
    file.sync_all()
}

/// The coins of one transaction: its txid, CompactSize of coins, of each CompactSize of its number, the varint of its code, its
/// output in Core's compression.
#[derive(Default)]
struct Group {
    txid: Option<Txid>,
    count: u64,
    coins: Vec<u8>,
}

impl Group {
    fn push(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.txid = Some(outpoint.txid);
        self.count = self.count.saturating_add(1);
        put_compact_size(&mut self.coins, u64::from(outpoint.vout));
        put_varint(&mut self.coins, coin_code(coin.height, coin.is_coinbase));
        put_output(&mut self.coins, coin.output.value, coin.output.script_pubkey.as_bytes());
    }

    /// Writes it, if there is any, and empties it.
    fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Some(txid) = self.txid.take() else { return Ok(()) };
        let mut head = txid.to_byte_array().to_vec();
        put_compact_size(&mut head, self.count);
        out.write_all(&head)?;
        out.write_all(&self.coins)?;
        self.count = 0;
        self.coins.clear();
        Ok(())
    }
}
