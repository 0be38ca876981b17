//! One address: its subscribers, and what waits for each.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::Notify;

use crate::flood::{self, Flood};

use super::address::{Place, Topic};
use super::wire::{self, FRAME_BYTES_MAX, Frame, GREETING_BYTES, Said, WireError};

/// Subscribers of an address at a time; a node has a handful. For one more somebody goes who listens to nothing, or who reads too slowly.
const SUBSCRIBERS_MAX: usize = 256;
/// What one may ask for: there are five topics.
const PREFIXES_MAX: usize = 64;
/// Bytes that wait for one subscriber: eight of the largest blocks. What is more is not sent to it, and its counters show that.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Bytes that wait for all subscribers of an address; a message that waits for several lies here once. For more of them the one goes for whom most
/// waits, so that those who don't read keep nothing from those who do.
const QUEUES_BYTES_MAX: usize = 256 << 20;
/// Messages that wait for one where no other limit is asked for, and what any limit is at most: each has its own place in a queue.
const QUEUE_MESSAGES_MAX: usize = 100_000;
/// Answers to pings that wait for one: a subscriber sends its next when it has this one's.
const PONGS_MAX: usize = 16;
/// How long a peer may take to say who it is.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// Peers that wait to be taken in.
const BACKLOG: u32 = 128;
/// After an error of `accept` (no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bodies up to this size leave together with what stands around them.
const BODY_BYTES_SMALL: usize = 4096;

/// What is sent to whoever asked for it.
pub(super) struct Message {
    pub(super) topic: &'static str,
    pub(super) body: Bytes,
    pub(super) counter: u32,
}

/// A message in somebody's queue, or on its way; counted until nobody has it any more.
struct Kept {
    message: Message,
    all: Arc<AtomicUsize>,
}

impl Kept {
    fn new(message: Message, all: &Arc<AtomicUsize>) -> Arc<Kept> {
        all.fetch_add(message.body.len(), Ordering::Relaxed);
        Arc::new(Kept { message, all: Arc::clone(all) })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.all.fetch_sub(self.message.body.len(), Ordering::Relaxed);
    }
}

enum Waiting {
    Message(Arc<Kept>),
    /// Bytes as they are.
    Pong(Vec<u8>),
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Message(kept) => kept.message.body.len(),
            Waiting::Pong(bytes) => bytes.len(),
        }
    }
}

/// What is known of a subscriber.
#[derive(Default)]
struct State {
    prefixes: Vec<Vec<u8>>,
    queue: VecDeque<Waiting>,
    /// Of what waits, and of what is on its way.
    queued_bytes: usize,
    pongs: usize,
}

#[derive(Default)]
struct Subscriber {
    state: Mutex<State>,
    arrived: Notify,
    /// Somebody else needs its place.
    gone: Notify,
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection ended.
#[derive(Debug, Error)]
enum PeerError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("too many subscriptions")]
    Prefixes,
    #[error("too many pings")]
    Pings,
    #[error("it did not say who it is in time")]
    Late,
    #[error("it listens to nothing, or reads too slowly, and others need its place")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An address where is published.
pub(super) struct Socket {
    pub(super) address: String,
    queue_max: usize,
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    subscribers_max: usize,
    queued_bytes: Arc<AtomicUsize>,
    queued_bytes_max: usize,
    /// What the log says of those who find no place.
    refused: Mutex<Flood>,
}

/// What takes peers in.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds; within a runtime.
    pub(super) fn bind(place: &Place) -> io::Result<Listener> {
        match place {
            Place::Tcp(at) => {
                let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.set_reuseaddr(true)?;
                // A subscriber that is gone without a word is noticed some day; those that are taken in have it too.
                socket.set_keepalive(true)?;
                socket.bind(*at)?;
                socket.listen(BACKLOG).map(Listener::Tcp)
            }
            Place::Unix(path) => {
                forget_socket(path)?;
                UnixListener::bind(path).map(Listener::Unix)
            }
        }
    }

    /// Where it listens: the port that was found where any would do.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok().map(|at| at.port()),
            Listener::Unix(_) => None,
        }
    }
}

/// Takes away what a process that was killed has left; nothing else that lies there.
fn forget_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

