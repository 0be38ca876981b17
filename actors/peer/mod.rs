//! Other nodes: the listener, a task a socket, an actor a connection, and the manager that tells them what happens.
//!
//! Owns: sockets, their limits, what waits to be sent, where an effect of a session goes. Must not know: what a message
//! means, which block is wanted of whom, what is valid.

mod actor;
mod addresses;
mod bans;
mod board;
mod chain;
mod connection;
mod filters;
mod link;
mod listener;
mod manager;
mod serve;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter, ArbiterHandle, Recipient};
use adit_domain::peer::{
    AddressBoard, AddressBook, ConnectionKind, HostNetwork, PeerId, SessionRules, Whitelist,
};
use tokio::sync::Semaphore;

use board::{Board, Status};
use connection::Begin;

use crate::house::Shared;
use crate::mempool::MempoolReader;
use crate::messages::chain::{SubmitBlock, SubmitHeaders};
use crate::messages::mempool::SubmitTransaction;
use crate::net::Bound;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::PeerActor;
pub use addresses::{AddedAddress, AddressDesk};
pub use chain::PeerChain;
pub use connection::Intake;
pub use filters::{IndexedFilters, PeerFilters};
pub(crate) use link::Link;
pub use manager::PeerManager;

/// The manager's mailbox: a burst of accepted transactions.
const MANAGER_MAILBOX_MAX: usize = 1_024;
/// A connection's mailbox: one message of the peer's, and a burst of announcements.
const PEER_MAILBOX_MAX: usize = 256;
/// There is nothing to be made durable.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Whom to connect to, and who may connect.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The first four bytes of every message.
    pub magic: [u8; 4],
    /// Where others may connect; none: nowhere. Port 0: any free one.
    pub listen: Option<SocketAddr>,
    /// Where else they may.
    pub listen_more: Vec<SocketAddr>,
    /// Where they may as well, where that can be had.
    pub listen_maybe: Vec<SocketAddr>,
    /// Nodes to stay connected to, `HOST:PORT`.
    pub connect: Vec<String>,
    /// Inbound connections at most; one more is accepted and closed.
    pub inbound_max: usize,
    /// Bytes of blocks, as they are sent, that may wait for their verdict, all peers' together; one block may whatever its size.
    pub block_bytes_max: usize,
    /// What this node calls itself.
    pub user_agent: String,
    /// Who may do what others may not.
    pub whitelist: Whitelist,
    /// What holds for all connections.
    pub rules: SessionRules,
    /// Where it is kept who may not connect; none: nowhere.
    pub bans_file: Option<PathBuf>,
    /// Where the addresses of nodes are kept; none: nowhere.
    pub peers_file: Option<PathBuf>,
    /// The networks that this node reaches.
    pub reachable: Vec<HostNetwork>,
    /// Whether addresses have the same places in every process: for Core's own tests.
    pub fixed_places: bool,
    /// Whether there are connections at all at the start.
    pub is_active: bool,
    /// How many panics of the manager are borne.
    pub intensity: Intensity,
}

/// Whom the peers talk to.
#[derive(Clone)]
pub struct PeerDeps {
    /// The chain, to read.
    pub chain: Arc<dyn PeerChain>,
    /// The chain, for headers.
    pub headers: Recipient<SubmitHeaders>,
    /// The chain, for blocks.
    pub blocks: Recipient<SubmitBlock>,
    /// The mempool, for transactions.
    pub txs: Recipient<SubmitTransaction>,
    /// The mempool, to read.
    pub mempool: MempoolReader,
    /// The filters of blocks; none: they are not served.
    pub filters: Option<Arc<dyn PeerFilters>>,
}

/// The peers, started.
pub struct Peers {
    /// The manager; `RelayBlock`, `GetPeers`, `TipChanged` and `TransactionAccepted` go here.
    pub addr: Addr<PeerManager>,
    /// Where others may connect.
    pub local: Option<SocketAddr>,
    /// The addresses of other nodes.
    pub addresses: AddressDesk,
    /// The threads: one for the actors, one for the sockets. They end with it.
    pub arbiters: Vec<Arbiter>,
}

/// What the manager, the actors and the connections share.
#[derive(Clone)]
struct Links {
    shared: Shared,
    deps: PeerDeps,
    config: Arc<PeerConfig>,
    board: Arc<Board>,
    block_kib: Arc<Semaphore>,
    block_kib_max: usize,
    spares: Arc<connection::Spares>,
    actors: ArbiterHandle,
    sockets: ArbiterHandle,
}

