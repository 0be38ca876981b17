//! Requests: one or a batch, of any version of JSON-RPC, into answers.

use axum::http::StatusCode;

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
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

/// What is sent back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// None: no body.
    pub(crate) body: Option<String>,
}

impl Answer {
    pub(crate) fn bare(status: StatusCode) -> Answer {
        Answer { status, body: None }
    }

    fn json(status: StatusCode, value: &Json) -> Answer {
        let mut body = String::with_capacity(value.length_at_least().saturating_add(ANSWER_BYTES_AROUND));
        value.write_to(&mut body);
        body.push('\n');
        Answer { status, body: Some(body) }
    }
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

impl Head {
    fn read(&mut self, request: &Json) -> Result<Call, RpcError> {
        let Json::Object(_) = request else {
            return Err(RpcError::invalid_request("Invalid Request object"));
        };
        self.id = request.get("id").cloned();
        self.is_v2 = false;
        match request.get("jsonrpc") {
            None | Some(Json::Null) => {}
            // What a library for node.js sends: the number 1, and no other.
            Some(Json::Int(1)) => {}
            Some(Json::Double(version)) if [1.0, 1.1].contains(version) => {}
            Some(Json::Str(version)) if version == "1.0" || version == "1.1" => {}
            Some(Json::Str(version)) if version == "2.0" => self.is_v2 = true,
            Some(Json::Str(_)) => return Err(RpcError::invalid_request("JSON-RPC version not supported")),
            Some(_) => return Err(RpcError::invalid_request("jsonrpc field must be a string")),
        }
        let method = match request.get("method") {
            Some(Json::Str(method)) => method.clone().into_owned(),
            None | Some(Json::Null) => return Err(RpcError::invalid_request("Missing method")),
            Some(_) => return Err(RpcError::invalid_request("Method must be a string")),
        };
        let params = match request.get("params") {
            None | Some(Json::Null) => Json::List(Vec::new()),
            Some(params @ (Json::List(_) | Json::Object(_))) => params.clone(),
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

/// Carries out what a body asks for, for a user who may call what `may_call` says.
pub(crate) async fn answer(ctx: &Ctx, body: &[u8], may_call: impl Fn(&str) -> bool) -> Answer {
    let head = Head::default();
    match crate::json::read(body) {
        Some(request @ Json::Object(_)) => single(ctx, head, request, may_call).await,
        Some(Json::List(requests)) => batch(ctx, head, requests, may_call).await,
        Some(_) => head.failed(RpcError::parse("Top-level object parse error")),
        None => head.failed(RpcError::parse("Parse error")),
    }
}

async fn single(ctx: &Ctx, mut head: Head, request: Json, may_call: impl Fn(&str) -> bool) -> Answer {
    let call = match head.read(&request) {
        Ok(call) => call,
        Err(error) => return head.failed(error),
    };
    drop(request);
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

async fn batch(ctx: &Ctx, mut head: Head, requests: Vec<Json>, may_call: impl Fn(&str) -> bool) -> Answer {
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
    let mut body = "[".to_owned();
    for request in requests {
        let outcome = match head.read(&request) {
            _ if body.len() > BATCH_BYTES_MAX => {
                Err(RpcError::out_of_memory("The batch's answer is too large"))
            }
            Ok(call) => execute(ctx, call).await,
            Err(error) => Err(error),
        };
        if !head.is_notification() {
            body.push_str(if body.len() > 1 { "," } else { "" });
            head.reply(outcome).write_to(&mut body);
        }
    }
    if body.len() == 1 && asked > 0 {
        return Answer::bare(StatusCode::NO_CONTENT);
    }
    body.push_str("]\n");
    Answer { status: StatusCode::OK, body: Some(body) }
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
