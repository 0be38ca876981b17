//! Partially signed transactions (BIP174, version 0): made, shown, put together and finished.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitcoin::bip32::{DerivationPath, Fingerprint, KeySource};
use bitcoin::psbt::{Input, Psbt, PsbtSighashType, raw};
use bitcoin::{Amount, Network, OutPoint, Script, ScriptBuf, Transaction, TxOut, Witness};

use adit_domain::wire::ParsedTx;

use super::mempool::decode;
use super::psbt_look::own;
use super::rawtx::{CREATED, constructed};
use crate::ctx::{Ctx, off_thread};
use crate::descriptor::Known;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show::{self, Prevouts};
use crate::signing::{self, Covers, Held, Job, reach};
use crate::table::Category::Rawtransactions;
use crate::table::{Arg, Kind, Method, method, opt, req};

const PSBT: Arg = req("psbt", Kind::Str);

pub(super) const METHODS: &[Method] = &[
    method(
        "createpsbt",
        Rawtransactions,
        CREATED,
        "A partially signed transaction of these inputs and outputs.",
        |c, p| Box::pin(create_psbt(c, p)),
    ),
    method(
        "converttopsbt",
        Rawtransactions,
        &[req("hexstring", Kind::Str), opt("permitsigdata", Kind::Bool), opt("iswitness", Kind::Bool)],
        "A transaction as a partially signed one; its signatures are left out.",
        |c, p| Box::pin(convert_to_psbt(c, p)),
    ),
    method("decodepsbt", Rawtransactions, &[PSBT], "What a partially signed transaction has.", |c, p| {
        Box::pin(decode_psbt(c, p))
    }),
    method(
        "combinepsbt",
        Rawtransactions,
        &[req("txs", Kind::List).shown("[\"psbt\",...]")],
        "One partially signed transaction with what several copies of it have.",
        |c, p| Box::pin(combine_psbt(c, p)),
    ),
    method(
        "joinpsbts",
        Rawtransactions,
        &[req("txs", Kind::List).shown("[\"psbt\",...]")],
        "One partially signed transaction with the inputs and outputs of several, in no order.",
        |c, p| Box::pin(join_psbts(c, p)),
    ),
    method(
        "finalizepsbt",
        Rawtransactions,
        &[PSBT, opt("extract", Kind::Bool)],
        "Puts a partially signed transaction's signatures where they belong; where all are there, the transaction.",
        |c, p| Box::pin(finalize_psbt(c, p)),
    ),
];

pub(super) fn read(typed: &str) -> Result<Psbt, RpcError> {
    let failed = |why: String| RpcError::deserialization(format!("TX decode failed {why}"));
    let bytes = STANDARD.decode(typed).map_err(|_| failed("invalid base64".to_owned()))?;
    Psbt::deserialize(&bytes).map_err(|error| failed(error.to_string()))
}

pub(super) fn written(psbt: &Psbt) -> Json {
    Json::from(STANDARD.encode(psbt.serialize()))
}

/// A blank one.
fn blank(tx: Transaction) -> Result<Psbt, RpcError> {
    Psbt::from_unsigned_tx(tx).map_err(|error| RpcError::internal(error.to_string()))
}

async fn create_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let tx = constructed(&params, ctx.node()?.params.network)?;
    Ok(written(&blank(tx)?))
}

async fn convert_to_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let tx = decode(params.str(0)?).ok_or_else(|| RpcError::deserialization("TX decode failed"))?;
    let mut tx = tx.tx().clone();
    let is_signed = |input: &bitcoin::TxIn| !input.script_sig.is_empty() || !input.witness.is_empty();
    if tx.input.iter().any(is_signed) && !params.bool_or(1, false)? {
        return Err(RpcError::deserialization("Inputs must not have scriptSigs and scriptWitnesses"));
    }
    for input in &mut tx.input {
        input.script_sig = ScriptBuf::new();
        input.witness = Witness::new();
    }
    Ok(written(&blank(tx)?))
}

