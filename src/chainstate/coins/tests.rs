use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use adit_store::{ChainDb, Flush, FlushState};
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, ScriptBuf, TxMerkleNode, TxOut, Txid, Work};

use proptest::prelude::*;

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

/// Room for every coin.
const ALL: usize = usize::MAX;

struct Fixture {
    db: ChainDb,
    cache: CoinCache,
    height: u32,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
        let cache = CoinCache::new(db.snapshot().unwrap(), tip(0));
        Fixture { db, cache, height: 0, dir }
    }

    /// As after a crash.
    fn reopen(&mut self) {
        let path = self.dir.path().join("c.redb");
        // Whatever reads the file goes before it is opened again.
        let other = ChainDb::open(&self.dir.path().join("other.redb")).unwrap();
        self.cache = CoinCache::new(other.snapshot().unwrap(), tip(self.height));
        self.db = other;
        self.db = ChainDb::open(&path).unwrap();
        self.cache = CoinCache::new(self.db.snapshot().unwrap(), tip(self.height));
    }

    fn apply(&mut self, changes: &[(u32, Option<usize>)]) {
        self.height += 1;
        let height = self.height;
        let changes: Vec<Change> =
            changes.iter().map(|(n, script)| (outpoint(*n), script.map(|len| coin(height, len)))).collect();
        self.cache.apply([&changes[..]].into_iter(), tip(height)).unwrap();
        assert_eq!(self.cache.read().unwrap().tip(), &tip(height));
    }

    /// Flushes as the flusher does; returns how many records it wrote.
    fn flush(&self, room_bytes: usize) -> usize {
        let frozen = self.cache.freeze().unwrap();
        let written = self.write(&frozen);
        self.cache.flushed(frozen, self.db.snapshot().unwrap(), room_bytes).unwrap();
        written
    }

    fn write(&self, frozen: &Frozen) -> usize {
        let rows: Vec<_> = frozen.changes().collect();
        assert!(rows.is_sorted_by_key(|(key, _)| **key));
        let state = FlushState {
            tip: BlockHash::all_zeros(),
            height: Height::GENESIS,
            flushes: 1,
            blocks_end: Default::default(),
        };
        self.db.flush(Flush { state, nodes: vec![], coins: &mut rows.iter().copied() }).unwrap();
        rows.len()
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
    assert_eq!(f.flush(ALL), 1);
    assert!(!f.has(1) && f.has(2));
}

#[test]
fn a_coin_spent_after_a_flush_is_gone_after_the_next() {
    for room in [ALL, 0] {
        let mut f = Fixture::new();
        f.apply(&[(1, Some(22)), (2, Some(22))]);
        assert_eq!(f.flush(room), 2);
        f.apply(&[(1, None)]);
        assert!(!f.has(1) && f.has(2));
        assert_eq!(f.flush(room), 1);
        assert!(!f.has(1) && f.has(2));
        // Restored by a disconnected block, and spent again.
        f.apply(&[(1, Some(22))]);
        assert!(f.has(1));
        f.apply(&[(1, None)]);
        f.flush(room);
        assert!(!f.has(1) && f.has(2));
    }
}

#[test]
fn what_a_flush_drops_and_what_is_read_back() {
    let mut f = Fixture::new();
    let many = |from: u32| (from..from + 20_000).map(|n| (n, Some(22))).collect::<Vec<_>>();
    f.apply(&many(0));
    f.apply(&many(20_000));
    // Of two blocks of the same size there is room for the newer one, and for half of the other, which is left out.
    f.flush(f.cache.bytes().unwrap() * 3 / 4);
    let cached = |f: &Fixture, n| f.cache.read().unwrap().cached(&outpoint(n)).is_some();
    assert!((0..20_000).all(|n| !cached(&f, n) && f.has(n)));
    assert!((20_000..40_000).all(|n| cached(&f, n) && f.has(n)));
    assert!(!f.has(40_000));
    // What was written is not written again.
    assert_eq!(f.flush(ALL), 0);
    f.cache.merged(f.db.snapshot().unwrap()).unwrap();
    assert!(f.has(1) && f.has(20_000));
    f.flush(0);
    assert!(!cached(&f, 1) && !cached(&f, 20_000) && f.has(1) && f.has(20_000));
}

