//! Transactions whose parents are missing, and who has told of them.
//!
//! Owns: which are kept, and for whom. Must not know: whether they are any good. A peer that sends many loses its own, the oldest first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Txid, Wtxid};

use super::limits::{ORPHAN_COST_MAX, ORPHAN_INPUTS_A_COST, ORPHAN_PEERS_GONE_MAX, ORPHAN_WEIGHT_A_PEER};
use crate::wire::{ParsedBlock, ParsedTx};

/// A peer, as its connection is numbered.
type PeerId = u64;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// It.
    pub tx: Arc<ParsedTx>,
    /// Peers that have told of it.
    pub from: BTreeSet<PeerId>,
    /// Its parents that are neither held nor in the chain.
    pub missing: Vec<Txid>,
}

/// What a peer's orphans come to.
#[derive(Clone, Debug, Default)]
struct Account {
    /// In the order in which it told of them.
    told: BTreeMap<u64, Wtxid>,
    weight: u64,
    cost: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Orphans {
    held: BTreeMap<Wtxid, Orphan>,
    /// Who spends outputs of whom.
    by_parent: BTreeMap<Txid, BTreeSet<Wtxid>>,
    accounts: BTreeMap<PeerId, Account>,
    /// Peers that have left: what is still judged of theirs is not kept. Numbers rise, so that the lowest are the first to be forgotten.
    gone: BTreeSet<PeerId>,
    next: u64,
    /// All peers' together.
    cost: u64,
    weight: u64,
}

fn weight_of(tx: &ParsedTx) -> u64 {
    tx.weight().to_wu()
}

/// What it costs to look at one again: one, and one more for so many inputs.
fn cost_of(tx: &ParsedTx) -> u64 {
    let inputs = u64::try_from(tx.tx().input.len()).unwrap_or(u64::MAX);
    inputs.checked_div(ORPHAN_INPUTS_A_COST).unwrap_or(0).saturating_add(1)
}

impl Account {
    /// How much it takes of what each of so many may take, in thousandths.
    fn share(&self, accounts: u64) -> u64 {
        let by_cost = self.cost.saturating_mul(accounts).saturating_mul(1_000) / ORPHAN_COST_MAX;
        let by_weight = self.weight.saturating_mul(1_000) / ORPHAN_WEIGHT_A_PEER;
        by_cost.max(by_weight)
    }
}

impl Orphans {
    /// Keeps one that a peer has sent; where there is too much then, something of whoever takes most leaves.
    pub fn add(&mut self, tx: Arc<ParsedTx>, missing: Vec<Txid>, from: PeerId) {
        let wtxid = tx.wtxid();
        if self.gone.contains(&from) {
            return;
        }
        if !self.held.contains_key(&wtxid) {
            if weight_of(&tx) > ORPHAN_WEIGHT_A_PEER {
                return;
            }
            for parent in parents(&tx) {
                self.by_parent.entry(parent).or_default().insert(wtxid);
            }
            self.held.insert(wtxid, Orphan { tx, from: BTreeSet::new(), missing });
        }
        self.told_by(&wtxid, from);
        self.limit();
    }

    /// A peer tells of it too. Its missing parents, where it is kept and the peer had not told of it before.
    pub fn told(&mut self, wtxid: &Wtxid, from: PeerId) -> Option<Vec<Txid>> {
        let is_new = self.told_by(wtxid, from);
        self.limit();
        let orphan = self.held.get(wtxid)?;
        Some(if is_new { orphan.missing.clone() } else { Vec::new() })
    }

    fn told_by(&mut self, wtxid: &Wtxid, from: PeerId) -> bool {
        let Some(orphan) = self.held.get_mut(wtxid) else { return false };
        if self.gone.contains(&from) || !orphan.from.insert(from) {
            return false;
        }
        let (weight, cost) = (weight_of(&orphan.tx), cost_of(&orphan.tx));
        let account = self.accounts.entry(from).or_default();
        account.told.insert(self.next, *wtxid);
        account.weight = account.weight.saturating_add(weight);
        account.cost = account.cost.saturating_add(cost);
        self.next = self.next.saturating_add(1);
        self.cost = self.cost.saturating_add(cost);
        self.weight = self.weight.saturating_add(weight);
        true
    }

