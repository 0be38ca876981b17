//! One connection to another node, as a state machine without input or output.

use std::collections::{BTreeMap, VecDeque};

use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{BlockHash, Work, block::Header};

use super::downloads::{Downloads, PeerId};
use super::limits::{HANDSHAKE_MS_MAX, PING_EVERY_MS, PONG_MS_MAX, PROTOCOL_VERSION, TXS_KNOWN_MAX};
use super::{
    AddressBoard, ConnectionKind, DisconnectReason, Effect, Host, Locator, Message, NodeView, PeerInfo,
    Permissions, Recent, TxBoard, TxRef, Unwanted, Version,
};
use crate::units::{Height, UnixMillis};
use compact::Compacts;
use gossip::Gossip;
use lag::Lag;
use pings::Pings;
use presync::Presync;

mod blocks;
mod compact;
mod filters;
mod gossip;
mod handshake;
mod lag;
mod pings;
mod presync;
mod relay;
mod sync;

/// `NODE_NETWORK`, `NODE_WITNESS` and `NODE_NETWORK_LIMITED`: what this node offers.
const OUR_SERVICES: u64 = 1 | 1 << 3 | 1 << 10;
/// The same where old blocks may be gone: the last 288 are offered. BIP-0159
const OUR_SERVICES_PRUNED: u64 = 1 << 3 | 1 << 10;
/// `NODE_COMPACT_FILTERS`.
const FILTERS: u64 = 1 << 6;
/// `NODE_P2P_V2`.
const ENCRYPTED: u64 = 1 << 11;
/// `NODE_NETWORK` and `NODE_WITNESS`: what a peer must offer to be asked for blocks.
const SERVICES_FOR_BLOCKS: u64 = 1 | 1 << 3;
/// `NODE_NETWORK_LIMITED` and `NODE_WITNESS`: what does where we are nearly there.
const SERVICES_FOR_NEWS: u64 = 1 << 3 | 1 << 10;
/// `NODE_NETWORK` and `NODE_NETWORK_LIMITED`: who offers neither is asked for news alone.
const SERVES: u64 = 1 | 1 << 10;
/// `NODE_WITNESS`.
const WITNESS: u64 = 1 << 3;
/// Compact blocks with witnesses.
const COMPACT_VERSION: u64 = 2;
/// The highest feerate that makes sense: all money for 1,000 virtual bytes.
const FEE_FILTER_MAX: u64 = 21_000_000 * 100_000_000;
/// What is said while no transactions are taken: the highest that Core says, which gives its steps.
const FEE_FILTER_SYNCING: u64 = 9_936_506;

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    height: Height,
    /// Of its chain, up to it.
    work: Work,
}

/// What a connection is given at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Its number.
    pub id: PeerId,
    /// What it is for.
    pub kind: ConnectionKind,
    /// What the peer may do that others may not.
    pub permissions: Permissions,
    /// What we call ourselves.
    pub user_agent: String,
    /// Drawn for this connection.
    pub nonce: u64,
    /// Where the other end is, as far as that is known.
    pub host: Option<Host>,
    /// Our own end, by which those who came in by the same way are known: they are told the same addresses.
    pub entrance: String,
    /// What holds for all connections.
    pub rules: SessionRules,
}

/// What holds for all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// A handshake takes no longer, and nothing is missed before.
    pub timeout_ms: u64,
    /// Whether transactions are taken from nobody but those with permission.
    pub blocks_only: bool,
    /// Whether the filters of blocks are served.
    pub serves_filters: bool,
    /// Whether connections are encrypted where the other end can do that.
    pub encrypts: bool,
}

