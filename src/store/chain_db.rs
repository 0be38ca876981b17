//! `chainstate.redb`: headers, coins and the tip that they belong to. The tables stand in docs/store.md.
//!
//! Coins lie in tiers: a flush writes one new table in key order, spends as tombstones; a coin is looked up in the newest
//! tier first. Tiers of like size are merged in slices, so that the only writer is never held for long.

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

use crate::codec::{CompactCoin, OUTPOINT_BYTES, outpoint_key};
use crate::database;
use crate::disk::{Disk, MachineDisk};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::filter::{CHUNK_BYTES, Filter};
use asides::OVERWRITTEN;
use bitcoin::OutPoint;
use merge::MergeJob;
use records::Tier;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const NODES: TableDefinition<u32, &[u8]> = TableDefinition::new("nodes");
const TIERS: TableDefinition<u64, &[u8]> = TableDefinition::new("tiers");
const FILTERS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("filters");
/// The one record of META.
const STATE: &str = "state";
/// Coins of a tier: `coins.` and its number.
const COINS_PREFIX: &str = "coins.";
/// Pages that redb keeps in memory: enough for the branches above the leaves of a whole coin set (15 GB, 1.5 million
/// leaves of 4 kB at 60 keys a branch page make 100 MB; half of them are not touched for long). What is hot lies in the coin cache.
const PAGE_CACHE_BYTES: usize = 48 << 20;

type CoinTable<'a> = TableDefinition<'a, &'static [u8; OUTPOINT_BYTES], &'static [u8]>;

fn coin_table(name: &str) -> CoinTable<'_> {
    TableDefinition::new(name)
}

fn table_name(table: u64) -> String {
    format!("{COINS_PREFIX}{table}")
}

/// A coin that is not as on disk: none where it is spent.
pub type ChangedCoin<'c> = (&'c OutPoint, Option<&'c CompactCoin>);

/// What a flush makes durable at once.
pub struct Flush<'i, 'c> {
    /// The tip that the coins belong to, and how far the flat files are written.
    pub state: FlushState,
    /// Headers that are new or whose record has changed.
    pub nodes: Vec<NodeRecord>,
    /// How many coins follow.
    pub coins_count: usize,
    /// Changed coins in the order of their keys (txid, then number); none for a spent one.
    pub coins: &'i mut (dyn Iterator<Item = ChangedCoin<'c>> + 'i),
}

/// The database of headers and coins.
pub struct ChainDb {
    db: Database,
    known: Mutex<Known>,
}

/// What is kept in memory of it.
#[derive(Default)]
struct Known {
    /// By age, the oldest first.
    tiers: BTreeMap<u64, Tier>,
    filters: BTreeMap<u64, Arc<Filter>>,
    /// The number of the next coin table, and the age of the next tier.
    next: u64,
    merging: Option<MergeJob>,
}

impl ChainDb {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<ChainDb, StoreFault> {
        ChainDb::open_on(&MachineDisk, path)
    }

    /// As [`ChainDb::open`], on another disk.
    pub fn open_on(disk: &dyn Disk, path: &Path) -> Result<ChainDb, StoreFault> {
        let db = database::open(disk, path, PAGE_CACHE_BYTES)?;
        let this = ChainDb { db, known: Mutex::default() };
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
        let txn = self.begin()?;
        txn.open_table(META)?.insert(STATE, flush.state.encode().as_slice())?;
        write_nodes(&txn, &flush.nodes)?;
        let tier = self.write_tier(&txn, flush.coins_count, flush.coins)?;
        failpoint::before(Place::FlushCommit);
        txn.commit()?;
        failpoint::after(Place::FlushCommit);
        if let Some((age, tier, filter)) = tier {
            let mut known = self.known();
            known.filters.insert(tier.table, Arc::new(filter));
            known.tiers.insert(age, tier);
        }
        Ok(())
    }

    /// The coins as of the last flush; later flushes do not change it.
    pub fn snapshot(&self) -> Result<CoinSnapshot, StoreFault> {
        // The lock is held over the start of the reading transaction, so that list and tables are of one moment.
        let known = self.known();
        let txn = self.db.begin_read()?;
        let mut tiers = Vec::new();
        for tier in known.tiers.values().rev() {
            let table = txn.open_table(coin_table(&table_name(tier.table)))?;
            let filter =
                known.filters.get(&tier.table).ok_or(StoreFault::Missing { what: "a tier's filter" })?;
            tiers.push((Arc::clone(filter), table));
        }
        Ok(CoinSnapshot::new(tiers))
    }

    /// How many tiers there are.
    pub fn tiers(&self) -> usize {
        self.known().tiers.len()
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

    fn load(&self, tiers: BTreeMap<u64, Tier>) -> Result<(), StoreFault> {
        let mut known = self.known();
        let table = self.db.begin_read()?.open_table(FILTERS)?;
        for (age, tier) in &tiers {
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

    /// A new tier of these coins, in order; none where there are none.
    fn write_tier(
        &self,
        txn: &WriteTransaction,
        count: usize,
        coins: &mut dyn Iterator<Item = ChangedCoin<'_>>,
    ) -> Result<Option<(u64, Tier, Filter)>, StoreFault> {
        if count == 0 {
            return Ok(None);
        }
        let number = self.take_number();
        let mut filter = Filter::for_keys(count);
        let mut written = 0u64;
        {
            let mut table = txn.open_table(coin_table(&table_name(number)))?;
            let mut cursor = table.upper_bound_mut(Bound::<&[u8; OUTPOINT_BYTES]>::Unbounded)?;
            let mut value = Vec::new();
            for (outpoint, coin) in coins {
                let key = outpoint_key(outpoint);
                value.clear();
                if let Some(coin) = coin {
                    coin.encode(&key, &mut value);
                }
                filter.insert(&key);
                cursor.insert_before(&key, value.as_slice())?;
                written = written.saturating_add(1);
            }
            cursor.close()?;
        }
        let tier = Tier { table: number, records: written };
        write_filter(txn, number, &filter)?;
        txn.open_table(TIERS)?.insert(number, tier.encode().as_slice())?;
        Ok(Some((number, tier, filter)))
    }

    fn take_number(&self) -> u64 {
        let mut known = self.known();
        let number = known.next;
        known.next = number.saturating_add(1);
        number
    }
}

fn read_tiers(txn: &WriteTransaction) -> Result<BTreeMap<u64, Tier>, StoreFault> {
    let table = txn.open_table(TIERS)?;
    let mut tiers = BTreeMap::new();
    for row in table.iter()? {
        let (age, value) = row?;
        let tier = Tier::decode(value.value()).map_err(StoreFault::damaged("a tier's record"))?;
        tiers.insert(age.value(), tier);
    }
    Ok(tiers)
}

/// Forgets tables that a merge had begun when the process ended.
fn drop_unlisted(txn: &WriteTransaction, tiers: &BTreeMap<u64, Tier>) -> Result<(), StoreFault> {
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
