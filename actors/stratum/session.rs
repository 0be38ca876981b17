use actix::{Actor, ActorContext, Context, Handler, MessageResult};
use adit_domain::stratum::{CloseReason, Effect, Session};

use crate::house::Shared;
use crate::messages::stratum::{EndSession, HandleJob, HandleLine, HandleTick, Handled, UncreditShare};
use crate::supervision::{Fault, Rebuild};

/// One miner's session.
pub struct SessionActor {
    session: Session,
    shared: Shared,
    gone: bool,
}

impl SessionActor {
    pub(super) fn new(session: Session, shared: Shared) -> SessionActor {
        SessionActor { session, shared, gone: false }
    }

    fn handled(&self, effects: Vec<Effect>) -> Handled {
        if self.gone {
            return Handled { effects: vec![Effect::Close(CloseReason::Gone)], authorized: false };
        }
        Handled { effects, authorized: self.session.is_authorized() }
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;
}

impl Rebuild for SessionActor {
    /// From the store. A session that is not there any more has no connection either, or ends it.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.gone = !self.session.restore();
        Ok(())
    }
}
crate::supervised!(SessionActor);

impl Handler<HandleLine> for SessionActor {
    type Result = MessageResult<HandleLine>;

    fn handle(&mut self, msg: HandleLine, _ctx: &mut Self::Context) -> Self::Result {
        self.session.handle_line(&msg.line, self.shared.clock.now(), &mut msg.said.lock());
        MessageResult(self.handled(msg.said.take()))
    }
}

impl Handler<HandleJob> for SessionActor {
    type Result = MessageResult<HandleJob>;

    fn handle(&mut self, msg: HandleJob, _ctx: &mut Self::Context) -> Self::Result {
        let effects = self.session.handle_job(&msg.job);
        MessageResult(self.handled(effects))
    }
}

impl Handler<HandleTick> for SessionActor {
    type Result = MessageResult<HandleTick>;

    fn handle(&mut self, _msg: HandleTick, _ctx: &mut Self::Context) -> Self::Result {
        let effects = self.session.handle_tick(self.shared.clock.now());
        MessageResult(self.handled(effects))
    }
}

impl Handler<UncreditShare> for SessionActor {
    type Result = ();

    fn handle(&mut self, _msg: UncreditShare, _ctx: &mut Self::Context) {
        self.session.handle_uncredited();
    }
}

impl Handler<EndSession> for SessionActor {
    type Result = ();

    fn handle(&mut self, _msg: EndSession, ctx: &mut Self::Context) {
        self.session.handle_end(self.shared.clock.now());
        ctx.stop();
    }
}
