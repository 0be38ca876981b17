use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_domain::units::{Difficulty, Height, UnixMillis};
use bitcoin::hashes::Hash;
use tempfile::TempDir;

use super::*;
use crate::MachineDisk;
use crate::tests::sim::{CUTS, Chance, Failure, Sim};
use crate::tests::tries;

fn hash(n: u64, salt: u8) -> BlockHash {
    let mut bytes = [salt; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    BlockHash::from_byte_array(bytes)
}

/// The `n`th share: three miners in turn, difficulty `n + 1`, a parent for each hundred.
fn share(n: u64) -> ShareCredit {
    ShareCredit {
        share_hash: hash(n, 1),
        prev: hash(n / 100, 2),
        submission: u128::from(n) + 1_000,
        address: ["alice", "bob", "carol"][usize::try_from(n % 3).unwrap()].to_owned(),
        worker: if n.is_multiple_of(2) { "rig".to_owned() } else { String::new() },
        difficulty: Difficulty::from_raw(n + 1).unwrap(),
        at: UnixMillis::new(1_700_000_000_000 + n),
        block_height: n.is_multiple_of(5).then(|| Height::new(7)),
    }
}

fn shares(range: std::ops::Range<u64>) -> Vec<ShareCredit> {
    range.map(share).collect()
}

fn open(dir: &Path) -> FileShareLog {
    FileShareLog::open(Arc::new(MachineDisk), dir).unwrap().0
}

/// A log whose files hold a handful of shares each.
fn open_small(dir: &Path) -> FileShareLog {
    FileShareLog::open_with(Arc::new(MachineDisk), dir, 400).unwrap().0
}

fn all(log: &FileShareLog) -> Vec<ShareCredit> {
    let mut found = Vec::new();
    log.newest(&mut |s| {
        found.push(s.clone());
        true
    })
    .unwrap();
    found.reverse();
    found
}

fn fault(dir: &Path) -> ShareLogFault {
    FileShareLog::open_with(Arc::new(MachineDisk), dir, 400).map(|_| ()).unwrap_err()
}

fn window(log: &FileShareLog, end: u64, work: u128) -> Vec<(String, u128)> {
    let rows = log.window(ShareSeq::new(end), work).unwrap();
    rows.into_iter().map(|(a, w)| (a.to_string(), w)).collect()
}

/// What a window must hold, the slow way.
fn expected_window(count: u64, end: u64, work: u128) -> Vec<(String, u128)> {
    let (mut rows, mut left) = (BTreeMap::new(), work);
    for s in shares(0..end.min(count)).iter().rev() {
        let part = u128::from(s.difficulty.to_raw()).min(left);
        left -= part;
        if part > 0 {
            *rows.entry(s.address.clone()).or_insert(0) += part;
        }
    }
    rows.into_iter().collect()
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let want: Vec<_> = (1..=7).map(|n| Ok(ShareSeq::new(n))).collect();
    assert_eq!(open(dir.path()).append_batch(&shares(0..7)).unwrap(), want);
    let (log, opened) = FileShareLog::open(Arc::new(MachineDisk), dir.path()).unwrap();
    assert_eq!(opened, ShareLogOpened { shares: 7, torn_bytes: 0 });
    assert_eq!(all(&log), shares(0..7));
    assert_eq!(log.last(), Some(ShareSeq::new(7)));
}

#[test]
fn an_empty_log_has_nothing() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    assert_eq!((log.last(), log.find(&hash(0, 1)), all(&log).len()), (None, None, 0));
    assert_eq!(log.share(ShareSeq::new(1)), Ok(None));
    assert_eq!(log.append_batch(&[]), Ok(vec![]));
    assert!(window(&log, 0, 100).is_empty());
}

#[test]
fn a_share_is_credited_once() {
    let dir = TempDir::new().unwrap();
    let again = ShareCredit { submission: 1, ..share(0) };
    let check = |log: &FileShareLog| {
        assert_eq!(log.append_batch(&[share(0)]).unwrap(), [Ok(ShareSeq::new(1))]);
        assert_eq!(log.append_batch(std::slice::from_ref(&again)).unwrap(), [Err(CreditError::Duplicate)]);
        let batch = [share(1), share(1), ShareCredit { submission: 1, ..share(1) }, share(2)];
        let (two, three) = (Ok(ShareSeq::new(2)), Ok(ShareSeq::new(3)));
        let want = [two.clone(), two, Err(CreditError::Duplicate), three];
        assert_eq!(log.append_batch(&batch).unwrap(), want);
        assert_eq!(all(log), shares(0..3));
        assert_eq!(log.totals(None, usize::MAX)[&("alice".to_owned(), "rig".to_owned())].shares, 1);
    };
    check(&open(dir.path()));
    // The same questions after a restart have the same answers.
    check(&open(dir.path()));
}

