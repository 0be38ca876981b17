//! The control interface: gRPC on a unix socket, and over TCP where a caller can prove itself.
//!
//! Owns: the sockets, who may call, the limits, the step from answers to the wire's types. Must not know: how an answer comes
//! about; every method asks one actor, or reads the chain.

mod admin;
mod api;
mod ask;
mod auth;
mod event;
mod incoming;
mod index;
mod listen;
mod node;
mod page;
mod pool;
mod server;
mod snapshot;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use actix::{Actor, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, Context, Handler, WrapFuture};
use bitcoin::BlockHash;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::events::{EventBus, EventKind};
use crate::house::Shared;
use crate::messages::chain::TipChanged;
use crate::messages::payout::GetWorkers;
use crate::root::{RpcAuth, RpcSettings};
use crate::supervision::{ChildSpec, Fault, Intensity, Rebuild, Role};

use api::Api;
use auth::{Gate, Token};
use listen::Listener;

pub use api::{ChainSight, IndexSight, MempoolLinks, PoolLinks, RpcFacts, RpcLinks};
pub use auth::TokenError;
pub use listen::ListenError;

/// Messages that may wait: a tip a second and the supervisor's own.
const MAILBOX_MAX: usize = 64;
/// How long it may take to stop: it only lets go of its listeners.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// How often listeners hear of the shares.
const TOTALS_EVERY: Duration = Duration::from_secs(1);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Why the control interface did not start.
#[derive(Debug, Error)]
pub enum RpcStartError {
    /// It cannot listen.
    #[error("control interface: {0}")]
    Listen(#[from] ListenError),
    /// It has no token.
    #[error("control interface: {0}")]
    Token(#[from] TokenError),
    /// A certificate or a key can't be read.
    #[error("control interface: {path}: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A listener, and who may come in by it.
#[derive(Clone)]
struct Door {
    listener: Listener,
    gate: Gate,
    tls: Option<ServerTlsConfig>,
}

/// The sockets, opened before any actor starts, so that what is wrong with them is said at once.
pub struct RpcSockets {
    doors: Vec<Door>,
    /// The unix socket.
    pub socket: PathBuf,
    /// Where TCP listens.
    pub tcp: Option<SocketAddr>,
}

impl RpcSockets {
    /// Opens what the settings ask for; `socket` is the unix socket where they name none.
    pub fn open(
        shared: &Shared,
        settings: &RpcSettings,
        socket: PathBuf,
    ) -> Result<RpcSockets, RpcStartError> {
        let socket = settings.socket.clone().unwrap_or(socket);
        let unix = Door { listener: Listener::unix(&socket)?, gate: Gate { token: None }, tls: None };
        let mut doors = vec![unix];
        let mut tcp = None;
        if let Some(settings) = &settings.tcp {
            let (gate, tls) = match &settings.auth {
                RpcAuth::Token { file } => {
                    (Gate { token: Some(Token::load(file, shared.entropy.as_ref())?) }, None)
                }
                RpcAuth::MutualTls { cert, key, client_ca } => {
                    (Gate { token: None }, Some(mutual_tls(cert, key, client_ca)?))
                }
            };
            let listener = Listener::tcp(settings.listen)?;
            tcp = listener.tcp_addr();
            doors.push(Door { listener, gate, tls });
        }
        Ok(RpcSockets { doors, socket, tcp })
    }
}

fn mutual_tls(cert: &Path, key: &Path, client_ca: &Path) -> Result<ServerTlsConfig, RpcStartError> {
    let read =
        |path: &Path| fs::read(path).map_err(|source| RpcStartError::Pem { path: path.to_owned(), source });
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(read(cert)?, read(key)?))
        .client_ca_root(Certificate::from_pem(read(client_ca)?))
        .timeout(HANDSHAKE_WITHIN))
}

/// Waits until the last call is answered.
pub struct Drained(mpsc::Receiver<()>);

impl Drained {
    /// Waits until no server runs any more, for so long at most.
    pub async fn wait(mut self, within: Duration) {
        // Nobody sends: the end of all senders is what is waited for.
        if tokio::time::timeout(within, self.0.recv()).await.is_err() {
            tracing::warn!("control interface: calls were still running at the end");
        }
    }
}

/// Starts the interface on sockets that are open already.
pub fn start(
    shared: &Shared,
    arbiter: &ArbiterHandle,
    intensity: Intensity,
    sockets: RpcSockets,
    links: RpcLinks,
    facts: RpcFacts,
    events: EventBus,
) -> (Addr<RpcActor>, Drained) {
    let (running, drained) = mpsc::channel(1);
    let spec = ChildSpec::of_role(Role::Rpc, MAILBOX_MAX, SHUTDOWN, intensity);
    let (_, ended) = watch::channel(());
    let (supervisor, clock) = (shared.supervisor.clone(), shared.clock.clone());
    let api = Api { links, facts, supervisor: supervisor.clone(), clock, events, ending: ended };
    let (doors, told) = (sockets.doors, api.links.chain.tip().hash);
    let addr = supervisor.start(spec, arbiter, move |_| RpcActor {
        doors,
        api,
        ending: None,
        running,
        said: None,
        told,
    });
    (addr, Drained(drained))
}

/// The control interface's actor: the server is a task that it builds, and builds again.
pub struct RpcActor {
    doors: Vec<Door>,
    api: Api,
    /// Dropped to end the server that listens to it; none where none runs.
    ending: Option<watch::Sender<()>>,
    /// Held by every server that runs.
    running: mpsc::Sender<()>,
    said: Option<EventKind>,
    /// The tip that listeners were told of last.
    told: BlockHash,
}

impl RpcActor {
    /// Ends the server that runs, if one does, and starts one on the same sockets.
    fn serve(&mut self) -> Result<(), Fault> {
        let (ending, ended) = watch::channel(());
        self.ending = Some(ending);
        self.api.ending = ended;
        for door in &self.doors {
            let attached =
                door.listener.attach().map_err(|e| Fault::State(format!("control interface: {e}")))?;
            let server = server::serve(attached, door.gate.clone(), door.tls.clone(), self.api.clone());
            let (running, supervisor) = (self.running.clone(), self.api.supervisor.clone());
            actix::spawn(async move {
                let _running = running;
                if let Err(error) = server.await {
                    supervisor.fault(Role::Rpc.as_str(), Fault::State(format!("control interface: {error}")));
                }
            });
        }
        Ok(())
    }

