//! A request of HTTP into a call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use axum::routing::any;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::auth::{Subnet, Users};
use crate::ctx::Ctx;
use crate::request::{Answer, answer};
use crate::rest::{self, Reply};

/// Bytes of a request's line and headers, as Core has it. What is longer is refused; hyper bears twice as much for that.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Bytes of a body, as Core has it: a block in hex is a quarter of it.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Bodies up to this size are read at once: those of all connections are 256 MB.
const BODY_BYTES_SMALL: usize = 64 << 10;
/// Larger ones together, in KiB: eight of the largest; who sends one more waits.
const LARGE_BODIES_KIB_MAX: usize = 256 << 10;
/// Answers to strangers, in KiB, that lie here until they are taken: two mempools of a hundred thousand transactions. Who asks for more gets
/// none, so that nobody fills the memory by asking and not reading.
const ANSWERS_KIB_MAX: usize = 256 << 10;
/// Answers up to this size are not counted: those of all connections are 256 MB.
const ANSWER_BYTES_SMALL: usize = 64 << 10;
/// What a wrong password costs, as in Core.
const WRONG_PASSWORD_COSTS: Duration = Duration::from_millis(250);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=ISO-8859-1");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"jsonrpc\"");

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

/// What stands between a request and a method.
pub(super) struct Door {
    pub(super) ctx: Arc<Ctx>,
    pub(super) users: Users,
    pub(super) work: Work,
    /// The same for strangers, who can so take no place of a user's.
    pub(super) work_rest: Work,
    /// What larger bodies may take, in KiB.
    pub(super) large: Semaphore,
    /// What answers to strangers may take, in KiB.
    answers: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(ctx: Arc<Ctx>, users: Users) -> Door {
        let work = || Work::new(ctx.config.threads, ctx.config.work_queue);
        let (work, work_rest) = (work(), work());
        let large = Semaphore::new(LARGE_BODIES_KIB_MAX);
        Door { ctx, users, work, work_rest, large, answers: Arc::new(Semaphore::new(ANSWERS_KIB_MAX)) }
    }

    /// Room for a body; as much as it says that it has, or as it may have where it doesn't say.
    async fn room(&self, length: Option<usize>) -> Option<SemaphorePermit<'_>> {
        let bytes = length.unwrap_or(BODY_BYTES_MAX);
        if bytes <= BODY_BYTES_SMALL {
            return None;
        }
        self.large.acquire_many(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)).await.ok()
    }
}

/// How many calls are carried out at a time, and how many wait.
pub(super) struct Work {
    places: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Work {
    pub(super) fn new(places: usize, waiting_max: usize) -> Work {
        let (places, waiting) = (Semaphore::new(places.max(1)), AtomicUsize::new(0));
        Work { places, waiting, waiting_max: waiting_max.max(1) }
    }

    /// Waits for a place; none where too many wait already.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let waits = Waits(&self.waiting);
        if waits.0.fetch_add(1, Ordering::SeqCst) >= self.waiting_max {
            return None;
        }
        self.places.acquire().await.ok()
    }
}

/// Counts one who waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
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
    if let Some(status) = refusal(&door, remote, &request) {
        return refused(status);
    }
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    if !door.ctx.config.rest || !rest::is_path(&target) {
        return bare(StatusCode::NOT_FOUND);
    }
    let body = match body(&door, request, rest::BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(status) => return bare(status),
    };
    let Some(_place) = door.work_rest.place().await else {
        return with_text(StatusCode::SERVICE_UNAVAILABLE, "Work queue depth exceeded");
    };
    match rest::answer(&door.ctx, &target, &body).await {
        Some(reply) => told(&door, reply),
        None => bare(StatusCode::NOT_FOUND),
    }
}

/// Who may not even ask, and what is no question.
fn refusal(door: &Door, Remote(remote): Remote, request: &Request<Body>) -> Option<StatusCode> {
    if head_bytes(request) > HEAD_BYTES_MAX {
        return Some(StatusCode::BAD_REQUEST);
    }
    if !Subnet::allows(&door.ctx.config.allow, remote.ip()) {
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
    if let Some(status) = refusal(&door, remote, &request) {
        return refused(status);
    }
    if request.method() != Method::POST {
        let text = "JSONRPC server handles only POST requests";
        return with_text(StatusCode::METHOD_NOT_ALLOWED, text);
    }
    let user = match proven(&door, remote, request.headers()).await {
        Ok(user) => user,
        Err(refused) => return refused,
    };
    let length = match said_length(request.headers()) {
        Some(length) if length > BODY_BYTES_MAX => return refused(StatusCode::PAYLOAD_TOO_LARGE),
        length => length,
    };
    let _room = door.room(length).await;
    let body = match body(&door, request, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(status) => return refused(status),
    };
    if !door.users.may_call_any(&user) {
        return bare(StatusCode::FORBIDDEN);
    }
    let Some(_place) = door.work.place().await else {
        return with_text(StatusCode::SERVICE_UNAVAILABLE, "Work queue depth exceeded");
    };
    written(answer(&door.ctx, &body, |method| door.users.may_call(&user, method)).await)
}

/// The user, or what is answered to a stranger.
async fn proven(door: &Door, Remote(remote): Remote, headers: &HeaderMap) -> Result<String, Response<Body>> {
    let Some(shown) = headers.get(AUTHORIZATION) else { return Err(stranger()) };
    if let Some(user) = door.users.prove(shown.as_bytes()) {
        return Ok(user);
    }
    tracing::warn!(%remote, "incorrect password attempt");
    tokio::time::sleep(WRONG_PASSWORD_COSTS).await;
    Err(stranger())
}

fn said_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body of so many bytes at most, as long as more of it keeps coming.
async fn body(door: &Door, request: Request<Body>, most: usize) -> Result<Bytes, StatusCode> {
    let mut body = request.into_body();
    let mut whole = Vec::new();
    loop {
        let frame = tokio::time::timeout(door.ctx.config.timeout, body.frame()).await;
        match frame.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
            None => return Ok(whole.into()),
            Some(Err(_)) => return Err(StatusCode::BAD_REQUEST),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if whole.len().saturating_add(data.len()) > most {
                    return Err(StatusCode::PAYLOAD_TOO_LARGE);
                }
                whole.extend_from_slice(&data);
            }
        }
    }
}

fn written(Answer { status, body }: Answer) -> Response<Body> {
    let Some(body) = body else { return bare(status) };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Bytes that count against what answers may take until they have been written.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer to a stranger.
fn told(door: &Door, Reply { status, kind, body }: Reply) -> Response<Body> {
    let body = if body.len() <= ANSWER_BYTES_SMALL {
        Bytes::from(body)
    } else {
        // One that is larger than all of it has it for itself.
        let kib = u32::try_from((body.len() / 1024).min(ANSWERS_KIB_MAX)).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&door.answers).try_acquire_many_owned(kib) else {
            return with_text(StatusCode::SERVICE_UNAVAILABLE, "Too many answers wait to be taken");
        };
        Bytes::from_owner(Held { bytes: body, _permit: permit })
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What ends the connection too: what was not read of the request is not looked at.
fn refused(status: StatusCode) -> Response<Body> {
    let mut response = bare(status);
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) {
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