#[test]
fn names_that_fit_no_record_are_refused_alone() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let batch = [
        ShareCredit { address: String::new(), ..share(0) },
        ShareCredit { address: "pool:fee".to_owned(), ..share(1) },
        ShareCredit { address: "a".repeat(101), ..share(2) },
        ShareCredit { worker: "w".repeat(128), ..share(3) },
        ShareCredit { worker: "w".repeat(127), address: "a".repeat(100), ..share(4) },
    ];
    let name = || Err(CreditError::Name);
    assert_eq!(log.append_batch(&batch).unwrap(), [name(), name(), name(), name(), Ok(ShareSeq::new(1))]);
    assert_eq!(all(&open(dir.path())), [batch[4].clone()]);
}

#[test]
fn a_group_cut_at_any_byte_is_cut_whole() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    log.append_batch(&shares(0..3)).unwrap();
    let path = shares_path(dir.path(), 1);
    let whole = std::fs::metadata(&path).unwrap().len();
    log.append_batch(&shares(3..5)).unwrap();
    drop(log);
    let bytes = std::fs::read(&path).unwrap();
    for cut in whole..u64::try_from(bytes.len()).unwrap() {
        std::fs::write(&path, &bytes[..usize::try_from(cut).unwrap()]).unwrap();
        let (log, opened) = FileShareLog::open(Arc::new(MachineDisk), dir.path()).unwrap();
        assert_eq!((opened.shares, opened.torn_bytes), (3, cut - whole));
        // The place and the share are free again.
        assert_eq!(log.append_batch(&[share(3)]).unwrap(), [Ok(ShareSeq::new(4))]);
        assert_eq!(all(&log), shares(0..4));
    }
}

#[test]
fn a_file_cut_before_its_head_is_whole_is_empty() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let path = shares_path(dir.path(), 1);
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let log = open(dir.path());
        assert_eq!((log.last(), std::fs::read(&path).unwrap()), (None, bytes.clone()));
    }
}

#[test]
fn garbage_after_the_last_group_is_cut() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).append_batch(&shares(0..3)).unwrap();
    let path = shares_path(dir.path(), 1);
    let bytes = std::fs::read(&path).unwrap();
    for garbage in [vec![0u8; 5_000], b"ADsgADsgADsg".to_vec(), vec![0xff; 30]] {
        std::fs::write(&path, [bytes.clone(), garbage.clone()].concat()).unwrap();
        let (log, opened) = FileShareLog::open(Arc::new(MachineDisk), dir.path()).unwrap();
        assert_eq!(opened.torn_bytes, u64::try_from(garbage.len()).unwrap());
        assert_eq!(all(&log), shares(0..3));
    }
}

#[test]
fn damage_to_what_was_durable_is_a_fault_at_every_byte() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    log.append_batch(&shares(0..2)).unwrap();
    let path = shares_path(dir.path(), 1);
    let first_ends = std::fs::read(&path).unwrap().len();
    log.append_batch(&shares(2..3)).unwrap();
    drop(log);
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..first_ends {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        assert!(matches!(fault(dir.path()), ShareLogFault::Damaged(_)), "byte {at}");
    }
}

#[test]
fn full_files_are_closed_and_their_sums_stand_for_them() {
    let dir = TempDir::new().unwrap();
    let log = open_small(dir.path());
    for n in 0..60 {
        log.append_batch(&shares(n..n + 1)).unwrap();
    }
    let totals = log.totals(None, usize::MAX);
    drop(log);
    assert!(segment::numbers(&MachineDisk, dir.path()).unwrap().len() > 10);
    let check = || {
        let log = open_small(dir.path());
        assert_eq!(all(&log), shares(0..60));
        assert_eq!(log.totals(None, usize::MAX), totals);
        for end in [1, 2, 3, 30, 59, 60] {
            for work in [0, 1, 5, 59, 60, 61, 200, 1_000, 1_830, 5_000] {
                assert_eq!(window(&log, end, work), expected_window(60, end, work), "{end} {work}");
            }
            let seq = ShareSeq::new(end);
            assert_eq!(log.share(seq).unwrap(), Some(share(end - 1)));
            assert_eq!(log.find(&share(end - 1).share_hash), Some(seq));
        }
    };
    check();
    // Sums are derived: gone, torn or flipped they are made again.
    std::fs::remove_file(sums_path(dir.path(), 1)).unwrap();
    let two = std::fs::read(sums_path(dir.path(), 2)).unwrap();
    std::fs::write(sums_path(dir.path(), 2), &two[..two.len() / 2]).unwrap();
    let mut three = std::fs::read(sums_path(dir.path(), 3)).unwrap();
    three[30] ^= 1;
    std::fs::write(sums_path(dir.path(), 3), three).unwrap();
    check();
    assert_eq!(std::fs::read(sums_path(dir.path(), 2)).unwrap(), two);
    // Killed after the sums, before the next file.
    let last = *segment::numbers(&MachineDisk, dir.path()).unwrap().last().unwrap();
    let active = std::fs::read(shares_path(dir.path(), last)).unwrap();
    if active.len() <= 20 {
        std::fs::remove_file(shares_path(dir.path(), last)).unwrap();
        check();
    }
}

