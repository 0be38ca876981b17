use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;
use adit_domain::peer::{Frame, FrameDecoder, FrameError, HEADER_BYTES, Message, PeerId};
use adit_domain::units::Clock;
use bitcoin::p2p::Magic;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::board::Status;
use super::link::{Outbox, link};
use super::{Links, PeerActor};
use crate::messages::peer::{LinkClosed, LinkOpened, MessageReceived, ReleasePeer};
use crate::net::Stream;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// A payload from this size on is hashed and parsed beside the sockets: below, the way there would cost more.
const PARSE_BESIDE_BYTES: usize = 64 * 1024;
/// Headers, blocks and transactions of one peer that wait for their verdict.
const JUDGED_AT_ONCE_MAX: usize = 32;
/// Messages of one peer that have arrived behind the one that its actor has: they are parsed meanwhile. Those of 64 KiB and more have room
/// among all peers' blocks, so that a peer has 256 KiB of others here.
const PARSED_AHEAD_MAX: usize = 4;
/// Buffers of payloads that are kept for the next ones, all peers' together: 16 MB at most, with blocks of 1 MB 4 MB.
const SPARES_MAX: usize = 4;
/// A connection is there within this time, or is tried again.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The first pause after a connection, doubled with each that failed.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// A connection that lasted for so long did not fail.
const HELD_MS: u64 = 20_000;
/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why a connection ended from below.
#[derive(Debug, Error)]
enum Ended {
    #[error("closed by the other end")]
    Eof,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("let go by its actor")]
    Released,
    #[error("a parser died")]
    Parser,
}

/// What a message holds until it is judged: the peer's share of what may wait, and the blocks' bytes among all peers.
#[derive(Debug, Default)]
pub struct Intake {
    _turn: Option<OwnedSemaphorePermit>,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// Stays connected to one node for as long as its actor lives.
pub(super) async fn stay_connected(target: String, addr: Addr<PeerActor>, status: Arc<Status>, links: Links) {
    let mut pause = RETRY_MIN;
    while addr.connected() {
        links.board.activity().await;
        let began = links.shared.clock.now();
        match tokio::time::timeout(CONNECT_MAX, links.shared.net.connect(&target)).await {
            Ok(Ok(stream)) => run(stream, named(&target), false, (&addr, &status), &links).await,
            Ok(Err(error)) => tracing::debug!(peer = target, %error, "no connection"),
            Err(_) => tracing::debug!(peer = target, "no connection in time"),
        }
        // What ended by our own panic, or held for a while, is no reason to hesitate.
        let held = links.shared.clock.now().ms_since(began) > HELD_MS;
        if status.take_crashed() || held {
            pause = RETRY_MIN;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Carries one connection until either end, or the actor, lets it go.
pub(super) async fn run(
    stream: Stream,
    (remote, ip): (String, Option<IpAddr>),
    inbound: bool,
    (addr, status): (&Addr<PeerActor>, &Arc<Status>),
    links: &Links,
) {
    let (link, outbox) = link();
    let (local, permissions) = (stream.local, links.config.whitelist.of(ip, inbound));
    if addr.send(LinkOpened { link, remote: remote.clone(), local, permissions }).await.is_err() {
        return;
    }
    let (ahead, coming) = mpsc::channel(PARSED_AHEAD_MAX);
    let incoming = Incoming::new(stream.read, ahead, status, links);
    let ended = tokio::select! {
        ended = receive(incoming, coming, addr) => ended,
        ended = write(stream.write, outbox, status, &*links.shared.clock) => ended,
    };
    if let Ended::Frame(error) = &ended {
        tracing::debug!(target: "adit_actors::net", "Header error: {error}, peer={}", status.id);
    }
    tracing::debug!(peer = remote, reason = %ended, "connection ended");
    let _ = addr.send(LinkClosed).await;
}

/// A node that is connected to, and its address where that is how it was named.
fn named(target: &str) -> (String, Option<IpAddr>) {
    (target.to_owned(), target.parse::<SocketAddr>().ok().map(|at| at.ip()))
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut outbox: Outbox,
    status: &Status,
    clock: &dyn Clock,
) -> Ended {
    while let Some(frame) = outbox.next().await {
        if let Err(error) = writer.write_all(&frame).await {
            return error.into();
        }
        status.count_sent(name_of(&frame), frame.len());
        status.sent.fetch_add(u64::try_from(frame.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        status.sent_at.store(clock.now().to_ms(), Ordering::Relaxed);
        outbox.sent(frame.len());
    }
    Ended::Released
}

/// The name in a frame of our own: 12 bytes behind the magic, padded with zeros.
fn name_of(frame: &[u8]) -> Option<&str> {
    let padded = std::str::from_utf8(frame.get(4..16)?).ok()?;
    Some(padded.trim_end_matches('\0'))
}

/// Connects once; the actor goes with the connection.
pub(super) async fn connect_once(
    target: String,
    id: PeerId,
    (addr, status): (Addr<PeerActor>, Arc<Status>),
    links: Links,
) {
    match tokio::time::timeout(CONNECT_MAX, links.shared.net.connect(&target)).await {
        Ok(Ok(stream)) => run(stream, named(&target), false, (&addr, &status), &links).await,
        Ok(Err(error)) => tracing::debug!(peer = target, %error, "no connection"),
        Err(_) => tracing::debug!(peer = target, "no connection in time"),
    }
    links.board.leave(id);
    // It has nothing else to do: where its mailbox is full, this waits.
    let _ = addr.send(ReleasePeer { for_good: true }).await;
}

/// Buffers of long payloads that were parsed, for whoever reads the next one.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX {
            spares.push(buffer);
        }
    }
}

/// A message on its way to the actor.
struct Coming {
    parsing: Parsing,
    intake: Intake,
}

enum Parsing {
    Done(Message),
    Beside(JoinHandle<Message>),
}

/// Reads on while what has come is parsed and handed to the actor, in its order. What came before the end is handed over still.
async fn receive(incoming: Incoming<'_>, coming: mpsc::Receiver<Coming>, addr: &Addr<PeerActor>) -> Ended {
    let mut delivering = std::pin::pin!(deliver(coming, addr));
    let read = tokio::select! {
        ended = incoming.read() => ended,
        delivered = &mut delivering => return delivered.err().unwrap_or(Ended::Released),
    };
    delivering.await.err().unwrap_or(read)
}

async fn deliver(mut coming: mpsc::Receiver<Coming>, addr: &Addr<PeerActor>) -> Result<(), Ended> {
    while let Some(Coming { parsing, mut intake }) = coming.recv().await {
        let message = match parsing {
            Parsing::Done(message) => message,
            Parsing::Beside(parsing) => parsing.await.map_err(|_| Ended::Parser)?,
        };
        if !matches!(message, Message::Block(_)) {
            intake._bytes = None;
        }
        // The actor answers when there is room for more.
        addr.send(MessageReceived { message, intake }).await.map_err(|_| Ended::Released)?;
    }
    Ok(())
}

struct Incoming<'a> {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    decoder: FrameDecoder,
    ahead: mpsc::Sender<Coming>,
    status: &'a Status,
    links: &'a Links,
    turns: Arc<Semaphore>,
}

impl<'a> Incoming<'a> {
    fn new(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        ahead: mpsc::Sender<Coming>,
        status: &'a Status,
        links: &'a Links,
    ) -> Incoming<'a> {
        let decoder = FrameDecoder::new(Magic::from_bytes(links.config.magic));
        let turns = Arc::new(Semaphore::new(JUDGED_AT_ONCE_MAX));
        Incoming { reader, decoder, ahead, status, links, turns }
    }

    async fn read(mut self) -> Ended {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match self.reader.read(&mut buffer).await {
                Ok(0) => return Ended::Eof,
                Ok(count) => count,
                Err(error) => return error.into(),
            };
            self.status.received.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.status.received_at.store(self.links.shared.clock.now().to_ms(), Ordering::Relaxed);
            let arrived = buffer.get(..count).unwrap_or_default();
            if let Err(ended) = self.take(arrived).await {
                return ended;
            }
        }
    }

