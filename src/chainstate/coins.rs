//! The coin set at the published tip: a write-back cache over the coins on disk.
//!
//! Only verified blocks reach it: blocks whose scripts still run are staged in front of it (see `stage.rs`), so that a
//! reader never sees a coin of a block that turns out invalid.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::chain::Tip;
use adit_domain::units::Height;
use adit_store::{CoinSnapshot, CompactCoin};
use bitcoin::OutPoint;
use bitcoin::hashes::Hash;

use crate::types::ChainFault;

/// One map for each first byte of a txid: a growing map copies a 256th of the cache, and all of them in turn are in key order.
const SHARDS: usize = 256;
/// A bucket of a map: key, value, one byte of control.
const BUCKET_BYTES: usize = size_of::<(OutPoint, Entry)>() + 1;

/// A changed coin: none where it is spent.
pub(crate) type Change = (OutPoint, Option<CompactCoin>);

#[derive(Clone, Debug)]
struct Entry {
    coin: Option<CompactCoin>,
    /// It is not as on disk.
    dirty: bool,
    /// The disk has no unspent coin of this name, so that nothing need be written when it is spent before a flush.
    fresh: bool,
}

struct Inner {
    shards: Vec<HashMap<OutPoint, Entry>>,
    disk: Arc<CoinSnapshot>,
    tip: Arc<Tip>,
    bucket_bytes: usize,
    heap_bytes: usize,
    dirty: usize,
}

/// The coin set at the published tip. One thread writes, any number read.
///
/// A panic while it is changed may leave half a block in it. From then on it answers with a fault and nothing else: the process
/// ends, or this life of the engine does, and what is on disk is whole.
pub(crate) struct CoinCache {
    inner: RwLock<Inner>,
}

impl CoinCache {
    pub(crate) fn new(disk: CoinSnapshot, tip: Arc<Tip>) -> CoinCache {
        let shards = (0..SHARDS).map(|_| HashMap::new()).collect();
        let inner = Inner { shards, disk: Arc::new(disk), tip, bucket_bytes: 0, heap_bytes: 0, dirty: 0 };
        CoinCache { inner: RwLock::new(inner) }
    }

    /// The set as it stands, held still while the guard lives: for the thread that writes, and for whoever looks up a few.
    pub(crate) fn read(&self) -> Result<CoinsRead<'_>, ChainFault> {
        Ok(CoinsRead { inner: self.inner.read().map_err(|_| half_changed())? })
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Inner>, ChainFault> {
        self.inner.write().map_err(|_| half_changed())
    }

    /// The coin at `outpoint`; the disk is read outside the lock.
    pub(crate) fn get(&self, outpoint: &OutPoint) -> Result<Option<CompactCoin>, ChainFault> {
        let disk = {
            let read = self.read()?;
            if let Some(entry) = read.inner.entry(outpoint) {
                return Ok(entry.coin.clone());
            }
            Arc::clone(&read.inner.disk)
        };
        Ok(disk.get(outpoint)?)
    }

    /// Applies blocks' changes, in order, and publishes the tip that they lead to: readers see all of it or nothing.
    pub(crate) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = &'a mut Vec<Change>>,
        tip: Arc<Tip>,
    ) -> Result<(), ChainFault> {
        let mut inner = self.write()?;
        for block in changes {
            for (outpoint, coin) in block.drain(..) {
                inner.set(outpoint, coin);
            }
        }
        inner.tip = tip;
        Ok(())
    }

    /// Keeps coins that were read from disk and will be asked for again.
    pub(crate) fn remember(&self, coins: Vec<(OutPoint, CompactCoin)>) -> Result<(), ChainFault> {
        let mut inner = self.write()?;
        for (outpoint, coin) in coins {
            if inner.entry(&outpoint).is_none() {
                inner.insert(outpoint, Entry { coin: Some(coin), dirty: false, fresh: false });
            }
        }
        Ok(())
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> Result<usize, ChainFault> {
        let inner = &self.read()?.inner;
        Ok(inner.bucket_bytes.saturating_add(inner.heap_bytes))
    }

    /// After a flush: the disk now holds what was dirty. Coins of blocks below `keep_from` are dropped.
    pub(crate) fn flushed(&self, disk: CoinSnapshot, keep_from: Height) -> Result<(), ChainFault> {
        let mut inner = self.write()?;
        inner.disk = Arc::new(disk);
        inner.dirty = 0;
        let mut heap_bytes = 0usize;
        for shard in &mut inner.shards {
            shard.retain(|_, entry| {
                (entry.dirty, entry.fresh) = (false, false);
                let keep = entry.coin.as_ref().is_some_and(|coin| coin.height() >= keep_from);
                if keep {
                    heap_bytes = heap_bytes.saturating_add(entry.heap_bytes());
                }
                keep
            });
            // A map that has lost most of its coins gives its room back.
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit();
            }
        }
        inner.heap_bytes = heap_bytes;
        inner.bucket_bytes = inner.shards.iter().map(bucket_bytes).sum();
        Ok(())
    }

    /// After tiers were merged: the same coins in fewer tables.
    pub(crate) fn merged(&self, disk: CoinSnapshot) -> Result<(), ChainFault> {
        self.write()?.disk = Arc::new(disk);
        Ok(())
    }
}

