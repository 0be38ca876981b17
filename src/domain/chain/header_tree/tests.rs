use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Target, TxMerkleNode};
use proptest::prelude::*;

use super::node::skip_height;
use super::{BlockStatus, Failure, HeaderTree, InsertError, NodeId, RestoreError};
use crate::consensus::{HeaderError, HeaderView, Params};
use crate::units::{Height, UnixMillis};

pub(super) const NOW: UnixMillis = UnixMillis::from_seconds(2_000_000_000);

pub(super) fn tree() -> HeaderTree {
    HeaderTree::new(Arc::new(Params::regtest()))
}

/// A header on `parent`, solved; `branch` tells it from its siblings.
pub(super) fn header_on(tree: &HeaderTree, parent: NodeId, branch: u8) -> Header {
    let below = tree.node(parent).header();
    let mut header = Header {
        version: Version::from_consensus(4),
        prev_blockhash: below.block_hash(),
        merkle_root: TxMerkleNode::from_byte_array([branch; 32]),
        time: below.time + 600,
        ..*below
    };
    while !Target::from_compact(header.bits).is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    header
}

pub(super) fn grow(tree: &mut HeaderTree, mut parent: NodeId, branch: u8, count: usize) -> Vec<NodeId> {
    let mut added = Vec::new();
    for _ in 0..count {
        parent = tree.insert(header_on(tree, parent, branch), NOW).unwrap();
        added.push(parent);
    }
    added
}

pub(super) fn store(tree: &mut HeaderTree, ids: &[NodeId]) {
    ids.iter().for_each(|id| tree.body_stored(*id));
}

#[test]
fn a_new_tree_has_the_first_block() {
    let tree = tree();
    let genesis = tree.node(HeaderTree::GENESIS);
    assert_eq!(genesis.hash(), tree.params().genesis_hash);
    assert_eq!(
        (tree.tip_id(), tree.best_header_id(), tree.best_candidate()),
        (NodeId(0), NodeId(0), NodeId(0))
    );
    assert!(genesis.is_complete() && genesis.status().script_valid && genesis.parent().is_none());
    assert_eq!((tree.len(), tree.locator(NodeId(0)).len()), (1, 1));
    assert_eq!(tree.path(NodeId(0), NodeId(0)), super::Path::default());
}

#[test]
fn headers_join_in_cores_order_of_checks() {
    let mut tree = tree();
    let chain = grow(&mut tree, HeaderTree::GENESIS, 1, 12);
    let tip = chain[11];
    let good = header_on(&tree, tip, 1);
    let check = |tree: &mut HeaderTree, header: Header, expected: InsertError| {
        assert_eq!(tree.insert(header, NOW), Err(expected));
    };
    let hard = Header { bits: CompactTarget::from_consensus(0x1d00_ffff), ..good };
    check(&mut tree, hard, InsertError::Invalid(HeaderError::HighHash));
    let parent = BlockHash::all_zeros();
    let mut orphan = Header { prev_blockhash: parent, ..good };
    while !Target::from_compact(orphan.bits).is_met_by(orphan.block_hash()) {
        orphan.nonce += 1;
    }
    check(&mut tree, orphan, InsertError::ParentUnknown { parent });
    let early = UnixMillis::from_seconds(u64::from(good.time) - 7_201);
    assert_eq!(tree.insert(good, early), Err(InsertError::Invalid(HeaderError::TimeTooNew)));
    // It may come again later, and a second time it is the same node.
    let id = tree.insert(good, NOW).unwrap();
    assert_eq!(tree.insert(good, NOW), Ok(id));
    assert_eq!(tree.len(), 14);
    tree.mark_failed(tip);
    check(&mut tree, good, InsertError::KnownInvalid);
    let fallen = *tree.node(tip).header();
    check(&mut tree, fallen, InsertError::KnownInvalid);
    let sibling = header_on(&tree, tip, 2);
    check(&mut tree, sibling, InsertError::ParentInvalid);
}

