//! REST as Bitcoin Core has it: what may be read without credentials, as bytes, hex or JSON.
//!
//! Owns: the paths, the formats, Core's status codes and error lines. Must not know: sockets, or how an answer comes about. JSON is
//! what the method of JSON-RPC for the same thing answers; bytes come from the same snapshots.

mod blocks;
mod coins;
mod filters;
mod state;
mod target;

use std::sync::Arc;

use adit_actors::root::NodeLinks;
use axum::http::StatusCode;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use futures::future::BoxFuture;

use crate::ctx::{Ctx, off_thread};
use crate::error::RpcError;
use crate::json::Json;
use crate::methods;
use crate::params::Params;

use target::Format;

/// Headers in one answer, as in Core: at 80 bytes 160 kB, as JSON a megabyte.
const HEADERS_MAX: usize = 2_000;
/// Headers where nothing else is asked for.
const HEADERS: &str = "5";
/// Coins that are looked for in one request, as in Core.
const OUTPOINTS_MAX: usize = 15;
/// Bytes of a request's body: a hundred times what [`OUTPOINTS_MAX`] take in hex, and small enough that strangers' bodies together are
/// no more than those that a connection may send anyway.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// What is sent back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Its `Content-Type`.
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

/// Why something else is sent back: a line of text.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    status: StatusCode,
    text: String,
}

type Outcome = Result<Reply, Refused>;

/// A request.
struct Call<'a> {
    ctx: &'a Ctx,
    /// Path and query as they came.
    target: &'a str,
    /// What follows the prefix of the path, with the query.
    rest: &'a str,
    body: &'a [u8],
}

type Handler = for<'a> fn(&'a Call<'a>) -> BoxFuture<'a, Outcome>;

/// The paths; the first that fits counts.
const PATHS: &[(&str, Handler)] = &[
    ("/rest/tx/", |call| Box::pin(coins::tx(call))),
    ("/rest/block/notxdetails/", |call| Box::pin(blocks::without_txs(call))),
    ("/rest/block/", |call| Box::pin(blocks::whole(call))),
    ("/rest/blockpart/", |call| Box::pin(blocks::part(call))),
    ("/rest/blockfilter/", |call| Box::pin(filters::filter(call))),
    ("/rest/blockfilterheaders/", |call| Box::pin(filters::headers(call))),
    ("/rest/chaininfo", |call| Box::pin(state::chain(call))),
    ("/rest/mempool/", |call| Box::pin(state::mempool(call))),
    ("/rest/headers/", |call| Box::pin(blocks::headers(call))),
    ("/rest/getutxos", |call| Box::pin(coins::unspent(call))),
    ("/rest/deploymentinfo/", |call| Box::pin(state::deployments(call))),
    ("/rest/deploymentinfo", |call| Box::pin(state::deployments(call))),
    ("/rest/blockhashbyheight/", |call| Box::pin(blocks::hash_by_height(call))),
    ("/rest/spenttxouts/", |call| Box::pin(blocks::spent(call))),
];

/// Every reader of a path and a body, whichever of them the path would come to.
pub(crate) fn probe(path: &str, body: &[u8]) {
    let (name, format) = target::split(path);
    for part in name.split('/') {
        let _ = (target::hash(part), target::number::<usize>(part), target::sanitized(part), count(part));
    }
    for wanted in ["count", "offset", "size", "verbose", "mempool_sequence"] {
        let _ = target::query(path, wanted);
    }
    for format in [format, Format::Bin, Format::Hex, Format::Json] {
        if let Ok(wanted) = coins::Wanted::read(name, body, format) {
            // What is held is bounded by what came, whatever it claims.
            assert!(wanted.outpoints.len() <= path.len().saturating_add(body.len()));
        }
    }
}

/// Whether anything is there.
pub(crate) fn is_path(target: &str) -> bool {
    PATHS.iter().any(|(prefix, _)| target.starts_with(prefix))
}

/// Answers what a path (with its query) and a body ask for; none where nothing is there.
pub(crate) async fn answer(ctx: &Ctx, target: &str, body: &[u8]) -> Option<Reply> {
    let (rest, handler) =
        PATHS.iter().find_map(|(prefix, handler)| Some((target.strip_prefix(prefix)?, handler)))?;
    let call = Call { ctx, target, rest, body };
    let outcome = match call.node() {
        Ok(_) => handler(&call).await,
        Err(refused) => Err(refused),
    };
    Some(outcome.unwrap_or_else(Refused::into_reply))
}

impl Refused {
    fn bad(text: impl Into<String>) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    fn not_found(text: impl Into<String>) -> Refused {
        Refused { status: StatusCode::NOT_FOUND, text: text.into() }
    }

    fn into_reply(self) -> Reply {
        let Refused { status, text } = self;
        Reply { status, kind: "text/plain", body: format!("{text}\r\n").into_bytes() }
    }
}

/// Our own fault.
impl From<RpcError> for Refused {
    fn from(error: RpcError) -> Refused {
        Refused { status: StatusCode::INTERNAL_SERVER_ERROR, text: error.message }
    }
}

impl<'a> Call<'a> {
    /// The node, where it is ready.
    fn node(&self) -> Result<Arc<NodeLinks>, Refused> {
        self.ctx.node().map_err(|error| {
            let text = format!("Service temporarily unavailable: {}", error.message);
            Refused { status: StatusCode::SERVICE_UNAVAILABLE, text }
        })
    }

    /// A parameter of the query.
    fn query(&self, name: &str) -> Option<String> {
        target::query(self.target, name)
    }

    /// What a method of JSON-RPC answers.
    async fn method(&self, name: &str, values: Vec<Json>) -> Result<Json, Refused> {
        let method = methods::find(name).ok_or_else(|| RpcError::method_not_found("Method not found"))?;
        Ok((method.run)(self.ctx, Params::new(values)).await?)
    }
}

/// Does what reads the disk on a thread where nobody waits behind it.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    off_thread(move || Ok(work())).await?
}

/// A block's hash.
fn block_hash(typed: &str) -> Result<BlockHash, Refused> {
    let bytes = target::hash(typed).ok_or_else(|| Refused::bad(format!("Invalid hash: {typed}")))?;
    Ok(BlockHash::from_byte_array(bytes))
}

/// How many headers are wanted.
fn count(typed: &str) -> Result<usize, Refused> {
    let count = target::number(typed).filter(|count| (1..=HEADERS_MAX).contains(count));
    count.ok_or_else(|| {
        let range = format!("(1-{HEADERS_MAX})");
        Refused::bad(format!("Header count is invalid or out of acceptable range {range}: {typed}"))
    })
}

fn json(value: &Json) -> Reply {
    let mut body = value.to_bytes();
    body.push(b'\n');
    Reply { status: StatusCode::OK, kind: "application/json", body }
}

/// Bytes as they are, or in hex.
fn bytes(format: Format, bytes: Vec<u8>) -> Outcome {
    match format {
        Format::Bin => Ok(Reply { status: StatusCode::OK, kind: "application/octet-stream", body: bytes }),
        Format::Hex => Ok(hex_line(&bytes.to_lower_hex_string())),
        Format::Json | Format::Unknown => Err(no_format()),
    }
}

fn hex_line(text: &str) -> Reply {
    Reply { status: StatusCode::OK, kind: "text/plain", body: format!("{text}\n").into_bytes() }
}

fn no_format() -> Refused {
    Refused::not_found("output format not found (available: .bin, .hex, .json)")
}

/// Of what is told as JSON alone.
fn no_json() -> Refused {
    Refused::not_found("output format not found (available: json)")
}

#[cfg(test)]
pub(crate) mod tests;
