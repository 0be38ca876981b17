//! Transactions as bytes: decoded, found, made.

use std::sync::Arc;

use adit_actors::root::NodeLinks;
use adit_chainstate::{ChainReader, IndexError, IndexKind};
use adit_domain::peer::TxRef;
use adit_domain::script::is_unspendable;
use adit_domain::units::parse_address;
use adit_domain::wire::ParsedTx;
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{Decodable, serialize};
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::script::{Instruction, PushBytes};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Network, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};

use super::chain::entry;
use super::coinstats::followed;
use super::mempool::decode;
use crate::ctx::{Ctx, in_turn};
use crate::descriptor::{Known, infer};
use crate::error::RpcError;
use crate::json::Json;
use crate::params::{self, Params};
use crate::show::{self, Prevouts};
use crate::table::Category::Rawtransactions;
use crate::table::{Arg, Kind, Method, method, opt, req};

/// What a transaction is made of.
pub(super) const CREATED: &[Arg] = &[
    req("inputs", Kind::List).shown("[{\"txid\":\"hex\",\"vout\":n,\"sequence\":n},...]"),
    req("outputs", Kind::Any).shown("[{\"address\":amount,...},{\"data\":\"hex\"},...]"),
    opt("locktime", Kind::Num),
    opt("replaceable", Kind::Bool),
    opt("version", Kind::Num),
];

pub(super) const METHODS: &[Method] = &[
    method(
        "decoderawtransaction",
        Rawtransactions,
        &[req("hexstring", Kind::Str), opt("iswitness", Kind::Bool)],
        "A transaction's fields.",
        |c, p| Box::pin(decode_raw_transaction(c, p)),
    ),
    method("decodescript", Rawtransactions, &[req("hexstring", Kind::Str)], "What a script says.", |c, p| {
        Box::pin(decode_script(c, p))
    }),
    method(
        "getrawtransaction",
        Rawtransactions,
        &[req("txid", Kind::Str), opt("verbosity|verbose", Kind::Any), opt("blockhash", Kind::Str)],
        "A transaction that waits, that the block has, or that the index knows: its bytes (0), its fields (1), and the coins that it spent (2).",
        |c, p| Box::pin(get_raw_transaction(c, p)),
    ),
    method(
        "createrawtransaction",
        Rawtransactions,
        CREATED,
        "A transaction of these inputs and outputs, without signatures.",
        |c, p| Box::pin(create_raw_transaction(c, p)),
    ),
];

async fn decode_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    let failed = || RpcError::deserialization("TX decode failed");
    let typed = params.str(0)?;
    // Behind the version the mark of witnesses; read without them it would be a count of no inputs.
    let is_marked = typed.get(8..12) == Some("0001");
    if is_marked && !params.bool_or(1, true)? {
        return Err(failed());
    }
    if let Some(tx) = decode(typed) {
        return Ok(show::transaction(&tx, network, Prevouts::Unknown, None, false));
    }
    let tx = Vec::from_hex(typed).ok().and_then(|raw| without_inputs(&raw));
    Ok(shown_without_inputs(tx.ok_or_else(failed)?, network))
}

/// A transaction without inputs, which nobody can send: it is to be filled yet.
fn without_inputs(raw: &[u8]) -> Option<Transaction> {
    let (version, rest) = raw.split_first_chunk::<4>()?;
    let (0, mut rest) = rest.split_first().map(|(count, rest)| (*count, rest))? else { return None };
    let output = Vec::<TxOut>::consensus_decode(&mut rest).ok()?;
    let lock_time = LockTime::consensus_decode(&mut rest).ok()?;
    let version = Version(i32::from_le_bytes(*version));
    rest.is_empty().then_some(Transaction { version, lock_time, input: Vec::new(), output })
}

