use std::collections::BTreeMap;

use bitcoin::Amount;
use bitcoin::hashes::Hash;
use proptest::prelude::*;

use super::*;
use crate::payout::{MemoryLedger, Posting, split_reward};

const REWARD: u64 = 5_000_000_000;

/// A block of branch `branch` at `height`; the pool finds those whose number is divisible by three.
fn point(height: u32, branch: u8) -> ChainPoint {
    let mut bytes = [branch; 32];
    bytes[..4].copy_from_slice(&height.to_le_bytes());
    ChainPoint { hash: BlockHash::from_byte_array(bytes), height: Height::new(height) }
}

fn booking(point: &ChainPoint) -> Booking {
    let seed = u128::from(point.height.to_u32());
    let work = BTreeMap::from([
        (Account::address("alice").unwrap(), seed + 1),
        (Account::address("bob").unwrap(), 7),
    ]);
    let split = split_reward(Amount::from_sat(REWARD), 100, &work).unwrap();
    Booking { finder: "alice.rig".to_owned(), split }
}

fn connected(point: ChainPoint, is_ours: bool) -> ChainEvent {
    ChainEvent::Connected { point, ours: is_ours.then(|| booking(&point)) }
}

fn up(from: Option<ChainPoint>, points: &[(ChainPoint, bool)]) -> LedgerStep {
    let events: Vec<ChainEvent> = points.iter().map(|(p, ours)| connected(*p, *ours)).collect();
    LedgerStep { from, to: points.last().unwrap().0, events }
}

fn start() -> MemoryLedger {
    let ledger = MemoryLedger::default();
    ledger.apply(&LedgerStep { from: None, to: point(0, 0), events: vec![] }).unwrap();
    ledger
}

/// A chain of `heights` on branch `branch`, whose first block is the pool's.
fn chain(heights: std::ops::RangeInclusive<u32>, branch: u8) -> Vec<(ChainPoint, bool)> {
    let first = *heights.start();
    heights.map(|h| (point(h, branch), h == first)).collect()
}

fn sum(ledger: &MemoryLedger) -> (i64, i64) {
    let rows = ledger.balances().unwrap();
    rows.iter().fold((0, 0), |(i, m), b| (i + b.immature_sat, m + b.mature_sat))
}

fn of(ledger: &MemoryLedger, account: &str) -> (i64, i64) {
    let rows = ledger.balances().unwrap();
    rows.iter().find(|b| b.account == account).map_or((0, 0), |b| (b.immature_sat, b.mature_sat))
}

#[test]
fn a_block_is_immature_until_its_hundredth_confirmation() {
    let ledger = start();
    let fee = i64::try_from(REWARD / 100).unwrap();
    ledger.apply(&up(Some(point(0, 0)), &chain(1..=99, 1))).unwrap();
    assert_eq!(of(&ledger, "pool:fee"), (fee, 0));
    ledger.apply(&up(Some(point(99, 1)), &[(point(100, 1), false)])).unwrap();
    assert_eq!(of(&ledger, "pool:fee"), (0, fee));
    assert_eq!(of(&ledger, "chain:coinbase"), (0, -fee * 100));
    assert_eq!(ledger.blocks(9).unwrap()[0].state, PoolBlockState::Mature);
    assert_eq!(ledger.verify(), Ok(LedgerSummary { entries: 2, accounts: 4, blocks: 1 }));
}

#[test]
fn a_block_that_pays_nothing_is_found_and_matures_and_leaves_and_owes_nobody() {
    let ledger = start();
    let at = point(1, 1);
    let work = BTreeMap::from([(Account::address("alice").unwrap(), 3)]);
    let split = split_reward(Amount::ZERO, 100, &work).unwrap();
    let ours = Some(Booking { finder: "alice.rig".to_owned(), split });
    let step = LedgerStep {
        from: Some(point(0, 0)),
        to: at,
        events: vec![ChainEvent::Connected { point: at, ours }],
    };
    assert_eq!(ledger.apply(&step), Ok(Applied::Now { entries: 1 }));
    let shown = ledger.block(&at.hash).unwrap().unwrap();
    assert_eq!((shown.reward, shown.state), (Amount::ZERO, PoolBlockState::Immature));
    let above: Vec<_> = (2..=100).map(|h| (point(h, 1), false)).collect();
    ledger.apply(&up(Some(at), &above)).unwrap();
    assert_eq!(ledger.block(&at.hash).unwrap().unwrap().state, PoolBlockState::Mature);
    let away = (1..=100).rev().map(|h| ChainEvent::Disconnected { point: point(h, 1) }).collect();
    ledger.apply(&LedgerStep { from: Some(point(100, 1)), to: point(0, 0), events: away }).unwrap();
    assert_eq!(ledger.block(&at.hash).unwrap().unwrap().state, PoolBlockState::Orphaned);
    assert!(ledger.balances().unwrap().is_empty());
    assert_eq!(ledger.verify(), Ok(LedgerSummary { entries: 4, accounts: 0, blocks: 1 }));
}

