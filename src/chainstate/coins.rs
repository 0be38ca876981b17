//! The coin set at the published tip: a write-back cache over the coins on disk.
//!
//! Only verified blocks reach it: blocks whose scripts still run are staged in front of it (see `stage.rs`), so that a
//! reader never sees a coin of a block that turns out invalid.
//!
//! A flush freezes what is there, in place: the thread that writes it and everybody else read the same memory, and new changes
//! go into maps in front of it. When it is durable the two become one again, a 256th at a time. So a flush costs no copy
//! of the coins; what it costs is that the changes made meanwhile lie beside what is frozen, and [`CoinCache::bytes`] counts both.

mod flusher;
mod shard;

use std::hash::BuildHasher;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::chain::Tip;
use adit_domain::units::Height;
use adit_domain::wire::IdState;
use adit_store::{ChangedCoin, CoinSnapshot, CompactCoin, OUTPOINT_BYTES, PackedCoin, outpoint_key};
use bitcoin::OutPoint;

pub use flusher::FlushEnd;
use flusher::Status;
pub(crate) use flusher::{FlushJob, Flusher, Then};
use shard::{Key, Place, Shard};

use crate::types::ChainFault;

/// One map for each first byte of a txid: a growing map copies a 256th of the cache, and all of them in turn are in key order.
const SHARDS: usize = 256;
/// Coins that are looked for together: so many waits for memory go on at the same time.
const AT_ONCE: usize = 16;
/// Shards whose coins are looked at to know how many are of which height.
const SAMPLED_SHARDS: usize = 8;

/// A changed coin: none where it is spent.
pub(crate) type Change = (OutPoint, Option<CompactCoin>);

/// Of one first byte: what changes, and behind it what is being flushed.
struct Part {
    live: Shard,
    frozen: Option<Arc<Shard>>,
}

struct Inner {
    parts: Vec<Part>,
    disk: Arc<CoinSnapshot>,
    tip: Arc<Tip>,
    hasher: IdState,
}

/// The coin set at the published tip. One thread writes, any number read.
///
/// A panic while it is changed may leave half a block in it. From then on it answers with a fault and nothing else: the process
/// ends, or this life of the engine does, and what is on disk is whole.
pub(crate) struct CoinCache {
    inner: RwLock<Inner>,
    writing: Arc<Status>,
}

/// What a flush writes: the cache at one tip, which does not change any more.
pub(crate) struct Frozen {
    parts: Vec<Arc<Shard>>,
}

impl CoinCache {
    pub(crate) fn new(disk: CoinSnapshot, tip: Arc<Tip>) -> CoinCache {
        let hasher = IdState::default();
        let part = |_| Part { live: Shard::new(hasher), frozen: None };
        let parts = (0..SHARDS).map(part).collect();
        let inner = RwLock::new(Inner { parts, disk: Arc::new(disk), tip, hasher });
        CoinCache { inner, writing: Arc::default() }
    }

    /// Waits until nothing of it is being written, and lets nothing more of it be: another life of the engine begins.
    pub(crate) fn retire(&self) -> Result<(), ChainFault> {
        self.writing.retire()
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
            if let Some(known) = read.cached(outpoint) {
                return Ok(known);
            }
            Arc::clone(&read.inner.disk)
        };
        Ok(disk.get(outpoint)?)
    }

    /// Applies blocks' changes, in order, and publishes the tip that they lead to: readers see all of it or nothing.
    pub(crate) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = &'a [Change]>,
        tip: Arc<Tip>,
    ) -> Result<(), ChainFault> {
        let mut inner = self.write()?;
        for block in changes {
            for group in block.chunks(AT_ONCE) {
                let names = inner.names(group.iter().map(|(outpoint, _)| outpoint));
                inner.touch(&names);
                for ((key, hash), (_, coin)) in names.iter().zip(group) {
                    if let Some(part) = inner.parts.get_mut(part_of(key)) {
                        part.live.change(key, *hash, coin.as_ref().map(CompactCoin::as_packed));
                    }
                }
            }
        }
        inner.tip = tip;
        Ok(())
    }

    /// Bytes that it takes, those that are being flushed among them.
    pub(crate) fn bytes(&self) -> Result<usize, ChainFault> {
        Ok(self.read()?.inner.parts.iter().map(Part::bytes).sum())
    }

    /// Freezes what is there, to be flushed; changes go on in front of it. One flush at a time.
    pub(crate) fn freeze(&self) -> Result<Frozen, ChainFault> {
        let mut inner = self.write()?;
        let Inner { parts, .. } = &mut *inner;
        if parts.iter().any(|part| part.frozen.is_some()) {
            return Err(ChainFault::State("two flushes at once".to_owned()));
        }
        let freeze = |part: &mut Part| {
            let behind = Shard::behind(&part.live);
            let frozen = Arc::new(std::mem::replace(&mut part.live, behind));
            part.frozen = Some(Arc::clone(&frozen));
            frozen
        };
        Ok(Frozen { parts: parts.iter_mut().map(freeze).collect() })
    }

    /// After a flush: the disk now holds what was frozen. Where that is more than `room_bytes`, the coins of the oldest blocks in it
    /// are dropped. Nobody waits for longer than a 256th of it takes.
    pub(crate) fn flushed(
        &self,
        frozen: Frozen,
        disk: CoinSnapshot,
        room_bytes: usize,
    ) -> Result<(), ChainFault> {
        let keep_from = frozen.keep_from(room_bytes);
        drop(frozen);
        self.write()?.disk = Arc::new(disk);
        for number in 0..SHARDS {
            let mut inner = self.write()?;
            let Some(part) = inner.parts.get_mut(number) else { continue };
            // Readers have it under the lock only; were it in other hands, its coins would be read from disk.
            if let Some(mut base) = part.frozen.take().and_then(Arc::into_inner) {
                base.flushed(keep_from);
                base.take(&part.live);
                part.live = base;
            }
        }
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
    pub(crate) fn cached(&self, outpoint: &OutPoint) -> Option<Option<CompactCoin>> {
        let key = outpoint_key(outpoint);
        let coin = self.inner.get(&key, self.inner.hasher.hash_one(key));
        coin.map(|coin| coin.map(PackedCoin::to_compact))
    }

    /// As [`CoinsRead::cached`], of each in turn.
    pub(crate) fn cached_each<'o>(
        &self,
        outpoints: impl Iterator<Item = &'o OutPoint>,
        mut found: impl FnMut(&'o OutPoint, Option<Option<CompactCoin>>),
    ) {
        let mut outpoints = outpoints.peekable();
        while outpoints.peek().is_some() {
            let mut group = [None; AT_ONCE];
            group.iter_mut().zip(&mut outpoints).for_each(|(slot, outpoint)| *slot = Some(outpoint));
            let group = group.iter().flatten();
            let names = self.inner.names(group.clone().copied());
            self.inner.touch(&names);
            for ((key, hash), outpoint) in names.iter().zip(group) {
                found(outpoint, self.inner.get(key, *hash).map(|coin| coin.map(PackedCoin::to_compact)));
            }
        }
    }

    /// The coins on disk under this cache.
    pub(crate) fn disk(&self) -> &Arc<CoinSnapshot> {
        &self.inner.disk
    }

    /// The tip that the coins belong to.
    pub(crate) fn tip(&self) -> &Arc<Tip> {
        &self.inner.tip
    }
}

