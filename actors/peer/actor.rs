use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MailboxError, ResponseFuture,
    WrapFuture,
};
use adit_chainstate::{BlockAccepted, HeadersAccepted, SubmitError};
use adit_domain::peer::{
    BlockVerdict, DisconnectReason, Effect, HeadersVerdict, PeerId, PeerInfo, Session, SessionConfig, Turn,
};
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::block::Header;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;

use super::Links;
use super::board::{Status, View};
use super::connection::Intake;
use super::link::Link;
use super::serve::serve;
use crate::messages::chain::{SubmitBlock, SubmitHeaders};
use crate::messages::mempool::SubmitTransaction;
use crate::messages::peer::{
    AnnounceFound, AnnounceTip, AnnounceTx, LinkClosed, LinkOpened, MessageReceived, ReleasePeer,
};
use crate::supervision::{Fault, Rebuild};

/// How often a session looks at its clocks and announces transactions.
const TICK: Duration = Duration::from_millis(250);
/// A peer that takes nothing of what waits for it for so long is dropped.
const SEND_MS_MAX: u64 = 60_000;

/// One connection's side of the protocol: hands messages to the session, and does what it says.
pub struct PeerActor {
    links: Links,
    id: PeerId,
    inbound: bool,
    status: Arc<Status>,
    live: Option<Live>,
    opened: u64,
}

struct Live {
    session: Session,
    link: Link,
    remote: String,
    local: Option<String>,
    opened_at: UnixMillis,
    full_since: Option<UnixMillis>,
    /// Tells this connection's verdicts from those of an earlier one.
    number: u64,
}

impl PeerActor {
    pub(super) fn new(links: Links, id: PeerId, inbound: bool, status: Arc<Status>) -> PeerActor {
        PeerActor { links, id, inbound, status, live: None, opened: 0 }
    }

    fn open(&mut self, msg: LinkOpened, ctx: &mut Context<Self>) {
        self.close();
        let (nonce, now) = (self.links.shared.entropy.next_u64(), self.links.shared.clock.now());
        if !self.inbound {
            self.links.board.remember_nonce(nonce);
        }
        let user_agent = self.links.config.user_agent.clone();
        let config = SessionConfig { id: self.id, inbound: self.inbound, user_agent, nonce };
        let view = View { deps: &self.links.deps, board: &self.links.board };
        let (session, effects) = Session::open(config, &view, now);
        self.opened = self.opened.saturating_add(1);
        let LinkOpened { link, remote, local } = msg;
        let local = local.map(|local| local.to_string());
        let number = self.opened;
        self.live = Some(Live { session, link, remote, local, opened_at: now, full_since: None, number });
        self.show();
        self.execute(effects, Intake::default(), ctx);
    }

    /// One step of the session; none where there is no connection.
    fn step(&mut self, step: impl FnOnce(&mut Session, &mut Turn<'_>) -> Vec<Effect>) -> Vec<Effect> {
        let Some(live) = &mut self.live else { return Vec::new() };
        let view = View { deps: &self.links.deps, board: &self.links.board };
        let mut boards = self.links.board.boards();
        let boards = &mut *boards;
        let mut turn = Turn {
            now: self.links.shared.clock.now(),
            chance: self.links.shared.entropy.next_u64(),
            view: &view,
            downloads: &mut boards.downloads,
            txs: &mut boards.txs,
        };
        step(&mut live.session, &mut turn)
    }

    /// Does what the session says, but for what is to be served: that is returned, since it takes time.
    fn execute(
        &mut self,
        effects: Vec<Effect>,
        mut intake: Intake,
        ctx: &mut Context<Self>,
    ) -> Vec<Inventory> {
        let mut wanted = Vec::new();
        for effect in effects {
            let Some(live) = &self.live else { break };
            match effect {
                Effect::Send(message) => {
                    let frame = message.encode(Magic::from_bytes(self.links.config.magic));
                    frame.into_iter().for_each(|frame| live.link.push(frame));
                }
                Effect::SubmitHeaders(headers) => {
                    self.submit_headers(headers, std::mem::take(&mut intake), ctx)
                }
                Effect::SubmitBlock(block) => self.submit_block(block, std::mem::take(&mut intake), ctx),
                Effect::SubmitTx(tx) => self.submit_tx(tx, std::mem::take(&mut intake), ctx),
                Effect::Serve(items) => wanted.extend(items),
                Effect::Ready => self.ready(),
                Effect::Disconnect(reason) => self.disconnect(&reason),
            }
        }
        wanted
    }

    fn submit_headers(&self, headers: Vec<Header>, intake: Intake, ctx: &mut Context<Self>) {
        let (Some(last), count) = (headers.last().map(Header::block_hash), headers.len()) else { return };
        let number = self.opened;
        let sent = self.links.deps.headers.send(SubmitHeaders { headers }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, ctx| {
            drop(intake);
            let verdict = headers_verdict(result);
            actor.judged(number, ctx, |session, turn| session.headers_judged(last, count, verdict, turn));
        }));
    }