#[test]
fn its_size_is_known() {
    let mut f = Fixture::new();
    let many: Vec<(u32, Option<usize>)> = (0..100_000).map(|n| (n, Some(100))).collect();
    f.apply(&many);
    let bytes = f.cache.bytes().unwrap();
    // Key, head, packed coin, and its place in the table.
    let least = 100_000 * (36 + 3 + 104 + 5);
    assert!((least..least * 5 / 4).contains(&bytes), "{bytes} against {least}");
    f.flush(0);
    assert_eq!(f.cache.bytes().unwrap(), 0);
}

/// While a flush is written, the cache goes on: what is frozen does not change, and nobody sees anything of the flush.
#[test]
fn a_flush_sees_one_moment_and_nobody_sees_the_flush() {
    let mut f = Fixture::new();
    f.apply(&[(1, Some(22)), (2, Some(22)), (3, Some(22))]);
    f.flush(ALL);
    f.apply(&[(1, None), (4, Some(22)), (5, Some(22))]);
    let frozen = f.cache.freeze().unwrap();
    // 1 comes back by a disconnected block; 2 and 4 are spent; 5 is spent, comes back and goes again; 6 is new.
    f.apply(&[(1, Some(22)), (2, None), (4, None), (5, None)]);
    f.apply(&[(5, Some(22)), (6, Some(99)), (7, Some(22))]);
    f.apply(&[(5, None), (7, None)]);
    let now = |f: &Fixture| (0..9).filter(|n| f.has(*n)).collect::<Vec<_>>();
    assert_eq!(now(&f), [1, 3, 6]);
    assert_eq!(f.cache.freeze().err(), Some(ChainFault::State("two flushes at once".to_owned())));
    assert_eq!(f.write(&frozen), 3);
    let disk = f.db.snapshot().unwrap();
    let on_disk: Vec<u32> = (0..9).filter(|n| disk.get(&outpoint(*n)).unwrap().is_some()).collect();
    assert_eq!(on_disk, [2, 3, 4, 5]);
    assert_eq!(now(&f), [1, 3, 6]);
    f.cache.flushed(frozen, disk, ALL).unwrap();
    assert_eq!(now(&f), [1, 3, 6]);
    // 1, 2, 4, 5 and 6; not 7, which never was on disk.
    assert_eq!(f.flush(0), 5);
    assert_eq!(now(&f), [1, 3, 6]);
}

