//! Whether a transaction may join: everything but its scripts, in Core's order.
//!
//! Owns: the order of the rules. Must not know: how what is held is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, BlockHash, OutPoint, Transaction, TxOut, Txid};

use super::feerate::{FeeRate, fee_at_ceil, is_better};
use super::graph::modified_sat;
use super::limits::{REPLACED_CLUSTERS_MAX, TX_SIGOP_COST_MAX};
use super::truc::{self, Verdict};
use super::{ChainContext, Mempool, TxRejected, policy};
use crate::consensus::{
    Coin, TxError, check_transaction, check_tx_inputs, is_final_tx, sequence_locks_met, sigop_cost,
};
use crate::script::{ScriptFlags, ScriptVerifier, Spend};
use crate::units::Height;
use crate::wire::ParsedTx;

/// What is not asked of some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether it is new: what was held or mined before neither pays again nor is measured by what is relayed.
    pub is_new: bool,
    /// Whether it pays for itself; among others it may be paid for.
    pub pays: bool,
    /// Whether it may replace others.
    pub replaces: bool,
    /// Whether it may replace the other child of its parent.
    pub evicts_sibling: bool,
    /// What it may pay at most; satoshis per 1,000 virtual bytes.
    pub sat_per_kvb_max: Option<u64>,
}

impl Rules {
    /// One that comes alone.
    pub(super) const ALONE: Rules =
        Rules { is_new: true, pays: true, replaces: true, evicts_sibling: true, sat_per_kvb_max: None };
    /// One that has been here, or in a block.
    pub(super) const BACK: Rules =
        Rules { is_new: false, pays: false, replaces: false, evicts_sibling: false, sat_per_kvb_max: None };
}

/// A transaction that has passed everything but its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub tx: Arc<ParsedTx>,
    pub prevouts: Vec<TxOut>,
    /// Those of its parents that are held.
    pub parents: BTreeSet<Txid>,
    pub fee: Amount,
    pub delta_sat: i64,
    pub sigop_cost: u32,
    /// Units of weight, as policy counts them.
    pub weight: u64,
    /// Held ones that spend what it spends.
    pub conflicts: BTreeSet<Txid>,
    /// Whether the other child of its parent is among them.
    pub sibling: bool,
}

impl Checked {
    /// What it pays for its weight.
    pub(super) fn own(&self) -> FeeRate {
        FeeRate { fee_sat: modified_sat(self.fee, self.delta_sat), size: self.weight }
    }

    /// What it pays for its virtual bytes.
    pub(super) fn rate(&self) -> FeeRate {
        self.own().by_vsize()
    }
}

/// Transactions that have passed everything but their scripts, and would join together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub(super) members: Vec<Checked>,
    /// What would leave for them.
    pub(super) replaced: Vec<Txid>,
    pub(super) script_flags: ScriptFlags,
    pub(super) tip: BlockHash,
    /// Its height.
    pub(super) height: Height,
    /// The pool's state that they were judged in.
    pub(super) state: u64,
}

/// A candidate whose scripts are verified too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTx(pub(super) Candidate);

impl Candidate {
    /// Virtual bytes as policy counts them, what is paid, and that with what an operator adds; satoshis.
    pub fn price(&self) -> (u64, Amount, i64) {
        let sum = |(vsize, fee, modified_sat): (u64, Amount, i64), one: &Checked| {
            let rate = one.rate();
            let fee = fee.checked_add(one.fee).unwrap_or(Amount::MAX);
            (vsize.saturating_add(rate.size), fee, modified_sat.saturating_add(rate.fee_sat))
        };
        self.members.iter().fold((0, Amount::ZERO, 0), sum)
    }

    /// What would leave for it.
    pub fn replaced(&self) -> &[Txid] {
        &self.replaced
    }

    /// Verifies every script under the rules of consensus and policy, and then under those of the next block alone: what
    /// passed the former passes the latter, and a verifier that remembers will know it when the block comes. Takes no
    /// part of the pool: any thread may do it.
    pub fn verify(self, verifier: &dyn ScriptVerifier) -> Result<VerifiedTx, TxRejected> {
        self.members.iter().try_for_each(|one| verify(one, self.script_flags, verifier))?;
        Ok(VerifiedTx(self))
    }
}

