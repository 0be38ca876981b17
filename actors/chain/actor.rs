use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use adit_chainstate::{BlockAccepted, HeadersAccepted, MarkError, PruneError, Pruned, SubmitError};
use adit_domain::chain::Tip;
use adit_domain::units::Clock;

use super::link::ChainLink;
use crate::messages::chain::{EngineDied, MarkBlock, PruneBlocks, SubmitBlock, SubmitHeaders};
use crate::supervision::{Fault, Rebuild};

/// Passes headers and blocks on to the engine. It keeps nothing: its state is the engine's.
pub struct ChainActor {
    link: ChainLink,
    clock: Arc<dyn Clock>,
}

impl ChainActor {
    pub(super) fn new(link: ChainLink, clock: Arc<dyn Clock>) -> ChainActor {
        ChainActor { link, clock }
    }
}

impl Actor for ChainActor {
    type Context = Context<Self>;
}

crate::supervised!(ChainActor);

impl Rebuild for ChainActor {
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.link.rebuild();
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        self.link.stop_blocking()
    }
}

impl Handler<SubmitHeaders> for ChainActor {
    type Result = ResponseFuture<Result<HeadersAccepted, SubmitError>>;

    fn handle(&mut self, msg: SubmitHeaders, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.link.clone().headers(msg.headers, self.clock.now()))
    }
}

impl Handler<SubmitBlock> for ChainActor {
    type Result = ResponseFuture<Result<BlockAccepted, SubmitError>>;

    fn handle(&mut self, msg: SubmitBlock, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.link.clone().block(msg.block, self.clock.now()))
    }
}

impl Handler<MarkBlock> for ChainActor {
    type Result = ResponseFuture<Result<Arc<Tip>, MarkError>>;

    fn handle(&mut self, msg: MarkBlock, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.link.clone().mark(msg.hash, msg.mark))
    }
}

impl Handler<PruneBlocks> for ChainActor {
    type Result = ResponseFuture<Result<Pruned, PruneError>>;

    fn handle(&mut self, msg: PruneBlocks, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.link.clone().prune(msg.up_to))
    }
}

impl Handler<EngineDied> for ChainActor {
    type Result = ();

    #[expect(clippy::panic, reason = "the engine's panic is passed on, so that the supervisor counts it")]
    fn handle(&mut self, _msg: EngineDied, _ctx: &mut Self::Context) {
        panic!("the chain's engine panicked");
    }
}
