//! The sockets that miners and other nodes come through: the machine's, or another's behind the same trait.
//!
//! Owns: how a socket is bound, accepted, connected and set up. Must not know: who talks over it, what is said, how many may.
//!
//! The control interface opens its own: it is also a file with an owner and rights, and speaks TLS.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Opens on the thread that calls it: a socket belongs to the thread on which it is waited for, and may be handed to that one
/// only before.
pub type OpenHere<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;

/// Where connections come from and go to.
pub trait Net: Send + Sync {
    /// Binds at once, so that an address that can't be had is said at once.
    fn listen(&self, at: SocketAddr) -> io::Result<Bound>;

    /// Connects to `HOST:PORT`; the caller bounds the time.
    fn connect<'a>(&'a self, target: &'a str) -> BoxFuture<'a, io::Result<Stream>>;
}

/// A socket that is bound.
pub struct Bound {
    /// Where; with the port that was chosen if none was asked for.
    pub local: SocketAddr,
    /// Who accepts there.
    pub open: OpenHere<Box<dyn Listener>>,
}

/// Accepts connections.
pub trait Listener: Send {
    /// The next one. An error concerns this one only, or passes: what listens goes on.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>>;
}

/// A connection that came in.
pub struct Accepted {
    /// From where.
    pub remote: SocketAddr,
    /// Its bytes.
    pub open: OpenHere<Stream>,
}

/// The two directions of a connection, which is closed when both are dropped.
pub struct Stream {
    /// What the other end says.
    pub read: Box<dyn AsyncRead + Send + Unpin>,
    /// The near end's address; none where it has none.
    pub local: Option<SocketAddr>,
    /// What is said to it. Small writes leave at once.
    pub write: Box<dyn AsyncWrite + Send + Unpin>,
}

/// After an error of `accept` (no file descriptor left): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// Hands each connection that comes to `take`, until that breaks off.
pub(crate) async fn accept_all(
    open: OpenHere<Box<dyn Listener>>,
    whom: &'static str,
    mut take: impl FnMut(Accepted) -> ControlFlow<()>,
) {
    let mut listener = match open() {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, whom, "a listening socket does not work"),
    };
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                if take(accepted).is_break() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, whom, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The machine's TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineNet;

impl Net for MachineNet {
    fn listen(&self, at: SocketAddr) -> io::Result<Bound> {
        let socket = bind(at)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let open = || -> io::Result<Box<dyn Listener>> { Ok(Box::new(TcpListener::from_std(socket)?)) };
        Ok(Bound { local, open: Box::new(open) })
    }

    fn connect<'a>(&'a self, target: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        async move { Ok(Stream::from(TcpStream::connect(target).await?)) }.boxed()
    }
}

/// As the standard library binds, but a port of all IPv6 addresses leaves the same port of IPv4 to another socket.
fn bind(at: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // After a restart the port is to be had at once.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// As the machine's TCP, but where a port is taken another one is bound instead of giving up.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrAnyPort;

impl Net for OrAnyPort {
    fn listen(&self, at: SocketAddr) -> io::Result<Bound> {
        match MachineNet.listen(at) {
            Err(_) if at.port() != 0 => MachineNet.listen(SocketAddr::new(at.ip(), 0)),
            bound => bound,
        }
    }

    fn connect<'a>(&'a self, target: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        MachineNet.connect(target)
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        async move {
            let (stream, remote) = TcpListener::accept(self).await?;
            let stream = stream.into_std()?;
            Ok(Accepted { remote, open: Box::new(|| TcpStream::from_std(stream).map(Stream::from)) })
        }
        .boxed()
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        // Where it can't be set, packets leave a little later.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().ok();
        let (read, write) = stream.into_split();
        Stream { read: Box::new(read), local, write: Box::new(write) }
    }
}

mod socks;

pub use socks::Proxied;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