#[test]
fn the_words_are_cores() {
    let check = |error: InsertError, text: &str| assert_eq!(error.to_string(), text);
    check(InsertError::Invalid(HeaderError::TimeTooOld), "time-too-old");
    check(InsertError::ParentInvalid, "bad-prevblk");
    check(InsertError::KnownInvalid, "duplicate-invalid");
    check(InsertError::ParentUnknown { parent: BlockHash::all_zeros() }, "prev-blk-not-found");
    check(InsertError::Full, "too many headers");
    let fault = crate::consensus::ViewFault { source_text: "x".to_owned() };
    check(InsertError::Fault(fault), "state could not be read: x");
    assert_eq!(RestoreError::Full.to_string(), "too many stored headers");
}

#[test]
fn the_best_header_has_most_work_and_came_first() {
    let mut tree = tree();
    let a = grow(&mut tree, HeaderTree::GENESIS, 1, 3);
    let b = grow(&mut tree, HeaderTree::GENESIS, 2, 3);
    assert_eq!(tree.best_header_id(), a[2]);
    let b4 = grow(&mut tree, b[2], 2, 1)[0];
    assert_eq!((tree.best_header_id(), tree.best_at(Height::new(2))), (b4, Some(b[1])));
    assert_eq!(tree.mark_failed(b[1]), [b[1], b[2], b4]);
    assert_eq!((tree.best_header_id(), tree.best_at(Height::new(2))), (a[2], Some(a[1])));
    assert_eq!(tree.best_at(Height::new(4)), None);
    let failure = |id| tree.node(id).status().failure;
    assert_eq!(
        (failure(b[0]), failure(b[1]), failure(b4)),
        (None, Some(Failure::Itself), Some(Failure::Ancestor))
    );
}

#[test]
fn a_candidate_has_all_its_bodies() {
    let mut tree = tree();
    let chain = grow(&mut tree, HeaderTree::GENESIS, 1, 5);
    store(&mut tree, &[chain[1], chain[2], chain[4]]);
    assert_eq!(tree.best_candidate(), HeaderTree::GENESIS);
    assert_eq!(
        tree.blocks_wanted(9),
        [chain[0], chain[3]].map(|id| (tree.node(id).hash(), tree.node(id).height()))
    );
    assert_eq!(tree.blocks_wanted(1).len(), 1);
    store(&mut tree, &[chain[0]]);
    assert_eq!(tree.best_candidate(), chain[2]);
    store(&mut tree, &[chain[3]]);
    assert_eq!(tree.best_candidate(), chain[4]);
    tree.body_missing(chain[3]);
    assert_eq!(tree.best_candidate(), chain[2]);
    assert!(!tree.node(chain[4]).is_complete() && tree.node(chain[4]).status().body_stored);
    store(&mut tree, &[chain[3]]);
    assert_eq!(tree.best_candidate(), chain[4]);
}

#[test]
fn d17_the_tip_goes_to_more_work_and_of_equal_work_stays() {
    let mut tree = tree();
    let a = grow(&mut tree, HeaderTree::GENESIS, 1, 2);
    let b = grow(&mut tree, HeaderTree::GENESIS, 2, 3);
    store(&mut tree, &a);
    tree.set_tip(a[1]);
    store(&mut tree, &b[..2]);
    assert_eq!(tree.best_candidate(), a[1]);
    store(&mut tree, &b[2..]);
    assert_eq!(tree.best_candidate(), b[2]);
    // The new chain's last block fails: back to the old tip, which had its bodies before.
    tree.set_tip(HeaderTree::GENESIS);
    tree.set_tip(b[1]);
    assert_eq!(tree.mark_failed(b[2]), [b[2]]);
    assert_eq!(tree.best_candidate(), a[1]);
    tree.set_tip(HeaderTree::GENESIS);
    assert_eq!(tree.best_candidate(), a[1]);
}

