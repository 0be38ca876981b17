//! From a snapshot's file to a database of coins that is known to be right.
//!
//! Owns: the order of it. All is written beside what the chain stands on, and hashed again as it lies on disk; before that is equal to
//! what the network's parameters say, nobody reads it. What ends on the way is taken away, here or by the next start.

use std::path::Path;
use std::sync::Arc;

use adit_domain::chain::{HeaderTree, SetHasher};
use adit_domain::consensus::AssumedCoins;
use adit_domain::units::Height;
use adit_store::{
    CoinSnapshot, CompactCoin, FileEnd, Flush, FlushState, LoadingDb, OUTPOINT_BYTES, Store, outpoint_key,
};
use bitcoin::BlockHash;
use bitcoin::hashes::sha256d;

use super::LoadError;
use super::file::{SnapshotFile, SnapshotHead};
use crate::reader::ChainReader;
use crate::types::ChainFault;

/// Coins between two looks at whether to go on.
const PROGRESS_COINS: u64 = 10_000;

/// A snapshot that may be loaded, as far as its head tells.
pub struct SnapshotLoad {
    file: SnapshotFile,
    known: AssumedCoins,
    loading: LoadingDb,
    /// Bytes of coins that are sorted and written at a time.
    batch_bytes: usize,
}

/// Coins on disk that are those which the parameters name, to be the chain's.
pub struct LoadedSnapshot {
    pub(crate) known: AssumedCoins,
    pub(crate) loading: LoadingDb,
    /// How many.
    pub(crate) coins: u64,
}

/// A coin, by its key.
type Row = ([u8; OUTPOINT_BYTES], CompactCoin);

impl SnapshotLoad {
    /// Looks at a file's head and whether its block is one to stand on.
    pub(crate) fn begin(
        reader: &ChainReader,
        store: &Arc<Store>,
        path: &Path,
        batch_bytes: usize,
    ) -> Result<SnapshotLoad, LoadError> {
        let params = reader.params();
        let file = SnapshotFile::open(path, &params)?;
        let known = reader.with_tree(|tree| check_base(tree, file.head().base))?;
        let loading = LoadingDb::begin(store)?.ok_or(LoadError::Already)?;
        Ok(SnapshotLoad { file, known, loading, batch_bytes })
    }

    /// What the file says of itself.
    pub fn head(&self) -> SnapshotHead {
        self.file.head()
    }

    /// Reads and writes all coins, and hashes them: minutes for a large set, on any thread. `progress` is told how many of them are done,
    /// and says whether to go on.
    pub fn run(mut self, progress: &mut dyn FnMut(u64) -> bool) -> Result<LoadedSnapshot, LoadError> {
        self.copy(progress)?;
        let coins = self.file.head().coins;
        let found = hash_all(&self.loading.db()?.snapshot()?, &mut || progress(coins))?;
        let Some((hash, counted)) = found else { return Err(LoadError::Stopped) };
        if counted != coins {
            return Err(LoadError::Repeated { found: counted, told: coins });
        }
        if hash != self.known.hash_serialized {
            return Err(LoadError::OtherCoins { found: hash, wanted: self.known.hash_serialized });
        }
        let SnapshotLoad { known, loading, .. } = self;
        Ok(LoadedSnapshot { known, loading, coins })
    }

    fn copy(&mut self, progress: &mut dyn FnMut(u64) -> bool) -> Result<(), LoadError> {
        let mut batch: Vec<Row> = Vec::new();
        let (mut bytes, mut coins) = (0usize, 0u64);
        while let Some((outpoint, coin)) = self.file.next(self.known.height)? {
            let coin = CompactCoin::from(&coin);
            bytes = bytes.saturating_add(size_of::<Row>()).saturating_add(coin.heap_bytes());
            batch.push((outpoint_key(&outpoint), coin));
            coins = coins.saturating_add(1);
            if bytes >= self.batch_bytes {
                self.write(&mut batch)?;
                bytes = 0;
            }
            if coins.is_multiple_of(PROGRESS_COINS) && !progress(coins) {
                return Err(LoadError::Stopped);
            }
        }
        self.write(&mut batch)
    }

    /// Writes coins in the order of their keys; of two under one key the later stays.
    fn write(&self, batch: &mut Vec<Row>) -> Result<(), LoadError> {
        batch.sort_by_key(|(key, _)| *key);
        let mut rows = batch.iter().peekable();
        let mut last_of_each = std::iter::from_fn(|| {
            let mut row = rows.next()?;
            while let Some(same) = rows.next_if(|next| next.0 == row.0) {
                row = same;
            }
            Some((&row.0, Some(row.1.as_packed())))
        });
        // What stands here counts for nobody before it is written anew with the headers.
        let state = FlushState {
            tip: self.known.block,
            height: self.known.height,
            flushes: 0,
            blocks_end: FileEnd::default(),
        };
        self.loading.db()?.flush(Flush { state, nodes: Vec::new(), coins: &mut last_of_each })?;
        batch.clear();
        Ok(())
    }
}

impl LoadedSnapshot {
    /// The snapshot's block, its height, and how many coins there are.
    pub fn summary(&self) -> (BlockHash, Height, u64) {
        (self.known.block, self.known.height, self.coins)
    }
}

/// What is known of the coins behind `base`, if that block is one to stand on.
pub(crate) fn check_base(tree: &HeaderTree, base: BlockHash) -> Result<AssumedCoins, LoadError> {
    let params = tree.params();
    if tree.assumed_base().is_some() {
        return Err(LoadError::Already);
    }
    let heights = || params.assumed_coins.iter().map(|known| known.height.to_u32()).collect();
    let known =
        params.assumed_coins_at(&base).ok_or_else(|| LoadError::NotListed { base, heights: heights() })?;
    let id = tree.find(&base).ok_or(LoadError::NoHeader { base })?;
    let node = tree.node(id);
    if node.height() != known.height {
        return Err(LoadError::NotListed { base, heights: heights() });
    }
    if node.status().is_failed() {
        return Err(LoadError::InvalidChain { base });
    }
    if tree.best_at(known.height) != Some(id) {
        return Err(LoadError::OtherChain { base });
    }
    if node.work() <= tree.node(tree.tip_id()).work() {
        return Err(LoadError::NoMoreWork { base });
    }
    Ok(known.clone())
}

/// The hash of all coins and their number; none where it was stopped.
pub(crate) fn hash_all(
    coins: &CoinSnapshot,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<(sha256d::Hash, u64)>, ChainFault> {
    let mut set = SetHasher::default();
    for (number, row) in (0u64..).zip(coins.scan(0, u8::MAX)?) {
        if number.is_multiple_of(PROGRESS_COINS) && !go_on() {
            return Ok(None);
        }
        let (outpoint, coin) = row?;
        set.push(&outpoint, &coin.to_coin());
    }
    let (hash, sums) = set.finish();
    Ok(Some((hash, sums.coins)))
}
