use super::*;
use crate::stage::REORG_BLOCKS_MAX;

/// The stats of a node that only ever saw these blocks.
fn stats_of(parts: &[&[Arc<ParsedBlock>]]) -> UtxoStats {
    let mut node = Node::new();
    parts.iter().for_each(|blocks| node.submit_all(blocks));
    node.stats()
}

/// Long enough for the rewards from the 31st on to be spent.
fn long_trunk() -> Branch {
    let mut trunk = busy_chain();
    trunk.mine_empty(20);
    trunk
}

#[test]
fn ten_blocks_leave_and_eleven_join() {
    for flush_between in [false, true] {
        let trunk = long_trunk();
        let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
        let coins = [trunk.reward(30), trunk.reward(31)];
        let (spent_in_old, spent_in_both) = (spend(&coins[..1], 2, 5), spend(&coins[1..], 3, 5));
        old.mine(vec![spent_in_old, spent_in_both.clone()]);
        old.mine_empty(9);
        new.mine_empty(4);
        new.mine(vec![spent_in_both]);
        new.mine_empty(6);

        let mut node = Node::new();
        node.submit_all(&trunk.blocks);
        node.submit_all(&old.blocks);
        if flush_between {
            node.chain().flush().unwrap();
        }
        let (last, side) = new.blocks.split_last().unwrap();
        for block in side {
            let accepted = node.submit(block).unwrap();
            assert_eq!((accepted.tip.hash, accepted.connected.len()), (old.tip, 0));
        }
        let accepted = node.submit(last).unwrap();
        let left: Vec<_> = old.blocks.iter().rev().cloned().collect();
        assert_eq!(accepted.disconnected, left);
        assert_eq!(accepted.connected, new.blocks);
        assert_eq!(accepted.tip.hash, new.tip);
        assert_eq!(node.stats(), stats_of(&[&trunk.blocks, &new.blocks]));
        let (leave, join) = node.chain().reader().path_from(&old.tip).unwrap();
        assert_eq!((leave.len(), join.len()), (10, 11));

        // And back again, when the old one grows: its scripts were verified before.
        old.mine_empty(2);
        node.submit_all(&old.blocks[10..]);
        assert_eq!(node.tip().0, old.tip);
        assert_eq!(node.stats(), stats_of(&[&trunk.blocks, &old.blocks]));
        node.crash();
        assert_eq!(node.tip().0, old.tip);
        assert_eq!(node.stats(), stats_of(&[&trunk.blocks, &old.blocks]));
    }
}

#[test]
fn a_better_chain_with_an_invalid_block_leaves_no_trace() {
    let trunk = long_trunk();
    let (mut old, mut bad) = (trunk.fork(2), trunk.fork(3));
    old.mine(vec![spend(&[trunk.reward(30)], 2, 5)]);
    old.mine_empty(2);
    bad.mine(vec![spend(&[trunk.reward(31)], 2, 5)]);
    let invalid = bad.block(vec![spend(&[trunk.reward(31)], 1, 0)], SUBSIDY);
    bad.push(&invalid);
    bad.mine_empty(3);

    let mut node = Node::new();
    node.submit_all(&trunk.blocks);
    node.submit_all(&old.blocks);
    let before = node.stats();
    for block in &bad.blocks[..3] {
        assert_eq!(node.submit(block).unwrap().tip.hash, old.tip);
    }
    // The fourth gives it more work than the old chain; the second is the invalid one.
    let refused = node.submit(&bad.blocks[3]);
    let detail = format!("CheckTxInputs: inputs missing/spent in transaction {}", invalid.txs()[1].txid());
    let want = SubmitError::Invalid {
        hash: invalid.hash(),
        height: Some(height(142)),
        reject: format!("bad-txns-inputs-missingorspent, {detail}"),
    };
    assert_eq!(refused, Err(want));
    assert_eq!((node.tip().0, node.stats()), (old.tip, before.clone()));
    let reader = node.chain().reader();
    assert_eq!(reader.best_header().0, old.tip);
    assert_eq!(reason(node.submit(&bad.blocks[4])), "bad-prevblk");
    // The valid part of the bad chain may still win.
    let mut rest = bad.fork(4);
    (rest.tip, rest.height) = (bad.blocks[0].hash(), 141);
    rest.mine_empty(3);
    node.submit_all(&rest.blocks);
    assert_eq!(node.stats(), stats_of(&[&trunk.blocks, &bad.blocks[..1], &rest.blocks]));
}

#[test]
fn a_chain_longer_than_one_step_is_published_step_by_step() {
    let trunk = busy_chain();
    let mut new = trunk.fork(3);
    new.mine_empty(80);
    let mut node = Node::new();
    node.submit_all(&trunk.blocks);
    for block in new.blocks[1..].iter() {
        let header = node.chain().accept_headers(&[*new.blocks[0].header()], now());
        header.unwrap();
        assert!(node.submit(block).unwrap().connected.is_empty());
    }
    let first = node.submit(&new.blocks[0]).unwrap();
    assert!(!first.connected.is_empty() && first.connected.len() < 80);
    let mut joined = first.connected;
    while let Some(step) = node.chain().advance().unwrap() {
        assert!(!step.connected.is_empty());
        joined.extend(step.connected);
    }
    let hashes = |blocks: &[Arc<ParsedBlock>]| blocks.iter().map(|b| b.hash()).collect::<Vec<_>>();
    assert_eq!(joined.len(), new.blocks.len());
    assert_eq!(hashes(&joined), hashes(&new.blocks));
    assert_eq!(node.tip().0, new.tip);
}

