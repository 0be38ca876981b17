//! The held transactions, which spends which, and the clusters that they hang together in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bitcoin::{Amount, OutPoint, TxOut, Txid, Wtxid};

use super::cluster::{self, Member};
use super::feerate::{FeeRate, Place};
use super::limits::CLUSTER_TXS_MAX;
use super::{Chunk as ChunkDetail, MempoolDetail, MempoolEntry, Sum, Wanted, memory};
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedTx;

/// A held transaction and its relatives.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub entry: MempoolEntry,
    pub added_at: UnixMillis,
    /// The tip's height when it came.
    pub height: Height,
    /// Rises with each arrival: parents have lower ones than their children.
    pub sequence: u64,
    /// What it pays and what an operator adds to that, for its weight as policy counts it.
    pub own: FeeRate,
    pub parents: BTreeSet<Txid>,
    pub children: BTreeSet<Txid>,
    /// Its place in the order of all; none until it is put in order.
    place: Option<Place>,
}

/// Transactions that pay for each other, parents before children.
#[derive(Clone, Debug, Default)]
struct Chunk {
    rate: FeeRate,
    txids: Vec<Txid>,
    /// Whether its cluster is known to be in the best order.
    is_best: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    held: BTreeMap<Txid, Held>,
    by_wtxid: BTreeMap<Wtxid, Txid>,
    spenders: BTreeMap<OutPoint, Txid>,
    /// The best to mine last.
    chunks: BTreeMap<Place, Chunk>,
    by_sequence: BTreeMap<u64, Txid>,
    by_time: BTreeSet<(UnixMillis, Txid)>,
    next_sequence: u64,
    next_cluster: u64,
    /// Chunks of clusters of which nobody knows whether they are in the best order.
    unsure: usize,
    usage_bytes: u64,
    vsize: u64,
    fees_sat: u64,
}

/// What is to join: it, what it pays, and what an operator adds to that.
pub(super) struct Newcomer {
    pub tx: Arc<ParsedTx>,
    pub fee: Amount,
    pub delta_sat: i64,
    pub sigop_cost: u32,
    /// Units of weight, as policy counts them.
    pub weight: u64,
    pub added_at: UnixMillis,
    pub height: Height,
}

/// What a fee is with what an operator adds to it.
pub(super) fn modified_sat(fee: Amount, delta_sat: i64) -> i64 {
    i64::try_from(fee.to_sat()).unwrap_or(i64::MAX).saturating_add(delta_sat)
}

impl Held {
    /// Virtual bytes, as policy counts them.
    pub(super) fn vsize(&self) -> u64 {
        self.own.size.div_ceil(4)
    }

