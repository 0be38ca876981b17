//! The share log: credited shares in files that only grow.
//!
//! Owns: `shares/NNNNNNNN.shares` (groups of records, one fdatasync each), `shares/NNNNNNNN.sums` (what a full file adds up to), and
//! which recent shares are in them. Must not know: what a share is worth in satoshis, who sends them. Bytes: docs/ledger.md.

mod codec;
mod dedupe;
mod segment;
mod sums;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::payout::{
    Account, CreditError, ShareCredit, ShareLog, ShareLogFault, ShareSeq, ShareTotals, WORKER_BYTES_MAX,
};
use bitcoin::BlockHash;

pub use self::codec::GROUP_SHARES_MAX;
use self::codec::encode_group;
use self::dedupe::{Dedupe, REMEMBERED_MIN};
use self::segment::{Place, Sealed, read_sealed, scan_tail, shares_path, storage, sums_path};
use self::sums::{SealedSums, Sums, TOTALS_MAX};
use crate::disk::{Disk, DiskFile};
use crate::failpoint;

/// A file that has this many bytes is closed after the group that brought it there: 200,000 shares, which are read again in a
/// third of a second at the next start.
pub const SEGMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What was found when the log was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShareLogOpened {
    /// Shares in the log.
    pub shares: u64,
    /// Bytes cut from its end: the last write of a process that was killed, which nobody was told had succeeded.
    pub torn_bytes: u64,
}

/// The log on this machine's disk.
pub struct FileShareLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes_max: u64,
    /// Held while a group is written and synced.
    writer: Mutex<Writer>,
    /// What is durable; never locked across a write.
    index: RwLock<Index>,
}

struct Writer {
    number: u32,
    file: Arc<dyn DiskFile>,
    end: u64,
    next: ShareSeq,
    stopped: bool,
}

#[derive(Default)]
struct Index {
    dedupe: Dedupe,
    totals: Sums,
    sealed: Vec<Sealed>,
    active: Active,
    last: Option<ShareSeq>,
}

/// The file that grows: where each group lies.
#[derive(Default)]
struct Active {
    number: u32,
    file: Option<Arc<dyn DiskFile>>,
    first: ShareSeq,
    groups: Vec<Place>,
    sums: Sums,
}

/// The shares of a batch that are new, and how each of the batch is answered.
struct Plan<'a> {
    new: Vec<&'a ShareCredit>,
    answers: Vec<Result<ShareSeq, CreditError>>,
}

