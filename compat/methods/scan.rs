//! `scantxoutset`: all coins of some scripts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use adit_domain::consensus::Coin;
use bitcoin::{OutPoint, ScriptBuf};

use super::descriptors::scanned;
use crate::ctx::{Ctx, Scan, off_thread};
use crate::descriptor::{Known, infer};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[method(
    "scantxoutset",
    Blockchain,
    &[req("action", Kind::Str), opt("scanobjects", Kind::List).shown("[scanobjects,...]")],
    "Looks for the coins of descriptors: start, abort, or status.",
    |c, p| Box::pin(scan_tx_out_set(c, p)),
)];

/// Scripts that are looked for at once: of 100 bytes each, 10 MB.
const SCRIPTS_MAX: usize = 100_000;
/// Coins that are found at most: of 500 bytes each in the answer, 50 MB. An exchange's have more, and an index.
const COINS_MAX: usize = 100_000;

async fn scan_tx_out_set(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    match params.str(0)? {
        "status" => {
            Ok(ctx.scan.progress().map_or(Json::Null, |percent| object([("progress", Json::from(percent))])))
        }
        "abort" => Ok(Json::from(ctx.scan.abort())),
        "start" => start(ctx, &params).await,
        other => Err(RpcError::invalid_parameter(format!("Invalid action '{other}'"))),
    }
}

async fn start(ctx: &Ctx, params: &Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let Some(running) = Scan::begin(&ctx.scan) else {
        let text = "Scan already in progress, use action \"abort\" or \"status\"";
        return Err(RpcError::invalid_parameter(text));
    };
    if params.len() < 2 {
        return Err(RpcError::misc("scanobjects argument is required for the start action"));
    }
    let mut needles: HashMap<ScriptBuf, String> = HashMap::new();
    let mut known = Known::default();
    for object in params::list(params.get(1))? {
        for script in scanned(object, node.params.network, &mut known)? {
            let name = infer(&script, &known, node.params.network);
            needles.insert(script, name);
        }
        if needles.len() > SCRIPTS_MAX {
            return Err(RpcError::invalid_parameter(format!("More than {SCRIPTS_MAX} scripts")));
        }
    }
    let job = node.engine.clone().stats().await?;
    let (chain, scan) = (node.chain.clone(), Arc::clone(&ctx.scan));
    drop(node);
    off_thread(move || {
        let _running = running;
        let (mut coins, mut seen) = (BTreeMap::new(), 0u64);
        let tip = job.visit(|outpoint, coin| {
            seen = seen.saturating_add(1);
            scan.at(&outpoint);
            if needles.contains_key(&coin.output.script_pubkey) {
                coins.insert(outpoint, coin);
            }
            !scan.is_aborted() && coins.len() <= COINS_MAX
        })?;
        if coins.len() > COINS_MAX {
            return Err(RpcError::out_of_memory(format!("More than {COINS_MAX} coins")));
        }
        let total = coins.values().fold(0, |sum: u64, coin| sum.saturating_add(coin.output.value.to_sat()));
        let name = |coin: &Coin| needles.get(&coin.output.script_pubkey).cloned().unwrap_or_default();
        let one = |(outpoint, coin): (&OutPoint, &Coin)| {
            let hash = chain.hash_at(coin.height);
            object([
                ("txid", Json::text(outpoint.txid)),
                ("vout", Json::from(outpoint.vout)),
                ("scriptPubKey", Json::hex(coin.output.script_pubkey.as_bytes())),
                ("desc", Json::from(name(coin))),
                ("amount", Json::from(coin.output.value)),
                ("coinbase", Json::from(coin.is_coinbase)),
                ("height", Json::from(coin.height.to_u32())),
                ("blockhash", hash.map_or(Json::Null, Json::text)),
                ("confirmations", Json::from(tip.height.next().blocks_above(coin.height))),
            ])
        };
        Ok(object([
            ("success", Json::from(!scan.is_aborted())),
            ("txouts", Json::from(seen)),
            ("height", Json::from(tip.height.to_u32())),
            ("bestblock", Json::text(tip.hash)),
            ("unspents", Json::List(coins.iter().map(one).collect())),
            ("total_amount", Json::Amount(i64::try_from(total).unwrap_or(i64::MAX))),
        ]))
    })
    .await
}