impl Socket {
    pub(super) fn new(address: String, queue_max: usize) -> Socket {
        let queue_max = if queue_max == 0 { QUEUE_MESSAGES_MAX } else { queue_max.min(QUEUE_MESSAGES_MAX) };
        Socket {
            address,
            queue_max,
            subscribers: Mutex::default(),
            subscribers_max: SUBSCRIBERS_MAX,
            queued_bytes: Arc::default(),
            queued_bytes_max: QUEUES_BYTES_MAX,
            refused: Mutex::default(),
        }
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Arc<Subscriber>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody wants this topic.
    pub(super) fn is_wanted(&self, topic: &str) -> bool {
        let wants = |subscriber: &Arc<Subscriber>| subscriber.lock().wants(topic);
        self.subscribers().iter().any(wants)
    }

    /// How many want this topic.
    #[cfg(test)]
    pub(super) fn wanting(&self, topic: &str) -> usize {
        self.subscribers().iter().filter(|subscriber| subscriber.lock().wants(topic)).count()
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Puts a message into the queues of those who want it; where one is full, it misses this one.
    pub(super) fn send(&self, message: Message) {
        let mut all = self.subscribers();
        let bytes = message.body.len();
        // What somebody has half written goes when its task does: until then no more is let go than have to be.
        let mut left = self.queued_bytes.load(Ordering::Relaxed).saturating_add(bytes);
        while left > self.queued_bytes_max {
            let Some(freed) = let_go_slowest(&mut all) else { break };
            left = left.saturating_sub(freed);
        }
        let kept = Kept::new(message, &self.queued_bytes);
        let topic = kept.message.topic;
        for subscriber in all.iter() {
            let mut state = subscriber.lock();
            if !state.wants(topic) {
                continue;
            }
            let own = state.queued_bytes.saturating_add(bytes);
            if state.queue.len() < self.queue_max && own <= QUEUE_BYTES_MAX {
                state.push(Waiting::Message(Arc::clone(&kept)));
                drop(state);
                subscriber.arrived.notify_one();
            } else {
                tracing::debug!(address = self.address, "a subscriber is slow: a message is not sent to it");
            }
        }
    }

    /// Takes peers in until it is dropped.
    pub(super) async fn accept(self: Arc<Socket>, listener: Listener) {
        loop {
            let taken = match &listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    // Where it can't be set, messages leave a little later.
                    let _ = stream.set_nodelay(true);
                    self.take_in(stream);
                }),
                Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| self.take_in(stream)),
            };
            if let Err(error) = taken {
                tracing::warn!(%error, address = self.address, "ZMQ cannot take a connection in");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn take_in(self: &Arc<Socket>, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
        let subscriber = Arc::new(Subscriber::default());
        {
            let mut all = self.subscribers();
            if all.len() >= self.subscribers_max && !let_go_idlest(&mut all) {
                drop(all);
                return self.say_full();
            }
            all.push(Arc::clone(&subscriber));
        }
        let place = Seat { socket: Arc::clone(self), subscriber };
        tokio::spawn(async move {
            if let Err(error) = place.serve(stream).await {
                tracing::debug!(%error, address = place.socket.address, "a subscriber is gone");
            }
        });
    }

    fn say_full(&self) {
        let said = self.refused.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        if let flood::Said::Yes { unsaid } = said {
            let most = self.subscribers_max;
            let address = &self.address;
            tracing::warn!(address, unsaid, "ZMQ has {most} subscribers that all read: no more are taken in");
        }
    }
}

/// Sends the one away for whom most waits; tells how much that was. None where nothing waits for anybody.
fn let_go_slowest(all: &mut Vec<Arc<Subscriber>>) -> Option<usize> {
    let waiting = all.iter().map(|one| one.lock().queued_bytes).enumerate();
    let (at, bytes) = waiting.max_by_key(|(_, bytes)| *bytes).filter(|(_, bytes)| *bytes > 0)?;
    all.remove(at).let_go();
    Some(bytes)
}

/// Sends the oldest away who listens to nothing, else the slowest; whether there was one.
fn let_go_idlest(all: &mut Vec<Arc<Subscriber>>) -> bool {
    let listens = |one: &Arc<Subscriber>| {
        let state = one.lock();
        Topic::ALL.iter().any(|topic| state.wants(topic.name()))
    };
    match all.iter().position(|one| !listens(one)) {
        Some(at) => {
            all.remove(at).let_go();
            true
        }
        None => let_go_slowest(all).is_some(),
    }
}

impl Subscriber {
    /// It has no place any more: nothing waits for it, and its task ends.
    fn let_go(&self) {
        self.lock().queue.clear();
        self.gone.notify_one();
    }

    fn next(&self) -> Option<Waiting> {
        self.lock().queue.pop_front()
    }

    /// It has been written.
    fn done(&self, waiting: &Waiting) {
        let mut state = self.lock();
        state.queued_bytes = state.queued_bytes.saturating_sub(waiting.bytes());
        if matches!(waiting, Waiting::Pong(_)) {
            state.pongs = state.pongs.saturating_sub(1);
        }
    }
}

impl State {
    fn wants(&self, topic: &str) -> bool {
        self.prefixes.iter().any(|prefix| topic.as_bytes().starts_with(prefix))
    }

