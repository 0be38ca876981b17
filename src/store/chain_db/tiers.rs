use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use bitcoin::OutPoint;
use redb::{AccessGuard, Range, ReadOnlyTable, StorageError};

use crate::codec::{CompactCoin, OUTPOINT_BYTES, outpoint_key, outpoint_of};
use crate::fault::StoreFault;
use crate::filter::Filter;

pub(super) type Key = &'static [u8; OUTPOINT_BYTES];
type Row = (AccessGuard<'static, Key>, AccessGuard<'static, &'static [u8]>);

/// What of a tier answers a lookup.
pub(super) type TierView = (Arc<Filter>, ReadOnlyTable<Key, &'static [u8]>);

/// The coins as of one flush.
pub struct CoinSnapshot {
    /// The newest first.
    tiers: Vec<TierView>,
}

impl CoinSnapshot {
    pub(super) fn new(tiers: Vec<TierView>) -> CoinSnapshot {
        CoinSnapshot { tiers }
    }

    /// The coin at `outpoint`, if it was unspent.
    pub fn get(&self, outpoint: &OutPoint) -> Result<Option<CompactCoin>, StoreFault> {
        let key = outpoint_key(outpoint);
        for (filter, table) in &self.tiers {
            if let Some(value) = lookup(filter, table, &key)? {
                return decode(&key, value.value());
            }
        }
        Ok(None)
    }

    /// The coins at several outpoints, each in the place of its outpoint. They are looked up in the order given, tier by tier: in
    /// the order of their keys (txid, then number) they meet each page of the database once, which is several times faster
    /// than any other. Any number of threads may ask at once, so that a long list is best cut into one piece a thread.
    pub fn get_many(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<CompactCoin>>, StoreFault> {
        let mut found = vec![None; outpoints.len()];
        let rows = found.iter_mut().zip(outpoints.iter().map(outpoint_key));
        let mut open: Vec<_> = rows.collect();
        for (filter, table) in &self.tiers {
            let mut rest = Vec::with_capacity(open.len());
            for (slot, key) in open {
                match lookup(filter, table, &key)? {
                    Some(value) => *slot = decode(&key, value.value())?,
                    None => rest.push((slot, key)),
                }
            }
            open = rest;
        }
        Ok(found)
    }

    /// Every unspent coin whose txid begins with a byte from `first` to `last`, in the order of the keys.
    pub fn scan(&self, first: u8, last: u8) -> Result<CoinScan, StoreFault> {
        let mut from = [0; OUTPOINT_BYTES];
        let mut to = [0xff; OUTPOINT_BYTES];
        (from[0], to[0]) = (first, last);
        let tables = self.tiers.iter().map(|(_, table)| table);
        Ok(CoinScan { rows: Merged::new(tables, Bound::Included(&from), Bound::Included(&to))? })
    }
}

fn lookup(
    filter: &Filter,
    table: &ReadOnlyTable<Key, &'static [u8]>,
    key: &[u8; OUTPOINT_BYTES],
) -> Result<Option<AccessGuard<'static, &'static [u8]>>, StoreFault> {
    if filter.may_contain(key) { Ok(table.get(key)?) } else { Ok(None) }
}

/// A value is empty where the coin is spent.
fn decode(key: &[u8; OUTPOINT_BYTES], value: &[u8]) -> Result<Option<CompactCoin>, StoreFault> {
    if value.is_empty() {
        return Ok(None);
    }
    CompactCoin::decode(key, value).map(Some).map_err(StoreFault::damaged("a coin"))
}

/// A walk over unspent coins.
pub struct CoinScan {
    rows: Merged,
}

impl Iterator for CoinScan {
    type Item = Result<(OutPoint, CompactCoin), StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, value) = match self.rows.next_row() {
                Ok(row) => row?,
                Err(fault) => return Some(Err(fault)),
            };
            match decode(key.value(), value.value()) {
                Ok(Some(coin)) => return Some(Ok((outpoint_of(key.value()), coin))),
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
