use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult, ResponseFuture};
use adit_domain::peer::{BanError, CompactBlock, FetchError, PeerInfo};
use adit_domain::wire::ParsedBlock;

use super::board::Board;
use super::connection::Begin;
use super::{Links, PeerActor, addresses, bans, connection, open_peer};
use crate::messages::chain::TipChanged;
use crate::messages::mempool::TransactionAccepted;
use crate::messages::peer::{
    AnnounceFound, AnnounceTip, AnnounceTx, BanPeers, ConnectPeer, DisconnectPeer, FetchBlock,
    FetchBlockFrom, GetAddedNodes, GetBans, GetPeers, PingPeer, PingPeers, RelayAgain, RelayBlock,
    ReleasePeer, SendFrame, SendToPeer, SetNetworkActive, ShowPeer, UnbanPeers, Which,
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

impl PeerManager {
    /// Made once for all connections: 4,000 short ids take a tenth of a millisecond.
    fn compact(&self, block: &ParsedBlock) -> Arc<CompactBlock> {
        Arc::new(CompactBlock::of(block, self.links.shared.entropy.next_u64()))
    }
}

/// How long a connection's actor may take to show its figures.
const SHOW_WITHIN: Duration = Duration::from_secs(1);

/// The connections as they are now; whoever is busy is shown as it was.
pub(super) async fn shown(board: &Board) -> Vec<PeerInfo> {
    let shown = board.addrs().into_iter().map(|addr| async move {
        let _ = tokio::time::timeout(SHOW_WITHIN, addr.send(ShowPeer)).await;
    });
    futures::future::join_all(shown.collect::<Vec<_>>()).await;
    board.infos()
}

impl PeerManager {
    /// Writes who is banned to its file. A disk that fails ends the process, as everywhere.
    fn keep_bans(&self) {
        let Some(path) = &self.links.config.bans_file else { return };
        let text = self.links.board.bans().to_json();
        if let Err(error) = bans::save(path, &text) {
            self.links
                .shared
                .supervisor
                .fault("peer", Fault::Storage(format!("{}: {error}", path.display())));
        }
    }
}

/// How often the addresses of nodes are written.
const SAVE_EVERY: Duration = Duration::from_secs(15 * 60);

impl PeerManager {
    /// Writes the addresses of nodes to their file.
    fn keep_addresses(&self) -> Result<(), Fault> {
        let Some(path) = &self.links.config.peers_file else { return Ok(()) };
        let bytes = self.links.board.boards().addresses.book.to_bytes();
        addresses::save(path, &bytes).map_err(|error| Fault::Storage(format!("{}: {error}", path.display())))
    }
}

impl Actor for PeerManager {
    type Context = Context<Self>;

    /// Runs again after a panic.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(SAVE_EVERY, |manager, _| {
            if let Err(fault) = manager.keep_addresses() {
                manager.links.shared.supervisor.fault("peer", fault);
            }
        });
    }
}

impl Rebuild for PeerManager {
    fn rebuild(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        self.keep_addresses()
    }
}
crate::supervised!(PeerManager);

impl Handler<RelayBlock> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: RelayBlock, _ctx: &mut Self::Context) {
        self.links.board.remember_found(Arc::clone(&msg.block));
        let compact = self.compact(&msg.block);
        self.tell(AnnounceFound { block: msg.block, compact });
    }
}

impl Handler<TipChanged> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, _ctx: &mut Self::Context) {
        let headers = msg.connected.iter().map(|block| *block.header()).collect();
        let compact = msg.connected.last().map(|block| self.compact(block));
        if let Some(block) = msg.connected.last() {
            self.links.board.remember_latest(Arc::clone(block));
        }
        self.links.board.boards().downloads.connected(msg.connected.len());
        self.tell(AnnounceTip { headers, compact });
    }
}

impl Handler<TransactionAccepted> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: TransactionAccepted, _ctx: &mut Self::Context) {
        let TransactionAccepted { tx, fee_sat, vsize } = msg;
        self.tell(AnnounceTx { tx, fee_sat, vsize, again: false });
    }
}

impl Handler<ConnectPeer> for PeerManager {
    type Result = bool;

