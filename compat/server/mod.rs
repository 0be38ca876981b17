//! HTTP: sockets, connections, limits.
//!
//! Owns: who is let in, how long anyone may take, how much may be held for whom. Must not know: what a method does.
//!
//! What a stranger can make us hold: a connection with [`HEAD_BYTES_MAX`] of headers, for `Config::timeout`, and only as long as nobody else
//! needs its place ([`guests`]). A body is read only for a user who has shown a password; where REST is served, one of
//! [`crate::rest::BODY_BYTES_MAX`] for anyone, within the same time, and answers as far as they fit what all strangers' answers may take
//! together.

mod guests;
mod io;
mod plain;
mod rpc;

use std::io::Error as IoError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_actors::root::NodeLinks;
use adit_domain::units::Entropy;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use crate::auth::{AuthError, Cookie, Users};
use crate::config::Config;
use crate::ctx::{AWAY_MAX, Ctx, cores};

use guests::{Guest, Guests};
use io::Timed;
use plain::Plain;
pub(crate) use plain::Shape;
use rpc::Door;

/// Bytes of a request's head: Core's 8 KiB of headers, and as much again for what a read brings beyond it.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request: as many of 16 bytes as Core's 8 KiB hold. hyper makes room for all of them, 32 bytes each, as it reads.
const HEADERS_MAX: usize = 512;
/// Connections that wait to be taken in.
const BACKLOG: u32 = 1_024;
/// Threads that speak; what takes long goes to others.
const THREADS_MAX: usize = 4;
/// How long the last answers may take once it ends.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// After an error of `accept` (no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why nothing is served.
#[derive(Debug, Error)]
pub enum StartError {
    /// No address of those that were asked for.
    #[error("Unable to bind any endpoint for RPC server")]
    Bind(#[source] IoError),
    /// No one could call.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The system gives no threads.
    #[error("threads: {0}")]
    Threads(#[source] IoError),
}

/// JSON-RPC, being served. It answers that it warms up until it is told that the node is ready.
pub struct Server {
    ctx: Arc<Ctx>,
    runtime: Runtime,
    addresses: Vec<SocketAddr>,
    ending: Arc<watch::Sender<bool>>,
    running: mpsc::Receiver<()>,
    /// Gone with the server.
    cookie: Option<Cookie>,
}

impl Server {
    /// Binds, writes the cookie, and answers from now on; not on a thread of an async runtime.
    pub fn start(config: Config, entropy: &dyn Entropy) -> Result<Server, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores().clamp(2, THREADS_MAX))
            .max_blocking_threads(AWAY_MAX)
            .thread_name("adit-jsonrpc")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let guard = runtime.enter();
        let listeners = bind(&config.bind)?;
        let addresses = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        let (users, cookie) = Users::new(&config, entropy)?;
        let (timeout, guests) = (config.timeout, Guests::new(config.connections_max));
        let ctx = Arc::new(Ctx::new(config));
        let door = Arc::new(Door::new(Arc::clone(&ctx), users));
        let (ending, _) = watch::channel(false);
        let (held, running) = mpsc::channel(1);
        let house =
            House { routes: rpc::routes(&door), door, timeout, ending: ending.subscribe(), held, guests };
        for listener in listeners {
            tokio::spawn(house.clone().accept(listener));
        }
        drop(guard);
        Ok(Server { ctx, runtime, addresses, ending: Arc::new(ending), running, cookie })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What calls are answered with until the node is ready.
    pub fn warming(&self, text: impl Into<String>) {
        self.ctx.set_warming(text.into());
    }

    /// The node is there: calls are carried out, until it has a reason to end.
    pub fn ready(&self, links: NodeLinks) {
        let supervisor = links.supervisor.clone();
        self.ctx.set_ready(links);
        let (ctx, ending) = (Arc::clone(&self.ctx), Arc::clone(&self.ending));
        self.runtime.spawn(async move {
            supervisor.exit_reason().await;
            ctx.set_ending();
            ending.send_replace(true);
        });
    }

    /// Takes no more calls, waits a while for the answers that are on their way, and takes the cookie away.
    pub fn stop(self) {
        let Server { ctx, runtime, ending, mut running, cookie, .. } = self;
        ctx.set_ending();
        ending.send_replace(true);
        // Nobody sends: the end of all senders is what is waited for.
        if runtime.block_on(async { tokio::time::timeout(DRAIN_WITHIN, running.recv()).await }).is_err() {
            tracing::warn!("JSON-RPC: calls were still running at the end");
        }
        runtime.shutdown_background();
        drop(cookie);
    }
}

fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let mut bound = Vec::new();
    let mut last = IoError::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(*address) {
            Ok(listener) => bound.push(listener),
            Err(error) => {
                tracing::warn!(%address, %error, "JSON-RPC cannot listen there");
                last = error;
            }
        }
    }
    if bound.is_empty() { Err(StartError::Bind(last)) } else { Ok(bound) }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Comes back when the server ends.
