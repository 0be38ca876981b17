//! What the peer manager is told and asked.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::Message;
use adit_domain::peer::{
    Ban, BanError, Command, CompactBlock, ConnectionKind, FetchError, KnownNode, Message as P2pMessage,
    PeerInfo, Permissions, Subnet,
};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::BlockHash;
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
    /// What the connection is for.
    pub kind: ConnectionKind,
    /// Whether it is to be connected again whenever it is lost.
    pub keep: bool,
    /// Whether the connection is to be encrypted; where the other end cannot do that, it is not.
    pub encrypted: bool,
}

/// Who may not connect. Sent by: JSON-RPC. Handled by: peer. Reply: when it is on disk; connections to them are closed. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), BanError>")]
pub struct BanPeers {
    /// Who.
    pub subnet: Subnet,
    /// Whether a range was named: it is listed whatever else it is in.
    pub as_range: bool,
    /// From when until when.
    pub ban: Ban,
}

/// Who may connect again. Sent by: JSON-RPC. Handled by: peer. Reply: whether it was listed. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct UnbanPeers {
    /// Who; none: all of them.
    pub subnet: Option<Subnet>,
}

/// Who may not connect. Sent by: JSON-RPC. Handled by: peer. Reply: they, in Core's order. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<(Subnet, Ban)>")]
pub struct GetBans;

/// Whether there are connections at all. Sent by: JSON-RPC. Handled by: peer. Reply: what holds now; where there are to be none, those that
/// there are are closed. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "bool")]
pub struct SetNetworkActive {
    /// Whether there are; none: it is asked only.
    pub active: Option<bool>,
}

/// Asks all for a sign of life. Sent by: JSON-RPC. Handled by: peer. Reply: nothing; it is sent when it is sent. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct PingPeers;

/// Nodes that [`ConnectPeer`] keeps. Sent by: JSON-RPC. Handled by: peer. Reply: they. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<AddedNode>")]
pub struct GetAddedNodes;

/// A node that an operator has added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedNode {
    /// As it was named.
    pub target: String,
    /// Whether there is a connection to it.
    pub connected: bool,
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

/// Its figures are to be shown as they are now. Sent by: the peer manager. Handled by: a peer. Reply: when they are. When full: those of
/// before are shown.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct ShowPeer;

/// A sign of life is wanted. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct PingPeer;

/// Bytes to be sent to a peer as a message, whatever they are. Sent by: JSON-RPC, for tests. Handled by: peer. Reply: whether there is such a peer.
/// When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct SendToPeer {
    /// Which.
    pub id: u64,
    /// What the message is called.
    pub command: Command,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The same, at the peer. Sent by: the peer manager. Handled by: a peer. Reply: whether it is connected. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct SendFrame {
    /// What the message is called.
    pub command: Command,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A block to be fetched from a peer. Sent by: JSON-RPC. Handled by: peer. Reply: whether that one has been asked. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), FetchError>")]
pub struct FetchBlockFrom {
    /// Which block.
    pub hash: BlockHash,
    /// Of whom.
    pub id: u64,
}

/// The same, at the peer. Sent by: the peer manager. Handled by: a peer. Reply: whether it has been asked. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), FetchError>")]
pub struct FetchBlock {
    /// Which block.
    pub hash: BlockHash,
}

/// An address of a node is to be told to a peer. Sent by: another peer. Handled by: a peer. Reply: nothing. When full: dropped.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceAddress {
    /// It.
    pub node: KnownNode,
}

/// A held transaction is to be announced once more. Sent by: a peer whose operator wants that. Handled by: peer. Reply: nothing. When full:
/// dropped.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RelayAgain {
    /// It.
    pub tx: Arc<ParsedTx>,
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
    /// Whether the operator's list names it, and for what.
    pub(crate) permissions: Permissions,
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
    /// The last one as a compact block.
    pub compact: Option<Arc<CompactBlock>>,
}

/// We have found a block. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped, the peer hears
/// of it as the new tip.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceFound {
    /// The whole block.
    pub block: Arc<ParsedBlock>,
    /// As a compact one.
    pub compact: Arc<CompactBlock>,
}

/// A transaction joined our mempool. Sent by: the peer manager. Handled by: a peer. Reply: nothing. When full: dropped.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceTx {
    /// It.
    pub tx: Arc<ParsedTx>,
    /// What it pays, in satoshis.
    pub fee_sat: u64,
    /// For so many virtual bytes.
    pub vsize: u64,
    /// Whether those hear of it too that have it.
    pub again: bool,
}
