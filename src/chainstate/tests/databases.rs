//! Looking at a stored chain, and building it again.

use std::path::PathBuf;

use adit_store::{CompactCoin, Flush, FlushState, NodeRecord, StoreFault, outpoint_key};

use super::*;
use crate::check::{CheckOptions, CheckProgress, Checked, Problem, Remedy, check};
use crate::inventory::{Files, inventory};
use crate::reindex::{ReindexError, ReindexOptions, ReindexProgress, Reindexed, reindex};

impl Node {
    /// Ends the engine in order, with everything durable.
    fn end(&mut self) -> Arc<Store> {
        if let Some(mut chain) = self.chain.take() {
            chain.flush().unwrap();
            chain.wait_for_merges().unwrap();
        }
        Arc::new(Store::open(DataDir::open(self.dir.path(), "regtest").unwrap()).unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("regtest").join(name)
    }

    /// Changes one byte of a file.
    fn flip(&self, name: &str, at: usize) {
        let mut bytes = std::fs::read(self.file(name)).unwrap();
        bytes[at] ^= 1;
        std::fs::write(self.file(name), bytes).unwrap();
    }

    fn check(&mut self, deep: bool) -> Checked {
        let store = self.end();
        let options = CheckOptions { deep, threads: 2 };
        check(&store, &Arc::new(Params::regtest()), options, &mut |_| true).unwrap()
    }

    pub(super) fn reindex(
        &mut self,
        chainstate_only: bool,
        go_on: &mut dyn FnMut(ReindexProgress) -> bool,
    ) -> Result<Reindexed, ReindexError> {
        self.chain = None;
        let dir = DataDir::open_to_rebuild(self.dir.path(), "regtest").unwrap();
        let store = Arc::new(Store::rebuild(dir)?);
        let config = ChainConfig { script_threads: 2, ..ChainConfig::new(Arc::new(Params::regtest())) };
        reindex(&store, config, Arc::new(Interpreter), &ReindexOptions { chainstate_only }, go_on)
    }

    pub(super) fn reopen(&mut self) {
        self.chain = Some(open(self.dir.path(), self.cache_mib));
    }
}

/// A busy chain with a stale branch, on disk.
fn stored() -> (Node, Branch) {
    let branch = busy_chain();
    let mut side = branch.clone();
    side.blocks.truncate(115);
    (side.tip, side.height) = (side.blocks[114].hash(), 115);
    let mut side = side.fork(9);
    side.mine_empty(3);
    let mut node = Node::new();
    node.submit_all(&branch.blocks[..117]);
    node.submit_all(&side.blocks);
    node.submit_all(&branch.blocks[117..]);
    (node, branch)
}

/// Where a block lies in blk00000.dat.
fn block_at(node: &Node, block: &ParsedBlock) -> usize {
    let bytes = std::fs::read(node.file("blocks/blk00000.dat")).unwrap();
    bytes.windows(block.raw().len()).position(|w| w == block.raw()).unwrap()
}

#[test]
fn a_sound_chain_is_found_sound() {
    let (mut node, branch) = stored();
    let want = node.stats();
    let near = node.check(false);
    assert!(near.is_sound(), "{:?}", near.problems);
    assert_eq!((near.tip, near.muhash.as_ref()), (Some((branch.tip, height(120))), None));
    let deep = node.check(true);
    assert!(deep.is_sound() && deep.remedy().is_none(), "{:?}", deep.problems);
    assert_eq!((deep.blocks, deep.coins, deep.muhash), (123, want.coins, Some(want.muhash)));
    assert_eq!((deep.pruned, deep.stopped, deep.headers), (false, false, 124));
}

#[test]
fn an_empty_folder_is_sound() {
    let mut node = Node::new();
    let checked = node.check(true);
    assert!(checked.is_sound(), "{:?}", checked.problems);
    assert_eq!((checked.blocks, checked.coins), (0, 0));
}

#[test]
fn a_check_can_be_stopped() {
    let (mut node, _) = stored();
    let store = node.end();
    let options = CheckOptions { deep: true, threads: 1 };
    let mut told = Vec::new();
    let checked = check(&store, &Arc::new(Params::regtest()), options, &mut |progress| {
        told.push(progress);
        false
    });
    let checked = checked.unwrap();
    assert!(checked.stopped && checked.muhash.is_none());
    assert!(matches!(told.first(), Some(CheckProgress::Blocks { .. })));
}

/// Damage, and what is said of it: a part of it, and what repairs it.
fn check_damage(harm: impl Fn(&Node, &Branch), deep: bool, want: &str, remedy: Remedy) {
    let (mut node, branch) = stored();
    node.end();
    harm(&node, &branch);
    let checked = node.check(deep);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.contains(want)), "{want}: {said:?}");
    assert_eq!(checked.remedy(), Some(remedy), "{said:?}");
}

