use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, ResponseFuture, WrapFuture,
};
use adit_domain::chain::NextBlock;
use adit_domain::consensus::ViewFault;
use adit_domain::mempool::{
    Accepted, Candidate, ChainContext, Mempool, MempoolEntry, TxRejected, VerifiedTx,
};
use adit_domain::peer::TxRef;
use adit_domain::units::{Clock, UnixMillis};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::{Amount, BlockHash, Txid};
use tokio::sync::oneshot;

use super::{MempoolChain, MempoolConfig, MempoolDeps, MempoolReader, TxListeners, file};
use crate::messages::chain::TipChanged;
use crate::messages::mempool::{
    GetMempool, GetTransaction, LookIntoMempool, MempoolLook, PublishSnapshot, SubmitTransaction,
    TestTransaction,
};
use crate::supervision::{Fault, Rebuild};

/// Transactions that wait to be judged: at 200 us each a fifth of a second's work; beyond it they are refused.
const QUEUE_MAX: usize = 1_000;
/// Transactions whose parents are missing and that are tried again when one of them joins: 100 x 400 kB = 40 MB at most.
const ORPHANS_MAX: usize = 100;
/// Blocks that the pool follows one by one; beyond it everything is judged anew on the new tip, which costs less than reading them.
const FOLLOW_BLOCKS_MAX: usize = 100;
/// Blocks that left whose transactions come back: their scripts are verified here, half a second a block at worst, and next to nothing where
/// they were here before.
const RETURN_BLOCKS_MAX: usize = 10;
/// Tries to look at the chain between two moves of its tip.
const PREPARE_TRIES: usize = 3;
/// How often a changed pool is put in order for the block builder; half of what a template waits for it.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked for what has waited for too long.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

struct Job {
    tx: Arc<ParsedTx>,
    added_at: UnixMillis,
    reply: Option<oneshot::Sender<Result<Txid, TxRejected>>>,
}

/// Judges transactions, one after the other, and keeps pace with the chain.
pub struct MempoolActor {
    deps: MempoolDeps,
    config: MempoolConfig,
    clock: Arc<dyn Clock>,
    reader: MempoolReader,
    listeners: TxListeners,
    pool: Mempool,
    queue: VecDeque<Job>,
    orphans: VecDeque<Arc<ParsedTx>>,
    verifying: bool,
    changed: bool,
    /// Whether the queue has been empty once: what was kept over a restart has been judged.
    loaded: bool,
    /// The chain has turned aside, and was not at the end of its way.
    behind: bool,
}

impl MempoolActor {
    pub(super) fn new(
        deps: MempoolDeps,
        config: MempoolConfig,
        clock: Arc<dyn Clock>,
        reader: MempoolReader,
        listeners: TxListeners,
    ) -> MempoolActor {
        let tip = deps.chain.next_block(clock.now()).prev;
        let kept = config.file.as_deref().map(file::load).unwrap_or_default();
        let queue = kept.into_iter().map(|(tx, added_at)| Job { tx, added_at, reply: None }).collect();
        MempoolActor {
            pool: Mempool::new(config.pool, tip),
            deps,
            config,
            clock,
            reader,
            listeners,
            queue,
            orphans: VecDeque::new(),
            verifying: false,
            changed: false,
            loaded: false,
            behind: false,
        }
    }

    /// Judges what waits: all but the scripts here, the scripts on a thread of the pool for blocking work, one at a time, so
    /// that a child never overtakes its parent.
    fn work(&mut self, ctx: &mut Context<Self>) {
        while !self.verifying {
            let Some(job) = self.queue.pop_front() else {
                self.loaded = true;
                return;
            };
            match self.prepare(&job.tx) {
                Ok(candidate) => self.verify(job, candidate, ctx),
                Err(refused) => self.conclude(job, Err(refused)),
            }
        }
    }

    fn prepare(&mut self, tx: &Arc<ParsedTx>) -> Result<Candidate, TxRejected> {
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
        self.verifying = true;
        let verifier = Arc::clone(&self.deps.verifier);
        let verdict = tokio::task::spawn_blocking(move || candidate.verify(&*verifier));
        ctx.spawn(verdict.into_actor(self).map(|verdict, actor, ctx| {
            actor.verifying = false;
            let verdict = verdict.unwrap_or_else(|died| Err(unverified(&died)));
            let admitted = verdict.and_then(|verified| actor.admit(verified, job.added_at));
            actor.conclude(job, admitted);
            actor.work(ctx);
        }));
    }

    fn admit(&mut self, verified: VerifiedTx, added_at: UnixMillis) -> Result<Accepted, TxRejected> {
        self.pool.admit(verified, added_at)
    }

