//! What the peer manager is told and asked.

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

/// A connection has been opened; its figures begin anew. Sent by: the connection's task. Handled by: a peer.
/// Reply: when the session has spoken. When full: the connection waits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LinkOpened {
    /// Where frames go that are to be sent; the connection closes when it is dropped.
    pub(crate) link: Link,
    /// `address:port` of the other end, or the name it was looked up by.
    pub(crate) remote: String,
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
