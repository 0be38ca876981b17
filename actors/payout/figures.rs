use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use adit_domain::payout::{ShareCredit, ShareLog, ShareLogFault, ShareTotals, StatsSink, WorkerTotals};
use adit_domain::units::UnixMillis;

/// A hashrate is that of the last ten minutes: at a usual twenty shares a minute it is right to 7 %.
const HASHRATE_WINDOW_MS: u64 = 600_000;
/// The window's resolution.
const BUCKET_MS: u64 = 10_000;
/// Workers with figures at most, 60 rows of 24 bytes each: 150 MB, were all of them mining. Names are the miners' to choose;
/// beyond it the quarter that was heard of longest ago makes room: its shares are credited, its figures begin anew.
const WORKERS_MAX: usize = 100_000;

/// The figures that cost nothing to lose: rates, and shares refused. In memory; the rates are read back from the log.
#[derive(Default)]
pub(super) struct Figures(Mutex<HashMap<String, Worker>>);

#[derive(Default)]
struct Worker {
    /// When something came of it.
    heard: UnixMillis,
    rejected: u64,
    /// Work by the bucket of its time, the last ten minutes.
    buckets: BTreeMap<u64, u128>,
    /// The earliest share in the window and its work, which was done before it came.
    first: Option<(UnixMillis, u128)>,
}

impl Figures {
    /// Reads the last minutes of the log, so that rates go on after a restart.
    pub(super) fn read_back(&self, log: &dyn ShareLog, now: UnixMillis) -> Result<(), ShareLogFault> {
        log.newest(&mut |share| {
            let is_recent = now.ms_since(share.at) < HASHRATE_WINDOW_MS;
            if is_recent {
                self.credited(share);
            }
            is_recent
        })
    }

    /// One row a worker, with what is durable of it: of so many behind this name at most, in the order of their names. `totals` has as many.
    pub(super) fn workers(
        &self,
        totals: BTreeMap<(String, String), ShareTotals>,
        (after, rows_max): (Option<&str>, usize),
        now: UnixMillis,
    ) -> Vec<WorkerTotals> {
        let mut table = self.table();
        let mut rows: BTreeMap<String, WorkerTotals> = BTreeMap::new();
        for ((address, worker), total) in totals {
            let name = worker_name(&address, &worker);
            let last_share = Some(total.last_at);
            let row = row(name.clone(), total.shares, total.work_raw, last_share);
            rows.insert(name, row);
        }
        let behind = table.iter_mut().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut behind: Vec<(&String, &mut Worker)> = behind.collect();
        if rows_max < behind.len() {
            behind.select_nth_unstable_by_key(rows_max, |(name, _)| *name);
            behind.truncate(rows_max);
        }
        for (name, worker) in behind {
            let row = rows.entry(name.clone()).or_insert_with(|| row(name.clone(), 0, 0, None));
            row.shares_rejected = worker.rejected;
            row.hashrate = worker.hashrate(now);
        }
        rows.into_values().take(rows_max).collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Worker>> {
        // Figures: a half-made change is a share more or less in a rate.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_worker(&self, name: String, at: UnixMillis, change: impl FnOnce(&mut Worker)) {
        let mut table = self.table();
        if table.len() >= WORKERS_MAX && !table.contains_key(&name) {
            make_room(&mut table, WORKERS_MAX / 4);
        }
        let worker = table.entry(name).or_default();
        worker.heard = worker.heard.max(at);
        change(worker);
    }
}

/// Forgets so many that were heard of longest ago.
fn make_room(table: &mut HashMap<String, Worker>, mut places: usize) {
    let mut ages: Vec<UnixMillis> = table.values().map(|worker| worker.heard).collect();
    ages.sort_unstable();
    let last_that_goes = places.checked_sub(1).and_then(|n| ages.get(n)).copied();
    table.retain(|_, worker| {
        let goes = places > 0 && Some(worker.heard) <= last_that_goes;
        places = places.saturating_sub(usize::from(goes));
        !goes
    });
}

fn row(name: String, shares: u64, work_raw: u128, last_share: Option<UnixMillis>) -> WorkerTotals {
    WorkerTotals { name, shares_accepted: shares, shares_rejected: 0, work_raw, hashrate: 0, last_share }
}

/// What [`worker_name`] makes one of. In the order of the one is the order of the other, since an address has no sign before the dot.
pub(super) fn worker_key(name: &str) -> (String, String) {
    let (address, worker) = name.split_once('.').unwrap_or((name, ""));
    (address.to_owned(), worker.to_owned())
}

/// `ADDRESS.worker`, or the address alone.
pub(super) fn worker_name(address: &str, worker: &str) -> String {
    if worker.is_empty() { address.to_owned() } else { format!("{address}.{worker}") }
}

impl StatsSink for Figures {
    fn credited(&self, share: &ShareCredit) {
        let name = worker_name(&share.address, &share.worker);
        self.with_worker(name, share.at, |w| w.credit(share.at, u128::from(share.difficulty.to_raw())));
    }

    fn rejected(&self, worker: &str, at: UnixMillis) {
        self.with_worker(worker.to_owned(), at, |w| w.rejected = w.rejected.saturating_add(1));
    }
}

impl Worker {
    fn credit(&mut self, at: UnixMillis, work: u128) {
        let bucket = self.buckets.entry(at.to_ms() / BUCKET_MS).or_default();
        *bucket = bucket.saturating_add(work);
        if self.first.is_none_or(|(first, _)| at < first) {
            self.first = Some((at, work));
        }
        self.forget_before(at);
    }

    fn forget_before(&mut self, now: UnixMillis) {
        let oldest = now.to_ms().saturating_sub(HASHRATE_WINDOW_MS) / BUCKET_MS;
        self.buckets = self.buckets.split_off(&oldest);
    }

    /// Work a second since the first share of the window, that one's own work left out, or over the whole window.
    fn hashrate(&mut self, now: UnixMillis) -> u64 {
        self.forget_before(now);
        let work = self.buckets.values().fold(0u128, |sum, w| sum.saturating_add(*w));
        let Some((first, first_work)) = self.first else { return 0 };
        let age_ms = now.ms_since(first);
        let (work, ms) = if age_ms < HASHRATE_WINDOW_MS {
            (work.saturating_sub(first_work), age_ms.max(1_000))
        } else {
            (work, HASHRATE_WINDOW_MS)
        };
        let rate = work.saturating_mul(1_000).checked_div(u128::from(ms)).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[path = "figures/tests.rs"]
mod tests;
