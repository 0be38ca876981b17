//! `index-<name>.redb`: what an index knows of the best chain's blocks, by height, and rows by key. The tables stand in
//! docs/store.md.
//!
//! The last block's row is the place where the index stands; it is written in one commit with all that belongs to it. An index
//! can be thrown away and built again at any time: nothing else depends on it.

mod records;

use std::ops::Bound;
use std::path::Path;

use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::codec::take_array;
use crate::database;
use crate::disk::{Disk, MachineDisk};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;

pub use records::{CoinStatsRecord, FilterRecord};

/// By height: the block's hash, then what the index says of it.
const BLOCKS: TableDefinition<u32, &[u8]> = TableDefinition::new("blocks");
/// By height: what is too long for BLOCKS.
const BODIES: TableDefinition<u32, &[u8]> = TableDefinition::new("bodies");
/// By number, the newest last: how many places the table `places.N` has.
const RUNS: TableDefinition<u64, u64> = TableDefinition::new("runs");
const PLACES_PREFIX: &str = "places.";
/// First bytes of a txid, height, offset; both big-endian.
const PLACE_BYTES: usize = TXID_BYTES + 8;
const TXID_BYTES: usize = 8;
/// Pages that redb keeps in memory: writing is in the order of keys, and questions are few.
const PAGE_CACHE_BYTES: usize = 16 << 20;
/// Runs of like size that are merged together, and how much larger than all newer ones a run may be to be like them.
const MERGE_RUNS_MIN: usize = 4;
const MERGE_LIKE_MAX: u64 = 3;
/// Places that a merge takes between two questions whether to go on: some milliseconds.
const MERGE_STRIDE: u64 = 4_096;
/// Places that an answer has at most. Txids that begin with the same 8 bytes take 2^32 hashes for the first pair and 2^64 for
/// each with a txid that is given.
const FOUND_MAX: usize = 64;

type PlaceTable<'a> = TableDefinition<'a, &'static [u8; PLACE_BYTES], ()>;

fn table_name(run: u64) -> String {
    format!("{PLACES_PREFIX}{run}")
}

fn place_table(name: &str) -> PlaceTable<'_> {
    TableDefinition::new(name)
}

/// What an index says of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Some hundred bytes at most.
    pub head: Vec<u8>,
    /// More, where there is more.
    pub body: Option<Vec<u8>>,
}

/// Where a transaction may stand: to be compared with what stands there, since only the txid's first bytes are kept, and
/// since the block at this height may be another one by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxPlace {
    /// The height of its block.
    pub height: Height,
    /// Bytes before it in the block.
    pub offset: u32,
}

/// One index.
pub struct IndexDb {
    db: Database,
}

impl IndexDb {
    /// Opens or makes it.
    pub fn open(path: &Path) -> Result<IndexDb, StoreFault> {
        IndexDb::open_on(&MachineDisk, path)
    }

    /// As [`IndexDb::open`], on another disk.
    pub fn open_on(disk: &dyn Disk, path: &Path) -> Result<IndexDb, StoreFault> {
        let this = IndexDb { db: database::open(disk, path, PAGE_CACHE_BYTES)? };
        let txn = this.begin()?;
        txn.open_table(BLOCKS)?;
        txn.open_table(BODIES)?;
        txn.open_table(RUNS)?;
        txn.commit()?;
        Ok(this)
    }

    /// The block that it stands at; none where it is new.
    pub fn last(&self) -> Result<Option<IndexedBlock>, StoreFault> {
        let table = self.db.begin_read()?.open_table(BLOCKS)?;
        let Some((height, row)) = table.last()? else { return Ok(None) };
        block_of(height.value(), row.value()).map(Some)
    }

    /// What it says of the block at `height`, without its body.
    pub fn block(&self, height: Height) -> Result<Option<IndexedBlock>, StoreFault> {
        block_in(&self.db.begin_read()?, height)
    }

    /// What it says of the block at `height`, with its body.
    pub fn block_with_body(&self, height: Height) -> Result<Option<IndexedBlock>, StoreFault> {
        let txn = self.db.begin_read()?;
        let Some(mut block) = block_in(&txn, height)? else { return Ok(None) };
        let bodies = txn.open_table(BODIES)?;
        block.body = bodies.get(height.to_u32())?.map(|body| body.value().to_vec());
        Ok(Some(block))
    }

