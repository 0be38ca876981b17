//! ZMTP 3.0 with the mechanism NULL, as far as a publisher speaks it: RFC 23 of ZeroMQ.
//!
//! Pure: bytes in, bytes out. A greeting has 64 bytes: signature (`ff`, 8 of padding, `7f`), version (`03 00`), mechanism (20, filled up with
//! zeros), whether it is a server, 31 zeros. A frame: flags (1: another follows; 2: its size has 8 bytes, big-endian, not one; 4: a command),
//! size, body. A command's body: the length of its name, its name, data.

use thiserror::Error;

pub(super) const GREETING_BYTES: usize = 64;
/// Bytes of a frame that a subscriber may send: a topic is a word, a command has a few properties. What is larger is no subscriber's.
pub(super) const FRAME_BYTES_MAX: usize = 1024;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// Names, each behind its length.
const READY: &[u8] = b"\x05READY";
const SOCKET_TYPE: &[u8] = b"\x0bSocket-Type";
const PING: &[u8] = b"\x04PING";
/// A ping carries, behind how long it lives, so many bytes at most that its answer has too.
const CONTEXT_BYTES_MAX: usize = 16;

/// Why nobody speaks with this peer any more.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum WireError {
    #[error("no greeting of ZMTP 3")]
    Greeting,
    #[error("a mechanism other than NULL")]
    Mechanism,
    #[error("a frame of more than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    #[error("a command that can't be read")]
    Command,
    #[error("not a subscriber")]
    NotSub,
}

/// What is said first.
pub(super) fn greeting() -> [u8; GREETING_BYTES] {
    let mut bytes = [0; GREETING_BYTES];
    let parts: [(usize, &[u8]); 3] =
        [(0, &[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]), (10, &[3, 0]), (12, b"NULL")];
    for (from, part) in parts {
        bytes.iter_mut().skip(from).zip(part).for_each(|(to, byte)| *to = *byte);
    }
    bytes
}

/// Whether the other's greeting is one.
pub(super) fn check_greeting(bytes: &[u8; GREETING_BYTES]) -> Result<(), WireError> {
    let part = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
    let signed = part(0, 1) == [0xff] && part(9, 10) == [0x7f];
    if !signed || part(10, 11).first().is_none_or(|major| *major < 3) {
        return Err(WireError::Greeting);
    }
    if part(12, 32).strip_prefix(b"NULL").is_none_or(|rest| rest.iter().any(|byte| *byte != 0)) {
        return Err(WireError::Mechanism);
    }
    Ok(())
}

/// What a publisher says of itself.
pub(super) fn ready() -> Vec<u8> {
    let mut body = READY.to_vec();
    property(&mut body, SOCKET_TYPE, b"PUB");
    property(&mut body, b"\x08Identity", b"");
    command(&body)
}

fn property(body: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    body.extend(name);
    body.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend(value);
}

fn command(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(9));
    head(&mut out, COMMAND, body.len());
    out.extend(body);
    out
}

/// A frame's flags and size.
fn head(out: &mut Vec<u8>, flags: u8, size: usize) {
    match u8::try_from(size) {
        Ok(size) => out.extend([flags, size]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend(u64::try_from(size).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
}

/// What stands before and behind a message's body: its topic's frame and the body's head; the counter's frame.
pub(super) fn message(topic: &[u8], body_bytes: usize, counter: u32) -> (Vec<u8>, Vec<u8>) {
    let mut before = Vec::with_capacity(topic.len().saturating_add(11));
    head(&mut before, MORE, topic.len());
    before.extend(topic);
    head(&mut before, MORE, body_bytes);
    let mut behind = Vec::with_capacity(6);
    head(&mut behind, 0, 4);
    behind.extend(counter.to_le_bytes());
    (before, behind)
}

/// A whole frame that a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    is_command: bool,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame, and how many bytes it took; none where more must come.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Option<(Frame<'a>, usize)>, WireError> {
        let Some((flags, rest)) = bytes.split_first() else { return Ok(None) };
        let (size, head_bytes) = if flags & LONG == 0 {
            let Some(size) = rest.first() else { return Ok(None) };
            (u64::from(*size), 2)
        } else {
            let Some(size) = rest.first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*size), 9)
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= FRAME_BYTES_MAX);
        let size = size.ok_or(WireError::TooLong)?;
        let end = size.saturating_add(head_bytes);
        let body = bytes.get(head_bytes..end);
        Ok(body.map(|body| (Frame { is_command: flags & COMMAND != 0, body }, end)))
    }
}

/// What a frame of a subscriber means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// It is a subscriber.
    Ready,
    /// It wants what begins so.
    Subscribe(&'a [u8]),
    /// It wants it no more.
    Cancel(&'a [u8]),
    /// It wants this sent back.
    Ping(Vec<u8>),
    /// Nothing that concerns a publisher.
    Other,
}

impl<'a> Said<'a> {
    pub(super) fn of(frame: &Frame<'a>) -> Result<Said<'a>, WireError> {
        if frame.is_command {
            return Said::of_command(frame.body);
        }
        Ok(match frame.body.split_first() {
            Some((1, prefix)) => Said::Subscribe(prefix),
            Some((0, prefix)) => Said::Cancel(prefix),
            _ => Said::Other,
        })
    }

    fn of_command(body: &'a [u8]) -> Result<Said<'a>, WireError> {
        if let Some(properties) = body.strip_prefix(READY) {
            return if is_subscriber(properties)? { Ok(Said::Ready) } else { Err(WireError::NotSub) };
        }
        // As version 3.1 says it.
        if let Some(prefix) = body.strip_prefix(b"\x09SUBSCRIBE") {
            return Ok(Said::Subscribe(prefix));
        }
        if let Some(prefix) = body.strip_prefix(b"\x06CANCEL") {
            return Ok(Said::Cancel(prefix));
        }
        if let Some(rest) = body.strip_prefix(PING) {
            let context = rest.get(2..).filter(|context| context.len() <= CONTEXT_BYTES_MAX);
            let context = context.ok_or(WireError::Command)?;
            return Ok(Said::Ping(command(&[b"\x04PONG".as_slice(), context].concat())));
        }
        Ok(Said::Other)
    }
}

/// Whether a `READY` is that of a subscriber.
fn is_subscriber(mut properties: &[u8]) -> Result<bool, WireError> {
    let take = |from: &mut &[u8], count: usize| -> Result<Vec<u8>, WireError> {
        let (part, rest) = from.split_at_checked(count).ok_or(WireError::Command)?;
        *from = rest;
        Ok(part.to_vec())
    };
    let mut found = false;
    while let Some((length, rest)) = properties.split_first() {
        properties = rest;
        let name = take(&mut properties, usize::from(*length))?;
        let size = take(&mut properties, 4)?.try_into().map(u32::from_be_bytes);
        let size = size.ok().and_then(|size| usize::try_from(size).ok()).ok_or(WireError::Command)?;
        let value = take(&mut properties, size)?;
        let is_type =
            SOCKET_TYPE.strip_prefix(b"\x0b").is_some_and(|known| known.eq_ignore_ascii_case(&name));
        found |= is_type && matches!(value.as_slice(), b"SUB" | b"XSUB");
    }
    Ok(found)
}
