use super::*;
use crate::{Mark, MarkError};

impl Node {
    /// Marks a block, and goes on until the chain is where that leads; the blocks that left, and those that joined.
    pub(super) fn mark(&mut self, hash: BlockHash, mark: Mark) -> (Vec<BlockHash>, Vec<BlockHash>) {
        self.chain().mark(&hash, mark).unwrap();
        let (mut left, mut joined) = (Vec::new(), Vec::new());
        while let Some(step) = self.chain().advance().unwrap() {
            left.extend(step.disconnected.iter().map(|block| block.hash()));
            joined.extend(step.connected.iter().map(|block| block.hash()));
        }
        self.chain().flush().unwrap();
        (left, joined)
    }
}

fn hashes(blocks: &[Arc<ParsedBlock>]) -> Vec<BlockHash> {
    blocks.iter().map(|block| block.hash()).collect()
}

fn reversed(blocks: &[Arc<ParsedBlock>]) -> Vec<BlockHash> {
    blocks.iter().rev().map(|block| block.hash()).collect()
}

/// A node on `first`, ten blocks on a trunk; `second` is nine on the same. Both spend.
fn branches() -> (Node, Branch, Branch) {
    let mut trunk = busy_chain();
    trunk.mine_empty(20);
    let (mut first, mut second) = (trunk.fork(2), trunk.fork(3));
    first.mine(vec![spend(&[trunk.reward(30)], 2, 5)]);
    first.mine_empty(9);
    second.mine(vec![spend(&[trunk.reward(30)], 3, 5), spend(&[trunk.reward(31)], 2, 5)]);
    second.mine_empty(8);
    let mut node = Node::new();
    [&trunk, &first, &second].into_iter().for_each(|branch| node.submit_all(&branch.blocks));
    assert_eq!(node.tip().0, first.tip);
    (node, first, second)
}

#[test]
fn an_invalid_block_is_left_for_the_next_best_branch_and_taken_again() {
    let (mut node, first, second) = branches();
    let before = node.stats();
    let bottom = first.blocks[0].hash();
    assert_eq!(node.mark(bottom, Mark::Invalid), (reversed(&first.blocks), hashes(&second.blocks)));
    assert_eq!(node.tip().0, second.tip);
    assert_eq!(node.chain().reader().best_header().0, second.tip);
    let beside = node.stats();
    assert_eq!(reason(node.submit(&first.blocks[4])), "duplicate-invalid");
    let mut longer = first.fork(2);
    longer.mine_empty(1);
    assert_eq!(reason(node.submit(&longer.blocks[0])), "bad-prevblk");

    // It stays so over a restart, whether that was in order or not.
    node.crash();
    assert_eq!((node.tip().0, node.stats()), (second.tip, beside.clone()));
    assert_eq!(reason(node.submit(&first.blocks[0])), "duplicate-invalid");

    let middle = first.blocks[4].hash();
    assert_eq!(node.mark(middle, Mark::Reconsider), (reversed(&second.blocks), hashes(&first.blocks)));
    assert_eq!(node.stats(), before);
    node.crash();
    assert_eq!((node.tip().0, node.stats()), (first.tip, before));
    node.submit_all(&longer.blocks);
    assert_eq!(node.tip().0, longer.tip);
}

#[test]
fn with_no_other_branch_the_chain_ends_below_and_grows_anew() {
    let (mut node, first, second) = branches();
    node.mark(second.blocks[0].hash(), Mark::Invalid);
    let (left, joined) = node.mark(first.blocks[7].hash(), Mark::Invalid);
    assert_eq!((left, joined), (reversed(&first.blocks[7..]), vec![]));
    assert_eq!(node.tip().0, first.blocks[6].hash());
    // Marked again, and what is not in the chain: nothing moves.
    assert_eq!(node.mark(first.blocks[7].hash(), Mark::Invalid), (vec![], vec![]));
    assert_eq!(node.mark(first.blocks[9].hash(), Mark::Invalid), (vec![], vec![]));
    let mut anew = first.fork(5);
    (anew.tip, anew.height) = (first.blocks[6].hash(), first.height - 3);
    anew.mine_empty(1);
    node.submit_all(&anew.blocks);
    assert_eq!(node.tip().0, anew.tip);
}

