use std::collections::BTreeMap;
use std::io::ErrorKind;

use adit_domain::payout::{Account, Booking, ChainEvent, MemoryLedger, PoolBlockState, split_reward};
use adit_domain::units::Height;
use bitcoin::Amount;
use bitcoin::hashes::Hash;
use tempfile::TempDir;

use super::*;
use crate::tests::sim::{CUTS, Chance, Cut, Failure, Image, Sim};
use crate::tests::tries;

fn point(height: u32, branch: u8) -> ChainPoint {
    let mut bytes = [branch; 32];
    bytes[..4].copy_from_slice(&height.to_le_bytes());
    ChainPoint { hash: BlockHash::from_byte_array(bytes), height: Height::new(height) }
}

fn connected(point: ChainPoint, is_ours: bool) -> ChainEvent {
    let work = BTreeMap::from([
        (Account::address("alice").unwrap(), u128::from(point.height.to_u32())),
        (Account::address("bob").unwrap(), 7),
    ]);
    let split = split_reward(Amount::from_sat(5_000_000_000), 100, &work).unwrap();
    let ours = is_ours.then(|| Booking { finder: "alice.rig".to_owned(), split });
    ChainEvent::Connected { point, ours }
}

fn up(from: ChainPoint, heights: std::ops::RangeInclusive<u32>, branch: u8, every: u32) -> LedgerStep {
    let events: Vec<_> =
        heights.clone().map(|h| connected(point(h, branch), h.is_multiple_of(every))).collect();
    LedgerStep { from: Some(from), to: point(*heights.end(), branch), events }
}

fn down(from: ChainPoint, to: ChainPoint, branch: u8) -> LedgerStep {
    let heights = to.height.to_u32() + 1..=from.height.to_u32();
    let events = heights.rev().map(|h| ChainEvent::Disconnected { point: point(h, branch) }).collect();
    LedgerStep { from: Some(from), to, events }
}

fn begin() -> LedgerStep {
    LedgerStep { from: None, to: point(0, 0), events: vec![] }
}

fn steps() -> Vec<LedgerStep> {
    let fork = point(60, 1);
    vec![
        begin(),
        up(point(0, 0), 1..=60, 1, 7),
        up(fork, 61..=170, 1, 5),
        down(point(170, 1), fork, 1),
        up(fork, 61..=171, 2, 9),
        down(point(171, 2), fork, 2),
        up(fork, 61..=300, 1, 5),
    ]
}

fn open(dir: &TempDir) -> RedbLedger {
    RedbLedger::open(&dir.path().join("ledger.redb")).unwrap()
}

fn same(ledger: &RedbLedger, model: &MemoryLedger) {
    assert_eq!(ledger.cursor().unwrap(), model.cursor().unwrap());
    let all = model.balances().unwrap();
    assert_eq!(ledger.balances().unwrap(), all);
    for after in all.iter().map(|row| Some(row.account.as_str())).chain([None, Some("zzz")]) {
        for max in [0, 1, usize::MAX] {
            let page = ledger.balances_after(after, max).unwrap();
            assert_eq!(page, model.balances_after(after, max).unwrap(), "{after:?} {max}");
        }
    }
    assert_eq!(ledger.blocks(1_000).unwrap(), model.blocks(1_000).unwrap());
    assert_eq!(ledger.block_count(), model.block_count());
    assert_eq!(ledger.verify(), model.verify());
}

#[test]
fn they_are_what_the_books_in_memory_are_and_survive_restarts() {
    let dir = TempDir::new().unwrap();
    let model = MemoryLedger::default();
    for step in steps() {
        let ledger = open(&dir);
        assert_eq!(ledger.apply(&step), model.apply(&step));
        assert_eq!(ledger.apply(&step), Ok(Applied::Before));
        same(&ledger, &model);
        drop(ledger);
        same(&open(&dir), &model);
    }
    let ledger = open(&dir);
    let sum: i64 = ledger.balances().unwrap().iter().map(|b| b.immature_sat + b.mature_sat).sum();
    assert_eq!(sum, 0);
    let orphan = ledger.block(&point(63, 2).hash).unwrap().unwrap();
    assert_eq!((orphan.state, orphan.finder.as_str()), (PoolBlockState::Orphaned, "alice.rig"));
    assert_eq!(ledger.block(&point(64, 2).hash), Ok(None));
    assert_eq!(ledger.blocks(2).unwrap().len(), 2);
    let all = ledger.blocks(usize::MAX).unwrap().len();
    assert_eq!(ledger.block_count(), Ok(u64::try_from(all).unwrap()));
}

