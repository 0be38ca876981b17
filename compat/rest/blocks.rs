//! Headers and blocks.

use adit_chainstate::ChainReader;
use adit_domain::consensus::BlockUndo;
use adit_domain::units::Height;
use axum::http::StatusCode;
use bitcoin::consensus::encode::{Encodable, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network, VarInt};

use super::target::{self, Format, split};
use super::{Call, HEADERS, Outcome, Refused, aside, block_hash, bytes, count, hex_line, json, no_format};
use crate::json::{Json, object};
use crate::show;

/// `<hash>?count=<n>`, or `<n>/<hash>`: headers of the best chain from a block on.
pub(super) async fn headers(call: &Call<'_>) -> Outcome {
    let (name, format) = split(call.rest);
    let (wanted, typed) = match name.split('/').collect::<Vec<_>>().as_slice() {
        [wanted, typed] => ((*wanted).to_owned(), *typed),
        [typed] => (call.query("count").unwrap_or_else(|| HEADERS.to_owned()), *typed),
        _ => {
            let text = "Invalid URI format. Expected /rest/headers/<hash>.<ext>?count=<count>";
            return Err(Refused::bad(text));
        }
    };
    let (wanted, first) = (count(&wanted)?, block_hash(typed)?);
    let chain = call.node()?.chain.clone();
    let found = along(&chain, first, wanted);
    if format != Format::Json {
        let headers = found.iter().filter_map(|hash| chain.header(hash));
        return bytes(format, headers.flat_map(|(header, _)| serialize(&header)).collect());
    }
    let mut shown = Vec::with_capacity(found.len());
    for hash in found {
        shown.push(call.method("getblockheader", vec![Json::text(hash)]).await?);
    }
    Ok(json(&Json::List(shown)))
}

/// Blocks of the best chain from one of it on; none where it is not in it.
pub(super) fn along(chain: &ChainReader, first: BlockHash, most: usize) -> Vec<BlockHash> {
    let Some(height) = chain.height_in_best_chain(&first) else { return Vec::new() };
    // The chain may turn aside meanwhile: what is found then is of the new one, as long as it goes on.
    let above = std::iter::successors(Some(height), |height| Some(height.next())).skip(1);
    let rest = above.map_while(|height| chain.hash_at(height));
    std::iter::once(first).chain(rest).take(most).collect()
}

/// `<height>`: the hash of the best chain's block there.
pub(super) async fn hash_by_height(call: &Call<'_>) -> Outcome {
    let (typed, format) = split(call.rest);
    let height: Option<i32> = target::number(typed);
    let height = height.and_then(|height| u32::try_from(height).ok());
    let height =
        height.ok_or_else(|| Refused::bad(format!("Invalid height: {}", target::sanitized(typed))))?;
    let hash = call.node()?.chain.hash_at(Height::new(height));
    let hash = hash.ok_or_else(|| Refused::not_found("Block height out of range"))?;
    match format {
        // As a number: the last byte first.
        Format::Hex => Ok(hex_line(&hash.to_string())),
        Format::Json => Ok(json(&object([("blockhash", Json::text(hash))]))),
        _ => bytes(format, hash.to_byte_array().to_vec()),
    }
}

/// `<hash>`: a block, as JSON with its transactions and what they spent.
pub(super) async fn whole(call: &Call<'_>) -> Outcome {
    block(call, Some(3), None).await
}

/// `<hash>`: a block, as JSON with the ids of its transactions.
pub(super) async fn without_txs(call: &Call<'_>) -> Outcome {
    block(call, Some(1), None).await
}

/// `<hash>?offset=<n>&size=<n>`: some bytes of a block.
pub(super) async fn part(call: &Call<'_>) -> Outcome {
    let number = |name: &str| {
        let typed = call.query(name).unwrap_or_default();
        let text = || Refused::bad(format!("Block part {name} missing or invalid"));
        target::number::<usize>(&typed).ok_or_else(text)
    };
    let part = (number("offset")?, number("size")?);
    block(call, None, Some(part)).await
}

