//! What lies between a stream of bytes and messages: frames in the clear, or packets that nobody else can read. BIP-0324
//!
//! Whoever connects and may speak encrypted sends a key and some garbage; the other end sees by the first bytes whether that is the beginning of
//! a frame in the clear, and answers with a key of its own. From then on nothing on the wire has a form.

use std::sync::LazyLock;

use bitcoin::p2p::Magic;
use secp256k1::SecretKey;
use secp256k1::ellswift::ElligatorSwift;
use thiserror::Error;

use super::framing::{Command, Frame, FrameDecoder, FrameError, HEADER_BYTES as FRAME_BYTES, hex, reserve};
use super::limits::{GARBAGE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use cipher::{Ciphers, EXPANSION_BYTES, HEADER_BYTES, LENGTH_BYTES, Open, Seal, TAG_BYTES, TERMINATOR_BYTES};

mod cipher;

/// Bytes of a key as it is sent.
const KEY_BYTES: usize = 64;
/// Bytes of a message's name where it is written out, and one that says so.
const NAME_BYTES: usize = 13;
/// Bytes of a packet's contents at most: the longest message and its name.
const CONTENTS_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + NAME_BYTES;
/// How a connection in the clear begins, behind the network's four bytes.
const CLEAR_START: &[u8; 12] = b"version\0\0\0\0\0";

/// Messages that are named by one byte, from 1 on; nothing where a number has no meaning. BIP-0324
const SHORT_NAMES: [&str; 28] = [
    "addr",
    "block",
    "blocktxn",
    "cmpctblock",
    "feefilter",
    "filteradd",
    "filterclear",
    "filterload",
    "getblocks",
    "getblocktxn",
    "getdata",
    "getheaders",
    "headers",
    "inv",
    "mempool",
    "merkleblock",
    "notfound",
    "ping",
    "pong",
    "sendcmpct",
    "tx",
    "getcfilters",
    "cfilter",
    "getcfheaders",
    "cfheaders",
    "getcfcheckpt",
    "cfcheckpt",
    "addrv2",
];

static SHORT_COMMANDS: LazyLock<Vec<Command>> =
    LazyLock::new(|| SHORT_NAMES.iter().map(|name| Command::new(name)).collect());

/// What an operator sees of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// It shows with the first bytes.
    #[default]
    Detecting,
    /// In the clear.
    V1,
    /// Encrypted.
    V2,
}

impl Transport {
    /// As Core names it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Detecting => "detecting",
            Transport::V1 => "v1",
            Transport::V2 => "v2",
        }
    }
}

/// What is drawn for a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportSecrets {
    /// Our key. One that is none (the chance is 1 in 2^127) stands for another.
    pub key: [u8; 32],
    /// Which of the forms that the key has on the wire.
    pub blinding: [u8; 32],
    /// What goes behind the key, so that its length tells nothing: [`GARBAGE_BYTES_MAX`] bytes at most.
    pub garbage: Vec<u8>,
}

/// Nobody reads them in a log.
impl core::fmt::Debug for TransportSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TransportSecrets").field("garbage_bytes", &self.garbage.len()).finish_non_exhaustive()
    }
}

/// Why a stream is not followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// In the clear, and no frame.
    #[error("Header error: {0}")]
    Frame(#[from] FrameError),
    /// The beginning of a frame of another network.
    #[error("V2 transport error: V1 peer with wrong MessageStart {}", hex(.0))]
    WrongNetwork([u8; 4]),
    /// More garbage than there may be.
    #[error("V2 transport error: missing garbage terminator")]
    NoTerminator,
    /// A packet with more bytes than the longest message.
    #[error("V2 transport error: packet too large ({0} bytes)")]
    TooLarge(usize),
    /// A packet that nobody who has the keys has sent.
    #[error("V2 transport error: packet decryption failure ({0} bytes)")]
    NoProof(usize),
}

/// A message that was skipped: why, and how many bytes it had on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// As Core says it.
    pub why: String,
    /// All of them.
    pub bytes: usize,
}

/// What follows from bytes that have come.
#[derive(Debug)]
pub enum Heard {
    /// A message, and its bytes on the wire.
    Frame(Frame, usize),
    /// These go to the other end now.
    Answer(Vec<u8>),
    /// How messages go to the other end from now on.
    Settled(Box<Outgoing>),
}

/// How messages go to the other end.
#[derive(Debug)]
pub enum Outgoing {
    /// As they are.
    Clear,
    /// As packets.
    Sealed {
        /// The same at both ends, and nowhere else.
        session_id: [u8; 32],
        /// What makes packets.
        packets: Packets,
    },
}

