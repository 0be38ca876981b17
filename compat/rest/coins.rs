//! Transactions, and coins that are not spent (BIP64).

use std::sync::Arc;

use adit_actors::root::NodeLinks;
use adit_chainstate::IndexKind;
use adit_domain::chain::Tip;
use adit_domain::peer::TxRef;
use adit_domain::wire::ParsedTx;
use bitcoin::consensus::encode::{Decodable, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network, OutPoint, TxOut, Txid, VarInt};

use super::blocks::put_count;
use super::target::{self, Format, split};
use super::{Call, OUTPOINTS_MAX, Outcome, Refused, aside, bytes, json, no_format};
use crate::json::{Json, object};
use crate::methods::followed;
use crate::show::{self, Prevouts};

/// The height of a coin that no block has yet, as Core has it.
const HEIGHT_UNCONFIRMED: u32 = 0x7fff_ffff;
/// The longest list that a body may claim to have, as in Core.
const CLAIM_MAX: u64 = 0x0200_0000;

/// `<txid>`: a transaction that waits, or that the index knows.
pub(super) async fn tx(call: &Call<'_>) -> Outcome {
    let (typed, format) = split(call.rest);
    let txid = target::hash(typed).ok_or_else(|| Refused::bad(format!("Invalid hash: {typed}")))?;
    let node = call.node()?;
    let network = node.params.network;
    let look = || {
        let node = Arc::clone(&node);
        aside(move || Ok(find(&node, &Txid::from_byte_array(txid))))
    };
    let mut found = look().await?;
    // It may be of a block that has just come.
    if found.is_none() && node.indexes.kinds().contains(&IndexKind::Transactions) {
        followed(&node, IndexKind::Transactions).await;
        found = look().await?;
    }
    let (tx, block) = found.ok_or_else(|| Refused::not_found(format!("{typed} not found")))?;
    match format {
        Format::Json => Ok(json(&show::transaction(&tx, network, Prevouts::Unknown, block.as_ref(), true))),
        _ => bytes(format, tx.raw().to_vec()),
    }
}

fn find(node: &NodeLinks, txid: &Txid) -> Option<(Arc<ParsedTx>, Option<BlockHash>)> {
    if let Some(tx) = node.mempool.get(&TxRef::Txid(*txid)) {
        return Some((tx, None));
    }
    let found = node.indexes.transaction(txid).ok()?;
    Some((Arc::new(found.tx), Some(found.block)))
}

/// What is looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Whether what waits counts: its outputs are coins, and what it spends is spent.
    pub(super) with_mempool: bool,
    pub(super) outpoints: Vec<OutPoint>,
}

fn parse_error() -> Refused {
    Refused::bad("Parse error")
}

fn empty() -> Refused {
    Refused::bad("Error: empty request")
}

impl Wanted {
    /// `checkmempool/<txid>-<n>/<txid>-<n>`.
    fn of_path(parts: &[&str]) -> Result<Wanted, Refused> {
        let with_mempool = parts.first() == Some(&"checkmempool");
        let outpoint = |part: &&str| {
            let (txid, vout) = part.split_once('-')?;
            let txid = Txid::from_byte_array(target::hash(txid)?);
            Some(OutPoint { txid, vout: target::number(vout)? })
        };
        let parts = parts.iter().skip(usize::from(with_mempool));
        let outpoints: Option<Vec<OutPoint>> = parts.map(outpoint).collect();
        Ok(Wanted { with_mempool, outpoints: outpoints.ok_or_else(parse_error)? })
    }

    /// A count, and outpoints of 36 bytes each. Core puts the body's own length before it and reads that as BIP64's byte for the mempool: so the
    /// mempool always counts, and of a body of 253 bytes or more the length is read as the count. Whoever asks Core has learnt that.
    fn of_body(body: &[u8]) -> Option<Wanted> {
        let mut whole = Vec::with_capacity(body.len().saturating_add(9));
        put_count(&mut whole, body.len());
        whole.extend(body);
        let mut body = whole.as_slice();
        let with_mempool = bool::consensus_decode(&mut body).ok()?;
        let count = VarInt::consensus_decode(&mut body).ok().filter(|count| count.0 <= CLAIM_MAX)?.0;
        // As many as are there, whatever is claimed.
        let outpoints = (0..count).map(|_| OutPoint::consensus_decode(&mut body).ok());
        Some(Wanted { with_mempool, outpoints: outpoints.collect::<Option<Vec<_>>>()? })
    }