/// What is wrong with what it spends, with the figures that Core tells.
fn detailed(error: TxError, tx: &Transaction, coins: &[Coin], spent_at: Height) -> TxRejected {
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
        let sat = amounts.fold(0u64, |sum, amount| sum.saturating_add(amount.to_sat()));
        i64::try_from(sat).unwrap_or(i64::MAX)
    };
    match error {
        TxError::InputsBelowOutputs => TxRejected::InBelowOut {
            in_sat: sum(&mut coins.iter().map(|coin| coin.output.value)),
            out_sat: sum(&mut tx.output.iter().map(|output| output.value)),
        },
        TxError::PrematureCoinbaseSpend => {
            let depth = |coin: &Coin| spent_at.to_u32().saturating_sub(coin.height.to_u32());
            let young = coins.iter().filter(|coin| coin.is_coinbase).map(depth);
            young.min().map_or(TxRejected::Consensus(error), TxRejected::Premature)
        }
        error => TxRejected::Consensus(error),
    }
}

pub(super) fn verify(
    one: &Checked,
    next_block: ScriptFlags,
    verifier: &dyn ScriptVerifier,
) -> Result<(), TxRejected> {
    let (tx, wtxid) = (&one.tx, one.tx.wtxid());
    let spend = Spend { tx: tx.tx(), wtxid, raw: tx.raw(), prevouts: &one.prevouts };
    let passes = [ScriptFlags::STANDARD, next_block];
    passes.into_iter().try_for_each(|flags| verifier.verify_tx(&spend, flags)).map_err(|(input, error)| {
        let spent = tx.tx().input.get(input).map(|input| input.previous_output);
        TxRejected::Script { error, input, txid: tx.txid(), wtxid, prevout: spent.unwrap_or_default() }
    })
}

impl Mempool {
    /// Checks all but the scripts of one that comes alone, in Core's order.
    pub fn prepare(&self, tx: Arc<ParsedTx>, chain: &ChainContext<'_>) -> Result<Candidate, TxRejected> {
        self.prepare_by(tx, chain, Rules::ALONE)
    }

    pub(super) fn prepare_by(
        &self,
        tx: Arc<ParsedTx>,
        chain: &ChainContext<'_>,
        rules: Rules,
    ) -> Result<Candidate, TxRejected> {
        require(chain.next.prev == self.tip, TxRejected::TipChanged)?;
        let checked = self.check(tx, chain, &BTreeMap::new(), rules)?;
        let replaced = self.check_replacement(&checked)?;
        self.check_clusters(std::slice::from_ref(&checked), &replaced)?;
        if !checked.conflicts.is_empty() {
            self.check_improvement(std::slice::from_ref(&checked), &replaced)?;
        }
        self.check_disjoint(&checked)?;
        check_most(checked.rate(), rules)?;
        if rules.is_new {
            self.check_dust_is_spent(&[&checked.tx])?;
        }
        Ok(self.candidate(vec![checked], replaced, chain))
    }

    pub(super) fn candidate(
        &self,
        members: Vec<Checked>,
        replaced: BTreeSet<Txid>,
        chain: &ChainContext<'_>,
    ) -> Candidate {
        let (script_flags, replaced) = (chain.script_flags, replaced.into_iter().collect());
        let height = chain.headers.tip_height();
        Candidate { members, replaced, script_flags, tip: self.tip, height, state: self.state }
    }

    /// What a transaction is by itself and by what it spends; `others` are outputs of those that come with it.
    pub(super) fn check(
        &self,
        tx: Arc<ParsedTx>,
        chain: &ChainContext<'_>,
        others: &BTreeMap<OutPoint, TxOut>,
        rules: Rules,
    ) -> Result<Checked, TxRejected> {
        check_transaction(&tx).map_err(TxRejected::Consensus)?;
        require(!tx.tx().is_coinbase(), TxRejected::Coinbase)?;
        if self.config.is_strict {
            policy::check_form(&tx, &self.config)?;
        }
        policy::check_base_size(tx.tx())?;
        let final_next = is_final_tx(tx.tx(), chain.next.height, chain.next.median_time_past);
        require(final_next, TxRejected::NonFinal)?;
        let conflicts = self.check_new(&tx, rules)?;
        let coins = self.coins_of(&tx, chain, others)?;
        require(sequence_locks_met(tx.tx(), &coins, chain.headers)?, TxRejected::NonBip68Final)?;
        let spends = check_tx_inputs(tx.tx(), &coins, chain.next.height);
        let fee = spends.map_err(|error| detailed(error, tx.tx(), &coins, chain.next.height))?;
        let cost = sigop_cost(tx.tx(), &coins, ScriptFlags::STANDARD);
        let sigop_cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let prevouts: Vec<TxOut> = coins.into_iter().map(|coin| coin.output).collect();
        if self.config.is_strict {
            policy::check_inputs(tx.tx(), &prevouts)?;
            policy::check_witnesses(tx.tx(), &prevouts)?;
        }
        let (delta_sat, weight) = (self.delta_sat(&tx.txid()), self.config.weight_of(&tx, sigop_cost));
        let parents = self.graph.parents_of(&tx);
        let checked =
            Checked { tx, prevouts, parents, fee, delta_sat, sigop_cost, weight, conflicts, sibling: false };
        self.check_price(checked, rules)
    }

