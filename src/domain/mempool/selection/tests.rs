use std::sync::Arc;

use bitcoin::Txid;
use proptest::prelude::*;

use super::*;
use crate::mempool::graph::tests::{newcomer, of, outside, tx};
use crate::mempool::limits::SNAPSHOT_WEIGHT_MAX;
use crate::wire::ParsedTx;

fn add(graph: &mut Graph, tx: &Arc<ParsedTx>, fee_sat: u64) {
    graph.add(vec![newcomer(tx, fee_sat)]);
}

fn order(graph: &Graph) -> Vec<Txid> {
    select(graph, SNAPSHOT_WEIGHT_MAX, 0).iter().map(|e| e.tx.txid()).collect()
}

#[test]
fn a_rich_child_lifts_its_parent_and_a_poor_one_sinks_alone() {
    let mut graph = Graph::default();
    let (poor, middle, rich) = (tx(&[outside(0)], 2, 0), tx(&[outside(1)], 1, 1), tx(&[outside(2)], 1, 2));
    let lifted = tx(&[of(&poor, 0)], 1, 3);
    let sinking = tx(&[of(&rich, 0)], 1, 4);
    for (tx, fee) in [(&poor, 10), (&middle, 1_000), (&rich, 5_000), (&lifted, 9_000), (&sinking, 20)] {
        add(&mut graph, tx, fee);
    }
    assert_eq!(order(&graph), [&rich, &poor, &lifted, &middle, &sinking].map(|t| t.txid()));
}

#[test]
fn siblings_share_their_parent() {
    let mut graph = Graph::default();
    let parent = tx(&[outside(0)], 2, 0);
    let (first, second) = (tx(&[of(&parent, 0)], 1, 1), tx(&[of(&parent, 1)], 1, 2));
    let other = tx(&[outside(1)], 1, 3);
    for (tx, fee) in [(&parent, 0), (&first, 9_000), (&second, 4_000), (&other, 3_500)] {
        add(&mut graph, tx, fee);
    }
    // Without its parent, which the first one has paid for, the second is better than the other.
    assert_eq!(order(&graph), [&parent, &first, &second, &other].map(|t| t.txid()));
}

#[test]
fn the_weight_is_bounded() {
    let mut graph = Graph::default();
    (0..10).for_each(|n| add(&mut graph, &tx(&[outside(n)], 1, n), 1_000));
    let one = tx(&[outside(0)], 1, 0).weight().to_wu();
    assert_eq!(select(&graph, one * 3, 0).len(), 3);
    assert_eq!(select(&graph, one * 3 - 1, 0).len(), 2);
    let rate = 1_000 * 1_000 / one.div_ceil(4);
    assert_eq!((select(&graph, one * 3, rate).len(), select(&graph, one * 3, rate + 1).len()), (3, 0));
}

proptest! {
    #[test]
    fn everything_is_taken_once_and_parents_before_children(
        links in proptest::collection::vec((0usize..20, 0usize..20, 0u64..10_000), 1..20),
    ) {
        let (mut graph, mut txs): (Graph, Vec<Arc<ParsedTx>>) = (Graph::default(), Vec::new());
        for (n, (a, b, fee)) in links.into_iter().enumerate() {
            let mut inputs = vec![outside(n as u32)];
            for parent in [a, b] {
                if let Some(p) = txs.get(parent) {
                    let outpoint = of(p, n as u32);
                    if !inputs.contains(&outpoint) {
                        inputs.push(outpoint);
                    }
                }
            }
            let new = tx(&inputs, 40, n as u32);
            add(&mut graph, &new, fee);
            txs.push(new);
        }
        let got = order(&graph);
        prop_assert_eq!(got.len(), txs.len());
        let at = |txid: &Txid| got.iter().position(|t| t == txid);
        for held in graph.iter() {
            for parent in &held.parents {
                prop_assert!(at(parent) < at(&held.entry.tx.txid()));
            }
        }
    }
}