    fn submit_block(&self, block: Arc<ParsedBlock>, intake: Intake, ctx: &mut Context<Self>) {
        let (hash, number) = (block.hash(), self.opened);
        let sent = self.links.deps.blocks.send(SubmitBlock { block }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, ctx| {
            drop(intake);
            // Refused by a snapshot's coins that are not verified: it may be we who are wrong.
            let is_doubted = actor.links.deps.chain.is_doubted(&hash);
            let verdict = if is_doubted { BlockVerdict::Failed } else { block_verdict(result) };
            actor.judged(number, ctx, |session, turn| session.block_judged(hash, verdict, turn));
        }));
    }

    fn submit_tx(&self, tx: Arc<ParsedTx>, intake: Intake, ctx: &mut Context<Self>) {
        let txid = tx.txid();
        let sent = self.links.deps.txs.send(SubmitTransaction { tx }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, _| {
            drop(intake);
            if let Ok(Err(refused)) = result {
                tracing::debug!(peer = actor.id, %txid, %refused, "transaction refused");
            }
        }));
    }

    /// A verdict for the connection that asked for it; for a later one it says nothing.
    fn judged(
        &mut self,
        number: u64,
        ctx: &mut Context<Self>,
        step: impl FnOnce(&mut Session, &mut Turn<'_>) -> Vec<Effect>,
    ) {
        if self.live.as_ref().is_some_and(|live| live.number == number) {
            let effects = self.step(step);
            self.execute(effects, Intake::default(), ctx);
            self.show();
        }
    }

    fn ready(&self) {
        let Some(live) = &self.live else { return };
        if self.may_log() {
            let user_agent = live.session.remote().map(|r| r.user_agent.as_str()).unwrap_or_default();
            let (peer, remote, inbound) = (self.id, &live.remote, self.inbound);
            tracing::info!(peer, remote, inbound, user_agent, "peer connected");
        }
        self.show();
    }

    fn disconnect(&mut self, reason: &DisconnectReason) {
        if let Some(live) = &self.live
            && self.may_log()
        {
            tracing::info!(peer = self.id, remote = live.remote, %reason, "peer disconnected");
        }
        self.close();
    }

    fn may_log(&self) -> bool {
        self.links.board.may_log(self.links.shared.clock.now())
    }

    /// Lets the connection go, which closes it, and has asked of others what was asked of this one.
    fn close(&mut self) {
        if let Some(mut live) = self.live.take() {
            let mut boards = self.links.board.boards();
            let boards = &mut *boards;
            live.session.closed(&mut boards.downloads, &mut boards.txs);
        }
        self.status.set(None);
    }

    fn show(&self) {
        let info = self.live.as_ref().map(|live| PeerInfo {
            id: self.id,
            remote: live.remote.clone(),
            local: live.local.clone(),
            protocol: live.session.remote().map_or(0, |r| r.protocol),
            services: live.session.remote().map_or(0, |r| r.services),
            relays_txs: live.session.remote().is_some_and(|r| r.relay),
            inbound: self.inbound,
            user_agent: live.session.remote().map(|r| r.user_agent.clone()).unwrap_or_default(),
            height: live.session.height().max(said_height(&live.session)),
            connected_at: live.opened_at,
            bytes_received: 0,
            bytes_sent: 0,
            received_by_kind: Vec::new(),
            sent_by_kind: Vec::new(),
        });
        self.status.set(info);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.is_stuck() {
            tracing::info!(peer = self.id, "peer takes nothing of what is sent: disconnected");
            return self.close();
        }
        if self.live.as_ref().is_some_and(|live| live.full_since.is_none()) {
            let effects = self.step(Session::tick);
            self.execute(effects, Intake::default(), ctx);
        }
    }

    /// Whether the link has been full for too long; remembers since when it is.
    fn is_stuck(&mut self) -> bool {
        let now = self.links.shared.clock.now();
        let Some(live) = &mut self.live else { return false };
        let since = live.link.is_full().then(|| live.full_since.unwrap_or(now));
        live.full_since = since;
        since.is_some_and(|since| now.ms_since(since) > SEND_MS_MAX)
    }
}

