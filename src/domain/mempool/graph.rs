//! The held transactions and which spends which, with what is needed of their relatives kept beside each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bitcoin::{Amount, OutPoint, TxOut, Txid, Wtxid};

use super::feerate::{FeeRate, Place};
use super::limits::{CHAIN_TXS_MAX, CHAIN_VSIZE_MAX, ENTRY_OVERHEAD_BYTES, WEIGHT_A_SIGOP};
use super::{MempoolDetail, MempoolEntry, Sum, TxRejected, Wanted};
use crate::units::UnixMillis;
use crate::wire::ParsedTx;

/// A held transaction and its relatives.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub entry: MempoolEntry,
    pub added_at: UnixMillis,
    /// Rises with each arrival: parents have lower ones than their children.
    pub sequence: u64,
    pub own: FeeRate,
    pub parents: BTreeSet<Txid>,
    children: BTreeSet<Txid>,
    /// It and every unconfirmed one that it is built on.
    pub with_ancestors: FeeRate,
    /// It and every one that is built on it.
    with_descendants: FeeRate,
    descendants: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    held: BTreeMap<Txid, Held>,
    by_wtxid: BTreeMap<Wtxid, Txid>,
    spenders: BTreeMap<OutPoint, Txid>,
    /// The best to mine last.
    to_mine: BTreeSet<Place>,
    /// The first to be evicted first.
    to_evict: BTreeSet<Place>,
    by_sequence: BTreeMap<u64, Txid>,
    next_sequence: u64,
    usage_bytes: u64,
}

/// Virtual bytes, as policy counts them: many signature operations make a transaction count as larger.
pub(super) fn policy_vsize(tx: &ParsedTx, sigop_cost: u32) -> u64 {
    tx.weight().to_wu().max(u64::from(sigop_cost).saturating_mul(WEIGHT_A_SIGOP)).div_ceil(4)
}

impl Held {
    /// What a block builder gains by it, at worst: it drags its ancestors in, but they may be in already.
    fn to_mine(&self) -> Place {
        Place { rate: self.own.lower(self.with_ancestors), txid: self.entry.tx.txid() }
    }

    /// What is lost by throwing it out, and all that is built on it.
    fn to_evict(&self) -> Place {
        Place { rate: self.own.higher(self.with_descendants), txid: self.entry.tx.txid() }
    }

    fn usage_bytes(&self) -> u64 {
        let size = u64::try_from(self.entry.tx.tx().total_size()).unwrap_or(u64::MAX);
        size.saturating_mul(3).saturating_add(ENTRY_OVERHEAD_BYTES)
    }
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn usage_bytes(&self) -> u64 {
        self.usage_bytes
    }

    pub(super) fn get(&self, txid: &Txid) -> Option<&Held> {
        self.held.get(txid)
    }

    pub(super) fn get_by_wtxid(&self, wtxid: &Wtxid) -> Option<&Held> {
        self.held.get(self.by_wtxid.get(wtxid)?)
    }