#[test]
fn far_below_the_tip_the_chain_is_left_in_steps_and_others_are_heard_between_them() {
    let mut trunk = busy_chain();
    trunk.mine_empty(100);
    let mut node = Node::new();
    node.submit_all(&trunk.blocks);
    let mut side = trunk.fork(8);
    (side.tip, side.height) = (trunk.blocks[109].hash(), 110);
    side.mine_empty(1);
    node.chain().mark(&trunk.blocks[110].hash(), Mark::Invalid).unwrap();
    let first = node.chain().advance().unwrap().unwrap();
    assert_eq!((first.disconnected.len(), first.tip.height), (32, height(188)));
    assert!(node.chain().has_more() && !node.chain().reader().is_settled());
    // A block that comes in between; its own step takes 32 more away.
    let accepted = node.submit(&side.blocks[0]).unwrap();
    assert_eq!((accepted.disconnected.len(), accepted.tip.height), (32, height(156)));
    // The process ends here, after a flush that had its own reasons.
    node.chain().flush().unwrap();
    node.crash();
    assert_eq!(node.tip(), (side.tip, 111));
    let mut fresh = Node::new();
    fresh.submit_all(&trunk.blocks[..110]);
    fresh.submit_all(&side.blocks);
    assert_eq!(node.stats(), fresh.stats());
    node.mark(trunk.blocks[150].hash(), Mark::Reconsider);
    assert_eq!(node.tip().0, trunk.tip);
    assert!(node.chain().reader().is_settled());
}

#[test]
fn what_cannot_be_marked_is_refused_and_nothing_changes() {
    let (mut node, first, _) = branches();
    let genesis = Params::regtest().genesis_hash;
    let check = |node: &mut Node, hash: BlockHash, want: MarkError| {
        assert_eq!(node.chain().mark(&hash, Mark::Invalid), Err(want));
        assert!(!node.chain().has_more());
    };
    check(&mut node, BlockHash::all_zeros(), MarkError::Unknown);
    check(&mut node, genesis, MarkError::FirstBlock);
    let stuck = first.blocks[3].hash();
    node.chain().forget_undo_for_tests(stuck);
    let pruned = MarkError::Pruned { hash: stuck, height: height(144) };
    check(&mut node, first.blocks[0].hash(), pruned.clone());
    // The next best branch parts from this one below what is stuck.
    check(&mut node, first.blocks[4].hash(), pruned);
    assert_eq!(node.tip().0, first.tip);
    node.mark(first.blocks[9].hash(), Mark::Invalid);
    assert_eq!(node.tip().0, first.blocks[8].hash());
    node.mark(first.tip, Mark::Reconsider);
    node.mark(genesis, Mark::Reconsider);
    node.mark(genesis, Mark::Precious);
    assert_eq!(node.tip().0, first.tip);
}

#[test]
fn the_precious_one_of_two_blocks_stays_the_tip_over_a_restart() {
    let trunk = busy_chain();
    let [one, two] = [2, 3].map(|tag| {
        let mut branch = trunk.fork(tag);
        branch.mine_empty(1);
        branch
    });
    let mut node = Node::new();
    [&trunk, &one, &two].into_iter().for_each(|branch| node.submit_all(&branch.blocks));
    assert_eq!(node.mark(two.tip, Mark::Precious), (vec![one.tip], vec![two.tip]));
    assert_eq!(node.mark(two.tip, Mark::Precious), (vec![], vec![]));
    assert_eq!(node.mark(trunk.tip, Mark::Precious), (vec![], vec![]));
    node.crash();
    assert_eq!(node.tip().0, two.tip);
    assert_eq!(node.mark(one.tip, Mark::Precious), (vec![two.tip], vec![one.tip]));
}