fn many(typed: &Json) -> Result<Vec<Psbt>, RpcError> {
    params::list(typed)?.iter().map(|typed| read(params::text(typed)?)).collect()
}

async fn combine_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let mut all = many(params.get(0))?.into_iter();
    let Some(mut whole) = all.next() else {
        return Err(RpcError::invalid_parameter("Parameter 'txs' cannot be empty"));
    };
    for other in all {
        let text = "PSBTs not compatible (different transactions)";
        whole.combine(other).map_err(|_| RpcError::invalid_parameter(text))?;
    }
    Ok(written(&whole))
}

async fn join_psbts(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    if params::list(params.get(0))?.len() <= 1 {
        return Err(RpcError::invalid_parameter("At least two PSBTs are required to join PSBTs."));
    }
    let node = ctx.node()?;
    let all = many(params.get(0))?;
    let version = all.iter().map(|psbt| psbt.unsigned_tx.version.0).max().unwrap_or(1).max(1);
    let lock_time = all.iter().map(|psbt| psbt.unsigned_tx.lock_time.to_consensus_u32()).min().unwrap_or(0);
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<OutPoint, ()> = BTreeMap::new();
    let mut joined = blank(Transaction {
        version: bitcoin::transaction::Version(version),
        lock_time: bitcoin::absolute::LockTime::from_consensus(lock_time),
        input: Vec::new(),
        output: Vec::new(),
    })?;
    for psbt in all {
        for (place, part) in psbt.unsigned_tx.input.into_iter().zip(psbt.inputs) {
            let point = place.previous_output;
            if seen.insert(point, ()).is_some() {
                let text = format!("Input {}:{} exists in multiple PSBTs", point.txid, point.vout);
                return Err(RpcError::invalid_parameter(text));
            }
            inputs.push((node.entropy.next_u64(), place, part));
        }
        let parts = psbt.unsigned_tx.output.into_iter().zip(psbt.outputs);
        outputs.extend(parts.map(|(place, part)| (node.entropy.next_u64(), place, part)));
        joined.xpub.extend(psbt.xpub);
        joined.unknown.extend(psbt.unknown);
    }
    // By chance: who joins says nothing of who brought what.
    inputs.sort_by_key(|(chance, ..)| *chance);
    outputs.sort_by_key(|(chance, ..)| *chance);
    for (_, place, part) in inputs {
        joined.unsigned_tx.input.push(place);
        joined.inputs.push(part);
    }
    for (_, place, part) in outputs {
        joined.unsigned_tx.output.push(place);
        joined.outputs.push(part);
    }
    Ok(written(&joined))
}

/// What an input spends, if the transaction says so: its own word, or the transaction that it names.
fn spent(input: &Input, point: &OutPoint) -> Option<TxOut> {
    if let Some(output) = &input.witness_utxo {
        return Some(output.clone());
    }
    let whole = input.non_witness_utxo.as_ref().filter(|tx| tx.compute_txid() == point.txid)?;
    whole.output.get(usize::try_from(point.vout).ok()?).cloned()
}

/// What each input spends, in their order.
pub(super) fn all_spent(psbt: &Psbt) -> Vec<Option<TxOut>> {
    let inputs = psbt.inputs.iter().zip(&psbt.unsigned_tx.input);
    inputs.map(|(input, place)| spent(input, &place.previous_output)).collect()
}

async fn finalize_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let (psbt, extract) = (read(params.str(0)?)?, params.bool_or(1, true)?);
    off_thread(move || Ok(finalized(psbt, extract))).await
}

fn finalized(mut psbt: Psbt, extract: bool) -> Json {
    let coins = all_spent(&psbt);
    let all_known = coins.iter().all(Option::is_some);
    let nothing = || TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    let coins: Vec<TxOut> = coins.into_iter().map(|coin| coin.unwrap_or_else(nothing)).collect();
    let mut tx = psbt.unsigned_tx.clone();
    let mut is_complete = true;
    for (n, input) in psbt.inputs.iter_mut().enumerate() {
        is_complete &= finished(&mut tx, n, input, &coins, all_known);
    }
    let mut shown = if is_complete && extract {
        object([("hex", Json::hex(&bitcoin::consensus::encode::serialize(&tx)))])
    } else {
        object([("psbt", written(&psbt))])
    };
    shown.push("complete", is_complete);
    shown
}

