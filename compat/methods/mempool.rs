//! Transactions that wait, and how one joins them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adit_actors::messages::mempool::{LookIntoMempool, MempoolLook, SubmitTransaction, TestTransaction};
use adit_domain::mempool::{MempoolDetail, Sum, TxRejected, Wanted};
use adit_domain::peer::TxRef;
use adit_domain::script::is_unspendable;
use adit_domain::wire::ParsedTx;
use bitcoin::hex::FromHex;
use bitcoin::{OutPoint, Txid};

use super::rawtx::has_valid_ops;
use crate::ctx::{Ctx, ask, within};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::{Blockchain, Hidden, Rawtransactions};
use crate::table::{Arg, Kind, Method, method, opt, req};

const FEERATE: Arg = opt("maxfeerate", Kind::Amount);
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
        "sendrawtransaction",
        Rawtransactions,
        &[req("hexstring", Kind::Str), FEERATE, opt("maxburnamount", Kind::Amount)],
        "Offers a transaction to the mempool and, from there, to the peers.",
        |c, p| Box::pin(send_raw_transaction(c, p)),
    ),
    method(
        "testmempoolaccept",
        Rawtransactions,
        &[req("rawtxs", Kind::List).shown("[\"rawtx\",...]"), FEERATE],
        "Whether transactions would join the mempool.",
        |c, p| Box::pin(test_mempool_accept(c, p)),
    ),
    method(
        "getorphantxs",
        Hidden,
        &[opt("verbosity", Kind::Any)],
        "Transactions whose parents are missing.",
        |c, p| Box::pin(get_orphan_txs(c, p)),
    ),
];

/// What 1,000 virtual bytes that replace others must pay more, in satoshis; also what a full mempool's floor rises by.
pub(super) const INCREMENTAL_FEE_SAT: i64 = 100;
/// The feerate above which a transaction is taken for a mistake: 0.1 bitcoins for 1,000 virtual bytes.
const FEERATE_SAT_MAX: u64 = 10_000_000;
/// A bitcoin.
const COIN: u64 = 100_000_000;

fn sat(amount: u64) -> Json {
    Json::Amount(i64::try_from(amount).unwrap_or(i64::MAX))
}

async fn look(ctx: &Ctx, wanted: Option<Wanted>) -> Result<MempoolLook, RpcError> {
    let actor = ctx.node()?.look_into_mempool.clone();
    ask(&actor, LookIntoMempool { wanted }).await
}

async fn get_mempool_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let config = ctx.node()?.mempool_config;
    let look = look(ctx, None).await?;
    Ok(object([
        ("loaded", Json::from(look.is_loaded)),
        ("size", Json::from(look.count)),
        ("bytes", Json::from(look.vsize)),
        ("usage", Json::from(look.usage_bytes)),
        ("total_fee", sat(look.fees_sat)),
        ("maxmempool", Json::from(config.bytes_max)),
        ("mempoolminfee", sat(look.min_fee_sat_per_kvb)),
        ("minrelaytxfee", sat(config.min_fee_sat_per_kvb)),
        ("incrementalrelayfee", Json::Amount(INCREMENTAL_FEE_SAT)),
        ("unbroadcastcount", Json::from(0)),
        ("permitbaremultisig", Json::from(true)),
        ("maxdatacarriersize", Json::from(adit_domain::mempool::limits::DATA_BYTES_MAX)),
        ("limitclustercount", Json::from(adit_domain::mempool::limits::CHAIN_TXS_MAX)),
        ("limitclustersize", Json::from(adit_domain::mempool::limits::CHAIN_VSIZE_MAX)),
        ("optimal", Json::from(true)),
    ]))
}

fn entry(detail: &MempoolDetail, height: u32) -> Json {
    let tx = &detail.entry.tx;
    let part = |sum: &Sum| sat(sum.fee_sat);
    let ids = |txids: &[Txid]| Json::List(txids.iter().map(Json::text).collect());
    let fees = object([
        ("base", Json::from(detail.entry.fee)),
        ("modified", Json::from(detail.entry.fee)),
        ("ancestor", part(&detail.with_ancestors)),
        ("descendant", part(&detail.with_descendants)),
        ("chunk", Json::from(detail.entry.fee)),
    ]);
    object([
        ("vsize", Json::from(detail.vsize)),
        ("weight", Json::from(tx.weight().to_wu())),
        ("time", Json::from(detail.added_at.to_seconds_floor())),
        ("height", Json::from(height)),
        ("descendantcount", Json::from(detail.with_descendants.count)),
        ("descendantsize", Json::from(detail.with_descendants.vsize)),
        ("ancestorcount", Json::from(detail.with_ancestors.count)),
        ("ancestorsize", Json::from(detail.with_ancestors.vsize)),
        ("wtxid", Json::text(tx.wtxid())),
        ("chunkweight", Json::from(tx.weight().to_wu())),
        ("fees", fees),
        ("depends", ids(&detail.parents)),
        ("spentby", ids(&detail.children)),
        ("unbroadcast", Json::from(false)),
    ])
}

