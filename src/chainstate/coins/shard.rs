//! A map from outpoints to packed coins in as few bytes as can be: 75 to 90 a coin.
//!
//! Owns: where a coin lies in memory, and what that takes. Must not know: disks, tips, who reads.
//!
//! Coins lie behind each other in chunks of memory, each as long as it is packed; what a coin leaves is filled by the next one of
//! its length. Beside them stands a table of places, 4 bytes each, found by a hash of the key.

use std::hash::BuildHasher;

use adit_domain::units::Height;
use adit_domain::wire::IdState;
use adit_store::{OUTPOINT_BYTES, PackedCoin};
use hashbrown::HashTable;

/// An outpoint, as it is on disk.
pub(super) type Key = [u8; OUTPOINT_BYTES];

/// Coins begin at multiples of this, so that 4 bytes tell a place in 16 GiB.
const UNIT_BYTES: usize = 4;
const CHUNK_BYTES: usize = 16 << 10;
const CHUNK_UNITS: usize = CHUNK_BYTES / UNIT_BYTES;
/// What a processor reads of memory at once.
const LINE_BYTES: usize = 64;
/// Key, flags, length of the packed coin.
const HEAD_BYTES: usize = OUTPOINT_BYTES + 1 + 2;
/// Lengths, in units, whose gaps are filled again: up to 256 bytes. What a longer coin leaves is lost until a flush.
const GAP_UNITS_MAX: usize = 64;

/// The coin is not as on disk.
const DIRTY: u8 = 1;
/// The disk has no unspent coin of this name, so that nothing need be written when it is spent before a flush.
const FRESH: u8 = 2;

/// Where a coin lies, in units: a chunk has so many of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u32);

/// The map.
pub(super) struct Shard {
    /// Keyed by chance at each start: who grinds txids cannot know what they do here.
    hasher: IdState,
    index: HashTable<Place>,
    heap: Heap,
    /// Whether any coin in it is not as on disk.
    is_dirty: bool,
}

struct Heap {
    chunks: Vec<Box<[u8]>>,
    chunk_bytes: usize,
    /// Units of the last chunk that are taken.
    end: usize,
    /// Places that are free, by their units.
    gaps: Vec<Vec<Place>>,
    gap_bytes: usize,
}

impl Shard {
    pub(super) fn new(hasher: IdState) -> Shard {
        Shard { hasher, index: HashTable::new(), heap: Heap::new(), is_dirty: false }
    }

    /// An empty one for whatever follows on another: with room in its table for as many coins, half of which then need not be looked at
    /// again while it grows.
    pub(super) fn behind(other: &Shard) -> Shard {
        let mut shard = Shard::new(other.hasher);
        shard.index.reserve(other.index.len() / 2, |_| 0);
        shard
    }

