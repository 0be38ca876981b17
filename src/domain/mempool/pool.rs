//! The pool: what may join it, what a block or a reorganisation does to it, what it offers a block builder.

use std::sync::Arc;

use bitcoin::{Amount, BlockHash, OutPoint, TxOut, Txid, Wtxid};

use super::feerate::{FeeRate, fee_at_ceil};
use super::graph::{Graph, Held, policy_vsize};
use super::limits::{EVICTION_STEP_SAT_PER_KVB, EXPIRY_MS, SNAPSHOT_WEIGHT_MAX, TX_SIGOP_COST_MAX};
use super::selection::select;
use super::{MempoolDetail, MempoolEntry, MempoolSnapshot, MempoolSummary, TxRejected, Wanted, policy};
use crate::chain::NextBlock;
use crate::consensus::{
    Coin, HeaderView, UtxoView, check_transaction, check_tx_inputs, is_final_tx, sequence_locks_met,
    sigop_cost,
};
use crate::script::{ScriptFlags, ScriptVerifier, Spend};
use crate::units::UnixMillis;
use crate::wire::{ParsedBlock, ParsedTx};

/// What the pool may grow to, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Memory at most.
    pub bytes_max: u64,
    /// The lowest feerate that is relayed; satoshis per 1,000 virtual bytes.
    pub min_fee_sat_per_kvb: u64,
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

/// A transaction that has passed everything but its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    tx: Arc<ParsedTx>,
    prevouts: Vec<TxOut>,
    parents: Vec<Txid>,
    fee: Amount,
    sigop_cost: u32,
    script_flags: ScriptFlags,
    tip: BlockHash,
}

/// A candidate whose scripts are verified too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTx(Candidate);

/// A transaction that has joined, and what had to leave for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// It.
    pub entry: MempoolEntry,
    /// Its virtual bytes as policy counts them.
    pub vsize: u64,
    /// Thrown out because the pool was full.
    pub evicted: Vec<Txid>,
}

impl Candidate {
    /// Its virtual bytes as policy counts them, and what it pays.
    pub fn price(&self) -> (u64, Amount) {
        (policy_vsize(&self.tx, self.sigop_cost), self.fee)
    }

    /// Verifies every script under the rules of consensus and policy, and then under those of the next block alone: what
    /// passed the former passes the latter, and a verifier that remembers will know it when the block comes. Takes no
    /// part of the pool: any thread may do it.
    pub fn verify(self, verifier: &dyn ScriptVerifier) -> Result<VerifiedTx, TxRejected> {
        let spend =
            Spend { tx: self.tx.tx(), wtxid: self.tx.wtxid(), raw: self.tx.raw(), prevouts: &self.prevouts };
        let passes = [ScriptFlags::STANDARD, self.script_flags];
        let verified = passes.into_iter().try_for_each(|flags| verifier.verify_tx(&spend, flags));
        verified.map_err(|(_, error)| TxRejected::Script(error))?;
        Ok(VerifiedTx(self))
    }
}

/// The pool.
#[derive(Debug)]
pub struct Mempool {
    config: MempoolConfig,
    graph: Graph,
    tip: BlockHash,
    floor_sat_per_kvb: u64,
}

impl Mempool {
    /// An empty pool on `tip`.
    pub fn new(config: MempoolConfig, tip: BlockHash) -> Mempool {
        Mempool { config, graph: Graph::default(), tip, floor_sat_per_kvb: 0 }
    }

    /// The tip on which all held transactions are valid.
    pub fn tip(&self) -> BlockHash {
        self.tip
    }

    /// Checks all but the scripts, in Core's order.
    pub fn prepare(&self, tx: Arc<ParsedTx>, chain: &ChainContext<'_>) -> Result<Candidate, TxRejected> {
        require(chain.next.prev == self.tip, TxRejected::TipChanged)?;
        check_transaction(&tx).map_err(consensus)?;
        require(!tx.tx().is_coinbase(), TxRejected::Coinbase)?;
        policy::check_form(&tx)?;
        let final_next = is_final_tx(tx.tx(), chain.next.height, chain.next.median_time_past);
        require(final_next, TxRejected::NonFinal)?;
        self.check_new(&tx)?;
        let coins = self.coins_of(&tx, chain)?;
        require(sequence_locks_met(tx.tx(), &coins, chain.headers)?, TxRejected::NonBip68Final)?;
        let fee = check_tx_inputs(tx.tx(), &coins, chain.next.height).map_err(consensus)?;
        let cost = sigop_cost(tx.tx(), &coins, ScriptFlags::STANDARD);
        let prevouts: Vec<TxOut> = coins.into_iter().map(|coin| coin.output).collect();
        policy::check_inputs(tx.tx(), &prevouts)?;
        policy::check_witnesses(tx.tx(), &prevouts)?;
        let sigop_cost = u32::try_from(cost).unwrap_or(u32::MAX);
        require(sigop_cost <= TX_SIGOP_COST_MAX, TxRejected::TooManySigops)?;
        let vsize = policy_vsize(&tx, sigop_cost);
        self.check_fee(fee, vsize)?;
        self.graph.check_chain(&tx, vsize)?;
        let spent = tx.tx().input.iter().map(|input| input.previous_output.txid);
        let parents = spent.filter(|txid| self.graph.get(txid).is_some()).collect();
        let script_flags = chain.script_flags;
        Ok(Candidate { tx, prevouts, parents, fee, sigop_cost, script_flags, tip: self.tip })
    }

