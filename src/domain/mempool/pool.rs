//! The pool: what joins it, what a block or a reorganisation does to it, what it offers a block builder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{BlockHash, Txid, Wtxid};
use thiserror::Error;

use super::floor::Floor;
use super::graph::{Graph, Held, Newcomer, modified_sat};
use super::judge::{Candidate, Checked, Rules, VerifiedTx, require};
use super::limits::{
    BLOCK_MIN_SAT_PER_KVB, CLUSTER_TXS_MAX, CLUSTER_VSIZE_MAX, DATA_BYTES_MAX, DUST_SAT_PER_KVB, EXPIRY_MS,
    INCREMENTAL_SAT_PER_KVB, SNAPSHOT_WEIGHT_MAX, WEIGHT_A_SIGOP,
};
use super::selection::select;
use super::{
    Chunk, MempoolDetail, MempoolEntry, MempoolSnapshot, MempoolSummary, Prioritised, Sum, TxRejected,
    Wanted, policy,
};
use crate::chain::NextBlock;
use crate::consensus::{HeaderView, UtxoView};
use crate::script::{ScriptFlags, ScriptVerifier};
use crate::units::{Height, UnixMillis};
use crate::wire::{ParsedBlock, ParsedTx};

/// What the pool may grow to, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Memory at most.
    pub bytes_max: u64,
    /// The lowest feerate that is relayed; satoshis per 1,000 virtual bytes.
    pub min_fee_sat_per_kvb: u64,
    /// What 1,000 virtual bytes that replace others pay more; what the floor rises by when a transaction is evicted.
    pub incremental_sat_per_kvb: u64,
    /// The feerate at which an output must be worth its own spending.
    pub dust_sat_per_kvb: u64,
    /// Bytes of all data outputs of a transaction.
    pub data_bytes_max: usize,
    /// Whether multisig outputs may stand without a hash before them.
    pub bare_multisig: bool,
    /// Whether only what is common is taken; on a test network all may be that is valid.
    pub is_strict: bool,
    /// Transactions that hang together.
    pub cluster_txs_max: usize,
    /// Their virtual bytes.
    pub cluster_vsize_max: u64,
    /// How long a transaction is held.
    pub expiry_ms: u64,
    /// Weight that a unit of signature operation cost counts for at least.
    pub weight_a_sigop: u64,
    /// What pays less is not offered to whoever builds a block; satoshis per 1,000 virtual bytes.
    pub block_min_sat_per_kvb: u64,
}

impl MempoolConfig {
    /// Units of weight, as policy counts them: many signature operations make a transaction count as larger.
    pub(super) fn weight_of(&self, tx: &ParsedTx, sigop_cost: u32) -> u64 {
        tx.weight().to_wu().max(u64::from(sigop_cost).saturating_mul(self.weight_a_sigop))
    }
}

impl Default for MempoolConfig {
    fn default() -> Self {
        MempoolConfig {
            bytes_max: 300_000_000,
            min_fee_sat_per_kvb: 100,
            incremental_sat_per_kvb: INCREMENTAL_SAT_PER_KVB,
            dust_sat_per_kvb: DUST_SAT_PER_KVB,
            data_bytes_max: DATA_BYTES_MAX,
            bare_multisig: true,
            is_strict: true,
            cluster_txs_max: CLUSTER_TXS_MAX,
            cluster_vsize_max: CLUSTER_VSIZE_MAX,
            expiry_ms: EXPIRY_MS,
            weight_a_sigop: WEIGHT_A_SIGOP,
            block_min_sat_per_kvb: BLOCK_MIN_SAT_PER_KVB,
        }
    }
}

/// The chain at one tip: what a transaction is judged by.
#[derive(Clone, Copy)]
pub struct ChainContext<'a> {
    /// The block that would have the transaction.
    pub next: &'a NextBlock,
    /// The headers up to the tip.
    pub headers: &'a dyn HeaderView,
    /// The coins at the tip.
    pub coins: &'a dyn UtxoView,
    /// The rules that the next block's scripts are verified under.
    pub script_flags: ScriptFlags,
}

/// A transaction that has joined, and what had to leave for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// It.
    pub entry: MempoolEntry,
    /// Its virtual bytes as policy counts them.
    pub vsize: u64,
    /// What it pays, and what an operator adds to that.
    pub modified_fee_sat: i64,
    /// The tip's height when it came.
    pub height: Height,
    /// Nothing that is held is spent by it.
    pub is_first: bool,
    /// Those that it took the place of.
    pub replaced: Vec<Txid>,
    /// Thrown out because the pool was full.
    pub evicted: Vec<Txid>,
}

