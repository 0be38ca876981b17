//! What the peer manager is told and asked.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::Message;
use adit_domain::peer::{Message as P2pMessage, PeerInfo};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::block::Header;

use crate::peer::{Intake, Link};

/// A block of our own, to be sent to every peer at once, before it is connected. Sent by: stratum. Handled by: peer.
/// Reply: nothing. When full: the sender waits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RelayBlock {
    /// The whole block.
    pub block: Arc<ParsedBlock>,
}

/// Who we are connected to. Sent by: rpc. Handled by: peer. Reply: a row a connection. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<PeerInfo>")]
pub struct GetPeers;

/// A node to be connected to. Sent by: JSON-RPC. Handled by: peer. Reply: whether it was not kept already; the connection comes
/// when it comes. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct ConnectPeer {
    /// `HOST:PORT`.
    pub target: String,
    /// Whether it is to be connected again whenever it is lost.
    pub keep: bool,
}

/// A connection to be closed. Sent by: JSON-RPC. Handled by: peer. Reply: whether there is one. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct DisconnectPeer {
    /// Which.
    pub which: Which,
}

/// A connection, as an operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its number.
    Id(u64),
    /// By the other end, `address:port`.
    Address(String),
    /// One that [`ConnectPeer`] keeps: it is not connected again.
    Added(String),
}

/// An operator wants the connection closed. Sent by: the peer manager, the connection's task. Handled by: a peer. Reply: nothing.
/// When full: dropped, it is asked again.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct ReleasePeer {
    /// Whether it is for good.
    pub for_good: bool,
}

/// A connection has been opened; its figures begin anew. Sent by: the connection's task. Handled by: a peer.
/// Reply: when the session has spoken. When full: the connection waits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LinkOpened {
    /// Where frames go that are to be sent; the connection closes when it is dropped.
    pub(crate) link: Link,
    /// `address:port` of the other end, or the name it was looked up by.
    pub(crate) remote: String,
    /// Our own end, where it has an address.
    pub(crate) local: Option<SocketAddr>,
}

/// The connection has closed. Sent by: the connection's task. Handled by: a peer. Reply: nothing. When full: the task waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct LinkClosed;

/// A message has come. Sent by: the connection's task. Handled by: a peer. Reply: when the next one may come: what this one
/// asked for has been sent, but for what the link may hold. When full: the connection waits, and reads no further.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct MessageReceived {
    /// It.
    pub message: P2pMessage,
    /// What it holds until it is judged.
    pub intake: Intake,
}

/// The best chain has new blocks. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped, the
/// peer hears of the next one.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceTip {
    /// Their headers, the lowest first.
    pub headers: Arc<[Header]>,
}

/// We have found a block. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped, the peer hears
/// of it as the new tip.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceFound {
    /// The whole block.
    pub block: Arc<ParsedBlock>,
}

/// A transaction joined our mempool. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceTx {
    /// It.
    pub tx: Arc<ParsedTx>,
}
