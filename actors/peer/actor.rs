use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MailboxError, ResponseActFuture,
    WrapFuture,
};
use adit_chainstate::{BlockAccepted, HeadersAccepted, SubmitError};
use adit_domain::mempool::TxRejected;
use adit_domain::peer::{
    BlockTxsRequest, BlockVerdict, ConnectionKind, DisconnectReason, Effect, FetchError, FilterRange,
    HEADER_BYTES, HeadersVerdict, Host, KnownNode, NodeAddress, Offence, PeerId, PeerInfo, Session,
    SessionConfig, Turn, TxRef, encode_frame,
};
use adit_domain::units::UnixMillis;
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;
use tokio::sync::oneshot;

use super::Links;
use super::board::{Status, View};
use super::connection::Intake;
use super::filters;
use super::link::Link;
use super::serve::{serve, serve_block_txs};
use super::waiting::Waiting;
use crate::messages::chain::{SubmitBlock, SubmitHeaders};
use crate::messages::mempool::SubmitTransaction;
use crate::messages::peer::{
    AnnounceAddress, AnnounceFound, AnnounceTip, AnnounceTx, FetchBlock, LinkClosed, LinkOpened,
    MessageReceived, PingPeer, ReleasePeer, SendFrame, ShowPeer,
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
    kind: ConnectionKind,
    status: Arc<Status>,
    live: Option<Live>,
    opened: u64,
    waiting: Waiting,
}

/// What follows from a message and takes time: the next one is not looked at before.
#[derive(Default)]
struct Follows {
    /// What is to be served.
    wanted: Vec<Inventory>,
    /// Of the mempool what was there before its change of this number.
    before: u64,
    /// Transactions of blocks that are to be served.
    block_txs: Vec<BlockTxsRequest>,
    /// What of filters is to be served.
    filters: Vec<FilterRange>,
    /// Headers are being judged: what comes behind them may stand on them.
    headers: Option<oneshot::Receiver<()>>,
}

struct Live {
    session: Session,
    link: Link,
    remote: String,
    local: Option<String>,
    full_since: Option<UnixMillis>,
    /// Tells this connection's verdicts from those of an earlier one.
    number: u64,
}

impl PeerActor {
    pub(super) fn new(links: Links, id: PeerId, kind: ConnectionKind, status: Arc<Status>) -> PeerActor {
        PeerActor { links, id, kind, status, live: None, opened: 0, waiting: Waiting::default() }
    }

