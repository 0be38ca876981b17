use super::*;
use crate::{
    ChainFault, IndexConfig, IndexError, IndexKind, IndexOpenError, IndexStep, Indexes, KEPT_BLOCKS,
    PruneError, PruneUpTo, Pruned, Pruning,
};

/// A block of about 8 kB: eight of them fill a small file.
fn fat_block(branch: &Branch) -> Arc<ParsedBlock> {
    let mut block = branch.block(Vec::new(), Params::regtest().subsidy(height(branch.height + 1))).to_block();
    let script_pubkey = ScriptBuf::from_bytes([&[0x6a], vec![0; 8000].as_slice()].concat());
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    mined(block)
}

pub(super) fn fat_chain(branch: &mut Branch, count: u32) {
    for _ in 0..count {
        let block = fat_block(branch);
        branch.push(&block);
    }
}

/// A node with small files that prunes to `prune_mib`.
fn open_small(base: &Path, prune_mib: u64) -> Chainstate {
    open_indexed(base, prune_mib, IndexConfig::default())
}

fn open_indexed(base: &Path, prune_mib: u64, indexes: IndexConfig) -> Chainstate {
    let store = Arc::new(Store::open(DataDir::open(base, "regtest").unwrap()).unwrap());
    let config = ChainConfig {
        cache_mib: 64,
        script_threads: 1,
        prune_mib,
        indexes,
        small_files: true,
        ..ChainConfig::new(Arc::new(Params::regtest()))
    };
    Chainstate::open(config, store, Arc::new(Interpreter)).unwrap()
}

fn small_node(prune_mib: u64) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let chain = Some(open_small(dir.path(), prune_mib));
    Node { dir, chain, cache_mib: 64 }
}

impl Node {
    fn reopen_small(&mut self, prune_mib: u64) {
        self.chain = None;
        self.chain = Some(open_small(self.dir.path(), prune_mib));
    }

    /// The numbers of the block files, and that each has its undo file.
    fn files(&self) -> Vec<u32> {
        let folder = self.dir.path().join("regtest/blocks");
        let there = |name: String| folder.join(name).exists();
        let files: Vec<u32> = (0..200).filter(|n| there(format!("blk{n:05}.dat"))).collect();
        for n in &files {
            assert!(there(format!("rev{n:05}.dat")), "{n}");
        }
        files
    }
}

fn has(node: &mut Node, block: &ParsedBlock) -> bool {
    let (reader, hash) = (node.chain().reader(), block.hash());
    let raw = reader.raw_block(&hash).unwrap();
    assert_eq!(raw.is_some(), reader.has_block(&hash));
    assert_eq!(raw.is_none(), reader.is_block_pruned(&hash));
    assert_eq!(raw.is_some(), reader.spent_by(&hash).unwrap().is_some());
    raw.is_some()
}

#[test]
fn old_files_go_by_height_and_the_last_288_blocks_stay() {
    let (mut node, mut branch) = (small_node(1), Branch::genesis(1));
    fat_chain(&mut branch, 400);
    node.submit_all(&branch.blocks);
    let (want, all) = (node.stats(), node.files());
    assert_eq!(node.chain().prune_to(height(0)).unwrap(), Pruned::default());
    let by_40 = node.chain().prune_to(height(40)).unwrap();
    assert!(by_40.files > 2 && by_40.kept_from > height(20) && by_40.kept_from <= height(41), "{by_40:?}");
    // More than may go is asked for.
    let rest = node.chain().prune_to(height(1_000)).unwrap();
    let kept_from = rest.kept_from.to_u32();
    assert!((90..=400 - KEPT_BLOCKS + 1).contains(&kept_from), "{rest:?}");
    assert_eq!(node.files(), all[usize::try_from(by_40.files + rest.files).unwrap()..]);
    for _ in 0..2 {
        for block in &branch.blocks {
            let at = node.chain().reader().header(&block.hash()).unwrap().1;
            assert_eq!(has(&mut node, block), at.to_u32() >= kept_from, "{at}");
        }
        assert!(node.chain().reader().is_pruned());
        assert_eq!((node.tip(), node.stats()), ((branch.tip, 400), want.clone()));
        node.reopen_small(0);
    }
    // It is known still, and the chain goes on.
    assert!(node.submit(&branch.blocks[0]).unwrap().duplicate);
    come_back(&mut node, &branch);
    fat_chain(&mut branch, 20);
    node.submit_all(&branch.blocks[400..]);
    assert_eq!(node.tip().0, branch.tip);
    node.reopen_small(1);
    assert_eq!(node.tip().0, branch.tip);
}