#[test]
fn when_the_active_chain_falls_a_shorter_one_is_best() {
    let mut tree = tree();
    let a = grow(&mut tree, HeaderTree::GENESIS, 1, 4);
    let b = grow(&mut tree, HeaderTree::GENESIS, 2, 2);
    store(&mut tree, &a);
    tree.set_tip(a[3]);
    store(&mut tree, &b);
    assert_eq!(tree.mark_failed(a[0]).len(), 4);
    assert_eq!(tree.best_candidate(), b[1]);
    tree.set_tip(HeaderTree::GENESIS);
    assert_eq!(tree.best_candidate(), b[1]);
    tree.set_tip(b[1]);
    assert!(tree.is_active(b[0]) && !tree.is_active(a[0]));
    assert_eq!((tree.active_at(Height::new(2)), tree.active_at(Height::new(3))), (Some(b[1]), None));
}

#[test]
fn forks_and_paths() {
    let mut tree = tree();
    let trunk = grow(&mut tree, HeaderTree::GENESIS, 1, 40);
    let a = grow(&mut tree, trunk[36], 2, 30);
    let b = grow(&mut tree, trunk[36], 3, 7);
    let check = |from: NodeId, to: NodeId, fork: NodeId, down: usize, up: usize| {
        assert_eq!(tree.fork_point(from, to), fork);
        let path = tree.path(from, to);
        assert_eq!((path.disconnect.len(), path.connect.len()), (down, up));
        assert_eq!(path.disconnect.first().copied().unwrap_or(from), from);
        assert_eq!(path.connect.last().copied().unwrap_or(to), to);
        let lowest = path.connect.first().and_then(|id| tree.node(*id).parent());
        assert_eq!(lowest.unwrap_or(fork), fork);
    };
    check(a[29], b[6], trunk[36], 30, 7);
    check(b[6], a[29], trunk[36], 7, 30);
    check(a[29], trunk[39], trunk[36], 30, 3);
    check(trunk[39], trunk[3], trunk[3], 36, 0);
    check(HeaderTree::GENESIS, a[0], HeaderTree::GENESIS, 0, 38);
}

#[test]
fn locators_and_what_comes_after_them() {
    let mut tree = tree();
    let chain = grow(&mut tree, HeaderTree::GENESIS, 1, 100);
    let side = grow(&mut tree, chain[49], 2, 3);
    store(&mut tree, &chain);
    tree.set_tip(chain[89]);
    let heights = |hashes: Vec<BlockHash>| -> Vec<u32> {
        hashes.iter().map(|hash| tree.node(tree.find(hash).unwrap()).height().to_u32()).collect()
    };
    let locator = tree.locator(chain[89]);
    assert_eq!(heights(locator.clone()), [90, 89, 88, 87, 86, 85, 84, 83, 82, 81, 80, 78, 74, 66, 50, 18, 0]);
    let none = BlockHash::all_zeros();
    let after = |locator: &[BlockHash], stop: BlockHash, max: usize| -> Vec<u32> {
        heights(tree.headers_after(locator, stop, max).iter().map(Header::block_hash).collect())
    };
    assert_eq!(after(&locator[3..], none, 2_000), [88, 89, 90]);
    assert_eq!(after(&[], none, 2), [1, 2]);
    assert_eq!(after(&[none], none, 1), [1]);
    assert_eq!(after(&[tree.node(chain[9]).hash()], tree.node(chain[11]).hash(), 2_000), [11, 12]);
    // Above the tip on its chain, and on a side chain with its fork below in the locator.
    assert!(after(&[tree.node(chain[95]).hash()], none, 9).is_empty());
    assert_eq!(after(&tree.locator(side[2]), none, 1), [51]);
}

#[test]
fn the_next_block_is_as_the_rules_ask() {
    let mut tree = tree();
    let tip = *grow(&mut tree, HeaderTree::GENESIS, 1, 20).last().unwrap();
    let next = tree.next_block(tip, NOW).unwrap();
    let branch = tree.branch(tip);
    assert_eq!((next.prev, next.height), (tree.node(tip).hash(), Height::new(21)));
    assert_eq!(next.bits.to_consensus(), 0x207f_ffff);
    assert_eq!(Some(next.median_time_past), branch.median_time_past());
    assert_eq!(next.time_min, next.median_time_past + 1);
    let as_tip = tree.as_tip(tip);
    assert_eq!(as_tip.median_time_past, as_tip.header.time - 5 * 600);
    // Each block of regtest's target takes two hashes.
    assert_eq!(as_tip.chain_work.to_be_bytes()[31], 42);
    assert_eq!(branch.hash_at(Height::new(20)), Some(as_tip.hash));
    assert_eq!(branch.hash_at(Height::new(21)), None);
    assert_eq!(branch.median_time_past_at(Height::new(21)), None);
}

