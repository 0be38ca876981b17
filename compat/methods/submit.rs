//! How transactions join those that wait, one by one or together.

use std::sync::Arc;
use std::time::Duration;

use adit_actors::messages::mempool::{
    AnnounceTransactions, SubmitPackage, SubmitTransaction, TestPackage, TestTransaction, TestedTx,
};
use adit_domain::mempool::limits::PACKAGE_TXS_MAX;
use adit_domain::mempool::{Joined, PackageError, PackageVerdict, TxRejected, TxVerdict};
use adit_domain::peer::TxRef;
use adit_domain::script::is_unspendable;
use adit_domain::wire::ParsedTx;
use bitcoin::{OutPoint, Txid};

use super::mempool::{decode, sat};
use super::rawtx::has_valid_ops;
use crate::ctx::{Ctx, ask, within};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::Rawtransactions;
use crate::table::{Arg, Kind, Method, method, opt, req};

const FEERATE: Arg = opt("maxfeerate", Kind::Amount);
const BURNT: Arg = opt("maxburnamount", Kind::Amount);

pub(super) const METHODS: &[Method] = &[
    method(
        "sendrawtransaction",
        Rawtransactions,
        &[req("hexstring", Kind::Str), FEERATE, BURNT],
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
        "submitpackage",
        Rawtransactions,
        &[req("package", Kind::List).shown("[\"rawtx\",...]"), FEERATE, BURNT],
        "Offers transactions that pay for each other to the mempool: a child behind its parents.",
        |c, p| Box::pin(submit_package(c, p)),
    ),
];

/// The feerate above which a transaction is taken for a mistake: 0.1 bitcoins for 1,000 virtual bytes.
const FEERATE_SAT_MAX: u64 = 10_000_000;
/// A bitcoin.
const COIN: u64 = 100_000_000;
/// How long a transaction may take: behind a block that reorganises.
const SUBMIT_WITHIN: Duration = Duration::from_secs(120);

/// What 1,000 virtual bytes may pay at most; none: anything.
fn feerate_max(params: &Params) -> Result<Option<u64>, RpcError> {
    let rate = params.given(1).map_or(Ok(FEERATE_SAT_MAX), params::amount)?;
    if rate >= COIN {
        return Err(RpcError::invalid_parameter(
            "Fee rates larger than or equal to 1BTC/kvB are not accepted",
        ));
    }
    Ok(Some(rate).filter(|rate| *rate > 0))
}

/// What so many virtual bytes may pay at most.
fn fee_max(rate: Option<u64>, vsize: u64) -> Option<u64> {
    rate.map(|rate| rate.saturating_mul(vsize).div_ceil(1_000))
}

/// It does not burn more than that.
fn check_burnt(tx: &ParsedTx, burnt_max: u64) -> Result<(), RpcError> {
    let is_lost = |script: &bitcoin::Script| is_unspendable(script) || !has_valid_ops(script);
    let burns = |output: &bitcoin::TxOut| output.value.to_sat() > burnt_max && is_lost(&output.script_pubkey);
    if tx.tx().output.iter().any(burns) {
        let text = "Unspendable output exceeds maximum configured by user (maxburnamount)";
        return Err(RpcError::verify(text));
    }
    Ok(())
}

fn burnt_max(params: &Params) -> Result<u64, RpcError> {
    params.given(2).map_or(Ok(0), params::amount)
}

async fn send_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let burnt_max = burnt_max(&params)?;
    let text = "TX decode failed. Make sure the tx has at least one input.";
    let tx = Arc::new(decode(params.str(0)?).ok_or_else(|| RpcError::deserialization(text))?);
    check_burnt(&tx, burnt_max)?;
    let fee_max = fee_max(feerate_max(&params)?, tx.weight().to_wu().div_ceil(4));
    let node = ctx.node()?;
    let txid = tx.txid();
    if is_in_chain(&node.chain, &tx)? {
        return Err(RpcError::already_in_chain("Transaction outputs already in utxo set"));
    }
    let (test, submit) = (node.test_tx.clone(), node.submit_tx.clone());
    let is_held = node.mempool.get(&TxRef::Txid(txid)).is_some();
    drop(node);
    if is_held {
        announce(ctx, vec![txid]).await?;
        return Ok(Json::text(txid));
    }
    if let Some(most) = fee_max {
        let tested = within(SUBMIT_WITHIN, &test, TestTransaction { tx: Arc::clone(&tx) }).await?;
        let tested = tested.map_err(|refused| rejected(&refused))?;
        if tested.fee.to_sat() > most {
            let text = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)";
            return Err(RpcError::verify(text));
        }
    }
    let taken = within(SUBMIT_WITHIN, &submit, SubmitTransaction { tx, from: None }).await?;
    let txid = taken.map_err(|refused| rejected(&refused))?;
    ctx.node()?.mempool.await_broadcast(&[txid]);
    Ok(Json::text(txid))
}

