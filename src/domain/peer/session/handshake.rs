use super::{
    COMPACT_VERSION, ConnectionKind, DisconnectReason, ENCRYPTED, Effect, FILTERS, Message, NodeView,
    OUR_SERVICES, OUR_SERVICES_PRUNED, PROTOCOL_VERSION, Permissions, Phase, SERVICES_FOR_BLOCKS,
    SERVICES_FOR_NEWS, Session, Turn, UnixMillis, Version,
};
use crate::peer::limits::PROTOCOL_VERSION_MIN;

/// The protocol from which on BIP339 is spoken.
const WTXID_RELAY_VERSION: u32 = 70_016;

impl Session {
    pub(super) fn send_version(&mut self, view: &dyn NodeView, now: UnixMillis) {
        let (_, height) = view.tip();
        self.send(Message::Version(Version {
            protocol: PROTOCOL_VERSION,
            services: self.services(view),
            time: i64::try_from(now.to_seconds_floor()).unwrap_or(i64::MAX),
            nonce: self.config.nonce,
            user_agent: self.config.user_agent.clone(),
            height: height.to_u32(),
            relay: self.wants_txs(),
        }));
    }

    fn services(&self, view: &dyn NodeView) -> u64 {
        let blocks = if view.is_pruned() { OUR_SERVICES_PRUNED } else { OUR_SERVICES };
        let rules = self.config.rules;
        let more = [(rules.serves_filters, FILTERS), (rules.encrypts, ENCRYPTED)];
        more.iter().filter(|(offered, _)| *offered).fold(blocks, |all, (_, bit)| all | bit)
    }

    /// Whether transactions are to be announced to us.
    pub(super) fn wants_txs(&self) -> bool {
        let rules = self.config.rules;
        let spared = rules.blocks_only && !self.config.permissions.has(Permissions::RELAY);
        self.config.kind.relays_txs() && !spared
    }

    /// A second version says nothing new, and is passed over.
    pub(super) fn on_version(&mut self, version: Version, turn: &mut Turn<'_>) {
        if self.phase != Phase::AwaitVersion {
            return self.note("redundant version message from".to_owned());
        }
        if let Err(reason) = self.judge_version(&version, turn) {
            return self.disconnect(reason);
        }
        if self.config.kind.is_inbound() {
            self.send_version(turn.view, turn.now);
        }
        if version.protocol >= WTXID_RELAY_VERSION {
            self.send(Message::WtxidRelay);
            self.send(Message::SendAddrV2);
        }
        self.send(Message::Verack);
        self.remote = Some(version);
        self.phase = Phase::AwaitVerack;
        self.ask_addresses(turn);
        if self.config.kind == ConnectionKind::Feeler {
            self.disconnect(DisconnectReason::FeelerDone);
        }
    }

    fn judge_version(&self, version: &Version, turn: &Turn<'_>) -> Result<(), DisconnectReason> {
        let offered = version.services;
        let expected = Self::services_wanted(offered, turn);
        if self.config.kind.must_serve() && offered & expected != expected {
            return Err(DisconnectReason::Services { offered, expected });
        }
        if version.protocol < PROTOCOL_VERSION_MIN {
            return Err(DisconnectReason::ObsoleteVersion(version.protocol));
        }
        if self.config.kind.is_inbound() && turn.view.is_own_nonce(version.nonce) {
            return Err(DisconnectReason::SelfConnection);
        }
        Ok(())
    }

    /// Whoever keeps the last blocks alone will do where our tip is not a day old.
    fn services_wanted(offered: u64, turn: &Turn<'_>) -> u64 {
        const DAY_S: u64 = 24 * 60 * 60;
        let age_s = turn.now.to_seconds_floor().saturating_sub(turn.view.tip_time_s());
        let limited = offered & SERVICES_FOR_NEWS == SERVICES_FOR_NEWS;
        if limited && age_s < DAY_S { SERVICES_FOR_NEWS } else { SERVICES_FOR_BLOCKS }
    }

    pub(super) fn on_verack(&mut self, turn: &mut Turn<'_>) {
        if self.phase != Phase::AwaitVerack {
            return self.note("ignoring redundant verack message from".to_owned());
        }
        self.phase = Phase::Ready;
        self.effects.push(Effect::Ready);
        let trusted = !self.config.kind.is_inbound() || self.config.permissions.has(Permissions::NO_BAN);
        if trusted && self.serves_blocks(turn.view) && self.config.kind.relays_blocks() {
            turn.downloads.serves(self.config.id);
        }
        if !self.config.kind.is_inbound() {
            turn.downloads.chose(self.config.id);
        }
        if self.config.kind.relays_txs() {
            turn.txs.join(self.config.id, self.as_tx_source());
        }
        self.send(Message::SendCompact { announce: 0, version: COMPACT_VERSION });
        self.send(Message::SendHeaders);
        self.send_ping(turn);
        self.begin_headers(turn);
        self.say_fee_filter(turn);
    }
}