    /// In the order of arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_sequence.values().filter_map(|txid| self.held.get(txid))
    }

    /// The best to mine first, where ancestors that are held count.
    pub(super) fn best_first(&self) -> impl Iterator<Item = &Held> {
        self.to_mine.iter().rev().filter_map(|place| self.held.get(&place.txid))
    }

    /// Who spends an output.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Option<&Txid> {
        self.spenders.get(outpoint)
    }

    /// An output of a held transaction.
    pub(super) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let index = usize::try_from(outpoint.vout).ok()?;
        self.held.get(&outpoint.txid)?.entry.tx.tx().output.get(index)
    }

    /// Whether a transaction with these parents may be held: no chain grows beyond its limits.
    pub(super) fn check_chain(&self, tx: &ParsedTx, vsize: u64) -> Result<(), TxRejected> {
        let ancestors = self.ancestors_of(&self.parents_of(tx));
        let held = ancestors.iter().filter_map(|txid| self.held.get(txid));
        let above = held.clone().fold(vsize, |sum, a| sum.saturating_add(a.own.vsize));
        let fits_below = |a: &Held| {
            a.descendants < CHAIN_TXS_MAX && a.with_descendants.vsize.saturating_add(vsize) <= CHAIN_VSIZE_MAX
        };
        if ancestors.len() < CHAIN_TXS_MAX && above <= CHAIN_VSIZE_MAX && held.clone().all(fits_below) {
            Ok(())
        } else {
            Err(TxRejected::ChainTooLong)
        }
    }

    /// Adds a transaction whose inputs no other spends.
    pub(super) fn add(&mut self, tx: Arc<ParsedTx>, fee: Amount, sigop_cost: u32, now: UnixMillis) {
        let (txid, parents) = (tx.txid(), self.parents_of(&tx));
        let own = FeeRate { fee_sat: fee.to_sat(), vsize: policy_vsize(&tx, sigop_cost) };
        let ancestors = self.ancestors_of(&parents);
        let mut with_ancestors = own;
        for ancestor in &ancestors {
            self.change(ancestor, |a| {
                with_ancestors = with_ancestors.with(a.own);
                a.with_descendants = a.with_descendants.with(own);
                a.descendants = a.descendants.saturating_add(1);
            });
        }
        for parent in &parents {
            self.change(parent, |p| {
                p.children.insert(txid);
            });
        }
        self.by_wtxid.insert(tx.wtxid(), txid);
        self.spenders.extend(tx.tx().input.iter().map(|input| (input.previous_output, txid)));
        self.next_sequence = self.next_sequence.saturating_add(1);
        self.by_sequence.insert(self.next_sequence, txid);
        self.place(Held {
            entry: MempoolEntry { tx, fee, sigop_cost },
            added_at: now,
            sequence: self.next_sequence,
            own,
            parents,
            children: BTreeSet::new(),
            with_ancestors,
            with_descendants: own,
            descendants: 1,
        });
    }

    /// Takes a transaction out and leaves those that are built on it: a block has it now, and its parents before it.
    pub(super) fn remove_one(&mut self, txid: &Txid) -> Option<Held> {
        let gone = self.displace(txid)?;
        for ancestor in self.ancestors_of(&gone.parents) {
            self.change(&ancestor, |a| {
                a.with_descendants = a.with_descendants.without(gone.own);
                a.descendants = a.descendants.saturating_sub(1);
            });
        }
        for descendant in self.descendants_of(&gone.children) {
            self.change(&descendant, |d| {
                d.with_ancestors = d.with_ancestors.without(gone.own);
            });
        }
        for parent in &gone.parents {
            self.change(parent, |p| {
                p.children.remove(txid);
            });
        }
        for child in &gone.children {
            self.change(child, |c| {
                c.parents.remove(txid);
            });
        }
        self.by_wtxid.remove(&gone.entry.tx.wtxid());
        self.by_sequence.remove(&gone.sequence);
        for input in &gone.entry.tx.tx().input {
            self.spenders.remove(&input.previous_output);
        }
        Some(gone)
    }

    /// Takes a transaction out and all that is built on it.
    pub(super) fn remove_with_descendants(&mut self, txid: &Txid) -> Vec<Held> {
        let mut doomed = self.descendants_of(&BTreeSet::from([*txid]));
        // The youngest first: nothing is left then whose parent is gone.
        doomed.sort_by_key(|t| std::cmp::Reverse(self.held.get(t).map(|h| h.sequence)));
        doomed.iter().filter_map(|t| self.remove_one(t)).collect()
    }

    /// The one whose eviction, with all that is built on it, loses the least, and that feerate.
    pub(super) fn worst(&self) -> Option<(Txid, FeeRate)> {
        self.to_evict.first().map(|place| (place.txid, place.rate))
    }

    /// All that is known of held transactions; of one that isn't held nothing.
    pub(super) fn details(&self, wanted: Wanted) -> Vec<MempoolDetail> {
        let found: Vec<Txid> = match wanted {
            Wanted::All => self.by_sequence.values().copied().collect(),
            Wanted::One(txid) => vec![txid],
            Wanted::AncestorsOf(txid) => {
                self.held.get(&txid).map(|held| self.ancestors_of(&held.parents)).unwrap_or_default()
            }
            Wanted::DescendantsOf(txid) => {
                self.held.get(&txid).map(|held| self.descendants_of(&held.children)).unwrap_or_default()
            }
        };
        found.iter().filter_map(|txid| self.held.get(txid)).map(|held| self.detail(held)).collect()
    }

    fn detail(&self, held: &Held) -> MempoolDetail {
        let sum = |count: usize, rate: FeeRate| Sum {
            count: u64::try_from(count).unwrap_or(u64::MAX),
            vsize: rate.vsize,
            fee_sat: rate.fee_sat,
        };
        let ancestors = self.ancestors_of(&held.parents).len().saturating_add(1);
        MempoolDetail {
            entry: held.entry.clone(),
            added_at: held.added_at,
            vsize: held.own.vsize,
            with_ancestors: sum(ancestors, held.with_ancestors),
            with_descendants: sum(held.descendants, held.with_descendants),
            parents: held.parents.iter().copied().collect(),
            children: held.children.iter().copied().collect(),
        }
    }

    /// All that is built on it.
    pub(super) fn descendants<'a>(&'a self, held: &Held) -> impl Iterator<Item = &'a Held> {
        self.descendants_of(&held.children).into_iter().filter_map(|txid| self.held.get(&txid))
    }

    fn parents_of(&self, tx: &ParsedTx) -> BTreeSet<Txid> {
        let spent = tx.tx().input.iter().map(|input| input.previous_output.txid);
        spent.filter(|txid| self.held.contains_key(txid)).collect()
    }

    /// The given ones and all that they are built on.
    fn ancestors_of(&self, from: &BTreeSet<Txid>) -> Vec<Txid> {
        self.reach(from, |held| &held.parents)
    }

    /// The given ones and all that is built on them.
    fn descendants_of(&self, from: &BTreeSet<Txid>) -> Vec<Txid> {
        self.reach(from, |held| &held.children)
    }

    fn reach(&self, from: &BTreeSet<Txid>, next: impl Fn(&Held) -> &BTreeSet<Txid>) -> Vec<Txid> {
        let (mut seen, mut queue): (BTreeSet<Txid>, VecDeque<Txid>) =
            (from.clone(), from.iter().copied().collect());
        let mut order = Vec::new();
        while let Some(txid) = queue.pop_front() {
            order.push(txid);
            let Some(held) = self.held.get(&txid) else { continue };
            queue.extend(next(held).iter().filter(|t| seen.insert(**t)).copied().collect::<Vec<_>>());
        }
        order
    }

    /// Changes one and keeps its places in the orders right.
    fn change(&mut self, txid: &Txid, with: impl FnOnce(&mut Held)) {
        if let Some(mut held) = self.displace(txid) {
            with(&mut held);
            self.place(held);
        }
    }

    fn place(&mut self, held: Held) {
        self.to_mine.insert(held.to_mine());
        self.to_evict.insert(held.to_evict());
        self.usage_bytes = self.usage_bytes.saturating_add(held.usage_bytes());
        self.held.insert(held.entry.tx.txid(), held);
    }

    fn displace(&mut self, txid: &Txid) -> Option<Held> {
        let held = self.held.remove(txid)?;
        self.to_mine.remove(&held.to_mine());
        self.to_evict.remove(&held.to_evict());
        self.usage_bytes = self.usage_bytes.saturating_sub(held.usage_bytes());
        Some(held)
    }
}

#[cfg(test)]
#[path = "graph/tests.rs"]
pub(super) mod tests;