/// BIP30's two coinbases repeat an unspent one of the same name, and come back from undo data.
#[test]
fn a_coinbase_that_takes_the_place_of_another_is_written_and_so_is_its_end() {
    let f = Fixture::new();
    let coinbase = |height| {
        let output = TxOut { value: Amount::from_sat(50), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
        CompactCoin::new(&output, Height::new(height), true)
    };
    let change = |f: &Fixture, coin: Option<CompactCoin>| {
        f.cache.apply([&[(outpoint(1), coin)][..]].into_iter(), tip(9)).unwrap();
    };
    let found = |f: &Fixture| f.cache.get(&outpoint(1)).unwrap().map(|coin| coin.height().to_u32());
    for room in [0, ALL] {
        change(&f, Some(coinbase(7)));
        f.flush(room);
        change(&f, Some(coinbase(8)));
        assert_eq!(found(&f), Some(8));
        // Spent before it was ever written: the older one must not come to light again.
        change(&f, None);
        assert_eq!((f.flush(room), found(&f)), (1, None));
        // The newer block is disconnected.
        change(&f, Some(coinbase(7)));
        assert_eq!((f.flush(room), found(&f)), (1, Some(7)));
        change(&f, None);
        f.flush(room);
        assert_eq!(found(&f), None);
    }
}

#[test]
fn coins_that_a_panic_left_half_changed_are_shown_to_nobody() {
    let mut f = Fixture::new();
    f.apply(&[(1, Some(22)), (2, Some(22))]);
    let blocks = [vec![(outpoint(1), None)], vec![(outpoint(2), None)]];
    let dying = blocks.iter().enumerate().map(|(n, changes)| match n {
        0 => &changes[..],
        _ => panic!("on purpose"),
    });
    let died = catch_unwind(AssertUnwindSafe(|| f.cache.apply(dying, tip(2))));
    assert!(died.is_err());
    let fault = half_changed();
    assert_eq!(f.cache.read().err(), Some(fault.clone()));
    assert_eq!(f.cache.get(&outpoint(1)), Err(fault.clone()));
    assert_eq!(f.cache.bytes(), Err(fault.clone()));
    assert_eq!(f.cache.apply(std::iter::empty(), tip(3)), Err(fault.clone()));
    assert_eq!(f.cache.merged(f.db.snapshot().unwrap()), Err(fault.clone()));
    assert_eq!(f.cache.freeze().err(), Some(fault.clone()));
    let frozen = Frozen { parts: vec![] };
    assert_eq!(f.cache.flushed(frozen, f.db.snapshot().unwrap(), 0), Err(fault));
}

/// One step of the model below.
#[derive(Clone, Debug)]
enum Act {
    /// A block that makes and spends coins, by their names: whether they are there decides which.
    Block(Vec<(u32, u8)>),
    /// A flush begins.
    Freeze,
    /// It is written, and ends with room for so many bytes.
    Flushed(usize),
    Merge(usize),
    /// The process ends as a crash does; the blocks behind the last whole flush are connected again.
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    const NAMES: u32 = 40;
    let act = prop_oneof![
        6 => proptest::collection::vec((0..NAMES, 0u8..60), 1..12).prop_map(Act::Block),
        2 => Just(Act::Freeze),
        2 => prop_oneof![Just(0), Just(1500), Just(ALL)].prop_map(Act::Flushed),
        2 => (1usize..40).prop_map(Act::Merge),
        1 => Just(Act::Crash),
    ];
    proptest::collection::vec(act, 1..60)
}

/// The cache, the tiers under it and a flush between them, beside a plain map.
struct Model {
    f: Fixture,
    frozen: Option<(Frozen, BTreeMap<u32, CompactCoin>)>,
    now: BTreeMap<u32, CompactCoin>,
    durable: BTreeMap<u32, CompactCoin>,
}

impl Model {
    fn act(&mut self, act: Act) {
        match act {
            Act::Block(changes) => self.block(&changes),
            Act::Freeze => {
                if self.frozen.is_none() {
                    self.frozen = Some((self.f.cache.freeze().unwrap(), self.now.clone()));
                }
            }
            Act::Flushed(room) => {
                if let Some((frozen, then)) = self.frozen.take() {
                    self.f.write(&frozen);
                    self.durable = then;
                    self.f.cache.flushed(frozen, self.f.db.snapshot().unwrap(), room).unwrap();
                }
            }
            Act::Merge(records) => {
                self.f.db.merge_step(records).unwrap();
                self.f.cache.merged(self.f.db.snapshot().unwrap()).unwrap();
            }
            Act::Crash => {
                self.frozen = None;
                self.now = self.durable.clone();
                self.f.reopen();
            }
        }
    }

    fn block(&mut self, changes: &[(u32, u8)]) {
        self.f.height += 1;
        let height = self.f.height;
        let mut block = BTreeMap::new();
        for (n, script) in changes {
            // A coinbase may repeat an unspent coin; nothing else can.
            let is_coinbase = script % 7 == 0;
            let output = TxOut {
                value: Amount::from_sat(u64::from(*n)),
                script_pubkey: ScriptBuf::from_bytes(vec![0x51; usize::from(*script)]),
            };
            let made = CompactCoin::new(&output, Height::new(height), is_coinbase);
            let change = (is_coinbase || !self.now.contains_key(n)).then_some(made);
            block.entry(*n).or_insert(change);
        }
        for (n, change) in &block {
            match change {
                Some(coin) => self.now.insert(*n, coin.clone()),
                None => self.now.remove(n),
            };
        }
        let changes: Vec<Change> = block.into_iter().map(|(n, change)| (outpoint(n), change)).collect();
        self.f.cache.apply([&changes[..]].into_iter(), tip(height)).unwrap();
    }

    fn agrees(&self) {
        for n in 0..40 {
            assert_eq!(self.f.cache.get(&outpoint(n)).unwrap().as_ref(), self.now.get(&n), "coin {n}");
        }
        let disk = self.f.db.snapshot().unwrap();
        let names: BTreeMap<_, _> = (0..40).map(|n| (outpoint(n), n)).collect();
        let found: BTreeMap<u32, CompactCoin> =
            disk.scan(0, 0xff).unwrap().map(Result::unwrap).map(|(key, coin)| (names[&key], coin)).collect();
        assert_eq!(found, self.durable);
        let keys: Vec<OutPoint> = names.into_keys().collect();
        let many = disk.get_many(&keys).unwrap();
        assert_eq!(many.iter().flatten().count(), self.durable.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cache_flushes_merges_and_crashes_are_as_a_plain_map(acts in acts()) {
        let mut model =
            Model { f: Fixture::new(), frozen: None, now: BTreeMap::new(), durable: BTreeMap::new() };
        for act in acts {
            model.act(act);
            model.agrees();
        }
    }
}

/// As many as `PROPTEST_CASES` says, or a few.
fn cases() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 16 }
}