#[test]
fn damage_is_found_and_named() {
    let blk = "blocks/blk00000.dat";
    let in_block = |node: &Node, block: &ParsedBlock, at: usize| node.flip(blk, block_at(node, block) + at);
    // In the transactions of an old block, in a header, in a length, in one near the tip.
    check_damage(|n, b| in_block(n, &b.blocks[3], 100), true, "bad-txnmrklroot", Remedy::Reindex);
    check_damage(|n, b| in_block(n, &b.blocks[3], 0), true, "not the bytes of block", Remedy::Reindex);
    check_damage(|n, b| in_block(n, &b.blocks[119], 100), false, "bad-txnmrklroot", Remedy::Reindex);
    let frame = |n: &Node, b: &Branch| n.flip(blk, block_at(n, &b.blocks[3]) - 8);
    check_damage(frame, true, "blk00000.dat at byte", Remedy::Reindex);
    // Undo data.
    let undo = |n: &Node, _: &Branch| {
        let len = std::fs::metadata(n.file("blocks/rev00000.dat")).unwrap().len();
        n.flip("blocks/rev00000.dat", usize::try_from(len).unwrap() - 40);
    };
    check_damage(undo, false, "undo data of block", Remedy::ReindexChainstate);
    // Files that are gone or cut.
    let gone = |n: &Node, _: &Branch| std::fs::remove_file(n.file("blocks/rev00000.dat")).unwrap();
    check_damage(gone, false, "blocks/rev00000.dat: 0 bytes", Remedy::ReindexChainstate);
    let cut = |n: &Node, _: &Branch| {
        let bytes = std::fs::read(n.file(blk)).unwrap();
        std::fs::write(n.file(blk), &bytes[..bytes.len() / 2]).unwrap();
    };
    check_damage(cut, false, "blocks/blk00000.dat: ", Remedy::Reindex);
}

/// Flushes what is wrong into a stored chain: a changed tip, coins.
fn forge(node: &mut Node, change: impl FnOnce(&mut FlushState), coins: &[(OutPoint, Option<CompactCoin>)]) {
    let store = node.end();
    let mut state = store.db().state().unwrap().unwrap();
    change(&mut state);
    let mut rows: Vec<_> = coins.iter().map(|(o, c)| (outpoint_key(o), c)).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    let mut rows = rows.iter().map(|(key, c)| (key, c.as_ref().map(CompactCoin::as_packed)));
    let flush = Flush { state, nodes: Vec::new(), coins: &mut rows };
    store.db().flush(flush).unwrap();
}

#[test]
fn coins_that_the_blocks_do_not_leave_are_found_and_made_again() {
    let (mut node, branch) = stored();
    let want = node.stats();
    let (spent, value) = branch.reward(110);
    let extra = OutPoint { txid: spent.txid, vout: 7 };
    let output = TxOut { value, script_pubkey: anyone() };
    let coin = CompactCoin::new(&output, height(5), false);
    forge(&mut node, |_| {}, &[(spent, None), (extra, Some(coin))]);
    assert!(node.check(false).is_sound());
    let checked = node.check(true);
    assert!(matches!(checked.problems.as_slice(), [Problem::OtherCoins { .. }]), "{:?}", checked.problems);
    assert_eq!(checked.remedy(), Some(Remedy::ReindexChainstate));
    let done = node.reindex(true, &mut |_| true).unwrap();
    assert_eq!((done.tip, done.blocks), (Some((branch.tip, height(120))), 120));
    assert!(node.check(true).is_sound());
    node.reopen();
    assert_eq!(node.stats(), want);
}

