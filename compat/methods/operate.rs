//! What an operator does with what waits: what he prefers, and its file.

use std::path::PathBuf;
use std::time::Duration;

use adit_actors::messages::mempool::{
    GetPrioritised, ImportMempool, ImportOptions, Prioritise, SaveFailed, SaveMempool,
};

use crate::ctx::{Ctx, ask, within};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::{Blockchain, Mining};
use crate::table::{Arg, Kind, Method, method, opt, options, req};

const IMPORT: &[Arg] = &[
    opt("use_current_time", Kind::Bool),
    opt("apply_fee_delta_priority", Kind::Bool),
    opt("apply_unbroadcast_set", Kind::Bool),
];

pub(super) const METHODS: &[Method] = &[
    method(
        "prioritisetransaction",
        Mining,
        &[req("txid", Kind::Str), opt("dummy", Kind::Num), req("fee_delta", Kind::Num)],
        "Adds to a transaction's fee in the eyes of whoever builds a block here; nobody pays it.",
        |c, p| Box::pin(prioritise_transaction(c, p)),
    ),
    method(
        "getprioritisedtransactions",
        Mining,
        &[],
        "What is added to fees, and whether the transaction waits.",
        |c, p| Box::pin(get_prioritised_transactions(c, p)),
    ),
    method("savemempool", Blockchain, &[], "Writes what waits to its file, now.", |c, p| {
        Box::pin(save_mempool(c, p))
    }),
    method(
        "importmempool",
        Blockchain,
        &[req("filepath", Kind::Str), options("options", IMPORT)],
        "Offers the transactions of a mempool's file to this one.",
        |c, p| Box::pin(import_mempool(c, p)),
    ),
];

/// How long a file may take: 300 MB of transactions at 1,000 a second, and as long again.
const FILE_WITHIN: Duration = Duration::from_secs(1_200);

async fn prioritise_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let txid = params.txid(0, "txid")?;
    let dummy = match params.given(1) {
        None | Some(Json::Int(0)) => false,
        Some(Json::Double(number)) => *number != 0.0,
        Some(_) => true,
    };
    let more_sat: i64 = params.int(2)?;
    if dummy {
        let text = "Priority is no longer supported, dummy argument to prioritisetransaction must be 0.";
        return Err(RpcError::invalid_parameter(text));
    }
    let actor = ctx.node()?.prioritise.clone();
    let done = ask(&actor, Prioritise { txid, more_sat }).await?;
    done.map(|()| Json::from(true)).map_err(|dusty| RpcError::invalid_parameter(dusty.to_string()))
}

async fn get_prioritised_transactions(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let actor = ctx.node()?.prioritised.clone();
    let rows = ask(&actor, GetPrioritised).await?;
    Ok(object(rows.iter().map(|row| {
        let mut shown = object([
            ("fee_delta", Json::from(row.delta_sat)),
            ("in_mempool", Json::from(row.modified_fee_sat.is_some())),
        ]);
        if let Some(modified_fee_sat) = row.modified_fee_sat {
            shown.push("modified_fee", modified_fee_sat);
        }
        (row.txid.to_string(), shown)
    })))
}

async fn save_mempool(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let actor = ctx.node()?.save_mempool.clone();
    let path = within(FILE_WITHIN, &actor, SaveMempool).await?.map_err(|failed| match failed {
        SaveFailed::NotLoaded => RpcError::misc("The mempool was not loaded yet"),
        SaveFailed::Unwritable => RpcError::misc("Unable to dump mempool to disk"),
    })?;
    Ok(object([("filename", Json::from(path.display().to_string()))]))
}

async fn import_mempool(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    if ctx.is_fetching(&node) {
        let text = "Can only import the mempool after the block download and sync is done.";
        return Err(RpcError::initial_download(text));
    }
    let path = PathBuf::from(params.str(0)?);
    let option = |name: &str, otherwise: bool| {
        let given = params.get(1).get(name).filter(|value| !value.is_null());
        given.map_or(Ok(otherwise), params::boolean)
    };
    let options = ImportOptions {
        use_current_time: option("use_current_time", true)?,
        apply_deltas: option("apply_fee_delta_priority", false)?,
        apply_unbroadcast: option("apply_unbroadcast_set", false)?,
    };
    let actor = node.import_mempool.clone();
    drop(node);
    let done = within(FILE_WITHIN, &actor, ImportMempool { path, options }).await?;
    let failed = |_| RpcError::misc("Unable to import mempool file, see debug log for details.");
    done.map(|()| object::<&str>([])).map_err(failed)
}