fn shown_without_inputs(tx: Transaction, network: Network) -> Json {
    let size = u64::try_from(written(&tx).len()).unwrap_or(u64::MAX);
    let tx = ParsedTx::new(tx);
    let mut shown = show::transaction(&tx, network, Prevouts::Unknown, None, false);
    // Its bytes have no mark of witnesses, which would be taken for a count of inputs.
    shown.set("hash", Some(Json::hash(tx.txid())));
    for (name, value) in [("size", size), ("vsize", size), ("weight", size.saturating_mul(4))] {
        shown.set(name, Some(Json::from(value)));
    }
    shown
}

async fn decode_script(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    let typed = params.str(0)?;
    let bytes = if typed.is_empty() { Vec::new() } else { params::bytes(params.get(0), "argument")? };
    let script = ScriptBuf::from_bytes(bytes);
    let Json::Object(fields) = show::script(&script, network) else { return Ok(Json::Null) };
    let mut shown = Json::Object(fields.into_iter().filter(|(name, _)| name != "hex").collect());
    let kind = show::kind(&script);
    let wraps = matches!(
        kind.as_str(),
        "multisig" | "nonstandard" | "pubkey" | "pubkeyhash" | "witness_v0_keyhash" | "witness_v0_scripthash"
    ) && may_be_wrapped(&script);
    if wraps {
        if let Some(address) = show::address(&script.to_p2sh(), network) {
            shown.push("p2sh", address.to_string());
        }
        if let Some(inner) = segwit(&script, &kind) {
            let mut known = Known::default();
            known.add_script(script.clone());
            let mut part = show::script(&inner, network);
            part.set("desc", Some(Json::from(infer(&inner, &known, network))));
            if let Some(address) = show::address(&inner.to_p2sh(), network) {
                part.push("p2sh-segwit", address.to_string());
            }
            shown.push("segwit", part);
        }
    }
    Ok(shown)
}

/// Bytes of a push at most.
const PUSH_BYTES_MAX: usize = 520;
/// The last opcode that has a meaning outside of tapscript.
const OPCODE_MAX: u8 = 0xb9;
/// Opcodes that let a tapscript succeed (BIP342), up to the last one with a meaning elsewhere.
const SUCCESSES: [std::ops::RangeInclusive<u8>; 7] =
    [80..=80, 98..=98, 126..=129, 131..=134, 137..=138, 141..=142, 149..=153];

/// Whether a script is whole, and has no push that is too long and no opcode that is none.
pub(super) fn has_valid_ops(script: &Script) -> bool {
    script.instructions().all(|instruction| match instruction {
        Ok(Instruction::PushBytes(bytes)) => bytes.len() <= PUSH_BYTES_MAX,
        Ok(Instruction::Op(opcode)) => opcode.to_u8() <= OPCODE_MAX,
        Err(_) => false,
    })
}

/// Whether a script can stand in another: whole, spendable, without opcodes that are none.
fn may_be_wrapped(script: &ScriptBuf) -> bool {
    let succeeds = |opcode: u8| SUCCESSES.iter().any(|s| s.contains(&opcode));
    let ops = script.instructions().filter_map(Result::ok).filter_map(|part| part.opcode());
    has_valid_ops(script) && !ops.into_iter().any(|op| succeeds(op.to_u8())) && !is_unspendable(script)
}

/// The witness program that stands for a script; none for what is one, or has keys that none bears.
fn segwit(script: &ScriptBuf, kind: &str) -> Option<ScriptBuf> {
    let compressed = |bytes: &[u8]| bytes.len() == 33;
    match kind {
        "pubkey" => {
            let key = script.p2pk_public_key().filter(|key| key.compressed)?;
            Some(ScriptBuf::new_p2wpkh(&key.wpubkey_hash().ok()?))
        }
        "pubkeyhash" => {
            let hash = script.as_bytes().get(3..23)?;
            Some(ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::from_slice(hash).ok()?))
        }
        "multisig" => {
            let keys = script.instructions().filter_map(Result::ok);
            let all = keys.filter_map(|i| Some(compressed(i.push_bytes()?.as_bytes()))).all(|is| is);
            all.then(|| script.to_p2wsh())
        }
        "nonstandard" => Some(script.to_p2wsh()),
        _ => None,
    }
}