/// Puts an input's signatures where they belong, in it and in the transaction; whether it is right then.
fn finished(tx: &mut Transaction, n: usize, input: &mut Input, coins: &[TxOut], all_known: bool) -> bool {
    let made = match (&input.final_script_sig, &input.final_script_witness) {
        (None, None) => {
            // Where a witness signs for it, what is spent goes along.
            let coin = coins.get(n).filter(|coin| reach(&coin.script_pubkey, &own(input)).is_witness);
            input.witness_utxo = coin.cloned().or(input.witness_utxo.take());
            solved(tx, n, input, coins, all_known)
        }
        (script_sig, witness) => signing::Made {
            script_sig: script_sig.clone().unwrap_or_default(),
            witness: witness.clone().unwrap_or_default(),
        },
    };
    if let Some(place) = tx.input.get_mut(n) {
        (place.script_sig, place.witness) = (made.script_sig.clone(), made.witness.clone());
    }
    if signing::check(tx, n, coins).is_err() {
        return false;
    }
    finish(input, made);
    true
}

/// Leaves of an input what it spends, what was made of it, and what nobody here knows.
pub(super) fn finish(input: &mut Input, made: signing::Made) {
    *input = Input {
        non_witness_utxo: input.non_witness_utxo.take(),
        witness_utxo: input.witness_utxo.take(),
        final_script_sig: Some(made.script_sig).filter(|script| !script.is_empty()),
        final_script_witness: Some(made.witness).filter(|witness| !witness.is_empty()),
        unknown: std::mem::take(&mut input.unknown),
        proprietary: std::mem::take(&mut input.proprietary),
        ..Input::default()
    };
}

fn solved(tx: &Transaction, n: usize, input: &Input, coins: &[TxOut], all_known: bool) -> signing::Made {
    if let Some(signature) = input.tap_key_sig {
        let witness = Witness::from_slice(&[signature.to_vec()]);
        return signing::Made { script_sig: ScriptBuf::new(), witness };
    }
    let mut known = Known::default();
    input
        .redeem_script
        .iter()
        .chain(&input.witness_script)
        .for_each(|script| known.add_script(script.clone()));
    let mut held = Held::new();
    for (key, signature) in &input.partial_sigs {
        known.keys.insert(key.pubkey_hash().to_raw_hash(), *key);
        held.insert(*key, signature.to_vec());
    }
    Job { tx, input: n, spent: coins, all_known, known: &known, held, covers: Covers::Default }.solve()
}

/// A script without the address that stands for it.
fn short(script: &Script) -> Json {
    object([
        ("asm", Json::from(show::asm(script, false))),
        ("hex", Json::hex(script.as_bytes())),
        ("type", Json::from(show::kind(script))),
    ])
}

/// `m/44h/0h`.
fn path_text(path: &DerivationPath) -> Json {
    let text = path.to_string().replace('\'', "h");
    Json::from(if text.is_empty() { "m".to_owned() } else { format!("m/{text}") })
}

fn origin(key: String, (master, path): &(Fingerprint, DerivationPath)) -> Vec<(&'static str, Json)> {
    vec![("pubkey", Json::from(key)), ("master_fingerprint", Json::text(master)), ("path", path_text(path))]
}

fn derivations(keys: &BTreeMap<bitcoin::secp256k1::PublicKey, KeySource>) -> Json {
    Json::List(keys.iter().map(|(key, source)| object(origin(key.to_string(), source))).collect())
}

fn tap_derivations(keys: &BTreeMap<bitcoin::XOnlyPublicKey, (Vec<bitcoin::TapLeafHash>, KeySource)>) -> Json {
    let one =
        |(key, (leaves, source)): (&bitcoin::XOnlyPublicKey, &(Vec<bitcoin::TapLeafHash>, KeySource))| {
            let mut fields = origin(key.to_string(), source);
            fields.push(("leaf_hashes", Json::List(leaves.iter().map(Json::text).collect())));
            object(fields)
        };
    Json::List(keys.iter().map(one).collect())
}