/// Changes the record of one header; what a check says then.
fn check_record(change: impl Fn(&mut NodeRecord, &[NodeRecord]), want: &str, remedy: Remedy) {
    let (mut node, branch) = stored();
    let store = node.end();
    let mut records = Vec::new();
    store
        .db()
        .for_each_node(|record| {
            records.push(record);
            Ok::<(), StoreFault>(())
        })
        .unwrap();
    let hash = branch.blocks[115].hash();
    let mut record = *records.iter().find(|r| r.header.block_hash() == hash).unwrap();
    change(&mut record, &records);
    let state = store.db().state().unwrap().unwrap();
    store.db().flush(Flush { state, nodes: vec![record], coins: &mut std::iter::empty() }).unwrap();
    drop(store);
    let checked = node.check(false);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.contains(want)), "{want}: {said:?}");
    assert_eq!(checked.remedy(), Some(remedy), "{said:?}");
}

#[test]
fn records_that_make_no_sense_are_found() {
    check_record(|r, _| r.status = 0xff, "has an unknown status", Remedy::Reindex);
    check_record(|r, all| r.header = all[3].header, "or twice", Remedy::Reindex);
    let unworked = |r: &mut NodeRecord, _: &[NodeRecord]| {
        while r.header.validate_pow(r.header.target()).is_ok() {
            r.header.nonce += 1;
        }
    };
    check_record(unworked, "does not have the work", Remedy::Reindex);
    check_record(|r, _| r.block = None, "its body is not stored", Remedy::Reindex);
    check_record(|r, _| r.undo = None, "its undo data is not stored", Remedy::ReindexChainstate);
    // A sibling's undo data has the right parent, and no coin for the inputs of this one.
    let sibling = |r: &mut NodeRecord, all: &[NodeRecord]| {
        let of = |s: &&NodeRecord| s.header.prev_blockhash == r.header.prev_blockhash && s.number != r.number;
        r.undo = all.iter().find(of).unwrap().undo;
    };
    check_record(sibling, "this is not the undo data of block", Remedy::ReindexChainstate);
}

#[test]
fn a_flipped_bit_of_the_database_is_found_or_is_nobodys() {
    let (mut node, _) = stored();
    let want = node.stats();
    node.end();
    let sound = std::fs::read(node.file("chainstate.redb")).unwrap();
    let mut found = 0;
    // A prime distance, so that all parts of pages are met.
    for at in (0..sound.len()).step_by(104_729) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        std::fs::write(node.file("chainstate.redb"), bytes).unwrap();
        let dir = DataDir::open(node.dir.path(), "regtest").unwrap();
        let Ok(store) = Store::open(dir) else {
            found += 1;
            continue;
        };
        let options = CheckOptions { deep: true, threads: 2 };
        let checked = check(&store, &Arc::new(Params::regtest()), options, &mut |_| true).unwrap();
        match checked.is_sound() {
            true => assert_eq!(checked.muhash.as_ref(), Some(&want.muhash), "byte {at}"),
            false => found += 1,
        }
    }
    println!("{found} flips were found");
}

