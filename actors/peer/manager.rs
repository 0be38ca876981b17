use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Context, Handler, MessageResult};

use super::{Links, PeerActor, connection, open_peer};
use crate::messages::chain::TipChanged;
use crate::messages::mempool::TransactionAccepted;
use crate::messages::peer::{
    AnnounceFound, AnnounceTip, AnnounceTx, ConnectPeer, DisconnectPeer, GetPeers, RelayBlock, ReleasePeer,
    Which,
};
use crate::supervision::{Fault, Rebuild};

/// Tells all connections what happened in the node. Who is connected stands on the board, which outlives it.
pub struct PeerManager {
    links: Links,
}

impl PeerManager {
    pub(super) fn new(links: Links) -> PeerManager {
        PeerManager { links }
    }

    /// A connection whose mailbox is full does not hear of it: it has 256 other things to do first.
    fn tell<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Clone + Send + 'static,
        PeerActor: Handler<M>,
        Context<PeerActor>: ToEnvelope<PeerActor, M>,
    {
        for addr in self.links.board.addrs() {
            if addr.try_send(message.clone()).is_err() {
                tracing::debug!("a connection's mailbox is full: not told");
            }
        }
    }
}

impl Actor for PeerManager {
    type Context = Context<Self>;
}

impl Rebuild for PeerManager {
    fn rebuild(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
crate::supervised!(PeerManager);

impl Handler<RelayBlock> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: RelayBlock, _ctx: &mut Self::Context) {
        self.links.board.remember_found(Arc::clone(&msg.block));
        self.tell(AnnounceFound { block: msg.block });
    }
}

impl Handler<TipChanged> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, _ctx: &mut Self::Context) {
        let headers = msg.connected.iter().map(|block| *block.header()).collect();
        self.tell(AnnounceTip { headers });
    }
}

impl Handler<TransactionAccepted> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: TransactionAccepted, _ctx: &mut Self::Context) {
        self.tell(AnnounceTx { tx: msg.tx });
    }
}

impl Handler<ConnectPeer> for PeerManager {
    type Result = bool;

    fn handle(&mut self, msg: ConnectPeer, _ctx: &mut Self::Context) -> bool {
        let ConnectPeer { target, keep } = msg;
        if keep && self.links.board.is_added(&target) {
            return false;
        }
        let (id, addr, status) = open_peer(&self.links, false);
        if keep {
            self.links.board.add(&target, id);
        }
        let links = self.links.clone();
        self.links.sockets.spawn_fn(move || {
            if keep {
                actix::spawn(connection::stay_connected(target, addr, status, links));
            } else {
                actix::spawn(connection::connect_once(target, id, (addr, status), links));
            }
        })
    }
}

impl Handler<DisconnectPeer> for PeerManager {
    type Result = bool;

    fn handle(&mut self, msg: DisconnectPeer, _ctx: &mut Self::Context) -> bool {
        let board = &self.links.board;
        let (addr, for_good) = match msg.which {
            Which::Id(id) => (board.open_one(|info| info.id == id), false),
            Which::Address(remote) => (board.open_one(|info| info.remote == remote), false),
            Which::Added(target) if board.is_added(&target) => (board.remove_added(&target), true),
            Which::Added(_) => return false,
        };
        // What is added and not there is taken off the list all the same.
        addr.map_or(for_good, |addr| addr.try_send(ReleasePeer { for_good }).is_ok())
    }
}

impl Handler<GetPeers> for PeerManager {
    type Result = MessageResult<GetPeers>;

    fn handle(&mut self, _msg: GetPeers, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.links.board.infos())
    }
}