/// Tells peers that do not know of them.
async fn announce(ctx: &Ctx, txids: Vec<Txid>) -> Result<(), RpcError> {
    let actor = ctx.node()?.announce_txs.clone();
    ask(&actor, AnnounceTransactions { txids }).await
}

fn is_in_chain(chain: &adit_chainstate::ChainReader, tx: &ParsedTx) -> Result<bool, RpcError> {
    let outputs = u32::try_from(tx.tx().output.len()).unwrap_or(u32::MAX);
    let own: Vec<OutPoint> = (0..outputs).map(|vout| OutPoint { txid: tx.txid(), vout }).collect();
    Ok(chain.coins(&own)?.1.iter().any(Option::is_some))
}

fn rejected(refused: &TxRejected) -> RpcError {
    match refused {
        TxRejected::MissingInputs => RpcError::verify("bad-txns-inputs-missingorspent"),
        TxRejected::Fault(fault) => RpcError::internal(fault.to_string()),
        other => RpcError::verify_rejected(other.to_string()),
    }
}

/// Transactions in hex: as many as may come together.
fn decode_all(typed: &Json) -> Result<Vec<Arc<ParsedTx>>, RpcError> {
    let typed = params::list(typed)?;
    if !(1..=PACKAGE_TXS_MAX).contains(&typed.len()) {
        let text = format!("Array must contain between 1 and {PACKAGE_TXS_MAX} transactions.");
        return Err(RpcError::invalid_parameter(text));
    }
    let tx = |typed: &Json| {
        let typed = params::text(typed)?;
        let text = || format!("TX decode failed: {typed} Make sure the tx has at least one input.");
        decode(typed).map(Arc::new).ok_or_else(|| RpcError::deserialization(text()))
    };
    typed.iter().map(tx).collect()
}

async fn test_mempool_accept(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let feerate_max = feerate_max(&params)?;
    let txs = decode_all(params.get(0))?;
    let verdict = test(ctx, &txs).await?;
    let error = verdict.error.as_ref().filter(|error| error.is_policy()).map(PackageError::to_string);
    let (mut shown, mut is_over) = (Vec::with_capacity(txs.len()), false);
    for tx in &txs {
        let mut one = object([("txid", Json::text(tx.txid())), ("wtxid", Json::text(tx.wtxid()))]);
        if let Some(error) = &error {
            one.push("package-error", error.clone());
        }
        // What comes behind one that pays too much would not be offered.
        if let Some(said) = verdict.verdicts.get(&tx.wtxid()).filter(|_| !is_over) {
            is_over = test_result(&mut one, said, feerate_max);
        }
        shown.push(one);
    }
    Ok(Json::List(shown))
}

async fn test(ctx: &Ctx, txs: &[Arc<ParsedTx>]) -> Result<PackageVerdict, RpcError> {
    if let [tx] = txs {
        let (actor, message) = (ctx.node()?.test_tx.clone(), TestTransaction { tx: Arc::clone(tx) });
        return Ok(tested_alone(tx, within(SUBMIT_WITHIN, &actor, message).await?));
    }
    let actor = ctx.node()?.test_package.clone();
    within(SUBMIT_WITHIN, &actor, TestPackage { txs: txs.to_vec() }).await
}

/// A test of one alone, as that of a package of one.
fn tested_alone(tx: &ParsedTx, tested: Result<TestedTx, TxRejected>) -> PackageVerdict {
    let said = match tested {
        Ok(TestedTx { vsize, fee, modified_fee_sat }) => TxVerdict::Joined(Joined {
            vsize,
            fee_sat: fee.to_sat(),
            effective_fee_sat: modified_fee_sat,
            effective_vsize: vsize,
            effective_includes: vec![tx.wtxid()],
        }),
        Err(refused) => TxVerdict::Refused(refused),
    };
    PackageVerdict { verdicts: [(tx.wtxid(), said)].into(), ..PackageVerdict::default() }
}

