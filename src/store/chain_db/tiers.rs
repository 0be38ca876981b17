use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use bitcoin::OutPoint;
use redb::{AccessGuard, Range, ReadOnlyTable, StorageError};

use super::partition_of;
use crate::codec::{OUTPOINT_BYTES, outpoint_key, outpoint_of};
use crate::coin::{CompactCoin, PackedCoin};
use crate::fault::StoreFault;
use crate::filter::{Filter, KeyBits};

pub(super) type Key = &'static [u8; OUTPOINT_BYTES];
type Row = (AccessGuard<'static, Key>, AccessGuard<'static, &'static [u8]>);

/// What of a tier answers a lookup.
pub(super) type TierView = (Arc<Filter>, ReadOnlyTable<Key, &'static [u8]>);

/// The coins as of one flush.
pub struct CoinSnapshot {
    /// Of each partition, the newest first.
    partitions: Vec<Vec<TierView>>,
}

/// A key to look up, what filters look at of it, and where its coin goes.
struct Wanted<'s> {
    key: [u8; OUTPOINT_BYTES],
    bits: KeyBits,
    slot: &'s mut Option<CompactCoin>,
}

impl CoinSnapshot {
    pub(super) fn new(partitions: Vec<Vec<TierView>>) -> CoinSnapshot {
        CoinSnapshot { partitions }
    }

    /// Bytes that the filters of its tiers take in memory.
    pub fn filter_bytes(&self) -> usize {
        self.partitions.iter().flatten().map(|(filter, _)| filter.bytes()).sum()
    }

    /// The newest tier of a key's partition first.
    fn tiers(&self, key: &[u8; OUTPOINT_BYTES]) -> &[TierView] {
        self.partitions.get(usize::from(partition_of(key))).map_or(&[], Vec::as_slice)
    }

    /// The coin at `outpoint`, if it was unspent.
    pub fn get(&self, outpoint: &OutPoint) -> Result<Option<CompactCoin>, StoreFault> {
        let key = outpoint_key(outpoint);
        let bits = KeyBits::from(&key);
        for (filter, table) in self.tiers(&key) {
            if filter.may_contain(bits)
                && let Some(value) = table.get(&key)?
            {
                return Ok(decode(&key, value.value())?.map(PackedCoin::to_compact));
            }
        }
        Ok(None)
    }

    /// The coins at several outpoints, each in the place of its outpoint. They are looked up in the order given, tier by tier: in
    /// the order of their keys (txid, then number) they meet each page of the database once, which is several times faster
    /// than any other. Any number of threads may ask at once, so that a long list is best cut into one piece a thread.
    pub fn get_many(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<CompactCoin>>, StoreFault> {
        let mut found = vec![None; outpoints.len()];
        let mut rows = Vec::with_capacity(outpoints.len());
        for (outpoint, slot) in outpoints.iter().zip(&mut found) {
            let key = outpoint_key(outpoint);
            rows.push(Wanted { bits: KeyBits::from(&key), key, slot });
        }
        for rows in rows.chunk_by_mut(|a, b| partition_of(&a.key) == partition_of(&b.key)) {
            let tiers = rows.first().map_or(&[][..], |first| self.tiers(&first.key));
            look_up(rows.iter_mut().collect(), tiers)?;
        }
        Ok(found)
    }

    /// Every unspent coin whose txid begins with a byte from `first` to `last`, in the order of the keys.
    pub fn scan(&self, first: u8, last: u8) -> Result<CoinScan, StoreFault> {
        let mut from = [0; OUTPOINT_BYTES];
        let mut to = [0xff; OUTPOINT_BYTES];
        (from[0], to[0]) = (first, last);
        let (first, last) = (usize::from(partition_of(&from)), usize::from(partition_of(&to)));
        let partitions = self.partitions.get(first..=last).unwrap_or_default().iter();
        let merged = |tiers: &Vec<TierView>| {
            Merged::new(tiers.iter().map(|(_, table)| table), Bound::Included(&from), Bound::Included(&to))
        };
        Ok(CoinScan { partitions: partitions.map(merged).collect::<Result<_, _>>()? })
    }
}

fn look_up(mut open: Vec<&mut Wanted<'_>>, tiers: &[TierView]) -> Result<(), StoreFault> {
    for (filter, table) in tiers {
        let mut rest = Vec::with_capacity(open.len());
        for wanted in open {
            let value = if filter.may_contain(wanted.bits) { table.get(&wanted.key)? } else { None };
            match value {
                Some(value) => {
                    *wanted.slot = decode(&wanted.key, value.value())?.map(PackedCoin::to_compact);
                }
                None => rest.push(wanted),
            }
        }
        open = rest;
    }
    Ok(())
}

/// A value is empty where the coin is spent.
fn decode<'c>(key: &[u8; OUTPOINT_BYTES], value: &'c [u8]) -> Result<Option<PackedCoin<'c>>, StoreFault> {
    if value.is_empty() {
        return Ok(None);
    }
    PackedCoin::decode(key, value).map(Some).map_err(StoreFault::damaged("a coin"))
}

/// A walk over unspent coins.
pub struct CoinScan {
    partitions: VecDeque<Merged>,
}

impl Iterator for CoinScan {
    type Item = Result<(OutPoint, CompactCoin), StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, value) = match self.partitions.front_mut()?.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => {
                    self.partitions.pop_front();
                    continue;
                }
                Err(fault) => return Some(Err(fault)),
            };
            match decode(key.value(), value.value()) {
                Ok(Some(coin)) => return Some(Ok((outpoint_of(key.value()), coin.to_compact()))),
                Ok(None) => {}
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}

/// Several tiers as one: for each key the newest tier's value.
pub(super) struct Merged {
    /// The newest first.
    ranges: Vec<Peekable<Range<'static, Key, &'static [u8]>>>,
}

impl Merged {
    pub(super) fn new<'a>(
        tables: impl Iterator<Item = &'a ReadOnlyTable<Key, &'static [u8]>>,
        from: Bound<&[u8; OUTPOINT_BYTES]>,
        to: Bound<&[u8; OUTPOINT_BYTES]>,
    ) -> Result<Merged, StoreFault> {
        let mut ranges = Vec::new();
        for table in tables {
            ranges.push(table.range::<&[u8; OUTPOINT_BYTES]>((from, to))?.peekable());
        }
        Ok(Merged { ranges })
    }

    /// The row with the lowest key.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, StoreFault> {
        let mut lowest: Option<[u8; OUTPOINT_BYTES]> = None;
        for range in &mut self.ranges {
            if let Some(key) = peek_key(range)? {
                lowest = Some(lowest.map_or(key, |l| l.min(key)));
            }
        }
        let Some(lowest) = lowest else { return Ok(None) };
        let mut newest = None;
        for range in &mut self.ranges {
            if peek_key(range)? == Some(lowest) {
                let row = range.next().transpose()?;
                newest = newest.or(row);
            }
        }
        Ok(newest)
    }
}

fn peek_key(
    range: &mut Peekable<Range<'static, Key, &'static [u8]>>,
) -> Result<Option<[u8; OUTPOINT_BYTES]>, StoreFault> {
    match range.peek() {
        None => Ok(None),
        Some(Ok((key, _))) => Ok(Some(*key.value())),
        Some(Err(_)) => {
            // The error can only be taken out by taking the row.
            let error = range.next().and_then(Result::err);
            Err(error.map_or(StoreFault::Missing { what: "a row" }, |e: StorageError| e.into()))
        }
    }
}
