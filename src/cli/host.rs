//! A node inside this process: its threads, its end, and the exit code that its end comes to.
//!
//! Owns: the thread that the node's root runs on. Must not know: what the node does.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use adit_actors::net::Net;
use adit_actors::root::{
    Addresses, Node, NodeConfig, NodeLinks, SetLogLevel, StartError, install_panic_hook,
};
use adit_actors::store::OpenError;
use adit_actors::supervision::{ExitReason, Supervisor};
use adit_chainstate::IndexOpenError;
use adit_store::{DataDirError, StoreFault};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::exit::Exit;
use super::settings::Settings;
use super::signals::{self, Again};

/// Why there is no node.
#[derive(Debug, Error)]
pub(crate) enum HostError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A port is taken.
    #[error("{key} = {listen}: {source}; --set {key}=ADDRESS:PORT chooses another")]
    Listen {
        /// The key that names it.
        key: &'static str,
        /// What it names.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// JSON-RPC is not served.
    #[error("jsonrpc.listen: {0}")]
    JsonRpc(#[from] adit_compat::StartError),
    /// Nothing is published over ZeroMQ.
    #[error("zmq: {0}")]
    Zmq(#[from] adit_compat::ZmqError),
    /// The system gives no threads, or no signals.
    #[error("threads: {0}")]
    Threads(io::Error),
    /// Nothing can be logged.
    #[error("logging: {0}")]
    Logging(String),
    /// The log's file cannot be made.
    #[error("{path}: {source}")]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root's thread ended before it said anything.
    #[error("the node ended before it started; the log says why")]
    Vanished,
}

impl HostError {
    /// As Bitcoin Core says it, where it has words for it.
    pub(crate) fn in_cores_words(&self) -> String {
        match self {
            HostError::Start(StartError::Store(OpenError::DataDir(DataDirError::Locked { path }))) => {
                locked(path)
            }
            HostError::Start(StartError::Store(OpenError::DataDir(DataDirError::Denied { path }))) => {
                format!("Cannot write to directory '{}'; check permissions.", path.display())
            }
            HostError::Listen { key: "p2p.listen", listen, source }
                if source.kind() == io::ErrorKind::AddrInUse =>
            {
                format!("Unable to bind to {listen} on this computer. Adit is probably already running.")
            }
            HostError::Start(StartError::Index(IndexOpenError::Pruned { kind, .. })) => {
                let name = match *kind {
                    "filters" => "basic block filter index",
                    "coin_stats" => "coinstatsindex",
                    _ => "txindex",
                };
                format!(
                    "{name} best block of the index goes beyond pruned data (including undo data). Please disable the index or reindex \
                     (which will download the whole blockchain again)\nError: A fatal internal error occurred, see debug.log for details: \
                     Failed to start indexes, shutting down…"
                )
            }
            other => other.to_string(),
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            HostError::Start(StartError::Store(OpenError::Store(StoreFault::Unfinished { .. }))) => {
                Exit::Unavailable
            }
            HostError::Start(StartError::Store(OpenError::DataDir(DataDirError::Io { .. })))
            | HostError::Start(StartError::Store(OpenError::Store(_)))
            | HostError::Start(StartError::Chain(_) | StartError::Books(_) | StartError::Lease(_))
            | HostError::Log { .. } => Exit::Io,
            HostError::Start(StartError::Index(IndexOpenError::Pruned { .. })) => Exit::Config,
            HostError::Start(StartError::Index(IndexOpenError::Fault(_))) => Exit::Io,
            HostError::Vanished => Exit::Node(70),
            HostError::Start(_)
            | HostError::Listen { .. }
            | HostError::JsonRpc(_)
            | HostError::Zmq(_)
            | HostError::Threads(_)
            | HostError::Logging(_) => Exit::Unavailable,
        }
    }
}

/// Open files at once: 4,000 connections of JSON-RPC, 10,000 nodes, as many miners, and the node's own files, several times over.
const FILES_MAX: u64 = 65_536;

/// Of the files that may be open the connections of JSON-RPC take a quarter at most: the node's own, its peers and its miners have the rest, since a
/// node that can't open a file of its own ends.
const RPC_FILES_PART: u64 = 4;

/// Lets the process have as many files open as the system allows it, up to [`FILES_MAX`]: what it is given at first, often 1,024, is meant for
/// programs that know no better. Where that fails, fewer connections are borne. Tells how many it may have.
fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES_MAX, |most| most.min(FILES_MAX));
    let Some(current) = current.filter(|current| *current < wanted) else {
        return current.unwrap_or(FILES_MAX);
    };
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, "no more than {current} files may be open");
            current
        }
    }
}

/// Connections that JSON-RPC may have open at a time.
pub(crate) fn rpc_connections_max() -> usize {
    connections_of(raise_file_limit())
}