#[test]
fn a_tree_is_restored_from_what_was_written() {
    let mut tree = tree();
    let a = grow(&mut tree, HeaderTree::GENESIS, 1, 6);
    let b = grow(&mut tree, a[1], 2, 4);
    store(&mut tree, &a);
    store(&mut tree, &b[1..]);
    tree.set_tip(a[5]);
    a.iter().for_each(|id| tree.script_valid(*id));
    tree.mark_failed(b[2]);
    let dirty = tree.take_dirty();
    assert_eq!(dirty, (1..11).map(NodeId).collect::<Vec<_>>());
    assert!(tree.take_dirty().is_empty());

    let mut again = HeaderTree::new(Arc::clone(tree.params()));
    for id in tree.ids() {
        let node = tree.node(id);
        let status = BlockStatus::from_bits(node.status().to_bits()).unwrap();
        assert_eq!(again.restore(*node.header(), status), Ok(id));
    }
    again.set_tip(again.find(&tree.node(a[5]).hash()).unwrap());
    assert!(again.take_dirty().is_empty());
    assert_eq!(again.best_header_id(), tree.best_header_id());
    assert_eq!(again.best_candidate(), tree.best_candidate());
    for id in tree.ids() {
        let (x, y) = (tree.node(id), again.node(id));
        assert_eq!((x.status(), x.work(), x.is_complete()), (y.status(), y.work(), y.is_complete()));
    }
    let orphan = header_on(&tree, b[3], 9);
    let orphan = Header { prev_blockhash: orphan.block_hash(), ..orphan };
    let hash = orphan.block_hash();
    assert_eq!(again.restore(orphan, BlockStatus::default()), Err(RestoreError::ParentUnknown { hash }));
}

#[test]
fn what_stands_on_a_failed_block_is_restored_as_failed() {
    let mut tree = tree();
    let chain = grow(&mut tree.clone(), HeaderTree::GENESIS, 1, 2);
    let mut source = tree.clone();
    grow(&mut source, HeaderTree::GENESIS, 1, 2);
    let failed = BlockStatus { failure: Some(Failure::Itself), ..BlockStatus::default() };
    tree.restore(*source.node(chain[0]).header(), failed).unwrap();
    let child = tree.restore(*source.node(chain[1]).header(), BlockStatus::default()).unwrap();
    assert_eq!(tree.node(child).status().failure, Some(Failure::Ancestor));
    assert_eq!(tree.best_header_id(), HeaderTree::GENESIS);
}

#[test]
fn of_blocks_that_waited_for_a_parent_the_first_body_wins() {
    let mut tree = tree();
    let root = grow(&mut tree, HeaderTree::GENESIS, 1, 1)[0];
    let (one, two) = (grow(&mut tree, root, 2, 2), grow(&mut tree, root, 3, 2));
    for id in [two[1], one[0], two[0], one[1], root] {
        tree.body_stored(id);
    }
    assert_eq!(tree.best_candidate(), one[1]);
}

#[test]
fn what_is_left_of_a_better_chain_gives_way_to_the_first_of_equal_work() {
    let mut tree = tree();
    let first = grow(&mut tree, HeaderTree::GENESIS, 1, 3);
    let better = grow(&mut tree, HeaderTree::GENESIS, 2, 4);
    store(&mut tree, &first);
    tree.set_tip(first[2]);
    store(&mut tree, &better);
    assert!(tree.beats_tip(better[3]) && !tree.beats_tip(better[2]) && !tree.beats_tip(first[2]));
    tree.set_tip(better[0]);
    tree.set_tip(better[2]);
    assert_eq!(tree.best_candidate(), better[3]);
    tree.mark_failed(better[3]);
    assert!(tree.beats_tip(first[2]));
    assert_eq!(tree.best_candidate(), first[2]);
    // At a start it is the tip that was first.
    tree.begin_in_order(&first);
    assert_eq!(tree.best_candidate(), better[2]);
}

