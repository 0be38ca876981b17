//! Addresses of other nodes: what the peer tells of them, and what it is told.

use super::relay::pause_ms;
use super::{ConnectionKind, DisconnectReason, Effect, Message, Permissions, Session, Turn, UnixMillis};
use crate::peer::address::{KnownNode, NodeAddress};
use crate::peer::addresses::Draws;
use crate::peer::limits::{
    ADDRESS_FETCH_MS_MAX, ADDRESS_MS, ADDRESSES_KNOWN_MAX, ADDRESSES_MAX, ADDRESSES_RELAYED_MAX,
};
use crate::peer::{AddressList, Recent};

/// What an address costs, in the unit in which a millisecond earns one: a tenth of an address a second.
const TOKEN: u64 = 10_000;
/// Two hours, by which what is told by others is taken to be older.
const HEARSAY_S: u64 = 2 * 60 * 60;
/// `NODE_NETWORK` and `NODE_NETWORK_LIMITED`: who offers neither is of no use.
const USEFUL: u64 = 1 | 1 << 10;

/// What is told about addresses in both directions.
#[derive(Debug)]
pub(super) struct Gossip {
    /// Whether it takes part.
    pub(super) included: bool,
    /// Whether it understands all kinds of addresses.
    pub(super) understands: bool,
    /// We have asked for addresses, and the answer has not come.
    asked: bool,
    /// It has asked us.
    answered: bool,
    tokens: u64,
    tokens_at: UnixMillis,
    to_tell: Vec<KnownNode>,
    known: Recent<NodeAddress>,
    tell_at: Option<UnixMillis>,
    pub(super) processed: u64,
    pub(super) limited: u64,
}

impl Gossip {
    pub(super) fn new(now: UnixMillis) -> Gossip {
        Gossip {
            included: false,
            understands: false,
            asked: false,
            answered: false,
            tokens: TOKEN,
            tokens_at: now,
            to_tell: Vec::new(),
            known: Recent::new(ADDRESSES_KNOWN_MAX),
            tell_at: None,
            processed: 0,
            limited: 0,
        }
    }

    fn earn(&mut self, now: UnixMillis) {
        let most = TOKEN.saturating_mul(u64::try_from(ADDRESSES_MAX).unwrap_or(u64::MAX));
        if self.tokens < most {
            self.tokens = self.tokens.saturating_add(now.ms_since(self.tokens_at)).min(most);
        }
        self.tokens_at = now;
    }

    fn pay(&mut self) -> bool {
        let pays = self.tokens >= TOKEN;
        self.tokens = if pays { self.tokens.saturating_sub(TOKEN) } else { self.tokens };
        pays
    }
}

impl Session {
    /// Whether it takes part in telling of addresses: all do that say anything of it, but those that are there for blocks alone, and those that
    /// are not there for long.
    fn joins_gossip(&mut self, turn: &mut Turn<'_>) -> bool {
        let apart = matches!(self.config.kind, ConnectionKind::BlockRelayOnly | ConnectionKind::Feeler);
        if !apart && !self.gossip.included {
            self.gossip.included = true;
            turn.addresses.include(self.config.id, self.gossip.understands);
        }
        !apart
    }

    /// Asks whom we chose to connect to, once.
    pub(super) fn ask_addresses(&mut self, turn: &mut Turn<'_>) {
        if self.config.kind.is_inbound() || !self.joins_gossip(turn) {
            return;
        }
        self.gossip.asked = true;
        let answer = TOKEN.saturating_mul(u64::try_from(ADDRESSES_MAX).unwrap_or(u64::MAX));
        self.gossip.tokens = self.gossip.tokens.saturating_add(answer);
        self.send(Message::GetAddr);
    }

    /// It understands all kinds of addresses.
    pub(super) fn on_send_addr_v2(&mut self, turn: &mut Turn<'_>) {
        self.gossip.understands = true;
        if self.gossip.included {
            turn.addresses.include(self.config.id, true);
        }
    }

    /// Who connected to us is answered once. Of those that we connected to nobody need ask: who could give us addresses and then ask for them would
    /// learn who we are.
    pub(super) fn on_get_addr(&mut self, turn: &mut Turn<'_>) {
        if !self.config.kind.is_inbound() {
            let kind = self.config.kind.name();
            return self.note(format!("Ignoring \"getaddr\" from {kind} connection."));
        }
        self.joins_gossip(turn);
        if std::mem::replace(&mut self.gossip.answered, true) {
            return self.note("Ignoring repeated \"getaddr\".".to_owned());
        }
        let fresh = self.config.permissions.has(Permissions::ADDR);
        let times = (turn.now, turn.chance);
        let told = turn.addresses.answer(&self.config.entrance, fresh, times);
        self.gossip.to_tell.clear();
        for node in told {
            self.tell_address(node, turn.chance);
        }
    }