/// Pruned blocks that are wanted back, and one that is not.
fn come_back(node: &mut Node, branch: &Branch) {
    let [wanted, other, before] = [5, 6, 7].map(|n| branch.blocks[n].clone());
    let reader = node.chain().reader();
    let stored = |node: &mut Node, block: &ParsedBlock| node.chain().reader().has_block(&block.hash());
    reader.want_block(wanted.hash());
    // Of witnesses the header says nothing: the commitment does.
    let mut spoilt = wanted.to_block();
    spoilt.txdata[0].input[0].witness = bitcoin::Witness::from_slice(&[[7u8; 32]]);
    assert!(node.submit(&Arc::new(ParsedBlock::new(spoilt))).is_err());
    assert!(!stored(node, &wanted));
    for block in [&wanted, &other] {
        assert!(node.submit(block).unwrap().duplicate);
    }
    assert!(stored(node, &wanted) && !stored(node, &other) && !stored(node, &before));
    let (tip, stats) = (node.tip(), node.stats());
    node.chain().flush().unwrap();
    node.reopen_small(1);
    // It is there after a restart, and goes with its file like any other.
    assert!(stored(node, &wanted) && (node.tip(), node.stats()) == (tip, stats));
    assert_eq!(node.chain().reader().raw_block(&wanted.hash()).unwrap().as_deref(), Some(wanted.raw()));
    assert_eq!(node.chain().reader().spent_by(&wanted.hash()).unwrap(), None);
    assert!(node.submit(&wanted).unwrap().duplicate);
}

#[test]
fn old_files_go_by_size() {
    let (mut node, mut branch) = (small_node(3), Branch::genesis(1));
    fat_chain(&mut branch, 500);
    node.submit_all(&branch.blocks);
    node.chain().flush().unwrap();
    let folder = node.dir.path().join("regtest/blocks");
    let total: u64 = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(total < 3 << 20 && total > 2 << 20, "{total}");
    assert!(!has(&mut node, &branch.blocks[0]) && has(&mut node, &branch.blocks[500 - 288 - 1]));
    // With as little as that, the last 288 blocks stay all the same.
    node.reopen_small(2);
    node.chain().flush().unwrap();
    assert!(has(&mut node, &branch.blocks[500 - 288]));
    node.reopen_small(2);
    assert_eq!(node.tip().0, branch.tip);
}

#[test]
fn pruning_that_was_cut_short_is_finished_or_forgotten() {
    let (mut node, mut branch) = (small_node(1), Branch::genesis(1));
    fat_chain(&mut branch, 400);
    node.submit_all(&branch.blocks);
    node.chain().flush().unwrap();
    let blocks = |node: &Node| node.dir.path().join("regtest/blocks/blk00000.dat");
    let first = std::fs::read(blocks(&node)).unwrap();
    // It ended before the records were written: they still name the file, and it stays.
    node.chain().store_for_tests().db().set_unlinking(&[0]).unwrap();
    node.reopen_small(1);
    assert_eq!(std::fs::read(blocks(&node)).unwrap(), first);
    assert!(has(&mut node, &branch.blocks[0]));
    // It ended before the files were unlinked: they go now.
    let pruned = node.chain().prune_to(height(20)).unwrap();
    assert!(pruned.files > 0 && !blocks(&node).exists());
    std::fs::write(blocks(&node), &first).unwrap();
    node.chain().store_for_tests().db().set_unlinking(&[0]).unwrap();
    node.reopen_small(1);
    assert!(!blocks(&node).exists());
    let left = node.chain().store_for_tests().db().unlinking().unwrap();
    assert_eq!((left, node.tip()), (vec![], (branch.tip, 400)));
}

