//! Calls as nearly all clients send them, answered by the shortest way: POST to the root over HTTP/1.1, a body whose length is said and that is
//! small, a user's credentials, a connection that is kept.
//!
//! Owns: a connection up to the first request that is anything else. That one goes on to hyper as it came, and all that follows it: whatever is
//! refused is refused there. Must not know: what a method does, nor how many may wait.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use adit_actors::clock::SystemClock;
use adit_domain::units::Clock;
use axum::http::StatusCode;
use httparse::{EMPTY_HEADER, Status};
use hyper::body::{Buf, Bytes};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::ends;
use super::guests::Guest;
use super::io::Timed;
use super::rpc::{self, BODY_BYTES_SMALL, Door, HEAD_BYTES_MAX};
use crate::request::Answer;

/// Headers of such a request: programs send half a dozen, browsers a dozen.
const HEADERS_MAX: usize = 24;
/// Room for what comes at a time: most requests have some hundred bytes.
const READ_BYTES: usize = 4 << 10;
/// Memory that a connection keeps between two requests, as with hyper.
const KEPT_BYTES_MAX: usize = super::HEAD_BYTES_MAX;
/// Bytes of an answer that are copied behind its head, so that both are one piece; a page.
const COPIED_BYTES_MAX: usize = 4 << 10;
/// What a head takes.
const HEAD_BYTES: usize = 256;

/// What the bytes that have come begin with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape<'a> {
    /// A call: bytes of its head, bytes of its body, its credentials.
    Call { head: usize, length: usize, shown: &'a [u8] },
    /// A head that is not whole.
    Part,
    /// Something else, or what is not sure.
    Other,
}

impl Shape<'_> {
    /// Whatever comes behind a head that is whole does not change it.
    pub(crate) fn of(came: &[u8]) -> Shape<'_> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(came) {
            Ok(Status::Complete(head)) if head <= HEAD_BYTES_MAX => head,
            Ok(Status::Partial) if came.len() <= HEAD_BYTES_MAX => return Shape::Part,
            _ => return Shape::Other,
        };
        if (request.method, request.path, request.version) != (Some("POST"), Some("/"), Some(1)) {
            return Shape::Other;
        }
        let (mut length, mut shown) = (None, None);
        for header in request.headers.iter() {
            let is_first = match header.name {
                name if name.eq_ignore_ascii_case("content-length") => {
                    length.replace(decimal(header.value)).is_none()
                }
                name if name.eq_ignore_ascii_case("authorization") => shown.replace(header.value).is_none(),
                name if name.eq_ignore_ascii_case("connection") => {
                    header.value.eq_ignore_ascii_case(b"keep-alive")
                }
                name => !CHANGES.iter().any(|other| name.eq_ignore_ascii_case(other)),
            };
            if !is_first {
                return Shape::Other;
            }
        }
        match (length.flatten(), shown) {
            (Some(length), Some(shown)) if length <= BODY_BYTES_SMALL => Shape::Call { head, length, shown },
            _ => Shape::Other,
        }
    }
}

/// Headers that change what a request is.
const CHANGES: [&str; 5] = ["expect", "transfer-encoding", "upgrade", "te", "trailer"];

/// Digits alone, without a sign.
fn decimal(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok()
}

/// Credentials that were proven on this connection, and whose they are.
struct Proven {
    shown: Vec<u8>,
    user: String,
}

/// What comes of listening.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Bytes,
    /// The other end says no more.
    End,
    /// Nothing for too long; or the server ends.
    Nothing,
}

/// What is to be answered next.
enum Next {
    /// Where its body begins and ends.
    Call {
        head: usize,
        end: usize,
    },
    Other,
    /// A call whose body does not come.
    Late,
}

/// A connection whose requests have been calls so far.
pub(super) struct Plain<W> {
    door: Arc<Door>,
    wire: Timed<W>,
    guest: Guest,
    waits: Waits,
    ending: watch::Receiver<bool>,
    /// What has come and is not answered yet.
    came: Vec<u8>,
    proven: Option<Proven>,
    date: Date,
}