/// Where a transaction was found.
struct Found {
    tx: Arc<ParsedTx>,
    block: Option<bitcoin::BlockHash>,
}

/// What is asked of a transaction.
#[derive(Clone, Copy)]
struct Asked {
    txid: Txid,
    /// The block that it is looked for in, and nowhere else.
    named: Option<bitcoin::BlockHash>,
    verbosity: i32,
}

async fn get_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let txid = params.txid(0, "parameter 1")?;
    let node = ctx.node()?;
    if txid.to_byte_array() == node.params.genesis.header.merkle_root.to_byte_array() {
        let text =
            "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved";
        return Err(RpcError::invalid_address_or_key(text));
    }
    let verbosity = params.verbosity(1, 0, true)?;
    let named = params.given(2).map(|_| params.block_hash(2, "parameter 3")).transpose()?;
    let asked = Asked { txid, named, verbosity };
    // What the index has is answered though a block that has just come is not in it yet.
    if let Some(shown) = looked_for(ctx, &node, asked).await? {
        return Ok(shown);
    }
    followed(&node, IndexKind::Transactions).await;
    let late =
        "No such mempool transaction. Blockchain transactions are still in the process of being indexed";
    looked_for(ctx, &node, asked).await?.ok_or_else(|| none(late))
}

/// Bytes of a transaction that is shown where it was found: of twice as many the fields take a millisecond.
const BRIEF_BYTES_MAX: usize = 8 << 10;

/// None where the index is not where the chain is, and it may yet come.
async fn looked_for(ctx: &Ctx, node: &Arc<NodeLinks>, asked: Asked) -> Result<Option<Json>, RpcError> {
    let look = {
        let node = Arc::clone(node);
        move || find(&node, &asked)
    };
    // A whole block is read, or coins from several.
    let reads_much = asked.named.is_some() || asked.verbosity > 1;
    let found = if reads_much { in_turn(look).await? } else { ctx.briefly(look).await? };
    let Some(found) = found else { return Ok(None) };
    if asked.verbosity <= 1 && (asked.verbosity <= 0 || found.tx.raw().len() <= BRIEF_BYTES_MAX) {
        return shown(node, &asked, &found).map(Some);
    }
    let node = Arc::clone(node);
    let written = move || Ok(Json::written(&shown(&node, &asked, &found)?.to_bytes().into()));
    in_turn(written).await.map(Some)
}

fn shown(node: &NodeLinks, asked: &Asked, found: &Found) -> Result<Json, RpcError> {
    if asked.verbosity <= 0 {
        return Ok(Json::Hex(found.tx.raw().to_vec()));
    }
    let mut shown = Vec::new();
    if let Some(hash) = &asked.named {
        let active = node.chain.height_in_best_chain(hash).is_some();
        shown.push(("in_active_chain".into(), Json::from(active)));
    }
    let coins = if asked.verbosity > 1 { spent(&node.chain, found)? } else { None };
    let prevouts = coins.as_deref().map_or(Prevouts::Unknown, Prevouts::Shown);
    let tx = show::transaction(&found.tx, node.params.network, prevouts, found.block.as_ref(), true);
    let Json::Object(fields) = tx else { return Ok(tx) };
    // Core writes the block's hash behind the bytes.
    let (block, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == "blockhash");
    shown.extend(rest);
    shown.extend(block);
    shown.extend(confirmed(&node.chain, found.block.as_ref()));
    Ok(Json::Object(shown))
}

