use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Context, Handler, MessageResult};

use super::{Links, PeerActor};
use crate::messages::chain::TipChanged;
use crate::messages::mempool::TransactionAccepted;
use crate::messages::peer::{AnnounceFound, AnnounceTip, AnnounceTx, GetPeers, RelayBlock};
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

impl Handler<GetPeers> for PeerManager {
    type Result = MessageResult<GetPeers>;

    fn handle(&mut self, _msg: GetPeers, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.links.board.infos())
    }
}
