//! What a transaction should pay.

use adit_actors::messages::mempool::{EstimateFee, EstimateRawFee, FeesOff};
use adit_domain::fees::{Estimate, Range, TARGET_MAX};
use bitcoin::Amount;

use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::{Hidden, Util};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "estimatesmartfee",
        Util,
        &[req("conf_target", Kind::Num), opt("estimate_mode", Kind::Str)],
        "What a transaction should pay to be in a block within so many, per 1,000 virtual bytes: economical, or conservative, which what happened lately moves less.",
        |c, p| Box::pin(estimate_smart_fee(c, p)),
    ),
    method(
        "estimaterawfee",
        Hidden,
        &[req("conf_target", Kind::Num), opt("threshold", Kind::Num)],
        "What transactions paid of which that part was confirmed in time, as each of three memories has it: how they fared at the lowest feerates that passed, and at the highest that did not.",
        |c, p| Box::pin(estimate_raw_fee(c, p)),
    ),
];

/// The part of transactions that must have been in time.
const LIKELIHOOD: f64 = 0.95;

fn target(params: &Params) -> Result<u32, RpcError> {
    let target: i32 = params.int(0)?;
    let known = u32::try_from(target).ok().filter(|target| (1..=TARGET_MAX).contains(target));
    known.ok_or_else(|| {
        RpcError::invalid_parameter(format!("Invalid conf_target, must be between 1 and {TARGET_MAX}"))
    })
}

impl From<FeesOff> for RpcError {
    fn from(_: FeesOff) -> RpcError {
        RpcError::internal("Fee estimation disabled")
    }
}

async fn estimate_smart_fee(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let target = target(&params)?;
    let mode = params.opt_str(1)?.unwrap_or("economical").to_lowercase();
    if !["unset", "economical", "conservative"].contains(&mode.as_str()) {
        let text =
            "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"";
        return Err(RpcError::invalid_parameter(text));
    }
    let question = EstimateFee { target, conservative: mode == "conservative" };
    let fee = ask(&node.estimate_fee, question).await??;
    let told = match fee.sat_per_kvb {
        Some(rate) => ("feerate", Json::from(Amount::from_sat(rate))),
        None => ("errors", Json::List(vec![Json::from("Insufficient data or no feerate found")])),
    };
    Ok(object([told, ("blocks", Json::from(fee.blocks))]))
}

async fn estimate_raw_fee(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let target = target(&params)?;
    let likelihood = params.given(1).map_or(Ok(LIKELIHOOD), params::real)?;
    if !(0.0..=1.0).contains(&likelihood) {
        return Err(RpcError::invalid_parameter("Invalid threshold"));
    }
    let estimates = ask(&node.estimate_raw_fee, EstimateRawFee { target, likelihood }).await??;
    Ok(object(estimates.into_iter().map(|(memory, estimate)| (memory.name(), shown(&estimate)))))
}

/// What rests on nothing, as Core shows it.
const NOWHERE: Range =
    Range { start: -1.0, end: -1.0, within_target: 0.0, confirmed: 0.0, waiting: 0.0, left: 0.0 };

fn shown(estimate: &Estimate) -> Json {
    let pace = [("decay", Json::from(estimate.decay)), ("scale", Json::from(estimate.scale))];
    let fail = estimate.fail.map(|fail| ("fail", range(&fail)));
    match estimate.sat_per_kvb() {
        Some(rate) => {
            let pass = ("pass", range(&estimate.pass.unwrap_or(NOWHERE)));
            let rate = ("feerate", Json::from(Amount::from_sat(rate)));
            object([rate].into_iter().chain(pace).chain([pass]).chain(fail))
        }
        None => {
            let errors = vec![Json::from("Insufficient data or no feerate found which meets threshold")];
            let fail = fail.unwrap_or_else(|| ("fail", range(&NOWHERE)));
            object(pace.into_iter().chain([fail, ("errors", Json::List(errors))]))
        }
    }
}

fn range(range: &Range) -> Json {
    let count = |number: f64| Json::from((number * 100.0).round() / 100.0);
    object([
        ("startrange", Json::from(range.start.round())),
        ("endrange", Json::from(range.end.round())),
        ("withintarget", count(range.within_target)),
        ("totalconfirmed", count(range.confirmed)),
        ("inmempool", count(range.waiting)),
        ("leftmempool", count(range.left)),
    ])
}
