//! Signatures with keys that come with the call: transactions and messages. Nothing of it is kept.

use std::collections::HashMap;

use adit_actors::root::NodeLinks;
use adit_domain::peer::TxRef;
use adit_domain::script::ScriptError;
use adit_domain::units::parse_wif;
use bitcoin::address::AddressData;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Message;
use bitcoin::sign_message::{MessageSignature, signed_msg_hash};
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use super::mempool::decode;
use crate::ctx::{Ctx, off_thread};
use crate::descriptor::{Known, SECP};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show;
use crate::signing::{self, Covers, Job};
use crate::table::Category::{Rawtransactions, Util};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "signrawtransactionwithkey",
        Rawtransactions,
        &[
            req("hexstring", Kind::Str),
            req("privkeys", Kind::List).shown("[\"privatekey\",...]"),
            opt("prevtxs", Kind::List).shown(
                "[{\"txid\":\"hex\",\"vout\":n,\"scriptPubKey\":\"hex\",\"redeemScript\":\"hex\",\"witnessScript\":\"hex\",\"amount\":amount},...]",
            ),
            opt("sighashtype", Kind::Str),
        ],
        "Signs a transaction's inputs with these private keys.",
        |c, p| Box::pin(sign_raw_transaction(c, p)),
    ),
    method(
        "combinerawtransaction",
        Rawtransactions,
        &[req("txs", Kind::List).shown("[\"hexstring\",...]")],
        "One transaction with the signatures of several copies of it.",
        |c, p| Box::pin(combine_raw_transaction(c, p)),
    ),
    method(
        "signmessagewithprivkey",
        Util,
        &[req("privkey", Kind::Str), req("message", Kind::Str)],
        "Signs a message with a private key.",
        |c, p| Box::pin(sign_message(c, p)),
    ),
    method(
        "verifymessage",
        Util,
        &[req("address", Kind::Str), req("signature", Kind::Str), req("message", Kind::Str)],
        "Whether the key behind an address has signed a message.",
        |c, p| Box::pin(verify_message(c, p)),
    ),
];

/// What stands for an amount that was not told.
const AMOUNT_UNKNOWN: Amount = Amount::MAX_MONEY;

/// What outputs there are, in the chain or the mempool.
pub(super) fn find_coins(node: &NodeLinks, tx: &Transaction) -> Result<HashMap<OutPoint, TxOut>, RpcError> {
    let wanted: Vec<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
    let (_, coins) = node.chain.coins(&wanted)?;
    let mut found = HashMap::new();
    for (outpoint, coin) in wanted.into_iter().zip(coins) {
        let output = coin.map(|coin| coin.output).or_else(|| {
            let waiting = node.mempool.get(&TxRef::Txid(outpoint.txid))?;
            waiting.tx().output.get(usize::try_from(outpoint.vout).ok()?).cloned()
        });
        found.extend(output.map(|output| (outpoint, output)));
    }
    Ok(found)
}

async fn sign_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let text = "TX decode failed. Make sure the tx has at least one input.";
    let tx = decode(params.str(0)?).ok_or_else(|| RpcError::deserialization(text))?;
    let node = ctx.node()?;
    let mut known = Known::default();
    for typed in params::list(params.get(1))? {
        let secret = parse_wif(params::text(typed)?, node.params.network);
        known.add_secret(secret.map_err(|_| RpcError::invalid_address_or_key("Invalid private key"))?);
    }
    let mut coins = find_coins(&node, tx.tx())?;
    drop(node);
    if let Some(prevouts) = params.given(2) {
        for typed in params::list(prevouts)? {
            prevout(typed, &mut known, &mut coins)?;
        }
    }
    let covers = covers(params.opt_str(3)?)?;
    let tx = tx.tx().clone();
    off_thread(move || signed(tx, &known, &coins, covers)).await
}

/// What signatures are to cover.
pub(super) fn covers(typed: Option<&str>) -> Result<Covers, RpcError> {
    let Some(typed) = typed else { return Ok(Covers::Default) };
    let text = || format!("'{typed}' is not a valid sighash parameter.");
    Covers::read(typed).ok_or_else(|| RpcError::invalid_parameter(text()))
}

