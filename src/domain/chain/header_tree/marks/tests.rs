use super::super::tests::{NOW, grow, header_on, store, tree};
use super::super::{BlockStatus, Failure, HeaderTree, InsertError, NodeId};

/// Moves the tip as the engine does: off what has fallen, then to the best.
fn settle(tree: &mut HeaderTree) -> NodeId {
    if let Some(lowest) = tree.fallen_at_tip(usize::MAX).last().copied() {
        let below = tree.node(lowest).parent().unwrap();
        tree.set_tip(below);
    }
    tree.set_tip(tree.best_candidate());
    tree.tip_id()
}

/// Two chains of equal work and a shorter one: the first is the tip.
fn three() -> (HeaderTree, [Vec<NodeId>; 3]) {
    let mut tree = tree();
    let chains = [(1, 4), (2, 4), (3, 3)].map(|(branch, count)| {
        let chain = grow(&mut tree, HeaderTree::GENESIS, branch, count);
        store(&mut tree, &chain);
        chain
    });
    assert_eq!(settle(&mut tree), chains[0][3]);
    (tree, chains)
}

/// Restores it from what would be written, bodies in the order of `arrived`.
fn again(tree: &HeaderTree, arrived: &[NodeId]) -> HeaderTree {
    let mut again = HeaderTree::new(std::sync::Arc::clone(tree.params()));
    for id in tree.ids() {
        let node = tree.node(id);
        let status = BlockStatus { failure: None, ..node.status() };
        again.restore(*node.header(), BlockStatus::from_bits(status.to_bits()).unwrap()).unwrap();
    }
    again.set_tip(tree.tip_id());
    again.begin_in_order(arrived);
    again
}

#[test]
fn an_invalid_block_takes_what_stands_on_it_out_until_it_is_reconsidered() {
    let (mut tree, [a, b, c]) = three();
    assert!(!tree.invalidate(HeaderTree::GENESIS));
    assert_eq!(
        [a[1], b[1], HeaderTree::GENESIS].map(|id| tree.best_without(id)),
        [b[3], a[3], HeaderTree::GENESIS]
    );
    assert!(tree.invalidate(a[1]));
    let is_out = |tree: &HeaderTree, ids: &[NodeId]| -> Vec<bool> {
        ids.iter().map(|id| tree.node(*id).status().is_failed()).collect()
    };
    assert_eq!(is_out(&tree, &a), [false, true, true, true]);
    assert_eq!(tree.fallen_at_tip(2), [a[3], a[2]]);
    assert_eq!((tree.best_header_id(), tree.best_candidate()), (b[3], b[3]));
    assert_eq!(settle(&mut tree), b[3]);
    assert!(tree.fallen_at_tip(9).is_empty());
    assert_eq!(tree.insert(header_on(&tree, a[3], 1), NOW), Err(InsertError::ParentInvalid));
    tree.invalidate(b[0]);
    assert_eq!(settle(&mut tree), c[2]);
    tree.invalidate(c[0]);
    assert_eq!(settle(&mut tree), a[0]);
    // The highest of a branch brings back what is below it, too; of equal work it was the first.
    tree.reconsider(b[3]);
    assert_eq!((is_out(&tree, &b), settle(&mut tree)), (vec![false; 4], b[3]));
    tree.reconsider(a[2]);
    assert_eq!((is_out(&tree, &a), settle(&mut tree)), (vec![false; 4], a[3]));
    assert_eq!(is_out(&tree, &c), [true; 3]);
}

#[test]
fn a_branch_beside_what_is_reconsidered_stays_out() {
    let (mut tree, [a, ..]) = three();
    let beside = grow(&mut tree, a[1], 9, 5);
    store(&mut tree, &beside);
    assert_eq!(settle(&mut tree), beside[4]);
    tree.invalidate(a[0]);
    settle(&mut tree);
    tree.reconsider(a[2]);
    assert_eq!(settle(&mut tree), a[3]);
    assert!(tree.node(beside[0]).status().invalidated && !tree.node(a[1]).status().invalidated);
    tree.reconsider(beside[4]);
    assert_eq!(settle(&mut tree), beside[4]);
}

