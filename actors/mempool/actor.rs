use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};
use adit_domain::chain::NextBlock;
use adit_domain::consensus::ViewFault;
use adit_domain::mempool::{
    Accepted, Candidate, ChainContext, Mempool, PackageRun, PackageVerdict, Step, TxRejected, VerifiedTx,
    Wanted, feerate_text,
};
use adit_domain::peer::{PeerId, Recent};
use adit_domain::units::{Clock, Entropy, UnixMillis};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::{BlockHash, Txid, Wtxid};
use tokio::sync::oneshot;

use super::fees::Fees;
use super::keep::Kept;
use super::orphans::{Answer, Asker, FAILED_PAIRS_MAX};
use super::{MempoolChain, MempoolConfig, MempoolDeps, MempoolReader, TxListeners};
use crate::house::Shared;
use crate::messages::chain::TipChanged;
use crate::supervision::{Fault, Rebuild};

/// Transactions that wait to be judged: at 200 us each a fifth of a second's work; beyond it they are refused.
pub(super) const QUEUE_MAX: usize = 1_000;
/// Blocks that the pool follows one by one; beyond it everything is judged anew on the new tip, which costs less than reading them.
const FOLLOW_BLOCKS_MAX: usize = 100;
/// Bytes of blocks that left whose transactions come back, the lowest first: their scripts are verified here, half a second for 2 MB at worst,
/// and next to nothing where they were here before. Core's limit.
const RETURN_BYTES_MAX: usize = 20_000_000;
/// Tries to look at the chain between two moves of its tip.
const PREPARE_TRIES: usize = 3;
/// How often a changed pool is put in order for the block builder; half of what a template waits for it.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked for what has waited for too long.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
/// What no peer has asked for is announced again after so long, and up to half as much more.
const BROADCAST_EVERY_MS: u64 = 600_000;

pub(super) struct Job {
    pub(super) tx: Arc<ParsedTx>,
    pub(super) added_at: UnixMillis,
    /// How often the pool has changed while its scripts were verified.
    pub(super) tries: usize,
    /// The peer that sent it.
    pub(super) from: Option<PeerId>,
    pub(super) reply: Option<oneshot::Sender<Result<Txid, TxRejected>>>,
}

/// Transactions that come together.
pub(super) struct PackageJob {
    pub(super) run: PackageRun,
    pub(super) asker: Asker,
}

/// What waits to be judged.
pub(super) enum Task {
    One(Job),
    Package(Box<PackageJob>),
    /// All that hangs on it has been judged: somebody waits to hear.
    Answer(Answer),
    /// What was kept has been judged, up to here.
    Loaded(Kept),
}

/// Judges transactions, one after the other, and keeps pace with the chain.
pub struct MempoolActor {
    pub(super) deps: MempoolDeps,
    pub(super) config: MempoolConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) reader: MempoolReader,
    pub(super) listeners: TxListeners,
    pub(super) pool: Mempool,
    pub(super) queue: VecDeque<Task>,
    /// A parent and its child that were refused together.
    pub(super) failed_pairs: Recent<(Wtxid, Wtxid)>,
    verifying: bool,
    pub(super) changed: bool,
    /// Whether what was kept over a restart has been judged.
    pub(super) loaded: bool,
    /// The chain has turned aside, and was not at the end of its way.
    behind: bool,
    /// When what no peer has asked for is announced again.
    pub(super) broadcast_at: UnixMillis,
    /// What transactions paid; none where fees are not estimated.
    pub(super) fees: Option<Fees>,
}

impl MempoolActor {
    pub(super) fn new(
        deps: MempoolDeps,
        config: MempoolConfig,
        shared: &Shared,
        reader: MempoolReader,
        listeners: TxListeners,
    ) -> MempoolActor {
        let (clock, entropy) = (Arc::clone(&shared.clock), Arc::clone(&shared.entropy));
        let tip = deps.chain.next_block(clock.now()).prev;
        let fees = config.fees.clone().map(|config| Fees::open(config, clock.now()));
        let mut actor = MempoolActor {
            pool: Mempool::new(config.pool, tip),
            deps,
            config,
            clock,
            entropy,
            reader,
            listeners,
            queue: VecDeque::new(),
            failed_pairs: Recent::new(FAILED_PAIRS_MAX),
            verifying: false,
            changed: false,
            loaded: false,
            behind: false,
            broadcast_at: UnixMillis::new(0),
            fees,
        };
        actor.broadcast_at = actor.next_broadcast();
        actor.load();
        actor
    }