fn connections_of(files: u64) -> usize {
    let files = usize::try_from(files / RPC_FILES_PART).unwrap_or(usize::MAX);
    files.clamp(1, adit_compat::CONNECTIONS_MAX)
}

/// A running node.
pub(crate) struct Host {
    addresses: Addresses,
    supervisor: Supervisor,
    links: NodeLinks,
    root: JoinHandle<Option<ExitReason>>,
    runtime: Runtime,
}

type Told = Result<NodeLinks, StartError>;

impl Host {
    /// Starts a node; Ctrl-C and SIGTERM end it in order from now on, and a second one at once.
    pub(crate) fn start(
        settings: Settings,
        set_log_level: SetLogLevel,
        net: Arc<dyn Net>,
    ) -> Result<Host, HostError> {
        Host::start_with(settings, set_log_level, net, Again::Ends)
    }

    /// As [`Host::start`]; `again` is what a second signal does.
    pub(crate) fn start_with(
        settings: Settings,
        set_log_level: SetLogLevel,
        net: Arc<dyn Net>,
        again: Again,
    ) -> Result<Host, HostError> {
        install_panic_hook();
        raise_file_limit();
        let config = settings.into_node(set_log_level);
        let listens = (config.peer.listen, config.pool.as_ref().map(|pool| pool.listen));
        let (tell, told) = oneshot::channel();
        let root = std::thread::Builder::new()
            .name("root".to_owned())
            .spawn(move || run(config, net, tell))
            .map_err(HostError::Threads)?;
        let links = match told.blocking_recv() {
            Ok(started) => started.map_err(|error| named(error, listens))?,
            Err(_) => return Err(HostError::Vanished),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (addresses, supervisor) = (links.addresses.clone(), links.supervisor.clone());
        let runtime = runtime.map_err(HostError::Threads)?;
        let host = Host { addresses, supervisor, links, root, runtime };
        let supervisor = host.supervisor.clone();
        signals::on_first(again, move || supervisor.end(ExitReason::Requested))
            .map_err(HostError::Threads)?;
        Ok(host)
    }

    /// Where it is reached.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What other faces than the control interface read and ask.
    pub(crate) fn links(&self) -> NodeLinks {
        self.links.clone()
    }

    /// Goes on with work beside the node.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs work beside the node until it is done.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Comes back when the node has a reason to end.
    pub(crate) async fn ended(&self) {
        self.supervisor.exit_reason().await;
    }

    /// Asks for an orderly end.
    pub(crate) fn ask_to_stop(&self) {
        self.supervisor.end(ExitReason::Requested);
    }

    /// Waits until the node has ended, and says why if nobody asked it to.
    pub(crate) fn wait(self) -> Exit {
        // The databases are closed once nobody holds them.
        drop(self.links);
        match self.root.join() {
            Ok(Some(ExitReason::Requested)) => Exit::Done,
            Ok(Some(reason)) => Exit::Node(reason.exit_code()).because(ended_text(&reason)),
            Ok(None) | Err(_) => Exit::Node(70).because("the root's thread panicked; the log says where"),
        }
    }
}

/// A datadir in use, as Bitcoin Core says it.
pub(crate) fn locked(folder: &Path) -> String {
    format!("Cannot obtain a lock on directory {}. Adit is probably already running.", folder.display())
}

/// The root's thread: tells whether the node started, then lives as long as it.
fn run(config: NodeConfig, net: Arc<dyn Net>, tell: oneshot::Sender<Told>) -> Option<ExitReason> {
    actix::System::new().block_on(async move {
        match Node::start(config, net).await {
            Ok(node) => {
                // Nobody hears it only where the starter has died, and then the process ends.
                let _ = tell.send(Ok(node.links().clone()));
                Some(node.wait().await)
            }
            Err(error) => {
                let _ = tell.send(Err(error));
                None
            }
        }
    })
}

/// A port that is taken, with the key that chooses another.
fn named(error: StartError, (p2p, stratum): (Option<SocketAddr>, Option<SocketAddr>)) -> HostError {
    match (error, p2p, stratum) {
        (StartError::Peers(source), Some(listen), _) => {
            HostError::Listen { key: "p2p.listen", listen, source }
        }
        (StartError::Stratum(source), _, Some(listen)) => {
            HostError::Listen { key: "stratum.listen", listen, source }
        }
        (error, ..) => HostError::Start(error),
    }
}

fn ended_text(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Requested => "it was asked to end".to_owned(),
        ExitReason::Escalated { child, panic } => {
            format!(
                "actor {child} panicked more often than supervision.restarts_max allows, at last with: {panic}"
            )
        }
        ExitReason::Silent { child } => format!("actor {child} no longer answers"),
        ExitReason::Fault { child, fault } => format!("actor {child} met a fault: {fault}"),
    }
}

#[cfg(test)]
#[path = "host/tests.rs"]
mod tests;