/// What became of one; whether it pays more than it may.
fn test_result(shown: &mut Json, said: &TxVerdict, feerate_max: Option<u64>) -> bool {
    match said {
        TxVerdict::Joined(joined)
            if fee_max(feerate_max, joined.vsize).is_some_and(|max| joined.fee_sat > max) =>
        {
            shown.push("allowed", false);
            shown.push("reject-reason", "max-fee-exceeded");
            return true;
        }
        TxVerdict::Joined(joined) => {
            shown.push("allowed", true);
            shown.push("vsize", joined.vsize);
            shown.push("fees", fees(joined));
        }
        TxVerdict::Refused(TxRejected::MissingInputs) => {
            shown.push("allowed", false);
            shown.push("reject-reason", "missing-inputs");
        }
        TxVerdict::Refused(refused) => {
            shown.push("allowed", false);
            shown.push("reject-reason", refused.token());
            shown.push("reject-details", refused.to_string());
        }
        // A test says so of none.
        TxVerdict::Held { .. } | TxVerdict::HeldAs(_) => {}
    }
    false
}

fn fees(joined: &Joined) -> Json {
    let per_kvb = i128::from(joined.effective_fee_sat).saturating_mul(1_000);
    let rate = per_kvb.checked_div_euclid(i128::from(joined.effective_vsize)).unwrap_or(0);
    object([
        ("base", sat(joined.fee_sat)),
        ("effective-feerate", Json::Amount(i64::try_from(rate).unwrap_or(i64::MAX))),
        ("effective-includes", Json::List(joined.effective_includes.iter().map(Json::text).collect())),
    ])
}

/// Parents beside their child, none of which spends another.
fn is_tree(txs: &[Arc<ParsedTx>]) -> bool {
    let Some((child, parents)) = txs.split_last() else { return false };
    let spends = |tx: &ParsedTx, from: Txid| tx.tx().input.iter().any(|i| i.previous_output.txid == from);
    let sound = |parent: &Arc<ParsedTx>| {
        spends(child, parent.txid()) && !parents.iter().any(|other| spends(parent, other.txid()))
    };
    parents.is_empty() || parents.iter().all(sound)
}

async fn submit_package(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    // Core looks at the number first, at what may be paid next, and then at each transaction.
    params::list(params.get(0))?;
    let (sat_per_kvb_max, burnt_max) = (feerate_max(&params)?, burnt_max(&params)?);
    let txs = decode_all(params.get(0))?;
    txs.iter().try_for_each(|tx| check_burnt(tx, burnt_max))?;
    if !is_tree(&txs) {
        let text = "package topology disallowed. not child-with-parents or parents depend on each other.";
        return Err(RpcError::verify(text));
    }
    let actor = ctx.node()?.submit_package.clone();
    let message = SubmitPackage { txs: txs.clone(), sat_per_kvb_max };
    let verdict = within(SUBMIT_WITHIN, &actor, message).await?;
    let verdict = verdict.unwrap_or_else(|error| PackageVerdict::refused(error, None));
    let mempool = ctx.node()?.mempool.clone();
    let held = txs.iter().map(|tx| tx.txid()).filter(|txid| mempool.get(&TxRef::Txid(*txid)).is_some());
    announce(ctx, held.collect()).await?;
    let message = verdict.error.as_ref().map_or_else(|| "success".to_owned(), PackageError::to_string);
    let results = txs.iter().map(|tx| (tx.wtxid().to_string(), submit_result(tx, &verdict)));
    let mut replaced = verdict.replaced.clone();
    replaced.sort();
    replaced.dedup();
    Ok(object([
        ("package_msg", Json::from(message)),
        ("tx-results", object(results)),
        ("replaced-transactions", Json::List(replaced.iter().map(Json::text).collect())),
    ]))
}

/// What became of one.
fn submit_result(tx: &ParsedTx, verdict: &PackageVerdict) -> Json {
    let mut shown = object([("txid", Json::text(tx.txid()))]);
    match verdict.verdicts.get(&tx.wtxid()) {
        None => shown.push("error", "package-not-validated"),
        Some(TxVerdict::HeldAs(other)) => shown.push("other-wtxid", Json::text(other)),
        Some(TxVerdict::Refused(refused)) => shown.push("error", refused.to_string()),
        Some(TxVerdict::Joined(joined)) => {
            shown.push("vsize", joined.vsize);
            shown.push("fees", fees(joined));
        }
        Some(TxVerdict::Held { vsize, fee_sat }) => {
            shown.push("vsize", *vsize);
            shown.push("fees", object([("base", sat(*fee_sat))]));
        }
    }
    shown
}

#[cfg(test)]
mod tests;
