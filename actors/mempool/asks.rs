//! What the mempool is asked and told.

use std::path::PathBuf;
use std::sync::Arc;

use actix::{ActorFutureExt, Context, Handler, MessageResult, ResponseActFuture, ResponseFuture, WrapFuture};
use adit_domain::mempool::{DustyPriority, PackageError, PackageRun, PackageVerdict, Pays, TxRejected};
use adit_domain::peer::TxRef;
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedTx;
use bitcoin::Txid;
use tokio::sync::oneshot;

use super::actor::{Job, MempoolActor, PackageJob, QUEUE_MAX, Task, context, unverified};
use super::file;
use super::orphans::Asker;
use crate::messages::chain::TipChanged;
use crate::messages::mempool::{
    AnnounceTransactions, GetChunks, GetMempool, GetPrioritised, GetTransaction, HurryMempool, ImportFailed,
    ImportMempool, LookIntoMempool, MempoolLook, Prioritise, PublishSnapshot, SaveFailed, SaveMempool,
    SubmitPackage, SubmitTransaction, TestPackage, TestTransaction, TestedTx,
};

impl Handler<SubmitTransaction> for MempoolActor {
    type Result = ResponseFuture<Result<Txid, TxRejected>>;

    fn handle(&mut self, msg: SubmitTransaction, ctx: &mut Self::Context) -> Self::Result {
        if self.queue.len() >= QUEUE_MAX {
            return Box::pin(std::future::ready(Err(TxRejected::Full)));
        }
        let (reply, answer) = oneshot::channel();
        let job =
            Job { tx: msg.tx, added_at: self.clock.now(), tries: 0, from: msg.from, reply: Some(reply) };
        self.queue.push_back(Task::One(job));
        self.work(ctx);
        // The actor was built again meanwhile: what waited is gone, and may be offered again.
        Box::pin(async { answer.await.unwrap_or(Err(TxRejected::TipChanged)) })
    }
}

impl Handler<TestTransaction> for MempoolActor {
    type Result = ResponseFuture<Result<TestedTx, TxRejected>>;

    fn handle(&mut self, msg: TestTransaction, _ctx: &mut Self::Context) -> Self::Result {
        let prepared = self.prepare(&msg.tx);
        let verifier = Arc::clone(&self.deps.verifier);
        Box::pin(async move {
            let candidate = prepared?;
            let (vsize, fee, modified_fee_sat) = candidate.price();
            let verdict = tokio::task::spawn_blocking(move || candidate.verify(&*verifier)).await;
            verdict.unwrap_or_else(|died| Err(unverified(&died))).map(|_| TestedTx {
                vsize,
                fee,
                modified_fee_sat,
            })
        })
    }
}

impl Handler<SubmitPackage> for MempoolActor {
    type Result = ResponseFuture<Result<PackageVerdict, PackageError>>;

    fn handle(&mut self, msg: SubmitPackage, ctx: &mut Self::Context) -> Self::Result {
        let run = match PackageRun::new(msg.txs, msg.sat_per_kvb_max) {
            Ok(run) => run,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let (reply, answer) = oneshot::channel();
        self.queue.push_back(Task::Package(Box::new(PackageJob { run, asker: Asker::Operator(reply) })));
        self.work(ctx);
        // The actor was built again meanwhile: what waited is gone, and may be offered again.
        Box::pin(async { answer.await.map_err(|_| PackageError::Transaction) })
    }
}

impl Handler<TestPackage> for MempoolActor {
    type Result = ResponseFuture<PackageVerdict>;

    fn handle(&mut self, msg: TestPackage, _ctx: &mut Self::Context) -> Self::Result {
        let now = self.present();
        let next = self.deps.chain.next_block(now);
        let chain = context(&*self.deps.chain, &next);
        let prepared = self.pool.prepare_package(&msg.txs, &chain, Pays::Alone);
        let verifier = Arc::clone(&self.deps.verifier);
        Box::pin(async move {
            match prepared {
                Err((error, at)) => PackageVerdict::refused(error, at),
                Ok(candidate) => {
                    let tested = tokio::task::spawn_blocking(move || candidate.test(&*verifier)).await;
                    tested.unwrap_or_else(|_| PackageVerdict::refused(PackageError::Transaction, None))
                }
            }
        })
    }
}

impl Handler<AnnounceTransactions> for MempoolActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceTransactions, _ctx: &mut Self::Context) {
        self.announce(&msg.txids);
    }
}

impl Handler<Prioritise> for MempoolActor {
    type Result = Result<(), DustyPriority>;

    fn handle(&mut self, msg: Prioritise, _ctx: &mut Self::Context) -> Self::Result {
        self.changed = true;
        self.pool.prioritise(msg.txid, msg.more_sat)
    }
}

impl Handler<GetPrioritised> for MempoolActor {
    type Result = MessageResult<GetPrioritised>;

    fn handle(&mut self, _msg: GetPrioritised, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.pool.prioritised())
    }
}

impl Handler<GetChunks> for MempoolActor {
    type Result = MessageResult<GetChunks>;

    fn handle(&mut self, msg: GetChunks, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.pool.chunks(msg.of.as_ref()))
    }
}

impl Handler<SaveMempool> for MempoolActor {
    type Result = ResponseFuture<Result<PathBuf, SaveFailed>>;

    fn handle(&mut self, _msg: SaveMempool, _ctx: &mut Self::Context) -> Self::Result {
        let save = if self.loaded { self.to_keep() } else { Err(SaveFailed::NotLoaded) };
        Box::pin(async {
            let save = save?;
            let written = tokio::task::spawn_blocking(move || save.write()).await;
            written.unwrap_or(Err(SaveFailed::Unwritable))
        })
    }
}

impl Handler<ImportMempool> for MempoolActor {
    type Result = ResponseActFuture<Self, Result<(), ImportFailed>>;

    fn handle(&mut self, msg: ImportMempool, _ctx: &mut Self::Context) -> Self::Result {
        let ImportMempool { path, options } = msg;
        let read = tokio::task::spawn_blocking(move || file::load(&path));
        let queued = read.into_actor(self).map(move |archive, actor, ctx: &mut Context<Self>| {
            let archive = archive.ok().flatten().ok_or(ImportFailed)?;
            let (reply, judged) = oneshot::channel();
            actor.enqueue(archive, options, Some(reply));
            actor.work(ctx);
            Ok(judged)
        });
        Box::pin(queued.then(|queued: Result<oneshot::Receiver<()>, ImportFailed>, actor, _| {
            async { queued?.await.map_err(|_| ImportFailed) }.into_actor(actor)
        }))
    }
}

impl Handler<HurryMempool> for MempoolActor {
    type Result = ();

    fn handle(&mut self, msg: HurryMempool, _ctx: &mut Self::Context) {
        self.broadcast_at = UnixMillis::new(self.broadcast_at.to_ms().saturating_sub(msg.ms));
        self.broadcast_again();
        self.keep_fees(msg.ms);
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
        self.pool.pass_time(self.clock.now());
        let sum = self.pool.sum();
        MessageResult(MempoolLook {
            details: msg.wanted.map(|wanted| self.pool.details(wanted)).unwrap_or_default(),
            count: self.pool.len(),
            sequence: self.reader.sequence(),
            vsize: sum.vsize,
            fees_sat: u64::try_from(sum.fee_sat).unwrap_or(0),
            usage_bytes: self.pool.usage_bytes(),
            min_fee_sat_per_kvb: self.pool.min_fee_sat_per_kvb(),
            is_loaded: self.loaded,
            is_best: self.pool.is_best(),
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
