use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, ResponseFuture, WrapFuture,
};
use adit_domain::payout::{Balance, CreditError, StatsSink, WorkerTotals};
use adit_domain::units::UnixMillis;
use bitcoin::BlockHash;

use super::booker::{Booker, Patience, Walked, ledger_fault};
use super::committer::Committer;
use super::figures::{Figures, worker_key};
use crate::house::Shared;
use crate::messages::chain::TipChanged;
use crate::messages::payout::{
    CreditShare, GetBalances, GetPoolBlocks, GetWorkers, PoolBlocks, ShareRejected,
};
use crate::supervision::{Fault, Rebuild, Role};

/// How often a block that waits for its finding share looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a block waits for the credit of the share that found it: a session that lost its reply to a panic asks again for
/// half a minute. Then the block is booked without it.
const FINDING_SHARE_WAIT_MS: u64 = 40_000;
/// Blocks that a query lists: 100 bytes each.
const POOL_BLOCKS_MAX: usize = 1_000;

/// Keeps the books.
pub struct PayoutActor {
    shared: Shared,
    booker: Arc<Booker>,
    committer: Committer,
    figures: Arc<Figures>,
    patience: Patience,
    walking: bool,
    /// Whether something happened while it walked.
    again: bool,
    waiting: Option<(BlockHash, UnixMillis)>,
    /// Whether it is going to look again by itself: one timer, however many tips come meanwhile.
    will_look: bool,
}

impl PayoutActor {
    pub(super) fn new(
        shared: Shared,
        booker: Arc<Booker>,
        committer: Committer,
        figures: Arc<Figures>,
        patience: Patience,
    ) -> PayoutActor {
        let (walking, again, waiting, will_look) = (false, false, None, false);
        PayoutActor { shared, booker, committer, figures, patience, walking, again, waiting, will_look }
    }

    /// Walks the ledger to the tip, off this thread; one walk at a time.
    fn walk(&mut self, ctx: &mut Context<Self>) {
        if self.walking {
            self.again = true;
            return;
        }
        self.walking = true;
        self.again = false;
        let (booker, patience) = (Arc::clone(&self.booker), self.patience_now());
        let walk = tokio::task::spawn_blocking(move || booker.walk(patience));
        ctx.spawn(walk.into_actor(self).map(|walked, actor, ctx| {
            actor.walking = false;
            match walked {
                Ok(Ok(walked)) => actor.walked(walked, ctx),
                Ok(Err(fault)) => actor.fault(fault),
                Err(_) => actor.fault(Fault::State("a walk of the books panicked".to_owned())),
            }
        }));
    }

    fn patience_now(&self) -> Patience {
        let now = self.shared.clock.now();
        match self.waiting {
            Some((hash, since)) if now.ms_since(since) >= FINDING_SHARE_WAIT_MS => Patience::AllBut(hash),
            _ => self.patience,
        }
    }

    fn walked(&mut self, walked: Walked, ctx: &mut Context<Self>) {
        self.patience = Patience::All;
        let was_waiting = self.waiting.take();
        match walked {
            Walked::Done => {}
            Walked::Waiting(hash) => {
                let now = self.shared.clock.now();
                let since = was_waiting.filter(|(h, _)| *h == hash).map_or(now, |(_, since)| since);
                // A clock that was set back must not lengthen the wait.
                self.waiting = Some((hash, since.min(now)));
                self.look_soon(ctx);
            }
            Walked::Ahead(cursor) => {
                tracing::info!(height = %cursor.height, "the books are ahead of the chain, and wait for it");
            }
            Walked::Missing(next) => {
                tracing::info!(height = %next.height, "the books wait for a block below a snapshot that is not here yet");
            }
            Walked::Unknown(cursor) => {
                tracing::warn!(tip = %cursor.hash, height = %cursor.height, "the books stand at a block that the chain does not know yet");
            }
        }
        if self.again {
            self.walk(ctx);
        }
    }