    /// Lets a verified transaction join, where nothing has come between since it was prepared.
    pub fn admit(&mut self, verified: VerifiedTx, now: UnixMillis) -> Result<Accepted, TxRejected> {
        let VerifiedTx(Candidate { tx, parents, fee, sigop_cost, tip, .. }) = verified;
        require(tip == self.tip, TxRejected::TipChanged)?;
        self.check_new(&tx)?;
        let there = parents.iter().all(|parent| self.graph.get(parent).is_some());
        require(there, TxRejected::MissingInputs)?;
        self.graph.check_chain(&tx, policy_vsize(&tx, sigop_cost))?;
        let vsize = policy_vsize(&tx, sigop_cost);
        let entry = MempoolEntry { tx: Arc::clone(&tx), fee, sigop_cost };
        self.graph.add(tx, fee, sigop_cost, now);
        let evicted = self.trim();
        require(!evicted.contains(&entry.tx.txid()), TxRejected::Full)?;
        Ok(Accepted { entry, vsize, evicted })
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
        self.admit(verified, now)
    }

    /// A block joined the best chain: what it has, and what it contradicts, leaves. Returns the latter.
    pub fn block_connected(&mut self, block: &ParsedBlock) -> Vec<Txid> {
        self.tip = block.hash();
        let mut contradicted = Vec::new();
        for tx in block.txs() {
            if self.graph.remove_one(&tx.txid()).is_some() {
                continue;
            }
            for input in &tx.tx().input {
                if let Some(spender) = self.graph.spender(&input.previous_output).copied() {
                    contradicted.extend(txids(self.graph.remove_with_descendants(&spender)));
                }
            }
        }
        contradicted
    }

    /// The best chain took another way: everything is judged anew on the new tip, first what `disconnected` blocks (the
    /// highest first) had, then what was held. Of what was held, scripts are not verified again: the outputs that they
    /// spend cannot have changed. What a block had was verified under that block's rules alone: neither those of policy nor
    /// those of the next block, which may be others.
    pub fn reorganised(
        &mut self,
        disconnected: &[Arc<ParsedBlock>],
        chain: &ChainContext<'_>,
        verifier: &dyn ScriptVerifier,
        now: UnixMillis,
    ) -> Vec<Txid> {
        let held = std::mem::take(&mut self.graph);
        self.tip = chain.next.prev;
        let mut refused = Vec::new();
        for tx in disconnected.iter().rev().flat_map(|block| block.txs().iter().skip(1)) {
            if self.accept(Arc::new(tx.detached()), chain, verifier, now).is_err() {
                refused.push(tx.txid());
            }
        }
        let kept = held.iter().map(|h| (Arc::clone(&h.entry.tx), h.added_at)).collect();
        refused.extend(self.readmit(kept, chain));
        refused
    }

    /// Lets transactions join whose scripts have been verified before, parents before children, each with the time at which it first came.
    /// Returns those that may not.
    pub fn readmit(&mut self, txs: Vec<(Arc<ParsedTx>, UnixMillis)>, chain: &ChainContext<'_>) -> Vec<Txid> {
        self.tip = chain.next.prev;
        let mut refused = Vec::new();
        for (tx, added_at) in txs {
            let txid = tx.txid();
            let admitted = self.prepare(tx, chain).and_then(|c| self.admit(VerifiedTx(c), added_at));
            if admitted.is_err() {
                refused.push(txid);
            }
        }
        refused
    }

    /// Throws out what has waited for too long, and what is built on it.
    pub fn expire(&mut self, now: UnixMillis) -> Vec<Txid> {
        let late = |held: &&Held| now.ms_since(held.added_at) > EXPIRY_MS;
        let old: Vec<Txid> = self.graph.iter().filter(late).map(|h| h.entry.tx.txid()).collect();
        let gone = old.iter().flat_map(|txid| self.graph.remove_with_descendants(txid)).collect();
        txids(gone)
    }

