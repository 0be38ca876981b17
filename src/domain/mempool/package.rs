//! Transactions that come together: a child may pay for its parents.
//!
//! Owns: what a package may look like, and in which order its transactions are tried. Must not know: who sent it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{OutPoint, TxOut, Txid, Wtxid};
use thiserror::Error;

use super::feerate::FeeRate;
use super::judge::{Candidate, Checked, Rules, VerifiedTx, check_most};
use super::limits::{PACKAGE_TXS_MAX, PACKAGE_WEIGHT_MAX, REPLACED_CLUSTERS_MAX};
use super::types::feerate_text;
use super::{ChainContext, Mempool, TxRejected, truc};
use crate::script::ScriptVerifier;
use crate::units::UnixMillis;
use crate::wire::ParsedTx;

/// Why a package as a whole is not taken; the texts are Core's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackageError {
    /// More transactions than a package may have.
    #[error("package-too-many-transactions")]
    TooMany,
    /// Together they weigh too much.
    #[error("package-too-large")]
    TooLarge,
    /// The same one twice.
    #[error("package-contains-duplicates")]
    Duplicates,
    /// A child before its parent.
    #[error("package-not-sorted")]
    NotSorted,
    /// Two of them spend the same.
    #[error("conflict-in-package")]
    Conflict,
    /// Not each but the last is a parent of the last.
    #[error("package-not-child-with-parents")]
    NotChildWithParents,
    /// One of them is refused.
    #[error("transaction failed")]
    Transaction,
    /// One of them does not spend all dust of its parents.
    #[error("unspent-dust")]
    UnspentDust,
    /// A rule for version 3 is broken.
    #[error("TRUC-violation, {0}")]
    Truc(super::TrucViolation),
    /// Too many would hang together, or too much.
    #[error("too-large-cluster")]
    ClusterTooLarge,
    /// They cannot replace what is held.
    #[error("package RBF failed: {0}")]
    Replacement(ReplacementFlaw),
}

/// Why a package cannot replace what is held.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplacementFlaw {
    /// Only a parent with its child may.
    #[error("package must be 1-parent-1-child")]
    Shape,
    /// Only where nothing held is above them.
    #[error("new transaction cannot have mempool ancestors")]
    Ancestors,
    /// Too many clusters are hit.
    #[error("too many potential replacements, {}", details(.0))]
    TooMany(Box<TxRejected>),
    /// They pay too little.
    #[error("insufficient anti-DoS fees, {}", details(.0))]
    Fees(Box<TxRejected>),
    /// The child does not pay for its parent.
    #[error("package feerate is less than or equal to parent feerate, package feerate {} <= parent feerate is {}", feerate_text(*package_sat_per_kvb), feerate_text(*parent_sat_per_kvb))]
    ParentPays {
        /// What both pay.
        package_sat_per_kvb: u64,
        /// What the parent pays.
        parent_sat_per_kvb: u64,
    },
    /// Whoever mines would be worse off.
    #[error("insufficient feerate: does not improve feerate diagram")]
    NoImprovement,
}

/// What stands behind a refusal's token.
fn details(refused: &TxRejected) -> String {
    refused.to_string().split_once(", ").map(|(_, why)| why.to_owned()).unwrap_or_default()
}

impl PackageError {
    /// Whether it is the package that is not taken, whatever becomes of its transactions.
    pub fn is_policy(&self) -> bool {
        !matches!(self, PackageError::Transaction | PackageError::UnspentDust)
    }
}

/// What became of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxVerdict {
    /// It joined, or would.
    Joined(Joined),
    /// It is held already, with this fee and so many virtual bytes.
    Held {
        /// Virtual bytes as policy counts them.
        vsize: u64,
        /// What it pays, in satoshis.
        fee_sat: u64,
    },
    /// One with other witnesses is held.
    HeldAs(Wtxid),
    /// It is refused.
    Refused(TxRejected),
}

/// One that joined, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Virtual bytes as policy counts them.
    pub vsize: u64,
    /// What it pays, in satoshis.
    pub fee_sat: u64,
    /// What is paid by those that were judged together: with what an operator adds, and for how many virtual bytes.
    pub effective_fee_sat: i64,
    /// See [`Joined::effective_fee_sat`].
    pub effective_vsize: u64,
    /// Those that were judged together.
    pub effective_includes: Vec<Wtxid>,
}