impl<W: AsyncRead + AsyncWrite + Unpin> Plain<W> {
    pub(super) fn new(
        door: Arc<Door>,
        wire: Timed<W>,
        guest: Guest,
        ending: &watch::Receiver<bool>,
        patience: Duration,
    ) -> Plain<W> {
        let waits = Waits::new(ending.clone(), patience);
        let ending = ending.clone();
        Plain { door, wire, guest, waits, ending, came: Vec::new(), proven: None, date: Date::default() }
    }

    /// Answers calls, one after the other. The wire comes back with the first request that is something else; none where there will be no more.
    pub(super) async fn serve(mut self) -> io::Result<Option<Timed<W>>> {
        while !self.came.is_empty() || self.hear(READ_BYTES).await? == Heard::Bytes {
            let (head, end) = match self.next().await? {
                Next::Call { head, end } => (head, end),
                Next::Other => break,
                Next::Late => {
                    self.write(Some(Answer::bare(StatusCode::REQUEST_TIMEOUT)), true).await?;
                    return Ok(None);
                }
            };
            let Some(user) = self.proven.as_ref().map(|proven| proven.user.as_str()) else { break };
            let body = self.came.get(head..end).unwrap_or_default();
            let answer = rpc::carried_out(&self.door, user, body).await;
            self.forget(end);
            let closes = *self.ending.borrow();
            // What it takes is counted until it has been taken.
            let (answer, _room) = answer.unzip();
            self.write(answer, closes).await?;
            if closes {
                break;
            }
        }
        Ok(self.rest())
    }

    /// What is left for hyper; nothing where nothing has come, or nothing is answered any more.
    fn rest(self) -> Option<Timed<W>> {
        let goes_on = !self.came.is_empty() && !*self.ending.borrow();
        goes_on.then(|| self.wire.behind(self.came))
    }

    /// Takes more in, with so much room.
    async fn hear(&mut self, room: usize) -> io::Result<Heard> {
        self.came.reserve_exact(room);
        tokio::select! {
            biased;
            read = self.wire.read_buf(&mut self.came) => Ok(if read? > 0 { Heard::Bytes } else { Heard::End }),
            () = self.waits.over() => Ok(Heard::Nothing),
        }
    }

    /// The call that comes next, once its user is known and its body is there. A head that has not come whole is not waited for here: nobody has
    /// us look at the same bytes again for each that he adds.
    async fn next(&mut self) -> io::Result<Next> {
        let Shape::Call { head, length, shown } = Shape::of(&self.came) else { return Ok(Next::Other) };
        if !proves(&self.door, &mut self.proven, shown) {
            return Ok(Next::Other);
        }
        self.guest.prove();
        let end = head.saturating_add(length);
        while let missing @ 1.. = end.saturating_sub(self.came.len()) {
            match self.hear(missing).await? {
                Heard::Bytes => {}
                Heard::End => return Ok(Next::Other),
                Heard::Nothing => return Ok(Next::Late),
            }
        }
        Ok(Next::Call { head, end })
    }

    /// What was answered is not kept, nor more memory than the next call is likely to take.
    fn forget(&mut self, end: usize) {
        self.came.drain(..end.min(self.came.len()));
        if self.came.capacity() > KEPT_BYTES_MAX {
            self.came.shrink_to(KEPT_BYTES_MAX);
        }
    }

    async fn write(&mut self, answer: Option<Answer>, closes: bool) -> io::Result<()> {
        let mut out = Out::of(answer, self.date.text(), closes);
        self.wire.write_all_buf(&mut out).await
    }
}

/// Whether these credentials are a user's; they are looked at once as long as they stay the same.
fn proves(door: &Door, proven: &mut Option<Proven>, shown: &[u8]) -> bool {
    if proven.as_ref().is_some_and(|known| bool::from(known.shown.ct_eq(shown))) {
        return true;
    }
    *proven = door.users.prove(shown).map(|user| Proven { shown: shown.to_vec(), user });
    proven.is_some()
}

