//! Transactions that wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_actors::mempool::MempoolReader;
use adit_actors::messages::mempool::{GetChunks, LookIntoMempool, MempoolLook};
use adit_domain::mempool::{Chunk, MempoolDetail, Orphan, Sum, Wanted};
use adit_domain::peer::TxRef;
use adit_domain::wire::ParsedTx;
use bitcoin::Txid;
use bitcoin::hex::FromHex;

use crate::config::Config;
use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::{Blockchain, Hidden};
use crate::table::{Arg, Kind, Method, method, opt, req};

const RELATIVES: &[Arg] = &[req("txid", Kind::Str), opt("verbose", Kind::Bool)];

pub(super) const METHODS: &[Method] = &[
    method("getmempoolinfo", Blockchain, &[], "How much waits, and what it costs to join.", |c, p| {
        Box::pin(get_mempool_info(c, p))
    }),
    method(
        "getrawmempool",
        Blockchain,
        &[opt("verbose", Kind::Bool), opt("mempool_sequence", Kind::Bool)],
        "The ids of all that waits, or all that is known of it.",
        |c, p| Box::pin(get_raw_mempool(c, p)),
    ),
    method(
        "getmempoolentry",
        Blockchain,
        &[req("txid", Kind::Str)],
        "What is known of a waiting transaction.",
        |c, p| Box::pin(get_mempool_entry(c, p)),
    ),
    method(
        "getmempoolancestors",
        Blockchain,
        RELATIVES,
        "The waiting transactions that one is built on.",
        |c, p| Box::pin(relatives(c, p, Wanted::AncestorsOf)),
    ),
    method(
        "getmempooldescendants",
        Blockchain,
        RELATIVES,
        "The waiting transactions that are built on one.",
        |c, p| Box::pin(relatives(c, p, Wanted::DescendantsOf)),
    ),
    method(
        "getmempoolcluster",
        Blockchain,
        &[req("txid", Kind::Str)],
        "The waiting transactions that hang together with one, as they are mined.",
        |c, p| Box::pin(get_mempool_cluster(c, p)),
    ),
    method(
        "getmempoolfeeratediagram",
        Hidden,
        &[],
        "What all that waits pays, the best first: fees and weight up to each step.",
        |c, p| Box::pin(get_mempool_feerate_diagram(c, p)),
    ),
    method(
        "getorphantxs",
        Hidden,
        &[opt("verbosity", Kind::Any)],
        "Transactions whose parents are missing.",
        |c, p| Box::pin(get_orphan_txs(c, p)),
    ),
];

pub(super) fn sat(amount: u64) -> Json {
    Json::Amount(i64::try_from(amount).unwrap_or(i64::MAX))
}

async fn look(ctx: &Ctx, wanted: Option<Wanted>) -> Result<MempoolLook, RpcError> {
    let actor = ctx.node()?.look_into_mempool.clone();
    ask(&actor, LookIntoMempool { wanted }).await
}

async fn get_mempool_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let config = node.mempool_config;
    let look = look(ctx, None).await?;
    let mut shown = object([
        ("loaded", Json::from(look.is_loaded)),
        ("size", Json::from(look.count)),
        ("bytes", Json::from(look.vsize)),
        ("usage", Json::from(look.usage_bytes)),
        ("total_fee", sat(look.fees_sat)),
        ("maxmempool", Json::from(config.bytes_max)),
        ("mempoolminfee", sat(look.min_fee_sat_per_kvb)),
        ("minrelaytxfee", sat(config.min_fee_sat_per_kvb)),
        ("incrementalrelayfee", sat(config.incremental_sat_per_kvb)),
        ("unbroadcastcount", Json::from(node.mempool.unbroadcast().len())),
        ("permitbaremultisig", Json::from(config.bare_multisig)),
        ("maxdatacarriersize", Json::from(config.data_bytes_max)),
        ("limitclustercount", Json::from(config.cluster_txs_max)),
        ("limitclustersize", Json::from(config.cluster_vsize_max)),
        ("optimal", Json::from(look.is_best)),
    ]);
    if ctx.config.tells("fullrbf") {
        shown.push("fullrbf", true);
    }
    Ok(shown)
}