/// Ids, or each id with what is known of it.
fn listed(details: &[MempoolDetail], verbose: bool, height: u32) -> Json {
    let txid = |detail: &MempoolDetail| detail.entry.tx.txid().to_string();
    if verbose {
        object(details.iter().map(|detail| (txid(detail), entry(detail, height))))
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
    let height = ctx.node()?.chain.tip().height.to_u32();
    let ids = listed(&look.details, verbose, height);
    if with_sequence {
        return Ok(object([("txids", ids), ("mempool_sequence", Json::from(look.sequence))]));
    }
    Ok(ids)
}

async fn get_mempool_entry(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let txid = params.txid(0, "txid")?;
    let look = look(ctx, Some(Wanted::One(txid))).await?;
    let height = ctx.node()?.chain.tip().height.to_u32();
    look.details.first().map(|detail| entry(detail, height)).ok_or_else(not_in_mempool)
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
    let height = ctx.node()?.chain.tip().height.to_u32();
    Ok(listed(&look.details, verbose, height))
}

/// A transaction in hex.
pub(super) fn decode(typed: &str) -> Option<ParsedTx> {
    let tx = ParsedTx::decode(&Vec::from_hex(typed).ok()?).ok()?;
    (!tx.tx().input.is_empty()).then_some(tx)
}

/// What so many virtual bytes may pay at most; none: anything.
fn fee_max(params: &Params, place: usize, vsize: u64) -> Result<Option<u64>, RpcError> {
    let rate = params.given(place).map_or(Ok(FEERATE_SAT_MAX), params::amount)?;
    if rate >= COIN {
        return Err(RpcError::invalid_parameter(
            "Fee rates larger than or equal to 1BTC/kvB are not accepted",
        ));
    }
    Ok((rate > 0).then(|| rate.saturating_mul(vsize).div_ceil(1000)))
}

/// How long a transaction may take: behind a block that reorganises.
const SUBMIT_WITHIN: Duration = Duration::from_secs(120);

async fn send_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let burnt_max = params.given(2).map_or(Ok(0), params::amount)?;
    let text = "TX decode failed. Make sure the tx has at least one input.";
    let tx = Arc::new(decode(params.str(0)?).ok_or_else(|| RpcError::deserialization(text))?);
    let is_lost = |script: &bitcoin::Script| is_unspendable(script) || !has_valid_ops(script);
    let burns = |output: &bitcoin::TxOut| output.value.to_sat() > burnt_max && is_lost(&output.script_pubkey);
    if tx.tx().output.iter().any(burns) {
        let text = "Unspendable output exceeds maximum configured by user (maxburnamount)";
        return Err(RpcError::verify(text));
    }
    let fee_max = fee_max(&params, 1, tx.weight().to_wu().div_ceil(4))?;
    let node = ctx.node()?;
    let txid = tx.txid();
    if is_in_chain(&node.chain, &tx)? {
        return Err(RpcError::already_in_chain("Transaction outputs already in utxo set"));
    }
    if node.mempool.get(&TxRef::Txid(txid)).is_some() {
        return Ok(Json::text(txid));
    }
    let (test, submit) = (node.test_tx.clone(), node.submit_tx.clone());
    drop(node);
    if let Some(most) = fee_max {
        let tested = within(SUBMIT_WITHIN, &test, TestTransaction { tx: Arc::clone(&tx) }).await?;
        let (_, fee) = tested.map_err(|refused| rejected(&refused))?;
        if fee.to_sat() > most {
            let text = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)";
            return Err(RpcError::verify(text));
        }
    }
    let taken = within(SUBMIT_WITHIN, &submit, SubmitTransaction { tx }).await?;
    taken.map(Json::text).map_err(|refused| rejected(&refused))
}

fn is_in_chain(chain: &adit_chainstate::ChainReader, tx: &ParsedTx) -> Result<bool, RpcError> {
    let outputs = u32::try_from(tx.tx().output.len()).unwrap_or(u32::MAX);
    let own: Vec<OutPoint> = (0..outputs).map(|vout| OutPoint { txid: tx.txid(), vout }).collect();
    Ok(chain.coins(&own)?.1.iter().any(Option::is_some))
}

/// Core's words and details of a refusal: `min relay fee not met, 0 < 110`.
fn details(refused: &TxRejected) -> String {
    let text = refused.to_string();
    match refused {
        TxRejected::RelayFee { fee_sat, needed_sat } => {
            format!("min relay fee not met, {fee_sat} < {needed_sat}")
        }
        TxRejected::MempoolFee { fee_sat, needed_sat } => {
            format!("mempool min fee not met, {fee_sat} < {needed_sat}")
        }
        _ => text,
    }
}

/// The token without its details.
fn reason(refused: &TxRejected) -> String {
    match refused {
        TxRejected::MissingInputs => "missing-inputs".to_owned(),
        TxRejected::RelayFee { .. } => "min relay fee not met".to_owned(),
        TxRejected::MempoolFee { .. } => "mempool min fee not met".to_owned(),
        other => other.to_string(),
    }
}

