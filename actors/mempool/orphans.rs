//! What waits for its parents, and pairs of which the child pays for its parent.

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_domain::mempool::{PackageRun, PackageVerdict, TxRejected, TxVerdict};
use adit_domain::peer::PeerId;
use adit_domain::wire::ParsedTx;
use bitcoin::hashes::Hash;
use bitcoin::{Txid, Wtxid};
use tokio::sync::oneshot;

use super::actor::{Job, MempoolActor, Task};

/// Pairs that were refused together and are not tried again on this tip: 5,000 x 100 bytes = 500 kB.
pub(super) const FAILED_PAIRS_MAX: usize = 5_000;

/// Who waits for what becomes of a package.
pub(super) enum Asker {
    /// Whoever offered it.
    Operator(oneshot::Sender<PackageVerdict>),
    /// Whoever offered the parent, if anybody: alone it was refused for this.
    Pair { parent: Arc<ParsedTx>, child: Wtxid, refused: TxRejected, reply: Option<Reply> },
}

type Reply = oneshot::Sender<Result<Txid, TxRejected>>;

/// What somebody waits to hear.
pub(super) enum Answer {
    One(Reply, Result<Txid, TxRejected>),
    Package(oneshot::Sender<PackageVerdict>, PackageVerdict),
}

impl Answer {
    /// Whoever asked may be gone.
    pub(super) fn send(self) {
        match self {
            Answer::One(reply, answer) => drop(reply.send(answer)),
            Answer::Package(reply, verdict) => drop(reply.send(verdict)),
        }
    }
}

impl MempoolActor {
    /// These have joined: what waited for them is judged next, and only then is told what becomes of them.
    pub(super) fn children_next(&mut self, parents: &[Txid], then: Option<Answer>) {
        let ready: Vec<(Arc<ParsedTx>, Option<PeerId>)> = {
            let orphans = self.reader.orphans();
            let children = parents.iter().flat_map(|parent| orphans.children_of(parent));
            children.map(|orphan| (Arc::clone(&orphan.tx), orphan.from.first().copied())).collect()
        };
        if let Some(answer) = then {
            self.queue.push_front(Task::Answer(answer));
        }
        let added_at = self.clock.now();
        for (tx, from) in ready.into_iter().rev() {
            self.queue.push_front(Task::One(Job { tx, added_at, tries: 0, from, reply: None }));
        }
    }

    /// It misses parents: it is kept for the peer that sent it.
    pub(super) fn keep_orphan(&self, tx: &ParsedTx, from: PeerId) {
        let is_there = |outpoint: &bitcoin::OutPoint| {
            self.pool.get(&outpoint.txid).is_some() || self.deps.chain.has_coin(outpoint).unwrap_or(false)
        };
        let spent = tx.tx().input.iter().map(|input| input.previous_output);
        let missing: BTreeSet<Txid> = spent.filter(|outpoint| !is_there(outpoint)).map(|o| o.txid).collect();
        if self.is_beyond_help(&missing) {
            return self.reader.refuse(tx.wtxid());
        }
        self.reader.orphans().add(Arc::new(tx.detached()), missing.into_iter().collect(), from);
    }

    /// Whether a parent was refused for good, or more than one for what they pay: one alone may be paid for. What was refused is known by its
    /// wtxid, which is a parent's txid where it has no witnesses.
    fn is_beyond_help(&self, missing: &BTreeSet<Txid>) -> bool {
        let wtxids = || missing.iter().map(|txid| Wtxid::from_byte_array(txid.to_byte_array()));
        wtxids().any(|wtxid| self.reader.was_refused(&wtxid))
            || wtxids().filter(|wtxid| self.reader.may_be_paid_for(wtxid)).count() > 1
    }

    /// A transaction that pays too little, with the last one that the same peer has sent and that spends from it.
    pub(super) fn pair_with(
        &self,
        parent: &Arc<ParsedTx>,
        refused: &TxRejected,
        from: Option<PeerId>,
    ) -> Option<(PackageRun, Wtxid)> {
        if !refused.is_reconsidered() {
            return None;
        }
        let orphans = self.reader.orphans();
        let children = orphans.children_from(&parent.txid(), from?);
        let is_new = |child: &ParsedTx| !self.failed_pairs.contains(&(parent.wtxid(), child.wtxid()));
        let child = children.into_iter().map(|orphan| &orphan.tx).find(|child| is_new(child))?;
        let run = PackageRun::new(vec![Arc::clone(parent), Arc::clone(child)], None).ok()?;
        Some((run, child.wtxid()))
    }

    /// What became of a pair: of the parent somebody may wait to hear.
    pub(super) fn conclude_pair(
        &mut self,
        pair: (&ParsedTx, Wtxid),
        refused: TxRejected,
        verdict: &PackageVerdict,
    ) -> Result<Txid, TxRejected> {
        let (parent, child) = pair;
        if verdict.error.is_some() {
            self.failed_pairs.insert((parent.wtxid(), child));
        }
        if let Some(TxVerdict::Refused(refused)) = verdict.verdicts.get(&child)
            && *refused != TxRejected::MissingInputs
        {
            self.refuse(child, refused);
        }
        match verdict.verdicts.get(&parent.wtxid()) {
            Some(TxVerdict::Joined(_) | TxVerdict::Held { .. }) => Ok(parent.txid()),
            _ => Err(refused),
        }
    }
}