#[test]
fn what_broke_a_rule_is_judged_anew_when_it_is_reconsidered() {
    let (mut tree, [a, b, _]) = three();
    let better = grow(&mut tree, b[3], 2, 1);
    store(&mut tree, &better);
    tree.mark_failed(better[0]);
    assert_eq!(tree.node(better[0]).status().failure, Some(Failure::Itself));
    assert_eq!(settle(&mut tree), a[3]);
    tree.reconsider(better[0]);
    assert_eq!(settle(&mut tree), better[0]);
}

#[test]
fn the_precious_block_is_the_first_of_its_work_until_another_is() {
    let (mut tree, [a, b, c]) = three();
    tree.prefer(b[3]);
    assert_eq!(settle(&mut tree), b[3]);
    tree.prefer(a[3]);
    assert_eq!(settle(&mut tree), a[3]);
    // Less work than the tip's: nothing changes, then or later.
    tree.prefer(c[2]);
    assert_eq!(settle(&mut tree), a[3]);
    // The last but one comes next.
    let other = grow(&mut tree, c[2], 3, 1);
    store(&mut tree, &other);
    tree.invalidate(a[3]);
    assert_eq!(settle(&mut tree), b[3]);
    tree.invalidate(b[3]);
    assert_eq!(settle(&mut tree), other[0]);
    tree.reconsider(b[3]);
    assert_eq!(settle(&mut tree), b[3]);
    // More work wins over any; there the order begins anew.
    let longer = grow(&mut tree, other[0], 3, 1);
    store(&mut tree, &longer);
    assert_eq!(settle(&mut tree), longer[0]);
    let rival = grow(&mut tree, b[3], 2, 1);
    store(&mut tree, &rival);
    assert_eq!(settle(&mut tree), longer[0]);
    tree.prefer(rival[0]);
    assert_eq!(settle(&mut tree), rival[0]);
    tree.prefer(longer[0]);
    assert_eq!(settle(&mut tree), longer[0]);
}

#[test]
fn a_precious_block_without_its_body_is_as_any_other_when_that_comes() {
    let (mut tree, [a, ..]) = three();
    let late = grow(&mut tree, HeaderTree::GENESIS, 7, 4);
    tree.prefer(late[3]);
    store(&mut tree, &late);
    assert_eq!(settle(&mut tree), a[3]);
}

#[test]
fn an_operators_mark_is_there_after_a_restart_and_our_own_verdict_is_not() {
    let (mut tree, [a, b, c]) = three();
    tree.invalidate(a[1]);
    tree.mark_failed(b[0]);
    assert_eq!(settle(&mut tree), c[2]);
    let mut again = again(&tree, &[]);
    assert!(again.node(a[3]).status().invalidated && !again.node(b[0]).status().is_failed());
    assert_eq!(settle(&mut again), b[3]);
    again.reconsider(a[3]);
    assert_eq!(settle(&mut again), a[3]);
}

#[test]
fn a_tip_that_had_fallen_when_the_process_ended_is_left_at_the_next_start() {
    let (mut tree, [a, b, c]) = three();
    tree.invalidate(a[0]);
    tree.invalidate(b[2]);
    // One of its four blocks has left.
    tree.set_tip(a[2]);
    let mut again = again(&tree, &[]);
    assert_eq!((again.tip_id(), settle(&mut again)), (a[2], c[2]));
}

#[test]
fn of_equal_chains_that_never_connected_the_first_whose_bodies_came_is_the_first_after_a_restart() {
    let (mut tree, [a, b, _]) = three();
    let late = grow(&mut tree, HeaderTree::GENESIS, 8, 4);
    store(&mut tree, &late);
    let arrived = [&late[..], &b[..]].concat();
    let mut again = again(&tree, &arrived);
    assert_eq!(settle(&mut again), a[3]);
    again.invalidate(a[0]);
    assert_eq!(settle(&mut again), late[3]);
    // What the file does not tell comes last, in the order of the headers.
    let mut again = self::again(&tree, &late);
    again.invalidate(late[0]);
    again.invalidate(a[3]);
    assert_eq!(settle(&mut again), b[3]);
}
