use crate::units::{Height, UnixMillis};

/// What an operator is shown of a connection to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its number, unique in this process.
    pub id: u64,
    /// `address:port` of the other end.
    pub remote: String,
    /// Whether they connected to us.
    pub inbound: bool,
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
    /// When the connection began.
    pub connected_at: UnixMillis,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received of each kind of message, by its name.
    pub received_by_kind: Vec<(String, u64)>,
    /// Bytes sent of each kind of message, by its name.
    pub sent_by_kind: Vec<(String, u64)>,
}