#[test]
fn a_pool_block_may_be_reorganised_away_at_any_depth_and_come_back() {
    for depth in 1..=150u32 {
        let ledger = start();
        let ours = chain(1..=depth, 1);
        ledger.apply(&up(Some(point(0, 0)), &ours)).unwrap();
        let before = ledger.balances().unwrap();
        let away: Vec<ChainEvent> = ours
            .iter()
            .rev()
            .map(|(p, _)| ChainEvent::Disconnected { point: *p })
            .chain(chain(1..=depth + 1, 2).into_iter().map(|(p, _)| connected(p, false)))
            .collect();
        let there = point(depth + 1, 2);
        ledger.apply(&LedgerStep { from: Some(point(depth, 1)), to: there, events: away }).unwrap();
        assert_eq!(ledger.blocks(9).unwrap()[0].state, PoolBlockState::Orphaned, "depth {depth}");
        assert!(ledger.balances().unwrap().iter().all(|b| (b.immature_sat, b.mature_sat) == (0, 0)));
        let back: Vec<ChainEvent> = (1..=depth + 1)
            .rev()
            .map(|h| ChainEvent::Disconnected { point: point(h, 2) })
            .chain(ours.iter().map(|(p, is_ours)| connected(*p, *is_ours)))
            .collect();
        ledger.apply(&LedgerStep { from: Some(there), to: point(depth, 1), events: back }).unwrap();
        assert_eq!(ledger.balances().unwrap(), before, "depth {depth}");
        ledger.verify().unwrap();
    }
}

#[test]
fn a_block_that_comes_back_is_owed_as_the_first_time() {
    let ledger = start();
    let (a, gone) = (point(1, 1), point(0, 0));
    ledger.apply(&up(Some(gone), &[(a, true)])).unwrap();
    let before = ledger.balances().unwrap();
    let down = LedgerStep { from: Some(a), to: gone, events: vec![ChainEvent::Disconnected { point: a }] };
    ledger.apply(&down).unwrap();
    // The window has moved on, or the pool's own script has changed: the first booking stands.
    for other in [None, Some(Booking { finder: "x".to_owned(), ..booking(&point(9, 9)) })] {
        let event = ChainEvent::Connected { point: a, ours: other };
        ledger.apply(&LedgerStep { from: Some(gone), to: a, events: vec![event] }).unwrap();
        assert_eq!(ledger.balances().unwrap(), before);
        assert_eq!(ledger.block(&a.hash).unwrap().unwrap().finder, "alice.rig");
        ledger.apply(&down).unwrap();
    }
}

#[test]
fn a_step_is_taken_once() {
    let ledger = start();
    let step = up(Some(point(0, 0)), &[(point(1, 1), true)]);
    assert_eq!(ledger.apply(&step), Ok(Applied::Now { entries: 1 }));
    assert_eq!(ledger.apply(&step), Ok(Applied::Before));
    assert_eq!(ledger.verify().unwrap().entries, 1);
    let elsewhere = up(Some(point(0, 0)), &[(point(1, 2), false)]);
    assert_eq!(ledger.apply(&elsewhere), Err(LedgerError::OutOfStep { cursor: Some(point(1, 1)) }));
}

