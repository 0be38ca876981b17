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
    graph.add(vec![newcomer(tx, fee_sat)]);
}

pub(crate) fn newcomer(tx: &Arc<ParsedTx>, fee_sat: u64) -> Newcomer {
    let fee = Amount::from_sat(fee_sat);
    Newcomer {
        tx: Arc::clone(tx),
        fee,
        delta_sat: 0,
        sigop_cost: 0,
        weight: tx.weight().to_wu(),
        added_at: UnixMillis::new(0),
        height: Height::new(7),
    }
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
        let place = held.place.unwrap();
        assert!(graph.chunks[&place].txids.contains(&txid));
        let cluster = graph.clusters_of(&BTreeSet::from([txid]));
        assert!(cluster.iter().all(|other| graph.cluster_number(other) == Some(place.cluster)));
        for input in &held.entry.tx.tx().input {
            assert_eq!(graph.spender(&input.previous_output), Some(&txid));
        }
        assert_eq!(graph.get_by_wtxid(&held.entry.tx.wtxid()).map(|h| h.sequence), Some(held.sequence));
    }
    let placed: Vec<Txid> =
        graph.best_first().flat_map(|(_, chunk)| chunk).map(|held| held.entry.tx.txid()).collect();
    assert_eq!(placed.len(), txs.len());
    let at = |txid: &Txid| placed.iter().position(|placed| placed == txid);
    for held in &txs {
        assert!(held.parents.iter().all(|parent| at(parent) < at(&held.entry.tx.txid())));
    }
    assert!(graph.chunks.values().rev().is_sorted_by(|a, b| a.rate.compare(b.rate).is_ge()));
    assert_eq!(graph.sum().vsize, txs.iter().map(|h| h.vsize()).sum::<u64>());
    assert_eq!(graph.usage_bytes(), txs.iter().map(|h| memory::usage_bytes(h.entry.tx.tx())).sum::<u64>());
    assert_eq!(graph.by_time.len(), txs.len());
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
                (0, Some(txid)) if graph.get(txid).unwrap().parents.is_empty() => drop(graph.remove(&[*txid])),
                (1, Some(txid)) => drop(graph.remove_with_descendants(&BTreeSet::from([*txid]))),
                (_, parent) => {
                    let mut inputs = vec![outside(n)];
                    let other = held.get(b % held.len().max(1));
                    for txid in parent.into_iter().chain(other) {
                        let mut free = (0..8).map(|vout| OutPoint { txid: *txid, vout });
                        let free = free.rfind(|o| graph.spender(o).is_none() && !inputs.contains(o));
                        inputs.extend(free);
                    }
                    let new = tx(&inputs, 8, n);
                    add(&mut graph, &new, (a as u64 + 1) * 100);
                    all.insert(n, new);
                }
            }
            check_books(&graph);
        }
    }
}

#[test]
fn the_worst_is_judged_with_what_pays_for_it() {
    let mut graph = Graph::default();
    let (cheap, lone) = (tx(&[outside(0)], 1, 0), tx(&[outside(1)], 1, 1));
    add(&mut graph, &cheap, 10);
    add(&mut graph, &lone, 500);
    assert_eq!(graph.worst().map(|(txids, _)| txids), Some(vec![cheap.txid()]));
    add(&mut graph, &tx(&[of(&cheap, 0)], 1, 2), 100_000);
    assert_eq!(graph.worst().map(|(txids, _)| txids), Some(vec![lone.txid()]));
    assert_eq!(graph.output(&of(&cheap, 0)).map(|o| o.value.to_sat()), Some(10_000));
    assert_eq!(graph.output(&of(&cheap, 9)), None);
}

#[test]
fn what_an_operator_adds_moves_all_that_pay_together() {
    let mut graph = Graph::default();
    let (parent, other) = (tx(&[outside(0)], 1, 0), tx(&[outside(1)], 1, 1));
    let child = tx(&[of(&parent, 0)], 1, 2);
    graph.add(vec![newcomer(&parent, 10), newcomer(&child, 10)]);
    add(&mut graph, &other, 500);
    let first = |graph: &Graph| graph.best_first().next().unwrap().1[0].entry.tx.txid();
    assert_eq!(first(&graph), other.txid());
    graph.set_delta(&child.txid(), 5_000);
    assert_eq!(first(&graph), parent.txid());
    let detail = graph.details(Wanted::One(parent.txid())).remove(0);
    assert_eq!((detail.modified_fee_sat, detail.chunk.fee_sat, detail.chunk.txids.len()), (10, 5_020, 2));
    assert_eq!((detail.with_descendants.fee_sat, detail.with_ancestors.count), (5_020, 1));
    let cluster = graph.chunks(Some(&child.txid()));
    assert_eq!(
        cluster.iter().map(|chunk| chunk.txids.clone()).collect::<Vec<_>>(),
        [[parent.txid(), child.txid()]]
    );
    assert_eq!(graph.chunks(None).len(), 2);
    assert_eq!(graph.older_than(UnixMillis::new(1)).len(), 3);
    assert!(graph.older_than(UnixMillis::new(0)).is_empty());
    let below = graph.details(Wanted::DescendantsOf(parent.txid()));
    assert_eq!(below.iter().map(|d| d.entry.tx.txid()).collect::<Vec<_>>(), [child.txid()]);
    assert_eq!(graph.details(Wanted::AncestorsOf(child.txid())).len(), 1);
    assert_eq!((graph.details(Wanted::All).len(), graph.sum().fee_sat), (3, 520));
    graph.set_delta(&Txid::all_zeros(), 1);
}