/// Makes packets of frames.
#[derive(Debug)]
pub struct Packets(Seal);

impl Packets {
    /// A frame's message as a packet.
    pub fn of_frame(&mut self, frame: &[u8]) -> Vec<u8> {
        let (head, payload) = frame.split_at_checked(FRAME_BYTES).unwrap_or((frame, &[]));
        let name = head.get(4..16).and_then(|name| <[u8; 12]>::try_from(name).ok()).unwrap_or_default();
        let command = Command::from_bytes(name);
        let short = SHORT_COMMANDS.iter().position(|known| *known == command);
        match short.and_then(|at| u8::try_from(at.saturating_add(1)).ok()) {
            Some(number) => self.0.seal(&[&[number], payload], &[]),
            None => self.0.seal(&[&[0], &name, payload], &[]),
        }
    }
}

/// The receiving end of a connection, whatever the other end speaks. Holds no more memory than bytes that have arrived, and one step of growth.
#[derive(Debug)]
pub struct Incoming {
    magic: Magic,
    state: State,
    dropped: Vec<Dropped>,
}

#[derive(Debug)]
enum State {
    Clear(FrameDecoder),
    Shaking(Box<Handshake>),
    Sealed(Box<Sealed>),
    /// Between two of them.
    Over,
}

impl Incoming {
    /// A connection in the clear.
    pub fn clear(magic: Magic) -> Incoming {
        Incoming { magic, state: State::Clear(FrameDecoder::new(magic)), dropped: Vec::new() }
    }

    /// We connect, and speak encrypted: what goes first.
    pub fn initiate(magic: Magic, secrets: TransportSecrets) -> (Incoming, Vec<u8>) {
        let shaking = Handshake::new(secrets, true);
        let first = shaking.first_bytes();
        (Incoming { magic, state: State::Shaking(Box::new(shaking)), dropped: Vec::new() }, first)
    }

    /// Somebody connects, and may speak either.
    pub fn respond(magic: Magic, secrets: TransportSecrets) -> Incoming {
        let shaking = Handshake::new(secrets, false);
        Incoming { magic, state: State::Shaking(Box::new(shaking)), dropped: Vec::new() }
    }

    /// What there is to be seen of it.
    pub fn transport(&self) -> Transport {
        match &self.state {
            State::Clear(_) => Transport::V1,
            State::Sealed(sealed) if sealed.versioned => Transport::V2,
            State::Sealed(_) | State::Shaking(_) | State::Over => Transport::Detecting,
        }
    }

    /// Whether we have offered to speak encrypted, and nothing at all came back: so ends who does not know it.
    pub fn was_ignored(&self) -> bool {
        matches!(&self.state, State::Shaking(shaking) if shaking.initiates && shaking.received.is_empty())
    }

    /// Messages that were skipped since this was last asked: no more than there were bytes for.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        if let State::Clear(frames) = &mut self.state {
            let of_frame = |skipped: super::Skipped| Dropped {
                why: format!("Header error: {skipped}"),
                bytes: skipped.bytes.saturating_add(FRAME_BYTES),
            };
            self.dropped.extend(frames.take_skipped().into_iter().map(of_frame));
        }
        std::mem::take(&mut self.dropped)
    }

    /// Whether a payload is on its way that will have at least so many bytes, and no room for them yet.
    pub fn lacks_room(&self, bytes: usize) -> bool {
        matches!(&self.state, State::Clear(frames) if frames.lacks_room(bytes))
    }

    /// Gives the payload that is on its way another buffer, one that served before.
    pub fn reuse(&mut self, buffer: Vec<u8>) {
        if let State::Clear(frames) = &mut self.state {
            frames.reuse(buffer);
        }
    }

    /// Takes bytes off the front of `input` until something follows from them or `input` is empty. After an error the stream has no meaning.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Heard>, TransportError> {
        match &mut self.state {
            State::Clear(frames) => {
                let bytes = |frame: &Frame| frame.payload.len().saturating_add(FRAME_BYTES);
                Ok(frames.feed(input)?.map(|frame| {
                    let bytes = bytes(&frame);
                    Heard::Frame(frame, bytes)
                }))
            }
            State::Sealed(sealed) => sealed.feed(input, &mut self.dropped),
            State::Shaking(shaking) => match shaking.feed(input, self.magic)? {
                None => Ok(None),
                Some(Shaken::Answer(bytes)) => Ok(Some(Heard::Answer(bytes))),
                Some(Shaken::Clear) => self.turn_clear(),
                Some(Shaken::Agreed) => self.turn_sealed(),
            },
            State::Over => Ok(None),
        }
    }

    fn turn_clear(&mut self) -> Result<Option<Heard>, TransportError> {
        let before = std::mem::replace(&mut self.state, State::Over);
        let mut frames = FrameDecoder::new(self.magic);
        if let State::Shaking(shaking) = before {
            // The beginning of a header: it makes no frame yet.
            let _ = frames.feed(&mut shaking.received.as_slice())?;
        }
        self.state = State::Clear(frames);
        Ok(Some(Heard::Settled(Box::new(Outgoing::Clear))))
    }

    fn turn_sealed(&mut self) -> Result<Option<Heard>, TransportError> {
        let State::Shaking(shaking) = std::mem::replace(&mut self.state, State::Over) else {
            return Ok(None);
        };
        let Some(Ciphers { session_id, seal, open, .. }) = shaking.agreed else { return Ok(None) };
        let garbage = shaking.received;
        self.state = State::Sealed(Box::new(Sealed::new(open, garbage)));
        Ok(Some(Heard::Settled(Box::new(Outgoing::Sealed { session_id, packets: Packets(seal) }))))
    }
}