impl Frozen {
    /// What is not as on disk, in the order of the keys.
    pub(crate) fn changes(&self) -> impl Iterator<Item = ChangedCoin<'_>> {
        self.parts.iter().flat_map(|shard| shard.changes())
    }

    /// The lowest height whose coins have room: that of the newest blocks' coins that fill it, as a few shards show it.
    fn keep_from(&self, room_bytes: usize) -> Height {
        let bytes: usize = self.parts.iter().map(|shard| shard.bytes()).sum();
        if bytes <= room_bytes {
            return Height::GENESIS;
        }
        let mut coins: Vec<(Height, usize)> =
            self.parts.iter().step_by(SHARDS / SAMPLED_SHARDS).flat_map(|shard| shard.heights()).collect();
        coins.sort_unstable_by(|a, b| b.cmp(a));
        // As large a part of the sample as there is room for of all.
        let sampled: usize = coins.iter().map(|(_, bytes)| bytes).sum();
        let mut room = sampled / 1024 * (room_bytes / (bytes / 1024).max(1)).min(1024);
        let first_out = coins.iter().find(|(_, bytes)| {
            let fits = *bytes <= room;
            room = room.saturating_sub(*bytes);
            !fits
        });
        // Of a height that fits in part, nothing is kept.
        first_out.map_or(Height::GENESIS, |(height, _)| height.next())
    }
}

impl Part {
    /// As [`Shard::guess`], and in which shard.
    fn guess(&self, hash: u64) -> Option<(&Shard, Place)> {
        let live = self.live.guess(hash).map(|place| (&self.live, place));
        live.or_else(|| self.frozen.as_deref().and_then(|frozen| Some((frozen, frozen.guess(hash)?))))
    }

    fn bytes(&self) -> usize {
        self.live.bytes().saturating_add(self.frozen.as_ref().map_or(0, |frozen| frozen.bytes()))
    }
}

impl Inner {
    /// As [`Shard::get`].
    fn get(&self, key: &Key, hash: u64) -> Option<Option<PackedCoin<'_>>> {
        let part = self.parts.get(part_of(key))?;
        part.live.get(key, hash).or_else(|| part.frozen.as_ref()?.get(key, hash))
    }

    /// The keys of some coins and their hashes; what is over are zeros.
    fn names<'o>(&self, outpoints: impl Iterator<Item = &'o OutPoint>) -> [(Key, u64); AT_ONCE] {
        let mut names = [([0; OUTPOINT_BYTES], 0); AT_ONCE];
        for (name, outpoint) in names.iter_mut().zip(outpoints) {
            let key = outpoint_key(outpoint);
            *name = (key, self.hasher.hash_one(key));
        }
        names
    }

    /// Reads what the search for these coins will read, for all of them at the same time: first their places, then what lies there.
    fn touch(&self, names: &[(Key, u64); AT_ONCE]) {
        let mut places: [Option<(&Shard, Place)>; AT_ONCE] = [None; AT_ONCE];
        for (place, (key, hash)) in places.iter_mut().zip(names) {
            *place = self.parts.get(part_of(key)).and_then(|part| part.guess(*hash));
        }
        let touched = places.iter().flatten().fold(0, |sum, (shard, place)| sum ^ shard.touch(*place));
        std::hint::black_box(touched);
    }
}

fn half_changed() -> ChainFault {
    ChainFault::State("a panic left the coins half-changed".to_owned())
}

fn part_of(key: &Key) -> usize {
    let [first, ..] = key;
    usize::from(*first)
}

#[cfg(test)]
#[path = "coins/tests.rs"]
mod tests;