#[test]
fn a_step_from_elsewhere_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (ledger, model) = (open(&dir), MemoryLedger::default());
    for step in [begin(), up(point(0, 0), 1..=10, 1, 2)] {
        assert_eq!(ledger.apply(&step), model.apply(&step));
    }
    for (step, want) in [
        (up(point(0, 0), 1..=12, 2, 1), LedgerError::OutOfStep { cursor: Some(point(10, 1)) }),
        (up(point(10, 1), 12..=13, 1, 1), LedgerError::Broken),
    ] {
        assert_eq!(ledger.apply(&step), Err(want));
        same(&ledger, &model);
    }
}

/// Copies the file as a kill would leave it: what is durable, not what the process has in mind.
fn as_if_killed(dir: &TempDir) -> TempDir {
    let copy = TempDir::new().unwrap();
    std::fs::copy(dir.path().join("ledger.redb"), copy.path().join("ledger.redb")).unwrap();
    copy
}

#[test]
fn postings_are_durable_at_once_and_the_bare_cursor_within_a_hundred_steps() {
    let dir = TempDir::new().unwrap();
    let ledger = open(&dir);
    ledger.apply(&begin()).unwrap();
    assert_eq!(open(&as_if_killed(&dir)).cursor().unwrap(), Some(point(0, 0)));
    ledger.apply(&up(point(0, 0), 1..=1, 1, 9)).unwrap();
    let mut durable = open(&as_if_killed(&dir)).cursor().unwrap().unwrap();
    assert!(durable == point(0, 0) || durable == point(1, 1));
    for h in 2..=150 {
        ledger.apply(&up(point(h - 1, 1), h..=h, 1, 9_999)).unwrap();
    }
    durable = open(&as_if_killed(&dir)).cursor().unwrap().unwrap();
    assert!(durable.height >= Height::new(50));
    ledger.apply(&up(point(150, 1), 151..=151, 1, 151)).unwrap();
    let after = open(&as_if_killed(&dir));
    assert_eq!((after.cursor().unwrap(), after.blocks(9).unwrap().len()), (Some(point(151, 1)), 1));
    // What was walked again after a kill is booked as if nothing had happened.
    after.verify().unwrap();
}

#[test]
fn any_flipped_bit_of_a_row_is_found() {
    let work = BTreeMap::from([(Account::address("alice").unwrap(), 1u128)]);
    let split = split_reward(Amount::from_sat(100), 100, &work).unwrap();
    let entry = adit_domain::payout::JournalEntry::booked(point(1, 1).hash, &split).unwrap();
    let (row, link) = Link::START.seal(0, &entry).unwrap();
    assert_eq!(Link::START.open(0, &row), Ok((entry.clone(), link)));
    let broken = Err(LedgerFault::Damaged("the journal's chain of hashes is broken"));
    assert_eq!(Link::START.open(1, &row), broken);
    assert_eq!(link.open(0, &row), broken);
    assert_eq!(Link::START.open(0, &row[..5]), Err(LedgerFault::Damaged("a journal entry")));
    let block = PoolBlock {
        hash: point(1, 1).hash,
        height: Height::new(1),
        finder: "a".to_owned(),
        reward: Amount::from_sat(5),
        state: PoolBlockState::Mature,
    };
    let record = adit_domain::payout::BlockRecord { block, booked: 3 };
    let key = rows::block_key(record.block.height, &record.block.hash);
    let head = rows::Head { entries: 1, link };
    type ReadsBack = Box<dyn Fn(&[u8]) -> bool>;
    let rows: Vec<(Vec<u8>, ReadsBack)> = vec![
        (row, Box::new(move |r| Link::START.open(0, r).is_ok())),
        (rows::encode_block(&record).unwrap(), Box::new(move |r| rows::decode_block(&key, r).is_some())),
        (rows::encode_head(&head), Box::new(|r| rows::decode_head(r).is_some())),
        (rows::encode_cursor(&point(1, 1)), Box::new(|r| rows::decode_cursor(r).is_some())),
        (rows::encode_amounts("a", -1, 1), Box::new(|r| rows::decode_amounts("a", r).is_some())),
    ];
    for (row, reads_back) in rows {
        assert!(reads_back(&row));
        for at in 0..row.len() {
            for bit in 0..8 {
                let mut flipped = row.clone();
                flipped[at] ^= 1 << bit;
                assert!(!reads_back(&flipped), "byte {at} bit {bit}");
            }
            assert!(!reads_back(&row[..at]));
        }
    }
    assert_eq!(rows::decode_amounts("b", &rows::encode_amounts("a", -1, 1)), None);
}