#[test]
fn a_file_that_is_missing_or_belongs_elsewhere_is_a_fault() {
    let fresh = || {
        let dir = TempDir::new().unwrap();
        let log = open_small(dir.path());
        for n in 0..12 {
            log.append_batch(&shares(n..n + 1)).unwrap();
        }
        dir
    };
    let check = |spoil: &dyn Fn(&Path)| {
        let dir = fresh();
        spoil(dir.path());
        assert!(matches!(fault(dir.path()), ShareLogFault::Damaged(_)));
    };
    check(&|dir| std::fs::remove_file(shares_path(dir, 2)).unwrap());
    check(&|dir| {
        for path in [shares_path, sums_path] {
            std::fs::copy(path(dir, 1), path(dir, 2)).unwrap();
        }
    });
    check(&|dir| {
        std::fs::remove_file(sums_path(dir, 1)).unwrap();
        std::fs::write(shares_path(dir, 1), b"").unwrap();
    });
    check(&|dir| {
        let last = *segment::numbers(&MachineDisk, dir).unwrap().last().unwrap();
        std::fs::copy(shares_path(dir, 1), shares_path(dir, last)).unwrap();
    });
    // The oldest may be taken away; what it added up to is kept in the sums of the next.
    let dir = fresh();
    let totals = open_small(dir.path()).totals(None, usize::MAX);
    std::fs::remove_file(shares_path(dir.path(), 1)).unwrap();
    assert_eq!(open_small(dir.path()).totals(None, usize::MAX), totals);
}

/// A disk that fails from when it is told to.
struct Failing(Arc<AtomicBool>, bool);
struct FailingFile(Arc<dyn DiskFile>, Arc<AtomicBool>, bool);
impl Disk for Failing {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FailingFile(MachineDisk.open(path)?, Arc::clone(&self.0), self.1)))
    }
    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        MachineDisk.len_of(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        MachineDisk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        MachineDisk.rename(from, to)
    }
    fn names(&self, folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        MachineDisk.names(folder)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        MachineDisk.read(path)
    }
}
impl FailingFile {
    fn check(&self) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) { Err(io::Error::other("no space")) } else { Ok(()) }
    }
}
impl DiskFile for FailingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.2 {
            self.check()?;
        }
        self.0.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.check()?;
        self.0.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[test]
fn nothing_is_tried_again_after_the_disk_failed() {
    for at_write in [true, false] {
        let dir = TempDir::new().unwrap();
        let broken = Arc::new(AtomicBool::new(false));
        let disk = Arc::new(Failing(Arc::clone(&broken), at_write));
        let (log, _) = FileShareLog::open(disk, dir.path()).unwrap();
        log.append_batch(&shares(0..2)).unwrap();
        broken.store(true, Ordering::SeqCst);
        let storage = Err(ShareLogFault::Storage("no space".to_owned()));
        assert_eq!(log.append_batch(&[share(2)]), storage);
        broken.store(false, Ordering::SeqCst);
        assert_eq!(log.append_batch(&[share(2)]), Err(ShareLogFault::Stopped));
        // What was not acknowledged is not shown either.
        assert_eq!((all(&log), log.last()), (shares(0..2), Some(ShareSeq::new(2))));
        assert!(open(dir.path()).append_batch(&[share(2)]).unwrap()[0].is_ok());
    }
}

#[test]
fn more_than_a_group_holds_is_several_groups() {
    let dir = TempDir::new().unwrap();
    let count = u64::try_from(GROUP_SHARES_MAX).unwrap() * 2 + 1;
    let answers = open(dir.path()).append_batch(&shares(0..count)).unwrap();
    assert_eq!(answers.last(), Some(&Ok(ShareSeq::new(count))));
    assert_eq!(all(&open(dir.path())).len(), usize::try_from(count).unwrap());
}