/// What ends a wait for the other end.
struct Waits {
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// It is set later only when it has gone off, so that a request costs none.
    alarm: Pin<Box<Sleep>>,
    patience: Duration,
}

impl Waits {
    fn new(ending: watch::Receiver<bool>, patience: Duration) -> Waits {
        Waits { ended: Box::pin(ends(ending)), alarm: Box::pin(tokio::time::sleep(patience)), patience }
    }

    /// Comes back when somebody waits for too long, or the server ends; not to be asked again then.
    async fn over(&mut self) {
        let from = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = &mut self.ended => return,
                () = &mut self.alarm => {}
            }
            let left = self.patience.saturating_sub(from.elapsed());
            if left.is_zero() {
                return;
            }
            let again = Instant::now().checked_add(left);
            again.into_iter().for_each(|again| self.alarm.as_mut().reset(again));
        }
    }
}

/// The time as HTTP writes it, which is the same for a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn text(&mut self) -> &str {
        let second = SystemClock.now().to_seconds_floor();
        if second != self.second || self.text.is_empty() {
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(second));
            self.text = httpdate::fmt_http_date(time.unwrap_or(SystemTime::UNIX_EPOCH));
            self.second = second;
        }
        &self.text
    }
}

/// An answer on its way: pieces, the first of which is its head.
#[derive(Default)]
struct Out {
    pieces: Vec<Bytes>,
    /// The first that is not written yet.
    at: usize,
}

impl Out {
    /// None: too many wait already.
    fn of(answer: Option<Answer>, date: &str, closes: bool) -> Out {
        let (status, kind, body) = match answer {
            Some(Answer { status, body: Some(pieces) }) => (status, rpc::JSON_TEXT, pieces),
            Some(Answer { status, body: None }) => (status, rpc::HTML_TEXT, Vec::new()),
            None => (
                StatusCode::SERVICE_UNAVAILABLE,
                rpc::HTML_TEXT,
                vec![Bytes::from_static(rpc::TOO_MANY.as_bytes())],
            ),
        };
        let bytes = body.iter().map(Bytes::len).fold(0, usize::saturating_add);
        let mut first = Vec::with_capacity(HEAD_BYTES.saturating_add(bytes.min(COPIED_BYTES_MAX)));
        head(status, kind, bytes, date, closes, &mut first);
        if bytes <= COPIED_BYTES_MAX {
            body.iter().for_each(|piece| first.extend_from_slice(piece));
            return Out { pieces: vec![first.into()], at: 0 };
        }
        Out { pieces: std::iter::once(first.into()).chain(body).collect(), at: 0 }
    }
}

fn head(status: StatusCode, kind: &str, bytes: usize, date: &str, closes: bool, out: &mut Vec<u8>) {
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    put(&["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"]);
    if status != StatusCode::NO_CONTENT {
        put(&["Content-Type: ", kind, "\r\nContent-Length: ", &bytes.to_string(), "\r\n"]);
    }
    if closes {
        put(&["Connection: close\r\n"]);
    }
    put(&["Date: ", date, "\r\n\r\n"]);
}

impl Buf for Out {
    fn remaining(&self) -> usize {
        self.left().map(Bytes::len).fold(0, usize::saturating_add)
    }

    fn chunk(&self) -> &[u8] {
        self.left().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [io::IoSlice<'a>]) -> usize {
        let pieces = self.left().filter(|piece| !piece.is_empty());
        into.iter_mut().zip(pieces).map(|(slot, piece)| *slot = io::IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.get_mut(self.at) {
            let now = count.min(piece.len());
            piece.advance(now);
            count = count.saturating_sub(now);
            if !piece.is_empty() {
                return;
            }
            self.at = self.at.saturating_add(1);
        }
    }
}

impl Out {
    fn left(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter().skip(self.at)
    }
}

#[cfg(test)]
#[path = "plain/tests.rs"]
mod tests;