/// Blocks that never connected: all that is known of them is where they lie.
#[test]
fn of_equal_branches_the_first_whose_bodies_came_is_the_first_after_a_restart() {
    let trunk = busy_chain();
    let [main, one, two] = [2, 3, 4].map(|tag| {
        let mut branch = trunk.fork(tag);
        branch.mine_empty(if tag == 2 { 3 } else { 2 });
        branch
    });
    for first_flush in [false, true] {
        let mut node = Node::new();
        [&trunk, &main].into_iter().for_each(|branch| node.submit_all(&branch.blocks));
        for branch in [&one, &two] {
            let headers: Vec<_> = branch.blocks.iter().map(|block| *block.header()).collect();
            node.chain().accept_headers(&headers, now()).unwrap();
        }
        for block in [&two.blocks[0], &one.blocks[1], &two.blocks[1], &one.blocks[0]] {
            node.submit(block).unwrap();
        }
        if first_flush {
            node.chain().flush().unwrap();
        }
        node.crash();
        node.mark(main.blocks[0].hash(), Mark::Invalid);
        assert_eq!(node.tip().0, two.tip, "{first_flush}");
    }
}

/// As block 1,983,702 of the main chain could: its coinbase is one from before there was a height in each, and nobody looks.
#[test]
fn a_coin_that_a_coinbase_took_the_place_of_is_back_when_the_fork_is_left() {
    let mut trunk = Branch::genesis(1);
    trunk.mine_empty(4);
    let repeated = Branch { height: 19, ..trunk.clone() }.coinbase(SUBSIDY);
    let with_coinbase = |branch: &mut Branch| {
        let mut block =
            bitcoin::consensus::deserialize::<Block>(branch.block(vec![], SUBSIDY).raw()).unwrap();
        block.txdata[0] = repeated.clone();
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        branch.push(&mined(block));
    };
    with_coinbase(&mut trunk);
    trunk.mine_empty(14);
    let (mut repeats, mut plain) = (trunk.fork(1), trunk.fork(2));
    with_coinbase(&mut repeats);
    plain.mine_empty(2);
    let coin = OutPoint { txid: repeated.compute_txid(), vout: 0 };

    let mut params = Params::regtest();
    (params.forks.bip34, params.forks.bip34_hash) = (height(10), Some(trunk.blocks[9].hash()));
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(DataDir::open(dir.path(), "regtest").unwrap()).unwrap());
    let config = ChainConfig { script_threads: 1, ..ChainConfig::new(Arc::new(params)) };
    let mut node = Node { chain: None, dir, cache_mib: 64 };
    node.chain = Some(Chainstate::open(config, store, Arc::new(Interpreter)).unwrap());
    let born = |node: &mut Node| {
        let (_, coins) = node.chain().reader().coins(&[coin]).unwrap();
        coins[0].as_ref().map(|coin| coin.height)
    };
    node.submit_all(&trunk.blocks);
    let before = node.stats();
    node.submit_all(&repeats.blocks);
    assert_eq!((node.tip().0, born(&mut node)), (repeats.tip, Some(height(20))));
    assert_eq!(node.stats().coins, before.coins);
    node.submit_all(&plain.blocks);
    assert_eq!((node.tip().0, born(&mut node)), (plain.tip, Some(height(5))));
    node.mark(plain.blocks[0].hash(), Mark::Invalid);
    assert_eq!((node.tip().0, born(&mut node)), (repeats.tip, Some(height(20))));
    node.mark(repeats.tip, Mark::Invalid);
    assert_eq!((node.tip().0, born(&mut node), node.stats()), (trunk.tip, Some(height(5)), before));
}

#[test]
fn what_was_marked_stays_marked_over_a_reindex_of_either_kind() {
    let (mut node, first, second) = branches();
    node.mark(first.blocks[2].hash(), Mark::Invalid);
    assert_eq!(node.tip().0, second.tip);
    let stats = node.stats();
    for chainstate_only in [true, false] {
        node.reindex(chainstate_only, &mut |_| true).unwrap();
        node.reopen();
        assert_eq!((node.tip().0, node.stats()), (second.tip, stats.clone()), "{chainstate_only}");
        assert_eq!(reason(node.submit(&first.blocks[5])), "duplicate-invalid");
    }
    node.mark(first.blocks[2].hash(), Mark::Reconsider);
    assert_eq!(node.tip().0, first.tip);
    node.reindex(false, &mut |_| true).unwrap();
    node.reopen();
    assert_eq!(node.tip().0, first.tip);
}