    /// The coin, none where it is spent; none at all where nothing is known of it.
    pub(super) fn get(&self, key: &Key, hash: u64) -> Option<Option<PackedCoin<'_>>> {
        let heap = &self.heap;
        let place = self.index.find(hash, |place| heap.has_key(*place, key))?;
        heap.row(*place).map(|row| row.coin())
    }

    /// Where the coin of this hash lies, most probably. It reads the table only.
    pub(super) fn guess(&self, hash: u64) -> Option<Place> {
        self.index.find(hash, |_| true).copied()
    }

    /// Something of what lies at a place: to read it takes as long as memory takes, and whoever looks for many coins has that done for all
    /// of them at the same time.
    pub(super) fn touch(&self, place: Place) -> u8 {
        let row = self.heap.at(place).and_then(|bytes| bytes.first_chunk::<HEAD_BYTES>());
        row.map_or(0, |[first, .., last]| first ^ last)
    }

    /// Brings all of it near, in the order in which it lies in memory: what follows goes through it in another.
    fn touch_all(&self) {
        let lines = self.heap.chunks.iter().flat_map(|chunk| chunk.iter().step_by(LINE_BYTES));
        std::hint::black_box(lines.fold(0, |sum: u8, byte| sum ^ byte));
    }

    /// What a block does to a coin.
    pub(super) fn change(&mut self, key: &Key, hash: u64, coin: Option<PackedCoin<'_>>) {
        self.is_dirty = true;
        let heap = &mut self.heap;
        let value = coin.map_or(&[][..], PackedCoin::bytes);
        let found = self.index.find(hash, |place| heap.has_key(*place, key)).copied();
        let Some((place, row)) = found.and_then(|place| Some((place, heap.row(place)?))) else {
            // A coin that was not there is on disk exactly where it is spent now, or where a coinbase may repeat another.
            let fresh = coin.is_some_and(|c| !c.is_coinbase());
            self.insert(key, hash, if fresh { DIRTY | FRESH } else { DIRTY }, value);
            return;
        };
        let (flags, old_units) = (row.flags, row.units());
        if coin.is_none() && flags & FRESH != 0 {
            if let Ok(entry) = self.index.find_entry(hash, |p| *p == place) {
                entry.remove();
            }
            heap.free(place, old_units);
            return;
        }
        if units_of(value.len()) == old_units {
            heap.write(place, key, flags | DIRTY, value);
            return;
        }
        heap.free(place, old_units);
        let moved = heap.place_for(units_of(value.len()));
        heap.write(moved, key, flags | DIRTY, value);
        if let Some(entry) = self.index.find_mut(hash, |p| *p == place) {
            *entry = moved;
        }
    }

    /// Of a key that is not in it.
    fn insert(&mut self, key: &Key, hash: u64, flags: u8, value: &[u8]) {
        let place = self.heap.place_for(units_of(value.len()));
        self.heap.write(place, key, flags, value);
        let Shard { hasher, index, heap, .. } = self;
        let hash_of = |place: &Place| heap.row(*place).map_or(0, |row| hasher.hash_one(row.key));
        index.insert_unique(hash, place, hash_of);
    }

    /// What is dirty, in the order of the keys.
    pub(super) fn changes(&self) -> Vec<(&Key, Option<PackedCoin<'_>>)> {
        if !self.is_dirty {
            return Vec::new();
        }
        self.touch_all();
        let dirty = self.rows().filter(|row| row.flags & DIRTY != 0);
        let mut rows: Vec<_> = dirty.map(|row| (front_of(row.key), row.key, row.coin())).collect();
        // Where the fronts differ, the keys themselves need not be looked at.
        rows.sort_unstable_by_key(|(front, key, _)| (*front, *key));
        rows.into_iter().map(|(_, key, coin)| (key, coin)).collect()
    }

    /// Heights of its coins, and the bytes that each takes.
    pub(super) fn heights(&self) -> impl Iterator<Item = (Height, usize)> {
        self.rows().filter_map(|row| Some((row.coin()?.height(), row.units() * UNIT_BYTES)))
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.index.iter().filter_map(|place| self.heap.row(*place))
    }

    /// After a flush: what is in it is as on disk. Spent coins are dropped, and those of blocks below `keep_from`.
    pub(super) fn flushed(&mut self, keep_from: Height) {
        if !self.is_dirty && keep_from == Height::GENESIS {
            return;
        }
        self.is_dirty = false;
        self.touch_all();
        let Shard { index, heap, .. } = self;
        index.retain(|place| {
            let Some(row) = heap.row(*place) else { return false };
            let units = row.units();
            let keep = row.coin().is_some_and(|coin| coin.height() >= keep_from);
            if keep {
                heap.set_flags(*place, 0);
            } else {
                heap.free(*place, units);
            }
            keep
        });
        if self.heap.gap_bytes > self.heap.chunk_bytes / 4 {
            self.pack();
        }
    }

    /// Puts another one's coins over its own: they are newer.
    pub(super) fn take(&mut self, newer: &Shard) {
        newer.touch_all();
        self.is_dirty |= newer.is_dirty;
        for row in newer.rows() {
            let hash = self.hasher.hash_one(row.key);
            let heap = &mut self.heap;
            let found = self.index.find(hash, |place| heap.has_key(*place, row.key)).copied();
            let old = found.and_then(|place| Some((place, heap.row(place)?.units())));
            if let Some((place, units)) = old
                && let Ok(entry) = self.index.find_entry(hash, |p| *p == place)
            {
                entry.remove();
                heap.free(place, units);
            }
            self.insert(row.key, hash, row.flags, row.value);
        }
    }

    /// Fills all gaps, and gives back what is over.
    fn pack(&mut self) {
        let mut packed = Shard { is_dirty: self.is_dirty, ..Shard::new(self.hasher) };
        packed.index.reserve(self.index.len(), |_| 0);
        for row in self.rows() {
            packed.insert(row.key, self.hasher.hash_one(row.key), row.flags, row.value);
        }
        *self = packed;
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let places = self.heap.gap_bytes / HEAD_BYTES * size_of::<Place>();
        self.index.allocation_size().saturating_add(self.heap.chunk_bytes).saturating_add(places)
    }
}

