//! One connection to another node, as a state machine without input or output.

use std::collections::VecDeque;

use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{BlockHash, block::Header};

use super::downloads::{Downloads, PeerId};
use super::limits::{
    BLOCKS_KNOWN_MAX, HANDSHAKE_MS_MAX, HEADERS_MS_MAX, PING_EVERY_MS, PONG_MS_MAX, PROTOCOL_VERSION,
    TXS_KNOWN_MAX,
};
use super::{DisconnectReason, Effect, Locator, Message, NodeView, Recent, TxBoard, TxRef, Version};
use crate::units::{Height, UnixMillis};
use presync::Presync;

mod handshake;
mod presync;
mod relay;
mod sync;

/// `NODE_NETWORK`, `NODE_WITNESS` and `NODE_NETWORK_LIMITED`: what this node offers.
const OUR_SERVICES: u64 = 1 | 1 << 3 | 1 << 10;
/// The same where old blocks may be gone: the last 288 are offered. BIP-0159
const OUR_SERVICES_PRUNED: u64 = 1 << 3 | 1 << 10;
/// `NODE_NETWORK` and `NODE_WITNESS`: what a peer must offer to be asked for blocks.
const SERVICES_FOR_BLOCKS: u64 = 1 | 1 << 3;

/// What a connection is given at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Its number.
    pub id: PeerId,
    /// Whether they connected to us.
    pub inbound: bool,
    /// What we call ourselves.
    pub user_agent: String,
    /// Drawn for this connection.
    pub nonce: u64,
}

/// What a step of the machine may look at and write on, beside its own state.
pub struct Turn<'a> {
    /// The time.
    pub now: UnixMillis,
    /// Eight bytes of chance.
    pub chance: u64,
    /// The node behind it.
    pub view: &'a dyn NodeView,
    /// Who fetches which block.
    pub downloads: &'a mut Downloads,
    /// Who fetches which transaction.
    pub txs: &'a mut TxBoard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitVersion,
    AwaitVerack,
    Ready,
    Closed,
}

/// The machine.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    opened_at: UnixMillis,
    phase: Phase,
    remote: Option<Version>,
    wtxid_relay: bool,
    send_headers: bool,
    ping: Option<(u64, UnixMillis)>,
    pinged_at: UnixMillis,
    headers_asked_at: Option<UnixMillis>,
    headers_begun: bool,
    presync: Presync,
    reach: Option<Height>,
    blocks_known: Recent<BlockHash>,
    txs_known: Recent<TxRef>,
    txs_to_announce: VecDeque<TxRef>,
    txs_announced: VecDeque<TxRef>,
    effects: Vec<Effect>,
}

impl Session {
    /// A connection that has just been opened. The side that opened it speaks first.
    pub fn open(config: SessionConfig, view: &dyn NodeView, now: UnixMillis) -> (Session, Vec<Effect>) {
        let mut session = Session {
            config,
            opened_at: now,
            phase: Phase::AwaitVersion,
            remote: None,
            wtxid_relay: false,
            send_headers: false,
            ping: None,
            pinged_at: now,
            headers_asked_at: None,
            headers_begun: false,
            presync: Presync::Off,
            reach: None,
            blocks_known: Recent::new(BLOCKS_KNOWN_MAX),
            txs_known: Recent::new(TXS_KNOWN_MAX),
            txs_to_announce: VecDeque::new(),
            txs_announced: VecDeque::new(),
            effects: Vec::new(),
        };
        if !session.config.inbound {
            session.send_version(view, now);
        }
        let effects = session.take_effects();
        (session, effects)
    }

    /// A message has come.
    pub fn received(&mut self, message: Message, turn: &mut Turn<'_>) -> Vec<Effect> {
        match (self.phase, message) {
            (Phase::Closed, _) => {}
            (_, Message::Version(version)) => self.on_version(version, turn),
            (Phase::AwaitVersion, _) => {}
            (_, Message::Verack) => self.on_verack(turn),
            (Phase::AwaitVerack, Message::WtxidRelay) => self.wtxid_relay = true,
            (Phase::Ready, Message::WtxidRelay) => {
                self.disconnect(DisconnectReason::AfterVerack("wtxidrelay"));
            }
            (_, Message::SendHeaders) => self.send_headers = true,
            (Phase::AwaitVerack, _) => {}
            (Phase::Ready, message) => self.on_ready_message(message, turn),
        }
        self.take_effects()
    }