    fn push(&mut self, waiting: Waiting) {
        self.queued_bytes = self.queued_bytes.saturating_add(waiting.bytes());
        self.queue.push_back(waiting);
    }
}

/// A subscriber's place among the others; given up when it is dropped.
struct Seat {
    socket: Arc<Socket>,
    subscriber: Arc<Subscriber>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.socket.subscribers().retain(|other| !Arc::ptr_eq(other, &self.subscriber));
    }
}

impl Seat {
    async fn serve(&self, stream: impl AsyncRead + AsyncWrite) -> Result<(), PeerError> {
        let (mut from, mut to) = tokio::io::split(stream);
        let mut unread = Vec::new();
        let shaken = self.shake_hands(&mut from, &mut to, &mut unread);
        let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, shaken);
        tokio::select! {
            shaken = shaken => shaken.map_err(|_| PeerError::Late)??,
            () = self.subscriber.gone.notified() => return Err(PeerError::Slow),
        }
        tokio::select! {
            ended = self.listen(&mut from, &mut unread) => ended,
            ended = self.speak(&mut to) => ended,
            () = self.subscriber.gone.notified() => Err(PeerError::Slow),
        }
    }

    async fn shake_hands(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        unread: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        to.write_all(&wire::greeting()).await?;
        let mut greeting = [0; GREETING_BYTES];
        from.read_exact(&mut greeting).await?;
        wire::check_greeting(&greeting)?;
        to.write_all(&wire::ready()).await?;
        loop {
            let said = self.take_frame(unread, |said| Ok(matches!(said, Said::Ready)))?;
            match said {
                Some(true) => return Ok(()),
                // It says something before it says who it is.
                Some(false) => return Err(WireError::Command.into()),
                None => read_more(from, unread).await?,
            }
        }
    }

    /// The first whole frame of what has come, looked at and taken away.
    fn take_frame<T>(
        &self,
        unread: &mut Vec<u8>,
        look: impl FnOnce(Said<'_>) -> Result<T, PeerError>,
    ) -> Result<Option<T>, PeerError> {
        let Some((frame, taken)) = Frame::read(unread)? else { return Ok(None) };
        let looked = look(Said::of(&frame)?)?;
        unread.drain(..taken);
        Ok(Some(looked))
    }

    async fn listen(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        unread: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        loop {
            while self.take_frame(unread, |said| self.heed(said))?.is_some() {}
            read_more(from, unread).await?;
        }
    }

    fn heed(&self, said: Said<'_>) -> Result<(), PeerError> {
        match said {
            Said::Subscribe(prefix) => {
                let mut state = self.subscriber.lock();
                if state.prefixes.len() >= PREFIXES_MAX {
                    return Err(PeerError::Prefixes);
                }
                state.prefixes.push(prefix.to_vec());
            }
            Said::Cancel(prefix) => {
                let mut state = self.subscriber.lock();
                // Asked for twice it takes two to be rid of it.
                if let Some(at) = state.prefixes.iter().position(|known| known == prefix) {
                    state.prefixes.swap_remove(at);
                }
            }
            Said::Ping(pong) => {
                let mut state = self.subscriber.lock();
                if state.pongs >= PONGS_MAX {
                    return Err(PeerError::Pings);
                }
                state.pongs = state.pongs.saturating_add(1);
                state.push(Waiting::Pong(pong));
                drop(state);
                self.subscriber.arrived.notify_one();
            }
            Said::Ready | Said::Other => {}
        }
        Ok(())
    }

    async fn speak(&self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), PeerError> {
        loop {
            let Some(waiting) = self.subscriber.next() else {
                self.subscriber.arrived.notified().await;
                continue;
            };
            match &waiting {
                Waiting::Pong(bytes) => to.write_all(bytes).await?,
                Waiting::Message(kept) => write(to, &kept.message).await?,
            }
            self.subscriber.done(&waiting);
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), message: &Message) -> io::Result<()> {
    let Message { topic, body, counter } = message;
    let (before, behind) = wire::message(topic.as_bytes(), body.len(), *counter);
    if body.len() <= BODY_BYTES_SMALL {
        return to.write_all(&[before.as_slice(), body, &behind].concat()).await;
    }
    to.write_all(&before).await?;
    to.write_all(body).await?;
    to.write_all(&behind).await
}

/// Waits for more bytes; the end of them is an error.
async fn read_more(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> io::Result<()> {
    let mut part = [0; FRAME_BYTES_MAX];
    let count = from.read(&mut part).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    unread.extend_from_slice(part.get(..count).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests;
