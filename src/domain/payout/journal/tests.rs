use std::collections::BTreeMap;

use bitcoin::hashes::Hash;

use super::*;
use crate::payout::split_reward;

fn block() -> BlockHash {
    BlockHash::from_byte_array([1; 32])
}

fn p(account: &str, column: Column, amount_sat: i64) -> Posting {
    Posting { account: Account::parse(account).unwrap(), column, amount_sat }
}

fn booked() -> JournalEntry {
    let work = BTreeMap::from([(Account::address("a").unwrap(), 1u128), (Account::address("b").unwrap(), 2)]);
    JournalEntry::booked(block(), &split_reward(Amount::from_sat(100), 100, &work).unwrap()).unwrap()
}

#[test]
fn postings_that_do_not_balance_are_no_entry() {
    use Column::{Immature, Mature};
    let check = |postings: Vec<Posting>, want: JournalError| {
        assert_eq!(JournalEntry::new(EntryKind::Booked, block(), postings), Err(want));
    };
    check(vec![p("a", Immature, 0)], JournalError::Zero);
    let unbalanced = |column, sum_sat| JournalError::Unbalanced { column, sum_sat };
    check(vec![p("a", Immature, 1)], unbalanced(Immature, 1));
    check(vec![p("a", Immature, 1), p("b", Mature, -1)], unbalanced(Immature, 1));
    check(vec![p("a", Mature, 5), p("b", Mature, -6)], unbalanced(Mature, -1));
    let most = vec![p("a", Mature, i64::MAX), p("b", Mature, i64::MAX)];
    check(most, unbalanced(Mature, i128::from(i64::MAX) * 2));
}

#[test]
fn a_booking_owes_what_the_chain_paid() {
    use Column::Immature;
    let want = vec![
        p("chain:coinbase", Immature, -100),
        p("pool:fee", Immature, 1),
        p("a", Immature, 33),
        p("b", Immature, 66),
    ];
    assert_eq!(booked().postings(), want);
    assert_eq!((booked().kind(), booked().block()), (EntryKind::Booked, block()));
}

#[test]
fn a_block_that_pays_nothing_moves_nothing() {
    let nobody = split_reward(Amount::ZERO, 100, &BTreeMap::new()).unwrap();
    let booked = JournalEntry::booked(block(), &nobody).unwrap();
    for entry in [booked.matured(), booked.unmatured(), booked.reversed(), Ok(booked)] {
        let entry = entry.unwrap();
        assert!(entry.postings().is_empty(), "{:?}", entry.kind());
        assert_eq!(entry.block(), block());
    }
}

#[test]
fn each_step_has_its_opposite() {
    let sum = |entries: &[JournalEntry]| {
        let mut sums: BTreeMap<(Account, Column), i64> = BTreeMap::new();
        for posting in entries.iter().flat_map(JournalEntry::postings) {
            *sums.entry((posting.account.clone(), posting.column)).or_default() += posting.amount_sat;
        }
        sums.retain(|_, v| *v != 0);
        sums
    };
    assert!(sum(&[booked(), booked().reversed().unwrap()]).is_empty());
    assert!(sum(&[booked().matured().unwrap(), booked().unmatured().unwrap()]).is_empty());
    let owed = sum(&[booked(), booked().matured().unwrap()]);
    assert!(owed.keys().all(|(_, column)| *column == Column::Mature));
    assert_eq!(owed[&(Account::address("b").unwrap(), Column::Mature)], 66);
}

#[test]
fn only_a_booking_moves_on() {
    for entry in [booked().matured().unwrap(), booked().reversed().unwrap(), booked().unmatured().unwrap()] {
        assert_eq!(entry.matured(), Err(JournalError::NotBooked));
        assert_eq!(entry.unmatured(), Err(JournalError::NotBooked));
        assert_eq!(entry.reversed(), Err(JournalError::NotBooked));
    }
    let least =
        vec![p("a", Column::Mature, i64::MIN), p("b", Column::Mature, i64::MAX), p("c", Column::Mature, 1)];
    let least = JournalEntry::new(EntryKind::Booked, block(), least).unwrap();
    assert_eq!(least.reversed(), Err(JournalError::Range));
}
