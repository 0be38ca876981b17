//! ZeroMQ as Bitcoin Core publishes over it: new blocks, transactions, and the order in which it all happens.
//!
//! Owns: the addresses, the subscribers' queues, each topic's counter, the shape of each message. Must not know: what a block must be. A message
//! has three frames: topic; body; a counter of its topic at its address (4 bytes, little-endian, from 0 on), which shows a subscriber what it
//! missed. Whoever is slow misses messages; nothing of the node ever waits for a subscriber.

mod address;
mod socket;
mod tell;
mod wire;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adit_actors::root::NodeLinks;
use axum::body::Bytes;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

pub use address::{Publisher, Topic};

use address::Place;
use socket::{Listener, Message, Socket};
use tell::Teller;

/// Threads: one may read a block while the other serves.
const THREADS: usize = 2;
/// How long a block that is being read may take at the end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Why nothing is published.
#[derive(Debug, Error)]
pub enum ZmqError {
    /// Not an address that can be published at.
    #[error("{0} is no address: tcp://HOST:PORT or ipc://PATH")]
    Address(String),
    /// The address can't be had.
    #[error("{address}: {source}")]
    Bind {
        /// Which one.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("threads: {0}")]
    Threads(#[source] io::Error),
}

/// One topic at one address, with its counter.
struct Notifier {
    topic: Topic,
    socket: Arc<Socket>,
    counter: u32,
}

/// Everything that is published.
struct Hub(Mutex<Vec<Notifier>>);

impl Hub {
    fn each(&self, topic: Topic, mut act: impl FnMut(&mut Notifier)) {
        let mut notifiers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notifiers.iter_mut().filter(|notifier| notifier.topic == topic).for_each(&mut act);
    }

    /// Whether anybody listens to a topic.
    fn is_wanted(&self, topic: Topic) -> bool {
        let mut wanted = false;
        self.each(topic, |notifier| wanted |= notifier.socket.is_wanted(topic.name()));
        wanted
    }

    fn publish(&self, topic: Topic, body: &Bytes) {
        self.each(topic, |notifier| {
            let counter = notifier.counter;
            notifier.counter = counter.wrapping_add(1);
            notifier.socket.send(Message { topic: topic.name(), body: body.clone(), counter });
        });
    }

    /// Something was not said: whoever looks at the counters sees it.
    fn skip(&self, topic: Topic) {
        self.each(topic, |notifier| notifier.counter = notifier.counter.wrapping_add(1));
    }
}

/// ZeroMQ, being published at its addresses.
pub struct Zmq {
    runtime: Runtime,
    publishers: Vec<Publisher>,
    hub: Arc<Hub>,
    ports: Vec<Option<u16>>,
}

impl Zmq {
    /// Binds every address, or none; not on a thread of an async runtime. None where nothing is to be published.
    pub fn start(mut publishers: Vec<Publisher>) -> Result<Option<Zmq>, ZmqError> {
        if publishers.is_empty() {
            return Ok(None);
        }
        publishers.sort_by_key(|publisher| publisher.topic);
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("adit-zmq")
            .enable_all()
            .build()
            .map_err(ZmqError::Threads)?;
        let guard = runtime.enter();
        let mut bound: Vec<(Arc<Socket>, Listener)> = Vec::new();
        let mut notifiers = Vec::new();
        let mut ports = Vec::new();
        for Publisher { topic, address, queue_max } in &publishers {
            let known = bound.iter().find(|(socket, _)| socket.address == *address);
            let socket = match known {
                Some((socket, _)) => Arc::clone(socket),
                None => {
                    let place = Place::parse(address).ok_or_else(|| ZmqError::Address(address.clone()))?;
                    let listener = Listener::bind(&place)
                        .map_err(|source| ZmqError::Bind { address: address.clone(), source })?;
                    let socket = Arc::new(Socket::new(address.clone(), *queue_max));
                    bound.push((Arc::clone(&socket), listener));
                    socket
                }
            };
            let listener = bound.iter().find(|(other, _)| Arc::ptr_eq(other, &socket));
            ports.push(listener.and_then(|(_, listener)| listener.port()));
            notifiers.push(Notifier { topic: *topic, socket, counter: 0 });
        }
        for (socket, listener) in bound {
            tokio::spawn(socket.accept(listener));
        }
        drop(guard);
        Ok(Some(Zmq { runtime, publishers, hub: Arc::new(Hub(Mutex::new(notifiers))), ports }))
    }

    /// What is published, and where.
    pub fn publishers(&self) -> &[Publisher] {
        &self.publishers
    }

    /// The port of each of them; none of those that have none.
    pub fn ports(&self) -> &[Option<u16>] {
        &self.ports
    }

    /// The node is there: what happens in it is published, until it has a reason to end.
    pub fn ready(&self, links: NodeLinks) {
        let hub = Arc::clone(&self.hub);
        // From here on, not from when the task first runs.
        let teller = Teller::new(hub, &links);
        self.runtime.spawn(async move {
            let supervisor = links.supervisor.clone();
            drop(links);
            tokio::select! {
                () = teller.tell() => {}
                _ = supervisor.exit_reason() => {}
            }
        });
    }

    /// Lets everyone go.
    pub fn stop(self) {
        self.runtime.shutdown_timeout(END_WITHIN);
    }
}

/// Reads what a peer sends as far as it goes.
pub(crate) fn probe(bytes: &[u8]) {
    let (greeting, mut rest) = bytes.split_at(wire::GREETING_BYTES.min(bytes.len()));
    if let Ok(greeting) = greeting.try_into() {
        let _ = wire::check_greeting(greeting);
    }
    for from in [bytes, std::mem::take(&mut rest)] {
        let mut unread = from;
        while let Ok(Some((frame, taken))) = wire::Frame::read(unread) {
            if wire::Said::of(&frame).is_err() {
                break;
            }
            unread = unread.get(taken..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