    /// What a block builder should take, in order.
    pub fn snapshot(&self) -> MempoolSnapshot {
        MempoolSnapshot { tip: self.tip, entries: select(&self.graph, SNAPSHOT_WEIGHT_MAX) }
    }

    /// The figures that an operator is shown.
    pub fn summary(&self) -> MempoolSummary {
        let count = |sum: u64, held: &Held| sum.saturating_add(held.entry.tx.weight().to_wu());
        let fees = self.graph.iter().fold(0u64, |sum, h| sum.saturating_add(h.entry.fee.to_sat()));
        let rows = self.graph.best_first().take(MempoolSummary::ROWS_MAX).map(|h| h.entry.clone());
        MempoolSummary {
            transactions: u64::try_from(self.graph.len()).unwrap_or(u64::MAX),
            weight: self.graph.iter().fold(0, count),
            fees: Amount::from_sat(fees),
            rows: rows.collect(),
        }
    }

    /// All that is known of held transactions.
    pub fn details(&self, wanted: Wanted) -> Vec<MempoolDetail> {
        self.graph.details(wanted)
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
        self.floor_sat_per_kvb.max(self.config.min_fee_sat_per_kvb)
    }

    fn check_new(&self, tx: &ParsedTx) -> Result<(), TxRejected> {
        require(self.graph.get_by_wtxid(&tx.wtxid()).is_none(), TxRejected::AlreadyHeld)?;
        require(self.graph.get(&tx.txid()).is_none(), TxRejected::SameNonWitnessData)?;
        let free = |outpoint: &OutPoint| self.graph.spender(outpoint).is_none();
        let all_free = tx.tx().input.iter().all(|input| free(&input.previous_output));
        require(all_free, TxRejected::Conflict)
    }

    /// The coins that a transaction spends, in order: the tip's, and outputs of held transactions as if the next block had them.
    fn coins_of(&self, tx: &ParsedTx, chain: &ChainContext<'_>) -> Result<Vec<Coin>, TxRejected> {
        let mut coins = Vec::with_capacity(tx.tx().input.len());
        for input in &tx.tx().input {
            let outpoint = &input.previous_output;
            let held = self.graph.output(outpoint).cloned();
            let coin = match held {
                Some(output) => Some(Coin { output, height: chain.next.height, is_coinbase: false }),
                None => chain.coins.coin(outpoint)?,
            };
            coins.push(coin.ok_or_else(|| self.why_missing(tx, chain))?);
        }
        Ok(coins)
    }

    /// A transaction whose own outputs are coins already is in a block.
    fn why_missing(&self, tx: &ParsedTx, chain: &ChainContext<'_>) -> TxRejected {
        let outputs = u32::try_from(tx.tx().output.len()).unwrap_or(u32::MAX);
        let mut own = (0..outputs).map(|vout| OutPoint { txid: tx.txid(), vout });
        let known = own.any(|outpoint| chain.coins.has_coin(&outpoint).unwrap_or(false));
        if known { TxRejected::AlreadyKnown } else { TxRejected::MissingInputs }
    }

    fn check_fee(&self, fee: Amount, vsize: u64) -> Result<(), TxRejected> {
        let fee_sat = fee.to_sat();
        let needed_sat = fee_at_ceil(self.floor_sat_per_kvb, vsize);
        require(fee_sat >= needed_sat, TxRejected::MempoolFee { fee_sat, needed_sat })?;
        let needed_sat = fee_at_ceil(self.config.min_fee_sat_per_kvb, vsize);
        require(fee_sat >= needed_sat, TxRejected::RelayFee { fee_sat, needed_sat })
    }

    /// Throws the worst out until the pool fits. What joins later must pay more than what left; once half the pool is free
    /// again, that is over.
    fn trim(&mut self) -> Vec<Txid> {
        if self.graph.usage_bytes() < self.config.bytes_max / 2 {
            self.floor_sat_per_kvb = 0;
        }
        let mut evicted = Vec::new();
        while self.graph.usage_bytes() > self.config.bytes_max {
            let Some((txid, rate)) = self.graph.worst() else { break };
            self.raise_floor(rate);
            evicted.extend(txids(self.graph.remove_with_descendants(&txid)));
        }
        evicted
    }

    fn raise_floor(&mut self, left: FeeRate) {
        let above = left.sat_per_kvb_floor().saturating_add(EVICTION_STEP_SAT_PER_KVB);
        self.floor_sat_per_kvb = self.floor_sat_per_kvb.max(above);
    }
}

fn txids(held: Vec<Held>) -> Vec<Txid> {
    held.iter().map(|h| h.entry.tx.txid()).collect()
}

fn consensus(error: crate::consensus::TxError) -> TxRejected {
    TxRejected::Consensus(error)
}

fn require(holds: bool, otherwise: TxRejected) -> Result<(), TxRejected> {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