    /// It is to be told of an address, with the next ones.
    pub fn tell_address(&mut self, node: KnownNode, chance: u64) {
        let fits = self.gossip.understands || node.address.host.to_v6_bytes().is_some();
        if !fits || self.gossip.known.contains(&node.address) {
            return;
        }
        if self.gossip.to_tell.len() < ADDRESSES_MAX {
            return self.gossip.to_tell.push(node);
        }
        let at = Draws(chance).below(ADDRESSES_MAX);
        if let Some(other) = self.gossip.to_tell.get_mut(at) {
            *other = node;
        }
    }

    pub(super) fn tell_addresses(&mut self, turn: &Turn<'_>) {
        if !self.gossip.included || self.gossip.tell_at.is_some_and(|at| turn.now <= at) {
            return;
        }
        self.gossip.tell_at = Some(turn.now.plus_ms(pause_ms(ADDRESS_MS, turn.chance)));
        let mut nodes = std::mem::take(&mut self.gossip.to_tell);
        nodes.retain(|node| self.gossip.known.insert(node.address));
        if !nodes.is_empty() {
            let (count, all_kinds) = (nodes.len(), self.gossip.understands);
            self.send(Message::Addresses(AddressList { all_kinds, count, nodes }));
        }
    }

    /// It tells of addresses: as many are looked at as it may tell of, the others are passed over.
    pub(super) fn on_addresses(&mut self, list: AddressList, turn: &mut Turn<'_>) {
        if !self.joins_gossip(turn) {
            let (name, kind) = (list.name(), self.config.kind.name());
            return self.note(format!("ignoring {name} message from {kind}"));
        }
        self.gossip.earn(turn.now);
        let (now_s, total) = (turn.now.to_seconds_floor(), list.count);
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        let mut nodes = list.nodes;
        Draws(turn.chance).shuffle(&mut nodes);
        let (processed, limited) = (self.gossip.processed, self.gossip.limited);
        for node in nodes {
            if !self.gossip.pay() && !self.config.permissions.has(Permissions::ADDR) {
                self.gossip.limited = self.gossip.limited.saturating_add(1);
                continue;
            }
            let Some(node) = self.sift_address(node, now_s, turn) else { continue };
            self.gossip.processed = self.gossip.processed.saturating_add(1);
            let is_new = u64::from(node.time_s).saturating_add(10 * 60) > now_s;
            if is_new
                && !self.gossip.asked
                && total <= ADDRESSES_RELAYED_MAX
                && node.address.host.is_routable()
            {
                fresh.push(node);
            }
            if turn.addresses.reaches(&node.address) {
                kept.push(node);
            }
        }
        let (processed, limited) =
            (self.gossip.processed.saturating_sub(processed), self.gossip.limited.saturating_sub(limited));
        self.note(format!(
            "Received addr: {total} addresses ({processed} processed, {limited} rate-limited) from"
        ));
        for node in fresh {
            let to = turn.addresses.listeners(self.config.id, &node.address, now_s);
            self.effects.push(Effect::TellAddress { node, to });
        }
        self.keep_addresses(&kept, now_s, turn);
        if total < ADDRESSES_MAX {
            self.gossip.asked = false;
        }
        // One alone is who we asked himself.
        if self.config.kind == ConnectionKind::AddrFetch && total > 1 {
            self.disconnect(DisconnectReason::AddrFetchDone);
        }
    }

    fn keep_addresses(&mut self, kept: &[KnownNode], now_s: u64, turn: &mut Turn<'_>) {
        let Some(source) = self.config.host else { return };
        let added = turn.addresses.book.add(kept, &source, (HEARSAY_S, now_s), turn.chance);
        if added > 0 {
            // An answer to somebody who asked would fill the log.
            let shown = kept.iter().take(ADDRESSES_RELAYED_MAX).map(|node| node.address.to_string());
            let shown = shown.collect::<Vec<_>>().join(", ");
            let text = format!("Added {added} addresses (of {}) from {source}: {shown}", kept.len());
            self.effects.push(Effect::Note(text));
        }
    }

    /// An address that is worth a look, with a time that can be; none for one that is not.
    fn sift_address(&mut self, node: KnownNode, now_s: u64, turn: &Turn<'_>) -> Option<KnownNode> {
        /// Five days.
        const SOME_TIME_S: u64 = 5 * 24 * 60 * 60;
        /// No node was there before.
        const FIRST_S: u32 = 100_000_000;
        if node.services & USEFUL == 0 {
            return None;
        }
        let mut node = turn.addresses.seen_from_here(node);
        if node.time_s <= FIRST_S || u64::from(node.time_s) > now_s.saturating_add(10 * 60) {
            node.time_s = u32::try_from(now_s.saturating_sub(SOME_TIME_S)).unwrap_or(u32::MAX);
        }
        self.gossip.known.insert(node.address);
        let banned = node.address.host.ip().is_some_and(|ip| turn.view.is_banned(ip, turn.now));
        (!banned).then_some(node)
    }

    /// Whether it was asked for addresses alone, and has not answered.
    pub(super) fn keeps_addresses(&self, now: UnixMillis) -> bool {
        self.config.kind == ConnectionKind::AddrFetch && now.ms_since(self.opened_at) > ADDRESS_FETCH_MS_MAX
    }
}