#[test]
fn a_fork_among_the_kept_blocks_is_followed_and_a_deeper_one_is_a_fault_that_says_why() {
    let (mut node, mut trunk) = (small_node(1), Branch::genesis(1));
    fat_chain(&mut trunk, 60);
    let (mut deep, mut stale) = (trunk.fork(2), trunk.fork(3));
    fat_chain(&mut stale, 2);
    let deeper: Vec<_> = trunk.blocks.clone();
    let mut long = trunk.fork(1);
    fat_chain(&mut long, 150);
    let mut fork = long.fork(4);
    fat_chain(&mut long, 190);
    fat_chain(&mut fork, 191);
    node.submit_all(&[&deeper[..], &stale.blocks, &long.blocks].concat());
    assert_eq!(node.tip(), (long.tip, 400));
    let pruned = node.chain().prune_to(height(112)).unwrap();
    assert!(pruned.kept_from > height(62), "{pruned:?}");
    // The stale branch went with its file, and may come again; that it was here is known.
    let reader = node.chain().reader();
    assert!(!reader.has_block(&stale.tip) && reader.is_block_pruned(&stale.tip));
    assert_eq!(reader.tx_count(&stale.tip), Ok(1));
    node.submit_all(&fork.blocks);
    assert_eq!(node.tip(), (fork.tip, 401));
    fat_chain(&mut deep, 342);
    // It goes in steps, and the last of them meets what is not there any more.
    let mut faults = deep.blocks.iter().filter_map(|block| node.submit(block).err()).collect::<Vec<_>>();
    let advanced = std::iter::repeat_with(|| node.chain().advance()).take(9).find_map(Result::err);
    faults.extend(advanced.map(SubmitError::Fault));
    let Some(SubmitError::Fault(ChainFault::State(text))) = faults.first() else { panic!("{faults:?}") };
    assert!(text.contains("cannot leave the chain: it or its undo data is not kept"), "{text}");
}

#[test]
fn an_operator_prunes_up_to_a_height_or_a_time_where_the_node_prunes() {
    let (mut node, mut branch) = (small_node(0), Branch::genesis(1));
    fat_chain(&mut branch, 400);
    node.submit_all(&branch.blocks);
    let up_to = |at| PruneUpTo::Height(height(at));
    assert_eq!(node.chain().prune(up_to(10)), Err(PruneError::Off));
    node.reopen_small(1);
    let none = Pruning { is_pruned: true, kept_from: Height::GENESIS, target_mib: 1 };
    assert_eq!(node.chain().reader().pruning(), none);
    let too_high = PruneError::TooHigh { height: height(401), tip: height(400) };
    assert_eq!(node.chain().prune(up_to(401)), Err(too_high));
    let time_of = |at: u32| u64::from(GENESIS_TIME + at * 600);
    let late = time_of(412) + 1;
    let none_since = PruneError::NoneSince { time_s: late };
    assert_eq!(node.chain().prune(PruneUpTo::from_number(late)), Err(none_since));
    assert_eq!(node.chain().prune(up_to(2)).unwrap().last(), None);
    // Two hours are twelve blocks.
    let by_time = node.chain().prune(PruneUpTo::from_number(time_of(62))).unwrap();
    assert!((40..=50).contains(&by_time.last().unwrap().to_u32()), "{by_time:?}");
    let before = node.chain().reader().bytes_on_disk().unwrap();
    let rest = node.chain().prune(PruneUpTo::from_number(400)).unwrap();
    assert_eq!(node.chain().reader().bytes_on_disk().unwrap() + rest.bytes, before);
    for _ in 0..2 {
        let pruning = Pruning { kept_from: rest.kept_from, ..none };
        assert_eq!(node.chain().reader().pruning(), pruning);
        node.reopen_small(1);
    }
}

const FOLLOWING: IndexConfig =
    IndexConfig { transactions: false, filters: true, coin_stats: true, spenders: false };

/// Builds an index up to `last`, or to where it can come.
fn build(indexes: &Indexes, kind: IndexKind, last: u32) {
    let mut indexer = indexes.indexer(kind).unwrap();
    let blocks = std::cell::Cell::new(0);
    let go_on = || blocks.replace(blocks.get() + 1) <= last;
    while indexer.step(&go_on).unwrap() == IndexStep::More && blocks.get() <= last {}
}