    /// Forgets every block above `keep` (all where there is none), then takes these, which stand on it, with the places of
    /// their transactions, in any order. Durable when it returns, all or nothing.
    pub fn append(
        &self,
        keep: Option<Height>,
        blocks: &[IndexedBlock],
        places: &[(Txid, TxPlace)],
    ) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        {
            let (mut heads, mut bodies) = (txn.open_table(BLOCKS)?, txn.open_table(BODIES)?);
            let from = keep.map_or(0, |keep| keep.next().to_u32());
            heads.retain_in(from.., |_, _| false)?;
            bodies.retain_in(from.., |_, _| false)?;
            for block in blocks {
                let row = [block.hash.as_byte_array().as_slice(), &block.head].concat();
                heads.insert(block.height.to_u32(), row.as_slice())?;
                if let Some(body) = &block.body {
                    bodies.insert(block.height.to_u32(), body.as_slice())?;
                }
            }
        }
        let mut keys: Vec<_> = places.iter().map(|(txid, place)| place_key(txid, *place)).collect();
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            write_run(&txn, keys.iter().map(|key| Ok(*key)))?;
        }
        commit(txn, Place::IndexCommit)
    }

    /// Where a transaction may stand, the highest first.
    pub fn find(&self, txid: &Txid) -> Result<Vec<TxPlace>, StoreFault> {
        let txn = self.db.begin_read()?;
        let (from, to) = (key_of(txid, [0; 4], [0; 4]), key_of(txid, [0xff; 4], [0xff; 4]));
        let mut found = Vec::new();
        for run in txn.open_table(RUNS)?.iter()? {
            let table = txn.open_table(place_table(&table_name(run?.0.value())))?;
            for row in table.range::<&[u8; PLACE_BYTES]>(&from..=&to)?.take(FOUND_MAX) {
                found.push(place_of(row?.0.value()));
            }
        }
        found.sort_unstable_by_key(|place: &TxPlace| std::cmp::Reverse((place.height, place.offset)));
        found.dedup();
        found.truncate(FOUND_MAX);
        Ok(found)
    }

    /// Merges runs of like size, if there are enough of them, while `go_on` says so; says whether it did. One that is cut short
    /// leaves no trace.
    pub fn merge(&self, go_on: &dyn Fn() -> bool) -> Result<bool, StoreFault> {
        let runs = self.runs_alike()?;
        if runs.len() < MERGE_RUNS_MIN {
            return Ok(false);
        }
        let read = self.db.begin_read()?;
        let txn = self.begin()?;
        let mut rows = MergedRuns::new(&read, &runs, go_on)?;
        write_run(&txn, &mut rows)?;
        if rows.cut_short {
            txn.abort()?;
            return Ok(false);
        }
        for run in runs {
            txn.open_table(RUNS)?.remove(run)?;
            txn.delete_table(place_table(&table_name(run)))?;
        }
        commit(txn, Place::IndexMerge).map(|()| true)
    }

    /// The newest runs that are alike.
    fn runs_alike(&self) -> Result<Vec<u64>, StoreFault> {
        let table = self.db.begin_read()?.open_table(RUNS)?;
        let (mut alike, mut sum) = (Vec::new(), 0u64);
        for run in table.iter()?.rev() {
            let (number, places) = run?;
            let places = places.value();
            if !alike.is_empty() && places > sum.saturating_mul(MERGE_LIKE_MAX) {
                break;
            }
            alike.push(number.value());
            sum = sum.saturating_add(places);
        }
        Ok(alike)
    }

    /// How many runs there are.
    pub fn runs(&self) -> Result<u64, StoreFault> {
        use redb::ReadableTableMetadata;
        Ok(self.db.begin_read()?.open_table(RUNS)?.len()?)
    }

    /// A transaction whose commit is durable, in two phases, and needs no walk over the file after a crash.
    fn begin(&self) -> Result<WriteTransaction, StoreFault> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        Ok(txn)
    }
}

fn commit(txn: WriteTransaction, place: Place) -> Result<(), StoreFault> {
    failpoint::before(place);
    txn.commit()?;
    failpoint::after(place);
    Ok(())
}