#[test]
fn books_that_were_changed_behind_the_journal_are_not_opened() {
    use redb::TableDefinition;
    const ACCOUNTS: TableDefinition<&str, &[u8]> = TableDefinition::new("accounts");
    const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");
    let check = |change: &dyn Fn(&WriteTransaction), is: &dyn Fn(&AuditError) -> bool| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("ledger.redb");
        for step in steps().iter().take(2) {
            open(&dir).apply(step).unwrap();
        }
        let db = database::open(&MachineDisk, &path, PAGE_CACHE_BYTES).unwrap();
        let txn = db.begin_write().unwrap();
        change(&txn);
        txn.commit().unwrap();
        drop(db);
        let error = RedbLedger::open(&path).map(|_| ()).unwrap_err();
        assert!(is(&error), "{error}");
    };
    check(
        &|txn| {
            let richer = rows::encode_amounts("bob", 1_000_000, 1);
            txn.open_table(ACCOUNTS).unwrap().insert("bob", richer.as_slice()).unwrap();
        },
        &|e| *e == AuditError::Balance { account: "bob".to_owned() },
    );
    check(
        &|txn| {
            txn.open_table(ACCOUNTS).unwrap().insert("bob", [0u8; 20].as_slice()).unwrap();
        },
        &|e| *e == AuditError::Fault(LedgerFault::Damaged("an account")),
    );
    type Journal<'a> = redb::Table<'a, u64, &'static [u8]>;
    let journal = |change: &dyn Fn(&mut Journal<'_>), text: &'static str| {
        check(&|txn| change(&mut txn.open_table(JOURNAL).unwrap()), &|e| {
            *e == AuditError::Fault(LedgerFault::Damaged(text))
        });
    };
    journal(&|t| drop(t.remove(3).unwrap()), "the journal has a gap");
    journal(&|t| drop(t.remove(0).unwrap()), "the journal has a gap");
    journal(
        &|t| {
            let row = t.remove(3).unwrap().unwrap().value().to_vec();
            t.insert(4, row.as_slice()).unwrap();
        },
        "the journal has a gap",
    );
}

#[test]
fn a_file_that_is_no_database_is_a_fault() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.redb");
    std::fs::write(&path, vec![7u8; 8_192]).unwrap();
    let error = RedbLedger::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, AuditError::Fault(LedgerFault::Storage(_))));
}

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(sides)).unwrap()
    }
}

/// The way from where the ledger stands to the end of `chain`, as a walk makes it.
fn way(ledger: &RedbLedger, history: &BTreeMap<BlockHash, ChainPoint>, chain: &[ChainPoint]) -> LedgerStep {
    let from = ledger.cursor().unwrap().unwrap();
    let (mut events, mut at) = (Vec::new(), from);
    while !chain.contains(&at) {
        events.push(ChainEvent::Disconnected { point: at });
        at = history[&at.hash];
    }
    let place = chain.iter().position(|p| *p == at).unwrap();
    for p in &chain[place + 1..] {
        events.push(connected(*p, p.height.to_u32().is_multiple_of(3)));
    }
    LedgerStep { from: Some(from), to: *chain.last().unwrap(), events }
}