fn key_hex(key: &raw::Key) -> Json {
    Json::hex(&[&[key.type_value], key.key.as_slice()].concat())
}

fn unknown(rows: &BTreeMap<raw::Key, Vec<u8>>) -> Json {
    object(
        rows.iter()
            .map(|(key, value)| (key_hex(key).as_str().unwrap_or_default().to_owned(), Json::hex(value))),
    )
}

fn proprietary(rows: &BTreeMap<raw::ProprietaryKey, Vec<u8>>) -> Json {
    let one = |(key, value): (&raw::ProprietaryKey, &Vec<u8>)| {
        object([
            ("identifier", Json::hex(&key.prefix)),
            ("subtype", Json::from(key.subtype)),
            ("key", Json::hex(&key.key)),
            ("value", Json::hex(value)),
        ])
    };
    Json::List(rows.iter().map(one).collect())
}

async fn decode_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    Ok(shown(&read(params.str(0)?)?, network))
}

fn shown(psbt: &Psbt, network: Network) -> Json {
    let plain = |tx: &Transaction| {
        show::transaction(&ParsedTx::new(tx.clone()), network, Prevouts::Unknown, None, false)
    };
    let xpub = |(key, (master, path)): (&bitcoin::bip32::Xpub, &KeySource)| {
        object([
            ("xpub", Json::text(key)),
            ("master_fingerprint", Json::text(master)),
            ("path", path_text(path)),
        ])
    };
    let mut shown = object([
        ("tx", plain(&psbt.unsigned_tx)),
        ("global_xpubs", Json::List(psbt.xpub.iter().map(xpub).collect())),
        ("psbt_version", Json::from(psbt.version)),
        ("proprietary", proprietary(&psbt.proprietary)),
        ("unknown", unknown(&psbt.unknown)),
        ("inputs", Json::List(psbt.inputs.iter().map(|one| input(one, network, &plain)).collect())),
        ("outputs", Json::List(psbt.outputs.iter().map(output).collect())),
    ]);
    let coins: Option<Vec<TxOut>> = all_spent(psbt).into_iter().collect();
    if let Some(coins) = coins {
        let sum = |outputs: &[TxOut]| {
            outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
        };
        let fee =
            sum(&coins).zip(sum(&psbt.unsigned_tx.output)).and_then(|(paid, left)| paid.checked_sub(left));
        if let Some(fee) = fee {
            shown.push("fee", fee);
        }
    }
    shown
}

/// All that is done with a partially signed transaction of any bytes, or of a text; what is written of it is read again.
pub(crate) fn probe(data: &[u8]) {
    let typed = std::str::from_utf8(data).ok().and_then(|text| read(text).ok());
    let Some(psbt) = typed.or_else(|| Psbt::deserialize(data).ok()) else { return };
    for network in [Network::Bitcoin, Network::Regtest] {
        assert!(crate::json::read(&shown(&psbt, network).to_bytes()).is_some(), "not JSON");
    }
    let text = written(&psbt);
    assert_eq!(text.as_str().map(read), Some(Ok(psbt.clone())), "it is another");
    let mut twice = psbt.clone();
    assert!(twice.combine(psbt.clone()).is_ok(), "it is not like itself");
    let _ = (finalized(psbt, true), finalized(twice, false));
}

fn sighash(kind: &PsbtSighashType) -> Json {
    match kind.taproot_hash_ty() {
        Ok(kind) => Json::from(kind.to_string().trim_start_matches("SIGHASH_").to_owned()),
        Err(_) => Json::from(String::new()),
    }
}