fn confirmed(chain: &ChainReader, block: Option<&bitcoin::BlockHash>) -> Vec<(crate::json::Name, Json)> {
    let Some(entry) = block.and_then(|hash| chain.entry(hash)) else { return Vec::new() };
    if !entry.is_active {
        return vec![("confirmations".into(), Json::from(0))];
    }
    let confirmations = chain.tip().height.next().blocks_above(entry.height);
    vec![
        ("confirmations".into(), Json::from(confirmations)),
        ("time".into(), Json::from(entry.header.time)),
        ("blocktime".into(), Json::from(entry.header.time)),
    ]
}

/// The coins that a confirmed transaction spent.
fn spent(chain: &ChainReader, found: &Found) -> Result<Option<Vec<adit_domain::consensus::Coin>>, RpcError> {
    let Some(hash) = found.block.filter(|_| !found.tx.tx().is_coinbase()) else { return Ok(None) };
    let (Some(block), Some(undo)) = (chain.block(&hash)?, chain.spent_by(&hash)?) else { return Ok(None) };
    let place = block.txs().iter().position(|tx| tx.txid() == found.tx.txid());
    Ok(place.and_then(|place| undo.spent.get(place.checked_sub(1)?).cloned()))
}

fn none(text: &str) -> RpcError {
    RpcError::invalid_address_or_key(format!("{text}. Use gettransaction for wallet transactions."))
}

/// None where the index has not followed the chain yet.
fn find(node: &NodeLinks, asked: &Asked) -> Result<Option<Found>, RpcError> {
    let txid = &asked.txid;
    if let Some(hash) = &asked.named {
        let known = entry(&node.chain, hash);
        known.map_err(|_| RpcError::invalid_address_or_key("Block hash not found"))?;
        let block = node.chain.block(hash)?.ok_or_else(|| RpcError::misc("Block not available"))?;
        let tx = block.txs().iter().find(|tx| tx.txid() == *txid);
        let tx = tx.ok_or_else(|| none("No such transaction found in the provided block"))?;
        return Ok(Some(Found { tx: Arc::new(tx.clone()), block: Some(*hash) }));
    }
    if let Some(tx) = node.mempool.get(&TxRef::Txid(*txid)) {
        return Ok(Some(Found { tx, block: None }));
    }
    if !node.indexes.kinds().contains(&IndexKind::Transactions) {
        return Err(none(
            "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries",
        ));
    }
    match node.indexes.transaction(txid) {
        Ok(found) => Ok(Some(Found { tx: Arc::new(found.tx), block: Some(found.block) })),
        Err(IndexError::NotYet { .. }) => Ok(None),
        Err(IndexError::Fault(fault)) => Err(fault.into()),
        Err(_) => Err(none("No such mempool or blockchain transaction")),
    }
}

async fn create_raw_transaction(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    Ok(Json::hex(&written(&constructed(&params, network)?)))
}

/// A transaction of inputs, outputs, a lock time, whether it may be replaced, and a version.
pub(super) fn constructed(params: &Params, network: Network) -> Result<Transaction, RpcError> {
    let lock_time: i64 = params.opt_int(2)?.unwrap_or(0);
    let lock_time = u32::try_from(lock_time)
        .map_err(|_| RpcError::invalid_parameter("Invalid parameter, locktime out of range"))?;
    let version: i64 = params.opt_int(4)?.unwrap_or(2);
    if !(1..=3).contains(&version) {
        return Err(RpcError::invalid_parameter("Invalid parameter, version out of range(1~3)"));
    }
    let sequence = match (params.bool_or(3, true)?, lock_time) {
        (true, _) => Sequence::from_consensus(0xffff_fffd),
        (false, 1..) => Sequence::ENABLE_LOCKTIME_NO_RBF,
        (false, 0) => Sequence::MAX,
    };
    let inputs = params::list(params.get(0))?;
    let input = inputs.iter().map(|typed| input(typed, sequence)).collect::<Result<_, _>>()?;
    let output = outputs(params.get(1), network)?;
    let version = Version(i32::try_from(version).unwrap_or(2));
    let tx = Transaction { version, lock_time: LockTime::from_consensus(lock_time), input, output };
    let contradicts = !tx.input.is_empty() && !tx.input.iter().any(|input| input.sequence.is_rbf());
    if params.given(3).is_some() && params.bool_or(3, true)? && contradicts {
        let text = "Invalid parameter combination: Sequence number(s) contradict replaceable option";
        return Err(RpcError::invalid_parameter(text));
    }
    Ok(tx)
}

