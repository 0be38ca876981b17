//! `chainstate.redb`: headers, coins and the tip that they belong to. The tables stand in docs/store.md.
//!
//! Coins lie in tiers: a flush writes new tables in key order, spends as tombstones; a coin is looked up in the newest tier
//! first. Tiers of like size are merged in slices, so that the only writer is never held for long. Each eighth of the
//! keys has its own tiers, so that a merge needs room for an eighth of the coins only, and gives back what it replaces
//! before the next one begins.

mod asides;
mod audit;
mod merge;
mod records;
mod tiers;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableHandle, WriteTransaction,
};

pub use audit::{TierCheck, TierInfo};
pub use merge::MergeStep;
pub use records::{FlushState, NodeRecord};
pub use tiers::{CoinScan, CoinSnapshot};

use crate::codec::OUTPOINT_BYTES;
use crate::coin::PackedCoin;
use crate::database;
use crate::disk::{Disk, MachineDisk};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::filter::{CHUNK_BYTES, Filter, KeyBits};
use asides::OVERWRITTEN;
use merge::MergeJob;
use records::Tier;
use tiers::TierView;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const NODES: TableDefinition<u32, &[u8]> = TableDefinition::new("nodes");
const TIERS: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("tiers");
const FILTERS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("filters");
/// The one record of META.
const STATE: &str = "state";
/// Coins of a tier: `coins.` and its number.
const COINS_PREFIX: &str = "coins.";
/// Bytes of pages that redb keeps in memory where nothing else is said.
pub(crate) const PAGE_BYTES_DEFAULT: usize = 48 << 20;

/// Records that one transaction of a flush writes. Beyond what redb keeps of pages in memory, it writes them before the commit
/// and once more in it: twice the bytes.
const FLUSH_RECORDS: usize = 200_000;

type CoinTable<'a> = TableDefinition<'a, &'static [u8; OUTPOINT_BYTES], &'static [u8]>;

fn coin_table(name: &str) -> CoinTable<'_> {
    TableDefinition::new(name)
}

fn table_name(table: u64) -> String {
    format!("{COINS_PREFIX}{table}")
}

/// Parts of the key space that have their own tiers: one for each value of a txid's first three bits. Whoever grinds txids into
/// one of them makes its merges as large as if there were no partitions.
const PARTITIONS: u8 = 8;

fn partition_of(key: &[u8; OUTPOINT_BYTES]) -> u8 {
    key[0] >> 5
}

/// The key of a coin that is not as on disk (see [`outpoint_key`](crate::outpoint_key)), and the coin: none where it is spent.
pub type ChangedCoin<'c> = (&'c [u8; OUTPOINT_BYTES], Option<PackedCoin<'c>>);

/// What a flush makes durable at once.
pub struct Flush<'i, 'c> {
    /// The tip that the coins belong to, and how far the flat files are written.
    pub state: FlushState,
    /// Headers that are new or whose record has changed.
    pub nodes: Vec<NodeRecord>,
    /// Changed coins in the order of their keys.
    pub coins: &'i mut (dyn Iterator<Item = ChangedCoin<'c>> + 'i),
}

/// The database of headers and coins.
pub struct ChainDb {
    db: Database,
    page_bytes: usize,
    known: Mutex<Known>,
    /// Held by whoever merges.
    merging: Mutex<Option<MergeJob>>,
}

/// What is kept in memory of it.
#[derive(Default)]
struct Known {
    tiers: Tiers,
    /// By table.
    filters: BTreeMap<u64, Arc<Filter>>,
    /// The number of the next coin table, and the age of the next tier.
    next: u64,
}

/// By partition and age, the oldest of a partition first.
type Tiers = BTreeMap<(u8, u64), Tier>;

/// A tier that was written, and is not listed yet.
struct NewTier {
    place: (u8, u64),
    tier: Tier,
    filter: Filter,
}

impl ChainDb {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<ChainDb, StoreFault> {
        ChainDb::open_on(&MachineDisk, path)
    }

    /// As [`ChainDb::open`], on another disk.
    pub fn open_on(disk: &dyn Disk, path: &Path) -> Result<ChainDb, StoreFault> {
        ChainDb::open_sized(disk, path, PAGE_BYTES_DEFAULT)
    }

    /// As [`ChainDb::open_on`], with so many bytes of pages in memory.
    pub(crate) fn open_sized(disk: &dyn Disk, path: &Path, page_bytes: usize) -> Result<ChainDb, StoreFault> {
        let db = database::open(disk, path, page_bytes)?;
        let this = ChainDb { db, page_bytes, known: Mutex::default(), merging: Mutex::default() };
        let txn = this.begin()?;
        txn.open_table(META)?;
        txn.open_table(NODES)?;
        txn.open_table(FILTERS)?;
        txn.open_table(OVERWRITTEN)?;
        let tiers = read_tiers(&txn)?;
        drop_unlisted(&txn, &tiers)?;
        txn.commit()?;
        this.load(tiers)?;
        Ok(this)
    }