    /// Judges what waits: all but the scripts here, the scripts on a thread of the pool for blocking work, one at a time, so
    /// that a child never overtakes its parent.
    pub(super) fn work(&mut self, ctx: &mut Context<Self>) {
        while !self.verifying {
            match self.queue.pop_front() {
                None => return,
                Some(Task::Loaded(kept)) => self.loaded(kept),
                Some(Task::Answer(answer)) => answer.send(),
                Some(Task::One(job)) => match self.prepare(&job.tx) {
                    Ok(candidate) => self.verify(job, candidate, ctx),
                    Err(refused) => self.conclude(job, Err(refused)),
                },
                Some(Task::Package(job)) => self.advance(job, ctx),
            }
        }
    }

    /// The next of a package's transactions, or its end.
    fn advance(&mut self, mut job: Box<PackageJob>, ctx: &mut Context<Self>) {
        let now = self.present();
        let next = self.deps.chain.next_block(now);
        let chain = context(&*self.deps.chain, &next);
        match job.run.next(&mut self.pool, &chain, now) {
            Step::Done(verdict) => self.conclude_package(*job, verdict),
            Step::Verify(candidate) => self.away(candidate, ctx, move |actor, verdict| {
                let now = actor.clock.now();
                job.run.verified(&mut actor.pool, verdict, now);
                actor.queue.push_front(Task::Package(job));
            }),
        }
    }

    fn conclude_package(&mut self, job: PackageJob, verdict: PackageVerdict) {
        self.leave();
        let now = self.clock.now();
        let mut joined = Vec::new();
        for accepted in &verdict.joined {
            let txid = accepted.entry.tx.txid();
            if self.pool.get(&txid).is_some() {
                self.joined(accepted, now, false);
                joined.push(txid);
            }
        }
        let answer = match job.asker {
            Asker::Operator(reply) => Some(Answer::Package(reply, verdict)),
            Asker::Pair { parent, child, refused, reply } => {
                let answer = self.conclude_pair((&parent, child), refused, &verdict);
                reply.map(|reply| Answer::One(reply, answer))
            }
        };
        self.children_next(&joined, answer);
    }

    pub(super) fn prepare(&mut self, tx: &Arc<ParsedTx>) -> Result<Candidate, TxRejected> {
        self.pool.pass_time(self.clock.now());
        for _ in 0..PREPARE_TRIES {
            self.follow()?;
            let next = self.deps.chain.next_block(self.clock.now());
            let chain = context(&*self.deps.chain, &next);
            let prepared = self.pool.prepare(Arc::clone(tx), &chain);
            // Only where the tip stood still was everything read at the same one.
            if self.deps.chain.next_block(self.clock.now()).prev == self.pool.tip() {
                return prepared;
            }
        }
        Err(TxRejected::TipChanged)
    }

    fn verify(&mut self, job: Job, candidate: Candidate, ctx: &mut Context<Self>) {
        self.away(candidate, ctx, move |actor, verdict| {
            let admitted = verdict.and_then(|verified| actor.admit(verified, job.added_at));
            if admitted == Err(TxRejected::TipChanged) && job.tries < PREPARE_TRIES {
                // Something came between: it is judged by what holds now.
                actor.queue.push_front(Task::One(Job { tries: job.tries.saturating_add(1), ..job }));
            } else {
                actor.conclude(job, admitted);
            }
        });
    }