    fn limit(&mut self) {
        loop {
            let accounts = u64::try_from(self.accounts.len()).unwrap_or(u64::MAX);
            let weight_max = ORPHAN_WEIGHT_A_PEER.saturating_mul(accounts);
            if self.cost <= ORPHAN_COST_MAX && self.weight <= weight_max {
                return;
            }
            let most = self.accounts.iter().max_by_key(|(_, account)| account.share(accounts));
            let oldest = most.and_then(|(peer, account)| Some((*peer, *account.told.first_key_value()?.1)));
            let Some((peer, wtxid)) = oldest else { return };
            self.untell(&wtxid, peer);
        }
    }

    /// A peer does not count for one any more; one for which none counts leaves.
    fn untell(&mut self, wtxid: &Wtxid, peer: PeerId) {
        let Some(orphan) = self.held.get_mut(wtxid) else { return };
        if !orphan.from.remove(&peer) {
            return;
        }
        let (weight, cost, is_left) = (weight_of(&orphan.tx), cost_of(&orphan.tx), orphan.from.is_empty());
        if let Some(account) = self.accounts.get_mut(&peer) {
            account.told.retain(|_, told| told != wtxid);
            account.weight = account.weight.saturating_sub(weight);
            account.cost = account.cost.saturating_sub(cost);
            if account.told.is_empty() {
                self.accounts.remove(&peer);
            }
        }
        self.cost = self.cost.saturating_sub(cost);
        self.weight = self.weight.saturating_sub(weight);
        if is_left {
            self.forget(wtxid);
        }
    }

    fn forget(&mut self, wtxid: &Wtxid) {
        let Some(orphan) = self.held.remove(wtxid) else { return };
        for parent in parents(&orphan.tx) {
            if let Some(children) = self.by_parent.get_mut(&parent) {
                children.remove(wtxid);
                if children.is_empty() {
                    self.by_parent.remove(&parent);
                }
            }
        }
    }

    /// It is an orphan no more, whatever became of it.
    pub fn remove(&mut self, wtxid: &Wtxid) -> Option<Orphan> {
        let orphan = self.held.get(wtxid)?.clone();
        for peer in &orphan.from {
            self.untell(wtxid, *peer);
        }
        Some(orphan)
    }

    /// A peer is gone.
    pub fn peer_gone(&mut self, peer: PeerId) {
        self.gone.insert(peer);
        if self.gone.len() > ORPHAN_PEERS_GONE_MAX {
            self.gone.pop_first();
        }
        let told = self.accounts.get(&peer).into_iter().flat_map(|account| account.told.values().copied());
        for wtxid in told.collect::<Vec<_>>() {
            self.untell(&wtxid, peer);
        }
    }

    /// A block has come: those that it has, and those that spend what it spends, leave.
    pub fn block_connected(&mut self, block: &ParsedBlock) {
        if self.held.is_empty() {
            return;
        }
        let spent: BTreeSet<_> =
            block.txs().iter().flat_map(|tx| &tx.tx().input).map(|input| input.previous_output).collect();
        let hit = |orphan: &&Orphan| orphan.tx.tx().input.iter().any(|i| spent.contains(&i.previous_output));
        let gone: Vec<Wtxid> = self.held.values().filter(hit).map(|orphan| orphan.tx.wtxid()).collect();
        for wtxid in gone {
            self.remove(&wtxid);
        }
    }

    /// Those that spend outputs of one, in the order of their ids.
    pub fn children_of(&self, parent: &Txid) -> Vec<&Orphan> {
        let children = self.by_parent.get(parent).into_iter().flatten();
        children.filter_map(|wtxid| self.held.get(wtxid)).collect()
    }

    /// Those of them that a peer has told of, the last one first.
    pub fn children_from(&self, parent: &Txid, from: PeerId) -> Vec<&Orphan> {
        let Some(children) = self.by_parent.get(parent) else { return Vec::new() };
        let told = self.accounts.get(&from).into_iter().flat_map(|account| account.told.values().rev());
        told.filter(|wtxid| children.contains(*wtxid)).filter_map(|wtxid| self.held.get(wtxid)).collect()
    }

    /// One of them.
    pub fn get(&self, wtxid: &Wtxid) -> Option<&Orphan> {
        self.held.get(wtxid)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Orphan> {
        self.held.values()
    }
}

fn parents(tx: &ParsedTx) -> BTreeSet<Txid> {
    tx.tx().input.iter().map(|input| input.previous_output.txid).collect()
}

#[cfg(test)]
#[path = "orphans/tests.rs"]
mod tests;