fn block_in(txn: &ReadTransaction, height: Height) -> Result<Option<IndexedBlock>, StoreFault> {
    let table = txn.open_table(BLOCKS)?;
    let Some(row) = table.get(height.to_u32())? else { return Ok(None) };
    block_of(height.to_u32(), row.value()).map(Some)
}

fn block_of(height: u32, row: &[u8]) -> Result<IndexedBlock, StoreFault> {
    let mut rest = row;
    let hash = take_array::<32>(&mut rest).map_err(StoreFault::damaged("an index's row"))?;
    let (height, hash) = (Height::new(height), BlockHash::from_byte_array(hash));
    Ok(IndexedBlock { height, hash, head: rest.to_vec(), body: None })
}

/// A new run of these keys, which come in order.
fn write_run(
    txn: &WriteTransaction,
    keys: impl Iterator<Item = Result<[u8; PLACE_BYTES], StoreFault>>,
) -> Result<(), StoreFault> {
    let mut runs = txn.open_table(RUNS)?;
    let number = runs.last()?.map_or(0, |(last, _)| last.value().saturating_add(1));
    let name = table_name(number);
    let mut table = txn.open_table(place_table(&name))?;
    let mut cursor = table.upper_bound_mut(Bound::<&[u8; PLACE_BYTES]>::Unbounded)?;
    let mut written = 0u64;
    for key in keys {
        cursor.insert_before(&key?, ())?;
        written = written.saturating_add(1);
    }
    cursor.close()?;
    runs.insert(number, written)?;
    Ok(())
}

fn key_of(txid: &Txid, height: [u8; 4], offset: [u8; 4]) -> [u8; PLACE_BYTES] {
    let mut key = [0; PLACE_BYTES];
    let parts = txid.as_byte_array().iter().take(TXID_BYTES).chain(&height).chain(&offset);
    key.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
    key
}

fn place_key(txid: &Txid, place: TxPlace) -> [u8; PLACE_BYTES] {
    key_of(txid, place.height.to_u32().to_be_bytes(), place.offset.to_be_bytes())
}

fn place_of(key: &[u8; PLACE_BYTES]) -> TxPlace {
    // The key has exactly 8 and 4 and 4 bytes, so no part can be short.
    let part =
        |from: usize| key.get(from..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    TxPlace {
        height: Height::new(u32::from_be_bytes(part(TXID_BYTES))),
        offset: u32::from_be_bytes(part(TXID_BYTES + 4)),
    }
}

/// Several runs as one, each key once.
struct MergedRuns<'g> {
    ranges: Vec<std::iter::Peekable<Keys>>,
    go_on: &'g dyn Fn() -> bool,
    taken: u64,
    cut_short: bool,
}

type Keys = Box<dyn Iterator<Item = Result<[u8; PLACE_BYTES], StoreFault>>>;

impl<'g> MergedRuns<'g> {
    fn new(read: &ReadTransaction, runs: &[u64], go_on: &'g dyn Fn() -> bool) -> Result<Self, StoreFault> {
        let mut ranges = Vec::new();
        for run in runs {
            let table = read.open_table(place_table(&table_name(*run)))?;
            let rows = table.range::<&[u8; PLACE_BYTES]>(..)?;
            let keys: Keys = Box::new(rows.map(|row| Ok(*row?.0.value())));
            ranges.push(keys.peekable());
        }
        Ok(MergedRuns { ranges, go_on, taken: 0, cut_short: false })
    }
}

impl Iterator for MergedRuns<'_> {
    type Item = Result<[u8; PLACE_BYTES], StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.taken = self.taken.saturating_add(1);
        if self.taken.is_multiple_of(MERGE_STRIDE) && !(self.go_on)() {
            self.cut_short = true;
        }
        if self.cut_short {
            return None;
        }
        let mut lowest: Option<[u8; PLACE_BYTES]> = None;
        for range in &mut self.ranges {
            match range.peek() {
                Some(Ok(key)) => lowest = Some(lowest.map_or(*key, |l| l.min(*key))),
                Some(Err(_)) => return range.next(),
                None => {}
            }
        }
        let lowest = lowest?;
        for range in &mut self.ranges {
            range.next_if(|key| matches!(key, Ok(key) if *key == lowest));
        }
        Some(Ok(lowest))
    }
}

#[cfg(test)]
#[path = "index_db/tests.rs"]
mod tests;
