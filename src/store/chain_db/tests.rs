use std::collections::BTreeMap as Map;

use adit_domain::units::Height;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, OutPoint, ScriptBuf, TxMerkleNode, TxOut, Txid};

use super::merge::LOOK_RECORDS;
use super::*;
use crate::codec::outpoint_key;
use crate::coin::CompactCoin;
use crate::flat::{FileEnd, FilePos};

fn outpoint(n: u16) -> OutPoint {
    let mut txid = [0; 32];
    // All partitions have some.
    txid[..2].copy_from_slice(&n.wrapping_mul(0x9e37).to_be_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: 0 }
}

fn coin(sat: u64) -> CompactCoin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    CompactCoin::new(&output, Height::new(7), false)
}

fn state(flushes: u64) -> FlushState {
    let end = FileEnd { file: 1, offset: 99 };
    let tip = BlockHash::from_byte_array([3; 32]);
    FlushState { tip, height: Height::new(8), flushes, blocks_end: end }
}

fn header(n: u32) -> Header {
    Header {
        version: Version::ONE,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: n,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: n,
    }
}

fn node(number: u32) -> NodeRecord {
    let pos = FilePos { file: 1, offset: 2, len: 3 };
    let block = (number > 0).then_some(pos);
    NodeRecord { number, header: header(number), status: 5, block, undo: None, txs: number }
}

fn flush(db: &ChainDb, number: u64, coins: &Map<OutPoint, Option<CompactCoin>>) {
    let nodes = vec![node(u32::try_from(number).unwrap())];
    let rows: Vec<_> = coins.iter().map(|(k, v)| (outpoint_key(k), v)).collect();
    let mut rows = rows.iter().map(|(k, v)| (k, v.as_ref().map(CompactCoin::as_packed)));
    db.flush(Flush { state: state(number), nodes, coins: &mut rows }).unwrap();
}

fn all(db: &ChainDb) -> Map<OutPoint, CompactCoin> {
    let snapshot = db.snapshot().unwrap();
    let halves = [snapshot.scan(0, 0x7f).unwrap(), snapshot.scan(0x80, 0xff).unwrap()];
    halves.into_iter().flatten().map(Result::unwrap).collect()
}

#[test]
fn a_flush_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    let db = ChainDb::open(&path).unwrap();
    assert_eq!(db.state().unwrap(), None);
    flush(&db, 1, &Map::from([(outpoint(1), Some(coin(5))), (outpoint(0xff00), Some(coin(6)))]));
    flush(&db, 0, &Map::from([(outpoint(1), None)]));
    drop(db);
    let db = ChainDb::open(&path).unwrap();
    assert_eq!(db.state().unwrap(), Some(state(0)));
    assert_eq!(all(&db), Map::from([(outpoint(0xff00), coin(6))]));
    let mut nodes = Vec::new();
    db.for_each_node(|n| {
        nodes.push(n);
        Ok::<(), StoreFault>(())
    })
    .unwrap();
    assert_eq!(nodes, [node(0), node(1)]);
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.get(&outpoint(1)).unwrap(), None);
    assert_eq!(snapshot.get(&outpoint(2)).unwrap(), None);
    assert_eq!(snapshot.get(&outpoint(0xff00)).unwrap(), Some(coin(6)));
    // Together, in any order, one of them twice.
    let many = [outpoint(1), outpoint(2), outpoint(0xff00), outpoint(1), outpoint(0xff00)];
    let found = snapshot.get_many(&many).unwrap();
    assert_eq!(found, [None, None, Some(coin(6)), None, Some(coin(6))]);
    assert_eq!(snapshot.get_many(&[]).unwrap(), []);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
    flush(&db, 1, &Map::from([(outpoint(1), Some(coin(5)))]));
    let before = db.snapshot().unwrap();
    flush(&db, 2, &Map::from([(outpoint(1), None), (outpoint(2), Some(coin(9)))]));
    assert_eq!(before.get(&outpoint(1)).unwrap(), Some(coin(5)));
    assert_eq!(before.get(&outpoint(2)).unwrap(), None);
    assert_eq!(db.snapshot().unwrap().get(&outpoint(2)).unwrap(), Some(coin(9)));
}