/// A field of a text type, or why it is none.
fn text_field<'a>(typed: &'a Json, name: &str) -> Result<Option<&'a str>, RpcError> {
    match typed.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => params::text(value).map(Some).map_err(|_| wrong_field(value, name, "string")),
    }
}

fn wrong_field(value: &Json, name: &str, expected: &str) -> RpcError {
    let got = value.type_name();
    RpcError::wrong_type(format!(
        "JSON value of type {got} for field {name} is not of expected type {expected}"
    ))
}

fn missing_field(name: &str) -> RpcError {
    RpcError::wrong_type(format!("Missing {name}"))
}

/// An output that the caller tells of, with the scripts behind it.
fn prevout(typed: &Json, known: &mut Known, coins: &mut HashMap<OutPoint, TxOut>) -> Result<(), RpcError> {
    if !matches!(typed, Json::Object(_)) {
        let text = "expected object with {\"txid'\",\"vout\",\"scriptPubKey\"}";
        return Err(RpcError::deserialization(text));
    }
    text_field(typed, "txid")?.ok_or_else(|| missing_field("txid"))?;
    let vout = match typed.get("vout") {
        None | Some(Json::Null) => return Err(missing_field("vout")),
        Some(value @ (Json::Int(_) | Json::Double(_))) => params::int::<i32>(value)?,
        Some(other) => return Err(wrong_field(other, "vout", "number")),
    };
    text_field(typed, "scriptPubKey")?.ok_or_else(|| missing_field("scriptPubKey"))?;
    let txid = Txid::from_byte_array(params::hash(typed.get("txid").unwrap_or(&Json::Null), "txid")?);
    let vout = u32::try_from(vout).map_err(|_| RpcError::deserialization("vout cannot be negative"))?;
    let bytes = params::bytes(typed.get("scriptPubKey").unwrap_or(&Json::Null), "scriptPubKey")?;
    let script_pubkey = ScriptBuf::from_bytes(bytes);
    let outpoint = OutPoint { txid, vout };
    if let Some(coin) = coins.get(&outpoint).filter(|coin| coin.script_pubkey != script_pubkey) {
        let (had, got) = (show::asm(&coin.script_pubkey, false), show::asm(&script_pubkey, false));
        let text = format!("Previous output scriptPubKey mismatch:\n{had}\nvs:\n{got}");
        return Err(RpcError::deserialization(text));
    }
    let value = match typed.get("amount") {
        Some(amount) => Amount::from_sat(params::amount(amount)?),
        None => AMOUNT_UNKNOWN,
    };
    coins.insert(outpoint, TxOut { value, script_pubkey: script_pubkey.clone() });
    if script_pubkey.is_p2sh() || script_pubkey.is_p2wsh() {
        scripts_behind(typed, &script_pubkey, known)?;
    }
    Ok(())
}

/// The scripts that an output's hash is of.
fn scripts_behind(typed: &Json, script_pubkey: &ScriptBuf, known: &mut Known) -> Result<(), RpcError> {
    let refused = |text: &str| Err(RpcError::invalid_parameter(text));
    let (redeem, witness) = (text_field(typed, "redeemScript")?, text_field(typed, "witnessScript")?);
    let field = |name: &'static str| params::bytes(typed.get(name).unwrap_or(&Json::Null), name);
    let bytes = match (redeem, witness) {
        (None, None) => return refused("Missing redeemScript/witnessScript"),
        (_, Some(_)) => field("witnessScript")?,
        (Some(_), None) => field("redeemScript")?,
    };
    let script = ScriptBuf::from_bytes(bytes);
    let program = script.to_p2wsh();
    known.add_script(script.clone());
    known.add_script(program.clone());
    if redeem.is_some()
        && witness.is_some()
        && redeem != witness
        && field("redeemScript")? != program.as_bytes()
    {
        return refused("redeemScript does not correspond to witnessScript");
    }
    let fits = if script_pubkey.is_p2sh() {
        [script.to_p2sh(), program.to_p2sh()].contains(script_pubkey)
    } else {
        *script_pubkey == program
    };
    if fits { Ok(()) } else { refused("redeemScript/witnessScript does not match scriptPubKey") }
}