impl FileShareLog {
    /// Opens the log in `dir`, or begins one. Cuts what a killed process left half written at its end; damage anywhere else is a
    /// fault.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(FileShareLog, ShareLogOpened), ShareLogFault> {
        FileShareLog::open_with(disk, dir, SEGMENT_BYTES_MAX)
    }

    fn open_with(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes_max: u64,
    ) -> Result<(FileShareLog, ShareLogOpened), ShareLogFault> {
        let numbers = segment::numbers(&*disk, dir)?;
        let (active_number, sealed_numbers) = match numbers.split_last() {
            Some((last, before)) => (*last, before),
            None => (1, [].as_slice()),
        };
        let mut index = Index::default();
        for number in sealed_numbers {
            let expected = index.sealed.last().map(|s: &Sealed| s.last.next());
            let (sealed, all) = read_sealed(&*disk, dir, *number, expected, &index.totals)?;
            index.totals = all;
            index.sealed.push(sealed);
        }
        let first = index.sealed.last().map(|s| s.last.next());
        let file = disk.open(&shares_path(dir, active_number)).map_err(storage)?;
        let tail = scan_tail(&*file, first)?;
        let next = tail.next;
        index.last = next.to_u64().checked_sub(1).filter(|n| *n > 0).map(ShareSeq::new);
        index.active = Active {
            number: active_number,
            file: Some(Arc::clone(&file)),
            first: tail.first,
            groups: tail.groups,
            sums: tail.sums.clone(),
        };
        index.totals.add_all(&tail.sums);
        index.totals.bound(TOTALS_MAX);
        remember(&*disk, dir, &mut index)?;
        let opened = ShareLogOpened {
            shares: index.totals.rows.values().fold(0, |n, r| n.saturating_add(r.shares)),
            torn_bytes: tail.torn_bytes,
        };
        let writer = Writer { number: active_number, file, end: tail.end, next, stopped: false };
        let (writer, index) = (Mutex::new(writer), RwLock::new(index));
        Ok((FileShareLog { disk, dir: dir.to_owned(), segment_bytes_max, writer, index }, opened))
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // Written to in one place, after the disk; a reader may see part of a group's shares, all of them durable.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, ShareLogFault> {
        // A panic while the lock was held may have left the file ahead of what is known of it.
        let writer = self.writer.lock().map_err(|_| ShareLogFault::Stopped)?;
        if writer.stopped { Err(ShareLogFault::Stopped) } else { Ok(writer) }
    }

    /// Sorts a batch into what is new and what was there before, in the batch itself too.
    fn plan<'a>(&self, shares: &'a [ShareCredit], mut next: ShareSeq) -> Plan<'a> {
        let index = self.index();
        let mut here: HashMap<BlockHash, (ShareSeq, u128)> = HashMap::new();
        let mut plan = Plan { new: Vec::new(), answers: Vec::with_capacity(shares.len()) };
        for share in shares {
            let before = here.get(&share.share_hash).copied().or_else(|| index.dedupe.get(&share.share_hash));
            let answer = match before {
                Some((seq, submission)) if submission == share.submission => Ok(seq),
                Some(_) => Err(CreditError::Duplicate),
                None if !has_names(share) => Err(CreditError::Name),
                None => {
                    here.insert(share.share_hash, (next, share.submission));
                    plan.new.push(share);
                    let seq = next;
                    next = next.next();
                    Ok(seq)
                }
            };
            plan.answers.push(answer);
        }
        plan
    }

    /// Writes one group and waits for the disk; only then it is known.
    fn write_group(&self, writer: &mut Writer, shares: &[&ShareCredit]) -> Result<(), ShareLogFault> {
        let unwritable = || ShareLogFault::Damaged("a share that does not encode".to_owned());
        let bytes = encode_group(writer.next, shares).ok_or_else(unwritable)?;
        failpoint::before(failpoint::Place::ShareGroup);
        writer.file.write_at(&bytes, writer.end).map_err(storage)?;
        writer.file.sync().map_err(storage)?;
        failpoint::after(failpoint::Place::ShareGroup);
        let place = Place { first: writer.next, offset: writer.end };
        writer.end = writer.end.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut index = self.index_mut();
        index.active.groups.push(place);
        for share in shares {
            index.dedupe.insert(writer.next, share);
            index.totals.add(share);
            index.totals.bound(TOTALS_MAX);
            index.active.sums.add(share);
            index.last = Some(writer.next);
            writer.next = writer.next.next();
        }
        Ok(())
    }

    /// Closes a full file: its sums, then the next one.
    fn roll(&self, writer: &mut Writer) -> Result<(), ShareLogFault> {
        if writer.end < self.segment_bytes_max {
            return Ok(());
        }
        let (sealed, sums) = {
            let index = self.index();
            let last = index.last.unwrap_or_default();
            let (own, all) = (index.active.sums.clone(), index.totals.clone());
            let sums = SealedSums { first: index.active.first, last, own, all };
            (
                Sealed { number: index.active.number, first: sums.first, last, work_raw: sums.own.work_raw },
                sums,
            )
        };
        segment::write_sums(&*self.disk, &sums_path(&self.dir, sealed.number), &sums)?;
        let number = writer.number.saturating_add(1);
        let file = self.disk.open(&shares_path(&self.dir, number)).map_err(storage)?;
        let end = segment::begin(&*file, writer.next)?;
        (writer.number, writer.file, writer.end) = (number, Arc::clone(&file), end);
        let mut index = self.index_mut();
        index.sealed.push(sealed);
        let (first, file) = (writer.next, Some(file));
        index.active = Active { number, file, first, groups: Vec::new(), sums: Sums::default() };
        Ok(())
    }

    /// Shows shares from `end` down until the visitor has enough. Never waits for the writer.
    fn walk_back(&self, end: ShareSeq, visitor: &mut dyn Visitor) -> Result<(), ShareLogFault> {
        let (sealed, file, places) = {
            let index = self.index();
            (index.sealed.clone(), index.active.file.clone(), index.active.groups.clone())
        };
        if let Some(file) = file
            && !walk_file(&*file, &places, end, visitor)?
        {
            return Ok(());
        }
        for segment in sealed.iter().rev().filter(|s| s.first <= end) {
            if segment.last <= end && visitor.takes_whole(segment) {
                continue;
            }
            let file = self.disk.open(&shares_path(&self.dir, segment.number)).map_err(storage)?;
            let places = segment::places(&*file, segment)?;
            if !walk_file(&*file, &places, end, visitor)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Who is shown shares, the newest first.
trait Visitor {
    /// Whether a whole file is taken by its sums, and need not be read.
    fn takes_whole(&mut self, _sealed: &Sealed) -> bool {
        false
    }
    /// Takes a share; whether it wants more.
    fn share(&mut self, seq: ShareSeq, share: &ShareCredit) -> bool;
}

impl<F: FnMut(ShareSeq, &ShareCredit) -> bool> Visitor for F {
    fn share(&mut self, seq: ShareSeq, share: &ShareCredit) -> bool {
        self(seq, share)
    }
}

/// Shows the shares of one file up to `end`; whether the visitor wants more.
fn walk_file(
    file: &dyn DiskFile,
    places: &[Place],
    end: ShareSeq,
    visitor: &mut dyn Visitor,
) -> Result<bool, ShareLogFault> {
    let wanted = places.partition_point(|p| p.first <= end);
    for place in places.iter().take(wanted).rev() {
        let group = segment::read_group(file, *place)?;
        for (seq, share) in group.numbered().rev() {
            if seq <= end && !visitor.share(seq, share) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Work by address, back until there is enough of it.
struct Window {
    left: u128,
    rows: BTreeMap<Account, u128>,
    whole: Vec<Sealed>,
}

impl Window {
    fn credit(&mut self, address: &str, work: u128) -> Result<(), ShareLogFault> {
        let damaged = |_| ShareLogFault::Damaged("an address that is no account".to_owned());
        let row = self.rows.entry(Account::address(address).map_err(damaged)?).or_default();
        *row = row.saturating_add(work);
        Ok(())
    }
}

impl Visitor for Window {
    fn takes_whole(&mut self, sealed: &Sealed) -> bool {
        let fits = sealed.work_raw <= self.left;
        if fits {
            self.left = self.left.saturating_sub(sealed.work_raw);
            self.whole.push(sealed.clone());
        }
        fits
    }

    fn share(&mut self, _: ShareSeq, share: &ShareCredit) -> bool {
        let work = u128::from(share.difficulty.to_raw()).min(self.left);
        // An address was an account when its share was taken; one that is not any more is owed nothing.
        if work > 0 && self.credit(&share.address, work).is_ok() {
            self.left = self.left.saturating_sub(work);
        }
        self.left > 0
    }
}

/// Fills the memory of recent shares from the newest files.
fn remember(disk: &dyn Disk, dir: &Path, index: &mut Index) -> Result<(), ShareLogFault> {
    let in_active = index.last.map_or(0, |l| l.next().to_u64().saturating_sub(index.active.first.to_u64()));
    let mut missing = u64::try_from(REMEMBERED_MIN).unwrap_or(u64::MAX).saturating_sub(in_active);
    let mut files = Vec::new();
    files.extend(index.active.file.clone().map(|file| (file, index.active.groups.clone())));
    for sealed in index.sealed.iter().rev() {
        if missing == 0 {
            break;
        }
        missing = missing.saturating_sub(sealed.last.next().to_u64().saturating_sub(sealed.first.to_u64()));
        let file = disk.open(&shares_path(dir, sealed.number)).map_err(storage)?;
        let places = segment::places(&*file, sealed)?;
        files.push((file, places));
    }
    for (file, places) in files.into_iter().rev() {
        for place in places {
            let group = segment::read_group(&*file, place)?;
            for (seq, share) in group.numbered() {
                index.dedupe.insert(seq, share);
            }
        }
    }
    tracing::debug!(shares = index.dedupe.len(), "recent shares remembered");
    Ok(())
}

fn has_names(share: &ShareCredit) -> bool {
    Account::address(&share.address).is_ok() && share.worker.len() <= WORKER_BYTES_MAX
}

impl ShareLog for FileShareLog {
    fn append_batch(
        &self,
        shares: &[ShareCredit],
    ) -> Result<Vec<Result<ShareSeq, CreditError>>, ShareLogFault> {
        let mut writer = self.writer()?;
        let plan = self.plan(shares, writer.next);
        for group in plan.new.chunks(GROUP_SHARES_MAX) {
            let written = self.write_group(&mut writer, group).and_then(|()| self.roll(&mut writer));
            if let Err(fault) = written {
                // What the file holds now is not known any more: nothing is tried again in this process.
                writer.stopped = true;
                return Err(fault);
            }
        }
        Ok(plan.answers)
    }

    fn find(&self, share_hash: &BlockHash) -> Option<ShareSeq> {
        self.index().dedupe.get(share_hash).map(|(seq, _)| seq)
    }

    fn last(&self) -> Option<ShareSeq> {
        self.index().last
    }

    fn share(&self, seq: ShareSeq) -> Result<Option<ShareCredit>, ShareLogFault> {
        let mut found = None;
        self.walk_back(seq, &mut |at: ShareSeq, share: &ShareCredit| {
            found = (at == seq).then(|| share.clone());
            false
        })?;
        Ok(found)
    }

    fn window(&self, end: ShareSeq, work: u128) -> Result<BTreeMap<Account, u128>, ShareLogFault> {
        let mut window = Window { left: work, rows: BTreeMap::new(), whole: Vec::new() };
        if work > 0 {
            self.walk_back(end, &mut window)?;
        }
        for sealed in std::mem::take(&mut window.whole) {
            let sums = segment::sums_of(&*self.disk, &self.dir, &sealed)?;
            for ((address, _), row) in &sums.rows {
                window.credit(address, row.work_raw)?;
            }
        }
        Ok(window.rows)
    }

    fn totals(
        &self,
        after: Option<&(String, String)>,
        rows_max: usize,
    ) -> BTreeMap<(String, String), ShareTotals> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let index = self.index();
        index.totals.rows.range(behind).take(rows_max).map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    fn newest(&self, each: &mut dyn FnMut(&ShareCredit) -> bool) -> Result<(), ShareLogFault> {
        let Some(end) = self.last() else { return Ok(()) };
        self.walk_back(end, &mut |_: ShareSeq, share: &ShareCredit| each(share))
    }
}

#[cfg(test)]
mod tests;
