use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, WrapFuture};
use adit_domain::stratum::{ExtranonceAllocator, LeaseFault, NewSession, Session};
use adit_domain::template::BlockTemplate;

use super::{Links, SHUTDOWN, SessionActor};
use crate::messages::stratum::{GetSessions, OpenSession, OpenedSession};
use crate::messages::template::{GetTemplate, TemplateChanged};
use crate::supervision::{ChildSpec, Fault, Rebuild, Role};

/// A session's mailbox: its connection asks one thing at a time, the supervisor three.
const SESSION_MAILBOX_MAX: usize = 8;

/// Opens sessions and turns templates into jobs.
pub struct StratumActor {
    links: Links,
    extranonces: ExtranonceAllocator,
    next_session: u64,
}

impl StratumActor {
    pub(super) fn new(links: Links) -> StratumActor {
        let extranonces = ExtranonceAllocator::new(links.config.server);
        StratumActor { links, extranonces, next_session: 1 }
    }

    fn publish(&self, template: &Arc<BlockTemplate>) {
        match self.links.maker.make(template) {
            Ok(job) => {
                self.links.jobs.send_replace(Some(job));
            }
            Err(error) => tracing::error!(%error, "a template makes no job"),
        }
    }

    fn open(&mut self, msg: OpenSession) -> Result<OpenedSession, LeaseFault> {
        let links = &self.links;
        let in_use = |e| links.deps.store.has_extranonce1(e);
        let extranonce1 = self.extranonces.allocate(links.deps.lease.as_ref(), in_use)?;
        let id = self.next_session;
        self.next_session = id.saturating_add(1);
        let entropy = &links.shared.entropy;
        let new = NewSession {
            id,
            remote: msg.remote.to_string(),
            extranonce1,
            token: format!("{:016x}", entropy.next_u64()),
            submission_base: entropy.next_u64(),
        };
        let own = links.clone();
        let make = move |_: &mut Context<SessionActor>| {
            let now = own.shared.clock.now();
            let session = Session::open(own.session, own.maker, own.deps.store, new, now);
            SessionActor::new(session, own.shared)
        };
        let index = msg.thread.checked_rem(links.threads.len()).unwrap_or(0);
        let thread = links.threads.get(index).ok_or_else(|| LeaseFault("no thread".to_owned()))?;
        let spec = ChildSpec::one_of_many(Role::Stratum, id, SESSION_MAILBOX_MAX, SHUTDOWN);
        let addr = links.shared.supervisor.start(spec, thread, make);
        Ok(OpenedSession { id, addr })
    }
}

impl Actor for StratumActor {
    type Context = Context<Self>;

    /// Asks for the work of now; from then on it is told.
    fn started(&mut self, ctx: &mut Self::Context) {
        let ask = self.links.deps.template.send(GetTemplate).into_actor(self);
        ctx.spawn(ask.map(|answer, actor, _| {
            if let Ok(Some(template)) = answer
                && actor.links.jobs.borrow().is_none()
            {
                actor.publish(&template);
            }
        }));
    }
}

impl Rebuild for StratumActor {
    /// The session numbers go on, as those in use are living children's names; a range of extranonces is leased anew.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.extranonces = ExtranonceAllocator::new(self.links.config.server);
        Ok(())
    }
}
crate::supervised!(StratumActor);

impl Handler<TemplateChanged> for StratumActor {
    type Result = ();

    fn handle(&mut self, msg: TemplateChanged, _ctx: &mut Self::Context) {
        self.publish(&msg.template);
    }
}

impl Handler<OpenSession> for StratumActor {
    type Result = Result<OpenedSession, LeaseFault>;

    fn handle(&mut self, msg: OpenSession, _ctx: &mut Self::Context) -> Self::Result {
        let opened = self.open(msg);
        if let Err(fault) = &opened {
            self.links.shared.supervisor.fault(Role::Stratum.as_str(), Fault::Storage(fault.to_string()));
        }
        opened
    }
}

impl Handler<GetSessions> for StratumActor {
    type Result = MessageResult<GetSessions>;

    fn handle(&mut self, msg: GetSessions, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.links.deps.store.infos_after(msg.after, msg.rows_max))
    }
}