/// What the inputs spend in their order, with nothing where that is not known.
pub(super) fn in_order(tx: &Transaction, coins: &HashMap<OutPoint, TxOut>) -> Vec<TxOut> {
    let nothing = || TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    let of = |input: &bitcoin::TxIn| coins.get(&input.previous_output).cloned().unwrap_or_else(nothing);
    tx.input.iter().map(of).collect()
}

fn signed(
    mut tx: Transaction,
    known: &Known,
    coins: &HashMap<OutPoint, TxOut>,
    covers: Covers,
) -> Result<Json, RpcError> {
    let spent = in_order(&tx, coins);
    let all_known = tx.input.iter().all(|input| coins.contains_key(&input.previous_output));
    let mut errors = Vec::new();
    for n in 0..tx.input.len() {
        let outpoint = tx.input.get(n).map(|input| input.previous_output).unwrap_or_default();
        let Some(coin) = coins.get(&outpoint) else {
            errors
                .extend(tx.input.get(n).map(|input| input_error(input, "Input not found or already spent")));
            continue;
        };
        if signing::check(&tx, n, &spent).is_err() {
            let mut seen = known.clone();
            let mut job =
                Job { tx: &tx, input: n, spent: &spent, all_known, known, held: Default::default(), covers };
            job.held = job.gather(&mut seen);
            job.known = &seen;
            let made = job.solve();
            if let Some(input) = tx.input.get_mut(n) {
                (input.script_sig, input.witness) = (made.script_sig, made.witness);
            }
        }
        let Some(input) = tx.input.get(n) else { continue };
        if coin.value == AMOUNT_UNKNOWN && !input.witness.is_empty() {
            let hex = bitcoin::hex::DisplayHex::to_lower_hex_string(coin.script_pubkey.as_bytes());
            let head = hex.get(..30).unwrap_or(&hex);
            let text = format!("Missing amount for CTxOut(nValue=21000000.00000000, scriptPubKey={head})");
            return Err(RpcError::wrong_type(text));
        }
        if let Err(error) = signing::check(&tx, n, &spent) {
            errors.push(input_error(input, &script_words(&error)));
        }
    }
    let mut shown = object([
        ("hex", Json::hex(&bitcoin::consensus::encode::serialize(&tx))),
        ("complete", Json::from(errors.is_empty())),
    ]);
    if !errors.is_empty() {
        shown.push("errors", Json::List(errors));
    }
    Ok(shown)
}

fn script_words(error: &ScriptError) -> String {
    match error {
        ScriptError::InvalidStackOperation => {
            "Unable to sign input, invalid stack size (possibly missing key)".to_owned()
        }
        ScriptError::SigNullFail => {
            "CHECK(MULTI)SIG failing with non-zero signature (possibly need more signatures)".to_owned()
        }
        other => other.to_string(),
    }
}

fn input_error(input: &bitcoin::TxIn, text: &str) -> Json {
    object([
        ("txid", Json::text(input.previous_output.txid)),
        ("vout", Json::from(input.previous_output.vout)),
        ("witness", Json::List(input.witness.iter().map(Json::hex).collect())),
        ("scriptSig", Json::hex(input.script_sig.as_bytes())),
        ("sequence", Json::from(input.sequence.to_consensus_u32())),
        ("error", Json::from(text.to_owned())),
    ])
}

/// A transaction as nobody has signed it yet.
fn bare(tx: &Transaction) -> Transaction {
    let mut tx = tx.clone();
    for input in &mut tx.input {
        input.script_sig = ScriptBuf::new();
        input.witness = bitcoin::Witness::new();
    }
    tx
}