/// What the peer said of its height at the beginning. Nothing is decided by it.
fn said_height(session: &Session) -> Height {
    session.remote().map_or(Height::GENESIS, |r| Height::new(r.height))
}

fn headers_verdict(result: Result<Result<HeadersAccepted, SubmitError>, MailboxError>) -> HeadersVerdict {
    match result {
        Ok(Ok(accepted)) => HeadersVerdict::Accepted { last_height: accepted.last_height },
        Ok(Err(SubmitError::Invalid { reject, .. })) => HeadersVerdict::Invalid(reject),
        Ok(Err(SubmitError::Orphan { .. })) => HeadersVerdict::Unconnected,
        Ok(Err(_)) | Err(_) => HeadersVerdict::Failed,
    }
}

fn block_verdict(result: Result<Result<BlockAccepted, SubmitError>, MailboxError>) -> BlockVerdict {
    match result {
        Ok(Ok(_)) => BlockVerdict::Accepted,
        Ok(Err(SubmitError::Invalid { reject, .. })) => BlockVerdict::Invalid(reject),
        Ok(Err(SubmitError::Orphan { .. })) => BlockVerdict::Orphan,
        Ok(Err(_)) | Err(_) => BlockVerdict::Failed,
    }
}

impl Actor for PeerActor {
    type Context = Context<Self>;

    /// Runs again after a panic.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, Self::tick);
    }
}

impl Rebuild for PeerActor {
    /// A connection's state is the other side's too and cannot be made up: the connection is let go and, where we opened it,
    /// opened again.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.status.set_crashed();
        self.close();
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        self.close();
        self.links.board.leave(self.id);
        Ok(())
    }
}
crate::supervised!(PeerActor);

impl Handler<LinkOpened> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: LinkOpened, ctx: &mut Self::Context) {
        self.open(msg, ctx);
    }
}

impl Handler<LinkClosed> for PeerActor {
    type Result = ();

    fn handle(&mut self, _msg: LinkClosed, ctx: &mut Self::Context) {
        self.close();
        if self.inbound {
            self.links.board.leave(self.id);
            ctx.stop();
        }
    }
}

impl Handler<ReleasePeer> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: ReleasePeer, ctx: &mut Self::Context) {
        self.close();
        if msg.for_good {
            self.links.board.leave(self.id);
            ctx.stop();
        }
    }
}

impl Handler<MessageReceived> for PeerActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, msg: MessageReceived, ctx: &mut Self::Context) -> Self::Result {
        let MessageReceived { message, intake } = msg;
        let effects = self.step(|session, turn| session.received(message, turn));
        let wanted = self.execute(effects, intake, ctx);
        let (links, link) = (self.links.clone(), self.live.as_ref().map(|live| live.link.clone()));
        Box::pin(async move {
            let Some(link) = link else { return };
            let room = link.clone();
            // Whatever is still queued must fit before more of this peer's is looked at.
            serve(links, link, wanted).await;
            room.room().await;
        })
    }
}

impl Handler<AnnounceTip> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceTip, ctx: &mut Self::Context) {
        let effects = self.step(|session, turn| session.tip_changed(&msg.headers, turn.view));
        self.execute(effects, Intake::default(), ctx);
    }
}

impl Handler<AnnounceFound> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceFound, ctx: &mut Self::Context) {
        let effects = self.step(|session, _| session.found_block(&msg.block));
        self.execute(effects, Intake::default(), ctx);
    }
}

impl Handler<AnnounceTx> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceTx, _ctx: &mut Self::Context) {
        if let Some(live) = &mut self.live {
            live.session.tx_accepted(&msg.tx);
        }
    }
}