/// What became of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageVerdict {
    /// Why it was not taken as a whole; none where it was.
    pub error: Option<PackageError>,
    /// What became of each; those of which nothing is said were not looked at to the end.
    pub verdicts: BTreeMap<Wtxid, TxVerdict>,
    /// Those that joined.
    pub joined: Vec<super::Accepted>,
    /// Those that left for them.
    pub replaced: Vec<Txid>,
    /// Those that were thrown out of the full pool.
    pub evicted: Vec<Txid>,
}

impl PackageVerdict {
    /// One that is not taken, and perhaps which transaction it is for.
    pub fn refused(error: PackageError, at: Option<Box<(Wtxid, TxRejected)>>) -> PackageVerdict {
        let verdicts = at.into_iter().map(|at| (at.0, TxVerdict::Refused(at.1)));
        PackageVerdict { error: Some(error), verdicts: verdicts.collect(), ..PackageVerdict::default() }
    }
}

impl Candidate {
    /// What would become of each, were they to join: up to the first whose scripts fail.
    pub fn test(self, verifier: &dyn ScriptVerifier) -> PackageVerdict {
        let mut verdict = PackageVerdict::default();
        for one in &self.members {
            let wtxid = one.tx.wtxid();
            if let Err(refused) = super::judge::verify(one, self.script_flags, verifier) {
                verdict.error = Some(PackageError::Transaction);
                verdict.verdicts.insert(wtxid, TxVerdict::Refused(refused));
                break;
            }
            let rate = one.rate();
            let joined = Joined {
                vsize: rate.size,
                fee_sat: one.fee.to_sat(),
                effective_fee_sat: rate.fee_sat,
                effective_vsize: rate.size,
                effective_includes: vec![wtxid],
            };
            verdict.verdicts.insert(wtxid, TxVerdict::Joined(joined));
        }
        verdict
    }
}

/// What any package MUST be: few, not too large, each once, parents first, and nothing spent twice.
pub fn check_form(txs: &[Arc<ParsedTx>]) -> Result<(), PackageError> {
    let weight = txs.iter().fold(0u64, |sum, tx| sum.saturating_add(tx.weight().to_wu()));
    let mut later: BTreeSet<Txid> = txs.iter().map(|tx| tx.txid()).collect();
    require(txs.len() <= PACKAGE_TXS_MAX, PackageError::TooMany)?;
    require(txs.len() <= 1 || weight <= PACKAGE_WEIGHT_MAX, PackageError::TooLarge)?;
    require(later.len() == txs.len(), PackageError::Duplicates)?;
    for tx in txs {
        let sorted = tx.tx().input.iter().all(|input| !later.contains(&input.previous_output.txid));
        require(sorted, PackageError::NotSorted)?;
        later.remove(&tx.txid());
    }
    let mut spent = BTreeSet::new();
    for tx in txs {
        let own: BTreeSet<OutPoint> = tx.tx().input.iter().map(|input| input.previous_output).collect();
        require(!own.is_empty() && spent.is_disjoint(&own), PackageError::Conflict)?;
        spent.extend(own);
    }
    Ok(())
}

/// Whether all but the last are parents of the last.
fn is_child_with_parents(txs: &[Arc<ParsedTx>]) -> bool {
    let Some((child, parents)) = txs.split_last() else { return false };
    let spent: BTreeSet<Txid> = child.tx().input.iter().map(|input| input.previous_output.txid).collect();
    !parents.is_empty() && parents.iter().all(|parent| spent.contains(&parent.txid()))
}

/// How often a package is judged again because the pool has changed meanwhile.
const TRIES_MAX: usize = 10;

/// A package on its way: each by itself first, then those together that pay too little by themselves.
#[derive(Debug)]
pub struct PackageRun {
    open: std::collections::VecDeque<Arc<ParsedTx>>,
    /// Those that somebody else may pay for.
    together: Vec<Arc<ParsedTx>>,
    size: usize,
    sat_per_kvb_max: Option<u64>,
    trying: Vec<Arc<ParsedTx>>,
    /// How often the pool has changed while scripts were verified.
    tries: usize,
    /// One was refused for what nobody can pay for.
    is_hopeless: bool,
    is_done: bool,
    verdict: PackageVerdict,
    refused: BTreeMap<Wtxid, TxRejected>,
}

