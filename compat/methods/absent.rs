//! What is not here, and says so as Bitcoin Core does where it is off.

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::Json;
use crate::params::Params;
use crate::table::Category::{Network, Rawtransactions};
use crate::table::{Kind, Method, method, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "getprivatebroadcastinfo",
        Rawtransactions,
        &[],
        "Transactions on their way through networks that hide who sends them. There are none: it says so.",
        |c, p| Box::pin(no_private_broadcast(c, p)),
    ),
    method(
        "abortprivatebroadcast",
        Rawtransactions,
        &[req("id", Kind::Str)],
        "Ends the way of such a transaction. There are none: it says so.",
        |c, p| Box::pin(no_private_broadcast(c, p)),
    ),
    method(
        "exportasmap",
        Network,
        &[req("path", Kind::Str)],
        "Writes the map of the Internet's providers that the program was built with to a file. There is none: it says so.",
        |c, p| Box::pin(no_asmap(c, p)),
    ),
];

async fn no_private_broadcast(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let text =
        "Private broadcast is not enabled. Ensure you're running Bitcoin Core with -privatebroadcast=1.";
    Err(RpcError::method_not_found(text))
}

async fn no_asmap(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    Err(RpcError::misc("No embedded ASMap data available"))
}
