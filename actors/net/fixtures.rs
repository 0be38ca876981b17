//! A net in memory: whoever holds it can reach who listens on it, and nobody else can.

use std::collections::HashMap;
use std::future;
use std::sync::Mutex;

use tokio::sync::mpsc;

use super::*;

/// Bytes of one direction that wait: few, so that what is long comes in pieces.
const PIPE_BYTES: usize = 4096;
/// From where everybody comes: a documentation address, which no machine has.
const REMOTE: &str = "203.0.113.1:40000";

/// Who listens, by the address that was asked for.
#[derive(Default)]
pub(crate) struct MemoryNet(Mutex<HashMap<SocketAddr, mpsc::UnboundedSender<Accepted>>>);

impl Net for MemoryNet {
    fn listen(&self, at: SocketAddr) -> io::Result<Bound> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        self.0.lock().unwrap().insert(at, sender);
        Ok(Bound { local: at, open: Box::new(|| Ok(Box::new(Arrivals(arrivals)))) })
    }

    fn connect<'a>(&'a self, target: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        // A pipe a direction, so that one end can be deaf and still speak.
        let ((near_read, far_write), (far_read, near_write)) =
            (tokio::io::duplex(PIPE_BYTES), tokio::io::duplex(PIPE_BYTES));
        let near = Stream { read: Box::new(near_read), local: None, write: Box::new(near_write) };
        let far = Stream { read: Box::new(far_read), local: None, write: Box::new(far_write) };
        let accepted = Accepted { remote: REMOTE.parse().unwrap(), open: Box::new(|| Ok(far)) };
        let listeners = self.0.lock().unwrap();
        let taken = listeners.get(&target.parse().unwrap()).is_some_and(|l| l.send(accepted).is_ok());
        let refused = || Err(io::ErrorKind::ConnectionRefused.into());
        future::ready(if taken { Ok(near) } else { refused() }).boxed()
    }
}

struct Arrivals(mpsc::UnboundedReceiver<Accepted>);

impl Listener for Arrivals {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        async {
            match self.0.recv().await {
                Some(accepted) => Ok(accepted),
                // The net is gone, and nobody comes any more.
                None => future::pending().await,
            }
        }
        .boxed()
    }
}
