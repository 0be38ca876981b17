//! A request of HTTP into a call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use axum::routing::any;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::auth::{Subnet, Users};
use crate::ctx::Ctx;
use crate::flood::{Flood, Said};
use crate::json::commas;
use crate::request::{Answer, Lane, Request as Asked};
use crate::rest::{self, Reply};

use super::guests::Guest;

/// Bytes of a request's line and headers, as Core has it. What is longer is refused; hyper bears twice as much for that.
pub(super) const HEAD_BYTES_MAX: usize = 8 << 10;
/// Bytes of a body, as Core has it: a block in hex is a quarter of it.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Bodies are read up to here without asking for room: those of all connections are 256 MB.
pub(super) const BODY_BYTES_SMALL: usize = 64 << 10;
/// Larger ones together, in KiB: eight of the largest; who sends one more waits.
const LARGE_BODIES_KIB_MAX: usize = 256 << 10;
/// Bytes of a body with a block: four million in hex, and what stands around them.
const BLOCK_BODY_BYTES_MAX: usize = (8 << 20) + (64 << 10);
/// What those that begin as one with a block does have for themselves, together, in KiB: four of them, whatever else is being read.
const BLOCK_BODIES_KIB_MAX: usize = 4 * (BLOCK_BODY_BYTES_MAX >> 10);
/// Blocks that are read and handed on at a time: they connect one after the other anyway.
const BLOCKS_AT_ONCE: usize = 4;
/// Blocks that wait beside them: a pool's programs send one each.
const BLOCKS_WAITING_MAX: usize = 64;
/// Thousands of values that large bodies are read into at a time, at a hundred bytes each with a name 400 MB: twice the most that one body may
/// have. A batch of a hundred thousand calls has four hundred.
const VALUES_K_MAX: usize = 4_000;
/// Answers to strangers, in KiB, that lie here until they are taken: two mempools of a hundred thousand transactions. Who asks for more gets
/// none, so that nobody fills the memory by asking and not reading.
const ANSWERS_KIB_MAX: usize = 256 << 10;
/// Answers to users, likewise: eight of the largest batches, beside those that are still being made.
const USERS_ANSWERS_KIB_MAX: usize = 512 << 10;
/// Answers up to this size are not counted: those of all connections are 256 MB.
const ANSWER_BYTES_SMALL: u64 = 64 << 10;
/// Bytes that a stranger may send to be thrown away, so that what it is told reaches it: a connection that is closed with bytes unread is reset.
const UNWANTED_BYTES_MAX: usize = BLOCK_BODY_BYTES_MAX;
/// What a wrong password costs, as in Core.
const WRONG_PASSWORD_COSTS: Duration = Duration::from_millis(250);
/// The type of an answer.
pub(super) const JSON_TEXT: &str = "application/json";
const JSON: HeaderValue = HeaderValue::from_static(JSON_TEXT);
/// The type of what has none of its own, as Core says it.
pub(super) const HTML_TEXT: &str = "text/html; charset=ISO-8859-1";
const HTML: HeaderValue = HeaderValue::from_static(HTML_TEXT);
/// What is said where the queue is full.
pub(super) const TOO_MANY: &str = "Work queue depth exceeded";
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"jsonrpc\"");

/// Where a connection comes from.
#[derive(Clone)]
pub(super) struct Remote(pub(super) SocketAddr, pub(super) Guest);

/// What stands between a request and a method.
pub(super) struct Door {
    pub(super) ctx: Arc<Ctx>,
    pub(super) users: Users,
    calls: Work,
    /// For blocks alone.
    blocks: Work,
    /// For those that wait for a template: as many as there are connections, since they take nothing.
    polls: Work,
    /// For strangers, who can so take no place of a user's.
    rest: Work,
    /// What larger bodies may take, in KiB.
    large: Semaphore,
    /// What those with blocks may take beside them.
    large_blocks: Semaphore,
    /// What large bodies may be read into, in thousands of values.
    values: Semaphore,
    /// What answers to users may take, in KiB.
    answers: Arc<Semaphore>,
    /// What answers to strangers may take, in KiB.
    rest_answers: Arc<Semaphore>,
    /// What the log says of wrong passwords.
    wrong: Mutex<Flood>,
}