fn rejected(refused: &TxRejected) -> RpcError {
    match refused {
        TxRejected::MissingInputs => RpcError::verify("bad-txns-inputs-missingorspent"),
        TxRejected::Fault(fault) => RpcError::internal(fault.to_string()),
        other => RpcError::verify_rejected(details(other)),
    }
}

/// Transactions that are tested in one call, as in Core.
const PACKAGE_TXS_MAX: usize = 25;

async fn test_mempool_accept(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let typed = params::list(params.get(0))?;
    if !(1..=PACKAGE_TXS_MAX).contains(&typed.len()) {
        let text = format!("Array must contain between 1 and {PACKAGE_TXS_MAX} transactions.");
        return Err(RpcError::invalid_parameter(text));
    }
    fee_max(&params, 1, 0)?;
    let tx = |typed: &Json| {
        let typed = params::text(typed)?;
        let text = || format!("TX decode failed: {typed} Make sure the tx has at least one input.");
        decode(typed).map(Arc::new).ok_or_else(|| RpcError::deserialization(text()))
    };
    let txs = typed.iter().map(tx).collect::<Result<Vec<_>, _>>()?;
    if let Some(reason) = package_fault(&txs) {
        let one = |tx: &Arc<ParsedTx>| {
            let mut shown = ids(tx);
            shown.push("package-error", reason);
            shown
        };
        return Ok(Json::List(txs.iter().map(one).collect()));
    }
    let actor = ctx.node()?.test_tx.clone();
    let mut verdicts = Vec::with_capacity(txs.len());
    for tx in txs {
        let most = fee_max(&params, 1, tx.weight().to_wu().div_ceil(4))?;
        let verdict = within(SUBMIT_WITHIN, &actor, TestTransaction { tx: Arc::clone(&tx) }).await?;
        verdicts.push(tested(&tx, verdict, most));
    }
    Ok(Json::List(verdicts))
}

/// A transaction by its ids.
fn ids(tx: &ParsedTx) -> Json {
    object([("txid", Json::text(tx.txid())), ("wtxid", Json::text(tx.wtxid()))])
}

/// Weight of a package at most, as in Core.
const PACKAGE_WEIGHT_MAX: u64 = 404_000;

/// What keeps transactions from being looked at together, in Core's words: too much weight, one twice, a child before its
/// parent, two that spend the same.
fn package_fault(txs: &[Arc<ParsedTx>]) -> Option<&'static str> {
    let weight = txs.iter().fold(0, |sum: u64, tx| sum.saturating_add(tx.weight().to_wu()));
    if txs.len() > 1 && weight > PACKAGE_WEIGHT_MAX {
        return Some("package-too-large");
    }
    let mut later: BTreeSet<Txid> = txs.iter().map(|tx| tx.txid()).collect();
    if later.len() != txs.len() {
        return Some("package-contains-duplicates");
    }
    for tx in txs {
        if tx.tx().input.iter().any(|input| later.contains(&input.previous_output.txid)) {
            return Some("package-not-sorted");
        }
        later.remove(&tx.txid());
    }
    let mut spent = BTreeSet::new();
    for tx in txs {
        // One transaction that spends an output twice is judged by itself.
        let own: BTreeSet<OutPoint> = tx.tx().input.iter().map(|input| input.previous_output).collect();
        if own.iter().any(|outpoint| spent.contains(outpoint)) {
            return Some("conflict-in-package");
        }
        spent.extend(own);
    }
    None
}

fn tested(tx: &ParsedTx, verdict: Result<(u64, bitcoin::Amount), TxRejected>, fee_max: Option<u64>) -> Json {
    let mut shown = ids(tx);
    match verdict {
        Ok((_, fee)) if fee_max.is_some_and(|most| fee.to_sat() > most) => {
            shown.push("allowed", false);
            shown.push("reject-reason", "max-fee-exceeded");
        }
        Ok((vsize, fee)) => {
            let rate = fee.to_sat().saturating_mul(1000).checked_div(vsize).unwrap_or(0);
            let fees = object([
                ("base", Json::from(fee)),
                ("effective-feerate", sat(rate)),
                ("effective-includes", Json::List(vec![Json::text(tx.wtxid())])),
            ]);
            shown.push("allowed", true);
            shown.push("vsize", vsize);
            shown.push("fees", fees);
        }
        Err(refused) => {
            shown.push("allowed", false);
            shown.push("reject-reason", reason(&refused));
            if refused != TxRejected::MissingInputs {
                shown.push("reject-details", details(&refused));
            }
        }
    }
    shown
}

/// They are kept, but nobody shows them yet: none is told of.
async fn get_orphan_txs(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.node()?;
    let verbosity = params.verbosity(0, 0, false)?;
    if !(0..=2).contains(&verbosity) {
        return Err(RpcError::invalid_parameter(format!("Invalid verbosity value {verbosity}")));
    }
    Ok(Json::List(Vec::new()))
}
