//! Methods whose subsystem is thin yet: what they say is true of what there is.

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::{Hidden, Util, Zmq};
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
        "estimaterawfee",
        Hidden,
        &[req("conf_target", Kind::Num), opt("threshold", Kind::Num)],
        "What transactions paid that were confirmed in time. Nothing is estimated yet: it says so.",
        |c, p| Box::pin(estimate_raw_fee(c, p)),
    ),
    method(
        "getzmqnotifications",
        Zmq,
        &[],
        "Where blocks and transactions are published over ZeroMQ.",
        |c, p| Box::pin(get_zmq_notifications(c, p)),
    ),
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

/// Blocks that each of Core's three estimates looks ahead at most, with its decay and its scale.
const HORIZONS: [(&str, i64, f64, i32); 3] =
    [("short", 12, 0.962, 1), ("medium", 48, 0.9952, 2), ("long", TARGET_MAX, 0.99931, 24)];

async fn estimate_raw_fee(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let target: i64 = params.int(0)?;
    if !(1..=TARGET_MAX).contains(&target) {
        let text = format!("Invalid conf_target, must be between 1 and {TARGET_MAX}");
        return Err(RpcError::invalid_parameter(text));
    }
    let threshold = match params.given(1) {
        Some(Json::Int(number)) => (0..=1).contains(number),
        Some(Json::Double(number)) => (0.0..=1.0).contains(number),
        _ => true,
    };
    if !threshold {
        return Err(RpcError::invalid_parameter("Invalid threshold"));
    }
    let one = |(name, most, decay, scale): (&'static str, i64, f64, i32)| {
        let counts = ["withintarget", "totalconfirmed", "inmempool", "leftmempool"];
        let range = [("startrange", Json::from(0)), ("endrange", Json::from(1e99))];
        let fail = range.into_iter().chain(counts.map(|name| (name, Json::from(0))));
        let errors = vec![Json::from("Insufficient data or no feerate found which meets threshold")];
        let shown = object([
            ("decay", Json::from(decay)),
            ("scale", Json::from(scale)),
            ("fail", object(fail)),
            ("errors", Json::List(errors)),
        ]);
        (target <= most).then_some((name, shown))
    };
    Ok(object(HORIZONS.into_iter().filter_map(one)))
}

async fn get_zmq_notifications(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let shown = ctx.config.zmq.iter().map(|publisher| {
        object([
            ("type", Json::from(format!("pub{}", publisher.topic.name()))),
            ("address", Json::from(publisher.address.clone())),
            ("hwm", Json::from(publisher.queue_max)),
        ])
    });
    Ok(Json::List(shown.collect()))
}
