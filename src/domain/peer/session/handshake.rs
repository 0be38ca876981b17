use super::{
    DisconnectReason, Effect, Message, NodeView, OUR_SERVICES, OUR_SERVICES_PRUNED, PROTOCOL_VERSION, Phase,
    Session, Turn, UnixMillis, Version,
};
use crate::peer::limits::PROTOCOL_VERSION_MIN;

/// The protocol from which on BIP339 is spoken.
const WTXID_RELAY_VERSION: u32 = 70_016;

impl Session {
    pub(super) fn send_version(&mut self, view: &dyn NodeView, now: UnixMillis) {
        let (_, height) = view.tip();
        self.send(Message::Version(Version {
            protocol: PROTOCOL_VERSION,
            services: if view.is_pruned() { OUR_SERVICES_PRUNED } else { OUR_SERVICES },
            time: i64::try_from(now.to_seconds_floor()).unwrap_or(i64::MAX),
            nonce: self.config.nonce,
            user_agent: self.config.user_agent.clone(),
            height: height.to_u32(),
            relay: true,
        }));
    }

    /// A second version says nothing new, and is passed over.
    pub(super) fn on_version(&mut self, version: Version, turn: &mut Turn<'_>) {
        if self.phase != Phase::AwaitVersion {
            return;
        }
        if self.config.inbound && turn.view.is_own_nonce(version.nonce) {
            return self.disconnect(DisconnectReason::SelfConnection);
        }
        if version.protocol < PROTOCOL_VERSION_MIN {
            return self.disconnect(DisconnectReason::ObsoleteVersion(version.protocol));
        }
        if self.config.inbound {
            self.send_version(turn.view, turn.now);
        }
        if version.protocol >= WTXID_RELAY_VERSION {
            self.send(Message::WtxidRelay);
        }
        self.send(Message::Verack);
        self.remote = Some(version);
        self.phase = Phase::AwaitVerack;
    }

    pub(super) fn on_verack(&mut self, turn: &mut Turn<'_>) {
        if self.phase != Phase::AwaitVerack {
            return;
        }
        self.phase = Phase::Ready;
        self.effects.push(Effect::Ready);
        self.send(Message::SendHeaders);
        self.send_ping(turn);
        self.begin_headers(turn);
    }
}