    async fn take(&mut self, mut arrived: &[u8]) -> Result<(), Ended> {
        loop {
            let frame = self.next_frame(&mut arrived);
            let id = self.status.id;
            for skipped in self.decoder.take_skipped() {
                self.status.count_received(None, skipped.bytes.saturating_add(HEADER_BYTES));
                tracing::debug!(target: "adit_actors::net", "Header error: {skipped}, peer={id}");
            }
            let Some(frame) = frame? else { return Ok(()) };
            let (name, bytes) = (frame.command.name(), frame.payload.len());
            self.status.count_received(name, bytes.saturating_add(HEADER_BYTES));
            let named = name.unwrap_or_default();
            tracing::trace!(target: "adit_actors::net", "received: {named} ({bytes} bytes) peer={id}");
            if name.is_none() {
                tracing::debug!(
                    target: "adit_actors::net",
                    "Header error: Invalid message type ({bytes} bytes), peer={id}"
                );
                continue;
            }
            let intake = self.admit(&frame).await;
            let coming = Coming { parsing: parse(frame, &self.links.spares), intake };
            self.ahead.send(coming).await.map_err(|_| Ended::Released)?;
        }
    }

    /// As [`FrameDecoder::feed`]; a long payload of which the first bytes have come goes on in a buffer that served before.
    fn next_frame(&mut self, arrived: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        let frame = self.decoder.feed(arrived)?;
        if frame.is_none()
            && self.decoder.lacks_room(PARSE_BESIDE_BYTES + 1)
            && let Some(buffer) = self.links.spares.take()
        {
            self.decoder.reuse(buffer);
        }
        Ok(frame)
    }

    /// Waits until as much as this may wait to be parsed, and for its verdict.
    async fn admit(&self, frame: &Frame) -> Intake {
        let name = frame.command.name();
        let is_judged = matches!(name, Some("block" | "headers" | "tx"));
        let is_large = name == Some("block") || frame.payload.len() >= PARSE_BESIDE_BYTES;
        let kib = self.links.block_kib_max.min(frame.payload.len().div_ceil(1024));
        let kib = u32::try_from(kib).ok().filter(|_| is_large);
        // The semaphores are never closed.
        let _turn = match is_judged {
            true => Arc::clone(&self.turns).acquire_owned().await.ok(),
            false => None,
        };
        let _bytes = match kib {
            Some(kib) => Arc::clone(&self.links.block_kib).acquire_many_owned(kib).await.ok(),
            None => None,
        };
        Intake { _turn, _bytes }
    }
}

fn parse(frame: Frame, spares: &Arc<Spares>) -> Parsing {
    if frame.payload.len() < PARSE_BESIDE_BYTES {
        return Parsing::Done(Message::of_frame(&frame));
    }
    let spares = Arc::clone(spares);
    Parsing::Beside(tokio::task::spawn_blocking(move || {
        let message = Message::of_frame(&frame);
        spares.give(frame.payload);
        message
    }))
}