/// The coin set, held still.
pub(crate) struct CoinsRead<'a> {
    inner: RwLockReadGuard<'a, Inner>,
}

impl CoinsRead<'_> {
    /// The coin at `outpoint` where the cache has it; none where the disk must be asked.
    pub(crate) fn cached(&self, outpoint: &OutPoint) -> Option<Option<&CompactCoin>> {
        self.inner.entry(outpoint).map(|entry| entry.coin.as_ref())
    }

    /// The coins on disk under this cache.
    pub(crate) fn disk(&self) -> &Arc<CoinSnapshot> {
        &self.inner.disk
    }

    /// The tip that the coins belong to.
    pub(crate) fn tip(&self) -> &Arc<Tip> {
        &self.inner.tip
    }

    /// How many coins are not as on disk.
    pub(crate) fn dirty(&self) -> usize {
        self.inner.dirty
    }

    /// Those coins, in the order of their keys.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&OutPoint, Option<&CompactCoin>)> {
        self.inner.shards.iter().flat_map(|shard| {
            let mut rows: Vec<(&OutPoint, &Entry)> = shard.iter().filter(|(_, entry)| entry.dirty).collect();
            rows.sort_unstable_by_key(|(outpoint, _)| **outpoint);
            rows.into_iter().map(|(outpoint, entry)| (outpoint, entry.coin.as_ref()))
        })
    }
}

impl Entry {
    fn heap_bytes(&self) -> usize {
        self.coin.as_ref().map_or(0, CompactCoin::heap_bytes)
    }
}

impl Inner {
    fn entry(&self, outpoint: &OutPoint) -> Option<&Entry> {
        self.shards.get(shard_of(outpoint))?.get(outpoint)
    }

    fn set(&mut self, outpoint: OutPoint, coin: Option<CompactCoin>) {
        let Some(shard) = self.shards.get_mut(shard_of(&outpoint)) else { return };
        let Some(entry) = shard.get_mut(&outpoint) else {
            // A coin that was not there is on disk exactly where it is spent now, or where a coinbase may repeat another.
            let fresh = coin.as_ref().is_some_and(|c| !c.is_coinbase());
            self.dirty = self.dirty.saturating_add(1);
            self.insert(outpoint, Entry { coin, dirty: true, fresh });
            return;
        };
        self.heap_bytes = self.heap_bytes.saturating_sub(entry.heap_bytes());
        if !entry.dirty {
            self.dirty = self.dirty.saturating_add(1);
        }
        if coin.is_none() && entry.fresh {
            shard.remove(&outpoint);
            self.dirty = self.dirty.saturating_sub(1);
            return;
        }
        *entry = Entry { coin, dirty: true, fresh: entry.fresh };
        self.heap_bytes = self.heap_bytes.saturating_add(entry.heap_bytes());
    }

    fn insert(&mut self, outpoint: OutPoint, entry: Entry) {
        let Some(shard) = self.shards.get_mut(shard_of(&outpoint)) else { return };
        let before = bucket_bytes(shard);
        self.heap_bytes = self.heap_bytes.saturating_add(entry.heap_bytes());
        shard.insert(outpoint, entry);
        self.bucket_bytes = self.bucket_bytes.saturating_sub(before).saturating_add(bucket_bytes(shard));
    }
}

fn half_changed() -> ChainFault {
    ChainFault::State("a panic left the coins half-changed".to_owned())
}

fn shard_of(outpoint: &OutPoint) -> usize {
    let [first, ..] = outpoint.txid.to_byte_array();
    usize::from(first)
}

/// A map keeps seven eighths of its buckets free of collisions, and their number is a power of two.
fn bucket_bytes(shard: &HashMap<OutPoint, Entry>) -> usize {
    let capacity = shard.capacity();
    if capacity == 0 { 0 } else { (capacity / 7 * 8).next_power_of_two().saturating_mul(BUCKET_BYTES) }
}

#[cfg(test)]
#[path = "coins/tests.rs"]
mod tests;