    /// What the last flush left; none in a new database.
    pub fn state(&self) -> Result<Option<FlushState>, StoreFault> {
        let table = self.db.begin_read()?.open_table(META)?;
        let Some(bytes) = table.get(STATE)? else { return Ok(None) };
        FlushState::decode(bytes.value()).map(Some).map_err(StoreFault::damaged("the flush state"))
    }

    /// Every header, in the order in which they came: parents before children.
    pub fn for_each_node<F, E>(&self, mut each: F) -> Result<(), E>
    where
        F: FnMut(NodeRecord) -> Result<(), E>,
        E: From<StoreFault>,
    {
        let table =
            self.db.begin_read().map_err(StoreFault::from)?.open_table(NODES).map_err(StoreFault::from)?;
        for row in table.iter().map_err(StoreFault::from)? {
            let (key, value) = row.map_err(StoreFault::from)?;
            let record = NodeRecord::decode(key.value(), value.value());
            each(record.map_err(StoreFault::damaged("a header record"))?)?;
        }
        Ok(())
    }

    /// Makes everything in it durable, or nothing.
    pub fn flush(&self, flush: Flush<'_, '_>) -> Result<(), StoreFault> {
        let (txn, new) = self.write_tiers(self.begin()?, flush.coins)?;
        for NewTier { place, tier, filter } in &new {
            list(&txn, *place, tier, filter)?;
        }
        txn.open_table(META)?.insert(STATE, flush.state.encode().as_slice())?;
        write_nodes(&txn, &flush.nodes)?;
        failpoint::before(Place::FlushCommit);
        txn.commit()?;
        failpoint::after(Place::FlushCommit);
        let mut known = self.known();
        for tier in new {
            known.list(tier);
        }
        Ok(())
    }

    /// The coins as of the last flush; later flushes do not change it.
    pub fn snapshot(&self) -> Result<CoinSnapshot, StoreFault> {
        // The lock is held over the start of the reading transaction, so that list and tables are of one moment.
        let known = self.known();
        let txn = self.db.begin_read()?;
        let mut partitions: Vec<Vec<TierView>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
        for ((partition, _), tier) in known.tiers.iter().rev() {
            let table = txn.open_table(coin_table(&table_name(tier.table)))?;
            let filter =
                known.filters.get(&tier.table).ok_or(StoreFault::Missing { what: "a tier's filter" })?;
            if let Some(tiers) = partitions.get_mut(usize::from(*partition)) {
                tiers.push((Arc::clone(filter), table));
            }
        }
        Ok(CoinSnapshot::new(partitions))
    }

    /// Tiers in the partition that has most of them: what a lookup asks at worst.
    pub fn tiers(&self) -> usize {
        let known = self.known();
        (0..PARTITIONS).map(|p| known.partition(p).count()).max().unwrap_or(0)
    }

    /// Records of coins, tombstones among them.
    pub fn coin_records(&self) -> u64 {
        self.known().tiers.values().map(|tier| tier.records).fold(0, u64::saturating_add)
    }

    /// Bytes that it takes in memory at most: pages and filters. A flush adds 16 bytes for each coin of an eighth of it.
    pub fn memory_bytes(&self) -> usize {
        let filters = self.known().filters.values().map(|filter| filter.bytes()).sum::<usize>();
        self.page_bytes.saturating_add(filters)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change under the lock follows a commit and cannot fail half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction whose commit is durable, in two phases, and needs no walk over the file after a crash.
    fn begin(&self) -> Result<WriteTransaction, StoreFault> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        Ok(txn)
    }

    fn load(&self, tiers: Tiers) -> Result<(), StoreFault> {
        let mut known = self.known();
        let table = self.db.begin_read()?.open_table(FILTERS)?;
        for ((_, age), tier) in &tiers {
            let mut bytes = Vec::new();
            for row in table.range((tier.table, 0)..=(tier.table, u32::MAX))? {
                bytes.extend_from_slice(row?.1.value());
            }
            let filter = Filter::from_bytes(&bytes).ok_or(StoreFault::Missing { what: "a tier's filter" })?;
            known.filters.insert(tier.table, Arc::new(filter));
            known.next = known.next.max(tier.table.max(*age).saturating_add(1));
        }
        known.tiers = tiers;
        Ok(())
    }