#[test]
fn an_index_holds_pruning_back_to_what_it_has_read() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Some(open_indexed(dir.path(), 1, FOLLOWING));
    let (mut node, mut branch) = (Node { dir, chain, cache_mib: 64 }, Branch::genesis(1));
    fat_chain(&mut branch, 400);
    node.submit_all(&branch.blocks);
    // Nobody builds them yet, and all the same they hold.
    assert_eq!(node.chain().reader().held_from(), Some(height(1)));
    assert_eq!(node.chain().prune_to(height(100)).unwrap(), Pruned::default());
    let store = node.chain().store_for_tests();
    let indexes = Indexes::open(&node.chain().reader(), &store, FOLLOWING).unwrap();
    build(&indexes, IndexKind::Filters, 1_000);
    build(&indexes, IndexKind::CoinStats, 60);
    let held = node.chain().reader().held_from().unwrap();
    let pruned = node.chain().prune_to(height(100)).unwrap();
    assert!(
        pruned.kept_from > height(50) && pruned.kept_from <= held && held < height(70),
        "{pruned:?} {held}"
    );
    // As it lies on disk, over a start; and one that needs no more than what is there is taken.
    drop((indexes, store));
    node.chain = None;
    node.chain = Some(open_indexed(node.dir.path(), 1, FOLLOWING));
    assert_eq!(node.chain().reader().held_from(), Some(held));
    assert_eq!(node.chain().prune_to(height(100)).unwrap().files, 0);
    let store = node.chain().store_for_tests();
    let indexes = Indexes::open(&node.chain().reader(), &store, FOLLOWING).unwrap();
    build(&indexes, IndexKind::CoinStats, 1_000);
    assert!(node.chain().prune_to(height(100)).unwrap().kept_from > height(90));
    let stats = node.stats();
    assert_eq!(indexes.coin_stats(height(400)).unwrap().sums.muhash.digest().to_string(), stats.muhash);
    assert!(indexes.filter(&branch.blocks[3].hash()).is_ok());
}

#[test]
fn an_index_whose_last_block_has_left_holds_what_joined_instead() {
    let (mut node, mut trunk) = (small_node(1), Branch::genesis(1));
    fat_chain(&mut trunk, 20);
    let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
    old.mine_empty(5);
    new.mine_empty(6);
    node.submit_all(&[&trunk.blocks[..], &old.blocks].concat());
    let store = node.chain().store_for_tests();
    let indexes = Indexes::open(&node.chain().reader(), &store, FOLLOWING).unwrap();
    for kind in indexes.kinds() {
        build(&indexes, kind, 1_000);
    }
    assert_eq!(node.chain().reader().held_from(), Some(height(26)));
    node.submit_all(&new.blocks);
    assert_eq!((node.tip().0, node.chain().reader().held_from()), (new.tip, Some(height(21))));
    for kind in indexes.kinds() {
        build(&indexes, kind, 1_000);
    }
    assert_eq!(node.chain().reader().held_from(), Some(height(27)));
}

#[test]
fn an_index_that_needs_pruned_blocks_is_refused_with_what_to_do() {
    let (mut node, mut branch) = (small_node(1), Branch::genesis(1));
    fat_chain(&mut branch, 400);
    node.submit_all(&branch.blocks);
    let store = node.chain().store_for_tests();
    let all = IndexConfig { transactions: true, ..FOLLOWING };
    let indexes = Indexes::open(&node.chain().reader(), &store, all).unwrap();
    build(&indexes, IndexKind::Transactions, 1_000);
    build(&indexes, IndexKind::Filters, 20);
    build(&indexes, IndexKind::CoinStats, 1_000);
    drop((indexes, store));
    // Without the one that is behind.
    node.reopen_small(1);
    let store = node.chain().store_for_tests();
    let some = IndexConfig { filters: false, ..all };
    let indexes = Indexes::open(&node.chain().reader(), &store, some).unwrap();
    let kept_from = node.chain().prune_to(height(100)).unwrap().kept_from;
    let gone = IndexError::Pruned { block: branch.blocks[4].hash(), height: height(5) };
    assert_eq!(indexes.transaction(&branch.blocks[4].txs()[0].txid()), Err(gone));
    assert!(indexes.transaction(&branch.blocks[300].txs()[0].txid()).is_ok());
    drop(indexes);
    let mut open =
        |config| Indexes::open(&node.chain().reader(), &store, config).map(|indexes| indexes.kinds());
    let refused = |kind, first| Err(IndexOpenError::Pruned { kind, first, kept_from });
    assert_eq!(open(FOLLOWING), refused("filters", height(21)));
    assert_eq!(open(all), refused("transactions", height(1)));
    assert_eq!(open(IndexConfig { filters: false, ..FOLLOWING }), Ok(vec![IndexKind::CoinStats]));
    let text = open(FOLLOWING).unwrap_err().to_string();
    assert!(text.contains("index.filters needs the blocks from height 21 on"), "{text}");
    assert!(text.contains("set index.filters = false, or begin anew"), "{text}");
}
