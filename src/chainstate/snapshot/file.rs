//! A snapshot's file, read: its head, then its coins, one after the other.
//!
//! Owns: the layout as it is read, what of it is refused whatever the chain. Must not know: the chain, where coins go.
//!
//! Memory is bounded by two buffers: no number in the file is trusted with an allocation.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use adit_domain::chain::coin_codec::{
    CoinCodecError, split_coin_code, take_compact_size, take_output, take_varint,
};
use adit_domain::consensus::{Coin, Params};
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, Txid};

use super::{HEAD_BYTES, LoadError, MAGIC, VERSION};

/// What one row may take: txid 32, CompactSizes of 9 twice, varints of 10 thrice, the longest script 10,000.
const ROW_BYTES_MAX: usize = 32 + 2 * 9 + 3 * 10 + 10_000;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Core's limit of a CompactSize: 32 MiB. No transaction has so many outputs.
const COUNT_MAX: u64 = 0x0200_0000;

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The block that the coins belong to.
    pub base: BlockHash,
    /// How many there are.
    pub coins: u64,
}

/// A snapshot that is being read.
pub(crate) struct SnapshotFile {
    path: PathBuf,
    file: File,
    head: SnapshotHead,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
    is_at_end: bool,
    /// The transaction whose coins come, and how many of them.
    group: Option<(Txid, u64)>,
    /// Coins that were read.
    read: u64,
}

impl SnapshotFile {
    /// Opens the file and reads its head, which must be that of a snapshot of this network.
    pub(crate) fn open(path: &Path, params: &Params) -> Result<SnapshotFile, LoadError> {
        let file = File::open(path).map_err(unread(path))?;
        let mut this = SnapshotFile {
            path: path.to_owned(),
            file,
            head: SnapshotHead { base: BlockHash::all_zeros(), coins: 0 },
            buffer: Vec::new(),
            taken: 0,
            is_at_end: false,
            group: None,
            read: 0,
        };
        this.fill(HEAD_BYTES)?;
        let mut rest = this.rest();
        this.head = head(&mut rest, params)?;
        this.taken = HEAD_BYTES;
        Ok(this)
    }

    pub(crate) fn head(&self) -> SnapshotHead {
        self.head
    }

    /// The next coin; none behind the last one, where the file must end. `base` is the height of the snapshot's block.
    pub(crate) fn next(&mut self, base: Height) -> Result<Option<(OutPoint, Coin)>, LoadError> {
        loop {
            if let Some((txid, left)) = self.group {
                self.group = left.checked_sub(1).map(|left| (txid, left)).filter(|(_, left)| *left > 0);
                return self.next_of(txid, base).map(Some);
            }
            if self.read == self.head.coins {
                self.fill(1)?;
                let is_end = self.rest().is_empty();
                return if is_end { Ok(None) } else { Err(LoadError::LeftOver { coins: self.read }) };
            }
            let (txid, count) = self.row(take_group)?;
            if count > self.head.coins.saturating_sub(self.read) {
                return Err(LoadError::CountMismatch { coins: self.read });
            }
            self.group = Some((txid, count)).filter(|(_, count)| *count > 0);
        }
    }

    fn next_of(&mut self, txid: Txid, base: Height) -> Result<(OutPoint, Coin), LoadError> {
        let (outpoint, coin) = self.row(|rest| take_coin(txid, rest))?;
        if coin.height > base {
            return Err(LoadError::AboveBase { coins: self.read });
        }
        if coin.output.value > Amount::MAX_MONEY {
            return Err(LoadError::BadAmount { coins: self.read });
        }
        self.read = self.read.saturating_add(1);
        Ok((outpoint, coin))
    }

    /// Takes what `take` reads.
    fn row<T>(&mut self, take: impl Fn(&mut &[u8]) -> Result<T, CoinCodecError>) -> Result<T, LoadError> {
        self.fill(ROW_BYTES_MAX)?;
        let mut rest = self.rest();
        let before = rest.len();
        let row = take(&mut rest).map_err(|_| LoadError::Malformed { coins: self.read })?;
        let used = before.saturating_sub(rest.len());
        self.taken = self.taken.saturating_add(used);
        Ok(row)
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Reads on until so many bytes are at hand, or the file ends.
    fn fill(&mut self, wanted: usize) -> Result<(), LoadError> {
        if self.is_at_end || self.rest().len() >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.taken.min(self.buffer.len()));
        self.taken = 0;
        let room = u64::try_from(READ_BYTES).unwrap_or(u64::MAX);
        while self.buffer.len() < wanted && !self.is_at_end {
            let read = Read::by_ref(&mut self.file).take(room).read_to_end(&mut self.buffer);
            self.is_at_end = read.map_err(unread(&self.path))? == 0;
        }
        Ok(())
    }
}

fn unread(path: &Path) -> impl Fn(io::Error) -> LoadError + '_ {
    |source| LoadError::Unread { path: path.to_owned(), source }
}

/// Magic, version, network, block, count.
fn head(rest: &mut &[u8], params: &Params) -> Result<SnapshotHead, LoadError> {
    if take::<5>(rest) != Some(MAGIC) {
        return Err(LoadError::NotASnapshot);
    }
    let short = LoadError::Malformed { coins: 0 };
    let Some(version) = take(rest).map(u16::from_le_bytes) else { return Err(short) };
    if version != VERSION {
        return Err(LoadError::OtherVersion { found: version });
    }
    let Some(magic) = take::<4>(rest) else { return Err(short) };
    if magic != params.magic {
        return Err(LoadError::OtherNetwork { found: name_of(magic), wanted: params.name() });
    }
    let base = take(rest).map(BlockHash::from_byte_array);
    let coins = take(rest).map(u64::from_le_bytes);
    base.zip(coins).map(|(base, coins)| SnapshotHead { base, coins }).ok_or(short)
}

/// The public network of that magic.
fn name_of(magic: [u8; 4]) -> Option<&'static str> {
    Params::names().find(|name| Params::from_name(name).is_some_and(|params| params.magic == magic))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// A txid, and how many coins of it follow.
fn take_group(rest: &mut &[u8]) -> Result<(Txid, u64), CoinCodecError> {
    let txid = take(rest).map(Txid::from_byte_array).ok_or(CoinCodecError::Short)?;
    Ok((txid, take_count(rest)?))
}

fn take_coin(txid: Txid, rest: &mut &[u8]) -> Result<(OutPoint, Coin), CoinCodecError> {
    let vout = u32::try_from(take_count(rest)?).map_err(|_| CoinCodecError::Range)?;
    let (height, is_coinbase) = split_coin_code(take_varint(rest)?)?;
    let output = take_output(rest)?;
    Ok((OutPoint { txid, vout }, Coin { output, height, is_coinbase }))
}

fn take_count(rest: &mut &[u8]) -> Result<u64, CoinCodecError> {
    let count = take_compact_size(rest)?;
    if count <= COUNT_MAX { Ok(count) } else { Err(CoinCodecError::Range) }
}

#[cfg(test)]
#[path = "file/tests.rs"]
mod tests;