impl Door {
    pub(super) fn new(ctx: Arc<Ctx>, users: Users) -> Door {
        let work = || Work::new(ctx.config.threads, ctx.config.work_queue);
        Door {
            calls: work(),
            blocks: Work::new(BLOCKS_AT_ONCE, BLOCKS_WAITING_MAX),
            polls: Work::new(ctx.config.connections_max, 0),
            rest: work(),
            ctx,
            users,
            large: Semaphore::new(LARGE_BODIES_KIB_MAX),
            large_blocks: Semaphore::new(BLOCK_BODIES_KIB_MAX),
            values: Semaphore::new(VALUES_K_MAX),
            answers: Arc::new(Semaphore::new(USERS_ANSWERS_KIB_MAX)),
            rest_answers: Arc::new(Semaphore::new(ANSWERS_KIB_MAX)),
            wrong: Mutex::default(),
        }
    }

    /// Room for a body that begins like this; for as much as it says that it has, or as it may have where it doesn't say.
    async fn room(&self, length: Option<usize>, begins: &[u8]) -> Option<SemaphorePermit<'_>> {
        let bytes = length.unwrap_or(BODY_BYTES_MAX);
        let is_block = bytes <= BLOCK_BODY_BYTES_MAX && Lane::likely(begins) == Lane::Blocks;
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        if is_block && let Ok(room) = self.large_blocks.try_acquire_many(kib) {
            return Some(room);
        }
        self.large.acquire_many(kib).await.ok()
    }

    /// Whether a connection from there is answered anything at all.
    pub(super) fn lets_in(&self, remote: SocketAddr) -> bool {
        Subnet::allows(&self.ctx.config.allow, remote.ip())
    }

    /// Room for what a body is read into; small ones need none, since so few are let in.
    async fn values(&self, body: &[u8]) -> Option<SemaphorePermit<'_>> {
        if body.len() <= BODY_BYTES_SMALL {
            return None;
        }
        // One that has too many is refused by its reader.
        let thousands = (commas(body) / 1_000).min(VALUES_K_MAX);
        self.values.acquire_many(u32::try_from(thousands).unwrap_or(u32::MAX)).await.ok()
    }

    fn work(&self, lane: Lane) -> &Work {
        match lane {
            Lane::Calls => &self.calls,
            Lane::Blocks => &self.blocks,
            Lane::Polls => &self.polls,
        }
    }
}

/// How many calls are carried out at a time, and how many wait.
struct Work {
    places: Semaphore,
    inside: AtomicUsize,
    inside_max: usize,
}

impl Work {
    fn new(places: usize, waiting_max: usize) -> Work {
        let inside_max = places.max(1).saturating_add(waiting_max);
        Work { places: Semaphore::new(places.max(1)), inside: AtomicUsize::new(0), inside_max }
    }

    /// Lets one in, to wait for a place; none where too many are inside already.
    fn enter(&self) -> Option<Inside<'_>> {
        let inside = Inside(self);
        (self.inside.fetch_add(1, Ordering::SeqCst) < self.inside_max).then_some(inside)
    }
}

/// One who was let in, until it is dropped.
struct Inside<'a>(&'a Work);

impl<'a> Inside<'a> {
    async fn place(&self) -> Option<SemaphorePermit<'a>> {
        self.0.places.acquire().await.ok()
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The paths.
pub(super) fn routes(door: &Arc<Door>) -> Router {
    Router::new()
        .route("/", any(call))
        .route("/wallet/", any(call))
        .route("/wallet/{*name}", any(call))
        .fallback(other)
        .with_state(Arc::clone(door))
}

/// What anyone may read, where that is served; or nothing.
async fn other(
    State(door): State<Arc<Door>>,
    Extension(remote): Extension<Remote>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(status) = refusal(&door, &remote, &request) {
        return refused(status);
    }
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    if !door.ctx.config.rest || !rest::is_path(&target) {
        return bare(StatusCode::NOT_FOUND);
    }
    let whole = body(&door, request, None, rest::BODY_BYTES_MAX);
    let body = match tokio::time::timeout(door.ctx.config.timeout, whole).await {
        Ok(Ok((body, _))) => body,
        Ok(Err(status)) => return refused(status),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT),
    };
    remote.1.speak();
    let Some(inside) = door.rest.enter() else { return too_many() };
    let _place = inside.place().await;
    match rest::answer(&door.ctx, &target, &body).await {
        Some(reply) => told(&door, reply),
        None => bare(StatusCode::NOT_FOUND),
    }
}