#[test]
fn a_step_must_lead_from_its_start_to_its_end() {
    let check = |from: Option<ChainPoint>, to: ChainPoint, events: Vec<ChainEvent>| {
        let ledger = start();
        let before = ledger.balances().unwrap();
        assert_eq!(ledger.apply(&LedgerStep { from, to, events }), Err(LedgerError::Broken));
        assert_eq!((ledger.balances().unwrap(), ledger.cursor().unwrap()), (before, Some(point(0, 0))));
    };
    let zero = Some(point(0, 0));
    let off = |h, b| ChainEvent::Disconnected { point: point(h, b) };
    check(zero, point(1, 1), vec![]);
    check(zero, point(2, 1), vec![connected(point(2, 1), false)]);
    check(zero, point(1, 1), vec![connected(point(1, 2), false)]);
    check(zero, point(1, 1), vec![off(0, 1), connected(point(1, 1), false)]);
    check(zero, point(2, 1), vec![connected(point(1, 1), true), connected(point(3, 1), true)]);
    check(zero, point(1, 1), vec![off(1, 1)]);
    let ledger = MemoryLedger::default();
    let step = LedgerStep { from: None, to: point(1, 1), events: vec![off(2, 2)] };
    assert_eq!(ledger.apply(&step), Err(LedgerError::Broken));
}

#[test]
fn books_may_begin_anywhere() {
    let ledger = MemoryLedger::default();
    ledger.apply(&up(None, &[(point(500, 1), true), (point(501, 1), false)])).unwrap();
    assert_eq!(ledger.cursor(), Ok(Some(point(501, 1))));
    assert_eq!(ledger.verify().unwrap().blocks, 1);
}

/// Books that lie.
struct Lying(BTreeMap<Height, BlockRecord>);
impl Books for Lying {
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        Ok(Some(point(5, 1)))
    }
    fn set_cursor(&mut self, _: ChainPoint) -> Result<(), LedgerFault> {
        Ok(())
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<BlockRecord>, LedgerFault> {
        Ok(self.0.values().find(|r| r.block.hash == *hash).cloned())
    }
    fn blocks_at(&self, height: Height) -> Result<Vec<BlockRecord>, LedgerFault> {
        Ok(self.0.get(&height).cloned().into_iter().collect())
    }
    fn put_block(&mut self, _: &BlockRecord) -> Result<(), LedgerFault> {
        Ok(())
    }
    fn entry(&self, _: u64) -> Result<Option<JournalEntry>, LedgerFault> {
        Ok(None)
    }
    fn append(&mut self, _: &JournalEntry) -> Result<u64, LedgerFault> {
        Err(LedgerFault::Storage("no space".to_owned()))
    }
    fn amount_sat(&self, _: &Account, _: Column) -> Result<i64, LedgerFault> {
        Ok(if self.0.is_empty() { i64::MAX } else { 0 })
    }
    fn set_amount_sat(&mut self, _: &Account, _: Column, _: i64) -> Result<(), LedgerFault> {
        Ok(())
    }
}

#[test]
fn contradictions_are_faults_and_never_booked_over() {
    let record = |h: u32, state| {
        let block = PoolBlock { state, ..pool_block(&point(h, 1), &booking(&point(h, 1))) };
        (Height::new(h), BlockRecord { block, booked: 7 })
    };
    let check = |rows: Vec<(Height, BlockRecord)>, event: ChainEvent, to: ChainPoint, want: LedgerError| {
        let mut books = Lying(rows.into_iter().collect());
        let step = LedgerStep { from: Some(point(5, 1)), to, events: vec![event] };
        assert_eq!(apply_step(&mut books, &step), Err(want));
    };
    let damaged = |text| LedgerError::Fault(LedgerFault::Damaged(text));
    let (next, last) = (point(6, 1), point(4, 1));
    let off = ChainEvent::Disconnected { point: point(5, 1) };
    let on = connected(next, true);
    let state = PoolBlockState::Immature;
    check(vec![record(6, state)], on.clone(), next, damaged("a block that joins is booked already"));
    check(
        vec![record(5, PoolBlockState::Mature)],
        off.clone(),
        last,
        damaged("a block that leaves is not immature"),
    );
    check(vec![record(5, state)], off, last, damaged("a block's first booking is missing"));
    check(vec![], on.clone(), next, LedgerError::Journal(JournalError::Range));
    let storage = LedgerFault::Storage("no space".to_owned());
    check(vec![record(1, state)], on, next, LedgerError::Fault(storage));
}

