//! A request of HTTP into a call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use axum::routing::any;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::{Subnet, Users};
use crate::ctx::Ctx;
use crate::request::{Answer, answer};

/// Bytes of a body, as Core has it: a block in hex is a quarter of it.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Bodies up to this size are read at once: those of all connections are 256 MB.
const BODY_BYTES_SMALL: usize = 64 << 10;
/// Larger ones together, in KiB: eight of the largest; who sends one more waits.
const LARGE_BODIES_KIB_MAX: usize = 256 << 10;
/// What a wrong password costs, as in Core.
const WRONG_PASSWORD_COSTS: Duration = Duration::from_millis(250);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=ISO-8859-1");
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"jsonrpc\"");

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

/// What stands between a request and a method.
pub(super) struct Door {
    pub(super) ctx: Arc<Ctx>,
    pub(super) users: Users,
    pub(super) work: Work,
    /// What larger bodies may take, in KiB.
    pub(super) large: Semaphore,
}

impl Door {
    pub(super) fn new(ctx: Arc<Ctx>, users: Users, work: Work) -> Door {
        Door { ctx, users, work, large: Semaphore::new(LARGE_BODIES_KIB_MAX) }
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
        .fallback(nothing)
        .with_state(Arc::clone(door))
}

/// Nothing is there; but first whether anyone may look.
async fn nothing(
    State(door): State<Arc<Door>>,
    Extension(remote): Extension<Remote>,
    request: Request<Body>,
) -> Response<Body> {
    let status = refusal(&door, remote, request.method()).unwrap_or(StatusCode::NOT_FOUND);
    bare(status)
}

/// Who may not even ask, and what is no question.
fn refusal(door: &Door, Remote(remote): Remote, method: &Method) -> Option<StatusCode> {
    if !Subnet::allows(&door.ctx.config.allow, remote.ip()) {
        return Some(StatusCode::FORBIDDEN);
    }
    let known = [Method::GET, Method::POST, Method::HEAD, Method::PUT].contains(method);
    (!known).then_some(StatusCode::METHOD_NOT_ALLOWED)
}

async fn call(
    State(door): State<Arc<Door>>,
    Extension(remote): Extension<Remote>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(status) = refusal(&door, remote, request.method()) {
        return bare(status);
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
        Some(length) if length > BODY_BYTES_MAX => return bare(StatusCode::PAYLOAD_TOO_LARGE),
        length => length,
    };
    let _room = door.room(length).await;
    let body = match body(&door, request).await {
        Ok(body) => body,
        Err(status) => return bare(status),
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

/// The whole body, as long as more of it keeps coming.
async fn body(door: &Door, request: Request<Body>) -> Result<Bytes, StatusCode> {
    let mut body = request.into_body();
    let mut whole = Vec::new();
    loop {
        let frame = tokio::time::timeout(door.ctx.config.timeout, body.frame()).await;
        match frame.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
            None => return Ok(whole.into()),
            Some(Err(_)) => return Err(StatusCode::BAD_REQUEST),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if whole.len().saturating_add(data.len()) > BODY_BYTES_MAX {
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

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
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