    fn handle(&mut self, msg: ConnectPeer, _ctx: &mut Self::Context) -> bool {
        let ConnectPeer { target, kind, keep, encrypted } = msg;
        let begin = if encrypted { Begin::Initiate } else { Begin::Clear };
        if keep && self.links.board.is_added(&target) {
            return false;
        }
        let (id, addr, status) = open_peer(&self.links, kind);
        if keep {
            self.links.board.add(&target, id);
        }
        let links = self.links.clone();
        self.links.sockets.spawn_fn(move || {
            if keep {
                actix::spawn(connection::stay_connected(target, begin, (addr, status), links));
            } else {
                actix::spawn(connection::connect_once(target, (id, begin), (addr, status), links));
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
    type Result = ResponseFuture<Vec<PeerInfo>>;

    fn handle(&mut self, _msg: GetPeers, _ctx: &mut Self::Context) -> Self::Result {
        let board = Arc::clone(&self.links.board);
        Box::pin(async move { shown(&board).await })
    }
}

impl Handler<BanPeers> for PeerManager {
    type Result = Result<(), BanError>;

    fn handle(&mut self, msg: BanPeers, _ctx: &mut Self::Context) -> Self::Result {
        let BanPeers { subnet, as_range, ban } = msg;
        let now = self.links.shared.clock.now();
        self.links.board.bans().add(subnet.clone(), as_range, ban, now)?;
        self.keep_bans();
        let in_it = |remote: &str| remote.parse::<SocketAddr>().is_ok_and(|at| subnet.contains(at.ip()));
        for addr in self.links.board.open_all(|info| in_it(&info.remote)) {
            let _ = addr.try_send(ReleasePeer { for_good: false });
        }
        Ok(())
    }
}

impl Handler<UnbanPeers> for PeerManager {
    type Result = bool;

    fn handle(&mut self, msg: UnbanPeers, _ctx: &mut Self::Context) -> bool {
        let was_listed = {
            let mut bans = self.links.board.bans();
            match msg.subnet {
                Some(subnet) => bans.remove(&subnet),
                None => {
                    bans.clear();
                    true
                }
            }
        };
        if was_listed {
            self.keep_bans();
        }
        was_listed
    }
}

impl Handler<GetBans> for PeerManager {
    type Result = MessageResult<GetBans>;

    fn handle(&mut self, _msg: GetBans, _ctx: &mut Self::Context) -> Self::Result {
        let over = self.links.board.bans().sweep(self.links.shared.clock.now());
        if over {
            self.keep_bans();
        }
        let bans = self.links.board.bans();
        MessageResult(bans.iter().map(|(subnet, ban)| (subnet.clone(), *ban)).collect())
    }
}

impl Handler<SetNetworkActive> for PeerManager {
    type Result = bool;

    fn handle(&mut self, msg: SetNetworkActive, _ctx: &mut Self::Context) -> bool {
        if let Some(active) = msg.active {
            tracing::info!("SetNetworkActive: {active}");
            self.links.board.set_active(active);
            if !active {
                self.tell(ReleasePeer { for_good: false });
            }
        }
        self.links.board.is_active()
    }
}

impl Handler<PingPeers> for PeerManager {
    type Result = ();

    fn handle(&mut self, _msg: PingPeers, _ctx: &mut Self::Context) {
        self.tell(PingPeer);
    }
}

impl Handler<GetAddedNodes> for PeerManager {
    type Result = MessageResult<GetAddedNodes>;

    fn handle(&mut self, _msg: GetAddedNodes, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.links.board.added())
    }
}

impl Handler<RelayAgain> for PeerManager {
    type Result = ();

    fn handle(&mut self, msg: RelayAgain, _ctx: &mut Self::Context) {
        self.tell(AnnounceTx { tx: msg.tx, fee_sat: 0, vsize: 1, again: true });
    }
}

impl Handler<SendToPeer> for PeerManager {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, msg: SendToPeer, _ctx: &mut Self::Context) -> Self::Result {
        let SendToPeer { id, command, payload } = msg;
        let peer = self.links.board.addr_of(id);
        Box::pin(async move {
            match peer {
                Some(peer) => peer.send(SendFrame { command, payload }).await.unwrap_or(false),
                None => false,
            }
        })
    }
}

impl Handler<FetchBlockFrom> for PeerManager {
    type Result = ResponseFuture<Result<(), FetchError>>;

    fn handle(&mut self, msg: FetchBlockFrom, _ctx: &mut Self::Context) -> Self::Result {
        let peer = self.links.board.addr_of(msg.id);
        Box::pin(async move {
            let peer = peer.ok_or(FetchError::NoPeer)?;
            peer.send(FetchBlock { hash: msg.hash }).await.unwrap_or(Err(FetchError::NoPeer))
        })
    }
}
