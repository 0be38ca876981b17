use std::panic::{AssertUnwindSafe, catch_unwind};

use adit_store::{ChainDb, Flush, FlushState};
use bitcoin::block::{Header, Version};
use bitcoin::{Amount, BlockHash, CompactTarget, ScriptBuf, TxMerkleNode, TxOut, Txid, Work};

use super::*;

fn outpoint(n: u32) -> OutPoint {
    let mut txid = [0; 32];
    txid[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_le_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: n }
}

fn coin(height: u32, script: usize) -> CompactCoin {
    let output =
        TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::from_bytes(vec![0x51; script]) };
    CompactCoin::new(&output, Height::new(height), false)
}

fn tip(height: u32) -> Arc<Tip> {
    let header = Header {
        version: Version::ONE,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0),
        nonce: height,
    };
    let chain_work = Work::from_le_bytes([0; 32]);
    Arc::new(Tip {
        hash: header.block_hash(),
        height: Height::new(height),
        header,
        median_time_past: 0,
        chain_work,
    })
}

struct Fixture {
    db: ChainDb,
    cache: CoinCache,
    height: u32,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
        let cache = CoinCache::new(db.snapshot().unwrap(), tip(0));
        Fixture { db, cache, height: 0, _dir: dir }
    }

    fn apply(&mut self, changes: &[(u32, Option<usize>)]) {
        self.height += 1;
        let height = self.height;
        let mut changes: Vec<Change> =
            changes.iter().map(|(n, script)| (outpoint(*n), script.map(|len| coin(height, len)))).collect();
        self.cache.apply([&mut changes].into_iter(), tip(height)).unwrap();
        assert_eq!(self.cache.read().unwrap().tip(), &tip(height));
    }

    /// Flushes as the engine does; returns how many records it wrote.
    fn flush(&self, keep_from: u32) -> usize {
        let read = self.cache.read().unwrap();
        let rows: Vec<_> = read.changes().collect();
        assert!(rows.is_sorted_by_key(|(outpoint, _)| **outpoint));
        assert_eq!(rows.len(), read.dirty());
        let state = FlushState {
            tip: read.tip().hash,
            height: read.tip().height,
            flushes: 1,
            blocks_end: Default::default(),
        };
        let mut coins = rows.iter().copied();
        self.db.flush(Flush { state, nodes: vec![], coins_count: rows.len(), coins: &mut coins }).unwrap();
        let written = rows.len();
        drop(rows);
        drop(read);
        self.cache.flushed(self.db.snapshot().unwrap(), Height::new(keep_from)).unwrap();
        written
    }

    fn has(&self, n: u32) -> bool {
        self.cache.get(&outpoint(n)).unwrap().is_some()
    }
}

#[test]
fn a_coin_that_lives_between_two_flushes_is_never_written() {
    let mut f = Fixture::new();
    f.apply(&[(1, Some(22)), (2, Some(99))]);
    f.apply(&[(1, None)]);
    assert_eq!(f.flush(0), 1);
    assert!(!f.has(1) && f.has(2));
}

#[test]
fn a_coin_spent_after_a_flush_is_gone_after_the_next() {
    for keep_from in [0, 100] {
        let mut f = Fixture::new();
        f.apply(&[(1, Some(22)), (2, Some(22))]);
        assert_eq!(f.flush(keep_from), 2);
        f.apply(&[(1, None)]);
        assert!(!f.has(1) && f.has(2));
        assert_eq!(f.flush(keep_from), 1);
        assert!(!f.has(1) && f.has(2));
        // Restored by a disconnected block, and spent again.
        f.apply(&[(1, Some(22))]);
        assert!(f.has(1));
        f.apply(&[(1, None)]);
        f.flush(keep_from);
        assert!(!f.has(1) && f.has(2));
    }
}

#[test]
fn what_a_flush_drops_and_what_is_read_back() {
    let mut f = Fixture::new();
    f.apply(&[(1, Some(22))]);
    f.apply(&[(2, Some(22))]);
    f.flush(2);
    assert!(f.cache.read().unwrap().cached(&outpoint(1)).is_none());
    assert!(f.cache.read().unwrap().cached(&outpoint(2)).is_some());
    assert!(f.has(1) && f.has(2) && !f.has(3));
    f.cache.remember(vec![(outpoint(1), coin(1, 22)), (outpoint(2), coin(1, 22))]).unwrap();
    assert!(f.cache.read().unwrap().cached(&outpoint(1)).is_some());
    assert_eq!(f.cache.read().unwrap().dirty(), 0);
    f.cache.merged(f.db.snapshot().unwrap()).unwrap();
    assert!(f.has(1) && f.has(2));
}

#[test]
fn its_size_is_known() {
    let mut f = Fixture::new();
    let many: Vec<(u32, Option<usize>)> = (0..10_000).map(|n| (n, Some(100))).collect();
    f.apply(&many);
    let bytes = f.cache.bytes().unwrap();
    assert!(bytes > 10_000 * (100 + BUCKET_BYTES), "{bytes}");
    f.flush(100);
    assert_eq!(f.cache.bytes().unwrap(), 0);
}

#[test]
fn coins_that_a_panic_left_half_changed_are_shown_to_nobody() {
    let mut f = Fixture::new();
    f.apply(&[(1, Some(22)), (2, Some(22))]);
    let mut blocks = [vec![(outpoint(1), None)], vec![(outpoint(2), None)]];
    let dying = blocks.iter_mut().enumerate().map(|(n, changes)| match n {
        0 => changes,
        _ => panic!("on purpose"),
    });
    let died = catch_unwind(AssertUnwindSafe(|| f.cache.apply(dying, tip(2))));
    assert!(died.is_err());
    let fault = half_changed();
    assert_eq!(f.cache.read().err(), Some(fault.clone()));
    assert_eq!(f.cache.get(&outpoint(1)), Err(fault.clone()));
    assert_eq!(f.cache.bytes(), Err(fault.clone()));
    assert_eq!(f.cache.apply(std::iter::empty(), tip(3)), Err(fault.clone()));
    assert_eq!(f.cache.remember(Vec::new()), Err(fault.clone()));
    assert_eq!(f.cache.merged(f.db.snapshot().unwrap()), Err(fault.clone()));
    assert_eq!(f.cache.flushed(f.db.snapshot().unwrap(), Height::GENESIS), Err(fault));
}