#[test]
fn what_is_pruned_cannot_be_built_again() {
    let (mut node, branch) = stored();
    node.end();
    // The first ten blocks are gone from the file, and the database says so.
    let path = node.file("blocks/blk00000.dat");
    let bytes = std::fs::read(&path).unwrap();
    let from = block_at(&node, &branch.blocks[10]) - 8;
    let store = node.end();
    let mut records = Vec::new();
    store
        .db()
        .for_each_node(|mut record| {
            if (1..=10).contains(&record.number) {
                (record.block, record.undo) = (None, None);
                record.status &= !1;
            }
            records.push(record);
            Ok::<(), StoreFault>(())
        })
        .unwrap();
    let state = store.db().state().unwrap().unwrap();
    store.db().flush(Flush { state, nodes: records, coins: &mut std::iter::empty() }).unwrap();
    drop(store);
    let checked = node.check(true);
    assert!(checked.is_sound() && checked.pruned && checked.muhash.is_none(), "{:?}", checked.problems);
    for chainstate_only in [true, false] {
        let refused = node.reindex(chainstate_only, &mut |_| true);
        assert!(matches!(refused, Err(ReindexError::Pruned)), "{refused:?}");
    }
    assert!(!node.file("chainstate.rebuild.redb").exists());
    // Nor where nothing says so but the files.
    std::fs::write(&path, &bytes[from..]).unwrap();
    std::fs::write(node.file("chainstate.redb"), b"nothing like a database").unwrap();
    let refused = node.reindex(false, &mut |_| true);
    assert!(matches!(refused, Err(ReindexError::Pruned)), "{refused:?}");
}

#[test]
fn a_tip_without_a_header_is_found() {
    let (mut node, _) = stored();
    forge(&mut node, |state| state.tip = BlockHash::all_zeros(), &[]);
    let checked = node.check(false);
    assert!(matches!(checked.problems.as_slice(), [Problem::NoTip { .. }]), "{:?}", checked.problems);
    node.reindex(true, &mut |_| true).unwrap();
    assert!(node.check(true).is_sound());
}

#[test]
fn what_a_folder_holds_is_counted() {
    let (mut node, branch) = stored();
    let want = node.stats();
    let found = inventory(&node.end(), &Arc::new(Params::regtest()), 2, true).unwrap();
    assert_eq!((found.tip, found.height, found.best_height), (branch.tip, height(120), height(120)));
    assert_eq!((found.headers, found.blocks, found.lowest_block), (124, 123, Some(height(1))));
    let counted = found.coins.unwrap();
    assert_eq!((counted.coins, counted.amount_sat), (want.coins, want.amount_sat));
    assert_eq!((found.behind_blocks, found.behind_bytes), (0, 0));
    let len = std::fs::metadata(node.file("blocks/blk00000.dat")).unwrap().len();
    assert_eq!(found.block_files, Files { count: 1, bytes: len });
    assert!(found.undo_files.count == 1 && found.chainstate_bytes > 0 && !found.tiers.is_empty());
    // Ten more, and no flush.
    node.reopen();
    let mut more = branch.clone();
    more.mine_empty(10);
    node.submit_all(&more.blocks[120..]);
    node.chain = None;
    let store = Store::open(DataDir::open(node.dir.path(), "regtest").unwrap()).unwrap();
    let found = inventory(&store, &Arc::new(Params::regtest()), 2, false).unwrap();
    assert_eq!((found.height, found.coins), (height(120), None));
    assert_eq!(found.behind_blocks, 10);
}

#[test]
fn everything_is_built_again_from_the_files() {
    for chainstate_only in [false, true] {
        let (mut node, branch) = stored();
        let want = node.stats();
        node.end();
        let before = std::fs::read(node.file("blocks/blk00000.dat")).unwrap();
        let undo = std::fs::read(node.file("blocks/rev00000.dat")).unwrap();
        let mut told = Vec::new();
        let done = node.reindex(chainstate_only, &mut |at| {
            told.push(at);
            true
        });
        let done = done.unwrap();
        assert_eq!((done.tip, done.blocks, done.stopped), (Some((branch.tip, height(120))), 120, false));
        assert_eq!((done.blocks_left_out, done.undo_left_out, done.resumed), (0, 0, false));
        let last = told.last().copied();
        assert!(
            matches!(last, Some(ReindexProgress::Connecting { bytes, bytes_total, .. }) if bytes == bytes_total),
            "{last:?}"
        );
        // Nothing was copied, and sound undo data was taken over.
        assert!(std::fs::read(node.file("blocks/blk00000.dat")).unwrap() == before);
        assert!(std::fs::read(node.file("blocks/rev00000.dat")).unwrap() == undo);
        let checked = node.check(true);
        assert!(checked.is_sound(), "{:?}", checked.problems);
        assert_eq!((checked.blocks, checked.headers), (123, 124));
        node.reopen();
        assert_eq!(node.stats(), want);
        // It goes on from there.
        let mut more = branch.clone();
        more.mine_empty(3);
        node.submit_all(&more.blocks[120..]);
        node.crash();
        assert_eq!(node.tip(), (more.tip, 123));
    }
}