#[test]
fn a_status_is_one_byte() {
    for bits in 0..=u8::MAX {
        let status = BlockStatus::from_bits(bits);
        assert_eq!(status.is_some(), bits < 32 && bits & 12 != 12, "{bits}");
        assert!(status.is_none_or(|status| status.to_bits() == bits));
    }
}

#[test]
fn d19_a_child_that_came_before_its_parent_is_not_forgotten() {
    let mut tree = tree();
    let chain = grow(&mut tree, HeaderTree::GENESIS, 1, 4);
    for at in [3, 1, 2] {
        store(&mut tree, &[chain[at]]);
        assert_eq!(tree.best_candidate(), HeaderTree::GENESIS);
    }
    store(&mut tree, &[chain[0]]);
    assert_eq!(tree.best_candidate(), chain[3]);
}

#[test]
fn d19_an_invalid_block_takes_what_stands_on_it_along_and_strands_nobody() {
    let mut tree = tree();
    let long = grow(&mut tree, HeaderTree::GENESIS, 1, 5);
    let short = grow(&mut tree, HeaderTree::GENESIS, 2, 3);
    store(&mut tree, &short);
    tree.set_tip(short[2]);
    store(&mut tree, &long);
    assert_eq!(tree.best_candidate(), long[4]);
    // The branch with more work breaks a rule in its third block: the old tip stays, and the sound part of it may grow.
    assert_eq!(tree.mark_failed(long[2]), [long[2], long[3], long[4]]);
    assert_eq!(tree.best_candidate(), short[2]);
    assert_eq!(tree.insert(header_on(&tree, long[4], 1), NOW), Err(InsertError::ParentInvalid));
    let grown = grow(&mut tree, long[1], 3, 2);
    store(&mut tree, &grown);
    assert_eq!((tree.best_candidate(), tree.best_header_id()), (grown[1], grown[1]));
}

#[test]
fn votes_are_remembered_as_the_tree_grows() {
    let mut tree = tree();
    let chain = grow(&mut tree, HeaderTree::GENESIS, 1, 300);
    // Version 4 is no vote: it has begun, and goes on.
    let version =
        |tree: &HeaderTree, at: usize| tree.next_block(chain[at], NOW).unwrap().version.to_consensus();
    assert_eq!([141, 142, 299].map(|at| version(&tree, at)), [0x2000_0000, 0x3000_0000, 0x3000_0000]);
    let report = tree.deployments(chain[149]).unwrap();
    let tally = report.votes[0].tally.as_ref().unwrap();
    assert_eq!((report.height, tally.elapsed, tally.count), (Height::new(150), 7, 0));
    // One that is restored knows the same.
    let mut again = HeaderTree::new(Arc::new(Params::regtest()));
    for id in tree.ids() {
        again.restore(*tree.node(id).header(), tree.node(id).status()).unwrap();
    }
    assert_eq!(again.deployments(chain[299]), tree.deployments(chain[299]));
}

#[test]
fn d19_a_deep_tree_needs_no_deep_stack() {
    let params = Arc::new(Params::regtest());
    let mut tree = HeaderTree::new(params);
    let mut header = *tree.node(HeaderTree::GENESIS).header();
    let stored = BlockStatus { body_stored: true, ..BlockStatus::default() };
    for height in 1..=50_000u32 {
        header =
            Header { prev_blockhash: header.block_hash(), time: header.time + 1, nonce: height, ..header };
        tree.restore(header, if height == 1 { BlockStatus::default() } else { stored }).unwrap();
    }
    let (first, last) = (NodeId(1), NodeId(50_000));
    tree.body_stored(first);
    assert_eq!(tree.best_candidate(), last);
    tree.set_tip(last);
    assert_eq!(tree.mark_failed(first).len(), 50_000);
    assert_eq!(tree.best_candidate(), HeaderTree::GENESIS);
}

