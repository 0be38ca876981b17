use proptest::prelude::*;

use super::*;
use crate::mempool::graph::tests::{of, outside, tx};

fn ids(orphans: &Orphans) -> BTreeSet<Wtxid> {
    orphans.iter().map(|orphan| orphan.tx.wtxid()).collect()
}

/// What is kept beside the orphans, computed anew from them alone.
fn check_books(orphans: &Orphans) {
    let (mut weight, mut cost) = (0, 0);
    for orphan in orphans.iter() {
        assert!(!orphan.from.is_empty());
        let times = orphan.from.len() as u64;
        weight += weight_of(&orphan.tx) * times;
        cost += cost_of(&orphan.tx) * times;
        for peer in &orphan.from {
            assert!(orphans.accounts[peer].told.values().any(|told| *told == orphan.tx.wtxid()));
        }
        for parent in parents(&orphan.tx) {
            assert!(orphans.by_parent[&parent].contains(&orphan.tx.wtxid()));
        }
    }
    assert_eq!((orphans.weight, orphans.cost), (weight, cost));
    assert_eq!(orphans.accounts.values().map(|a| a.weight).sum::<u64>(), weight);
    assert_eq!(orphans.accounts.values().map(|a| a.cost).sum::<u64>(), cost);
    assert!(cost <= ORPHAN_COST_MAX && weight <= ORPHAN_WEIGHT_A_PEER * orphans.accounts.len() as u64);
    let links: usize = orphans.iter().map(|orphan| parents(&orphan.tx).len()).sum();
    assert_eq!(orphans.by_parent.values().map(BTreeSet::len).sum::<usize>(), links);
}

#[test]
fn it_is_kept_for_as_long_as_somebody_counts_for_it() {
    let mut orphans = Orphans::default();
    let parent = tx(&[outside(0)], 2, 0);
    let (a, b) = (tx(&[of(&parent, 0)], 1, 1), tx(&[of(&parent, 1)], 1, 2));
    orphans.add(Arc::clone(&a), vec![parent.txid()], 7);
    orphans.add(Arc::clone(&b), vec![parent.txid()], 8);
    assert_eq!(orphans.told(&a.wtxid(), 8), Some(vec![parent.txid()]));
    assert_eq!(orphans.told(&a.wtxid(), 8), Some(vec![]));
    assert_eq!(orphans.told(&parent.wtxid(), 8), None);
    check_books(&orphans);
    assert_eq!(orphans.children_of(&parent.txid()).len(), 2);
    let from =
        |peer| orphans.children_from(&parent.txid(), peer).iter().map(|o| o.tx.wtxid()).collect::<Vec<_>>();
    assert_eq!((from(7), from(8), from(9)), (vec![a.wtxid()], vec![a.wtxid(), b.wtxid()], vec![]));
    assert!(orphans.children_from(&a.txid(), 7).is_empty());
    orphans.peer_gone(8);
    check_books(&orphans);
    assert_eq!(ids(&orphans), BTreeSet::from([a.wtxid()]));
    assert_eq!(orphans.get(&a.wtxid()).map(|orphan| orphan.from.clone()), Some(BTreeSet::from([7])));
    assert!(orphans.remove(&a.wtxid()).is_some() && orphans.remove(&a.wtxid()).is_none());
    check_books(&orphans);
    assert!(orphans.children_of(&parent.txid()).is_empty() && orphans.accounts.is_empty());
}

#[test]
fn what_is_judged_after_its_peer_has_left_is_not_kept() {
    let mut orphans = Orphans::default();
    let (a, b) = (tx(&[outside(0)], 1, 1), tx(&[outside(1)], 1, 2));
    orphans.peer_gone(7);
    orphans.add(Arc::clone(&a), vec![], 7);
    assert_eq!(ids(&orphans), BTreeSet::new());
    orphans.add(Arc::clone(&a), vec![], 8);
    assert_eq!(orphans.told(&a.wtxid(), 7), Some(vec![]));
    assert_eq!(orphans.get(&a.wtxid()).map(|orphan| orphan.from.clone()), Some(BTreeSet::from([8])));
    // So many are remembered.
    (100..).take(ORPHAN_PEERS_GONE_MAX).for_each(|peer| orphans.peer_gone(peer));
    orphans.add(Arc::clone(&b), vec![], 7);
    assert_eq!(ids(&orphans), BTreeSet::from([a.wtxid(), b.wtxid()]));
    check_books(&orphans);
}

#[test]
fn who_sends_many_loses_his_own() {
    let mut orphans = Orphans::default();
    let honest = tx(&[outside(0)], 1, 0);
    orphans.add(Arc::clone(&honest), vec![], 1);
    for n in 1..4_000 {
        orphans.add(tx(&[outside(n)], 1, n), vec![], 2);
    }
    check_books(&orphans);
    assert!(orphans.get(&honest.wtxid()).is_some());
    assert_eq!(orphans.cost, ORPHAN_COST_MAX);
    // The last one that came is there, the first one that he sent is not.
    assert!(orphans.get(&tx(&[outside(3_999)], 1, 3_999).wtxid()).is_some());
    assert!(orphans.get(&tx(&[outside(1)], 1, 1).wtxid()).is_none());
}

#[test]
fn a_block_takes_what_it_has_and_what_it_contradicts() {
    use bitcoin::Network;
    use bitcoin::constants::genesis_block;
    let mut orphans = Orphans::default();
    let (mined, rival, other) = (tx(&[outside(0)], 1, 0), tx(&[outside(1)], 1, 1), tx(&[outside(2)], 1, 2));
    for orphan in [&mined, &rival, &other] {
        orphans.add(Arc::clone(orphan), vec![], 1);
    }
    let mut block = genesis_block(Network::Regtest);
    block.txdata.push(mined.tx().clone());
    block.txdata.push(tx(&[outside(1)], 1, 9).tx().clone());
    orphans.block_connected(&ParsedBlock::new(block));
    assert_eq!(ids(&orphans), BTreeSet::from([other.wtxid()]));
    check_books(&orphans);
}

proptest! {
    #[test]
    fn the_books_are_right_after_any_steps(steps in proptest::collection::vec((0u8..4, 0u32..12, 0u64..4), 1..80)) {
        let mut orphans = Orphans::default();
        let all: Vec<Arc<ParsedTx>> = (0..12).map(|n| tx(&(0..=n).map(outside).collect::<Vec<_>>(), 1, n)).collect();
        for (kind, n, peer) in steps {
            let one = &all[n as usize];
            match kind {
                0 => orphans.add(Arc::clone(one), vec![], peer),
                1 => drop(orphans.told(&one.wtxid(), peer)),
                2 => drop(orphans.remove(&one.wtxid())),
                _ => orphans.peer_gone(peer),
            }
            check_books(&orphans);
        }
    }
}