impl Accepted {
    /// What it pays for 1,000 virtual bytes, whatever an operator adds; satoshis.
    pub fn sat_per_kvb_floor(&self) -> u64 {
        self.entry.fee.to_sat().saturating_mul(1_000).checked_div(self.vsize).unwrap_or(0)
    }
}

/// What has dust is not to be preferred: nobody may be paid for mining it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Priority is not supported for transactions with dust outputs.")]
pub struct DustyPriority;

/// The pool.
#[derive(Debug)]
pub struct Mempool {
    pub(super) config: MempoolConfig,
    pub(super) graph: Graph,
    pub(super) tip: BlockHash,
    pub(super) floor: Floor,
    deltas: BTreeMap<Txid, i64>,
    /// What has left but for a block or another chain, and nobody has heard of yet.
    left: Vec<Txid>,
    /// Counts its changes: what was judged before the last one is judged again.
    pub(super) state: u64,
}

impl Mempool {
    /// An empty pool on `tip`.
    pub fn new(config: MempoolConfig, tip: BlockHash) -> Mempool {
        let (graph, deltas) = (Graph::default(), BTreeMap::new());
        Mempool { config, graph, tip, floor: Floor::default(), deltas, left: Vec::new(), state: 0 }
    }

    /// An empty pool on another tip; what an operator adds to fees stays.
    #[must_use]
    pub fn emptied(&self, tip: BlockHash) -> Mempool {
        let deltas = self.deltas.clone();
        Mempool { deltas, state: self.state.saturating_add(1), ..Mempool::new(self.config, tip) }
    }

    /// The tip on which all held transactions are valid.
    pub fn tip(&self) -> BlockHash {
        self.tip
    }

    fn changed(&mut self) {
        self.state = self.state.saturating_add(1);
    }