#[test]
fn kills_at_any_step_of_a_chain_that_reorganises_book_nothing_twice_and_lose_nothing() {
    for seed in 1..=4u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut dir = TempDir::new().unwrap();
        let mut ledger = open(&dir);
        ledger.apply(&begin()).unwrap();
        let mut chain = vec![point(0, 0)];
        // The parent of every block that ever was.
        let mut history = BTreeMap::new();
        for branch in 1..=40u8 {
            let depth = usize::try_from(dice.roll(6).pow(3)).unwrap();
            chain.truncate(chain.len().saturating_sub(depth).max(1));
            for _ in 0..=dice.roll(60) {
                let below = *chain.last().unwrap();
                let next = point(below.height.to_u32() + 1, branch);
                history.insert(next.hash, below);
                chain.push(next);
            }
            let step = way(&ledger, &history, &chain);
            if !step.events.is_empty() {
                ledger.apply(&step).unwrap();
            }
            if dice.roll(3) == 0 {
                let copy = as_if_killed(&dir);
                drop(ledger);
                (ledger, dir) = (open(&copy), copy);
            }
        }
        let step = way(&ledger, &history, &chain);
        if !step.events.is_empty() {
            ledger.apply(&step).unwrap();
        }
        let model = MemoryLedger::default();
        model.apply(&begin()).unwrap();
        let events = chain[1..].iter().map(|p| connected(*p, p.height.to_u32().is_multiple_of(3))).collect();
        let to = *chain.last().unwrap();
        model.apply(&LedgerStep { from: Some(point(0, 0)), to, events }).unwrap();
        let owed = |rows: Vec<Balance>| -> Vec<Balance> {
            rows.into_iter().filter(|b| (b.immature_sat, b.mature_sat) != (0, 0)).collect()
        };
        assert_eq!(owed(ledger.balances().unwrap()), owed(model.balances().unwrap()), "seed {seed}");
        let mut blocks = ledger.blocks(10_000).unwrap();
        blocks.retain(|b| b.state != PoolBlockState::Orphaned);
        assert_eq!(blocks, model.blocks(10_000).unwrap(), "seed {seed}");
        ledger.verify().unwrap();
    }
}

/// What the books say.
type Books = (Option<ChainPoint>, Vec<Balance>, Vec<PoolBlock>);

fn books(ledger: &dyn Ledger) -> Books {
    (ledger.cursor().unwrap(), ledger.balances().unwrap(), ledger.blocks(10_000).unwrap())
}

/// A few blocks more or less on a chain of points.
fn walk(points: &mut Vec<ChainPoint>, branch: u8, chance: &mut Chance) -> LedgerStep {
    let from = points.last().copied();
    let mut events = Vec::new();
    for _ in 0..=chance.below(3) {
        if branch.is_multiple_of(4) && points.len() > 1 {
            events.extend(points.pop().map(|point| ChainEvent::Disconnected { point }));
        } else {
            let next = point(u32::try_from(points.len()).unwrap(), branch);
            points.push(next);
            events.push(connected(next, chance.below(3) == 0));
        }
    }
    LedgerStep { from, to: *points.last().unwrap(), events }
}

/// At every sync, with each kind of power cut: the books open, their audit holds, and nothing that was acknowledged as posted
/// is missing. What posts nothing may have to be walked again.
#[test]
fn at_every_sync_a_power_cut_leaves_books_with_all_that_was_posted() {
    let (steps, path) = (tries(20), std::path::Path::new("ledger.redb"));
    let (sim, model, mut chance) = (Sim::new(), MemoryLedger::default(), Chance::new(5));
    let mut ledger = RedbLedger::open_on(&sim, path).unwrap();
    sim.capture(6);
    assert_eq!(ledger.apply(&begin()), model.apply(&begin()));
    sim.take_images();
    let (mut points, mut may_be, mut images) = (vec![point(0, 0)], vec![books(&model)], 0);
    for n in 0..steps {
        let step = walk(&mut points, u8::try_from(n % 250).unwrap(), &mut chance);
        let applied = ledger.apply(&step);
        assert_eq!(applied, model.apply(&step));
        may_be.push(books(&model));
        for (cut, image) in sim.take_images() {
            let found =
                RedbLedger::open_on(&Sim::of(&image), path).unwrap_or_else(|e| panic!("{cut:?}: {e}"));
            assert!(may_be.contains(&books(&found)), "{cut:?} in step {n}");
            images += 1;
        }
        if matches!(applied, Ok(Applied::Now { entries }) if entries > 0) {
            may_be = vec![books(&model)];
        }
        if n % 11 == 10 {
            let image = sim.image(CUTS[n % CUTS.len()], &mut chance);
            let found = RedbLedger::open_on(&Sim::of(&image), path).unwrap();
            assert!(may_be.contains(&books(&found)), "step {n}");
            drop(ledger);
            ledger = RedbLedger::open_on(&sim, path).unwrap();
            may_be = vec![books(&model)];
            sim.take_images();
        }
    }
    println!("{steps} steps, {images} images");
    assert!(images > steps);
}

