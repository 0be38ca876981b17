//! Compact filters (BIP157, BIP158).

use adit_actors::root::NodeLinks;
use adit_chainstate::IndexKind;
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::hex::FromHex;

use super::blocks::{along, put_count};
use super::target::{Format, split};
use super::{Call, HEADERS, Outcome, Refused, aside, block_hash, bytes, count, json, no_format};
use crate::json::{Json, object};
use crate::methods::followed;

/// The one type of filters that there is, and its byte.
const BASIC: &str = "basic";
const BASIC_BYTE: u8 = 0;

/// Whether filters of this type are kept.
fn kept(node: &NodeLinks, kind: &str) -> Result<(), Refused> {
    if kind != BASIC {
        return Err(Refused::bad(format!("Unknown filtertype {kind}")));
    }
    if !node.indexes.kinds().contains(&IndexKind::Filters) {
        return Err(Refused::bad(format!("Index is not enabled for filtertype {kind}")));
    }
    Ok(())
}

/// Waits for the index a while; then whether it is where the chain is.
async fn ready(node: &NodeLinks) -> bool {
    followed(node, IndexKind::Filters).await;
    node.indexes.status().iter().any(|status| status.kind == IndexKind::Filters && status.synced)
}

fn not_there(is_ready: bool) -> Refused {
    Refused::not_found(match is_ready {
        false => "Filter not found. Block filters are still in the process of being indexed.",
        true => "Filter not found. This error is unexpected and indicates index corruption.",
    })
}

/// `<type>/<hash>?count=<n>`, or `<type>/<n>/<hash>`: headers of filters from a block on.
pub(super) async fn headers(call: &Call<'_>) -> Outcome {
    let (name, format) = split(call.rest);
    let (kind, wanted, typed) = match name.split('/').collect::<Vec<_>>().as_slice() {
        [kind, wanted, typed] => (*kind, (*wanted).to_owned(), *typed),
        [kind, typed] => (*kind, call.query("count").unwrap_or_else(|| HEADERS.to_owned()), *typed),
        _ => {
            let path = "/rest/blockfilterheaders/<filtertype>/<blockhash>.<ext>?count=<count>";
            return Err(Refused::bad(format!("Invalid URI format. Expected {path}")));
        }
    };
    let (wanted, first) = (count(&wanted)?, block_hash(typed)?);
    let node = call.node()?;
    kept(&node, kind)?;
    let blocks = along(&node.chain, first, wanted);
    let is_ready = ready(&node).await;
    let indexes = node.indexes.clone();
    drop(node);
    let found = aside(move || {
        let header = |hash: &BlockHash| indexes.filter(hash).map(|found| found.record.header);
        blocks.iter().map(header).collect::<Result<Vec<_>, _>>().map_err(|_| not_there(is_ready))
    })
    .await?;
    match format {
        Format::Json => {
            let shown = found.into_iter().map(|header| Json::text(sha256d::Hash::from_byte_array(header)));
            Ok(json(&Json::List(shown.collect())))
        }
        _ => bytes(format, found.concat()),
    }
}

/// `<type>/<hash>`: a block's filter.
pub(super) async fn filter(call: &Call<'_>) -> Outcome {
    let (name, format) = split(call.rest);
    let parts: Vec<&str> = name.split('/').collect();
    let [kind, typed] = parts.as_slice() else {
        let text = "Invalid URI format. Expected /rest/blockfilter/<filtertype>/<blockhash>";
        return Err(Refused::bad(text));
    };
    let hash = block_hash(typed)?;
    let node = call.node()?;
    kept(&node, kind)?;
    let entry = node.chain.entry(&hash).ok_or_else(|| Refused::not_found(format!("{typed} not found")))?;
    let is_ready = ready(&node).await;
    let indexes = node.indexes.clone();
    drop(node);
    let found = aside(move || Ok(indexes.filter(&hash).ok().map(|found| found.filter))).await?;
    let filter = match found {
        Some(filter) => filter,
        None if entry.is_active => return Err(not_there(is_ready)),
        None => left(call, &hash).await?,
    };
    match format {
        Format::Json => Ok(json(&object([("filter", Json::hex(&filter))]))),
        Format::Unknown => Err(no_format()),
        _ => {
            let mut whole = vec![BASIC_BYTE];
            whole.extend(hash.to_byte_array());
            put_count(&mut whole, filter.len());
            whole.extend(filter);
            bytes(format, whole)
        }
    }
}

/// The filter of a block that has left the best chain, which the method makes anew.
async fn left(call: &Call<'_>, hash: &BlockHash) -> Result<Vec<u8>, Refused> {
    let shown = call.method("getblockfilter", vec![Json::text(hash)]).await.map_err(|_| not_connected())?;
    let filter = shown.get("filter").and_then(Json::as_str).and_then(|filter| Vec::from_hex(filter).ok());
    filter.ok_or_else(not_connected)
}

fn not_connected() -> Refused {
    Refused::not_found("Filter not found. Block was not connected to active chain.")
}