    fn open(&mut self, msg: LinkOpened, ctx: &mut Context<Self>) {
        self.close();
        let (nonce, now) = (self.links.shared.entropy.next_u64(), self.links.shared.clock.now());
        if !self.kind.is_inbound() {
            self.links.board.remember_nonce(nonce);
        }
        tracing::debug!(target: "adit_actors::net", "Added connection peer={}", self.id);
        let LinkOpened { link, remote, local, permissions } = msg;
        let user_agent = self.links.config.user_agent.clone();
        let (id, kind, rules) = (self.id, self.kind, self.links.config.rules);
        let host = remote.parse::<SocketAddr>().ok().map(|at| Host::from(at.ip()));
        let entrance = local.map(|local| local.to_string()).unwrap_or_default();
        let config = SessionConfig { id, kind, permissions, user_agent, nonce, host, entrance, rules };
        let view = View { deps: &self.links.deps, board: &self.links.board };
        let (session, effects) = Session::open(config, &view, now);
        self.opened = self.opened.saturating_add(1);
        let local = local.map(|local| local.to_string());
        let number = self.opened;
        self.live = Some(Live { session, link, remote, local, full_since: None, number });
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
            addresses: &mut boards.addresses,
        };
        step(&mut live.session, &mut turn)
    }

    /// Does what the session says, but for what takes time: that is returned.
    fn execute(&mut self, effects: Vec<Effect>, mut intake: Intake, ctx: &mut Context<Self>) -> Follows {
        let mut follows = Follows { before: u64::MAX, ..Follows::default() };
        for effect in effects {
            let Some(live) = &self.live else { break };
            match effect {
                Effect::Send(message) => {
                    let frame = message.encode(Magic::from_bytes(self.links.config.magic));
                    let bytes = frame.as_ref().map_or(0, Vec::len).saturating_sub(HEADER_BYTES);
                    tracing::trace!(target: "adit_actors::net", "sending {} ({bytes} bytes) peer={}", message.name(), self.id);
                    frame.into_iter().for_each(|frame| live.link.push(frame));
                }
                Effect::SendInTurn(message) => {
                    let frame = message.encode(Magic::from_bytes(self.links.config.magic));
                    frame.into_iter().for_each(|frame| self.waiting.send(frame));
                    self.release();
                }
                Effect::ServeFilters(range) => follows.filters.push(range),
                Effect::ServeBlockTxs(request) => follows.block_txs.push(request),
                Effect::TellAddress { node, to } => self.tell_address(node, &to),
                Effect::Note(text) => tracing::debug!(target: "adit_actors::net", "{text}"),
                Effect::RelayAgain(tx) => self.relay_again(tx),
                Effect::SubmitHeaders(headers) => {
                    follows.headers = self.submit_headers(headers, std::mem::take(&mut intake), ctx);
                }
                Effect::SubmitBlock(block) => self.submit_block(block, std::mem::take(&mut intake), ctx),
                Effect::SubmitTx(tx) => self.submit_tx(tx, std::mem::take(&mut intake), ctx),
                Effect::Serve { items, before } => {
                    follows.wanted.extend(items);
                    follows.before = before;
                }
                Effect::Ready => self.ready(),
                Effect::Disconnect(reason) => self.disconnect(&reason),
            }
        }
        follows
    }

    /// Sends the answers that waited for a verdict and have it.
    fn release(&mut self) {
        if let Some(live) = self.live.as_ref().filter(|_| self.waiting.has_answers()) {
            self.waiting.release(&live.link, self.links.deps.chain.is_settled());
        }
    }

    /// Has others hear of an address. Who has a full mailbox does not: there are other addresses.
    fn tell_address(&self, node: KnownNode, to: &[PeerId]) {
        for addr in to.iter().filter_map(|id| self.links.board.addr_of(*id)) {
            let _ = addr.try_send(AnnounceAddress { node });
        }
    }

    /// Has everybody hear of it once more, where it is held.
    fn relay_again(&self, tx: Arc<ParsedTx>) {
        let (txid, wtxid, id) = (tx.txid(), tx.wtxid(), self.id);
        if self.links.deps.mempool.get(&TxRef::Txid(txid)).is_none() {
            tracing::debug!(
                target: "adit_actors::net",
                "Not relaying non-mempool transaction {txid} (wtxid={wtxid}) from forcerelay peer={id}"
            );
            return;
        }
        tracing::debug!(target: "adit_actors::net", "Force relaying tx {txid} (wtxid={wtxid}) from peer={id}");
        for addr in self.links.board.addrs() {
            let again = AnnounceTx { tx: Arc::clone(&tx), fee_sat: 0, vsize: 1, again: true };
            if addr.try_send(again).is_err() {
                tracing::debug!("a connection's mailbox is full: not told");
            }
        }
    }

    fn submit_headers(
        &mut self,
        headers: Vec<Header>,
        intake: Intake,
        ctx: &mut Context<Self>,
    ) -> Option<oneshot::Receiver<()>> {
        let (last, count) = (headers.last()?.block_hash(), headers.len());
        let (number, ticket) = (self.opened, self.waiting.submit());
        let (done, judged) = oneshot::channel();
        let sent = self.links.deps.headers.send(SubmitHeaders { headers }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, ctx| {
            drop(intake);
            if let Ok(Ok(accepted)) = &result
                && accepted.new > 0
            {
                actor.say_progress(&last);
            }
            let verdict = headers_verdict(result);
            let step = |session: &mut Session, turn: &mut Turn<'_>| {
                session.headers_judged(last, count, verdict, turn)
            };
            actor.judged((number, ticket), ctx, step);
            // Whoever waits may be gone.
            let _ = done.send(());
        }));
        Some(judged)
    }

    /// How far the headers are, while they are far behind.
    fn say_progress(&self, last: &BlockHash) {
        const DAY_S: u64 = 24 * 60 * 60;
        const SPACING_S: u64 = 600;
        let Some((header, height)) = self.links.deps.chain.header(last) else { return };
        let tip_time_s = u64::from(self.links.deps.chain.tip().header.time);
        let now_s = self.links.shared.clock.now().to_seconds_floor();
        if now_s.saturating_sub(tip_time_s) <= DAY_S {
            return;
        }
        let done = u64::from(height.to_u32());
        let left = now_s.saturating_sub(u64::from(header.time)) / SPACING_S;
        let share = done.saturating_mul(10_000).checked_div(done.saturating_add(left)).unwrap_or(0);
        let (percent, hundredths) = (share / 100, share % 100);
        tracing::info!("Synchronizing blockheaders, height: {height} (~{percent}.{hundredths:02}%)");
    }

    fn submit_block(&mut self, block: Arc<ParsedBlock>, intake: Intake, ctx: &mut Context<Self>) {
        let (hash, number, ticket) = (block.hash(), self.opened, self.waiting.submit());
        let sent = self.links.deps.blocks.send(SubmitBlock { block }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, ctx| {
            drop(intake);
            // Refused by a snapshot's coins that are not verified: it may be we who are wrong.
            let is_doubted = actor.links.deps.chain.is_doubted(&hash);
            let verdict = if is_doubted { BlockVerdict::Failed } else { block_verdict(result) };
            let step = |session: &mut Session, turn: &mut Turn<'_>| session.block_judged(hash, verdict, turn);
            actor.judged((number, ticket), ctx, step);
        }));
    }

    fn submit_tx(&mut self, tx: Arc<ParsedTx>, intake: Intake, ctx: &mut Context<Self>) {
        let (txid, wtxid) = (tx.txid(), tx.wtxid());
        let (number, ticket) = (self.opened, self.waiting.submit());
        let judged = Arc::clone(&tx);
        let sent = self.links.deps.txs.send(SubmitTransaction { tx, from: Some(self.id) }).into_actor(self);
        ctx.spawn(sent.map(move |result, actor, ctx| {
            drop(intake);
            if let Ok(Err(refused)) = &result {
                let id = actor.id;
                tracing::debug!(
                    target: "adit_actors::mempoolrej",
                    "{txid} (wtxid={wtxid}) from peer={id} was not accepted: {refused}"
                );
            }
            let joined = matches!(result, Ok(Ok(_)));
            let missing = match result {
                Ok(Err(TxRejected::MissingInputs)) => actor.links.deps.mempool.missing_parents(&wtxid),
                _ => Vec::new(),
            };
            actor.judged((number, ticket), ctx, |session, turn| {
                session.tx_judged(&judged, joined, &missing, turn)
            });
        }));
    }

    /// A verdict for the connection that asked for it; for a later one it says nothing.
    fn judged(
        &mut self,
        (number, ticket): (u64, u64),
        ctx: &mut Context<Self>,
        step: impl FnOnce(&mut Session, &mut Turn<'_>) -> Vec<Effect>,
    ) {
        if self.live.as_ref().is_some_and(|live| live.number == number) {
            let effects = self.step(step);
            self.execute(effects, Intake::default(), ctx);
            self.waiting.judged(ticket);
            self.release();
        }
    }

    fn ready(&self) {
        let Some(live) = &self.live else { return };
        if let (false, Ok(at)) = (self.kind.is_inbound(), live.remote.parse::<SocketAddr>()) {
            let address = NodeAddress { host: Host::from(at.ip()), port: at.port() };
            let now_s = self.links.shared.clock.now().to_seconds_floor();
            self.links.board.boards().addresses.book.good(&address, now_s);
        }
        if self.may_log() {
            let user_agent = live.session.remote().map(|r| r.user_agent.as_str()).unwrap_or_default();
            let (peer, remote, inbound) = (self.id, &live.remote, self.kind.is_inbound());
            tracing::info!(peer, remote, inbound, user_agent, "peer connected");
        }
        self.show();
    }

    fn disconnect(&mut self, reason: &DisconnectReason) {
        let is_late = matches!(reason, DisconnectReason::Silent { .. } | DisconnectReason::HandshakeTimeout);
        let reason =
            if is_late && self.status.is_shaking() { &DisconnectReason::TransportTimeout } else { reason };
        if let Some(live) = &self.live
            && self.may_log()
        {
            tracing::info!(peer = self.id, remote = live.remote, %reason, "peer disconnected");
            tracing::debug!(target: "adit_actors::net", "{reason}, disconnecting peer={}", self.id);
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
            live.session.closed(&mut boards.downloads, &mut boards.txs, &mut boards.addresses);
            tracing::debug!(target: "adit_actors::net", "Cleared nodestate for peer={}", self.id);
            self.links.deps.mempool.peer_gone(self.id);
        }
        self.waiting = Waiting::default();
        self.status.set(None);
    }

    fn show(&self) {
        let now = self.links.shared.clock.now();
        let view = View { deps: &self.links.deps, board: &self.links.board };
        let info = self.live.as_ref().map(|live| {
            let mut info =
                PeerInfo { remote: live.remote.clone(), local: live.local.clone(), ..PeerInfo::default() };
            live.session.describe(&mut info, &view, now);
            info.in_flight = self.links.board.boards().downloads.heights_in_flight(self.id);
            info
        });
        self.status.set(info);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.is_stuck() {
            tracing::info!(peer = self.id, "peer takes nothing of what is sent: disconnected");
            return self.close();
        }
        self.beat(ctx);
        self.waiting.tick();
        self.release();
    }

    /// Does what is due, where there is room for what follows.
    fn beat(&mut self, ctx: &mut Context<Self>) {
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

fn headers_verdict(result: Result<Result<HeadersAccepted, SubmitError>, MailboxError>) -> HeadersVerdict {
    match result {
        Ok(Ok(accepted)) => HeadersVerdict::Accepted { last_height: accepted.last_height },
        Ok(Err(SubmitError::Invalid { reject, .. })) => match Offence::of(&reject) {
            Offence::Known => HeadersVerdict::KnownInvalid(reject),
            Offence::None => HeadersVerdict::TooEarly(reject),
            Offence::Plain => HeadersVerdict::Invalid(reject),
        },
        Ok(Err(SubmitError::Orphan { .. })) => HeadersVerdict::Unconnected,
        Ok(Err(_)) | Err(_) => HeadersVerdict::Failed,
    }
}

fn block_verdict(result: Result<Result<BlockAccepted, SubmitError>, MailboxError>) -> BlockVerdict {
    match result {
        Ok(Ok(accepted)) if accepted.duplicate => BlockVerdict::Known,
        Ok(Ok(_)) => BlockVerdict::Accepted,
        Ok(Err(SubmitError::Invalid { reject, .. })) => match Offence::of(&reject) {
            Offence::Known => BlockVerdict::KnownInvalid(reject),
            Offence::None => BlockVerdict::TooEarly(reject),
            Offence::Plain => BlockVerdict::Invalid(reject),
        },
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
        if self.kind.is_inbound() {
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
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, msg: MessageReceived, ctx: &mut Self::Context) -> Self::Result {
        let MessageReceived { message, intake } = msg;
        let effects = self.step(|session, turn| session.received(message, turn));
        let Follows { wanted, before, block_txs, filters, headers } = self.execute(effects, intake, ctx);
        if self.live.as_ref().is_some_and(|live| live.session.remote().is_none()) {
            self.show();
        }
        let (links, link) = (self.links.clone(), self.live.as_ref().map(|live| live.link.clone()));
        let (number, mut beyond) = (self.opened, false);
        let served = async move {
            let Some(link) = link else { return false };
            let room = link.clone();
            // Whatever is still queued must fit before more of this peer's is looked at.
            for range in filters {
                filters::serve(&links, &link, range).await;
            }
            for request in block_txs {
                beyond |= !serve_block_txs(&links, &link, request).await;
            }
            serve(links, link, (wanted, before)).await;
            room.room().await;
            if let Some(judged) = headers {
                // Without a verdict nothing is waited for.
                let _ = judged.await;
            }
            beyond
        };
        Box::pin(served.into_actor(self).map(move |beyond, actor, ctx| {
            if beyond && actor.opened == number {
                let effects = actor.step(|session, _| session.asked_beyond());
                actor.execute(effects, Intake::default(), ctx);
            }
        }))
    }
}

impl Handler<AnnounceTip> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceTip, ctx: &mut Self::Context) {
        let effects =
            self.step(|session, turn| session.tip_changed(&msg.headers, msg.compact.as_ref(), turn.view));
        self.execute(effects, Intake::default(), ctx);
        self.release();
    }
}

impl Handler<AnnounceFound> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceFound, ctx: &mut Self::Context) {
        let effects = self.step(|session, turn| session.found_block(&msg.block, &msg.compact, turn.view));
        self.execute(effects, Intake::default(), ctx);
    }
}