/// The disk fails at one operation, or from it on: nothing is posted after, and the next start has all that was.
#[test]
fn a_disk_that_fails_at_any_operation_takes_nothing_from_the_books() {
    let (last, path) = (tries(20) as u64, std::path::Path::new("ledger.redb"));
    let mut failures = 0;
    for at in 1..=last {
        for (kind, stays) in
            [(ErrorKind::StorageFull, true), (ErrorKind::Other, true), (ErrorKind::Other, false)]
        {
            let (sim, model, mut chance) = (Sim::new(), MemoryLedger::default(), Chance::new(at));
            sim.fail(Some(Failure { at: if last >= 500 { at } else { at * at / 2 + 1 }, kind, stays }));
            let Ok(ledger) = RedbLedger::open_on(&sim, path) else { continue };
            let mut may_be = vec![books(&model)];
            let mut points = vec![point(0, 0)];
            let mut step = begin();
            for n in 0..40 {
                let applied = ledger.apply(&step);
                model.apply(&step).unwrap();
                may_be.push(books(&model));
                match applied {
                    Ok(Applied::Now { entries }) if entries > 0 => may_be = vec![books(&model)],
                    Ok(_) => {}
                    Err(_) => {
                        failures += 1;
                        assert!(ledger.apply(&step).is_err(), "acknowledged after a failure");
                        break;
                    }
                }
                step = walk(&mut points, n, &mut chance);
            }
            for cut in CUTS {
                let image = sim.image(cut, &mut chance);
                let found =
                    RedbLedger::open_on(&Sim::of(&image), path).unwrap_or_else(|e| panic!("{cut:?}: {e}"));
                assert!(may_be.contains(&books(&found)), "{cut:?} after a failure at {at}");
            }
        }
    }
    println!("{failures} failures");
    assert!(failures > 0);
}

/// What the books say, where they say anything.
fn books_of(image: &Image, path: &std::path::Path) -> Option<Books> {
    let ledger = RedbLedger::open_on(&Sim::of(image), path).ok()?;
    let books = (ledger.cursor().ok()?, ledger.balances().ok()?, ledger.blocks(10_000).ok()?);
    let blocks = books.2.iter().map(|block| ledger.block(&block.hash).ok()?).collect::<Option<Vec<_>>>()?;
    assert_eq!(blocks, books.2);
    ledger.verify().ok()?;
    Some(books)
}

#[test]
fn no_flipped_bit_of_the_books_is_answered_from() {
    let (sim, path, mut chance) = (Sim::new(), std::path::Path::new("ledger.redb"), Chance::new(8));
    let ledger = RedbLedger::open_on(&sim, path).unwrap();
    for step in steps() {
        ledger.apply(&step).unwrap();
    }
    let want = books(&ledger);
    drop(ledger);
    let image = sim.image(Cut::All, &mut chance);
    assert_eq!(books_of(&image, path).as_ref(), Some(&want));
    let (tries, mut noticed) = (tries(200), 0);
    for n in 0..tries {
        // Every so many bits of the headers, then anywhere.
        let len = image[path].len() as u64;
        let byte = if n % 4 == 0 { chance.below(400) + chance.below(2) * 4096 } else { chance.below(len) };
        let (byte, bit) = (byte as usize, chance.below(8) as u32);
        let mut flipped = image.clone();
        flipped.insert(path.to_owned(), image[path].flipped(byte, bit));
        match books_of(&flipped, path) {
            None => noticed += 1,
            Some(found) => assert!(found == want, "bit {bit} of byte {byte}: other books are served"),
        }
    }
    println!("{tries} flips: {noticed} noticed");
    assert!(noticed > 0);
}