    fn txid(&self) -> Txid {
        self.entry.tx.txid()
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

    /// Those that pay for each other, the best first, with what they pay; within each parents before children.
    pub(super) fn best_first(&self) -> impl Iterator<Item = (FeeRate, Vec<&Held>)> {
        let held = |chunk: &Chunk| chunk.txids.iter().filter_map(|txid| self.held.get(txid)).collect();
        self.chunks.values().rev().map(move |chunk| (chunk.rate, held(chunk)))
    }

    /// Those that came before then.
    pub(super) fn older_than(&self, then: UnixMillis) -> BTreeSet<Txid> {
        self.by_time.iter().take_while(|(added_at, _)| *added_at < then).map(|(_, txid)| *txid).collect()
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

    /// Held ones whose outputs it spends.
    pub(super) fn parents_of(&self, tx: &ParsedTx) -> BTreeSet<Txid> {
        let spent = tx.tx().input.iter().map(|input| input.previous_output.txid);
        spent.filter(|txid| self.held.contains_key(txid)).collect()
    }

    /// The given ones and all that they are built on.
    pub(super) fn ancestors_of(&self, from: &BTreeSet<Txid>) -> Vec<Txid> {
        self.reach(from, |held, queue| queue.extend(held.parents.iter().copied()))
    }

    /// The given ones and all that is built on them.
    pub(super) fn descendants_of(&self, from: &BTreeSet<Txid>) -> Vec<Txid> {
        self.reach(from, |held, queue| queue.extend(held.children.iter().copied()))
    }

    /// The given ones and all that hang together with them.
    pub(super) fn clusters_of(&self, from: &BTreeSet<Txid>) -> Vec<Txid> {
        self.reach(from, |held, queue| {
            queue.extend(held.parents.iter().copied());
            queue.extend(held.children.iter().copied());
        })
    }

    /// A number that those which hang together have in common.
    pub(super) fn cluster_number(&self, txid: &Txid) -> Option<u64> {
        self.held.get(txid)?.place.map(|place| place.cluster)
    }

    fn reach(&self, from: &BTreeSet<Txid>, next: impl Fn(&Held, &mut VecDeque<Txid>)) -> Vec<Txid> {
        let (mut seen, mut queue): (BTreeSet<Txid>, VecDeque<Txid>) =
            (BTreeSet::new(), from.iter().copied().collect());
        let mut order = Vec::new();
        while let Some(txid) = queue.pop_front() {
            if seen.insert(txid)
                && let Some(held) = self.held.get(&txid)
            {
                order.push(txid);
                next(held, &mut queue);
            }
        }
        order
    }

    /// Adds transactions whose inputs no other spends, parents before children.
    pub(super) fn add(&mut self, all: Vec<Newcomer>) {
        let mut joined = BTreeSet::new();
        for newcomer in all {
            joined.insert(newcomer.tx.txid());
            self.enter(newcomer);
        }
        let touched = self.clusters_of(&joined);
        self.order(touched);
    }

    fn enter(&mut self, newcomer: Newcomer) {
        let Newcomer { tx, fee, delta_sat, sigop_cost, weight, added_at, height } = newcomer;
        let (txid, parents) = (tx.txid(), self.parents_of(&tx));
        for parent in &parents {
            if let Some(parent) = self.held.get_mut(parent) {
                parent.children.insert(txid);
            }
        }
        self.by_wtxid.insert(tx.wtxid(), txid);
        self.spenders.extend(tx.tx().input.iter().map(|input| (input.previous_output, txid)));
        self.next_sequence = self.next_sequence.saturating_add(1);
        self.by_sequence.insert(self.next_sequence, txid);
        self.by_time.insert((added_at, txid));
        self.usage_bytes = self.usage_bytes.saturating_add(memory::usage_bytes(tx.tx()));
        let held = Held {
            own: FeeRate { fee_sat: modified_sat(fee, delta_sat), size: weight },
            added_at,
            height,
            sequence: self.next_sequence,
            parents,
            children: BTreeSet::new(),
            place: None,
            entry: MempoolEntry { tx, fee, sigop_cost },
        };
        self.vsize = self.vsize.saturating_add(held.vsize());
        self.fees_sat = self.fees_sat.saturating_add(fee.to_sat());
        self.held.insert(txid, held);
    }

    /// Takes transactions out and leaves what is built on them. Where a block has them, it has their parents before them; in all other cases
    /// what is built on them is among them.
    pub(super) fn remove(&mut self, txids: &[Txid]) -> Vec<Held> {
        let touched = self.clusters_of(&txids.iter().copied().collect());
        let gone: Vec<Held> = txids.iter().filter_map(|txid| self.leave(txid)).collect();
        if !gone.is_empty() {
            self.order(touched);
        }
        gone
    }

    /// Takes transactions out and all that is built on them, the youngest first.
    pub(super) fn remove_with_descendants(&mut self, txids: &BTreeSet<Txid>) -> Vec<Held> {
        let mut doomed = self.descendants_of(txids);
        doomed.sort_by_key(|t| std::cmp::Reverse(self.held.get(t).map(|h| h.sequence)));
        self.remove(&doomed)
    }

    fn leave(&mut self, txid: &Txid) -> Option<Held> {
        let gone = self.held.remove(txid)?;
        if let Some(place) = gone.place {
            self.remove_chunk(&place);
        }
        for parent in &gone.parents {
            if let Some(parent) = self.held.get_mut(parent) {
                parent.children.remove(txid);
            }
        }
        for child in &gone.children {
            if let Some(child) = self.held.get_mut(child) {
                child.parents.remove(txid);
            }
        }
        self.by_wtxid.remove(&gone.entry.tx.wtxid());
        self.by_sequence.remove(&gone.sequence);
        self.by_time.remove(&(gone.added_at, *txid));
        for input in &gone.entry.tx.tx().input {
            if self.spenders.get(&input.previous_output) == Some(txid) {
                self.spenders.remove(&input.previous_output);
            }
        }
        self.usage_bytes = self.usage_bytes.saturating_sub(memory::usage_bytes(gone.entry.tx.tx()));
        self.vsize = self.vsize.saturating_sub(gone.vsize());
        self.fees_sat = self.fees_sat.saturating_sub(gone.entry.fee.to_sat());
        Some(gone)
    }

    /// An operator has changed what he adds to a fee.
    pub(super) fn set_delta(&mut self, txid: &Txid, delta_sat: i64) {
        let Some(held) = self.held.get_mut(txid) else { return };
        held.own.fee_sat = modified_sat(held.entry.fee, delta_sat);
        let touched = self.clusters_of(&BTreeSet::from([*txid]));
        self.order(touched);
    }

    /// Puts these, whose clusters are whole among them but for what has left, in order again.
    fn order(&mut self, touched: Vec<Txid>) {
        let mut left: BTreeSet<Txid> =
            touched.into_iter().filter(|txid| self.held.contains_key(txid)).collect();
        while let Some(first) = left.first().copied() {
            let members = self.clusters_of(&BTreeSet::from([first]));
            for txid in &members {
                left.remove(txid);
            }
            self.order_one(members);
        }
    }

    fn order_one(&mut self, mut members: Vec<Txid>) {
        members.sort_by_key(|txid| self.held.get(txid).map(|held| held.sequence));
        for txid in &members {
            if let Some(place) = self.held.get(txid).and_then(|held| held.place) {
                self.remove_chunk(&place);
            }
        }
        let cluster = self.next_cluster;
        self.next_cluster = cluster.saturating_add(1);
        let (chunks, is_best) = self.chunks_of(&members, |_| None);
        for (index, (rate, txids)) in (0u64..).zip(chunks) {
            let place = Place { rate, cluster, index };
            for txid in &txids {
                if let Some(held) = self.held.get_mut(txid) {
                    held.place = Some(place);
                }
            }
            self.unsure = self.unsure.saturating_add(usize::from(!is_best));
            self.chunks.insert(place, Chunk { rate, txids, is_best });
        }
    }

    fn remove_chunk(&mut self, place: &Place) {
        if self.chunks.remove(place).is_some_and(|chunk| !chunk.is_best) {
            self.unsure = self.unsure.saturating_sub(1);
        }
    }

    /// Whether all that is held is known to be in the best order.
    pub(super) fn is_best(&self) -> bool {
        self.unsure == 0
    }

    /// The chunks of transactions that hang together, given parents before children; what is not held is known to `other`. More than a cluster
    /// may have (a reorganisation may bring them for a moment) are put in order by parts. And whether there is no better order.
    pub(super) fn chunks_of(
        &self,
        members: &[Txid],
        other: impl Fn(&Txid) -> Option<(FeeRate, BTreeSet<Txid>)>,
    ) -> (Vec<(FeeRate, Vec<Txid>)>, bool) {
        let (mut all, mut is_best) = (Vec::new(), members.len() <= CLUSTER_TXS_MAX);
        for part in members.chunks(CLUSTER_TXS_MAX) {
            let places: BTreeMap<Txid, u32> = part.iter().copied().zip(0..).collect();
            let bits = |parents: &BTreeSet<Txid>| {
                let bit =
                    |parent: &Txid| places.get(parent).and_then(|at| 1u64.checked_shl(*at)).unwrap_or(0);
                parents.iter().fold(0, |set, parent| set | bit(parent))
            };
            let member = |txid: &Txid| match self.held.get(txid) {
                Some(held) => Member { rate: held.own, parents: bits(&held.parents) },
                None => {
                    let (rate, parents) = other(txid).unwrap_or_default();
                    Member { rate, parents: bits(&parents) }
                }
            };
            let numbers: Vec<Member> = part.iter().map(member).collect();
            let named = |chunk: cluster::Chunk| {
                let txids = chunk.members.iter().filter_map(|place| part.get(*place).copied()).collect();
                (chunk.rate, txids)
            };
            let (chunks, known) = cluster::chunks(&numbers);
            is_best &= known;
            all.extend(chunks.into_iter().map(named));
        }
        (all, is_best)
    }

    /// What is mined last, with what it pays.
    pub(super) fn worst(&self) -> Option<(Vec<Txid>, FeeRate)> {
        self.chunks.first_key_value().map(|(_, chunk)| (chunk.txids.clone(), chunk.rate))
    }

    /// How many, their virtual bytes as policy counts them, and their fees.
    pub(super) fn sum(&self) -> Sum {
        let count = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        Sum { count, vsize: self.vsize, fee_sat: i64::try_from(self.fees_sat).unwrap_or(i64::MAX) }
    }

    /// All that is known of held transactions; of one that isn't held nothing.
    pub(super) fn details(&self, wanted: Wanted) -> Vec<MempoolDetail> {
        let one = |txid: Txid| BTreeSet::from([txid]);
        let but = |txid: Txid, all: Vec<Txid>| all.into_iter().filter(|t| *t != txid).collect();
        let found: Vec<Txid> = match wanted {
            Wanted::All => self.chunks.values().rev().flat_map(|chunk| chunk.txids.iter().copied()).collect(),
            Wanted::One(txid) => vec![txid],
            Wanted::AncestorsOf(txid) => but(txid, self.ancestors_of(&one(txid))),
            Wanted::DescendantsOf(txid) => but(txid, self.descendants_of(&one(txid))),
        };
        found.iter().filter_map(|txid| self.held.get(txid)).map(|held| self.detail(held)).collect()
    }

    /// The places of all that hang together with one.
    fn places_of(&self, txid: &Txid) -> BTreeSet<Place> {
        let cluster = self.clusters_of(&BTreeSet::from([*txid]));
        cluster.iter().filter_map(|txid| self.held.get(txid)?.place).collect()
    }

    fn detail(&self, held: &Held) -> MempoolDetail {
        let own = BTreeSet::from([held.txid()]);
        let chunk = held.place.and_then(|place| self.chunks.get(&place));
        MempoolDetail {
            entry: held.entry.clone(),
            added_at: held.added_at,
            height: held.height,
            weight: held.own.size,
            modified_fee_sat: held.own.fee_sat,
            with_ancestors: self.sum_of(&self.ancestors_of(&own)),
            with_descendants: self.sum_of(&self.descendants_of(&own)),
            chunk: chunk.map(detail_of).unwrap_or_default(),
            parents: held.parents.iter().copied().collect(),
            children: held.children.iter().copied().collect(),
        }
    }

    fn sum_of(&self, txids: &[Txid]) -> Sum {
        let held = txids.iter().filter_map(|txid| self.held.get(txid));
        held.fold(Sum::default(), |sum, held| Sum {
            count: sum.count.saturating_add(1),
            vsize: sum.vsize.saturating_add(held.vsize()),
            fee_sat: sum.fee_sat.saturating_add(held.own.fee_sat),
        })
    }

    /// The chunks of one that is held and of all that hang together with it, or of everything, the best first.
    pub(super) fn chunks(&self, of: Option<&Txid>) -> Vec<ChunkDetail> {
        match of {
            Some(txid) => self
                .places_of(txid)
                .iter()
                .rev()
                .filter_map(|place| self.chunks.get(place))
                .map(detail_of)
                .collect(),
            None => self.chunks.values().rev().map(detail_of).collect(),
        }
    }
}

fn detail_of(chunk: &Chunk) -> ChunkDetail {
    ChunkDetail { fee_sat: chunk.rate.fee_sat, weight: chunk.rate.size, txids: chunk.txids.clone() }
}

#[cfg(test)]
#[path = "graph/tests.rs"]
pub(super) mod tests;
