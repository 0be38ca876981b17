//! A set of keyed hashes in a fixed number of bytes, which any number of threads read and change without a lock.
//!
//! An entry is 32 bytes of a hash that nobody outside can compute: the secret in it is new in each process. So a hash that is
//! found says what was put in, and nothing can be made that falls on another's place on purpose. An entry lies in one of the
//! eight slots of its bucket; one too many takes the place of another.
//!
//! The four words of a slot are read and written one by one. Who reads while another writes sees a mixture of two entries, and
//! a mixture equals the hash that is looked for as rarely as two hashes equal each other: what comes of it is a
//! miss, which costs a signature check.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Slots of a bucket: at half load one entry in fifty finds its bucket full.
const WAYS: usize = 8;
/// A bucket is four cache lines of 64 bytes.
const BUCKET_BYTES: usize = size_of::<Bucket>();
/// The bit of a slot's first word that says that another entry may take its place.
const SPENT: u64 = 1;

/// 32 bytes of a keyed hash, as four words; the lowest bit of the first is not of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry([u64; 4]);

impl Entry {
    /// From the 32 bytes of a hash.
    pub(super) fn of_hash(hash: [u8; 32]) -> Entry {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [first, rest @ ..] = words;
        let [second, third, fourth] = rest;
        Entry([first & !SPENT, second, third, fourth])
    }
}

#[derive(Default)]
struct Slot([AtomicU64; 4]);

impl Slot {
    fn holds(&self, entry: &Entry) -> bool {
        let ([first, rest @ ..], [wanted, others @ ..]) = (&self.0, &entry.0);
        first.load(Ordering::Relaxed) & !SPENT == *wanted
            && rest.iter().zip(others).all(|(word, wanted)| word.load(Ordering::Relaxed) == *wanted)
    }

    /// Whether nothing is lost with what it holds: nothing at all, or what was used up.
    fn is_free(&self) -> bool {
        let [first, second, ..] = &self.0;
        let first = first.load(Ordering::Relaxed);
        first & SPENT != 0 || (first == 0 && second.load(Ordering::Relaxed) == 0)
    }

    fn put(&self, entry: &Entry) {
        for (word, new) in self.0.iter().zip(entry.0) {
            word.store(new, Ordering::Relaxed);
        }
    }

    /// Where another entry has come meanwhile, that one is marked: it costs a check.
    fn mark(&self, spent: bool) {
        let [first, ..] = &self.0;
        match spent {
            true => first.fetch_or(SPENT, Ordering::Relaxed),
            false => first.fetch_and(!SPENT, Ordering::Relaxed),
        };
    }
}

#[derive(Default)]
#[repr(align(64))]
struct Bucket([Slot; WAYS]);

/// The set.
pub(super) struct Table {
    buckets: Box<[Bucket]>,
    /// Something was put in: before that nobody need hash anything to look it up.
    used: AtomicBool,
}

impl Table {
    /// In so many bytes at most, in those of one bucket at least.
    pub(super) fn new(bytes: usize) -> Table {
        let buckets = (0..(bytes / BUCKET_BYTES).max(1)).map(|_| Bucket::default()).collect();
        Table { buckets, used: AtomicBool::new(false) }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buckets.len() * BUCKET_BYTES
    }

    /// Whether nothing was ever put in.
    pub(super) fn is_unused(&self) -> bool {
        !self.used.load(Ordering::Relaxed)
    }

    /// Whether the entry is there.
    pub(super) fn contains(&self, entry: &Entry) -> bool {
        self.find(entry).is_some()
    }

    /// Whether the entry is there; it is kept while nothing else needs its place: a block that used it may be undone.
    pub(super) fn spend(&self, entry: &Entry) -> bool {
        self.find(entry).is_some_and(|slot| {
            slot.mark(true);
            true
        })
    }

    /// Puts the entry in, in a free slot of its bucket where there is one.
    pub(super) fn insert(&self, entry: &Entry) {
        self.used.store(true, Ordering::Relaxed);
        if let Some(slot) = self.find(entry) {
            slot.mark(false);
            return;
        }
        let Some(Bucket(slots)) = self.bucket(entry) else { return };
        let [_, _, third, _] = entry.0;
        let by_chance = slots.get(usize::try_from(third).unwrap_or(usize::MAX) % WAYS);
        if let Some(slot) = slots.iter().find(|slot| slot.is_free()).or(by_chance) {
            slot.put(entry);
        }
    }

    fn find(&self, entry: &Entry) -> Option<&Slot> {
        let Bucket(slots) = self.bucket(entry)?;
        slots.iter().find(|slot| slot.holds(entry))
    }

    /// The bucket at the fourth word's part of the way through them all.
    fn bucket(&self, entry: &Entry) -> Option<&Bucket> {
        let [.., fourth] = entry.0;
        let buckets = u128::try_from(self.buckets.len()).ok()?;
        self.buckets.get(usize::try_from(u128::from(fourth).wrapping_mul(buckets) >> 64).ok()?)
    }
}

#[cfg(test)]
mod tests;
