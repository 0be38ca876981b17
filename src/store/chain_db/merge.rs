use std::ops::Bound;
use std::sync::Arc;

use redb::ReadableDatabase;

use super::records::Tier;
use super::tiers::Merged;
use super::{ChainDb, FILTERS, Known, TIERS, coin_table, table_name, write_filter};
use crate::codec::OUTPOINT_BYTES;
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;
use crate::filter::Filter;

/// Tiers of like size that wait before they are merged: each coin is then written about log4 of the set's size over a
/// flush's size times (5 times in a chain of 165 million coins), and a lookup meets about three tiers a size.
const MERGE_TIERS_MIN: usize = 4;
/// An older tier joins a merge where it is at most this many times the newer ones together.
const MERGE_RATIO_MAX: u64 = 3;

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
    /// Ages and tables, the oldest first.
    sources: Vec<(u64, u64)>,
    /// Whether nothing older exists, so that a tombstone hides nothing and is left out.
    is_oldest: bool,
    target: u64,
    last_key: Option<[u8; OUTPOINT_BYTES]>,
    filter: Filter,
    written: u64,
}

impl ChainDb {
    /// Merges up to `records_max` records, if there are tiers to merge. One thread at a time.
    pub fn merge_step(&self, records_max: usize) -> Result<MergeStep, StoreFault> {
        let Some(mut job) = self.take_job() else { return Ok(MergeStep::Idle) };
        let finished = self.merge_slice(&mut job, records_max)?;
        if finished {
            self.finish_merge(job)?;
            return Ok(MergeStep::Done);
        }
        self.known().merging = Some(job);
        Ok(MergeStep::More)
    }

    fn take_job(&self) -> Option<MergeJob> {
        if let Some(job) = self.known().merging.take() {
            return Some(job);
        }
        let run = merge_run(&self.known())?;
        let target = self.take_number();
        let known = self.known();
        let records: u64 = run.iter().filter_map(|age| known.tiers.get(age)).map(|t| t.records).sum();
        let is_oldest = known.tiers.keys().next() == run.first();
        let sources = run.iter().filter_map(|age| known.tiers.get(age).map(|t| (*age, t.table))).collect();
        let filter = Filter::for_keys(usize::try_from(records).unwrap_or(usize::MAX));
        Some(MergeJob { sources, is_oldest, target, last_key: None, filter, written: 0 })
    }

    /// Returns whether it came to the end.
    fn merge_slice(&self, job: &mut MergeJob, records_max: usize) -> Result<bool, StoreFault> {
        let read = self.db.begin_read()?;
        let mut tables = Vec::new();
        for (_, table) in job.sources.iter().rev() {
            tables.push(read.open_table(coin_table(&table_name(*table)))?);
        }
        let from = job.last_key;
        let from = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = Merged::new(tables.iter(), from, Bound::Unbounded)?;
        let txn = self.begin()?;
        let finished = {
            let mut table = txn.open_table(coin_table(&table_name(job.target)))?;
            let mut cursor = table.upper_bound_mut(Bound::<&[u8; OUTPOINT_BYTES]>::Unbounded)?;
            let mut finished = true;
            let mut seen = 0usize;
            while let Some((key, value)) = rows.next_row()? {
                job.last_key = Some(*key.value());
                if !(job.is_oldest && value.value().is_empty()) {
                    job.filter.insert(key.value());
                    cursor.insert_before(key.value(), value.value())?;
                    job.written = job.written.saturating_add(1);
                }
                seen = seen.saturating_add(1);
                if seen >= records_max {
                    finished = false;
                    break;
                }
            }
            cursor.close()?;
            finished
        };
        failpoint::before(Place::MergeSlice);
        txn.commit()?;
        failpoint::after(Place::MergeSlice);
        Ok(finished)
    }

    /// Puts the merged tier in the place of its sources.
    fn finish_merge(&self, job: MergeJob) -> Result<(), StoreFault> {
        let tier = Tier { table: job.target, records: job.written };
        let age = job.sources.last().map_or(job.target, |(age, _)| *age);
        let txn = self.begin()?;
        {
            let mut tiers = txn.open_table(TIERS)?;
            let mut filters = txn.open_table(FILTERS)?;
            for (age, table) in &job.sources {
                tiers.remove(age)?;
                txn.delete_table(coin_table(&table_name(*table)))?;
                filters.retain_in((*table, 0)..=(*table, u32::MAX), |_, _| false)?;
            }
            tiers.insert(age, tier.encode().as_slice())?;
        }
        write_filter(&txn, job.target, &job.filter)?;
        // Held over the commit, so that no snapshot sees the old list beside the new tables.
        let mut known = self.known();
        failpoint::before(Place::MergeFinish);
        txn.commit()?;
        failpoint::after(Place::MergeFinish);
        for (age, table) in &job.sources {
            known.tiers.remove(age);
            known.filters.remove(table);
        }
        known.tiers.insert(age, tier);
        known.filters.insert(job.target, Arc::new(job.filter));
        Ok(())
    }
}

/// The ages of the newest tiers that are of like size, the oldest first; none where they are too few.
fn merge_run(known: &Known) -> Option<Vec<u64>> {
    let mut run: Vec<u64> = Vec::new();
    let mut records = 0u64;
    for (age, tier) in known.tiers.iter().rev() {
        if !run.is_empty() && tier.records > records.saturating_mul(MERGE_RATIO_MAX) {
            break;
        }
        records = records.saturating_add(tier.records);
        run.push(*age);
    }
    run.reverse();
    (run.len() >= MERGE_TIERS_MIN).then_some(run)
}