/// A transaction's bytes; one without inputs has no mark of witnesses, as Core writes it: it is to be filled yet.
fn written(tx: &Transaction) -> Vec<u8> {
    if !tx.input.is_empty() {
        return serialize(tx);
    }
    let version = tx.version.0.to_le_bytes();
    [version.as_slice(), &[0], &serialize(&tx.output), &serialize(&tx.lock_time)].concat()
}

fn input(typed: &Json, sequence: Sequence) -> Result<TxIn, RpcError> {
    params::fields(typed)?;
    let field = |name: &str| typed.get(name).unwrap_or(&Json::Null);
    let txid = Txid::from_byte_array(params::hash(field("txid"), "txid")?);
    if !matches!(field("vout"), Json::Int(_) | Json::Double(_)) {
        return Err(RpcError::invalid_parameter("Invalid parameter, missing vout key"));
    }
    let vout: i32 = params::int(field("vout"))?;
    let vout = u32::try_from(vout)
        .map_err(|_| RpcError::invalid_parameter("Invalid parameter, vout cannot be negative"))?;
    let sequence = match field("sequence") {
        Json::Null => sequence,
        typed => {
            let number: i64 = params::int(typed)?;
            let text = "Invalid parameter, sequence number is out of range";
            let number = u32::try_from(number).map_err(|_| RpcError::invalid_parameter(text))?;
            Sequence::from_consensus(number)
        }
    };
    let previous_output = OutPoint { txid, vout };
    Ok(TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() })
}

/// An object, or a list of objects with one field each.
fn outputs(typed: &Json, network: Network) -> Result<Vec<TxOut>, RpcError> {
    let mut pairs = Vec::new();
    match typed {
        Json::Null => {
            return Err(RpcError::invalid_parameter("Invalid parameter, output argument must be non-null"));
        }
        Json::Object(fields) => pairs.extend(fields.iter()),
        Json::List(items) => {
            for item in items {
                match item {
                    Json::Object(fields) if fields.len() == 1 => pairs.extend(fields.iter()),
                    Json::Object(_) => {
                        let text = "Invalid parameter, key-value pair must contain exactly one key";
                        return Err(RpcError::invalid_parameter(text));
                    }
                    _ => {
                        let text = "Invalid parameter, key-value pair not an object as expected";
                        return Err(RpcError::invalid_parameter(text));
                    }
                }
            }
        }
        other => {
            params::list(other)?;
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let one = |(name, value): &(crate::json::Name, Json)| {
        if !seen.insert(name.to_string()) {
            let text = match name.as_ref() {
                "data" => "Invalid parameter, duplicate key: data".to_owned(),
                address => format!("Invalid parameter, duplicated address: {address}"),
            };
            return Err(RpcError::invalid_parameter(text));
        }
        if name == "data" {
            let bytes = params::bytes(value, "Data")?;
            let push = <&PushBytes>::try_from(bytes.as_slice())
                .map_err(|_| RpcError::invalid_parameter("Data is too long"))?;
            return Ok(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(push) });
        }
        let address = parse_address(name, network)
            .map_err(|_| RpcError::invalid_address_or_key(format!("Invalid Bitcoin address: {name}")))?;
        let value = Amount::from_sat(params::amount(value)?);
        Ok(TxOut { value, script_pubkey: address.script_pubkey() })
    };
    pairs.into_iter().map(one).collect()
}