/// What a package needs next.
#[derive(Debug)]
pub enum Step {
    /// That scripts are verified.
    Verify(Candidate),
    /// Nothing: this became of it.
    Done(PackageVerdict),
}

impl PackageRun {
    /// A package that is to join: a child with its parents, or one alone; none of them pays more than so much for 1,000 virtual bytes.
    pub fn new(txs: Vec<Arc<ParsedTx>>, sat_per_kvb_max: Option<u64>) -> Result<PackageRun, PackageError> {
        check_form(&txs)?;
        require(txs.len() <= 1 || is_child_with_parents(&txs), PackageError::NotChildWithParents)?;
        Ok(PackageRun {
            size: txs.len(),
            sat_per_kvb_max,
            open: txs.into(),
            together: Vec::new(),
            trying: Vec::new(),
            tries: 0,
            is_hopeless: false,
            is_done: false,
            verdict: PackageVerdict::default(),
            refused: BTreeMap::new(),
        })
    }

    /// Goes on until scripts are to be verified, or all is said.
    pub fn next(&mut self, pool: &mut Mempool, chain: &ChainContext<'_>, now: UnixMillis) -> Step {
        while let Some(tx) = self.open.pop_front() {
            if self.is_held(&tx, pool) {
                continue;
            }
            let rules = Rules { sat_per_kvb_max: self.sat_per_kvb_max, ..Rules::ALONE };
            match pool.prepare_by(Arc::clone(&tx), chain, rules) {
                Ok(candidate) => {
                    self.trying = vec![tx];
                    return Step::Verify(candidate);
                }
                Err(refused) => self.refuse(tx, refused),
            }
        }
        if !self.is_done && !self.is_hopeless && !self.together.is_empty() {
            self.is_done = true;
            if let Some(step) = self.try_together(pool, chain) {
                return step;
            }
        }
        Step::Done(self.conclude(pool, now))
    }

    /// Those that are left, for each other; one alone by itself again, since what it misses may have come.
    fn try_together(&mut self, pool: &Mempool, chain: &ChainContext<'_>) -> Option<Step> {
        let txs = std::mem::take(&mut self.together);
        let prepared = match txs.as_slice() {
            [alone] => {
                let rules = Rules { sat_per_kvb_max: self.sat_per_kvb_max, ..Rules::ALONE };
                let prepared = pool.prepare_by(Arc::clone(alone), chain, rules);
                prepared
                    .map_err(|refused| (PackageError::Transaction, Some(Box::new((alone.wtxid(), refused)))))
            }
            _ => pool.prepare_package(&txs, chain, Pays::Together(self.sat_per_kvb_max)),
        };
        match prepared {
            Ok(candidate) => {
                self.trying = txs;
                Some(Step::Verify(candidate))
            }
            Err((error, at)) => {
                self.verdict.error = Some(error);
                self.refused.extend(at.map(|at| *at));
                None
            }
        }
    }

    /// The scripts have been verified, or not.
    pub fn verified(&mut self, pool: &mut Mempool, verdict: Result<VerifiedTx, TxRejected>, now: UnixMillis) {
        let trying = std::mem::take(&mut self.trying);
        match verdict.and_then(|verified| pool.join(verified, now)) {
            Ok(accepted) => self.joined(accepted),
            // Something came between: they are judged by what holds now.
            Err(TxRejected::TipChanged) if self.tries < TRIES_MAX => {
                self.tries = self.tries.saturating_add(1);
                match trying.as_slice() {
                    [_] => trying.into_iter().for_each(|tx| self.open.push_front(tx)),
                    _ => (self.together, self.is_done) = (trying, false),
                }
            }
            Err(refused) => {
                let at = match &refused {
                    TxRejected::Script { txid, .. } => trying.iter().find(|tx| tx.txid() == *txid),
                    _ => trying.last(),
                };
                if let Some(tx) = at {
                    self.refuse(Arc::clone(tx), refused);
                }
            }
        }
    }