fn entry(detail: &MempoolDetail, (mempool, config): Told<'_>) -> Json {
    let tx = &detail.entry.tx;
    let part = |sum: &Sum| Json::Amount(sum.fee_sat);
    let ids = |txids: &[Txid]| Json::List(txids.iter().map(Json::text).collect());
    let fees = object([
        ("base", Json::from(detail.entry.fee)),
        ("modified", Json::Amount(detail.modified_fee_sat)),
        ("ancestor", part(&detail.with_ancestors)),
        ("descendant", part(&detail.with_descendants)),
        ("chunk", Json::Amount(detail.chunk.fee_sat)),
    ]);
    let mut shown = object([
        ("vsize", Json::from(detail.vsize())),
        ("weight", Json::from(tx.weight().to_wu())),
        ("time", Json::from(detail.added_at.to_seconds_floor())),
        ("height", Json::from(detail.height.to_u32())),
        ("descendantcount", Json::from(detail.with_descendants.count)),
        ("descendantsize", Json::from(detail.with_descendants.vsize)),
        ("ancestorcount", Json::from(detail.with_ancestors.count)),
        ("ancestorsize", Json::from(detail.with_ancestors.vsize)),
        ("wtxid", Json::text(tx.wtxid())),
        ("chunkweight", Json::from(detail.chunk.weight)),
        ("fees", fees),
        ("depends", ids(&detail.parents)),
        ("spentby", ids(&detail.children)),
        ("unbroadcast", Json::from(mempool.is_unbroadcast(&tx.txid()))),
    ]);
    if config.tells("bip125") {
        shown.push("bip125-replaceable", is_replaceable(tx, mempool));
    }
    shown
}

/// What is asked beside the pool: what no peer has asked for, what is built on what; and what is told at all.
type Told<'a> = (&'a MempoolReader, &'a Config);

/// Whether it, or one that it is built on, says that it may be replaced (BIP125).
fn is_replaceable(tx: &Arc<ParsedTx>, mempool: &MempoolReader) -> bool {
    let (mut seen, mut queue) = (BTreeSet::from([tx.txid()]), vec![Arc::clone(tx)]);
    while let Some(tx) = queue.pop() {
        if tx.tx().input.iter().any(|input| input.sequence.is_rbf()) {
            return true;
        }
        let spent = tx.tx().input.iter().map(|input| input.previous_output.txid);
        let new = spent.filter(|txid| seen.insert(*txid));
        queue.extend(new.filter_map(|txid| mempool.get(&TxRef::Txid(txid))));
    }
    false
}

/// Ids, or each id with what is known of it.
fn listed(details: &[MempoolDetail], verbose: bool, told: Told<'_>) -> Json {
    let txid = |detail: &MempoolDetail| detail.entry.tx.txid().to_string();
    if verbose {
        object(details.iter().map(|detail| (txid(detail), entry(detail, told))))
    } else {
        Json::List(details.iter().map(|detail| Json::from(txid(detail))).collect())
    }
}

async fn get_raw_mempool(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (verbose, with_sequence) = (params.bool_or(0, false)?, params.bool_or(1, false)?);
    if verbose && with_sequence {
        return Err(RpcError::invalid_parameter("Verbose results cannot contain mempool sequence values."));
    }
    let look = look(ctx, Some(Wanted::All)).await?;
    let ids = listed(&look.details, verbose, (&ctx.node()?.mempool, &ctx.config));
    if with_sequence {
        return Ok(object([("txids", ids), ("mempool_sequence", Json::from(look.sequence))]));
    }
    Ok(ids)
}

async fn get_mempool_entry(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let txid = params.txid(0, "txid")?;
    let look = look(ctx, Some(Wanted::One(txid))).await?;
    let node = ctx.node()?;
    look.details.first().map(|detail| entry(detail, (&node.mempool, &ctx.config))).ok_or_else(not_in_mempool)
}