    /// Runs a candidate's scripts on another thread, and goes on with the queue behind what is done about the verdict.
    fn away(
        &mut self,
        candidate: Candidate,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Result<VerifiedTx, TxRejected>) + 'static,
    ) {
        self.verifying = true;
        let verifier = Arc::clone(&self.deps.verifier);
        let verdict = tokio::task::spawn_blocking(move || candidate.verify(&*verifier));
        ctx.spawn(verdict.into_actor(self).map(|verdict, actor, ctx| {
            actor.verifying = false;
            then(actor, verdict.unwrap_or_else(|died| Err(unverified(&died))));
            actor.work(ctx);
        }));
    }

    fn admit(&mut self, verified: VerifiedTx, added_at: UnixMillis) -> Result<Accepted, TxRejected> {
        let admitted = self.pool.admit(verified, added_at, self.clock.now());
        self.leave();
        admitted
    }

    /// What has left the pool for another, for its age, or since there was no room, leaves the shelf.
    fn leave(&mut self) {
        let left = self.pool.take_left();
        self.changed |= !left.is_empty();
        self.reader.remove(&left);
        self.fees_left(&left);
        let (before, floor) = (self.reader.fee_floor_sat_per_kvb(), self.pool.min_fee_sat_per_kvb());
        if !left.is_empty() && (1..floor).contains(&before) {
            self.reader.set_fee_floor(floor);
            let (count, floor) = (left.len(), feerate_text(floor));
            tracing::debug!(
                target: "adit_actors::mempool",
                "Removed {count} txn, rolling minimum fee bumped to {floor}"
            );
        }
    }

    fn conclude(&mut self, job: Job, verdict: Result<Accepted, TxRejected>) {
        let Job { tx, added_at, from, reply, .. } = job;
        match verdict {
            Ok(accepted) => {
                let txid = tx.txid();
                self.joined(&accepted, added_at, true);
                self.children_next(&[txid], reply.map(|reply| Answer::One(reply, Ok(txid))));
            }
            Err(refused) => {
                self.refused(&tx, &refused, from);
                match self.pair_with(&tx, &refused, from) {
                    Some((run, child)) => {
                        let asker = Asker::Pair { parent: tx, child, refused, reply };
                        self.queue.push_front(Task::Package(Box::new(PackageJob { run, asker })));
                    }
                    None => {
                        if let Some(reply) = reply {
                            Answer::One(reply, Err(refused)).send();
                        }
                    }
                }
            }
        }
    }

    fn joined(&mut self, accepted: &Accepted, added_at: UnixMillis, is_alone: bool) {
        self.changed = true;
        self.fees_joined(accepted, is_alone);
        let tx = &accepted.entry.tx;
        self.reader.put(Arc::clone(tx), added_at);
        self.listeners.tell(tx, u64::try_from(accepted.modified_fee_sat).unwrap_or(0), accepted.vsize);
        self.reader.set_fee_floor(self.pool.min_fee_sat_per_kvb());
        drop(self.reader.orphans().remove(&tx.wtxid()));
    }

    fn refused(&mut self, tx: &ParsedTx, refused: &TxRejected, from: Option<PeerId>) {
        match (refused, from) {
            (TxRejected::MissingInputs, Some(from)) => self.keep_orphan(tx, from),
            (TxRejected::MissingInputs | TxRejected::TipChanged | TxRejected::Fault(_), _) => {}
            _ => self.refuse(tx.wtxid(), refused),
        }
    }

    /// It is not asked for again on this tip, and waits for nobody.
    pub(super) fn refuse(&self, wtxid: Wtxid, refused: &TxRejected) {
        if refused.is_lasting() {
            self.reader.refuse(wtxid);
        } else if refused.is_reconsidered() {
            self.reader.refuse_poor(wtxid);
        }
        drop(self.reader.orphans().remove(&wtxid));
    }

    /// What a new tip brings: the blocks at hand where they join the pool's; where the chain has turned aside, the pool is judged anew once,
    /// at the end of the way, however many steps that has.
    pub(super) fn hear(&mut self, event: &TipChanged) -> Result<(), ViewFault> {
        let joins = event.connected.first().is_some_and(|b| b.header().prev_blockhash == self.pool.tip());
        if joins && event.disconnected.is_empty() {
            event.connected.iter().for_each(|block| self.connect(block));
        }
        self.behind = true;
        self.settle()
    }

    /// Follows a chain that has stopped on its way.
    fn settle(&mut self) -> Result<(), ViewFault> {
        if !self.behind || !self.deps.chain.is_settled() {
            return Ok(());
        }
        self.behind = false;
        self.follow()
    }

    /// Brings the pool to the chain's present tip.
    pub(super) fn follow(&mut self) -> Result<(), ViewFault> {
        let tip = self.deps.chain.next_block(self.clock.now()).prev;
        if tip != self.pool.tip() {
            self.catch_up(tip)?;
        }
        Ok(())
    }

    fn catch_up(&mut self, tip: BlockHash) -> Result<(), ViewFault> {
        let (disconnect, connect) = self.deps.chain.path_from(&self.pool.tip()).unwrap_or_default();
        if self.pool.is_empty() && disconnect.is_empty() {
            self.pool = self.pool.emptied(tip);
            return self.moved();
        }
        let short = disconnect.len().saturating_add(connect.len()) <= FOLLOW_BLOCKS_MAX;
        if short && disconnect.is_empty() && !connect.is_empty() {
            // A snapshot leads over blocks that are not here.
            let Ok(blocks) = self.blocks(&connect) else { return self.reorganise(&[]) };
            blocks.iter().for_each(|block| self.connect(block));
            return Ok(());
        }
        let lost = if short { self.returning(&disconnect)? } else { Vec::new() };
        self.reorganise(&lost)
    }

    /// Blocks that left, the highest first: the lowest of them, as far as they are not too much.
    fn returning(&self, disconnect: &[BlockHash]) -> Result<Vec<Arc<ParsedBlock>>, ViewFault> {
        let (mut lost, mut bytes) = (VecDeque::new(), 0usize);
        for hash in disconnect.iter().rev() {
            let block = self.block(hash)?;
            bytes = bytes.saturating_add(block.size_bytes());
            if bytes > RETURN_BYTES_MAX {
                break;
            }
            lost.push_front(block);
        }
        Ok(lost.into())
    }

    fn connect(&mut self, block: &ParsedBlock) {
        let contradicted = self.pool.block_connected(block, self.clock.now());
        let included: Vec<Txid> = block.txs().iter().map(ParsedTx::txid).collect();
        self.fees_left(&contradicted);
        self.fees_block(&block.hash(), &included);
        self.reader.remove(&contradicted);
        self.reader.mined(&included);
        self.reader.orphans().block_connected(block);
        self.reader.followed(self.pool.tip());
        self.forget_refused();
    }

    /// On another tip what was refused may be taken.
    fn forget_refused(&mut self) {
        self.changed = true;
        self.reader.forget_refused();
        self.failed_pairs.clear();
    }

    fn reorganise(&mut self, lost: &[Arc<ParsedBlock>]) -> Result<(), ViewFault> {
        let next = self.deps.chain.next_block(self.clock.now());
        self.reader.leaves(next.prev);
        let chain = context(&*self.deps.chain, &next);
        let refused = self.pool.reorganised(lost, &chain, &*self.deps.verifier, self.clock.now());
        drop(self.pool.take_left());
        tracing::info!(
            held = self.pool.len(),
            refused = refused.len(),
            "mempool judged anew on another chain"
        );
        self.reader.replace(&self.pool);
        self.moved()
    }

    fn moved(&mut self) -> Result<(), ViewFault> {
        self.fees_moved();
        self.reader.followed(self.pool.tip());
        self.forget_refused();
        Ok(())
    }

    fn blocks(&self, hashes: &[BlockHash]) -> Result<Vec<Arc<ParsedBlock>>, ViewFault> {
        hashes.iter().map(|hash| self.block(hash)).collect()
    }

    fn block(&self, hash: &BlockHash) -> Result<Arc<ParsedBlock>, ViewFault> {
        let fault = |text: String| ViewFault { source_text: text };
        match self.deps.chain.block(hash) {
            Ok(block) => block.ok_or_else(|| fault(format!("block {hash} is not stored"))),
            Err(chain_fault) => Err(fault(chain_fault.to_string())),
        }
    }

    /// Brings the pool to the tip and to the present, which is returned.
    pub(super) fn present(&mut self) -> UnixMillis {
        let followed = self.follow();
        self.say(followed);
        let now = self.clock.now();
        self.pool.pass_time(now);
        now
    }

    pub(super) fn say(&self, followed: Result<(), ViewFault>) {
        if let Err(fault) = followed {
            tracing::error!(%fault, "the mempool cannot follow the chain");
        }
    }

    pub(super) fn publish(&mut self) {
        self.pool.pass_time(self.clock.now());
        self.reader.set_fee_floor(self.pool.min_fee_sat_per_kvb());
        if std::mem::take(&mut self.changed) {
            self.reader.publish(self.pool.snapshot());
        }
    }

    fn expire(&mut self) {
        drop(self.pool.expire(self.clock.now()));
        self.leave();
    }

    /// What no peer has asked for is announced to all again, now and then.
    pub(super) fn broadcast_again(&mut self) {
        if self.clock.now() >= self.broadcast_at {
            self.broadcast_at = self.next_broadcast();
            self.announce(&self.reader.unbroadcast());
        }
    }

    fn next_broadcast(&self) -> UnixMillis {
        let more_ms = self.entropy.next_u64() % (BROADCAST_EVERY_MS / 2);
        self.clock.now().plus_ms(BROADCAST_EVERY_MS.saturating_add(more_ms))
    }

    /// Tells the peers of transactions that are held; those that know of one do not hear of it again.
    pub(super) fn announce(&self, txids: &[Txid]) {
        for detail in txids.iter().flat_map(|txid| self.pool.details(Wanted::One(*txid))) {
            let fee_sat = u64::try_from(detail.modified_fee_sat).unwrap_or(0);
            self.listeners.tell(&detail.entry.tx, fee_sat, detail.vsize());
        }
    }
}