    /// Writes a new tier in each partition that these coins lie in. They come in the order of their keys. Nothing lists the tiers
    /// yet: a long flush is committed in pieces before the commit that lists them, and what a crash leaves of them is dropped.
    fn write_tiers(
        &self,
        mut txn: WriteTransaction,
        coins: &mut dyn Iterator<Item = ChangedCoin<'_>>,
    ) -> Result<(WriteTransaction, Vec<NewTier>), StoreFault> {
        let mut coins = coins.peekable();
        let mut new = Vec::new();
        let mut left = FLUSH_RECORDS;
        while let Some(partition) = coins.peek().map(|(key, _)| partition_of(key)) {
            let mut tier = Tier { table: self.take_number(), records: 0, spent: 0 };
            let mut keys = Vec::new();
            let mut rows = std::iter::from_fn(|| coins.next_if(|(key, _)| partition_of(key) == partition));
            while !write_coins(&txn, (&mut tier, &mut keys), &mut rows, &mut left)? {
                txn.commit()?;
                txn = self.begin()?;
                left = FLUSH_RECORDS;
            }
            new.push(NewTier { place: (partition, tier.table), tier, filter: Filter::of(&keys) });
        }
        Ok((txn, new))
    }

    fn take_number(&self) -> u64 {
        self.known().take_number()
    }
}

impl Known {
    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }

    fn list(&mut self, new: NewTier) {
        self.filters.insert(new.tier.table, Arc::new(new.filter));
        self.tiers.insert(new.place, new.tier);
    }

    /// The tiers of a partition and their ages, the oldest first.
    fn partition(&self, partition: u8) -> impl DoubleEndedIterator<Item = (u64, Tier)> {
        let range = self.tiers.range((partition, 0)..=(partition, u64::MAX));
        range.map(|((_, age), tier)| (*age, *tier))
    }
}

/// Appends up to `left` coins to a tier's table, in the order of their keys. Returns whether it came to their end.
fn write_coins(
    txn: &WriteTransaction,
    (tier, keys): (&mut Tier, &mut Vec<KeyBits>),
    coins: &mut dyn Iterator<Item = ChangedCoin<'_>>,
    left: &mut usize,
) -> Result<bool, StoreFault> {
    let mut table = txn.open_table(coin_table(&table_name(tier.table)))?;
    let mut cursor = table.upper_bound_mut(Bound::<&[u8; OUTPOINT_BYTES]>::Unbounded)?;
    let mut value = Vec::new();
    let mut finished = false;
    while *left > 0 {
        let Some((key, coin)) = coins.next() else {
            finished = true;
            break;
        };
        *left = left.saturating_sub(1);
        value.clear();
        match coin {
            Some(coin) => coin.encode(key, &mut value),
            None => tier.spent = tier.spent.saturating_add(1),
        }
        tier.records = tier.records.saturating_add(1);
        keys.push(KeyBits::from(key));
        cursor.insert_before(key, value.as_slice())?;
    }
    cursor.close()?;
    Ok(finished)
}

/// Makes a tier one that is found at the next start.
fn list(txn: &WriteTransaction, place: (u8, u64), tier: &Tier, filter: &Filter) -> Result<(), StoreFault> {
    write_filter(txn, tier.table, filter)?;
    txn.open_table(TIERS)?.insert(place, tier.encode().as_slice())?;
    Ok(())
}

fn read_tiers(txn: &WriteTransaction) -> Result<Tiers, StoreFault> {
    let table = txn.open_table(TIERS)?;
    let mut tiers = BTreeMap::new();
    for row in table.iter()? {
        let (place, value) = row?;
        let tier = Tier::decode(value.value()).map_err(StoreFault::damaged("a tier's record"))?;
        tiers.insert(place.value(), tier);
    }
    Ok(tiers)
}

/// Forgets tables that a merge had begun when the process ended.
fn drop_unlisted(txn: &WriteTransaction, tiers: &Tiers) -> Result<(), StoreFault> {
    let listed: Vec<String> = tiers.values().map(|tier| table_name(tier.table)).collect();
    let found: Vec<String> = txn.list_tables()?.map(|t| t.name().to_owned()).collect();
    for name in found {
        if name.starts_with(COINS_PREFIX) && !listed.contains(&name) {
            txn.delete_table(coin_table(&name))?;
        }
    }
    Ok(())
}

fn write_nodes(txn: &WriteTransaction, nodes: &[NodeRecord]) -> Result<(), StoreFault> {
    let mut table = txn.open_table(NODES)?;
    for node in nodes {
        table.insert(node.number, node.encode().as_slice())?;
    }
    Ok(())
}

fn write_filter(txn: &WriteTransaction, table: u64, filter: &Filter) -> Result<(), StoreFault> {
    let mut filters = txn.open_table(FILTERS)?;
    for (chunk, bytes) in (0u32..).zip(filter.to_bytes().chunks(CHUNK_BYTES)) {
        filters.insert((table, chunk), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "chain_db/tests.rs"]
mod tests;
