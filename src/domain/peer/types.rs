use super::{Permissions, Transport};
use crate::units::{Height, UnixMillis};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConnectionKind {
    /// They connected to us.
    #[default]
    Inbound,
    /// An operator named it: it is not let go of for what it does.
    Manual,
    /// Blocks, transactions and addresses.
    OutboundFullRelay,
    /// Blocks alone: who watches transactions does not see it.
    BlockRelayOnly,
    /// Addresses alone, then it ends.
    AddrFetch,
    /// Whether somebody is there, then it ends.
    Feeler,
}

impl ConnectionKind {
    /// Each with its name.
    const NAMES: [(ConnectionKind, &str); 6] = [
        (ConnectionKind::Inbound, "inbound"),
        (ConnectionKind::Manual, "manual"),
        (ConnectionKind::OutboundFullRelay, "outbound-full-relay"),
        (ConnectionKind::BlockRelayOnly, "block-relay-only"),
        (ConnectionKind::AddrFetch, "addr-fetch"),
        (ConnectionKind::Feeler, "feeler"),
    ];

    /// Its name, as Core has it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<ConnectionKind> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Whether they connected to us.
    pub fn is_inbound(self) -> bool {
        self == ConnectionKind::Inbound
    }

    /// Whether transactions go over it, as far as we are concerned.
    pub fn relays_txs(self) -> bool {
        !matches!(self, ConnectionKind::BlockRelayOnly | ConnectionKind::Feeler)
    }

    /// Whether blocks are fetched and announced over it.
    pub fn relays_blocks(self) -> bool {
        !matches!(self, ConnectionKind::AddrFetch | ConnectionKind::Feeler)
    }

    /// Whether it must offer what we need, since we chose it ourselves.
    pub fn must_serve(self) -> bool {
        matches!(
            self,
            ConnectionKind::OutboundFullRelay | ConnectionKind::BlockRelayOnly | ConnectionKind::AddrFetch
        )
    }
}

/// What an operator is shown of a connection to another node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PeerInfo {
    /// Its number, unique in this process.
    pub id: u64,
    /// `address:port` of the other end.
    pub remote: String,
    /// Whether they connected to us.
    pub inbound: bool,
    /// What it is for.
    pub kind: ConnectionKind,
    /// What it may do that others may not.
    pub permissions: Permissions,
    /// Our own end's `address:port`; none where it has none.
    pub local: Option<String>,
    /// The protocol that it speaks; 0 before the handshake.
    pub protocol: u32,
    /// What it offers, the bits of `ServiceFlags`; 0 before the handshake.
    pub services: u64,
    /// Whether it wants transactions announced.
    pub relays_txs: bool,
    /// What it calls itself; empty before the handshake.
    pub user_agent: String,
    /// The best height that it is known to have.
    pub height: Height,
    /// The height that it said at the beginning.
    pub height_said: Height,
    /// The height up to which its headers are known to be ours; none: nothing is known.
    pub synced_headers: Option<Height>,
    /// The height up to which it and we have the same blocks; none: nothing is known.
    pub synced_blocks: Option<Height>,
    /// Headers that were counted of a chain which has not shown enough work; none: nothing is counted.
    pub presynced_headers: Option<Height>,
    /// Heights of the blocks that it was asked for.
    pub in_flight: Vec<Height>,
    /// When the connection began.
    pub connected_at: UnixMillis,
    /// How far its clock is ahead of ours; seconds.
    pub time_offset_s: i64,
    /// How long its last answer to a ping took; none: it has answered none.
    pub ping_ms: Option<u64>,
    /// The shortest that one took.
    pub ping_min_ms: Option<u64>,
    /// How long one has been waited for.
    pub ping_wait_ms: Option<u64>,
    /// When it last sent a transaction that joined the mempool; 0: never.
    pub last_tx_at: UnixMillis,
    /// When it last sent a block that we did not have; 0: never.
    pub last_block_at: UnixMillis,
    /// Whether we asked it for compact blocks at once.
    pub high_bandwidth_to: bool,
    /// Whether it asked us for compact blocks at once.
    pub high_bandwidth_from: bool,
    /// The lowest feerate that it wants announced; satoshis per 1,000 virtual bytes.
    pub fee_filter_sat_per_kvb: u64,
    /// The mempool's count of changes when it was last told of transactions.
    pub last_inv_sequence: u64,
    /// Transactions that wait to be announced to it.
    pub inv_to_send: usize,
    /// Whether it is told of addresses.
    pub addr_relay: bool,
    /// Addresses that it told of and that were looked at.
    pub addr_processed: u64,
    /// Addresses that were passed over: it told of too many.
    pub addr_limited: u64,
    /// When something last came; 0: never.
    pub last_received_at: UnixMillis,
    /// When something last went; 0: never.
    pub last_sent_at: UnixMillis,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// How it is spoken to.
    pub transport: Transport,
    /// What both ends of an encrypted connection can compare; none where it is not encrypted.
    pub session_id: Option<[u8; 32]>,
    /// Bytes received of each kind of message, by its name.
    pub received_by_kind: Vec<(String, u64)>,
    /// Bytes sent of each kind of message, by its name.
    pub sent_by_kind: Vec<(String, u64)>,
}

#[cfg(test)]
#[path = "types/tests.rs"]
mod tests;
