//! The clock of tests.

use adit_actors::messages::mempool::HurryMempool;
use bitcoin::Network;

use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::json::Json;
use crate::params::Params;
use crate::table::Category::Hidden;
use crate::table::{Kind, Method, method, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "setmocktime",
        Hidden,
        &[req("timestamp", Kind::Num)],
        "Sets the clock; 0: the machine's again. On regtest.",
        |c, p| Box::pin(set_mock_time(c, p)),
    ),
    method(
        "mockscheduler",
        Hidden,
        &[req("delta_time", Kind::Num)],
        "Has what waits for its time done earlier. On regtest.",
        |c, p| Box::pin(mock_scheduler(c, p)),
    ),
];

/// What a header's time may be.
const TIME_S_MAX: i64 = 4_294_967_295;

async fn set_mock_time(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    if node.params.network != Network::Regtest {
        return Err(RpcError::misc("setmocktime is for regression testing (-regtest mode) only"));
    }
    let time: i64 = params.int(0)?;
    let Some(seconds) = u64::try_from(time).ok().filter(|_| time <= TIME_S_MAX) else {
        let text = format!("Mocktime must be in the range [0, {TIME_S_MAX}], not {time}.");
        return Err(RpcError::invalid_parameter(text));
    };
    let clock = node.settable_clock.as_ref();
    clock.ok_or_else(|| RpcError::misc("This node's clock cannot be set"))?.set(seconds);
    Ok(Json::Null)
}

/// An hour, as in Core.
const DELTA_S_MAX: i64 = 3_600;

/// Most of what waits here reads the clock itself, or comes every few moments; what comes now and then comes sooner.
async fn mock_scheduler(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    if node.params.network != Network::Regtest {
        return Err(RpcError::misc("mockscheduler is for regression testing (-regtest mode) only"));
    }
    let delta: i64 = params.int(0)?;
    if delta <= 0 || delta > DELTA_S_MAX {
        return Err(RpcError::misc("delta_time must be between 1 and 3600 seconds (1 hr)"));
    }
    let ms = u64::try_from(delta).unwrap_or(0).saturating_mul(1_000);
    ask(&node.hurry_mempool, HurryMempool { ms }).await?;
    Ok(Json::Null)
}
