//! Requests: one or a batch, of any version of JSON-RPC, into answers.

use axum::body::Bytes;
use axum::http::StatusCode;

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, Text, object};
use crate::methods;
use crate::named;
use crate::params::Params;

/// Calls of one batch: as many lie in a body of 32 MiB that are worth a name, at 32 bytes each a million; 100,000 of the
/// smallest answers are 10 MB, and a client that has more to ask asks twice.
const BATCH_MAX: usize = 100_000;
/// Bytes of a batch's answers together: eight times the largest block in hex. Beyond it each call is answered with an error.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Bytes of an answer beside its result, so that a large one is not moved for a few more.
const ANSWER_BYTES_AROUND: usize = 256;
/// Calls of a batch after which others have their turn on the same thread: at some microseconds each a third of a millisecond.
const BATCH_TURN: usize = 64;
/// Bytes at both ends of a body in which a miner's program names its method: what lies between is the block.
const ENDS_BYTES: usize = 256;
/// Bytes of a request that polls; beyond it waits among the calls.
const POLL_BYTES_MAX: usize = 1 << 10;

/// What is sent back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// In pieces; none: no body.
    pub(crate) body: Option<Vec<Bytes>>,
}

impl Answer {
    pub(crate) fn bare(status: StatusCode) -> Answer {
        Answer { status, body: None }
    }

    fn json(status: StatusCode, value: &Json) -> Answer {
        let room = value.length_at_least().saturating_add(ANSWER_BYTES_AROUND);
        let mut body = Text::with_capacity(room);
        value.write_to(&mut body);
        body.put("\n");
        Answer { status, body: Some(body.into_pieces()) }
    }
}

/// Whom a request waits with for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Everybody else.
    Calls,
    /// Blocks that were found: nobody's questions hold them up.
    Blocks,
    /// Those that wait for the next template: they take nobody's place meanwhile.
    Polls,
}

impl Lane {
    /// Which it looks like, before it is read.
    pub(crate) fn likely(body: &[u8]) -> Lane {
        let holds = |part: &[u8], word: &[u8]| memchr::memmem::find(part, word).is_some();
        let (first, last) = (body.get(..ENDS_BYTES), body.len().checked_sub(ENDS_BYTES));
        let ends = [first.unwrap_or(body), last.and_then(|from| body.get(from..)).unwrap_or_default()];
        match body.len() {
            _ if ends.iter().any(|end| holds(end, b"\"submitblock\"")) => Lane::Blocks,
            ..=POLL_BYTES_MAX if holds(body, b"\"longpollid\"") => Lane::Polls,
            _ => Lane::Calls,
        }
    }
}

