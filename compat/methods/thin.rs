//! Methods whose subsystem is thin yet: what they say is true of what there is.

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::show::{self, hex32};
use crate::table::Category::{Blockchain, Control, Mining, Network, Util};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "estimatesmartfee",
        Util,
        &[req("conf_target", Kind::Num), opt("estimate_mode", Kind::Str)],
        "What a transaction should pay. Nothing is estimated yet: it says so.",
        |c, p| Box::pin(estimate_smart_fee(c, p)),
    ),
    method(
        "getzmqnotifications",
        Control,
        &[],
        "Where blocks and transactions are published: nowhere yet.",
        |c, p| Box::pin(nothing(c, p)),
    ),
    method("listbanned", Network, &[], "Addresses that are banned: there are none.", |c, p| {
        Box::pin(nothing(c, p))
    }),
    method(
        "getnodeaddresses",
        Network,
        &[opt("count", Kind::Num), opt("network", Kind::Str)],
        "Addresses of nodes that are known: none are kept yet.",
        |c, p| Box::pin(get_node_addresses(c, p)),
    ),
    method(
        "getprioritisedtransactions",
        Mining,
        &[],
        "Transactions that an operator prefers: none.",
        |c, p| Box::pin(no_fields(c, p)),
    ),
    method("getchainstates", Blockchain, &[], "The chains of coins that are kept.", |c, p| {
        Box::pin(get_chain_states(c, p))
    }),
];

/// Blocks that a target may be away, as in Core.
const TARGET_MAX: i64 = 1_008;

async fn estimate_smart_fee(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let target: i64 = params.int(0)?;
    if !(1..=TARGET_MAX).contains(&target) {
        let text = format!("Invalid conf_target, must be between 1 and {TARGET_MAX}");
        return Err(RpcError::invalid_parameter(text));
    }
    let mode = params.opt_str(1)?.unwrap_or("economical").to_lowercase();
    if !["unset", "economical", "conservative"].contains(&mode.as_str()) {
        let text =
            "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"";
        return Err(RpcError::invalid_parameter(text));
    }
    let errors = Json::List(vec![Json::from("Insufficient data or no feerate found")]);
    Ok(object([("errors", errors), ("blocks", Json::from(0))]))
}

async fn nothing(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    ctx.warm().map(|()| Json::List(Vec::new()))
}

async fn no_fields(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    ctx.warm().map(|()| object::<&str>([]))
}

async fn get_node_addresses(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    if params.opt_int::<i32>(0)?.is_some_and(|count| count < 0) {
        return Err(RpcError::invalid_parameter("Address count out of range"));
    }
    let networks = ["ipv4", "ipv6", "onion", "i2p", "cjdns"];
    if let Some(network) = params.opt_str(1)?.filter(|network| !networks.contains(network)) {
        return Err(RpcError::invalid_parameter(format!("Network not recognized: {network}")));
    }
    nothing(ctx, params).await
}

async fn get_chain_states(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let (tip, (_, headers)) = (node.chain.tip(), node.chain.best_header());
    let one = object([
        ("blocks", Json::from(tip.height.to_u32())),
        ("bestblockhash", Json::text(tip.hash)),
        ("bits", hex32(tip.header.bits.to_consensus())),
        ("target", show::target(tip.header.bits)),
        ("difficulty", Json::from(show::difficulty(tip.header.bits))),
        ("verificationprogress", Json::from(super::info::progress(tip.height, headers))),
        // Coins are kept in one cache over tables of their own: there are no two to tell apart.
        ("coins_db_cache_bytes", Json::from(0)),
        ("coins_tip_cache_bytes", Json::from(0)),
        ("validated", Json::from(true)),
    ]);
    Ok(object([("headers", Json::from(headers.to_u32())), ("chainstates", Json::List(vec![one]))]))
}