#[test]
fn an_audit_finds_what_does_not_add_up() {
    let entry = JournalEntry::booked(point(1, 1).hash, &booking(&point(1, 1)).split).unwrap();
    let ledger = start();
    ledger.apply(&up(Some(point(0, 0)), &[(point(1, 1), true)])).unwrap();
    let (balances, blocks) = (ledger.balances().unwrap(), ledger.blocks(9).unwrap());
    let run = |b: &[Balance], k: &[PoolBlock]| audit(std::iter::once(Ok(entry.clone())), b, k);
    assert_eq!(run(&balances, &blocks), Ok(LedgerSummary { entries: 1, accounts: 4, blocks: 1 }));
    let mut wrong = balances.clone();
    wrong[0].mature_sat = 1;
    assert_eq!(run(&wrong, &blocks), Err(AuditError::Balance { account: wrong[0].account.clone() }));
    assert_eq!(run(&balances[1..], &blocks), Err(AuditError::Balance { account: wrong[0].account.clone() }));
    let hash = blocks[0].hash;
    assert_eq!(run(&balances, &[]), Err(AuditError::Block { hash }));
    let matured = PoolBlock { state: PoolBlockState::Mature, ..blocks[0].clone() };
    assert_eq!(run(&balances, &[matured]), Err(AuditError::Block { hash }));
    let fault = LedgerFault::Damaged("x");
    assert_eq!(audit(std::iter::once(Err(fault.clone())), &[], &[]), Err(AuditError::Fault(fault)));
    let most = |sat: i64| Posting { account: Account::pool_fee(), column: Column::Mature, amount_sat: sat };
    let huge = JournalEntry::new(EntryKind::Booked, hash, vec![most(i64::MAX), most(-i64::MAX)]).unwrap();
    let half = JournalEntry::new(EntryKind::Booked, hash, vec![most(i64::MAX), most(1), most(i64::MIN)]);
    assert!(audit(std::iter::once(Ok(huge)), &[], &[]).is_err());
    assert_eq!(audit(std::iter::once(Ok(half.unwrap())), &[], &[]), Err(AuditError::Range));
}

/// What the books must be on a chain: the same as books that only ever saw that chain.
fn owed_on(chain: &[(ChainPoint, bool)]) -> BTreeMap<String, (i64, i64)> {
    let ledger = start();
    if !chain.is_empty() {
        ledger.apply(&up(Some(point(0, 0)), chain)).unwrap();
    }
    rows(&ledger)
}

fn rows(ledger: &MemoryLedger) -> BTreeMap<String, (i64, i64)> {
    let rows = ledger.balances().unwrap().into_iter();
    rows.map(|b| (b.account, (b.immature_sat, b.mature_sat))).filter(|(_, v)| *v != (0, 0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Random reorganisations, with retries of steps that were taken and of steps from elsewhere.
    #[test]
    fn the_books_are_a_function_of_the_chain(
        moves in proptest::collection::vec((0u32..160, 1u32..160, any::<u32>(), any::<bool>()), 1..12),
    ) {
        let ledger = start();
        let mut chain: Vec<(ChainPoint, bool)> = Vec::new();
        for (i, (down, up, found, retry)) in moves.into_iter().enumerate() {
            let keep = chain.len().saturating_sub(usize::try_from(down).unwrap());
            let from = chain.last().map_or(point(0, 0), |(p, _)| *p);
            let gone = chain.split_off(keep);
            let mut events: Vec<ChainEvent> =
                gone.iter().rev().map(|(p, _)| ChainEvent::Disconnected { point: *p }).collect();
            for n in 0..up {
                let height = u32::try_from(chain.len()).unwrap() + 1;
                let block = (point(height, u8::try_from(i).unwrap() + 1), found.rotate_left(n) & 1 == 1);
                events.push(connected(block.0, block.1));
                chain.push(block);
            }
            let step = LedgerStep { from: Some(from), to: chain.last().unwrap().0, events };
            ledger.apply(&step).unwrap();
            if retry {
                prop_assert_eq!(ledger.apply(&step), Ok(Applied::Before));
                let late = LedgerStep { to: point(9_999, 9), ..step };
                let is_out_of_step = matches!(ledger.apply(&late), Err(LedgerError::OutOfStep { .. }));
                prop_assert!(is_out_of_step);
            }
            prop_assert_eq!(sum(&ledger), (0, 0));
            prop_assert_eq!(rows(&ledger), owed_on(&chain));
            ledger.verify().unwrap();
        }
    }
}
