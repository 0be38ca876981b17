use std::ops::Bound;
use std::sync::PoisonError;

use redb::{ReadableDatabase, WriteTransaction};

use super::records::Tier;
use super::tiers::Merged;
use super::{ChainDb, FILTERS, Known, NewTier, PARTITIONS, TIERS, coin_table, list, table_name};
use crate::codec::OUTPOINT_BYTES;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::filter::{Filter, KeyBits};

/// Tiers of like size that wait before they are merged: a coin is then written about log6 of the set's size over a
/// flush's size times besides its flush (3 times in a chain of 165 million coins), and a lookup meets five tiers a size at most.
const MERGE_TIERS_MIN: usize = 6;
/// A tier is of like size where it has at most this many times the records of the largest newer one.
const LIKE_SIZE_MAX: u64 = 2;
/// All tiers are merged where the records that say "spent", and those of the coins that they spend, are at least one of so many:
/// the coins take at most twice the room that they need, and a spent coin costs at most two records written once more.
const GARBAGE_PART: u64 = 2;

/// Records after which a merge looks whether it goes on: a millisecond.
pub(super) const LOOK_RECORDS: usize = 1_024;

/// How far a merge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeStep {
    /// There is nothing to merge.
    Idle,
    /// A slice was written; there is more.
    More,
    /// The merged tier took the place of its sources: take a new snapshot.
    Done,
}

/// A merge that goes on slice by slice. Its sources never change; flushes meanwhile only add newer tiers.
pub(super) struct MergeJob {
    partition: u8,
    /// Ages and tables, the oldest first.
    sources: Vec<(u64, u64)>,
    /// Whether nothing older exists, so that a tombstone hides nothing and is left out.
    is_oldest: bool,
    tier: Tier,
    last_key: Option<[u8; OUTPOINT_BYTES]>,
    filter: Filter,
}

impl ChainDb {
    /// Merges up to `records_max` records, if there are tiers to merge, in one durable transaction. One thread at a time: another
    /// one waits.
    pub fn merge_step(&self, records_max: usize) -> Result<MergeStep, StoreFault> {
        self.merge_step_while(records_max, &|| true)
    }

    /// As [`ChainDb::merge_step`], but that it ends soon where `goes_on` says no, with what is merged until then.
    pub fn merge_step_while(
        &self,
        records_max: usize,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<MergeStep, StoreFault> {
        // A panic with the lock held leaves no job, and what it had written is found by nobody.
        let mut merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut job) = merging.take().or_else(|| self.next_merge(0)) else { return Ok(MergeStep::Idle) };
        let txn = self.begin()?;
        let mut merged = Vec::new();
        let mut left = records_max;
        loop {
            if !self.merge_slice(&txn, &mut job, &mut left, goes_on)? {
                *merging = Some(job);
                break;
            }
            finish(&txn, &job)?;
            let from = job.partition.saturating_add(1);
            merged.push(job);
            match (left > 0).then(|| self.next_merge(from)).flatten() {
                Some(next) => job = next,
                None => break,
            }
        }
        // Held over the commit, so that no snapshot sees the old list beside the new tables.
        let mut known = self.known();
        let step = if merged.is_empty() { MergeStep::More } else { MergeStep::Done };
        let places = [Place::MergeSlice, Place::MergeFinish];
        let places = places.into_iter().take(if step == MergeStep::Done { 2 } else { 1 });
        places.clone().for_each(failpoint::before);
        txn.commit()?;
        places.for_each(failpoint::after);
        merged.into_iter().for_each(|job| known.replace(job));
        Ok(step)
    }

    /// What to merge next, from a partition on; its sources are in nobody's hands.
    fn next_merge(&self, from: u8) -> Option<MergeJob> {
        let mut known = self.known();
        let (partition, run) = (from..PARTITIONS).find_map(|p| merge_run(&known, p).map(|run| (p, run)))?;
        let records = run.iter().map(|(_, tier)| tier.records).fold(0, u64::saturating_add);
        let is_oldest =
            known.partition(partition).next().map(|(age, _)| age) == run.first().map(|(age, _)| *age);
        let tier = Tier { table: known.take_number(), records: 0, spent: 0 };
        let sources = run.into_iter().map(|(age, tier)| (age, tier.table)).collect();
        let filter = Filter::for_keys(usize::try_from(records).unwrap_or(usize::MAX));
        Some(MergeJob { partition, sources, is_oldest, tier, last_key: None, filter })
    }