async fn combine_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let typed = params::list(params.get(0))?;
    if typed.len() < 2 {
        let text = "Missing transactions. At least two transactions required.";
        return Err(RpcError::deserialization(text));
    }
    let mut copies = Vec::with_capacity(typed.len());
    for (n, typed) in typed.iter().enumerate() {
        let text = format!("TX decode failed for tx {n}. Make sure the tx has at least one input.");
        let tx = decode(params::text(typed)?).ok_or_else(|| RpcError::deserialization(text))?;
        copies.push(tx.tx().clone());
    }
    let first = copies.first().map(bare);
    if let Some(place) = copies.iter().position(|copy| Some(bare(copy)) != first) {
        let text =
            format!("Transaction number {} not compatible with first transaction", place.saturating_add(1));
        return Err(RpcError::invalid_parameter(text));
    }
    let node = ctx.node()?;
    let coins = match copies.first() {
        Some(first) => find_coins(&node, first)?,
        None => HashMap::new(),
    };
    drop(node);
    off_thread(move || combined(&copies, &coins)).await
}

fn combined(copies: &[Transaction], coins: &HashMap<OutPoint, TxOut>) -> Result<Json, RpcError> {
    let Some(mut merged) = copies.first().cloned() else { return Ok(Json::Null) };
    let spent = in_order(&merged, coins);
    for n in 0..merged.input.len() {
        let outpoint = merged.input.get(n).map(|input| input.previous_output).unwrap_or_default();
        if !coins.contains_key(&outpoint) {
            return Err(RpcError::verify("Input not found or already spent"));
        }
        let done = copies.iter().find(|copy| signing::check(copy, n, &spent).is_ok());
        let made = match done.and_then(|copy| copy.input.get(n)) {
            Some(input) => {
                signing::Made { script_sig: input.script_sig.clone(), witness: input.witness.clone() }
            }
            None => gathered(copies, n, &spent),
        };
        if let Some(input) = merged.input.get_mut(n) {
            (input.script_sig, input.witness) = (made.script_sig, made.witness);
        }
    }
    Ok(Json::hex(&bitcoin::consensus::encode::serialize(&merged)))
}

/// An input with the signatures of all copies.
fn gathered(copies: &[Transaction], n: usize, spent: &[TxOut]) -> signing::Made {
    let (nothing, mut known) = (Known::default(), Known::default());
    let mut held = signing::Held::new();
    let covers = Covers::Type(bitcoin::EcdsaSighashType::All);
    let job = |tx, known, held| Job { tx, input: n, spent, all_known: true, known, held, covers };
    for copy in copies {
        held.extend(job(copy, &nothing, Default::default()).gather(&mut known));
    }
    copies.first().map(|first| job(first, &known, held).solve()).unwrap_or_default()
}

async fn sign_message(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let secret = parse_wif(params.str(0)?, ctx.node()?.params.network);
    let secret = secret.map_err(|_| RpcError::invalid_address_or_key("Invalid private key"))?;
    let message = Message::from_digest(signed_msg_hash(params.str(1)?).to_byte_array());
    let signature = SECP.sign_ecdsa_recoverable(&message, &secret.inner);
    let signature = MessageSignature::new(signature, secret.compressed).serialize();
    Ok(Json::from(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature)))
}

async fn verify_message(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let address = crate::address::read(params.str(0)?, ctx.node()?.params.network);
    let address = address.map_err(|_| RpcError::invalid_address_or_key("Invalid address"))?;
    let AddressData::P2pkh { pubkey_hash } = address.to_address_data() else {
        return Err(RpcError::wrong_type("Address does not refer to key"));
    };
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, params.str(1)?);
    let bytes = bytes.map_err(|_| RpcError::wrong_type("Malformed base64 encoding"))?;
    let key = MessageSignature::from_slice(&bytes)
        .ok()
        .and_then(|signature| signature.recover_pubkey(&SECP, signed_msg_hash(params.str(2).ok()?)).ok());
    Ok(Json::from(key.is_some_and(|key| key.pubkey_hash() == pubkey_hash)))
}

#[cfg(test)]
mod tests;
