use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;
use adit_domain::peer::limits::GARBAGE_BYTES_MAX;
use adit_domain::peer::{
    Frame, Heard, Incoming, Message, Outgoing, PeerId, Transport, TransportError, TransportSecrets,
};
use adit_domain::units::{Clock, Entropy};
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
    Transport(#[from] TransportError),
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

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Whatever the other end can do, nothing is encrypted.
    Clear,
    /// We offer to encrypt it.
    Initiate,
    /// The other end may.
    Respond,
}

/// What goes to the other end beside messages.
enum ToWriter {
    /// It is a part of the exchange of keys.
    Bytes(Vec<u8>),
    /// How messages go from now on.
    Settled(Outgoing),
}

/// Connects, and carries the connection to its end. Whoever lets an offer to encrypt it go unanswered is connected to in the clear.
async fn reach(target: &str, begin: Begin, (addr, status): (&Addr<PeerActor>, &Arc<Status>), links: &Links) {
    for begin in [begin, Begin::Clear] {
        let stream = match tokio::time::timeout(CONNECT_MAX, links.shared.net.connect(target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(peer = target, %error, "no connection"),
            Err(_) => return tracing::debug!(peer = target, "no connection in time"),
        };
        if !run(stream, named(target), (false, begin), (addr, status), links).await {
            return;
        }
        let id = status.id;
        tracing::debug!(target: "adit_actors::net", "retrying with v1 transport protocol for peer={id}");
    }
}

/// Stays connected to one node for as long as its actor lives.
pub(super) async fn stay_connected(
    target: String,
    begin: Begin,
    (addr, status): (Addr<PeerActor>, Arc<Status>),
    links: Links,
) {
    let mut pause = RETRY_MIN;
    while addr.connected() {
        links.board.activity().await;
        let began = links.shared.clock.now();
        reach(&target, begin, (&addr, &status), &links).await;
        // What ended by our own panic, or held for a while, is no reason to hesitate.
        let held = links.shared.clock.now().ms_since(began) > HELD_MS;
        if status.take_crashed() || held {
            pause = RETRY_MIN;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Carries one connection until either end, or the actor, lets it go. Says whether we offered to encrypt it and it ended without a word.
pub(super) async fn run(
    stream: Stream,
    (remote, ip): (String, Option<IpAddr>),
    (inbound, begin): (bool, Begin),
    (addr, status): (&Addr<PeerActor>, &Arc<Status>),
    links: &Links,
) -> bool {
    let (link, outbox) = link();
    status.set_transport(Transport::Detecting, None);
    let (local, permissions) = (stream.local, links.config.whitelist.of(ip, inbound));
    if addr.send(LinkOpened { link, remote: remote.clone(), local, permissions }).await.is_err() {
        return false;
    }
    let (ahead, coming) = mpsc::channel(PARSED_AHEAD_MAX);
    let (aside, by_writer) = mpsc::channel(ASIDE_MAX);
    let reading = Reading::begin(stream.read, begin, (ahead, aside), status, links).await;
    let heard = Arc::clone(&reading.heard);
    let ended = tokio::select! {
        ended = receive(reading, coming, addr) => ended,
        ended = write(stream.write, (outbox, by_writer), status, &*links.shared.clock) => ended,
    };
    if let Ended::Transport(error) = &ended {
        tracing::debug!(target: "adit_actors::net", "{error}, peer={}", status.id);
    }
    tracing::debug!(peer = remote, reason = %ended, "connection ended");
    let _ = addr.send(LinkClosed).await;
    let by_other_end = matches!(ended, Ended::Eof | Ended::Io(_));
    begin == Begin::Initiate && by_other_end && !heard.load(Ordering::SeqCst)
}

/// What goes to the writer beside messages: our key, the answer to the other end's, and that it is settled.
const ASIDE_MAX: usize = 4;

/// What is drawn for an encrypted connection.
fn secrets(entropy: &dyn Entropy) -> TransportSecrets {
    let draw = || {
        let mut bytes = [0; 32];
        bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|word| *word = entropy.next_u64().to_le_bytes());
        bytes
    };
    let most = u64::try_from(GARBAGE_BYTES_MAX).unwrap_or(u64::MAX);
    let length = usize::try_from(entropy.next_u64() % most.saturating_add(1)).unwrap_or(0);
    let garbage = (0..length.div_ceil(32)).flat_map(|_| draw()).take(length).collect();
    TransportSecrets { key: draw(), blinding: draw(), garbage }
}

/// A node that is connected to, and its address where that is how it was named.
fn named(target: &str) -> (String, Option<IpAddr>) {
    (target.to_owned(), target.parse::<SocketAddr>().ok().map(|at| at.ip()))
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    (mut outbox, mut aside): (Outbox, mpsc::Receiver<ToWriter>),
    status: &Status,
    clock: &dyn Clock,
) -> Ended {
    let count = |bytes: usize| {
        status.sent.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        status.sent_at.store(clock.now().to_ms(), Ordering::Relaxed);
    };
    // What is to be sent before it is known how; no more than the link may hold.
    let mut early = VecDeque::new();
    let mut outgoing = loop {
        let told = tokio::select! {
            told = aside.recv() => told,
            frame = outbox.next() => {
                // The actor lets go of who does not come to terms.
                let Some(frame) = frame else { return Ended::Released };
                early.push_back(frame);
                continue;
            }
        };
        match told {
            Some(ToWriter::Bytes(bytes)) => {
                if let Err(error) = writer.write_all(&bytes).await {
                    return error.into();
                }
                count(bytes.len());
            }
            Some(ToWriter::Settled(outgoing)) => break outgoing,
            None => return Ended::Released,
        }
    };
    loop {
        let frame = match early.pop_front() {
            Some(frame) => frame,
            None => match outbox.next().await {
                Some(frame) => frame,
                None => return Ended::Released,
            },
        };
        let packet = match &mut outgoing {
            Outgoing::Clear => None,
            Outgoing::Sealed { packets, .. } => Some(packets.of_frame(&frame)),
        };
        let bytes = packet.as_ref().unwrap_or(&frame);
        if let Err(error) = writer.write_all(bytes).await {
            return error.into();
        }
        status.count_sent(name_of(&frame), bytes.len());
        count(bytes.len());
        outbox.sent(frame.len());
    }
}

/// The name in a frame of our own: 12 bytes behind the magic, padded with zeros.
fn name_of(frame: &[u8]) -> Option<&str> {
    let padded = std::str::from_utf8(frame.get(4..16)?).ok()?;
    Some(padded.trim_end_matches('\0'))
}

/// Connects once; the actor goes with the connection.
pub(super) async fn connect_once(
    target: String,
    (id, begin): (PeerId, Begin),
    (addr, status): (Addr<PeerActor>, Arc<Status>),
    links: Links,
) {
    reach(&target, begin, (&addr, &status), &links).await;
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
async fn receive(reading: Reading<'_>, coming: mpsc::Receiver<Coming>, addr: &Addr<PeerActor>) -> Ended {
    let mut delivering = std::pin::pin!(deliver(coming, addr));
    let read = tokio::select! {
        ended = reading.read() => ended,
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

struct Reading<'a> {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    incoming: Incoming,
    ahead: mpsc::Sender<Coming>,
    aside: mpsc::Sender<ToWriter>,
    /// What an encrypted connection is known by, once both have their keys.
    session_id: Option<[u8; 32]>,
    /// Whether anything has come.
    heard: Arc<AtomicBool>,
    status: &'a Status,
    links: &'a Links,
    turns: Arc<Semaphore>,
}

impl<'a> Reading<'a> {
    async fn begin(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        begin: Begin,
        (ahead, aside): (mpsc::Sender<Coming>, mpsc::Sender<ToWriter>),
        status: &'a Status,
        links: &'a Links,
    ) -> Reading<'a> {
        let (magic, entropy) = (Magic::from_bytes(links.config.magic), &*links.shared.entropy);
        let (incoming, first) = match begin {
            Begin::Clear => (Incoming::clear(magic), Some(ToWriter::Settled(Outgoing::Clear))),
            Begin::Respond => (Incoming::respond(magic, secrets(entropy)), None),
            Begin::Initiate => {
                let id = status.id;
                tracing::debug!(target: "adit_actors::net", "start sending v2 handshake to peer={id}");
                let (incoming, first) = Incoming::initiate(magic, secrets(entropy));
                (incoming, Some(ToWriter::Bytes(first)))
            }
        };
        if let Some(first) = first {
            // There is room, and the writer has not begun.
            let _ = aside.send(first).await;
        }
        status.set_transport(incoming.transport(), None);
        let (turns, heard) = (Arc::new(Semaphore::new(JUDGED_AT_ONCE_MAX)), Arc::default());
        Reading { reader, incoming, ahead, aside, session_id: None, heard, status, links, turns }
    }

    async fn read(mut self) -> Ended {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match self.reader.read(&mut buffer).await {
                Ok(0) => return Ended::Eof,
                Ok(count) => count,
                Err(error) => return error.into(),
            };
            self.heard.store(true, Ordering::SeqCst);
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
            let heard = self.next(&mut arrived);
            self.say_dropped();
            match heard? {
                None => return Ok(()),
                Some(Heard::Frame(frame, bytes)) => self.pass_on(frame, bytes).await?,
                Some(Heard::Answer(bytes)) => self.to_writer(ToWriter::Bytes(bytes)).await?,
                Some(Heard::Settled(outgoing)) => {
                    if let Outgoing::Sealed { session_id, .. } = &*outgoing {
                        self.session_id = Some(*session_id);
                    }
                    self.show_transport();
                    self.to_writer(ToWriter::Settled(*outgoing)).await?;
                }
            }
        }
    }

    async fn to_writer(&self, what: ToWriter) -> Result<(), Ended> {
        self.aside.send(what).await.map_err(|_| Ended::Released)
    }

    fn say_dropped(&mut self) {
        let id = self.status.id;
        for dropped in self.incoming.take_dropped() {
            self.status.count_received(None, dropped.bytes);
            tracing::debug!(target: "adit_actors::net", "{}, peer={id}", dropped.why);
        }
    }

    /// That it is encrypted is shown when the other end has proved that it has the keys.
    fn show_transport(&self) {
        let transport = self.incoming.transport();
        let session_id = self.session_id.filter(|_| transport == Transport::V2);
        self.status.set_transport(transport, session_id);
    }

    async fn pass_on(&mut self, frame: Frame, on_wire: usize) -> Result<(), Ended> {
        let (id, name, bytes) = (self.status.id, frame.command.name(), frame.payload.len());
        self.status.count_received(name, on_wire);
        let named = name.unwrap_or_default();
        tracing::trace!(target: "adit_actors::net", "received: {named} ({bytes} bytes) peer={id}");
        if name.is_none() {
            tracing::debug!(
                target: "adit_actors::net",
                "Header error: Invalid message type ({bytes} bytes), peer={id}"
            );
            return Ok(());
        }
        let intake = self.admit(&frame).await;
        let coming = Coming { parsing: parse(frame, &self.links.spares), intake };
        self.ahead.send(coming).await.map_err(|_| Ended::Released)
    }

    /// As [`Incoming::feed`]; a long payload of which the first bytes have come goes on in a buffer that served before.
    fn next(&mut self, arrived: &mut &[u8]) -> Result<Option<Heard>, TransportError> {
        let was = self.incoming.transport();
        let heard = self.incoming.feed(arrived)?;
        if self.incoming.transport() != was {
            self.show_transport();
        }
        if heard.is_none()
            && self.incoming.lacks_room(PARSE_BESIDE_BYTES + 1)
            && let Some(buffer) = self.links.spares.take()
        {
            self.incoming.reuse(buffer);
        }
        Ok(heard)
    }

    /// Waits until as much as this may wait to be parsed, and for its verdict.
    async fn admit(&self, frame: &Frame) -> Intake {
        let name = frame.command.name();
        let is_judged = matches!(name, Some("block" | "headers" | "tx" | "cmpctblock" | "blocktxn"));
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