#[test]
fn without_a_database_all_comes_from_the_block_files() {
    let (mut node, branch) = stored();
    let want = node.stats();
    node.end();
    std::fs::write(node.file("chainstate.redb"), b"nothing like a database").unwrap();
    let refused = node.reindex(true, &mut |_| true);
    assert!(matches!(refused, Err(ReindexError::NoHeaders(_))), "{refused:?}");
    let done = node.reindex(false, &mut |_| true).unwrap();
    assert_eq!(done.tip, Some((branch.tip, height(120))));
    assert!(node.check(true).is_sound());
    node.reopen();
    assert_eq!(node.stats(), want);
}

#[test]
fn damaged_blocks_and_undo_data_are_left_out_and_come_again() {
    let (mut node, branch) = stored();
    let want = node.stats();
    node.end();
    let undo_len = std::fs::metadata(node.file("blocks/rev00000.dat")).unwrap().len();
    node.flip("blocks/rev00000.dat", usize::try_from(undo_len).unwrap() - 40);
    let done = node.reindex(true, &mut |_| true).unwrap();
    assert_eq!((done.blocks_left_out, done.undo_left_out), (0, 1));
    assert_eq!(done.tip, Some((branch.tip, height(120))));
    assert!(node.check(true).is_sound());
    // The 61st block's transactions no longer fit its header.
    node.flip("blocks/blk00000.dat", block_at(&node, &branch.blocks[60]) + 100);
    let done = node.reindex(false, &mut |_| true).unwrap();
    assert_eq!((done.blocks_left_out, done.tip), (1, Some((branch.blocks[59].hash(), height(60)))));
    node.reopen();
    node.submit_all(&branch.blocks[60..61]);
    assert_eq!((node.tip(), node.stats()), ((branch.tip, 120), want));
}

#[test]
fn a_reindex_that_is_stopped_goes_on_and_the_old_database_stays_until_then() {
    use ReindexProgress::{Connecting, Reading, Scanning};
    type Stops = fn(ReindexProgress) -> bool;
    // Where no block was connected yet there is nothing to go on with.
    let places: [(Stops, bool); 4] = [
        (|at| matches!(at, Scanning { .. }), false),
        (|at| matches!(at, Reading { .. }), false),
        (|at| matches!(at, Connecting { .. }), true),
        (|at| matches!(at, Connecting { height: reached, .. } if reached >= height(40)), true),
    ];
    for (number, (stops, begun)) in places.into_iter().enumerate() {
        let (mut node, branch) = stored();
        let want = node.stats();
        node.end();
        let stopped = node.reindex(false, &mut |at| !stops(at)).unwrap();
        assert!(stopped.stopped, "{number}: {stopped:?}");
        assert!(node.file("chainstate.redb").exists());
        assert_eq!(node.file("chainstate.rebuild.redb").exists(), begun, "{number}");
        let opened = Store::open(DataDir::open(node.dir.path(), "regtest").unwrap());
        assert_eq!(matches!(opened.err(), Some(StoreFault::Unfinished { .. })), begun);
        let done = node.reindex(false, &mut |_| true).unwrap();
        assert_eq!((done.tip, done.stopped, done.resumed), (Some((branch.tip, height(120))), false, begun));
        assert!(node.check(true).is_sound());
        node.reopen();
        assert_eq!(node.stats(), want);
    }
}

#[test]
fn without_the_new_database_all_is_as_before() {
    let (mut node, branch) = stored();
    let want = node.stats();
    node.end();
    node.reindex(false, &mut |at| !matches!(at, ReindexProgress::Connecting { .. })).unwrap();
    std::fs::remove_file(node.file("chainstate.rebuild.redb")).unwrap();
    assert!(node.check(true).is_sound());
    node.reopen();
    assert_eq!((node.tip(), node.stats()), ((branch.tip, 120), want));
}
