use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use adit_domain::units::{Clock, Entropy};
use tokio::sync::broadcast::error::RecvError;

use super::config::NodeConfig;
use super::links::NodeLinks;
use super::start::{Durable, StartError, Started, start};
use crate::clock::{NodeClock, SystemClock, SystemEntropy};
use crate::events::{EventBus, EventKind};
use crate::house::Shared;
use crate::net::Net;
use crate::rpc::Drained;
use crate::supervision::{ExitReason, Supervisor};

/// How long the last calls of the control interface may take once everything else has stopped.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// How long the threads may take to end once their actors have.
const THREADS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The folder of its network.
    pub folder: PathBuf,
    /// The control interface's unix socket.
    pub socket: PathBuf,
    /// The control interface over TCP.
    pub rpc: Option<SocketAddr>,
    /// Other nodes.
    pub p2p: Option<SocketAddr>,
    /// Miners.
    pub stratum: Option<SocketAddr>,
}

/// What a node has of the outside.
struct Sources {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    net: Arc<dyn Net>,
}

/// A running node.
pub struct Node {
    shared: Shared,
    events: EventBus,
    addresses: Addresses,
    links: NodeLinks,
    drained: Drained,
    arbiters: Vec<Arbiter>,
    durable: Durable,
}

impl Node {
    /// Starts every actor in order; runs inside an actix system. What is wrong with the configuration, the datadir or the
    /// sockets is said here, and nothing runs then.
    pub async fn start(config: NodeConfig, net: Arc<dyn Net>) -> Result<Node, StartError> {
        let clock = Arc::new(NodeClock::default());
        let sources =
            Sources { clock: Arc::<NodeClock>::clone(&clock), entropy: Arc::new(SystemEntropy), net };
        // Restarts and heartbeats are counted by the machine's time, whatever time is set for the chain.
        Node::begin(config, Supervisor::new(Arc::new(SystemClock)), sources, Some(clock))
    }

    /// As [`Node::start`], with another clock, another chance and other sockets than the machine's.
    pub async fn start_with(
        config: NodeConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        net: Arc<dyn Net>,
    ) -> Result<Node, StartError> {
        let supervisor = Supervisor::new(Arc::clone(&clock));
        Node::begin(config, supervisor, Sources { clock, entropy, net }, None)
    }

    fn begin(
        config: NodeConfig,
        supervisor: Supervisor,
        Sources { clock, entropy, net }: Sources,
        settable: Option<Arc<NodeClock>>,
    ) -> Result<Node, StartError> {
        let (shared, events) = (Shared { clock, entropy, net, supervisor }, EventBus::default());
        let Started { addresses, links, drained, arbiters, durable } = start(&shared, &events, config)?;
        let links = NodeLinks { settable_clock: settable, ..links };
        actix::spawn(shared.supervisor.clone().watch_heartbeats());
        actix::spawn(tell_restarts(shared.clone(), events.clone()));
        Ok(Node { shared, events, addresses, links, drained, arbiters, durable })
    }

    /// Where it is reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Who watches; `end` stops the node, from any thread.
    pub fn supervisor(&self) -> &Supervisor {
        &self.shared.supervisor
    }

    /// What other faces than the control interface read and ask.
    pub fn links(&self) -> &NodeLinks {
        &self.links
    }

    /// What happens.
    pub fn events(&self) -> &EventBus {
        &self.events
    }

    /// Waits for a reason to end, then ends in order: the roles in reverse, each making durable what is not.
    ///
    /// After a fault nobody writes any more: what the disk holds is what the next start begins with.
    pub async fn wait(self) -> ExitReason {
        drop(self.links);
        let reason = self.shared.supervisor.exit_reason().await;
        if matches!(reason, ExitReason::Fault { .. }) {
            return reason;
        }
        tracing::info!(?reason, "stopping");
        let fault = self.shared.supervisor.stop_all().await;
        self.drained.wait(DRAIN_WITHIN).await;
        join(self.arbiters).await;
        close(self.durable).await;
        fault.unwrap_or(reason)
    }
}

/// Ends the threads. One that hangs is left behind: its actor has been given its time.
async fn join(arbiters: Vec<Arbiter>) {
    let joined = tokio::task::spawn_blocking(move || {
        for arbiter in &arbiters {
            arbiter.stop();
        }
        for arbiter in arbiters {
            // A thread that panicked has nothing left to say: the panic hook has said it.
            let _ = arbiter.join();
        }
    });
    if tokio::time::timeout(THREADS_WITHIN, joined).await.is_err() {
        tracing::warn!("a thread did not end in time");
    }
}

/// Closes the databases once the last thread has let go of them.
async fn close(durable: Durable) {
    let let_go = async {
        while !durable.is_let_go() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(THREADS_WITHIN, let_go).await.is_err() {
        tracing::warn!("a database is still in use: it is closed by the end of the process");
    }
}

/// Restarts are events too.
async fn tell_restarts(shared: Shared, events: EventBus) {
    let mut restarts = shared.supervisor.restarts();
    loop {
        match restarts.recv().await {
            Ok(status) => {
                let panic = status.last_panic.unwrap_or_default();
                let kind = EventKind::ActorRestarted { name: status.name, restarts: status.restarts, panic };
                events.publish(status.since, kind);
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "restarts were not told"),
            Err(RecvError::Closed) => return,
        }
    }
}