    fn conclude(&mut self, job: Job, verdict: Result<Accepted, TxRejected>) {
        let answer = match verdict {
            Ok(accepted) => {
                self.joined(&job, &accepted);
                Ok(job.tx.txid())
            }
            Err(refused) => {
                self.refused(&job.tx, &refused);
                Err(refused)
            }
        };
        if let Some(reply) = job.reply {
            // Whoever asked may be gone.
            let _ = reply.send(answer);
        }
    }

    fn joined(&mut self, job: &Job, accepted: &Accepted) {
        self.changed = true;
        self.reader.remove(&accepted.evicted);
        self.reader.put(Arc::clone(&job.tx), job.added_at);
        let fee_sat = accepted.entry.fee.to_sat();
        self.listeners.tell(&job.tx, fee_sat, accepted.vsize);
        self.reader.set_fee_floor(self.pool.min_fee_sat_per_kvb());
        let txid = job.tx.txid();
        let waits =
            |orphan: &Arc<ParsedTx>| orphan.tx().input.iter().any(|input| input.previous_output.txid == txid);
        let (ready, rest) = std::mem::take(&mut self.orphans).into_iter().partition(waits);
        self.orphans = rest;
        let now = self.clock.now();
        let jobs = ready.into_iter().map(|tx| Job { tx, added_at: now, reply: None });
        self.queue.extend(jobs);
    }

    fn refused(&mut self, tx: &Arc<ParsedTx>, refused: &TxRejected) {
        if refused.is_lasting() {
            self.reader.refuse(tx.wtxid());
        }
        if *refused == TxRejected::MissingInputs && !self.orphans.iter().any(|o| o.wtxid() == tx.wtxid()) {
            self.orphans.push_back(Arc::new(tx.detached()));
            if self.orphans.len() > ORPHANS_MAX {
                self.orphans.pop_front();
            }
        }
    }

    /// What a new tip brings: the blocks at hand where they join the pool's; where the chain has turned aside, the pool is judged anew once,
    /// at the end of the way, however many steps that has.
    fn hear(&mut self, event: &TipChanged) -> Result<(), ViewFault> {
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
    fn follow(&mut self) -> Result<(), ViewFault> {
        let tip = self.deps.chain.next_block(self.clock.now()).prev;
        if tip != self.pool.tip() {
            self.catch_up(tip)?;
        }
        Ok(())
    }

    fn catch_up(&mut self, tip: BlockHash) -> Result<(), ViewFault> {
        let (disconnect, connect) = self.deps.chain.path_from(&self.pool.tip()).unwrap_or_default();
        if self.pool.is_empty() && disconnect.is_empty() {
            self.pool = Mempool::new(self.config.pool, tip);
            return self.moved();
        }
        let short = disconnect.len().saturating_add(connect.len()) <= FOLLOW_BLOCKS_MAX;
        if short && disconnect.is_empty() && !connect.is_empty() {
            // A snapshot leads over blocks that are not here.
            let Ok(blocks) = self.blocks(&connect) else { return self.reorganise(&[]) };
            blocks.iter().for_each(|block| self.connect(block));
            return Ok(());
        }
        let few = short && disconnect.len() <= RETURN_BLOCKS_MAX;
        let lost = if few { self.blocks(&disconnect)? } else { Vec::new() };
        self.reorganise(&lost)
    }

    fn connect(&mut self, block: &ParsedBlock) {
        let contradicted = self.pool.block_connected(block);
        let included: Vec<Txid> = block.txs().iter().map(ParsedTx::txid).collect();
        self.reader.remove(&contradicted);
        self.reader.mined(&included);
        self.reader.followed(self.pool.tip());
        self.changed = true;
        self.reader.forget_refused();
    }

    fn reorganise(&mut self, lost: &[Arc<ParsedBlock>]) -> Result<(), ViewFault> {
        let next = self.deps.chain.next_block(self.clock.now());
        self.reader.leaves(next.prev);
        let chain = context(&*self.deps.chain, &next);
        let refused = self.pool.reorganised(lost, &chain, &*self.deps.verifier, self.clock.now());
        tracing::info!(
            held = self.pool.len(),
            refused = refused.len(),
            "mempool judged anew on another chain"
        );
        self.reader.replace(&self.pool);
        self.moved()
    }

    fn moved(&mut self) -> Result<(), ViewFault> {
        self.reader.followed(self.pool.tip());
        self.changed = true;
        self.reader.forget_refused();
        Ok(())
    }

    fn blocks(&self, hashes: &[BlockHash]) -> Result<Vec<Arc<ParsedBlock>>, ViewFault> {
        let fault = |text: String| ViewFault { source_text: text };
        let block = |hash: &BlockHash| match self.deps.chain.block(hash) {
            Ok(block) => block.ok_or_else(|| fault(format!("block {hash} is not stored"))),
            Err(chain_fault) => Err(fault(chain_fault.to_string())),
        };
        hashes.iter().map(block).collect()
    }

    fn say(&self, followed: Result<(), ViewFault>) {
        if let Err(fault) = followed {
            tracing::error!(%fault, "the mempool cannot follow the chain");
        }
    }

    fn publish(&mut self) {
        self.reader.set_fee_floor(self.pool.min_fee_sat_per_kvb());
        if std::mem::take(&mut self.changed) {
            self.reader.publish(self.pool.snapshot());
        }
    }

    fn expire(&mut self) {
        let gone = self.pool.expire(self.clock.now());
        self.changed |= !gone.is_empty();
        self.reader.remove(&gone);
    }
}

/// The chain as the pool sees it.
fn context<'a>(chain: &'a dyn MempoolChain, next: &'a NextBlock) -> ChainContext<'a> {
    ChainContext { next, headers: chain, coins: chain, script_flags: chain.script_flags(next.height) }
}

fn unverified(died: &tokio::task::JoinError) -> TxRejected {
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
        self.queue.clear();
        self.orphans.clear();
        (self.verifying, self.behind) = (false, false);
        self.pool = Mempool::new(self.config.pool, next.prev);
        self.pool.readmit(self.reader.all(), &chain);
        self.reader.replace(&self.pool);
        self.reader.followed(self.pool.tip());
        self.changed = true;
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        match &self.config.file {
            Some(path) => file::save(path, &self.reader.all()).map_err(|e| Fault::Storage(e.to_string())),
            None => Ok(()),
        }
    }
}
crate::supervised!(MempoolActor);

