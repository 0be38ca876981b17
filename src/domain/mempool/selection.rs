//! The order in which a block takes transactions: the best package first, every parent before its children.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bitcoin::Txid;

use super::MempoolEntry;
use super::feerate::{FeeRate, Place};
use super::graph::{Graph, Held};

/// The best of the pool, up to `weight_max`.
///
/// Each step takes the transaction whose feerate, together with its ancestors that are not taken yet, is highest, and those
/// ancestors before it. What taking them does to the others' packages is kept in a small map beside the pool's own order,
/// so a selection costs what it selects and not what is held.
pub(super) fn select(graph: &Graph, weight_max: u64) -> Vec<MempoolEntry> {
    let mut state =
        Selection { graph, taken: BTreeSet::new(), better: BinaryHeap::new(), rates: BTreeMap::new() };
    let (mut entries, mut weight) = (Vec::new(), 0u64);
    let mut pool = graph.best_first().peekable();
    loop {
        while pool.peek().is_some_and(|held| state.is_settled(held)) {
            pool.next();
        }
        let Some(next) = state.next(pool.peek().copied()) else { break };
        for held in state.package(next) {
            weight = weight.saturating_add(held.entry.tx.weight().to_wu());
            if weight > weight_max {
                return entries;
            }
            entries.push(held.entry.clone());
            state.take(held);
        }
    }
    entries
}

struct Selection<'a> {
    graph: &'a Graph,
    taken: BTreeSet<Txid>,
    /// Transactions some of whose ancestors are taken, by the feerate of what is left of their package. Stale rows stay.
    better: BinaryHeap<Place>,
    /// The present feerate of each of them.
    rates: BTreeMap<Txid, FeeRate>,
}

impl<'a> Selection<'a> {
    /// Whether the pool's own order says nothing about it any more.
    fn is_settled(&self, held: &Held) -> bool {
        let txid = held.entry.tx.txid();
        self.taken.contains(&txid) || self.rates.contains_key(&txid)
    }

    /// The better of the pool's next and of those whose package shrank.
    fn next(&mut self, pool: Option<&'a Held>) -> Option<&'a Held> {
        while self.better.peek().is_some_and(|p| !self.is_current(p)) {
            self.better.pop();
        }
        let shrunk = self.better.peek().copied();
        let fresh = pool.map(|held| self.mining_rate(held));
        match (shrunk, fresh) {
            (Some(place), Some(rate)) if place.rate.compare(rate).is_lt() => pool,
            (Some(place), _) => self.graph.get(&place.txid),
            (None, _) => pool,
        }
    }

    fn is_current(&self, place: &Place) -> bool {
        let rate = self.rates.get(&place.txid).copied();
        let own = self.graph.get(&place.txid).map(|held| held.own);
        !self.taken.contains(&place.txid)
            && rate.zip(own).is_some_and(|(rate, own)| own.lower(rate) == place.rate)
    }

    fn mining_rate(&self, held: &Held) -> FeeRate {
        held.own.lower(held.with_ancestors)
    }

    /// It and its ancestors that are not taken, parents first.
    fn package(&self, held: &'a Held) -> Vec<&'a Held> {
        let (mut package, mut open) = (BTreeMap::from([(held.sequence, held)]), vec![held]);
        while let Some(next) = open.pop() {
            let parents = next.parents.iter().filter(|p| !self.taken.contains(*p));
            for parent in parents.filter_map(|p| self.graph.get(p)) {
                if package.insert(parent.sequence, parent).is_none() {
                    open.push(parent);
                }
            }
        }
        package.into_values().collect()
    }

    fn take(&mut self, held: &Held) {
        let txid = held.entry.tx.txid();
        self.taken.insert(txid);
        self.rates.remove(&txid);
        for descendant in self.graph.descendants(held) {
            let id = descendant.entry.tx.txid();
            if !self.taken.contains(&id) {
                let rate = self.rates.entry(id).or_insert(descendant.with_ancestors);
                *rate = rate.without(held.own);
                self.better.push(Place { rate: descendant.own.lower(*rate), txid: id });
            }
        }
    }
}

#[cfg(test)]
#[path = "selection/tests.rs"]
mod tests;