    /// Tells listeners of the way from the tip that they know to the present one: blocks that came faster than they could be
    /// told are one event.
    fn tell_tip(&mut self) {
        let tip = self.api.links.chain.tip();
        if tip.hash == self.told {
            return;
        }
        let count = |blocks: Vec<BlockHash>| u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        let (left, joined) = self.api.links.chain.path_from(&self.told).unwrap_or_default();
        let (disconnected, connected) = (count(left), count(joined));
        let kind = EventKind::TipChanged { height: tip.height, tip: tip.hash, disconnected, connected };
        self.api.events.publish(self.api.clock.now(), kind);
        self.told = tip.hash;
    }

    /// Tells listeners what all workers have done, where there are any and it changed.
    fn tell_totals(&mut self, ctx: &mut Context<Self>) {
        let Some(pool) = self.api.links.pool.as_ref().filter(|_| self.api.events.is_heard()) else { return };
        let workers = pool.workers.clone();
        let asked = async move { ask::ask(&workers, GetWorkers::ALL).await };
        ctx.spawn(asked.into_actor(self).map(|answer, this, _| {
            let Ok(workers) = answer else { return };
            let totals = totals(&workers);
            if this.said.as_ref() != Some(&totals) {
                this.api.events.publish(this.api.clock.now(), totals.clone());
                this.said = Some(totals);
            }
        }));
    }
}

fn totals(workers: &[adit_domain::payout::WorkerTotals]) -> EventKind {
    let sum = |of: fn(&adit_domain::payout::WorkerTotals) -> u64| {
        workers.iter().map(of).fold(0, u64::saturating_add)
    };
    EventKind::ShareTotals {
        shares_accepted: sum(|w| w.shares_accepted),
        shares_rejected: sum(|w| w.shares_rejected),
        hashrate: sum(|w| w.hashrate),
        workers: u32::try_from(workers.len()).unwrap_or(u32::MAX),
    }
}

impl Actor for RpcActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.ending.is_none()
            && let Err(fault) = self.serve()
        {
            self.api.supervisor.fault(Role::Rpc.as_str(), fault);
        }
        ctx.run_interval(TOTALS_EVERY, |this, ctx| {
            // A tip that this actor was too busy to hear of is told here.
            this.tell_tip();
            this.tell_totals(ctx);
        });
    }
}

impl Rebuild for RpcActor {
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.said = None;
        self.serve()
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        self.doors.clear();
        self.ending = None;
        Ok(())
    }
}

crate::supervised!(RpcActor);

impl Handler<TipChanged> for RpcActor {
    type Result = ();

    fn handle(&mut self, _msg: TipChanged, _ctx: &mut Self::Context) {
        self.tell_tip();
    }
}