/// A body that was read.
pub(crate) enum Request {
    One(Json),
    Batch(Vec<Json>),
    /// None, and what is said of it.
    Not(&'static str),
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Request {
        match crate::json::read(body) {
            Some(request @ Json::Object(_)) => Request::One(request),
            Some(Json::List(requests)) => Request::Batch(requests),
            Some(_) => Request::Not("Top-level object parse error"),
            None => Request::Not("Parse error"),
        }
    }

    /// Which it is.
    pub(crate) fn lane(&self) -> Lane {
        let Request::One(request) = self else { return Lane::Calls };
        match request.get("method").and_then(Json::as_str) {
            Some("submitblock") => Lane::Blocks,
            Some("getblocktemplate") if polls(request.get("params")) => Lane::Polls,
            _ => Lane::Calls,
        }
    }

    /// Carries it out, for a user who may call what `may_call` says.
    pub(crate) async fn answer(self, ctx: &Ctx, may_call: impl Fn(&str) -> bool) -> Answer {
        match self {
            Request::One(request) => single(ctx, request, may_call).await,
            Request::Batch(requests) => batch(ctx, requests, may_call).await,
            Request::Not(text) => Head::default().failed(RpcError::parse(text)),
        }
    }
}

/// Whether the arguments for a template name one that the caller has.
fn polls(params: Option<&Json>) -> bool {
    let request = match params {
        Some(Json::List(values)) => values.first(),
        Some(named) => named.get("template_request"),
        None => None,
    };
    request.and_then(|request| request.get("longpollid")).is_some_and(|id| !id.is_null())
}

/// Who asks for what, as far as it has been read; a batch's entries leave it to each other, as in Core.
struct Head {
    id: Option<Json>,
    is_v2: bool,
}

impl Default for Head {
    /// What nobody gave an id to is answered with a null.
    fn default() -> Head {
        Head { id: Some(Json::Null), is_v2: false }
    }
}

/// A call that was read.
struct Call {
    method: String,
    params: Json,
}

/// The fields of a request; of two with one name the first counts.
#[derive(Default)]
struct Fields {
    id: Option<Json>,
    version: Option<Json>,
    method: Option<Json>,
    params: Option<Json>,
}

impl Fields {
    fn of(request: Json) -> Option<Fields> {
        let Json::Object(given) = request else { return None };
        let mut fields = Fields::default();
        for (name, value) in given {
            let place = match name.as_ref() {
                "id" => &mut fields.id,
                "jsonrpc" => &mut fields.version,
                "method" => &mut fields.method,
                "params" => &mut fields.params,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        Some(fields)
    }
}

impl Head {
    fn read(&mut self, request: Json) -> Result<Call, RpcError> {
        let Some(Fields { id, version, method, params }) = Fields::of(request) else {
            return Err(RpcError::invalid_request("Invalid Request object"));
        };
        self.id = id;
        self.is_v2 = false;
        match version {
            None | Some(Json::Null) => {}
            // What a library for node.js sends: the number 1, and no other.
            Some(Json::Int(1)) => {}
            Some(Json::Double(version)) if [1.0, 1.1].contains(&version) => {}
            Some(Json::Str(version)) if version == "1.0" || version == "1.1" => {}
            Some(Json::Str(version)) if version == "2.0" => self.is_v2 = true,
            Some(Json::Str(_)) => return Err(RpcError::invalid_request("JSON-RPC version not supported")),
            Some(_) => return Err(RpcError::invalid_request("jsonrpc field must be a string")),
        }
        let method = match method {
            Some(Json::Str(method)) => method.into_owned(),
            None | Some(Json::Null) => return Err(RpcError::invalid_request("Missing method")),
            Some(_) => return Err(RpcError::invalid_request("Method must be a string")),
        };
        let params = match params {
            None | Some(Json::Null) => Json::List(Vec::new()),
            Some(params @ (Json::List(_) | Json::Object(_))) => params,
            Some(_) => return Err(RpcError::invalid_request("Params must be an array or object")),
        };
        Ok(Call { method, params })
    }

    /// Whether nobody wants to hear what comes of it.
    fn is_notification(&self) -> bool {
        self.is_v2 && self.id.is_none()
    }

    fn reply(&self, outcome: Result<Json, RpcError>) -> Json {
        let mut fields = Vec::with_capacity(4);
        if self.is_v2 {
            fields.push(("jsonrpc", Json::from("2.0")));
        }
        match outcome {
            Ok(result) => {
                fields.push(("result", result));
                fields.extend((!self.is_v2).then_some(("error", Json::Null)));
            }
            Err(error) => {
                fields.extend((!self.is_v2).then_some(("result", Json::Null)));
                fields.push(("error", error.to_json()));
            }
        }
        fields.extend(self.id.clone().map(|id| ("id", id)));
        object(fields)
    }

    /// The answer to a call that stands alone and went wrong before or while it was carried out.
    fn failed(&self, error: RpcError) -> Answer {
        let status = match error.code {
            -32600 => StatusCode::BAD_REQUEST,
            -32601 => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Answer::json(status, &self.reply(Err(error)))
    }
}

async fn single(ctx: &Ctx, request: Json, may_call: impl Fn(&str) -> bool) -> Answer {
    let mut head = Head::default();
    let call = match head.read(request) {
        Ok(call) => call,
        Err(error) => return head.failed(error),
    };
    if !may_call(&call.method) {
        return Answer::bare(StatusCode::FORBIDDEN);
    }
    let outcome = execute(ctx, call).await;
    match outcome {
        _ if head.is_notification() => Answer::bare(StatusCode::NO_CONTENT),
        Err(error) if !head.is_v2 => head.failed(error),
        outcome => Answer::json(StatusCode::OK, &head.reply(outcome)),
    }
}

async fn batch(ctx: &Ctx, requests: Vec<Json>, may_call: impl Fn(&str) -> bool) -> Answer {
    let mut head = Head::default();
    if requests.len() > BATCH_MAX {
        return head.failed(RpcError::invalid_request(format!("A batch has at most {BATCH_MAX} calls")));
    }
    for request in &requests {
        match request.get("method") {
            Some(Json::Str(method)) if !may_call(method) => return Answer::bare(StatusCode::FORBIDDEN),
            _ => {}
        }
    }
    let asked = requests.len();
    let mut body = Text::with_capacity(asked.saturating_mul(ANSWER_BYTES_AROUND));
    body.put("[");
    for (n, request) in requests.into_iter().enumerate() {
        if n.is_multiple_of(BATCH_TURN) {
            tokio::task::yield_now().await;
        }
        let outcome = match head.read(request) {
            _ if body.len() > BATCH_BYTES_MAX => {
                Err(RpcError::out_of_memory("The batch's answer is too large"))
            }
            Ok(call) => execute(ctx, call).await,
            Err(error) => Err(error),
        };
        if !head.is_notification() {
            body.put(if body.len() > 1 { "," } else { "" });
            head.reply(outcome).write_to(&mut body);
        }
    }
    if body.len() == 1 && asked > 0 {
        return Answer::bare(StatusCode::NO_CONTENT);
    }
    body.put("]\n");
    Answer { status: StatusCode::OK, body: Some(body.into_pieces()) }
}

/// Finds the method and carries it out.
async fn execute(ctx: &Ctx, call: Call) -> Result<Json, RpcError> {
    ctx.warm()?;
    let method = methods::find(&call.method).ok_or_else(|| RpcError::method_not_found("Method not found"))?;
    let _running = ctx.running(method.name);
    // As Core has it, whose tests look for it.
    tracing::debug!("ThreadRPCServer method={}", method.name);
    let values = match call.params {
        Json::Object(fields) => named::place(method.args, fields)?,
        Json::List(values) => values,
        _ => Vec::new(),
    };
    method.check(&values)?;
    (method.run)(ctx, Params::new(values)).await
}