impl Default for SessionRules {
    fn default() -> Self {
        SessionRules {
            timeout_ms: HANDSHAKE_MS_MAX,
            blocks_only: false,
            serves_filters: false,
            encrypts: false,
        }
    }
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
    /// Which nodes are known.
    pub addresses: &'a mut AddressBoard,
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
    heard: bool,
    wtxid_relay: bool,
    send_headers: bool,
    /// It understands compact blocks; it wants them at once; we want them from it at once.
    compact: bool,
    high_bandwidth_from: bool,
    high_bandwidth_to: bool,
    compacts: Compacts,
    pings: Pings,
    headers_asked_at: Option<UnixMillis>,
    headers_begun: bool,
    /// An announcement had it asked for headers before its turn at them.
    asked_for_news: bool,
    sync_began_at: Option<UnixMillis>,
    presync: Presync,
    reach: Option<Height>,
    /// The block with the most work that it is known to have, and the last one that we told it of.
    best_known: Option<BlockHash>,
    best_sent: Option<BlockHash>,
    /// Announced last, and not known then.
    unknown: Option<BlockHash>,
    /// Blocks of its that the chain has not judged yet, and where they will stand if that is known: what stands on them is no orphan.
    judging: BTreeMap<BlockHash, Option<Place>>,
    /// Headers that joined nothing came while blocks of its were judged: what to ask for shows when they have been.
    asks_when_judged: bool,
    txs_known: Recent<TxRef>,
    txs_to_announce: VecDeque<(TxRef, u64)>,
    announce_txs_at: Option<UnixMillis>,
    last_inv_sequence: u64,
    fee_filter: u64,
    fee_filter_said: Option<(u64, UnixMillis)>,
    last_tx_at: UnixMillis,
    last_block_at: UnixMillis,
    gossip: Gossip,
    lag: Lag,
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
            heard: false,
            wtxid_relay: false,
            send_headers: false,
            compact: false,
            high_bandwidth_from: false,
            high_bandwidth_to: false,
            compacts: Compacts::default(),
            pings: Pings::default(),
            headers_asked_at: None,
            headers_begun: false,
            asked_for_news: false,
            sync_began_at: None,
            presync: Presync::Off,
            reach: None,
            best_known: None,
            best_sent: None,
            unknown: None,
            judging: BTreeMap::new(),
            asks_when_judged: false,
            txs_known: Recent::new(TXS_KNOWN_MAX),
            txs_to_announce: VecDeque::new(),
            announce_txs_at: None,
            last_inv_sequence: 1,
            fee_filter: 0,
            fee_filter_said: None,
            last_tx_at: UnixMillis::default(),
            last_block_at: UnixMillis::default(),
            gossip: Gossip::new(now),
            lag: Lag::default(),
            effects: Vec::new(),
        };
        if !session.config.kind.is_inbound() {
            session.send_version(view, now);
        }
        let effects = session.take_effects();
        (session, effects)
    }

    /// A message has come.
    pub fn received(&mut self, message: Message, turn: &mut Turn<'_>) -> Vec<Effect> {
        self.heard = true;
        match (self.phase, message) {
            (Phase::Closed, _) => {}
            (_, Message::Version(version)) => self.on_version(version, turn),
            (Phase::AwaitVersion, other) => {
                let name = other.name();
                self.note(format!("non-version message before version handshake. Message \"{name}\" from"));
            }
            (_, Message::Verack) => self.on_verack(turn),
            (Phase::AwaitVerack, Message::WtxidRelay) => self.wtxid_relay = true,
            (Phase::Ready, late @ (Message::WtxidRelay | Message::SendAddrV2)) => {
                self.disconnect(DisconnectReason::AfterVerack(late.command().unwrap_or_default()));
            }
            (Phase::AwaitVerack, Message::SendAddrV2) => self.on_send_addr_v2(turn),
            (_, Message::SendHeaders) => self.send_headers = true,
            (_, Message::SendCompact { announce, .. }) if announce > 1 => {
                self.punish(DisconnectReason::SendCompact);
            }
            (_, Message::SendCompact { announce, version }) => {
                if version == COMPACT_VERSION {
                    (self.compact, self.high_bandwidth_from) = (true, announce == 1);
                }
            }
            (Phase::AwaitVerack, other) => {
                let name = other.name();
                self.note(format!("Unsupported message \"{name}\" prior to verack from"));
            }
            (Phase::Ready, message) => self.on_ready_message(message, turn),
        }
        self.take_effects()
    }

    fn on_ready_message(&mut self, message: Message, turn: &mut Turn<'_>) {
        match message {
            // What it sent before has been judged then: who waits for the answer looks at the outcome.
            Message::Ping(nonce) => {
                // Who waits for the answer looks for what is due, too.
                self.tick_ready(turn);
                if self.phase == Phase::Ready {
                    self.effects.push(Effect::SendInTurn(Message::Pong(Some(nonce))));
                }
            }
            Message::GetFilters(request) => self.on_get_filters(&request, turn),
            Message::GetAddr => self.on_get_addr(turn),
            Message::Addresses(list) => self.on_addresses(list, turn),
            Message::Pong(nonce) => self.on_pong(nonce, turn.now),
            Message::GetHeaders(locator) => self.on_get_headers(&locator, turn.view),
            Message::GetBlocks(locator) => self.on_get_blocks(&locator, turn.view),
            Message::Headers(headers) => self.on_headers(headers, turn),
            Message::Inv(items) => self.on_inv(&items, turn),
            Message::GetData(items) => self.on_get_data(items, turn),
            Message::NotFound(items) => self.on_not_found(&items, turn),
            Message::Tx(tx) => self.on_tx(tx, turn),
            Message::Block(block) => self.on_block(block, turn),
            Message::CompactBlock(compact) => self.on_compact_block(compact, turn),
            Message::GetBlockTxs(request) => self.on_get_block_txs(request, turn),
            Message::BlockTxs(answer) => self.on_block_txs(answer, turn),
            Message::Mempool => self.on_mempool(turn.view),
            Message::FeeFilter(rate) => self.fee_filter = rate.min(FEE_FILTER_MAX),
            Message::Bloom(_) => {
                let name = message.name().to_owned();
                self.disconnect(DisconnectReason::Unwanted(Unwanted::Bloom(name)));
            }
            Message::Excess(..) => self.on_excess(&message),
            Message::Malformed(_, flaw, bytes) => {
                let name = message.name();
                self.note(format!("ProcessMessages({name}, {bytes} bytes): Exception '{flaw}' caught from"));
            }
            Message::Version(_)
            | Message::Verack
            | Message::WtxidRelay
            | Message::SendAddrV2
            | Message::SendHeaders
            | Message::SendCompact { .. }
            | Message::Filter { .. }
            | Message::FilterHeaders { .. }
            | Message::FilterCheckpoints { .. }
            | Message::Ignored(_) => {}
        }
    }

    fn on_excess(&mut self, message: &Message) {
        let Message::Excess(_, count) = *message else { return };
        let command = message.name().to_owned();
        match command.as_str() {
            "getheaders" | "getblocks" => {
                self.disconnect(DisconnectReason::Unwanted(Unwanted::Locator { command, count }));
            }
            // As in Core, which passes over an answer that nobody can have asked for.
            "notfound" => {}
            _ => self.punish(DisconnectReason::Excess { command, count }),
        }
    }

    /// Time has passed: a few times a second.
    pub fn tick(&mut self, turn: &mut Turn<'_>) -> Vec<Effect> {
        match self.phase {
            Phase::Closed => {}
            Phase::AwaitVersion | Phase::AwaitVerack => {
                if self.is_watched(turn.now) {
                    self.disconnect(self.why_unready());
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
        self.ping_where_due(turn);
        if !self.headers_begun {
            self.begin_headers(turn);
        }
        self.release_headers_turn(turn);
        self.settle_high_bandwidth(turn);
        self.drop_stale(turn);
        self.attend(turn);
    }

    /// What it waits for, and what we want of it.
    fn attend(&mut self, turn: &mut Turn<'_>) {
        self.fetch_blocks(turn);
        self.fetch_txs(turn);
        self.announce_txs(turn);
        self.tell_addresses(turn);
        self.say_fee_filter(turn);
    }

    fn overdue(&mut self, turn: &mut Turn<'_>) -> Option<DisconnectReason> {
        let waited = self.pings.waited_ms(turn.now).unwrap_or(0);
        if self.is_watched(turn.now) && waited > PONG_MS_MAX {
            return Some(DisconnectReason::PingTimeout(waited));
        }
        if self.counts_for_too_long(turn.now) || self.headers_are_late(turn) {
            return Some(DisconnectReason::HeadersTimeout);
        }
        if self.keeps_addresses(turn.now) {
            return Some(DisconnectReason::AddrFetchTimeout);
        }
        if let Some(reason) = self.lags(turn) {
            return Some(reason);
        }
        if turn.downloads.stalls(self.config.id, turn.now) {
            return Some(DisconnectReason::Stalling);
        }
        turn.downloads.overdue(self.config.id, turn.now).then_some(DisconnectReason::BlockTimeout)
    }

    /// Whether it has been there for long enough to be let go of for its silence.
    fn is_watched(&self, now: UnixMillis) -> bool {
        now.ms_since(self.opened_at) > self.config.rules.timeout_ms
    }

    /// The connection is gone: what it owed is asked of others.
    pub fn closed(&mut self, downloads: &mut Downloads, txs: &mut TxBoard, addresses: &mut AddressBoard) {
        self.phase = Phase::Closed;
        addresses.forget(self.config.id);
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

    /// Why a handshake came to nothing.
    fn why_unready(&self) -> DisconnectReason {
        let spoke = self.remote.is_some() || !self.config.kind.is_inbound();
        if self.heard && spoke {
            return DisconnectReason::HandshakeTimeout;
        }
        DisconnectReason::Silent {
            within_s: self.config.rules.timeout_ms / 1_000,
            received: if self.heard { "" } else { " never received from peer," },
            sent: if spoke { "" } else { " never sent to peer" },
        }
    }

    /// What it did costs others their connection.
    fn punish(&mut self, reason: DisconnectReason) {
        self.effects.push(Effect::Note(format!("Misbehaving: peer={}: {reason}", self.config.id)));
        if self.config.permissions.has(Permissions::NO_BAN) {
            self.note("Warning: not punishing noban".to_owned());
        } else if self.config.kind == ConnectionKind::Manual {
            self.note("Warning: not punishing manually connected".to_owned());
        } else {
            self.disconnect(reason);
        }
    }

    /// Says for the log what concerns this peer.
    fn note(&mut self, text: String) {
        self.effects.push(Effect::Note(format!("{text} peer={}", self.config.id)));
    }

    /// Fills in what an operator is shown.
    pub fn describe(&self, info: &mut PeerInfo, view: &dyn NodeView, now: UnixMillis) {
        info.id = self.config.id;
        info.kind = self.config.kind;
        info.inbound = self.config.kind.is_inbound();
        info.permissions = self.config.permissions;
        info.connected_at = self.opened_at;
        if let Some(remote) = &self.remote {
            info.protocol = remote.protocol;
            info.services = remote.services;
            info.relays_txs = remote.relay && self.config.kind.relays_txs();
            info.user_agent.clone_from(&remote.user_agent);
            info.height_said = Height::new(remote.height);
            let ours = i64::try_from(self.opened_at.to_seconds_floor()).unwrap_or(i64::MAX);
            info.time_offset_s = remote.time.saturating_sub(ours);
        }
        info.height = self.height().max(info.height_said);
        info.synced_headers = self.reach;
        info.synced_blocks = self.reach.map(|reach| reach.min(view.tip().1));
        info.presynced_headers = self.presync.height();
        info.ping_ms = self.pings.last_ms();
        info.ping_min_ms = self.pings.least_ms();
        info.ping_wait_ms = self.pings.waited_ms(now);
        (info.last_tx_at, info.last_block_at) = (self.last_tx_at, self.last_block_at);
        info.high_bandwidth_to = self.high_bandwidth_to;
        info.high_bandwidth_from = self.high_bandwidth_from;
        info.fee_filter_sat_per_kvb = self.fee_filter;
        info.last_inv_sequence = self.last_inv_sequence;
        info.inv_to_send = self.txs_to_announce.len();
        info.addr_relay = self.gossip.included;
        (info.addr_processed, info.addr_limited) = (self.gossip.processed, self.gossip.limited);
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