/// Who may not even ask, and what is no question.
fn refusal(door: &Door, Remote(remote, _): &Remote, request: &Request<Body>) -> Option<StatusCode> {
    if head_bytes(request) > HEAD_BYTES_MAX {
        return Some(StatusCode::BAD_REQUEST);
    }
    if !door.lets_in(*remote) {
        return Some(StatusCode::FORBIDDEN);
    }
    let known = [Method::GET, Method::POST, Method::HEAD, Method::PUT].contains(request.method());
    (!known).then_some(StatusCode::METHOD_NOT_ALLOWED)
}

/// What the line and the headers of a request took, but for spaces that mean nothing.
fn head_bytes(request: &Request<Body>) -> usize {
    /// Two spaces, the version, and the end of the line; a colon, a space, and the end of the line.
    const LINE: usize = 12;
    const HEADER: usize = 4;
    let target = |uri: &Uri| uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len().saturating_add(target(request.uri())).saturating_add(LINE);
    request.headers().iter().fold(line, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len()).saturating_add(HEADER)
    })
}

async fn call(
    State(door): State<Arc<Door>>,
    Extension(remote): Extension<Remote>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(status) = refusal(&door, &remote, &request) {
        return refused(status);
    }
    if request.method() != Method::POST {
        let text = "JSONRPC server handles only POST requests";
        return with_text(StatusCode::METHOD_NOT_ALLOWED, text);
    }
    let Some(user) = proven(&door, &remote, request.headers()).await else {
        // Whoever asks before he sends it keeps it.
        if !request.headers().contains_key(EXPECT) {
            tokio::spawn(throw_away(door.ctx.config.timeout, request.into_body()));
        }
        return stranger();
    };
    let length = match said_length(request.headers()) {
        Some(length) if length > BODY_BYTES_MAX => return refused(StatusCode::PAYLOAD_TOO_LARGE),
        length => length,
    };
    let (body, _room) = match body(&door, request, length, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(status) => return refused(status),
    };
    carried_out(&door, &user, body).await.map_or_else(too_many, written)
}

/// What is answered to a user's body, and its room until it is taken; none where too many wait already, to be carried out or to be taken. The body is
/// let go of once it is read.
pub(super) async fn carried_out(door: &Door, user: &str, body: impl AsRef<[u8]>) -> Option<(Answer, Room)> {
    if !door.users.may_call_any(user) {
        return Some((Answer::bare(StatusCode::FORBIDDEN), None));
    }
    // As many bodies are read into values as are let in: what waits is bounded by that.
    let likely = Lane::likely(body.as_ref());
    let mut inside = door.work(likely).enter()?;
    let _values = door.values(body.as_ref()).await;
    let request = Asked::read(body.as_ref());
    drop(body);
    if likely != Lane::Calls && request.lane() != likely {
        inside = door.calls.enter()?;
    }
    let _place = inside.place().await;
    let answer = request.answer(&door.ctx, |method| door.users.may_call(user, method)).await;
    let bytes = answer.body.iter().flatten().map(length_of).fold(0, u64::saturating_add);
    let room = room_for(bytes, &door.answers, USERS_ANSWERS_KIB_MAX)?;
    Some((answer, room))
}

/// The user; none where it is a stranger.
async fn proven(door: &Door, Remote(remote, guest): &Remote, headers: &HeaderMap) -> Option<String> {
    let shown = headers.get(AUTHORIZATION)?;
    if let Some(user) = door.users.prove(shown.as_bytes()) {
        guest.prove();
        return Some(user);
    }
    let said = door.wrong.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
    match said {
        Said::Yes { unsaid: 0 } => tracing::warn!(%remote, "incorrect password attempt"),
        Said::Yes { unsaid } => {
            tracing::warn!(%remote, "incorrect password attempt, and {unsaid} before it that are not told one by one");
        }
        Said::No => {}
    }
    tokio::time::sleep(WRONG_PASSWORD_COSTS).await;
    None
}