    /// Lets a verified transaction join that came at `added_at`, where nothing has come between since it was prepared.
    pub fn admit(
        &mut self,
        verified: VerifiedTx,
        added_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<Accepted, TxRejected> {
        let mut joined = self.join(verified, added_at)?;
        let Some(mut accepted) = joined.pop() else { return Err(TxRejected::TipChanged) };
        accepted.evicted = self.limit(now);
        require(!accepted.evicted.contains(&accepted.entry.tx.txid()), TxRejected::Full)?;
        Ok(accepted)
    }

    /// Lets all of a candidate join, however large the pool grows.
    pub(super) fn join(
        &mut self,
        verified: VerifiedTx,
        added_at: UnixMillis,
    ) -> Result<Vec<Accepted>, TxRejected> {
        let VerifiedTx(Candidate { members, replaced, tip, height, state, .. }) = verified;
        require(tip == self.tip && state == self.state, TxRejected::TipChanged)?;
        self.changed();
        let left = txids(&self.graph.remove_with_descendants(&replaced.into_iter().collect()));
        self.left.extend_from_slice(&left);
        let newcomer = |one: &Checked| Newcomer {
            tx: Arc::clone(&one.tx),
            fee: one.fee,
            delta_sat: one.delta_sat,
            sigop_cost: one.sigop_cost,
            weight: one.weight,
            added_at,
            height,
        };
        self.graph.add(members.iter().map(newcomer).collect());
        let mut left = Some(left);
        let accepted = |one: Checked| Accepted {
            height,
            is_first: self.graph.parents_of(&one.tx).is_empty(),
            modified_fee_sat: modified_sat(one.fee, one.delta_sat),
            vsize: one.rate().size,
            entry: MempoolEntry { tx: one.tx, fee: one.fee, sigop_cost: one.sigop_cost },
            replaced: left.take().unwrap_or_default(),
            evicted: Vec::new(),
        };
        Ok(members.into_iter().map(accepted).collect())
    }

    /// Prepares, verifies and admits in one go.
    pub fn accept(
        &mut self,
        tx: Arc<ParsedTx>,
        chain: &ChainContext<'_>,
        verifier: &dyn ScriptVerifier,
        now: UnixMillis,
    ) -> Result<Accepted, TxRejected> {
        let verified = self.prepare(tx, chain)?.verify(verifier)?;
        self.admit(verified, now, now)
    }

    /// A block joined the best chain: what it has, and what it contradicts, leaves. Returns the latter.
    pub fn block_connected(&mut self, block: &ParsedBlock, now: UnixMillis) -> Vec<Txid> {
        self.tip = block.hash();
        self.changed();
        self.floor.block(now);
        let included: Vec<Txid> = block.txs().iter().map(ParsedTx::txid).collect();
        self.graph.remove(&included);
        for txid in &included {
            self.deltas.remove(txid);
        }
        let spent = block.txs().iter().flat_map(|tx| &tx.tx().input);
        let contradicted: BTreeSet<Txid> =
            spent.filter_map(|input| self.graph.spender(&input.previous_output).copied()).collect();
        txids(&self.graph.remove_with_descendants(&contradicted))
    }

    /// The best chain took another way: everything is judged anew on the new tip, first what `disconnected` blocks (the
    /// highest first) had, then what was held. Of what was held, scripts are not verified again: the outputs that they
    /// spend cannot have changed. What a block had was verified under that block's rules alone: neither those of policy nor
    /// those of the next block, which may be others. What is paid is asked of neither.
    pub fn reorganised(
        &mut self,
        disconnected: &[Arc<ParsedBlock>],
        chain: &ChainContext<'_>,
        verifier: &dyn ScriptVerifier,
        now: UnixMillis,
    ) -> Vec<Txid> {
        let held = std::mem::take(&mut self.graph);
        self.tip = chain.next.prev;
        self.changed();
        let mut refused = Vec::new();
        for tx in disconnected.iter().rev().flat_map(|block| block.txs().iter().skip(1)) {
            let prepared = self.prepare_by(Arc::new(tx.detached()), chain, Rules::BACK);
            let verified = prepared.and_then(|candidate| candidate.verify(verifier));
            if verified.and_then(|verified| self.join(verified, now)).is_err() {
                refused.push(tx.txid());
            }
        }
        for one in held.iter() {
            if !self.comes_back(&one.entry.tx, chain, one.added_at, Some(one.height)) {
                refused.push(one.entry.tx.txid());
            }
        }
        refused.extend(self.limit(now));
        refused
    }

    /// Lets transactions join whose scripts have been verified before, parents before children, each with the time at which it first came.
    /// Returns those that may not.
    pub fn readmit(&mut self, txs: Vec<(Arc<ParsedTx>, UnixMillis)>, chain: &ChainContext<'_>) -> Vec<Txid> {
        self.tip = chain.next.prev;
        self.changed();
        let mut refused = Vec::new();
        for (tx, added_at) in txs {
            if !self.comes_back(&tx, chain, added_at, None) {
                refused.push(tx.txid());
            }
        }
        refused
    }

    /// Whether one joins again that came at that time, and at that height of the tip, or at the present one.
    fn comes_back(
        &mut self,
        tx: &Arc<ParsedTx>,
        chain: &ChainContext<'_>,
        added_at: UnixMillis,
        height: Option<Height>,
    ) -> bool {
        let prepared = self.prepare_by(Arc::clone(tx), chain, Rules::BACK);
        let joined = prepared.and_then(|candidate| {
            let height = height.unwrap_or(candidate.height);
            self.join(VerifiedTx(Candidate { height, ..candidate }), added_at)
        });
        joined.is_ok()
    }

    /// Throws out what has waited for too long, and what is built on it.
    pub fn expire(&mut self, now: UnixMillis) -> Vec<Txid> {
        let Some(then_ms) = now.to_ms().checked_sub(self.config.expiry_ms) else { return Vec::new() };
        let old = self.graph.older_than(UnixMillis::new(then_ms));
        if old.is_empty() {
            return Vec::new();
        }
        self.changed();
        let gone = txids(&self.graph.remove_with_descendants(&old));
        self.left.extend_from_slice(&gone);
        gone
    }

    /// What has left for another, for its age or since there was no room, since this was asked last.
    pub fn take_left(&mut self) -> Vec<Txid> {
        std::mem::take(&mut self.left)
    }

    /// An operator adds to a transaction's fee, or takes from it, in the eyes of whoever builds a block: held or not, until a block has it.
    pub fn prioritise(&mut self, txid: Txid, more_sat: i64) -> Result<(), DustyPriority> {
        let dust = |held: &Held| policy::dust(held.entry.tx.tx(), self.config.dust_sat_per_kvb);
        if self.config.is_strict && self.graph.get(&txid).is_some_and(|held| !dust(held).is_empty()) {
            return Err(DustyPriority);
        }
        let delta = self.deltas.entry(txid).or_default();
        *delta = delta.saturating_add(more_sat);
        let delta_sat = *delta;
        if delta_sat == 0 {
            self.deltas.remove(&txid);
        }
        self.graph.set_delta(&txid, delta_sat);
        self.changed();
        Ok(())
    }

    /// What an operator adds to a fee.
    pub fn delta_sat(&self, txid: &Txid) -> i64 {
        self.deltas.get(txid).copied().unwrap_or(0)
    }

    /// All that an operator adds to fees.
    pub fn prioritised(&self) -> Vec<Prioritised> {
        let row = |(txid, delta_sat): (&Txid, &i64)| Prioritised {
            txid: *txid,
            delta_sat: *delta_sat,
            modified_fee_sat: self.graph.get(txid).map(|held| held.own.fee_sat),
        };
        self.deltas.iter().map(row).collect()
    }

    /// What a block builder should take, in order.
    pub fn snapshot(&self) -> MempoolSnapshot {
        MempoolSnapshot {
            tip: self.tip,
            entries: select(&self.graph, SNAPSHOT_WEIGHT_MAX, self.config.block_min_sat_per_kvb),
        }
    }

    /// The figures that an operator is shown.
    pub fn summary(&self) -> MempoolSummary {
        let count = |sum: u64, held: &Held| sum.saturating_add(held.entry.tx.weight().to_wu());
        let fees = self.graph.iter().fold(0u64, |sum, h| sum.saturating_add(h.entry.fee.to_sat()));
        let best = self.graph.best_first().flat_map(|(_, chunk)| chunk).take(MempoolSummary::ROWS_MAX);
        MempoolSummary {
            transactions: u64::try_from(self.graph.len()).unwrap_or(u64::MAX),
            weight: self.graph.iter().fold(0, count),
            fees: bitcoin::Amount::from_sat(fees),
            rows: best.map(|held| held.entry.clone()).collect(),
        }
    }

    /// All that is known of held transactions.
    pub fn details(&self, wanted: Wanted) -> Vec<MempoolDetail> {
        self.graph.details(wanted)
    }

    /// Those that are mined together, the best first: of all that hang together with one, or of all.
    pub fn chunks(&self, of: Option<&Txid>) -> Vec<Chunk> {
        self.graph.chunks(of)
    }

    /// How many are held, their virtual bytes as policy counts them, and what they pay.
    pub fn sum(&self) -> Sum {
        self.graph.sum()
    }

    /// Whether all that is held is known to be in the best order to mine it.
    pub fn is_best(&self) -> bool {
        self.graph.is_best()
    }

    /// Memory that the held transactions take.
    pub fn usage_bytes(&self) -> u64 {
        self.graph.usage_bytes()
    }

    /// A held transaction.
    pub fn get(&self, txid: &Txid) -> Option<&MempoolEntry> {
        self.graph.get(txid).map(|held| &held.entry)
    }

    /// A held transaction, by the id that its witnesses count for.
    pub fn get_by_wtxid(&self, wtxid: &Wtxid) -> Option<&MempoolEntry> {
        self.graph.get_by_wtxid(wtxid).map(|held| &held.entry)
    }

    /// All of them in an order in which they may be readmitted, each with the time at which it came.
    pub fn iter(&self) -> impl Iterator<Item = (&MempoolEntry, UnixMillis)> {
        self.graph.iter().map(|held| (&held.entry, held.added_at))
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.graph.len() == 0
    }

    /// The lowest feerate that may join now; satoshis per 1,000 virtual bytes.
    pub fn min_fee_sat_per_kvb(&self) -> u64 {
        self.floor.sat_per_kvb().max(self.config.min_fee_sat_per_kvb)
    }

    /// Time passes: what a full pool asks for falls again.
    pub fn pass_time(&mut self, now: UnixMillis) {
        let (usage_bytes, config) = (self.graph.usage_bytes(), self.config);
        self.floor.pass(now, usage_bytes, config.bytes_max, config.incremental_sat_per_kvb);
    }

    /// Throws out what has waited for too long, and the worst until the pool fits. What joins later must pay more than what left.
    pub(super) fn limit(&mut self, now: UnixMillis) -> Vec<Txid> {
        let mut gone = self.expire(now);
        while self.graph.usage_bytes() > self.config.bytes_max {
            let Some((worst, rate)) = self.graph.worst() else { break };
            self.floor.rise(rate.by_vsize(), self.config.incremental_sat_per_kvb);
            self.changed();
            let worst = txids(&self.graph.remove_with_descendants(&worst.into_iter().collect()));
            self.left.extend_from_slice(&worst);
            gone.extend(worst);
        }
        gone
    }
}

fn txids(held: &[Held]) -> Vec<Txid> {
    held.iter().map(|h| h.entry.tx.txid()).collect()
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
