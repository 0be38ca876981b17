use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use adit_domain::chain::NextBlock;
use adit_domain::mempool::MempoolSnapshot;
use adit_domain::template::{
    BlockTemplate, NotSynced, TemplateError, TemplateRequest, build_template, check_synced,
};
use adit_domain::units::UnixMillis;

use super::{Board, TemplateConfig, TemplateDeps};
use crate::house::Shared;
use crate::messages::chain::TipChanged;
use crate::messages::mempool::TransactionAccepted;
use crate::messages::template::{GetMiningWait, GetTemplate, TemplateChanged};
use crate::supervision::{Fault, Rebuild, Role};

/// How often it is looked whether there is something better: an empty template waits for the mempool this long at most, and
/// the easier target of a test network is seen this late.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Better transactions make a new template this often at most: each one is a job for every miner.
const BETTER_EVERY_MS: u64 = 5_000;
/// A template is built anew at this age even if nothing changed, so that its time goes with the clock.
const AGE_MS_MAX: u64 = 30_000;

/// Builds templates.
pub struct TemplateActor {
    shared: Shared,
    deps: TemplateDeps,
    config: TemplateConfig,
    board: Arc<Board>,
    /// What the newest template was built from; none after a restart.
    built: Option<Built>,
    announced: bool,
    /// Why there is no work; known from the first look on.
    waits: Option<NotSynced>,
}

struct Built {
    at: UnixMillis,
    next: NextBlock,
    /// None where the mempool stood on another tip.
    snapshot: Option<Arc<MempoolSnapshot>>,
}

impl Board {
    /// Tells the listener of the newest template; whether there was nothing to tell or it was told.
    pub(super) fn announce(&self, clean_jobs: bool) -> bool {
        match (self.listener.get(), self.newest.load_full()) {
            (Some(listener), Some(template)) => {
                listener.try_send(TemplateChanged { template, clean_jobs }).is_ok()
            }
            _ => true,
        }
    }
}

impl TemplateActor {
    pub(super) fn new(
        shared: Shared,
        deps: TemplateDeps,
        config: TemplateConfig,
        board: Arc<Board>,
    ) -> TemplateActor {
        TemplateActor { shared, deps, config, board, built: None, announced: true, waits: None }
    }

    /// Builds where the tip is another, the target is, there are transactions to be had, or the last one is old.
    fn look(&mut self) {
        let now = self.shared.clock.now();
        // Work on a tip that the chain is about to leave is lost, and so is what is found by it.
        if !self.may_mine(now) || !self.deps.chain.is_settled() {
            return;
        }
        let next = self.deps.chain.next_block(now);
        let snapshot = Some(self.deps.mempool.snapshot()).filter(|s| s.tip == next.prev);
        if self.is_better(&next, snapshot.as_ref(), now) {
            self.build(next, snapshot, now);
        }
        if !self.announced {
            self.announced = self.board.announce(true);
        }
    }

    /// Whether the chain is synced, or was once. What is waited for is logged when it is another thing.
    fn may_mine(&mut self, now: UnixMillis) -> bool {
        if self.board.synced.load(Ordering::SeqCst) {
            return true;
        }
        let waits = match self.config.tip_age_h_max {
            0 => None,
            hours => check_synced(&self.deps.chain.progress(), now, hours).err(),
        };
        match waits {
            Some(waits) if !self.waits.is_some_and(|w| discriminant(&w) == discriminant(&waits)) => {
                tracing::info!(%waits, "miners get no work yet");
            }
            None if self.waits.is_some() => tracing::info!("the chain is synced: miners get work"),
            _ => {}
        }
        self.waits = waits;
        self.board.synced.store(waits.is_none(), Ordering::SeqCst);
        waits.is_none()
    }

    fn is_better(&self, next: &NextBlock, snapshot: Option<&Arc<MempoolSnapshot>>, now: UnixMillis) -> bool {
        let Some(built) = &self.built else { return true };
        let age_ms = now.ms_since(built.at);
        let is_other = built.next.prev != next.prev || built.next.bits != next.bits;
        let has_news = match (&built.snapshot, snapshot) {
            (None, Some(now)) => !now.entries.is_empty(),
            (Some(before), Some(now)) => age_ms >= BETTER_EVERY_MS && !Arc::ptr_eq(before, now),
            (_, None) => false,
        };
        is_other || has_news || age_ms >= AGE_MS_MAX
    }

    fn build(&mut self, next: NextBlock, snapshot: Option<Arc<MempoolSnapshot>>, now: UnixMillis) {
        if next.height < self.deps.chain.segwit_from() {
            return;
        }
        match self.template(&next, snapshot.as_deref(), now) {
            Ok(template) => self.publish(template),
            Err(error) => {
                self.shared.supervisor.fault(Role::Template.as_str(), Fault::State(error.to_string()));
            }
        }
        self.built = Some(Built { at: now, next, snapshot });
    }

    fn template(
        &self,
        next: &NextBlock,
        snapshot: Option<&MempoolSnapshot>,
        now: UnixMillis,
    ) -> Result<BlockTemplate, TemplateError> {
        let request = TemplateRequest {
            next,
            subsidy: self.deps.chain.subsidy(next.height),
            payout_script: &self.config.payout_script,
            now,
            id: self.board.last_id.fetch_add(1, Ordering::SeqCst).saturating_add(1),
        };
        build_template(&request, snapshot)
    }

    /// A job on the same parent leaves the miners' work on older ones as good as it was.
    fn publish(&mut self, template: BlockTemplate) {
        let before = self.board.newest.swap(Some(Arc::new(template)));
        let after = self.board.newest.load();
        let clean_jobs = before.map(|t| t.prev) != after.as_ref().map(|t| t.prev);
        // A miners' side with a full mailbox is told again soon, and then that all older work is lost.
        self.announced = self.board.announce(clean_jobs);
    }
}

impl Actor for TemplateActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        ctx.run_interval(LOOK_EVERY, |actor, _| actor.look());
    }
}

impl Rebuild for TemplateActor {
    /// The tip is the chain's, the last template is on the board: the next look builds on both.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.built = None;
        self.announced = true;
        self.waits = None;
        Ok(())
    }
}
crate::supervised!(TemplateActor);

impl Handler<TipChanged> for TemplateActor {
    type Result = ();

    fn handle(&mut self, _msg: TipChanged, _ctx: &mut Self::Context) {
        self.look();
    }
}

impl Handler<TransactionAccepted> for TemplateActor {
    type Result = ();

    fn handle(&mut self, _msg: TransactionAccepted, _ctx: &mut Self::Context) {
        self.look();
    }
}

impl Handler<GetTemplate> for TemplateActor {
    type Result = MessageResult<GetTemplate>;

    fn handle(&mut self, _msg: GetTemplate, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.board.newest.load_full())
    }
}

impl Handler<GetMiningWait> for TemplateActor {
    type Result = MessageResult<GetMiningWait>;

    fn handle(&mut self, _msg: GetMiningWait, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.waits)
    }
}
