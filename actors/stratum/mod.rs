//! Miners: the listener, a connection task a socket, a session actor a connection, and the manager of them all.
//!
//! Owns: sockets, their limits, the order in which answers leave, where an effect of a session goes. Must not know: what a
//! line means, when a share counts, what is owed for it.
//!
//! A socket belongs to its connection task, not to its session: the session may panic and be built again from the store, and
//! the miner sees nothing of it but the answer to the one line.

mod connection;
mod credit;
mod gate;
mod lines;
mod listener;
mod manager;
mod session;
mod sink;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter, ArbiterHandle, Recipient};
use adit_domain::stratum::{Job, JobMaker, NumberLease, SessionConfig, SessionStore};
use adit_domain::template::BlockSink;
use tokio::sync::watch;

use crate::house::Shared;
use crate::messages::payout::{CreditShare, ShareRejected};
use crate::messages::template::GetTemplate;
use crate::net::Bound;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use manager::StratumActor;
pub use session::SessionActor;
pub use sink::NodeSink;

/// The manager's mailbox: connections that open at once wait here, the rest in the kernel's queue of the socket.
const MANAGER_MAILBOX_MAX: usize = 64;
/// There is nothing to be made durable: shares are the books'.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// Threads of sessions at most; one carries some thousands of miners.
const THREADS_MAX: usize = 4;

/// How the pool is reached, and by how many.
#[derive(Clone, Debug)]
pub struct StratumConfig {
    /// Where miners connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// Connections at most; one more is accepted and closed.
    pub connections_max: usize,
    /// Connections at most from one address (of IPv6, from one /64).
    pub connections_per_ip_max: usize,
    /// The number of this server among those that share a ledger; the first byte of every extranonce1.
    pub server: u8,
    /// What all sessions have in common.
    pub session: SessionConfig,
    /// How long a connection may take over what.
    pub limits: ConnectionLimits,
    /// How many panics of the manager are borne.
    pub intensity: Intensity,
}

/// How long a connection may take over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// A worker must be authorised within this time.
    pub handshake: Duration,
    /// A miner that says nothing for this long is gone.
    pub idle: Duration,
    /// A miner that takes nothing of what is written for this long is gone, or means harm.
    pub write: Duration,
}

impl Default for ConnectionLimits {
    /// 15 seconds to authorise; ten minutes of silence, in which the difficulty was halved twenty times; a minute to read.
    fn default() -> Self {
        ConnectionLimits {
            handshake: Duration::from_secs(15),
            idle: Duration::from_secs(600),
            write: Duration::from_secs(60),
        }
    }
}

/// Whom the pool's front talks to.
#[derive(Clone)]
pub struct StratumDeps {
    /// The books.
    pub credit: Recipient<CreditShare>,
    /// The books, for the figures of refused shares.
    pub rejected: Recipient<ShareRejected>,
    /// Whom to ask for the first template.
    pub template: Recipient<GetTemplate>,
    /// Where found blocks go.
    pub sink: Arc<dyn BlockSink>,
    /// Where extranonces are leased.
    pub lease: Arc<dyn NumberLease>,
    /// Where sessions are kept while their actors come and go.
    pub store: Arc<dyn SessionStore>,
}

/// The pool's front, started.
pub struct Stratum {
    /// The manager; `TemplateChanged` and `GetSessions` go here.
    pub addr: Addr<StratumActor>,
    /// Where miners connect.
    pub local: SocketAddr,
    /// The threads; they end with it.
    pub arbiters: Vec<Arbiter>,
}

/// What the manager, the listener and the connections share, and what outlives each of them.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) shared: Shared,
    pub(crate) deps: StratumDeps,
    pub(crate) config: Arc<StratumConfig>,
    pub(crate) session: Arc<SessionConfig>,
    pub(crate) maker: Arc<JobMaker>,
    pub(crate) jobs: watch::Sender<Option<Arc<Job>>>,
    pub(crate) threads: Vec<ArbiterHandle>,
}

/// Binds the socket and starts the manager and the listener.
pub fn start(shared: &Shared, deps: StratumDeps, config: StratumConfig) -> io::Result<Stratum> {
    let Bound { local, open } = shared.net.listen(config.listen)?;
    let arbiters: Vec<Arbiter> = (0..=threads()).map(|_| Arbiter::new()).collect();
    let Some((front, rest)) = arbiters.split_first() else { return Err(io::Error::other("no thread")) };
    let links = links(shared, deps, config, rest);
    let (spec, own) = (
        ChildSpec::of_role(Role::Stratum, MANAGER_MAILBOX_MAX, SHUTDOWN, links.config.intensity),
        links.clone(),
    );
    let addr = shared.supervisor.start(spec, &front.handle(), move |_| StratumActor::new(own));
    let manager = addr.clone();
    front.spawn_fn(move || {
        actix::spawn(listener::listen(open, manager, links));
    });
    Ok(Stratum { addr, local, arbiters })
}

fn links(shared: &Shared, deps: StratumDeps, config: StratumConfig, rest: &[Arbiter]) -> Links {
    let [a, b, c, d, ..] = shared.entropy.next_u64().to_be_bytes();
    Links {
        shared: shared.clone(),
        deps,
        session: Arc::new(config.session.clone()),
        config: Arc::new(config),
        maker: Arc::new(JobMaker::new(u32::from_be_bytes([a, b, c, d]))),
        jobs: watch::channel(None).0,
        threads: rest.iter().map(Arbiter::handle).collect(),
    }
}

/// Half of the machine's cores: the other half validates.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.div_ceil(2).min(THREADS_MAX)
}

#[cfg(test)]
mod tests;