/// The exchange of keys.
#[derive(Debug)]
struct Handshake {
    initiates: bool,
    secret: SecretKey,
    ours: ElligatorSwift,
    garbage: Vec<u8>,
    /// Our key has gone.
    spoke: bool,
    /// What has come: the key, and once that is understood the garbage.
    received: Vec<u8>,
    agreed: Option<Ciphers>,
}

enum Shaken {
    Answer(Vec<u8>),
    /// It is a connection in the clear.
    Clear,
    /// Both have their keys, and its garbage has come.
    Agreed,
}

impl Handshake {
    fn new(secrets: TransportSecrets, initiates: bool) -> Handshake {
        let TransportSecrets { key, blinding, mut garbage } = secrets;
        garbage.truncate(GARBAGE_BYTES_MAX);
        let secret = secret_of(key);
        let ours = ElligatorSwift::from_seckey(secret, Some(blinding));
        Handshake { initiates, secret, ours, garbage, spoke: initiates, received: Vec::new(), agreed: None }
    }

    fn first_bytes(&self) -> Vec<u8> {
        [self.ours.to_byte_array().as_slice(), &self.garbage].concat()
    }

    fn feed(&mut self, input: &mut &[u8], magic: Magic) -> Result<Option<Shaken>, TransportError> {
        while let Some((byte, rest)) = input.split_first() {
            // No more is taken than is looked at: what comes behind belongs to another state.
            *input = rest;
            self.received.push(*byte);
            if let Some(shaken) = self.step(magic)? {
                return Ok(Some(shaken));
            }
        }
        Ok(None)
    }

    /// One byte has come.
    fn step(&mut self, magic: Magic) -> Result<Option<Shaken>, TransportError> {
        if let Some(agreed) = &self.agreed {
            return self.end_of_garbage(&agreed.receive_terminator);
        }
        if !self.spoke {
            return Ok(self.detect(magic));
        }
        self.other_network()?;
        let Ok(theirs) = <[u8; KEY_BYTES]>::try_from(self.received.as_slice()) else { return Ok(None) };
        let theirs = ElligatorSwift::from_byte_array(theirs);
        let mut ciphers = Ciphers::agree(self.secret, (self.ours, theirs), self.initiates, magic);
        self.received.clear();
        // The garbage ends, and an empty packet proves what it was.
        let mut answer = ciphers.send_terminator.to_vec();
        answer.extend(ciphers.seal.seal(&[], &std::mem::take(&mut self.garbage)));
        self.agreed = Some(ciphers);
        Ok(Some(Shaken::Answer(answer)))
    }

    /// Whether it speaks in the clear: with the first byte that is another one it does not, and hears our key.
    fn detect(&mut self, magic: Magic) -> Option<Shaken> {
        let start = [magic.to_bytes().as_slice(), CLEAR_START].concat();
        if !start.starts_with(&self.received) {
            self.spoke = true;
            return Some(Shaken::Answer(self.first_bytes()));
        }
        (self.received.len() == start.len()).then_some(Shaken::Clear)
    }

    fn other_network(&self) -> Result<(), TransportError> {
        let (network, rest) = self.received.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        if !self.initiates && rest == CLEAR_START {
            return Err(TransportError::WrongNetwork(*network));
        }
        Ok(())
    }