impl Handler<SubmitTransaction> for MempoolActor {
    type Result = ResponseFuture<Result<Txid, TxRejected>>;

    fn handle(&mut self, msg: SubmitTransaction, ctx: &mut Self::Context) -> Self::Result {
        if self.queue.len() >= QUEUE_MAX {
            return Box::pin(std::future::ready(Err(TxRejected::Full)));
        }
        let (reply, answer) = oneshot::channel();
        self.queue.push_back(Job { tx: msg.tx, added_at: self.clock.now(), reply: Some(reply) });
        self.work(ctx);
        // The actor was built again meanwhile: what waited is gone, and may be offered again.
        Box::pin(async { answer.await.unwrap_or(Err(TxRejected::TipChanged)) })
    }
}

impl Handler<TestTransaction> for MempoolActor {
    type Result = ResponseFuture<Result<(u64, Amount), TxRejected>>;

    fn handle(&mut self, msg: TestTransaction, _ctx: &mut Self::Context) -> Self::Result {
        let prepared = self.prepare(&msg.tx);
        let verifier = Arc::clone(&self.deps.verifier);
        Box::pin(async move {
            let candidate = prepared?;
            let price = candidate.price();
            let verdict = tokio::task::spawn_blocking(move || candidate.verify(&*verifier)).await;
            verdict.unwrap_or_else(|died| Err(unverified(&died))).map(|_| price)
        })
    }
}

impl Handler<PublishSnapshot> for MempoolActor {
    type Result = ();

    fn handle(&mut self, _msg: PublishSnapshot, _ctx: &mut Self::Context) {
        self.publish();
    }
}

impl Handler<LookIntoMempool> for MempoolActor {
    type Result = MessageResult<LookIntoMempool>;

    fn handle(&mut self, msg: LookIntoMempool, _ctx: &mut Self::Context) -> Self::Result {
        let entries = || self.pool.iter().map(|(entry, _)| entry);
        let vsize =
            |sum: u64, entry: &MempoolEntry| sum.saturating_add(entry.tx.weight().to_wu().div_ceil(4));
        let fees = |sum: u64, entry: &MempoolEntry| sum.saturating_add(entry.fee.to_sat());
        MessageResult(MempoolLook {
            details: msg.wanted.map(|wanted| self.pool.details(wanted)).unwrap_or_default(),
            count: self.pool.len(),
            sequence: self.reader.sequence(),
            vsize: entries().fold(0, vsize),
            fees_sat: entries().fold(0, fees),
            usage_bytes: self.pool.usage_bytes(),
            min_fee_sat_per_kvb: self.pool.min_fee_sat_per_kvb(),
            is_loaded: self.loaded,
        })
    }
}

impl Handler<TipChanged> for MempoolActor {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, ctx: &mut Self::Context) {
        let heard = self.hear(&msg);
        self.say(heard);
        self.publish();
        self.work(ctx);
    }
}

impl Handler<GetMempool> for MempoolActor {
    type Result = MessageResult<GetMempool>;

    fn handle(&mut self, _msg: GetMempool, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.pool.summary())
    }
}

impl Handler<GetTransaction> for MempoolActor {
    type Result = Option<Arc<ParsedTx>>;

    fn handle(&mut self, msg: GetTransaction, _ctx: &mut Self::Context) -> Self::Result {
        self.reader.get(&TxRef::Txid(msg.txid))
    }
}