#[test]
fn old_shares_are_forgotten_but_never_those_of_the_two_newest_parents() {
    let mut dedupe = Dedupe::default();
    let with = |n: u64, parent: u64| ShareCredit { prev: hash(parent, 2), ..share(n) };
    let min = u64::try_from(REMEMBERED_MIN).unwrap();
    for n in 0..min {
        dedupe.insert(ShareSeq::new(n + 1), &with(n, 0));
    }
    dedupe.insert(ShareSeq::new(min + 1), &with(min, 1));
    assert_eq!(dedupe.len(), REMEMBERED_MIN + 1);
    dedupe.insert(ShareSeq::new(min + 2), &with(min + 1, 2));
    assert_eq!(dedupe.len(), REMEMBERED_MIN);
    assert_eq!(dedupe.get(&share(1).share_hash), None);
    assert_eq!(dedupe.get(&share(2).share_hash), Some((ShareSeq::new(3), 1_002)));
}

#[test]
fn names_beyond_the_limit_are_counted_under_their_address() {
    let mut sums = Sums::default();
    for n in 0..sums::WORKERS_MAX {
        sums.add(&ShareCredit { worker: n.to_string(), ..share(0) });
    }
    sums.add(&ShareCredit { worker: "one more".to_owned(), ..share(0) });
    sums.add(&ShareCredit { worker: "7".to_owned(), ..share(0) });
    assert_eq!(sums.rows[&("alice".to_owned(), String::new())].shares, 1);
    assert_eq!(sums.rows[&("alice".to_owned(), "7".to_owned())].shares, 2);
    assert_eq!(sums.work_raw, u128::try_from(sums::WORKERS_MAX).unwrap() + 2);
}

/// Batches that one log takes in these tests, with restarts: a score of files.
const BATCHES: u64 = 50;

fn open_on(sim: &Sim) -> Result<FileShareLog, ShareLogFault> {
    FileShareLog::open_with(Arc::new(sim.clone()), Path::new("shares"), 400).map(|(log, _)| log)
}

/// What is found again: of all shares in their order the first so many, at least those that were answered; and it goes on from there.
#[track_caller]
fn check_found(sim: &Sim, answered: u64, sent: u64, what: &str) {
    let log = open_on(sim).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let there = all(&log).len() as u64;
    assert!((answered..=sent).contains(&there), "{what}: {answered} <= {there} <= {sent}");
    assert_eq!(all(&log), shares(0..there), "{what}");
    assert_eq!(log.totals(None, usize::MAX).values().map(|row| row.shares).sum::<u64>(), there, "{what}");
    // What the miner sends again is answered with its place, or taken now.
    let again: Vec<_> = (answered + 1..=sent + 1).map(|n| Ok(ShareSeq::new(n))).collect();
    assert_eq!(log.append_batch(&shares(answered..sent + 1)), Ok(again), "{what}");
    assert_eq!(all(&log), shares(0..sent + 1), "{what}");
}

#[test]
fn a_power_cut_at_any_sync_leaves_every_share_that_was_answered() {
    let (batches, mut images) = (tries(60) as u64, 0);
    for first in (0..batches).step_by(BATCHES as usize) {
        let (sim, mut chance) = (Sim::new(), Chance::new(first));
        let mut log = open_on(&sim).unwrap();
        sim.capture(first);
        let mut answered = 0;
        for n in first..batches.min(first + BATCHES) {
            let sent = answered + 1 + chance.below(6);
            if chance.below(10) == 0 {
                drop(log);
                log = open_on(&sim).unwrap();
            }
            log.append_batch(&shares(answered..sent)).unwrap();
            for (cut, image) in sim.take_images() {
                check_found(&Sim::of(&image), answered, sent, &format!("{cut:?} in batch {n}"));
                images += 1;
            }
            answered = sent;
        }
    }
    println!("{batches} batches, {images} images");
    assert!(images > batches);
}

#[test]
fn a_disk_that_fails_at_any_operation_takes_no_share_that_was_answered() {
    let (last, mut failures) = (tries(40) as u64, 0);
    for at in 1..=last {
        for (kind, stays) in
            [(io::ErrorKind::StorageFull, true), (io::ErrorKind::Other, true), (io::ErrorKind::Other, false)]
        {
            let (sim, mut chance) = (Sim::new(), Chance::new(at));
            sim.fail(Some(Failure { at: if last >= 500 { at } else { at * at / 8 + 1 }, kind, stays }));
            let (mut answered, mut sent) = (0, 0);
            let log = open_on(&sim);
            while let Ok(log) = &log
                && sent < BATCHES * 1_000
            {
                sent = answered + 1 + chance.below(6);
                if log.append_batch(&shares(answered..sent)).is_err() {
                    failures += 1;
                    assert_eq!(log.append_batch(&shares(answered..sent)), Err(ShareLogFault::Stopped));
                    break;
                }
                answered = sent;
            }
            sim.fail(None);
            for cut in CUTS {
                let image = sim.image(cut, &mut chance);
                check_found(&Sim::of(&image), answered, sent, &format!("{cut:?} after a failure at {at}"));
            }
        }
    }
    println!("{failures} failures");
    assert!(failures > 0);
}