proptest! {
    #[test]
    fn skips_go_down_and_ancestors_are_found(height in 1u32..3_000, at in 0u32..3_000) {
        prop_assert!(skip_height(height) < height);
        let mut tree = tree();
        let mut header = *tree.node(HeaderTree::GENESIS).header();
        let at = at % (height + 1);
        for nonce in 0..height {
            header = Header { prev_blockhash: header.block_hash(), nonce, ..header };
            tree.restore(header, BlockStatus::default()).unwrap();
        }
        let top = NodeId(height);
        prop_assert_eq!(tree.ancestor(top, Height::new(at)), Some(NodeId(at)));
        prop_assert_eq!(tree.ancestor(top, Height::new(height + 1)), None);
    }
}

#[test]
fn a_pruned_chain_stands_and_a_pruned_branch_is_as_if_it_had_never_come() {
    let mut tree = tree();
    let main = grow(&mut tree, HeaderTree::GENESIS, 1, 4);
    let side = grow(&mut tree, main[0], 2, 2);
    store(&mut tree, &main);
    store(&mut tree, &side);
    main.iter().for_each(|id| tree.script_valid(*id));
    tree.set_tip(main[3]);
    tree.take_dirty();
    for id in [HeaderTree::GENESIS, main[0], main[1], side[0]] {
        tree.body_pruned(id);
    }
    assert_eq!(tree.take_dirty(), [HeaderTree::GENESIS, main[0], main[1], side[0]]);
    assert!(tree.node(main[1]).status().is_pruned() && tree.node(main[3]).is_complete());
    assert!(!tree.node(side[0]).status().is_pruned() && !tree.node(side[1]).is_complete());
    // So it is after a restart, and it is built upon.
    let mut again = HeaderTree::new(Arc::clone(tree.params()));
    for id in tree.ids() {
        again.restore(*tree.node(id).header(), tree.node(id).status()).unwrap();
    }
    assert!(again.node(main[3]).is_complete() && !again.node(side[1]).is_complete());
    again.set_tip(main[3]);
    let next = grow(&mut again, main[3], 1, 1);
    store(&mut again, &next);
    assert_eq!((again.best_candidate(), again.blocks_wanted(9)), (next[0], vec![]));
}

#[test]
fn blocks_beside_the_best_chain_are_wanted_where_they_may_become_the_best() {
    let mut tree = tree();
    let main = grow(&mut tree, HeaderTree::GENESIS, 1, 5);
    store(&mut tree, &main);
    tree.set_tip(main[4]);
    let aside = grow(&mut tree, main[1], 2, 3);
    let wanted = |tree: &HeaderTree, id, max| -> Vec<NodeId> {
        tree.blocks_wanted_up_to(id, max).iter().map(|(hash, _)| tree.find(hash).unwrap()).collect()
    };
    assert_eq!(wanted(&tree, aside[2], 9), aside, "as much work as the tip's");
    assert!(wanted(&tree, aside[1], 9).is_empty(), "less");
    assert_eq!(wanted(&tree, aside[2], 1), aside[..1]);
    store(&mut tree, &aside[1..2]);
    assert_eq!(wanted(&tree, aside[2], 9), [aside[0], aside[2]]);
    store(&mut tree, &aside[..1]);
    assert_eq!(wanted(&tree, aside[2], 9), aside[2..]);
    assert!(wanted(&tree, main[4], 9).is_empty(), "all there");
    tree.mark_failed(aside[0]);
    assert!(wanted(&tree, aside[2], 9).is_empty(), "known to be invalid");
    // Of a long chain the lowest ones.
    let long = grow(&mut tree, main[0], 3, 1_100);
    assert_eq!(wanted(&tree, long[1_099], 2_000), long[..1_024]);
    store(&mut tree, &long[..1_000]);
    assert_eq!(wanted(&tree, long[1_099], 2_000), long[1_000..]);
}