    fn on_ready_message(&mut self, message: Message, turn: &mut Turn<'_>) {
        match message {
            Message::Ping(nonce) => self.send(Message::Pong(nonce)),
            Message::Pong(nonce) => self.on_pong(nonce),
            Message::GetHeaders(locator) => self.on_get_headers(&locator, turn.view),
            Message::GetBlocks(locator) => self.on_get_blocks(&locator, turn.view),
            Message::Headers(headers) => self.on_headers(headers, turn),
            Message::Inv(items) => self.on_inv(&items, turn),
            Message::GetData(items) => self.effects.push(Effect::Serve(items)),
            Message::NotFound(items) => self.on_not_found(&items, turn),
            Message::Tx(tx) => self.on_tx(tx, turn),
            Message::Block(block) => self.on_block(block, turn),
            Message::Mempool => self.on_mempool(turn.view),
            Message::Version(_)
            | Message::Verack
            | Message::WtxidRelay
            | Message::SendHeaders
            | Message::Ignored => {}
        }
    }

    /// Time has passed: a few times a second.
    pub fn tick(&mut self, turn: &mut Turn<'_>) -> Vec<Effect> {
        match self.phase {
            Phase::Closed => {}
            Phase::AwaitVersion | Phase::AwaitVerack => {
                if turn.now.ms_since(self.opened_at) > HANDSHAKE_MS_MAX {
                    self.disconnect(DisconnectReason::HandshakeTimeout);
                }
            }
            Phase::Ready => self.tick_ready(turn),
        }
        self.take_effects()
    }

    fn tick_ready(&mut self, turn: &mut Turn<'_>) {
        if let Some(reason) = self.overdue(turn) {
            return self.disconnect(reason);
        }
        if self.ping.is_none() && turn.now.ms_since(self.pinged_at) >= PING_EVERY_MS {
            self.send_ping(turn);
        }
        if !self.headers_begun {
            self.begin_headers(turn);
        }
        self.fetch_blocks(turn);
        self.fetch_txs(turn);
        self.announce_txs();
    }

    fn overdue(&mut self, turn: &mut Turn<'_>) -> Option<DisconnectReason> {
        let late = |since: Option<UnixMillis>, most: u64| since.is_some_and(|s| turn.now.ms_since(s) > most);
        if late(self.ping.map(|(_, at)| at), PONG_MS_MAX) {
            return Some(DisconnectReason::PingTimeout);
        }
        if late(self.headers_asked_at, HEADERS_MS_MAX) || self.counts_for_too_long(turn.now) {
            return Some(DisconnectReason::HeadersTimeout);
        }
        if turn.downloads.stalls(self.config.id, turn.now) {
            return Some(DisconnectReason::Stalling);
        }
        turn.downloads.overdue(self.config.id, turn.now).then_some(DisconnectReason::BlockTimeout)
    }

    /// The connection is gone: what it owed is asked of others.
    pub fn closed(&mut self, downloads: &mut Downloads, txs: &mut TxBoard) {
        self.phase = Phase::Closed;
        downloads.forget(self.config.id);
        txs.forget(self.config.id);
    }

    /// What the peer said of itself, once it has.
    pub fn remote(&self) -> Option<&Version> {
        self.remote.as_ref()
    }

    /// The best height that the peer is known to have.
    pub fn height(&self) -> Height {
        self.reach.unwrap_or(Height::GENESIS)
    }

    fn send_ping(&mut self, turn: &Turn<'_>) {
        self.ping = Some((turn.chance, turn.now));
        self.pinged_at = turn.now;
        self.send(Message::Ping(turn.chance));
    }

    fn on_pong(&mut self, nonce: u64) {
        self.ping = self.ping.filter(|(sent, _)| *sent != nonce);
    }

    fn knows_blocks(&mut self, hashes: impl Iterator<Item = BlockHash>) {
        for hash in hashes {
            self.blocks_known.insert(hash);
        }
    }

    fn send(&mut self, message: Message) {
        self.effects.push(Effect::Send(message));
    }

    fn disconnect(&mut self, reason: DisconnectReason) {
        self.phase = Phase::Closed;
        self.effects.push(Effect::Disconnect(reason));
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