    fn look_soon(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.will_look, true) {
            ctx.run_later(LOOK_EVERY, |actor, ctx| {
                actor.will_look = false;
                actor.walk(ctx);
            });
        }
    }

    fn fault(&self, fault: Fault) {
        self.shared.supervisor.fault(Role::Payout.as_str(), fault);
    }

    /// Asks the books off this thread; a fault ends the process, and the answer is empty.
    fn ask<T: Default + Send + 'static>(
        &self,
        question: impl FnOnce(&Booker) -> Result<T, Fault> + Send + 'static,
    ) -> ResponseFuture<T> {
        let (booker, supervisor) = (Arc::clone(&self.booker), self.shared.supervisor.clone());
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || question(&booker)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(fault)) => {
                    supervisor.fault(Role::Payout.as_str(), fault);
                    T::default()
                }
                Err(_) => T::default(),
            }
        })
    }
}

impl Actor for PayoutActor {
    type Context = Context<Self>;

    /// Catches up with what happened while it was not there. After a panic nothing comes back of what was under way.
    fn started(&mut self, ctx: &mut Self::Context) {
        (self.walking, self.again, self.will_look) = (false, false, false);
        self.walk(ctx);
    }
}

impl Rebuild for PayoutActor {
    /// All that counts is in the log and the ledger; what waits to be durable is with the committer. The process lives, so a
    /// block found by it still waits for its share.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.patience = Patience::All;
        self.waiting = None;
        // What is under way stays so where an operator asked for it.
        Ok(())
    }

    /// A block that still waits for its share is left to the next start, which finds the share in the log.
    fn wind_up(&mut self) -> Result<(), Fault> {
        self.booker.walk(Patience::All).map(|_| ())
    }
}
crate::supervised!(PayoutActor);

impl Handler<CreditShare> for PayoutActor {
    type Result = ResponseFuture<Result<(), CreditError>>;

    fn handle(&mut self, msg: CreditShare, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.committer.clone().credit(msg.share))
    }
}

impl Handler<ShareRejected> for PayoutActor {
    type Result = ();

    fn handle(&mut self, msg: ShareRejected, _ctx: &mut Self::Context) {
        self.figures.rejected(&msg.worker, self.shared.clock.now());
    }
}

impl Handler<TipChanged> for PayoutActor {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, ctx: &mut Self::Context) {
        self.booker.note(&msg.connected, msg.tip.height);
        self.walk(ctx);
    }
}

impl Handler<GetBalances> for PayoutActor {
    type Result = ResponseFuture<Vec<Balance>>;

    fn handle(&mut self, msg: GetBalances, _ctx: &mut Self::Context) -> Self::Result {
        let GetBalances { after, rows_max } = msg;
        self.ask(move |books| books.ledger().balances_after(after.as_deref(), rows_max).map_err(ledger_fault))
    }
}

impl Handler<GetPoolBlocks> for PayoutActor {
    type Result = ResponseFuture<PoolBlocks>;

    fn handle(&mut self, _msg: GetPoolBlocks, _ctx: &mut Self::Context) -> Self::Result {
        self.ask(|books| {
            let newest = books.ledger().blocks(POOL_BLOCKS_MAX).map_err(ledger_fault)?;
            // Counted after they are listed: no row ever goes away, so there are never fewer than are listed.
            let total = books.ledger().block_count().map_err(ledger_fault)?;
            Ok(PoolBlocks { newest, total })
        })
    }
}

impl Handler<GetWorkers> for PayoutActor {
    type Result = MessageResult<GetWorkers>;

    fn handle(
        &mut self,
        GetWorkers { after, rows_max }: GetWorkers,
        _ctx: &mut Self::Context,
    ) -> Self::Result {
        let totals = self.booker.log().totals(after.as_deref().map(worker_key).as_ref(), rows_max);
        let page = (after.as_deref(), rows_max);
        let workers: Vec<WorkerTotals> = self.figures.workers(totals, page, self.shared.clock.now());
        MessageResult(workers)
    }
}