fn input(input: &Input, network: Network, plain: &dyn Fn(&Transaction) -> Json) -> Json {
    let mut fields: Vec<(&'static str, Json)> = Vec::new();
    if let Some(output) = &input.witness_utxo {
        let script = show::script(&output.script_pubkey, network);
        fields
            .push(("witness_utxo", object([("amount", Json::from(output.value)), ("scriptPubKey", script)])));
    }
    fields.extend(input.non_witness_utxo.as_ref().map(|tx| ("non_witness_utxo", plain(tx))));
    if !input.partial_sigs.is_empty() {
        let rows = input.partial_sigs.iter().map(|(key, made)| (key.to_string(), Json::hex(&made.to_vec())));
        fields.push(("partial_signatures", object(rows)));
    }
    fields.extend(input.sighash_type.as_ref().map(|kind| ("sighash", sighash(kind))));
    fields.extend(input.redeem_script.as_ref().map(|script| ("redeem_script", short(script))));
    fields.extend(input.witness_script.as_ref().map(|script| ("witness_script", short(script))));
    if !input.bip32_derivation.is_empty() {
        fields.push(("bip32_derivs", derivations(&input.bip32_derivation)));
    }
    fields.extend(input.final_script_sig.as_ref().map(|script| {
        let shown = [("asm", Json::from(show::asm(script, false))), ("hex", Json::hex(script.as_bytes()))];
        ("final_scriptSig", object(shown))
    }));
    fields.extend(
        input
            .final_script_witness
            .as_ref()
            .map(|witness| ("final_scriptwitness", Json::List(witness.iter().map(Json::hex).collect()))),
    );
    fields.extend(taproot(input));
    if !input.proprietary.is_empty() {
        fields.push(("proprietary", proprietary(&input.proprietary)));
    }
    if !input.unknown.is_empty() {
        fields.push(("unknown", unknown(&input.unknown)));
    }
    object(fields)
}

fn taproot(input: &Input) -> Vec<(&'static str, Json)> {
    let mut fields: Vec<(&'static str, Json)> = Vec::new();
    fields.extend(input.tap_key_sig.map(|made| ("taproot_key_path_sig", Json::hex(&made.to_vec()))));
    if !input.tap_script_sigs.is_empty() {
        let rows = input.tap_script_sigs.iter().map(|((key, leaf), made)| {
            object([
                ("pubkey", Json::text(key)),
                ("leaf_hash", Json::text(leaf)),
                ("sig", Json::hex(&made.to_vec())),
            ])
        });
        fields.push(("taproot_script_path_sigs", Json::List(rows.collect())));
    }
    if !input.tap_scripts.is_empty() {
        let rows = input.tap_scripts.iter().map(|(block, (script, version))| {
            object([
                ("script", Json::hex(script.as_bytes())),
                ("leaf_ver", Json::from(version.to_consensus())),
                ("control_blocks", Json::List(vec![Json::hex(&block.serialize())])),
            ])
        });
        fields.push(("taproot_scripts", Json::List(rows.collect())));
    }
    if !input.tap_key_origins.is_empty() {
        fields.push(("taproot_bip32_derivs", tap_derivations(&input.tap_key_origins)));
    }
    fields.extend(input.tap_internal_key.map(|key| ("taproot_internal_key", Json::text(key))));
    fields.extend(input.tap_merkle_root.map(|root| ("taproot_merkle_root", Json::text(root))));
    fields
}

fn output(output: &bitcoin::psbt::Output) -> Json {
    let mut fields: Vec<(&'static str, Json)> = Vec::new();
    fields.extend(output.redeem_script.as_ref().map(|script| ("redeem_script", short(script))));
    fields.extend(output.witness_script.as_ref().map(|script| ("witness_script", short(script))));
    if !output.bip32_derivation.is_empty() {
        fields.push(("bip32_derivs", derivations(&output.bip32_derivation)));
    }
    fields.extend(output.tap_internal_key.map(|key| ("taproot_internal_key", Json::text(key))));
    if !output.tap_key_origins.is_empty() {
        fields.push(("taproot_bip32_derivs", tap_derivations(&output.tap_key_origins)));
    }
    if !output.proprietary.is_empty() {
        fields.push(("proprietary", proprietary(&output.proprietary)));
    }
    if !output.unknown.is_empty() {
        fields.push(("unknown", unknown(&output.unknown)));
    }
    object(fields)
}