    fn is_held(&mut self, tx: &ParsedTx, pool: &Mempool) -> bool {
        let Some(entry) = pool.get(&tx.txid()) else { return false };
        let verdict = if entry.tx.wtxid() == tx.wtxid() {
            let vsize = pool.config.weight_of(&entry.tx, entry.sigop_cost).div_ceil(4);
            TxVerdict::Held { vsize, fee_sat: entry.fee.to_sat() }
        } else {
            TxVerdict::HeldAs(entry.tx.wtxid())
        };
        self.verdict.verdicts.insert(tx.wtxid(), verdict);
        true
    }

    /// What it pays too little, or what it misses, may come from the others.
    fn refuse(&mut self, tx: Arc<ParsedTx>, refused: TxRejected) {
        let is_open = !self.is_done && self.size > 1;
        let may = refused.is_reconsidered() || refused == TxRejected::MissingInputs;
        self.refused.insert(tx.wtxid(), refused);
        if is_open && may {
            self.together.push(tx);
        } else {
            self.is_hopeless = true;
            self.verdict.error = Some(PackageError::Transaction);
        }
    }

    fn joined(&mut self, accepted: Vec<super::Accepted>) {
        let rate = accepted.iter().fold(FeeRate::default(), |sum, one| {
            sum.with(FeeRate { fee_sat: one.modified_fee_sat, size: one.vsize })
        });
        let includes: Vec<Wtxid> = accepted.iter().map(|one| one.entry.tx.wtxid()).collect();
        for mut one in accepted {
            let joined = Joined {
                vsize: one.vsize,
                fee_sat: one.entry.fee.to_sat(),
                effective_fee_sat: rate.fee_sat,
                effective_vsize: rate.size,
                effective_includes: includes.clone(),
            };
            self.refused.remove(&one.entry.tx.wtxid());
            self.verdict.replaced.append(&mut one.replaced);
            self.verdict.verdicts.insert(one.entry.tx.wtxid(), TxVerdict::Joined(joined));
            self.verdict.joined.push(one);
        }
    }

    /// The pool may be too large by now: what does not pay enough leaves again.
    fn conclude(&mut self, pool: &mut Mempool, now: UnixMillis) -> PackageVerdict {
        let mut verdict = std::mem::take(&mut self.verdict);
        verdict.evicted = pool.limit(now);
        let refused = std::mem::take(&mut self.refused).into_iter();
        verdict.verdicts.extend(refused.map(|(wtxid, refused)| (wtxid, TxVerdict::Refused(refused))));
        for (wtxid, said) in &mut verdict.verdicts {
            let was_in = match said {
                TxVerdict::Joined(_) | TxVerdict::Held { .. } => Some(*wtxid),
                TxVerdict::HeldAs(other) => Some(*other),
                TxVerdict::Refused(_) => None,
            };
            if was_in.is_some_and(|wtxid| pool.get_by_wtxid(&wtxid).is_none()) {
                *said = TxVerdict::Refused(TxRejected::Full);
                verdict.error = Some(PackageError::Transaction);
            }
        }
        verdict
    }
}

/// Why a package is not taken, and perhaps which of its transactions is to blame for what.
type PackageRefusal = (PackageError, Option<Box<(Wtxid, TxRejected)>>);

/// Who pays for whom in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pays {
    /// All for all, and none more than so much for 1,000 virtual bytes: they are to join.
    Together(Option<u64>),
    /// Each for itself: they are only tested.
    Alone,
}

impl Mempool {
    /// Checks all but the scripts of transactions that come together.
    pub fn prepare_package(
        &self,
        txs: &[Arc<ParsedTx>],
        chain: &ChainContext<'_>,
        pays: Pays,
    ) -> Result<Candidate, PackageRefusal> {
        check_form(txs).map_err(|error| (error, None))?;
        let members = self.check_each(txs, chain, pays)?;
        self.check_truc_of(&members)?;
        let rate = members.iter().fold(FeeRate::default(), |sum, one| sum.with(one.rate()));
        if pays != Pays::Alone
            && let Err(refused) = self.check_fee(rate)
        {
            let last = members.last().map(|one| Box::new((one.tx.wtxid(), refused)));
            return Err((PackageError::Transaction, last));
        }
        let conflicts: BTreeSet<Txid> =
            members.iter().flat_map(|one| one.conflicts.iter().copied()).collect();
        let replaced: BTreeSet<Txid> = self.graph.descendants_of(&conflicts).into_iter().collect();
        if !conflicts.is_empty() {
            let flaw = |flaw| (PackageError::Replacement(flaw), None);
            self.check_package_replacement(&members, (&conflicts, &replaced), rate).map_err(flaw)?;
        }
        self.check_clusters(&members, &replaced).map_err(|_| (PackageError::ClusterTooLarge, None))?;
        if !conflicts.is_empty() {
            let flaw = |_| (PackageError::Replacement(ReplacementFlaw::NoImprovement), None);
            self.check_improvement(&members, &replaced).map_err(flaw)?;
        }
        let all: Vec<&Arc<ParsedTx>> = members.iter().map(|one| &one.tx).collect();
        self.check_dust_is_spent(&all).map_err(|refused| {
            let at = match &refused {
                TxRejected::MissingEphemeralSpends { wtxid, .. } => Some(Box::new((*wtxid, refused.clone()))),
                _ => None,
            };
            (PackageError::UnspentDust, at)
        })?;
        Ok(self.candidate(members, replaced, chain))
    }

