use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, Witness};
use proptest::prelude::*;

use super::*;

/// A transaction that spends `inputs` and has `outputs` outputs; `salt` makes it one of its own.
pub(crate) fn tx(inputs: &[OutPoint], outputs: u32, salt: u32) -> Arc<ParsedTx> {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(10_000), script_pubkey: ScriptBuf::new() };
    Arc::new(ParsedTx::new(Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(salt),
        input: inputs.iter().map(input).collect(),
        output: vec![output; outputs as usize],
    }))
}

pub(crate) fn outside(n: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: n }
}

pub(crate) fn of(tx: &ParsedTx, vout: u32) -> OutPoint {
    OutPoint { txid: tx.txid(), vout }
}

fn add(graph: &mut Graph, tx: &Arc<ParsedTx>, fee_sat: u64) {
    graph.add(Arc::clone(tx), Amount::from_sat(fee_sat), 0, UnixMillis::new(0));
}

/// Everything that is kept beside the transactions, computed anew from them alone.
fn check_books(graph: &Graph) {
    let txs: Vec<&Held> = graph.iter().collect();
    assert_eq!(txs.len(), graph.len());
    for held in &txs {
        let txid = held.entry.tx.txid();
        let parents = graph.parents_of(&held.entry.tx);
        let children: BTreeSet<Txid> = txs
            .iter()
            .filter(|h| graph.parents_of(&h.entry.tx).contains(&txid))
            .map(|h| h.entry.tx.txid())
            .collect();
        assert_eq!((&held.parents, &held.children), (&parents, &children));
        let total =
            |ids: Vec<Txid>| ids.iter().fold(held.own, |sum, id| sum.with(graph.get(id).unwrap().own));
        assert_eq!(held.with_ancestors, total(graph.ancestors_of(&parents)));
        let below = graph.descendants_of(&children);
        assert_eq!(held.descendants, below.len() + 1);
        assert_eq!(held.with_descendants, total(below));
        assert!(graph.to_mine.contains(&held.to_mine()) && graph.to_evict.contains(&held.to_evict()));
        for input in &held.entry.tx.tx().input {
            assert_eq!(graph.spender(&input.previous_output), Some(&txid));
        }
        assert_eq!(graph.get_by_wtxid(&held.entry.tx.wtxid()).map(|h| h.sequence), Some(held.sequence));
    }
    assert_eq!((graph.to_mine.len(), graph.to_evict.len()), (txs.len(), txs.len()));
    assert_eq!(graph.usage_bytes(), txs.iter().map(|h| h.usage_bytes()).sum::<u64>());
    assert_eq!(graph.spenders.len(), txs.iter().map(|h| h.entry.tx.tx().input.len()).sum::<usize>());
}

proptest! {
    #[test]
    fn the_books_are_right_after_any_steps(steps in proptest::collection::vec((0u8..4, 0usize..50, 0usize..50), 1..60)) {
        let mut graph = Graph::default();
        let mut all: BTreeMap<u32, Arc<ParsedTx>> = BTreeMap::new();
        for (n, (kind, a, b)) in steps.into_iter().enumerate() {
            let n = n as u32;
            let held: Vec<Txid> = graph.iter().map(|h| h.entry.tx.txid()).collect();
            match (kind, held.get(a % held.len().max(1))) {
                // A block that has one has its parents.
                (0, Some(txid)) if graph.get(txid).unwrap().parents.is_empty() => drop(graph.remove_one(txid)),
                (1, Some(txid)) => drop(graph.remove_with_descendants(txid)),
                (_, parent) => {
                    let mut inputs = vec![outside(n)];
                    let other = held.get(b % held.len().max(1));
                    for txid in parent.into_iter().chain(other) {
                        let mut free = (0..8).map(|vout| OutPoint { txid: *txid, vout });
                        let free = free.rfind(|o| graph.spender(o).is_none() && !inputs.contains(o));
                        inputs.extend(free);
                    }
                    let new = tx(&inputs, 8, n);
                    if graph.check_chain(&new, policy_vsize(&new, 0)).is_ok() {
                        add(&mut graph, &new, (a as u64 + 1) * 100);
                        all.insert(n, new);
                    }
                }
            }
            check_books(&graph);
        }
    }
}

#[test]
fn a_chain_has_twenty_five_members() {
    let mut graph = Graph::default();
    let mut last = tx(&[outside(0)], 1, 0);
    add(&mut graph, &last, 1_000);
    for n in 1..25 {
        let next = tx(&[of(&last, 0)], 1, n);
        assert_eq!(graph.check_chain(&next, 100), Ok(()));
        add(&mut graph, &next, 1_000);
        last = next;
    }
    let next = tx(&[of(&last, 0)], 1, 25);
    assert_eq!(graph.check_chain(&next, 100), Err(TxRejected::ChainTooLong));
}

#[test]
fn a_parent_has_twenty_four_descendants() {
    let mut graph = Graph::default();
    let parent = tx(&[outside(0)], 30, 0);
    add(&mut graph, &parent, 1_000);
    for n in 0..24 {
        add(&mut graph, &tx(&[of(&parent, n)], 1, n), 1_000);
    }
    assert_eq!(graph.check_chain(&tx(&[of(&parent, 24)], 1, 24), 100), Err(TxRejected::ChainTooLong));
}

#[test]
fn a_chain_has_a_size() {
    let mut graph = Graph::default();
    let parent = tx(&[outside(0)], 2, 0);
    add(&mut graph, &parent, 1_000);
    let child = tx(&[of(&parent, 0)], 1, 1);
    let room = CHAIN_VSIZE_MAX - policy_vsize(&parent, 0);
    assert_eq!(graph.check_chain(&child, room), Ok(()));
    assert_eq!(graph.check_chain(&child, room + 1), Err(TxRejected::ChainTooLong));
}

#[test]
fn the_worst_is_judged_with_what_is_built_on_it() {
    let mut graph = Graph::default();
    let (cheap, lone) = (tx(&[outside(0)], 1, 0), tx(&[outside(1)], 1, 1));
    add(&mut graph, &cheap, 10);
    add(&mut graph, &lone, 500);
    assert_eq!(graph.worst().map(|(txid, _)| txid), Some(cheap.txid()));
    add(&mut graph, &tx(&[of(&cheap, 0)], 1, 2), 100_000);
    assert_eq!(graph.worst().map(|(txid, _)| txid), Some(lone.txid()));
    assert_eq!(graph.output(&of(&cheap, 0)).map(|o| o.value.to_sat()), Some(10_000));
    assert_eq!(graph.output(&of(&cheap, 9)), None);
}
