use super::*;
use crate::{ChainFault, KEPT_BLOCKS, Pruned};

/// A block of about 8 kB: eight of them fill a small file.
fn fat_block(branch: &Branch) -> Arc<ParsedBlock> {
    let mut block = branch.block(Vec::new(), Params::regtest().subsidy(height(branch.height + 1))).to_block();
    let script_pubkey = ScriptBuf::from_bytes([&[0x6a], vec![0; 8000].as_slice()].concat());
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    mined(block)
}

fn fat_chain(branch: &mut Branch, count: u32) {
    for _ in 0..count {
        let block = fat_block(branch);
        branch.push(&block);
    }
}

/// A node with small files that prunes to `prune_mib`.
fn open_small(base: &Path, prune_mib: u64) -> Chainstate {
    let store = Arc::new(Store::open(DataDir::open(base, "regtest").unwrap()).unwrap());
    let config = ChainConfig {
        cache_mib: 64,
        script_threads: 1,
        prune_mib,
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
    fat_chain(&mut branch, 20);
    node.submit_all(&branch.blocks[400..]);
    assert_eq!(node.tip().0, branch.tip);
    node.reopen_small(1);
    assert_eq!(node.tip().0, branch.tip);
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
    // The stale branch went with its file, and is as if it had never come.
    let reader = node.chain().reader();
    assert!(!reader.has_block(&stale.tip) && !reader.is_block_pruned(&stale.tip));
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