    /// What it pays, and what that says of it.
    fn check_price(&self, mut checked: Checked, rules: Rules) -> Result<Checked, TxRejected> {
        let rate = checked.rate();
        if self.config.is_strict {
            let free = checked.fee == Amount::ZERO && rate.fee_sat == 0;
            let dusty = !policy::dust(checked.tx.tx(), self.config.dust_sat_per_kvb).is_empty();
            require(free || !dusty, TxRejected::DustNotFree)?;
        }
        require(checked.sigop_cost <= TX_SIGOP_COST_MAX, TxRejected::TooManySigops(checked.sigop_cost))?;
        if rules.pays {
            self.check_fee(rate)?;
        }
        if rules.is_new {
            self.check_truc(&mut checked, rules)?;
        }
        Ok(checked)
    }

    fn check_truc(&self, checked: &mut Checked, rules: Rules) -> Result<(), TxRejected> {
        let Checked { tx, parents, conflicts, .. } = &*checked;
        match truc::check_one(&self.graph, tx, parents, conflicts, checked.rate().size) {
            Verdict::Fine => {}
            Verdict::InPlaceOf(sibling, _) if rules.evicts_sibling => {
                checked.conflicts.insert(sibling);
                checked.sibling = true;
            }
            Verdict::InPlaceOf(_, violation) | Verdict::Refused(violation) => {
                return Err(TxRejected::Truc(violation));
            }
        }
        Ok(())
    }

    /// It MUST NOT be held; those that spend what it spends are in its way. `txn-already-in-mempool`, `bip125-replacement-disallowed`
    fn check_new(&self, tx: &ParsedTx, rules: Rules) -> Result<BTreeSet<Txid>, TxRejected> {
        require(self.graph.get_by_wtxid(&tx.wtxid()).is_none(), TxRejected::AlreadyHeld)?;
        require(self.graph.get(&tx.txid()).is_none(), TxRejected::SameNonWitnessData)?;
        let spender = |outpoint: &OutPoint| self.graph.spender(outpoint).copied();
        let conflicts: BTreeSet<Txid> =
            tx.tx().input.iter().filter_map(|input| spender(&input.previous_output)).collect();
        require(rules.replaces || conflicts.is_empty(), TxRejected::Conflict)?;
        Ok(conflicts)
    }

