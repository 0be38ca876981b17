//! Messages' frames: 4 bytes magic, 12 bytes command (ASCII, padded with zeros), 4 bytes length (little-endian), 4 bytes
//! checksum (the first of the payload's double SHA-256), then the payload.

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::p2p::Magic;
use thiserror::Error;

use super::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_GROWTH_BYTES_MAX};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 24;

/// A command as it stands in a frame: ASCII, padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command([u8; 12]);

impl Command {
    /// A command by its name; what is beyond 12 bytes is cut off.
    pub fn new(name: &str) -> Command {
        let mut bytes = [0; 12];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Command(bytes)
    }

    /// A command as it stands in a frame.
    pub(super) fn from_bytes(padded: [u8; 12]) -> Command {
        Command(padded)
    }

    /// What of it can be shown.
    pub fn shown(&self) -> String {
        self.0.iter().filter(|byte| (0x20..0x7f).contains(*byte)).map(|byte| char::from(*byte)).collect()
    }

    /// Its name; nothing where it is not printable ASCII padded with zeros, which no command is.
    pub fn name(&self) -> Option<&str> {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let (name, padding) = self.0.split_at_checked(end)?;
        let sound = name.iter().all(|b| (0x20..0x7f).contains(b)) && padding.iter().all(|b| *b == 0);
        sound.then(|| std::str::from_utf8(name).ok()).flatten()
    }
}

/// A whole message, its checksum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub command: Command,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Why a stream of bytes is not followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Another network's, or no message's start.
    #[error("Wrong MessageStart {} received", hex(received))]
    Magic {
        /// What came in their place; zeros for what had not come yet.
        received: [u8; 4],
    },
    /// Longer than [`PAYLOAD_BYTES_MAX`].
    #[error("Size too large ({}, {claimed} bytes)", command.shown())]
    Oversized {
        /// Which message.
        command: Command,
        /// The length that its header claims.
        claimed: u32,
    },
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message that was skipped: its payload is not what its header says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "Wrong checksum ({}, {bytes} bytes), expected {} was {}",
    command.shown(),
    hex(expected),
    hex(claimed)
)]
pub struct Skipped {
    /// Which message.
    pub command: Command,
    /// Bytes of its payload.
    pub bytes: usize,
    expected: [u8; 4],
    claimed: [u8; 4],
}

/// Cuts a stream into frames. Holds no more memory than bytes that have arrived, and one step of growth.
#[derive(Debug)]
pub struct FrameDecoder {
    magic: Magic,
    header: Vec<u8>,
    body: Option<Body>,
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct Body {
    command: Command,
    bytes_claimed: usize,
    checksum: [u8; 4],
    payload: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    pub fn new(magic: Magic) -> FrameDecoder {
        FrameDecoder { magic, header: Vec::with_capacity(HEADER_BYTES), body: None, skipped: Vec::new() }
    }

    /// Messages that were skipped because of a wrong checksum, since this was last asked: no more than there were bytes for.
    pub fn take_skipped(&mut self) -> Vec<Skipped> {
        std::mem::take(&mut self.skipped)
    }

    /// Bytes of memory that it holds.
    pub fn capacity_bytes(&self) -> usize {
        self.header.capacity().saturating_add(self.body.as_ref().map_or(0, |b| b.payload.capacity()))
    }

    /// Whether a payload is on its way that will have at least so many bytes, and no room for them yet.
    pub fn lacks_room(&self, bytes: usize) -> bool {
        self.body.as_ref().is_some_and(|body| body.bytes_claimed >= bytes && body.payload.capacity() < bytes)
    }

    /// Gives the payload that is on its way another buffer, one that served before: memory that was used is had for less than new memory.
    pub fn reuse(&mut self, mut buffer: Vec<u8>) {
        if let Some(body) = &mut self.body {
            buffer.clear();
            buffer.extend_from_slice(&body.payload);
            body.payload = buffer;
        }
    }

    /// Takes bytes off the front of `input` until a frame is whole or `input` is empty.
    ///
    /// A frame with a wrong checksum is skipped and remembered, as Core does. After an error the stream has no meaning.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        loop {
            let body = match self.body.take() {
                Some(body) => body,
                None => match self.header_from(input)? {
                    Some(body) => body,
                    None => return Ok(None),
                },
            };
            match body.filled_from(input) {
                Filled::Partly(body) => {
                    self.body = Some(body);
                    return Ok(None);
                }
                Filled::Whole(frame) => return Ok(Some(frame)),
                Filled::Corrupt(skipped) => self.skipped.push(skipped),
            }
        }
    }

    fn header_from(&mut self, input: &mut &[u8]) -> Result<Option<Body>, FrameError> {
        let missing = HEADER_BYTES.saturating_sub(self.header.len());
        self.header.extend_from_slice(split_front(input, missing));
        let magic = self.magic.to_bytes();
        // A wrong start is seen with its first byte: nobody is waited for who speaks another protocol.
        if self.header.iter().zip(&magic).any(|(got, want)| got != want) {
            let mut received = [0; 4];
            received.iter_mut().zip(&self.header).for_each(|(to, from)| *to = *from);
            return Err(FrameError::Magic { received });
        }
        let Ok(header) = <[u8; HEADER_BYTES]>::try_from(self.header.as_slice()) else { return Ok(None) };
        self.header.clear();
        Body::announced_by(&header).map(Some)
    }
}

