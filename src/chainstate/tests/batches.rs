use super::*;
use crate::{BATCH_BLOCKS_MAX, BlocksAccepted};

/// These blocks, some at once and one by one, lead to the same tip and coins; which of them are refused.
#[track_caller]
fn check(blocks: &[Arc<ParsedBlock>], at_once: usize, want: &[usize]) {
    // With room for all that is read ahead, and for some of it.
    for cache_mib in [64, 1] {
        check_in(cache_mib, blocks, at_once, want);
    }
}

#[track_caller]
fn check_in(cache_mib: usize, blocks: &[Arc<ParsedBlock>], at_once: usize, want: &[usize]) {
    let (mut node, mut other) = (Node::with_cache(cache_mib), Node::new());
    let mut tip = Params::regtest().genesis_hash;
    let (mut refused, mut refused_alone) = (Vec::new(), Vec::new());
    for (first, some) in (0..).step_by(at_once).zip(blocks.chunks(at_once)) {
        let BlocksAccepted { each, moved } = node.chain().accept_blocks(some, now());
        assert_eq!(each.len(), some.len());
        for (number, (block, verdict)) in some.iter().zip(&each).enumerate() {
            match verdict {
                Ok(accepted) => assert!(accepted.connected.iter().all(|joined| joined == block)),
                Err(_) => refused.push(first + number),
            }
            if other.submit(block).is_err() {
                refused_alone.push(first + number);
            }
        }
        // What a listener is told leads from each tip to the next.
        if let Some(moved) = moved {
            let left = moved.disconnected.last().map(|block| block.header().prev_blockhash);
            let from = moved.connected.first().map_or(tip, |block| block.header().prev_blockhash);
            assert_eq!(left.unwrap_or(tip), from);
            tip = moved.tip.hash;
        }
    }
    for node in [&mut node, &mut other] {
        while node.chain().advance().unwrap().is_some() {}
    }
    assert_eq!(refused, refused_alone);
    assert_eq!((node.tip(), node.stats()), (other.tip(), other.stats()));
    node.crash();
    assert_eq!((node.tip(), node.stats()), (other.tip(), other.stats()));
    assert_eq!(refused, want);
}

#[test]
fn blocks_at_once_are_blocks_one_by_one() {
    let branch = busy_chain();
    for at_once in [1, 2, 7, BATCH_BLOCKS_MAX, 200] {
        check(&branch.blocks, at_once, &[]);
    }
    let twice: Vec<_> =
        branch.blocks.iter().flat_map(|block| [Arc::clone(block), Arc::clone(block)]).collect();
    check(&twice, 12, &[]);
}

#[test]
fn one_that_breaks_a_rule_ends_the_chain_before_it() {
    let mut branch = busy_chain();
    let bad = branch.block(Vec::new(), SUBSIDY + SUBSIDY);
    branch.push(&bad);
    branch.mine_empty(3);
    check(&branch.blocks, 30, &[120, 121, 122, 123]);
    // Its bytes alone, under the header of a good one: nothing is said of the block that they are not.
    let mut branch = busy_chain();
    let good = branch.blocks.pop().unwrap();
    let mut spoilt = Block::clone(&bitcoin::consensus::deserialize(good.raw()).unwrap());
    spoilt.txdata.pop();
    branch.blocks.extend([Arc::new(ParsedBlock::new(spoilt)), good]);
    check(&branch.blocks, 25, &[119]);
    // One without its parent, and then with it.
    let mut blocks = busy_chain().blocks;
    blocks.insert(90, Arc::clone(&blocks[91]));
    check(&blocks, 32, &[90]);
}

#[test]
fn a_longer_branch_among_them_is_followed() {
    let trunk = busy_chain();
    let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
    old.mine_empty(4);
    new.mine_empty(6);
    let blocks = [trunk.blocks, old.blocks, new.blocks].concat();
    for at_once in [3, 5, 11, 32] {
        check(&blocks, at_once, &[]);
    }
}

/// Coins are read before the blocks in front of them are applied: what those spend, and make, is seen all the same.
#[test]
fn a_coin_that_was_read_ahead_and_is_spent_meanwhile_is_not_spent_again() {
    let mut branch = busy_chain();
    branch.mine_empty(20);
    let coin = branch.reward(40);
    let made = branch.mine(vec![spend(&[coin], 2, 5)]);
    branch.mine_empty(6);
    branch.mine(vec![spend(&outputs_of(made.txs()[1].tx())[..1], 1, 5)]);
    let again = branch.block(vec![spend(&[coin], 3, 7)], SUBSIDY);
    branch.push(&again);
    branch.mine_empty(2);
    for at_once in [2, 9, 11, 32] {
        check(&branch.blocks, at_once, &[148, 149, 150]);
    }
}
