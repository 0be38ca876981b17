//! What the peer manager is told and asked.

use std::sync::Arc;

use actix::Message;
use adit_domain::peer::PeerInfo;
use adit_domain::wire::ParsedBlock;

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