    /// The coins that a transaction spends, in order: the tip's, and outputs of held transactions, or of those that come with it, as if
    /// the next block had them.
    fn coins_of(
        &self,
        tx: &ParsedTx,
        chain: &ChainContext<'_>,
        others: &BTreeMap<OutPoint, TxOut>,
    ) -> Result<Vec<Coin>, TxRejected> {
        let mut coins = Vec::with_capacity(tx.tx().input.len());
        for input in &tx.tx().input {
            let outpoint = &input.previous_output;
            let waiting = self.graph.output(outpoint).or_else(|| others.get(outpoint)).cloned();
            let coin = match waiting {
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

    /// The feerate MUST be what is relayed, and what a full pool asks for. `mempool min fee not met`, `min relay fee not met`
    pub(super) fn check_fee(&self, rate: FeeRate) -> Result<(), TxRejected> {
        let (fee_sat, enough) =
            (rate.fee_sat, |needed: u64| i64::try_from(needed).is_ok_and(|n| rate.fee_sat >= n));
        let needed_sat = fee_at_ceil(self.floor.sat_per_kvb(), rate.size);
        require(needed_sat == 0 || enough(needed_sat), TxRejected::MempoolFee { fee_sat, needed_sat })?;
        let needed_sat = fee_at_ceil(self.config.min_fee_sat_per_kvb, rate.size);
        require(enough(needed_sat), TxRejected::RelayFee { fee_sat, needed_sat })
    }

    /// What it replaces, with all that is built on that: few clusters, for which it MUST pay, and for its own way. `insufficient fee`
    fn check_replacement(&self, checked: &Checked) -> Result<BTreeSet<Txid>, TxRejected> {
        if checked.conflicts.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (txid, sibling) = (checked.tx.txid(), checked.sibling);
        let clusters = self.clusters_hit(&checked.conflicts);
        let most = REPLACED_CLUSTERS_MAX;
        require(clusters <= most, TxRejected::TooManyReplacements { txid, clusters, most, sibling })?;
        let replaced = self.graph.descendants_of(&checked.conflicts).into_iter().collect();
        self.check_pays_more(txid, checked.rate(), &replaced, sibling)?;
        Ok(replaced)
    }

    /// How many clusters they are of.
    pub(super) fn clusters_hit(&self, txids: &BTreeSet<Txid>) -> usize {
        let numbers: BTreeSet<u64> =
            txids.iter().filter_map(|txid| self.graph.cluster_number(txid)).collect();
        numbers.len()
    }

    /// The new fees MUST be as much as the old ones, and what relaying costs more.
    pub(super) fn check_pays_more(
        &self,
        txid: Txid,
        new: FeeRate,
        replaced: &BTreeSet<Txid>,
        sibling: bool,
    ) -> Result<(), TxRejected> {
        let old = replaced.iter().filter_map(|txid| self.graph.get(txid));
        let replaced_sat = old.fold(0i64, |sum, held| sum.saturating_add(held.own.fee_sat));
        let fee_sat = new.fee_sat;
        let less = TxRejected::LessThanReplaced { txid, fee_sat, replaced_sat, sibling };
        require(fee_sat >= replaced_sat, less)?;
        let needed = fee_at_ceil(self.config.incremental_sat_per_kvb, new.size);
        let needed_sat = i64::try_from(needed).unwrap_or(i64::MAX);
        let more_sat = fee_sat.saturating_sub(replaced_sat);
        require(more_sat >= needed_sat, TxRejected::NotEnoughMore { txid, more_sat, needed_sat, sibling })
    }

    /// What hangs together with the newcomers MUST be neither too many nor too much. `too-large-cluster`
    pub(super) fn check_clusters(
        &self,
        members: &[Checked],
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), TxRejected> {
        for cluster in self.clusters_with(members, replaced, BTreeSet::new()) {
            let weight =
                cluster.iter().fold(0u64, |sum, txid| sum.saturating_add(self.rate_of(txid, members).size));
            let weight_max = self.config.cluster_vsize_max.saturating_mul(4);
            let fits = cluster.len() <= self.config.cluster_txs_max && weight <= weight_max;
            require(fits, TxRejected::ClusterTooLarge)?;
        }
        Ok(())
    }

    /// Whoever mines MUST be better off with them. `replacement-failed`
    pub(super) fn check_improvement(
        &self,
        members: &[Checked],
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), TxRejected> {
        let parents = members.iter().flat_map(|one| one.parents.iter().copied());
        let touched: BTreeSet<Txid> = replaced.iter().copied().chain(parents).collect();
        let before: BTreeSet<Txid> = self.graph.clusters_of(&touched).into_iter().collect();
        let rates = |clusters: Vec<Vec<Txid>>| -> Vec<FeeRate> {
            let chunks = |cluster: Vec<Txid>| {
                let other = |txid: &Txid| self.newcomer(txid, members);
                self.graph.chunks_of(&cluster, other).0.into_iter().map(|(rate, _)| rate)
            };
            clusters.into_iter().flat_map(chunks).collect()
        };
        let old = rates(self.clusters_with(&[], &BTreeSet::new(), before.clone()));
        let new = rates(self.clusters_with(members, replaced, before));
        require(is_better(&old, &new), TxRejected::NoImprovement)
    }

    /// What hangs together once `members` have joined and `replaced` have left, each parents before children: all clusters that have one of
    /// `members` or of `among`.
    fn clusters_with(
        &self,
        members: &[Checked],
        replaced: &BTreeSet<Txid>,
        among: BTreeSet<Txid>,
    ) -> Vec<Vec<Txid>> {
        let mut left: BTreeSet<Txid> = among.into_iter().filter(|txid| !replaced.contains(txid)).collect();
        left.extend(members.iter().map(|one| one.tx.txid()));
        let mut clusters = Vec::new();
        while let Some(first) = left.first().copied() {
            let cluster = self.cluster_with(first, members, replaced);
            for txid in &cluster {
                left.remove(txid);
            }
            clusters.push(cluster);
        }
        clusters
    }

    fn cluster_with(&self, first: Txid, members: &[Checked], replaced: &BTreeSet<Txid>) -> Vec<Txid> {
        let (mut seen, mut queue) = (BTreeSet::new(), vec![first]);
        while let Some(txid) = queue.pop() {
            // One beyond the limit is enough to know.
            if replaced.contains(&txid) || seen.len() > self.config.cluster_txs_max || !seen.insert(txid) {
                continue;
            }
            if let Some(held) = self.graph.get(&txid) {
                queue.extend(held.parents.iter().chain(&held.children).copied());
            }
            for one in members {
                if one.tx.txid() == txid {
                    queue.extend(self.parents_with(one, members));
                } else if self.parents_with(one, members).contains(&txid) {
                    queue.push(one.tx.txid());
                }
            }
        }
        let mut order: Vec<Txid> = seen.into_iter().collect();
        let newcomer = |txid: &Txid| members.iter().position(|one| one.tx.txid() == *txid);
        order.sort_by_key(|txid| (newcomer(txid), self.graph.get(txid).map(|held| held.sequence)));
        order
    }

    /// Parents of a newcomer, held or new.
    fn parents_with(&self, one: &Checked, members: &[Checked]) -> BTreeSet<Txid> {
        let spent: BTreeSet<Txid> =
            one.tx.tx().input.iter().map(|input| input.previous_output.txid).collect();
        let new = members.iter().map(|other| other.tx.txid()).filter(|txid| spent.contains(txid));
        one.parents.iter().copied().chain(new).collect()
    }

    fn newcomer(&self, txid: &Txid, members: &[Checked]) -> Option<(FeeRate, BTreeSet<Txid>)> {
        let one = members.iter().find(|one| one.tx.txid() == *txid)?;
        Some((one.own(), self.parents_with(one, members)))
    }

    fn rate_of(&self, txid: &Txid, members: &[Checked]) -> FeeRate {
        let held = self.graph.get(txid).map(|held| held.own);
        held.or_else(|| self.newcomer(txid, members).map(|(rate, _)| rate)).unwrap_or_default()
    }

    /// It MUST NOT be built on what it replaces. `bad-txns-spends-conflicting-tx`
    fn check_disjoint(&self, checked: &Checked) -> Result<(), TxRejected> {
        let above = self.graph.ancestors_of(&checked.parents);
        let both = above.into_iter().find(|txid| checked.conflicts.contains(txid));
        let txid = checked.tx.txid();
        both.map_or(Ok(()), |ancestor| Err(TxRejected::SpendsConflicting { txid, ancestor }))
    }

    /// Each MUST spend all dust of its parents. `missing-ephemeral-spends`
    pub(super) fn check_dust_is_spent(&self, txs: &[&Arc<ParsedTx>]) -> Result<(), TxRejected> {
        if !self.config.is_strict {
            return Ok(());
        }
        for tx in txs {
            let spent: BTreeSet<OutPoint> = tx.tx().input.iter().map(|input| input.previous_output).collect();
            let parents: BTreeSet<Txid> = spent.iter().map(|outpoint| outpoint.txid).collect();
            for parent in parents {
                let beside = txs.iter().find(|other| other.txid() == parent).map(|other| other.tx());
                let Some(found) = beside.or_else(|| self.graph.get(&parent).map(|held| held.entry.tx.tx()))
                else {
                    continue;
                };
                let dust = policy::dust(found, self.config.dust_sat_per_kvb);
                let all = dust.into_iter().all(|vout| spent.contains(&OutPoint { txid: parent, vout }));
                let (txid, wtxid) = (tx.txid(), tx.wtxid());
                require(all, TxRejected::MissingEphemeralSpends { txid, wtxid })?;
            }
        }
        Ok(())
    }
}

/// It MUST NOT pay more for its size than whoever offers it has allowed. `max feerate exceeded`
pub(super) fn check_most(rate: FeeRate, rules: Rules) -> Result<(), TxRejected> {
    let most =
        |sat_per_kvb: u64| FeeRate { fee_sat: i64::try_from(sat_per_kvb).unwrap_or(i64::MAX), size: 1_000 };
    let exceeds = rules.sat_per_kvb_max.is_some_and(|max| rate.compare(most(max)).is_gt());
    require(!exceeds, TxRejected::MaxFeeRate)
}

pub(super) fn require(holds: bool, otherwise: TxRejected) -> Result<(), TxRejected> {
    if holds { Ok(()) } else { Err(otherwise) }
}