    fn end_of_garbage(&self, terminator: &[u8; TERMINATOR_BYTES]) -> Result<Option<Shaken>, TransportError> {
        if self.received.ends_with(terminator) {
            return Ok(Some(Shaken::Agreed));
        }
        if self.received.len() >= GARBAGE_BYTES_MAX + TERMINATOR_BYTES {
            return Err(TransportError::NoTerminator);
        }
        Ok(None)
    }
}

/// The key of these bytes; where they are none, of one that nobody draws.
fn secret_of(key: [u8; 32]) -> SecretKey {
    SecretKey::from_secret_bytes(key).unwrap_or_else(|_| secret_of([1; 32]))
}

/// Packets that come.
#[derive(Debug)]
struct Sealed {
    open: Open,
    /// What its first packet proves; it ends with the terminator, which does not belong to it.
    garbage: Vec<u8>,
    /// Its version has come: what follows are messages.
    versioned: bool,
    length: Vec<u8>,
    /// Bytes of the contents of the packet that is on its way.
    contents: Option<usize>,
    packet: Vec<u8>,
}

impl Sealed {
    fn new(open: Open, mut garbage: Vec<u8>) -> Sealed {
        garbage.truncate(garbage.len().saturating_sub(TERMINATOR_BYTES));
        let length = Vec::with_capacity(LENGTH_BYTES);
        Sealed { open, garbage, versioned: false, length, contents: None, packet: Vec::new() }
    }

    fn feed(
        &mut self,
        input: &mut &[u8],
        dropped: &mut Vec<Dropped>,
    ) -> Result<Option<Heard>, TransportError> {
        while let Some(contents) = self.next(input)? {
            if !std::mem::replace(&mut self.versioned, true) {
                // What it says of its version has no meaning yet.
                continue;
            }
            let bytes = contents.len().saturating_add(EXPANSION_BYTES);
            match frame_of(contents) {
                Ok(frame) => return Ok(Some(Heard::Frame(frame, bytes))),
                Err(length) => {
                    let why = format!("V2 transport error: invalid message type ({length} bytes contents)");
                    dropped.push(Dropped { why, bytes });
                }
            }
        }
        Ok(None)
    }

    /// The contents of the next packet that says something.
    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            let length = match self.contents {
                Some(length) => length,
                None => match self.length_from(input)? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            self.contents = Some(length);
            let whole = length.saturating_add(HEADER_BYTES + TAG_BYTES);
            let missing = whole.saturating_sub(self.packet.len());
            let (arrived, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
            *input = rest;
            reserve(&mut self.packet, arrived.len(), missing);
            self.packet.extend_from_slice(arrived);
            if self.packet.len() < whole {
                return Ok(None);
            }
            self.contents = None;
            let (packet, garbage) = (std::mem::take(&mut self.packet), std::mem::take(&mut self.garbage));
            let says = self.open.open(packet, &garbage).map_err(|_| TransportError::NoProof(length))?;
            if says.is_some() {
                return Ok(says);
            }
        }
    }

    fn length_from(&mut self, input: &mut &[u8]) -> Result<Option<usize>, TransportError> {
        let missing = LENGTH_BYTES.saturating_sub(self.length.len());
        let (arrived, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        *input = rest;
        self.length.extend_from_slice(arrived);
        let Ok(length) = <[u8; LENGTH_BYTES]>::try_from(self.length.as_slice()) else { return Ok(None) };
        self.length.clear();
        let length = self.open.length(length);
        if length > CONTENTS_BYTES_MAX {
            return Err(TransportError::TooLarge(length));
        }
        Ok(Some(length))
    }
}

/// One byte that names it, or a zero and 12 bytes as in a frame; then the payload. Where it is named otherwise: how many bytes there were.
fn frame_of(mut contents: Vec<u8>) -> Result<Frame, usize> {
    let length = contents.len();
    let (command, named_by) = match contents.split_first() {
        Some((0, rest)) => {
            let name = rest.first_chunk::<12>().ok_or(length)?;
            (Command::from_bytes(*name), NAME_BYTES)
        }
        Some((number, _)) => {
            let at = usize::from(*number).saturating_sub(1);
            (*SHORT_COMMANDS.get(at).ok_or(length)?, 1)
        }
        None => return Err(length),
    };
    if command.name().is_none() {
        return Err(length);
    }
    contents.drain(..named_by);
    Ok(Frame { command, payload: contents })
}

#[cfg(test)]
#[path = "transport/tests.rs"]
mod tests;