/// A coin as it lies in a chunk.
struct Row<'h> {
    key: &'h Key,
    flags: u8,
    value: &'h [u8],
}

impl<'h> Row<'h> {
    fn units(&self) -> usize {
        units_of(self.value.len())
    }

    fn coin(&self) -> Option<PackedCoin<'h>> {
        (!self.value.is_empty()).then_some(PackedCoin::kept(self.value))
    }
}

/// The first bytes of a key, as a number in the same order.
fn front_of(key: &Key) -> u64 {
    key.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
}

fn units_of(value_bytes: usize) -> usize {
    HEAD_BYTES.saturating_add(value_bytes).div_ceil(UNIT_BYTES)
}

impl Heap {
    fn new() -> Heap {
        let gaps = (0..=GAP_UNITS_MAX).map(|_| Vec::new()).collect();
        Heap { chunks: Vec::new(), chunk_bytes: 0, end: CHUNK_UNITS, gaps, gap_bytes: 0 }
    }

    /// What lies at a place and behind it.
    fn at(&self, place: Place) -> Option<&[u8]> {
        let place = usize::try_from(place.0).ok()?;
        self.chunks.get(place / CHUNK_UNITS)?.get(place % CHUNK_UNITS * UNIT_BYTES..)
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut [u8]> {
        let place = usize::try_from(place.0).ok()?;
        self.chunks.get_mut(place / CHUNK_UNITS)?.get_mut(place % CHUNK_UNITS * UNIT_BYTES..)
    }

    fn has_key(&self, place: Place, key: &Key) -> bool {
        self.at(place).and_then(|bytes| bytes.first_chunk()) == Some(key)
    }

    fn row(&self, place: Place) -> Option<Row<'_>> {
        let (key, rest) = self.at(place)?.split_first_chunk::<OUTPOINT_BYTES>()?;
        let ([flags, low, high], rest) = rest.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        Some(Row { key, flags: *flags, value: rest.get(..len)? })
    }

    fn write(&mut self, place: Place, key: &Key, flags: u8, value: &[u8]) {
        // A packed coin is below 11,000 bytes.
        let [low, high] = u16::try_from(value.len()).unwrap_or(0).to_le_bytes();
        let head = self.at_mut(place).and_then(|bytes| bytes.split_first_chunk_mut::<OUTPOINT_BYTES>());
        let Some((head, rest)) = head else { return };
        *head = *key;
        let Some((mark, rest)) = rest.split_first_chunk_mut::<3>() else { return };
        *mark = [flags, low, high];
        if let Some(slot) = rest.get_mut(..value.len()) {
            slot.copy_from_slice(value);
        }
    }

    fn set_flags(&mut self, place: Place, flags: u8) {
        if let Some(slot) = self.at_mut(place).and_then(|bytes| bytes.get_mut(OUTPOINT_BYTES)) {
            *slot = flags;
        }
    }

    fn place_for(&mut self, units: usize) -> Place {
        if let Some(gap) = self.gaps.get_mut(units).and_then(Vec::pop) {
            self.gap_bytes = self.gap_bytes.saturating_sub(units * UNIT_BYTES);
            return gap;
        }
        if self.end.saturating_add(units) > CHUNK_UNITS {
            let bytes = units.saturating_mul(UNIT_BYTES).max(CHUNK_BYTES);
            self.chunks.push(vec![0; bytes].into_boxed_slice());
            self.chunk_bytes = self.chunk_bytes.saturating_add(bytes);
            self.end = 0;
        }
        let chunk = self.chunks.len().saturating_sub(1);
        // A shard is a 256th of a cache: 16 GiB in one of them are 4 TiB of memory.
        let place = u32::try_from(chunk.saturating_mul(CHUNK_UNITS).saturating_add(self.end));
        self.end = self.end.saturating_add(units);
        Place(place.unwrap_or(u32::MAX))
    }

    fn free(&mut self, place: Place, units: usize) {
        self.gap_bytes = self.gap_bytes.saturating_add(units * UNIT_BYTES);
        if let Some(gaps) = self.gaps.get_mut(units) {
            gaps.push(place);
        }
    }
}

#[cfg(test)]
#[path = "shard/tests.rs"]
mod tests;