fn not_in_mempool() -> RpcError {
    RpcError::invalid_address_or_key("Transaction not in mempool")
}

async fn relatives(ctx: &Ctx, params: Params, wanted: fn(Txid) -> Wanted) -> Result<Json, RpcError> {
    let (txid, verbose) = (params.txid(0, "txid")?, params.bool_or(1, false)?);
    if ctx.node()?.mempool.get(&TxRef::Txid(txid)).is_none() {
        return Err(not_in_mempool());
    }
    let look = look(ctx, Some(wanted(txid))).await?;
    Ok(listed(&look.details, verbose, (&ctx.node()?.mempool, &ctx.config)))
}

async fn chunks(ctx: &Ctx, of: Option<Txid>) -> Result<Vec<Chunk>, RpcError> {
    let actor = ctx.node()?.mempool_chunks.clone();
    ask(&actor, GetChunks { of }).await
}

async fn get_mempool_cluster(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let chunks = chunks(ctx, Some(params.txid(0, "txid")?)).await?;
    if chunks.is_empty() {
        return Err(not_in_mempool());
    }
    let sum = |(weight, count): (u64, usize), chunk: &Chunk| {
        (weight.saturating_add(chunk.weight), count.saturating_add(chunk.txids.len()))
    };
    let (weight, count) = chunks.iter().fold((0, 0), sum);
    let one = |chunk: &Chunk| {
        object([
            ("chunkfee", Json::Amount(chunk.fee_sat)),
            ("chunkweight", Json::from(chunk.weight)),
            ("txs", Json::List(chunk.txids.iter().map(Json::text).collect())),
        ])
    };
    Ok(object([
        ("clusterweight", Json::from(weight)),
        ("txcount", Json::from(count)),
        ("chunks", Json::List(chunks.iter().map(one).collect())),
    ]))
}

/// One step a chunk, from nothing on.
async fn get_mempool_feerate_diagram(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let step =
        |weight: u64, fee_sat: i64| object([("weight", Json::from(weight)), ("fee", Json::Amount(fee_sat))]);
    let mut steps = vec![step(0, 0)];
    let (mut weight, mut fee_sat) = (0u64, 0i64);
    for chunk in chunks(ctx, None).await? {
        (weight, fee_sat) = (weight.saturating_add(chunk.weight), fee_sat.saturating_add(chunk.fee_sat));
        steps.push(step(weight, fee_sat));
    }
    Ok(Json::List(steps))
}

/// A transaction in hex.
pub(super) fn decode(typed: &str) -> Option<ParsedTx> {
    let tx = ParsedTx::decode(&Vec::from_hex(typed).ok()?).ok()?;
    (!tx.tx().input.is_empty()).then_some(tx)
}

async fn get_orphan_txs(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let orphans = ctx.node()?.mempool.orphan_list();
    let verbosity = params.verbosity(0, 0, false)?;
    if !(0..=2).contains(&verbosity) {
        return Err(RpcError::invalid_parameter(format!("Invalid verbosity value {verbosity}")));
    }
    let shown = orphans.iter().map(|orphan| orphan_shown(orphan, verbosity));
    Ok(Json::List(shown.collect()))
}

fn orphan_shown(orphan: &Orphan, verbosity: i32) -> Json {
    let tx = &orphan.tx;
    if verbosity == 0 {
        return Json::text(tx.txid());
    }
    let mut shown = object([
        ("txid", Json::text(tx.txid())),
        ("wtxid", Json::text(tx.wtxid())),
        ("bytes", Json::from(tx.total_size())),
        ("vsize", Json::from(tx.weight().to_wu().div_ceil(4))),
        ("weight", Json::from(tx.weight().to_wu())),
        ("from", Json::List(orphan.from.iter().map(|peer| Json::from(*peer)).collect())),
    ]);
    if verbosity == 2 {
        shown.push("hex", Json::hex(tx.raw()));
    }
    shown
}