    /// What a path or a body asks for, in Core's order of complaints.
    pub(super) fn read(path: &str, body: &[u8], format: Format) -> Result<Wanted, Refused> {
        // Whatever the first character is.
        let rest = path.get(1..).filter(|rest| !rest.is_empty());
        let parts: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        if body.is_empty() && parts.is_empty() {
            return Err(empty());
        }
        let of_path = Wanted::of_path(&parts)?;
        if !parts.is_empty() && of_path.outpoints.is_empty() {
            return Err(empty());
        }
        let body = match format {
            Format::Hex => target::loose_hex(body),
            Format::Bin => body.to_vec(),
            Format::Json if parts.is_empty() => return Err(empty()),
            Format::Json => Vec::new(),
            Format::Unknown => return Err(no_format()),
        };
        if body.is_empty() {
            return Ok(of_path);
        }
        if !parts.is_empty() {
            let text = "Combination of URI scheme inputs and raw post data is not allowed";
            return Err(Refused::bad(text));
        }
        Wanted::of_body(&body).ok_or_else(parse_error)
    }
}

/// A coin that is not spent.
struct Unspent {
    height: u32,
    output: TxOut,
}

/// `[/checkmempool]/<txid>-<n>/...`, or the same as a body: which of these coins are there, and they.
pub(super) async fn unspent(call: &Call<'_>) -> Outcome {
    let (path, format) = split(call.rest);
    let wanted = Wanted::read(path, call.body, format)?;
    let tried = wanted.outpoints.len();
    if tried > OUTPOINTS_MAX {
        let text = format!("Error: max outpoints exceeded (max: {OUTPOINTS_MAX}, tried: {tried})");
        return Err(Refused::bad(text));
    }
    let node = call.node()?;
    let network = node.params.network;
    let (tip, coins) = aside(move || look(&node, &wanted)).await?;
    match format {
        Format::Json => Ok(json(&shown(&tip, &coins, network))),
        _ => bytes(format, packed(&tip, &coins)),
    }
}

fn look(node: &NodeLinks, wanted: &Wanted) -> Result<(Arc<Tip>, Vec<Option<Unspent>>), Refused> {
    let fault = |fault: adit_chainstate::ChainFault| Refused::from(crate::RpcError::from(fault));
    let (tip, in_chain) = node.chain.coins(&wanted.outpoints).map_err(fault)?;
    let coin = |(outpoint, coin): (&OutPoint, Option<adit_domain::consensus::Coin>)| {
        let in_chain = coin.map(|coin| Unspent { height: coin.height.to_u32(), output: coin.output });
        if !wanted.with_mempool {
            return in_chain;
        }
        if node.mempool.spender(outpoint).is_some() {
            return None;
        }
        let Some(held) = node.mempool.get(&TxRef::Txid(outpoint.txid)) else { return in_chain };
        let output = held.tx().output.get(usize::try_from(outpoint.vout).ok()?)?.clone();
        Some(Unspent { height: HEIGHT_UNCONFIRMED, output })
    };
    let coins = wanted.outpoints.iter().zip(in_chain).map(coin).collect();
    Ok((tip, coins))
}

/// Height, tip, a bit for each outpoint, and the coins: a version of 0, height, output.
fn packed(tip: &Tip, coins: &[Option<Unspent>]) -> Vec<u8> {
    let mut out = tip.height.to_u32().to_le_bytes().to_vec();
    out.extend(tip.hash.to_byte_array());
    let byte = |part: &[Option<Unspent>]| {
        part.iter().zip(0u32..).fold(0u8, |byte, (coin, bit)| byte | (u8::from(coin.is_some()) << bit))
    };
    let bitmap: Vec<u8> = coins.chunks(8).map(byte).collect();
    put_count(&mut out, bitmap.len());
    out.extend(bitmap);
    put_count(&mut out, coins.iter().flatten().count());
    for coin in coins.iter().flatten() {
        out.extend([0; 4]);
        out.extend(coin.height.to_le_bytes());
        out.extend(serialize(&coin.output));
    }
    out
}

fn shown(tip: &Tip, coins: &[Option<Unspent>], network: Network) -> Json {
    let bitmap: String = coins.iter().map(|coin| if coin.is_some() { '1' } else { '0' }).collect();
    let coin = |coin: &Unspent| {
        object([
            ("height", Json::from(coin.height)),
            ("value", Json::from(coin.output.value)),
            ("scriptPubKey", show::script(&coin.output.script_pubkey, network)),
        ])
    };
    object([
        ("chainHeight", Json::from(tip.height.to_u32())),
        ("chaintipHash", Json::text(tip.hash)),
        ("bitmap", Json::from(bitmap)),
        ("utxos", Json::List(coins.iter().flatten().map(coin).collect())),
    ])
}