/// A block, with the verbosity of its JSON if it has one, or a part of it: offset and size.
async fn block(call: &Call<'_>, verbosity: Option<i32>, part: Option<(usize, usize)>) -> Outcome {
    let (typed, format) = split(call.rest);
    let hash = block_hash(typed)?;
    let chain = call.node()?.chain.clone();
    there(&chain, &hash, typed)?;
    if let (Format::Json, Some(verbosity)) = (format, verbosity) {
        let shown = call.method("getblock", vec![Json::text(hash), Json::from(verbosity)]).await;
        return shown.map(|block| json(&block));
    }
    let name = typed.to_owned();
    let raw = aside(move || {
        let unread = || Refused {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: format!("I/O error reading {name}"),
        };
        let read = match part {
            None => chain.raw_block(&hash).map(|raw| raw.map(Some)),
            // Of no bytes it is said that they are not there, as in Core.
            Some((_, 0)) => Ok(Some(None)),
            Some(part) => chain.raw_part(&hash, part),
        };
        let read = read.map_err(|_| unread())?;
        if read.is_some() && !chain.is_file_there(&hash).unwrap_or(false) {
            return Err(unread());
        }
        let read = read.ok_or_else(|| gone(&chain, &hash, &name))?;
        let (offset, size) = part.unwrap_or_default();
        read.ok_or_else(|| Refused::bad(format!("Bad block part offset/size {offset}/{size} for {name}")))
    })
    .await?;
    match format {
        Format::Json => Err(Refused::bad("JSON output is not supported for this request type")),
        _ => bytes(format, raw),
    }
}

fn there(chain: &ChainReader, hash: &BlockHash, typed: &str) -> Result<(), Refused> {
    if !chain.has_header(hash) {
        return Err(Refused::not_found(format!("{typed} not found")));
    }
    if chain.has_block(hash) { Ok(()) } else { Err(gone(chain, hash, typed)) }
}

fn gone(chain: &ChainReader, hash: &BlockHash, typed: &str) -> Refused {
    let why = if chain.is_block_pruned(hash) { "pruned data" } else { "not fully downloaded" };
    Refused::not_found(format!("{typed} not available ({why})"))
}

/// `<hash>`: the coins that a block spent, a row for each of its transactions.
pub(super) async fn spent(call: &Call<'_>) -> Outcome {
    let (typed, format) = split(call.rest);
    if typed.contains('/') {
        return Err(Refused::bad("Invalid URI format. Expected /rest/spenttxouts/<hash>.<ext>"));
    }
    let hash = block_hash(typed)?;
    let node = call.node()?;
    let (chain, network) = (node.chain.clone(), node.params.network);
    drop(node);
    let unknown = || Refused::not_found(format!("{typed} not found"));
    let (_, height) = chain.header(&hash).ok_or_else(unknown)?;
    let name = typed.to_owned();
    aside(move || {
        let undo = match height {
            Height::GENESIS => BlockUndo::default(),
            // What can't be read is not there, as in Core.
            _ => chain
                .spent_by(&hash)
                .ok()
                .flatten()
                .ok_or_else(|| Refused::not_found(format!("{name} undo not available")))?,
        };
        match format {
            Format::Json => Ok(json(&spent_json(&undo, network))),
            Format::Unknown => Err(no_format()),
            _ => bytes(format, spent_bytes(&undo)),
        }
    })
    .await
}

/// Counts and outputs, the coinbase's row, which is empty, first.
fn spent_bytes(undo: &BlockUndo) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, undo.spent.len().saturating_add(1));
    put_count(&mut out, 0);
    for row in &undo.spent {
        put_count(&mut out, row.len());
        row.iter().for_each(|coin| out.extend(serialize(&coin.output)));
    }
    out
}

/// A compact size.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = VarInt(u64::try_from(count).unwrap_or(u64::MAX));
    // Writing to memory does not fail.
    let _ = count.consensus_encode(out);
}

fn spent_json(undo: &BlockUndo, network: Network) -> Json {
    let coin = |coin: &adit_domain::consensus::Coin| {
        object([
            ("value", Json::from(coin.output.value)),
            ("scriptPubKey", show::script(&coin.output.script_pubkey, network)),
        ])
    };
    let rows = undo.spent.iter().map(|row| Json::List(row.iter().map(coin).collect()));
    Json::List(std::iter::once(Json::List(Vec::new())).chain(rows).collect())
}
