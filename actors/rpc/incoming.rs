use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use super::listen::Attached;

/// Connections of a listener at a time. An operator's tools are a handful; each may have 16 calls of 4 MB in flight, so that
/// 32 of them are 2 GB at the very worst, by callers who have proved themselves.
const CONNECTIONS_MAX: usize = 32;
/// How long a stranger may keep a connection before its first call has passed the gate (TLS handshake included).
const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait after the system had no descriptor for a new connection.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whether somebody has passed the gate on this connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    pub(super) fn prove(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_proven(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The connections that come in, as many at a time as there may be; the others wait in the system's queue.
pub(super) fn incoming(listener: Attached) -> impl Stream<Item = io::Result<Connection>> + Send {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    unfold((listener, permits), |(listener, permits)| async move {
        let permit = permits.clone().acquire_owned().await.ok()?;
        let wire = accept(&listener).await;
        Some((Ok(Connection::new(wire, permit)), (listener, permits)))
    })
}

async fn accept(listener: &Attached) -> Wire {
    loop {
        let accepted = match listener {
            Attached::Unix(listener) => listener.accept().await.map(|(stream, _)| Wire::Unix(stream)),
            Attached::Tcp(listener) => listener.accept().await.map(|(stream, _)| Wire::Tcp(stream)),
        };
        match accepted {
            Ok(wire) => return wire,
            Err(error) => {
                tracing::warn!(%error, "control interface: cannot accept");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// One connection: it holds its place among the many, and a deadline until somebody has passed the gate on it.
pub(super) struct Connection {
    wire: Wire,
    caller: Caller,
    deadline: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(wire: Wire, place: OwnedSemaphorePermit) -> Connection {
        let deadline = Some(Box::pin(tokio::time::sleep(PROVE_WITHIN)));
        Connection { wire, caller: Caller::default(), deadline, _place: place }
    }

    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.caller.is_proven() {
            self.deadline = None;
        }
        match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Err(io::ErrorKind::TimedOut.into()),
            Some(Poll::Pending) | None => Ok(()),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_deadline(cx)?;
        match &mut this.wire {
            Wire::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Wire::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().wire {
            Wire::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Wire::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
#[path = "incoming/tests.rs"]
mod tests;