    fn check_each(
        &self,
        txs: &[Arc<ParsedTx>],
        chain: &ChainContext<'_>,
        pays: Pays,
    ) -> Result<Vec<Checked>, PackageRefusal> {
        let failed =
            |tx: &ParsedTx, refused| (PackageError::Transaction, Some(Box::new((tx.wtxid(), refused))));
        let rules = match pays {
            Pays::Together(sat_per_kvb_max) => {
                Rules { pays: false, evicts_sibling: false, sat_per_kvb_max, ..Rules::ALONE }
            }
            Pays::Alone => Rules { replaces: false, evicts_sibling: false, ..Rules::ALONE },
        };
        let (mut members, mut outputs) = (Vec::new(), BTreeMap::<OutPoint, TxOut>::new());
        for tx in txs {
            if chain.next.prev != self.tip {
                return Err(failed(tx, TxRejected::TipChanged));
            }
            let checked = self.check(Arc::clone(tx), chain, &outputs, rules);
            let checked = checked.and_then(|checked| check_most(checked.rate(), rules).map(|()| checked));
            members.push(checked.map_err(|refused| failed(tx, refused))?);
            let own = (0..).zip(&tx.tx().output);
            outputs.extend(own.map(|(vout, out)| (OutPoint { txid: tx.txid(), vout }, out.clone())));
        }
        Ok(members)
    }

    fn check_truc_of(&self, members: &[Checked]) -> Result<(), PackageRefusal> {
        let all: Vec<&ParsedTx> = members.iter().map(|one| &*one.tx).collect();
        for one in members {
            truc::check_in_package(&self.graph, &one.tx, &one.parents, &all, one.rate().size)
                .map_err(|violation| (PackageError::Truc(violation), None))?;
        }
        Ok(())
    }

    /// A child and its parent, with nothing held above them, MUST pay more than what they replace, and the child for its parent.
    fn check_package_replacement(
        &self,
        members: &[Checked],
        (conflicts, replaced): (&BTreeSet<Txid>, &BTreeSet<Txid>),
        rate: FeeRate,
    ) -> Result<(), ReplacementFlaw> {
        let [parent, child] = members else { return Err(ReplacementFlaw::Shape) };
        let free = parent.parents.is_empty() && child.parents.is_empty();
        if !free {
            return Err(ReplacementFlaw::Ancestors);
        }
        let (txid, clusters) = (child.tx.txid(), self.clusters_hit(conflicts));
        if clusters > REPLACED_CLUSTERS_MAX {
            let most = REPLACED_CLUSTERS_MAX;
            let refused = TxRejected::TooManyReplacements { txid, clusters, most, sibling: false };
            return Err(ReplacementFlaw::TooMany(Box::new(refused)));
        }
        let pays = self.check_pays_more(txid, rate, replaced, false);
        pays.map_err(|refused| ReplacementFlaw::Fees(Box::new(refused)))?;
        if rate.compare(parent.rate()).is_le() {
            return Err(ReplacementFlaw::ParentPays {
                package_sat_per_kvb: rate.sat_per_kvb_floor(),
                parent_sat_per_kvb: parent.rate().sat_per_kvb_floor(),
            });
        }
        Ok(())
    }
}

fn require(holds: bool, otherwise: PackageError) -> Result<(), PackageError> {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
#[path = "package/tests.rs"]
mod tests;