enum Filled {
    Partly(Body),
    Whole(Frame),
    Corrupt(Skipped),
}

impl Body {
    fn announced_by(header: &[u8; HEADER_BYTES]) -> Result<Body, FrameError> {
        let [_, _, _, _, command @ .., l0, l1, l2, l3, c0, c1, c2, c3] = *header;
        let claimed = u32::from_le_bytes([l0, l1, l2, l3]);
        let bytes_claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
        let command = Command(command);
        if bytes_claimed > PAYLOAD_BYTES_MAX {
            return Err(FrameError::Oversized { command, claimed });
        }
        let checksum = [c0, c1, c2, c3];
        Ok(Body { command, bytes_claimed, checksum, payload: Vec::new() })
    }

    fn filled_from(mut self, input: &mut &[u8]) -> Filled {
        loop {
            let missing = self.bytes_claimed.saturating_sub(self.payload.len());
            let step = split_front(input, missing.min(PAYLOAD_GROWTH_BYTES_MAX));
            if step.is_empty() {
                break;
            }
            reserve(&mut self.payload, step.len(), missing);
            self.payload.extend_from_slice(step);
        }
        if self.payload.len() < self.bytes_claimed {
            return Filled::Partly(self);
        }
        let (command, claimed, expected) = (self.command, self.checksum, checksum(&self.payload));
        if expected == claimed {
            return Filled::Whole(Frame { command, payload: self.payload });
        }
        Filled::Corrupt(Skipped { command, bytes: self.payload.len(), expected, claimed })
    }
}

/// Room for what has arrived: never more than one step, or as much again as is there, beyond it.
pub(super) fn reserve(payload: &mut Vec<u8>, arrived: usize, missing: usize) {
    let room = payload.capacity().saturating_sub(payload.len());
    if room >= arrived {
        return;
    }
    let growth = payload.len().clamp(arrived.min(PAYLOAD_GROWTH_BYTES_MAX), PAYLOAD_GROWTH_BYTES_MAX);
    payload.reserve_exact(growth.min(missing).max(arrived));
}

/// A frame's bytes. The caller keeps payloads within [`PAYLOAD_BYTES_MAX`].
pub fn encode_frame(magic: Magic, command: Command, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER_BYTES.saturating_add(payload.len()));
    bytes.extend_from_slice(&magic.to_bytes());
    bytes.extend_from_slice(&command.0);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(payload));
    bytes.extend_from_slice(payload);
    bytes
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d::Hash::hash(payload).to_byte_array();
    [a, b, c, d]
}

fn split_front<'a>(input: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (front, rest) = input.split_at_checked(at_most).unwrap_or((input, &[]));
    *input = rest;
    front
}

#[cfg(test)]
#[path = "framing/tests.rs"]
mod tests;