async fn ends(mut ending: watch::Receiver<bool>) {
    // The other half is gone only where the server is.
    let _ = ending.wait_for(|ends| *ends).await;
}

/// What every connection needs.
#[derive(Clone)]
struct House {
    routes: Router,
    door: Arc<Door>,
    timeout: Duration,
    ending: watch::Receiver<bool>,
    /// Held by everything that runs.
    held: mpsc::Sender<()>,
    guests: Arc<Guests>,
}

impl House {
    async fn accept(self, listener: TcpListener) {
        let ended = ends(self.ending.clone());
        tokio::pin!(ended);
        loop {
            let accepted = tokio::select! {
                _ = &mut ended => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                // There is room for this one, or nobody else is looked at until there is.
                Ok((stream, remote)) => tokio::select! {
                    _ = &mut ended => return,
                    guest = self.guests.enter() => {
                        let Some(guest) = guest else { return };
                        tokio::spawn(self.clone().serve(stream, remote, guest));
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "JSON-RPC cannot take a connection in");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One connection: as many requests as its client sends, one after the other, as long as nobody else needs its place more.
    async fn serve(self, stream: TcpStream, remote: SocketAddr, guest: Guest) {
        // Where it can't be set, answers leave a little later.
        let _ = stream.set_nodelay(true);
        let wire = Timed::new(stream, self.timeout);
        let ended = tokio::select! {
            ended = self.serve_all(wire, remote, &guest) => ended,
            () = guest.sent_away() => Err("somebody else needs its place".to_owned()),
        };
        if let Err(error) = ended {
            tracing::debug!(%remote, %error, "a connection of JSON-RPC broke off");
        }
        drop(self.held);
    }

    async fn serve_all(
        &self,
        wire: Timed<TcpStream>,
        remote: SocketAddr,
        guest: &Guest,
    ) -> Result<(), String> {
        let rest = if self.door.lets_in(remote) {
            Plain::new(Arc::clone(&self.door), wire, guest.clone(), &self.ending, self.timeout).serve().await
        } else {
            Ok(Some(wire))
        };
        match rest.map_err(|error| error.to_string())? {
            Some(wire) => self.serve_any(wire, remote, guest).await.map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Requests of every kind.
    async fn serve_any(
        &self,
        wire: Timed<TcpStream>,
        remote: SocketAddr,
        guest: &Guest,
    ) -> hyper::Result<()> {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .half_close(true);
        let routes = self.routes.clone().layer(axum::Extension(rpc::Remote(remote, guest.clone())));
        let connection = http.serve_connection(TokioIo::new(wire), TowerToHyperService::new(routes));
        tokio::pin!(connection);
        tokio::select! {
            ended = &mut connection => ended,
            () = ends(self.ending.clone()) => {
                if guest.is_silent() {
                    return Ok(());
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }
}

#[cfg(test)]
mod tests;
