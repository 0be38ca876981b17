//! Who spends an output: a transaction that waits, or one of the chain.

use std::sync::Arc;

use adit_actors::root::NodeLinks;
use adit_chainstate::IndexKind;
use adit_domain::peer::TxRef;
use bitcoin::{OutPoint, Txid};

use super::coinstats::followed;
use crate::ctx::{Ctx, off_thread};
use crate::error::RpcError;
use crate::json::Json;
use crate::params::{self, Params};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, options, req};

pub(super) const METHODS: &[Method] = &[method(
    "gettxspendingprevout",
    Blockchain,
    &[
        req("outputs", Kind::List).shown("[{\"txid\":\"hex\",\"vout\":n},...]"),
        options("options", &[opt("mempool_only", Kind::Bool), opt("return_spending_tx", Kind::Bool)])
            .shown("{\"mempool_only\":bool,\"return_spending_tx\":bool,...}"),
    ],
    "Which transactions spend these outputs: of those that wait, and of the chain where an index of them is kept.",
    |c, p| Box::pin(get_tx_spending_prevout(c, p)),
)];

/// The fields of an object, which are these and no others; each of its type.
fn strict(typed: &Json, allowed: &[(&str, &str)]) -> Result<(), RpcError> {
    for (name, kind) in allowed {
        match typed.get(name) {
            None => {}
            Some(value) if value.type_name() == *kind => {}
            Some(value) => {
                let got = value.type_name();
                let text =
                    format!("JSON value of type {got} for field {name} is not of expected type {kind}");
                return Err(RpcError::wrong_type(text));
            }
        }
    }
    let known = |name: &str| allowed.iter().any(|(allowed, _)| *allowed == name);
    match params::fields(typed)?.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(RpcError::wrong_type(format!("Unexpected key {name}"))),
        None => Ok(()),
    }
}

/// An output that is asked for, and as it was typed.
type Asked = (OutPoint, Json);

fn asked(output: &Json) -> Result<Asked, RpcError> {
    params::fields(output)?;
    for name in ["txid", "vout"] {
        output.get(name).ok_or_else(|| RpcError::wrong_type(format!("Missing {name}")))?;
    }
    strict(output, &[("txid", "string"), ("vout", "number")])?;
    let txid = params::hash(output.get("txid").unwrap_or(&Json::Null), "txid")?;
    let txid: Txid = bitcoin::hashes::Hash::from_byte_array(txid);
    let vout: i32 = params::int(output.get("vout").unwrap_or(&Json::Null))?;
    let vout = u32::try_from(vout)
        .map_err(|_| RpcError::invalid_parameter("Invalid parameter, vout cannot be negative"))?;
    Ok((OutPoint { txid, vout }, output.clone()))
}

/// The mempool's spenders first, then the chain's, as Core lists them.
async fn get_tx_spending_prevout(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let outputs = params::list(params.get(0))?;
    if outputs.is_empty() {
        return Err(RpcError::invalid_parameter("Invalid parameter, outputs are missing"));
    }
    let node = ctx.node()?;
    let has_index = node.indexes.kinds().contains(&IndexKind::Spenders);
    let (mut mempool_only, mut with_tx) = (!has_index, false);
    if let Some(options) = params.given(1) {
        strict(options, &[("mempool_only", "bool"), ("return_spending_tx", "bool")])?;
        mempool_only = options.get("mempool_only").map_or(Ok(mempool_only), params::boolean)?;
        with_tx = options.get("return_spending_tx").map_or(Ok(false), params::boolean)?;
    }
    let (mut shown, mut left) = (Vec::new(), Vec::new());
    for asked in outputs.iter().map(asked).collect::<Result<Vec<_>, _>>()? {
        match node.mempool.spender(&asked.0) {
            None if !mempool_only => left.push(asked),
            spender => shown.push(waiting(&node, asked.1, spender, with_tx)),
        }
    }
    if left.is_empty() {
        return Ok(Json::List(shown));
    }
    if !has_index {
        let text = "Mempool lacks a relevant spend, and txospenderindex is unavailable.";
        return Err(RpcError::misc(text));
    }
    followed(&node, IndexKind::Spenders).await;
    off_thread(move || {
        for asked in left {
            shown.push(confirmed(&node, asked, with_tx)?);
        }
        Ok(Json::List(shown))
    })
    .await
}

fn waiting(node: &Arc<NodeLinks>, mut shown: Json, spender: Option<Txid>, with_tx: bool) -> Json {
    let Some(spender) = spender else { return shown };
    shown.push("spendingtxid", Json::text(spender));
    let tx = if with_tx { node.mempool.get(&TxRef::Txid(spender)) } else { None };
    tx.iter().for_each(|tx| shown.push("spendingtx", Json::hex(tx.raw())));
    shown
}

fn confirmed(node: &NodeLinks, (outpoint, mut shown): Asked, with_tx: bool) -> Result<Json, RpcError> {
    let found = node.indexes.spender(&outpoint).map_err(|error| RpcError::misc(error.to_string()))?;
    if let Some(found) = found {
        shown.push("spendingtxid", Json::text(found.tx.txid()));
        if with_tx {
            shown.push("spendingtx", Json::hex(found.tx.raw()));
        }
        shown.push("blockhash", Json::text(found.block));
    }
    Ok(shown)
}
