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
}