/// Reads what a stranger sends and forgets it, for a while and up to a size.
async fn throw_away(within: Duration, mut body: Body) {
    let mut bytes = 0_usize;
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if bytes > UNWANTED_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever takes longer is not waited for.
    let _ = tokio::time::timeout(within, all).await;
}

fn said_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body of so many bytes at most, as long as more of it keeps coming, and the room that it takes.
async fn body(
    door: &Door,
    request: Request<Body>,
    length: Option<usize>,
    most: usize,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), StatusCode> {
    let mut body = request.into_body();
    let (mut whole, mut room) = (Vec::new(), None);
    loop {
        let frame = tokio::time::timeout(door.ctx.config.timeout, body.frame()).await;
        match frame.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
            None => return Ok((whole.into(), room)),
            Some(Err(_)) => return Err(StatusCode::BAD_REQUEST),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                let bytes = whole.len().saturating_add(data.len());
                if bytes > most {
                    return Err(StatusCode::PAYLOAD_TOO_LARGE);
                }
                if whole.is_empty() && body.is_end_stream() {
                    return Ok((data, None));
                }
                whole.extend_from_slice(&data);
                if bytes > BODY_BYTES_SMALL && room.is_none() {
                    room = door.room(length, &whole).await;
                }
            }
        }
    }
}

/// What an answer takes until it has been taken, or nobody takes it any more; small ones take nothing.
pub(super) type Room = Option<OwnedSemaphorePermit>;

/// None where there is no room for so many bytes.
fn room_for(bytes: u64, all: &Arc<Semaphore>, most_kib: usize) -> Option<Room> {
    if bytes <= ANSWER_BYTES_SMALL {
        return Some(None);
    }
    // One that is larger than all of it has it for itself.
    let kib = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).min(most_kib);
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    Arc::clone(all).try_acquire_many_owned(kib).ok().map(Some)
}

/// The answer's pieces, one after the other; how many bytes there are is known.
struct Pieces {
    rest: std::vec::IntoIter<Bytes>,
    bytes: u64,
    _room: Room,
}

impl Pieces {
    fn new(pieces: Vec<Bytes>, room: Room) -> Pieces {
        let bytes = pieces.iter().map(length_of).fold(0, u64::saturating_add);
        Pieces { rest: pieces.into_iter(), bytes, _room: room }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.rest.next();
        self.bytes = self.bytes.saturating_sub(next.as_ref().map_or(0, length_of));
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

fn length_of(piece: &Bytes) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

/// An answer to a user.
fn written((Answer { status, body }, room): (Answer, Room)) -> Response<Body> {
    let Some(pieces) = body else { return bare(status) };
    whole(status, JSON, Pieces::new(pieces, room))
}

/// An answer to a stranger.
fn told(door: &Door, Reply { status, kind, body }: Reply) -> Response<Body> {
    let body = Bytes::from(body);
    match room_for(length_of(&body), &door.rest_answers, ANSWERS_KIB_MAX) {
        Some(room) => whole(status, HeaderValue::from_static(kind), Pieces::new(vec![body], room)),
        None => with_text(StatusCode::SERVICE_UNAVAILABLE, "Too many answers wait to be taken"),
    }
}

fn whole(status: StatusCode, kind: HeaderValue, pieces: Pieces) -> Response<Body> {
    let mut response = Response::new(Body::new(pieces));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn too_many() -> Response<Body> {
    with_text(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY)
}

/// What ends the connection too: what was not read of the request is not looked at.
fn refused(status: StatusCode) -> Response<Body> {
    let mut response = bare(status);
    let ends = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
    if ends.contains(&status) {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        // As Core says it of what has no type of its own.
        response.headers_mut().insert(CONTENT_TYPE, HTML);
    }
    response
}

fn with_text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    response
}

fn stranger() -> Response<Body> {
    let mut response = bare(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, REALM);
    response
}

#[cfg(test)]
mod tests;