/// Binds the socket, starts the manager, and connects.
pub fn start(shared: &Shared, deps: PeerDeps, config: PeerConfig) -> io::Result<Peers> {
    let bound = bind(shared, &config)?;
    let local = bound.first().map(|socket| socket.local);
    let board = Board::new(addresses_of(shared, &config)?, shared.entropy.next_u64());
    if let Some(path) = &config.bans_file {
        *board.bans() = bans::load(path)?;
    }
    board.set_active(config.is_active);
    let board = Arc::new(board);
    let desk = AddressDesk::new(Arc::clone(&board), Arc::clone(&shared.clock), Arc::clone(&shared.entropy));
    let (actors, sockets) = (Arbiter::new(), Arbiter::new());
    let block_kib_max = (config.block_bytes_max / 1024).clamp(1, Semaphore::MAX_PERMITS);
    let links = Links {
        shared: shared.clone(),
        deps,
        config: Arc::new(config),
        board,
        block_kib: Arc::new(Semaphore::new(block_kib_max)),
        block_kib_max,
        spares: Arc::default(),
        actors: actors.handle(),
        sockets: sockets.handle(),
    };
    let own = links.clone();
    let spec = ChildSpec::of_role(Role::Peer, MANAGER_MAILBOX_MAX, SHUTDOWN, links.config.intensity);
    let addr = shared.supervisor.start(spec, &actors.handle(), move |_| PeerManager::new(own));
    sockets.spawn_fn(move || {
        let places = Arc::new(Semaphore::new(links.config.inbound_max));
        for socket in bound {
            actix::spawn(listener::listen(socket.open, Arc::clone(&places), links.clone()));
        }
        for target in links.config.connect.clone() {
            let (_, addr, status) = open_peer(&links, ConnectionKind::Manual);
            let begin = if links.config.rules.encrypts { Begin::Initiate } else { Begin::Clear };
            actix::spawn(connection::stay_connected(target, begin, (addr, status), links.clone()));
        }
    });
    Ok(Peers { addr, local, addresses: desk, arbiters: vec![actors, sockets] })
}

/// The addresses that are known at the start, under a key that is drawn once.
fn addresses_of(shared: &Shared, config: &PeerConfig) -> io::Result<AddressBoard> {
    let mut key = [0; 32];
    if let (true, [first, ..]) = (config.fixed_places, &mut key) {
        *first = 1;
    } else {
        for word in key.as_chunks_mut::<8>().0 {
            *word = shared.entropy.next_u64().to_le_bytes();
        }
    }
    let book = match &config.peers_file {
        Some(path) => addresses::load(path, key)?,
        None => AddressBook::new(key),
    };
    Ok(AddressBoard::new(book, config.reachable.iter().copied(), shared.entropy.next_u64()))
}

/// The sockets that must be had, and those of the others that can be.
fn bind(shared: &Shared, config: &PeerConfig) -> io::Result<Vec<Bound>> {
    let listens = config.listen.iter().chain(&config.listen_more);
    let mut bound = listens.map(|at| shared.net.listen(*at)).collect::<io::Result<Vec<_>>>()?;
    for at in &config.listen_maybe {
        match shared.net.listen(*at) {
            Ok(socket) => bound.push(socket),
            Err(error) => tracing::warn!(%error, "Unable to bind to {at}: nobody connects there"),
        }
    }
    bound.iter().for_each(|socket| tracing::info!("Bound to {}", socket.local));
    Ok(bound)
}

/// Starts the actor of one connection (of one target, where we connect) and enters it on the board.
fn open_peer(links: &Links, kind: ConnectionKind) -> (PeerId, Addr<PeerActor>, Arc<Status>) {
    let id = links.board.next_id();
    let status = Arc::new(Status::of(id));
    let (own, shown) = (links.clone(), Arc::clone(&status));
    let make = move |_: &mut _| PeerActor::new(own, id, kind, shown);
    let spec = ChildSpec::one_of_many(Role::Peer, id, PEER_MAILBOX_MAX, SHUTDOWN);
    let addr = links.shared.supervisor.start(spec, &links.actors, make);
    links.board.enter(id, addr.clone(), Arc::clone(&status));
    (id, addr, status)
}

#[cfg(test)]
mod tests;