/// The chain as the pool sees it.
pub(super) fn context<'a>(chain: &'a dyn MempoolChain, next: &'a NextBlock) -> ChainContext<'a> {
    ChainContext { next, headers: chain, coins: chain, script_flags: chain.script_flags(next.height) }
}

pub(super) fn unverified(died: &tokio::task::JoinError) -> TxRejected {
    TxRejected::Fault(ViewFault { source_text: format!("a script's verification died: {died}") })
}

impl Actor for MempoolActor {
    type Context = Context<Self>;

    /// Runs again after a panic.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(PUBLISH_EVERY, |actor, _| {
            let settled = actor.settle();
            actor.say(settled);
            actor.publish();
            actor.broadcast_again();
            actor.keep_fees(0);
        });
        ctx.run_interval(EXPIRE_EVERY, |actor, _| actor.expire());
        self.work(ctx);
    }
}

impl Rebuild for MempoolActor {
    /// From the shelf, which outlives the actor: everything on it was accepted before, and is judged anew at the tip.
    fn rebuild(&mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        let next = self.deps.chain.next_block(now);
        let chain = context(&*self.deps.chain, &next);
        // Whoever waits for an answer hears that it may be offered again; what was kept goes on being read.
        self.queue.retain(|task| matches!(task, Task::One(Job { reply: None, .. }) | Task::Loaded(_)));
        (self.verifying, self.behind) = (false, false);
        self.fees = self.fees.take().map(|fees| fees.reopened(now));
        self.pool = self.pool.emptied(next.prev);
        self.pool.readmit(self.reader.all(), &chain);
        self.reader.replace(&self.pool);
        self.reader.followed(self.pool.tip());
        self.changed = true;
        Ok(())
    }

    /// What has not been read to its end stays as it is.
    fn wind_up(&mut self) -> Result<(), Fault> {
        let fees = self.wind_up_fees();
        if self.config.is_kept && self.loaded {
            self.write().map_err(|failed| Fault::Storage(failed.to_string()))?;
        }
        fees
    }
}
crate::supervised!(MempoolActor);
