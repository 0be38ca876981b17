use std::cell::Cell;

use adit_domain::chain::{ChainSums, Flows, MuHash};
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};

use super::{CoinStatsRecord, FilterRecord, IndexDb, IndexedBlock, TxPlace};
use crate::codec::CodecError;

fn block(height: u32, mark: u8) -> IndexedBlock {
    let hash = BlockHash::from_byte_array([mark; 32]);
    IndexedBlock { height: Height::new(height), hash, head: vec![mark; 3], body: Some(vec![mark; 9_000]) }
}

fn txid(first: u8, last: u8) -> Txid {
    let mut bytes = [first; 32];
    bytes[31] = last;
    Txid::from_byte_array(bytes)
}

fn place(height: u32, offset: u32) -> TxPlace {
    TxPlace { height: Height::new(height), offset }
}

fn open(dir: &tempfile::TempDir) -> IndexDb {
    IndexDb::open(&dir.path().join("index-test.redb")).unwrap()
}

#[test]
fn what_is_appended_is_found_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = open(&dir);
        assert_eq!((db.last().unwrap(), db.block(Height::GENESIS).unwrap()), (None, None));
        db.append(None, &[block(0, 1), block(1, 2)], &[]).unwrap();
        db.append(Some(Height::new(1)), &[block(2, 3)], &[]).unwrap();
    }
    let db = open(&dir);
    assert_eq!(db.last().unwrap(), Some(IndexedBlock { body: None, ..block(2, 3) }));
    assert_eq!(db.block(Height::new(1)).unwrap(), Some(IndexedBlock { body: None, ..block(1, 2) }));
    assert_eq!(db.block_with_body(Height::GENESIS).unwrap(), Some(block(0, 1)));
    assert_eq!(db.block_with_body(Height::new(3)).unwrap(), None);
}

#[test]
fn another_branch_takes_the_place_of_what_left() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir);
    db.append(None, &[block(0, 1), block(1, 2), block(2, 3)], &[]).unwrap();
    db.append(Some(Height::new(0)), &[block(1, 7)], &[]).unwrap();
    assert_eq!(db.last().unwrap().unwrap().hash, block(1, 7).hash);
    assert_eq!(db.block_with_body(Height::new(1)).unwrap(), Some(block(1, 7)));
    assert_eq!(db.block_with_body(Height::new(2)).unwrap(), None);
    db.append(None, &[], &[]).unwrap();
    assert_eq!(db.last().unwrap(), None);
}

#[test]
fn places_are_found_by_the_first_bytes_over_all_runs() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir);
    let (twin, other) = (txid(1, 2), txid(9, 9));
    db.append(None, &[block(0, 1)], &[(txid(1, 1), place(0, 81)), (other, place(0, 300))]).unwrap();
    db.append(Some(Height::GENESIS), &[block(1, 2)], &[(twin, place(1, 81)), (twin, place(1, 81))]).unwrap();
    // The runs are taken together, whichever txid is asked for.
    for asked in [txid(1, 1), twin] {
        assert_eq!(db.find(&asked).unwrap(), [place(1, 81), place(0, 81)]);
    }
    assert_eq!(db.find(&other).unwrap(), [place(0, 300)]);
    assert_eq!(db.find(&txid(2, 2)).unwrap(), []);
}

#[test]
fn runs_of_like_size_are_merged_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir);
    let rows =
        |n: u8| -> Vec<_> { (0..200u8).map(|m| (txid(m, 0), place(u32::from(n), u32::from(m)))).collect() };
    for n in 0..40u8 {
        let keep = n.checked_sub(1).map(|n| Height::new(u32::from(n)));
        db.append(keep, &[block(u32::from(n), n)], &rows(n)).unwrap();
        while db.merge(&|| true).unwrap() {}
        // Each size that there is at most three times.
        assert!(db.runs().unwrap() <= 9, "{n}: {}", db.runs().unwrap());
    }
    let found = db.find(&txid(7, 0)).unwrap();
    assert_eq!(found, (0..40).rev().map(|n| place(n, 7)).collect::<Vec<_>>());
}

#[test]
fn a_merge_that_is_cut_short_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir);
    for n in 0..4u32 {
        let rows: Vec<_> = (0..2_000u32).map(|m| (txid((m % 256) as u8, 0), place(n, m))).collect();
        db.append(n.checked_sub(1).map(Height::new), &[block(n, 1)], &rows).unwrap();
    }
    let asked = Cell::new(0);
    let refuse = || {
        asked.set(asked.get() + 1);
        false
    };
    assert!(!db.merge(&refuse).unwrap());
    assert_eq!((asked.get(), db.runs().unwrap()), (1, 4));
    assert!(db.merge(&|| true).unwrap());
    assert_eq!(db.runs().unwrap(), 1);
}

#[test]
fn records_come_back_and_damaged_ones_do_not() {
    let mut muhash = MuHash::EMPTY;
    muhash.insert(b"a coin");
    let flows = Flows { subsidy_sat: 1, prevout_spent_sat: u128::MAX, unclaimed_sat: 8, ..Flows::default() };
    let sums = ChainSums { muhash, coins: 1, bogo_size: 2, amount_sat: 3, flows };
    let record = CoinStatsRecord(sums);
    let bytes = record.encode();
    assert_eq!(CoinStatsRecord::decode(&bytes), Ok(record));
    assert_eq!(CoinStatsRecord::decode(&bytes[1..]), Err(CodecError::Short));
    assert_eq!(CoinStatsRecord::decode(&[bytes, vec![0]].concat()), Err(CodecError::Trailing));
    let record = FilterRecord { hash: [1; 32], header: [2; 32] };
    let bytes = record.encode();
    assert_eq!(FilterRecord::decode(&bytes), Ok(record));
    assert_eq!(FilterRecord::decode(&bytes[..63]), Err(CodecError::Short));
    assert_eq!(FilterRecord::decode(&[bytes, vec![0]].concat()), Err(CodecError::Trailing));
}