/// Many flushes with births and deaths, merged in slices, reopened in the middle of a merge: the set is the same as in a map.
#[test]
fn merges_change_nothing_but_the_number_of_tiers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    let mut db = ChainDb::open(&path).unwrap();
    let mut model: Map<OutPoint, CompactCoin> = Map::new();
    for round in 0u16..20 {
        let mut batch = Map::new();
        for i in 0..50 {
            let born = outpoint(round * 50 + i);
            batch.insert(born, Some(coin(u64::from(round))));
            if round > 0 && i % 3 == 0 {
                batch.insert(outpoint((round - 1) * 50 + i), None);
            }
        }
        flush(&db, u64::from(round), &batch);
        for (key, change) in batch {
            match change {
                Some(coin) => model.insert(key, coin),
                None => model.remove(&key),
            };
        }
        // A merge that a start cut short begins again.
        if round == 11 && db.merge_step(10).unwrap() == MergeStep::More {
            drop(db);
            db = ChainDb::open(&path).unwrap();
        }
        for _ in 0..if round % 2 == 0 { 1 } else { 100 } {
            if db.merge_step(70).unwrap() == MergeStep::Idle {
                break;
            }
        }
        assert_eq!(all(&db), model, "round {round}");
    }
    assert!(db.tiers() < 8, "{} tiers", db.tiers());
    while db.merge_step(1000).unwrap() != MergeStep::Idle {}
    drop(db);
    assert_eq!(all(&ChainDb::open(&path).unwrap()), model);
}

/// The process ends while tiers are merged: what was merged by then counts, and nothing is lost.
#[test]
fn a_merge_that_is_not_to_go_on_ends_soon() {
    let dir = tempfile::tempdir().unwrap();
    let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
    let mut model = Map::new();
    for round in 0u16..7 {
        let batch: Map<_, _> = (0..2_500).map(|i| (outpoint(round * 2_500 + i), Some(coin(1)))).collect();
        flush(&db, u64::from(round), &batch);
        model.extend(batch.into_iter().map(|(key, coin)| (key, coin.unwrap())));
    }
    let mut steps = 0;
    while db.merge_step_while(1_000_000, &|| false).unwrap() != MergeStep::Idle {
        steps += 1;
        assert_eq!(all(&db), model);
    }
    // A slice ends at the next look.
    assert!(steps >= model.len() / LOOK_RECORDS, "{steps}");
    assert!(db.tiers() < 6, "{} tiers", db.tiers());
}

#[test]
fn damaged_records_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
    flush(&db, 1, &Map::from([(outpoint(1), Some(coin(5)))]));
    let txn = db.begin().unwrap();
    txn.open_table(META).unwrap().insert(STATE, [0u8; 70].as_slice()).unwrap();
    txn.open_table(coin_table("coins.0"))
        .unwrap()
        .insert(&outpoint_key(&outpoint(1)), b"xxxxxx".as_slice())
        .unwrap();
    txn.open_table(NODES).unwrap().insert(0, b"xxxx".as_slice()).unwrap();
    txn.commit().unwrap();
    let text = |e: StoreFault| e.to_string();
    assert_eq!(db.state().map_err(text), Err("the flush state is damaged: checksum mismatch".to_owned()));
    let got = db.snapshot().unwrap().get(&outpoint(1)).map_err(text);
    assert_eq!(got, Err("a coin is damaged: checksum mismatch".to_owned()));
    let nodes = db.for_each_node(|_| Ok::<(), StoreFault>(())).map_err(text);
    assert_eq!(nodes, Err("a header record is damaged: checksum mismatch".to_owned()));
    let txn = db.begin().unwrap();
    txn.delete_table(FILTERS).unwrap();
    txn.open_table(FILTERS).unwrap();
    txn.commit().unwrap();
    drop(db);
    let missing = ChainDb::open(&dir.path().join("c.redb")).err().map(text);
    assert_eq!(missing, Some("a tier's filter is missing".to_owned()));
}

#[test]
fn what_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    std::fs::write(&path, "not a database, certainly not one").unwrap();
    assert!(matches!(ChainDb::open(&path), Err(StoreFault::Io { .. })));
}