    /// Writes up to `left` records, and takes them off it; all where it is not to go on. Returns whether it came to the end.
    fn merge_slice(
        &self,
        txn: &WriteTransaction,
        job: &mut MergeJob,
        left: &mut usize,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<bool, StoreFault> {
        let read = self.db.begin_read()?;
        let mut tables = Vec::new();
        for (_, table) in job.sources.iter().rev() {
            tables.push(read.open_table(coin_table(&table_name(*table)))?);
        }
        let from = job.last_key;
        let from = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = Merged::new(tables.iter(), from, Bound::Unbounded)?;
        let mut table = txn.open_table(coin_table(&table_name(job.tier.table)))?;
        let mut cursor = table.upper_bound_mut(Bound::<&[u8; OUTPOINT_BYTES]>::Unbounded)?;
        let mut finished = false;
        while *left > 0 {
            let Some((key, value)) = rows.next_row()? else {
                finished = true;
                break;
            };
            *left = left.saturating_sub(1);
            if left.is_multiple_of(LOOK_RECORDS) && !goes_on() {
                *left = 0;
            }
            job.last_key = Some(*key.value());
            let is_spent = value.value().is_empty();
            if job.is_oldest && is_spent {
                continue;
            }
            job.filter.insert(KeyBits::from(key.value()));
            cursor.insert_before(key.value(), value.value())?;
            job.tier.records = job.tier.records.saturating_add(1);
            job.tier.spent = job.tier.spent.saturating_add(u64::from(is_spent));
        }
        cursor.close()?;
        Ok(finished)
    }
}

impl MergeJob {
    /// The place of what it makes: that of its newest source.
    fn place(&self) -> (u8, u64) {
        (self.partition, self.sources.last().map_or(self.tier.table, |(age, _)| *age))
    }
}

/// Puts the merged tier in the place of its sources. Nothing is left where every coin is spent.
fn finish(txn: &WriteTransaction, job: &MergeJob) -> Result<(), StoreFault> {
    {
        let mut tiers = txn.open_table(TIERS)?;
        let mut filters = txn.open_table(FILTERS)?;
        for (age, table) in &job.sources {
            tiers.remove((job.partition, *age))?;
            txn.delete_table(coin_table(&table_name(*table)))?;
            filters.retain_in((*table, 0)..=(*table, u32::MAX), |_, _| false)?;
        }
    }
    if job.tier.records == 0 {
        txn.delete_table(coin_table(&table_name(job.tier.table)))?;
        return Ok(());
    }
    list(txn, job.place(), &job.tier, &job.filter)
}

impl Known {
    fn replace(&mut self, job: MergeJob) {
        let place = job.place();
        for (age, table) in &job.sources {
            self.tiers.remove(&(job.partition, *age));
            self.filters.remove(table);
        }
        if job.tier.records > 0 {
            self.list(NewTier { place, tier: job.tier, filter: job.filter });
        }
    }
}

/// What of a partition is to be merged, the oldest first: all of it where too much of it is garbage, else its newest tiers that
/// are of like size, else nothing.
fn merge_run(known: &Known, partition: u8) -> Option<Vec<(u64, Tier)>> {
    let all: Vec<_> = known.partition(partition).collect();
    let sum = |count: fn(&Tier) -> u64| all.iter().map(|(_, t)| count(t)).fold(0, u64::saturating_add);
    let garbage = sum(|tier| tier.spent).saturating_mul(2);
    if garbage > 0 && garbage.saturating_mul(GARBAGE_PART) >= sum(|tier| tier.records) {
        return Some(all);
    }
    let mut largest = u64::MAX;
    let mut run: Vec<(u64, Tier)> = Vec::new();
    for (age, tier) in all.into_iter().rev() {
        if !run.is_empty() && tier.records > largest.saturating_mul(LIKE_SIZE_MAX) {
            break;
        }
        largest = if run.is_empty() { tier.records } else { largest.max(tier.records) };
        run.push((age, tier));
    }
    run.reverse();
    (run.len() >= MERGE_TIERS_MIN).then_some(run)
}