/// A node on `old`, with all of `new` at hand; the step with which it left for that.
fn leaving(old: &Branch, new: &Branch) -> (Node, BlockAccepted) {
    let mut node = Node::new();
    node.submit_all(&old.blocks);
    let headers: Vec<_> = new.blocks.iter().map(|block| *block.header()).collect();
    node.chain().accept_headers(&headers, now()).unwrap();
    let (first, later) = new.blocks.split_first().unwrap();
    later.iter().for_each(|block| assert_eq!(node.submit(block).unwrap().tip.hash, old.tip));
    let step = node.submit(first).unwrap();
    (node, step)
}

/// What one step holds is bounded, in what leaves as in what joins.
#[test]
fn a_reorganisation_deeper_than_one_step_goes_out_in_steps() {
    let trunk = Branch::genesis(1);
    let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
    old.mine_empty(REORG_BLOCKS_MAX as u32 + 10);
    new.mine_empty(REORG_BLOCKS_MAX as u32 + 11);

    let (mut node, first) = leaving(&old, &new);
    let (mut left, mut joined, mut steps) = (Vec::new(), Vec::new(), 0);
    let mut step = Some(first);
    while let Some(BlockAccepted { disconnected, connected, .. }) = step {
        assert!(disconnected.len() + connected.len() <= REORG_BLOCKS_MAX);
        left.extend(disconnected);
        joined.extend(connected);
        steps += 1;
        step = node.chain().advance().unwrap();
    }
    old.blocks.reverse();
    assert_eq!(left, old.blocks);
    assert_eq!(joined, new.blocks);
    assert!(steps > 2, "{steps}");
    assert_eq!(node.tip().0, new.tip);
    assert_eq!(node.stats(), stats_of(&[&new.blocks]));
    old.blocks.reverse();

    // A process that ends between two steps goes on at its next start.
    let (mut node, first) = leaving(&old, &new);
    assert_eq!(node.tip().1, old.height - u32::try_from(first.disconnected.len()).unwrap());
    node.chain().flush().unwrap();
    node.crash();
    assert_eq!(node.tip().0, new.tip);
}

/// A node on a trunk, and two blocks that continue it.
fn rivals() -> (Node, Branch, Branch) {
    let trunk = busy_chain();
    let (mut one, mut two) = (trunk.fork(2), trunk.fork(3));
    one.mine_empty(1);
    two.mine_empty(1);
    let mut node = Node::new();
    node.submit_all(&trunk.blocks);
    (node, one, two)
}

#[test]
fn of_equal_work_the_first_stays() {
    let (mut node, one, two) = rivals();
    node.submit_all(&one.blocks);
    node.submit_all(&two.blocks);
    assert_eq!(node.tip().0, one.tip);
    node.chain().flush().unwrap();
    node.crash();
    assert_eq!(node.tip().0, one.tip);
}

/// It ends where it began, whether what is left of the better chain has less work or as much: of equal work the first stays.
#[test]
fn a_deep_reorganisation_that_fails_goes_back_to_where_it_began() {
    let depth = REORG_BLOCKS_MAX as u32 + 10;
    for good in [100, depth] {
        let trunk = Branch::genesis(1);
        let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
        old.mine_empty(depth);
        new.mine_empty(good);
        let invalid = new.block(Vec::new(), SUBSIDY * 2);
        new.push(&invalid);
        new.mine_empty(depth - good);

        let (mut node, first) = leaving(&old, &new);
        let (mut told, mut step) = (old.blocks.clone(), Some(first));
        while let Some(BlockAccepted { disconnected, connected, .. }) = step {
            for block in disconnected {
                assert!(told.pop() == Some(block), "{good}");
            }
            told.extend(connected);
            step = node.chain().advance().unwrap();
        }
        assert!(told == old.blocks, "{good}");
        assert_eq!(node.tip().0, old.tip, "{good}");
        assert_eq!(node.stats(), stats_of(&[&old.blocks]), "{good}");
        node.crash();
        assert_eq!(node.tip().0, old.tip, "{good}");
    }
}

/// Also where its header came later than the other's, which is all that the disk says of their order.
#[test]
fn of_equal_work_the_tip_stays_over_a_restart() {
    let (mut node, one, two) = rivals();
    node.chain().accept_headers(&[*two.blocks[0].header()], now()).unwrap();
    node.submit_all(&one.blocks);
    node.submit_all(&two.blocks);
    node.chain().flush().unwrap();
    node.crash();
    assert_eq!(node.tip().0, one.tip);
}