impl Handler<AnnounceTx> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceTx, _ctx: &mut Self::Context) {
        match &mut self.live {
            Some(live) if msg.again => live.session.tx_again(&msg.tx),
            Some(live) => live.session.tx_accepted(&msg.tx, msg.fee_sat, msg.vsize),
            None => {}
        }
    }
}

impl Handler<AnnounceAddress> for PeerActor {
    type Result = ();

    fn handle(&mut self, msg: AnnounceAddress, _ctx: &mut Self::Context) {
        let chance = self.links.shared.entropy.next_u64();
        if let Some(live) = &mut self.live {
            live.session.tell_address(msg.node, chance);
        }
    }
}

impl Handler<SendFrame> for PeerActor {
    type Result = bool;

    fn handle(&mut self, msg: SendFrame, _ctx: &mut Self::Context) -> bool {
        let Some(live) = &self.live else { return false };
        live.link.push(encode_frame(Magic::from_bytes(self.links.config.magic), msg.command, &msg.payload));
        true
    }
}

impl Handler<FetchBlock> for PeerActor {
    type Result = Result<(), FetchError>;

    fn handle(&mut self, msg: FetchBlock, ctx: &mut Self::Context) -> Self::Result {
        let mut fetched = Err(FetchError::NoPeer);
        let effects = self.step(|session, turn| match session.fetch_one(msg.hash, turn) {
            Ok(effects) => {
                fetched = Ok(());
                effects
            }
            Err(error) => {
                fetched = Err(error);
                Vec::new()
            }
        });
        self.execute(effects, Intake::default(), ctx);
        fetched
    }
}

impl Handler<ShowPeer> for PeerActor {
    type Result = ();

    fn handle(&mut self, _msg: ShowPeer, ctx: &mut Self::Context) {
        // What is due by now has been done in what is shown.
        self.beat(ctx);
        self.show();
    }
}

impl Handler<PingPeer> for PeerActor {
    type Result = ();

    fn handle(&mut self, _msg: PingPeer, _ctx: &mut Self::Context) {
        if let Some(live) = &mut self.live {
            live.session.ping();
        }
    }
}
