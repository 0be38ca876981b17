//! What the node says of its chain and its mempool.

use super::target::{Format, split};
use super::{Call, Outcome, Refused, block_hash, json, no_json};
use crate::json::Json;

/// What `getblockchaininfo` answers.
pub(super) async fn chain(call: &Call<'_>) -> Outcome {
    match split(call.rest).1 {
        Format::Json => Ok(json(&call.method("getblockchaininfo", Vec::new()).await?)),
        _ => Err(no_json()),
    }
}

/// What `getdeploymentinfo` answers, at `<hash>` where one is given.
pub(super) async fn deployments(call: &Call<'_>) -> Outcome {
    let (typed, format) = split(call.rest);
    if format != Format::Json {
        return Err(no_json());
    }
    let mut values = Vec::new();
    if !typed.is_empty() {
        let hash = block_hash(typed)?;
        if !call.node()?.chain.has_header(&hash) {
            return Err(Refused::bad("Block not found"));
        }
        values.push(Json::text(hash));
    }
    Ok(json(&call.method("getdeploymentinfo", values).await?))
}

/// `info`: what `getmempoolinfo` answers; `contents?verbose=<bool>&mempool_sequence=<bool>`: what `getrawmempool` does.
pub(super) async fn mempool(call: &Call<'_>) -> Outcome {
    let (name, format) = split(call.rest);
    match (name, format) {
        ("info", Format::Json) => Ok(json(&call.method("getmempoolinfo", Vec::new()).await?)),
        ("contents", Format::Json) => {
            let (verbose, sequence) = (flag(call, "verbose", true)?, flag(call, "mempool_sequence", false)?);
            if verbose && sequence {
                let hint = "(hint: set \"verbose=false\")";
                let text = "Verbose results cannot contain mempool sequence values.";
                return Err(Refused::bad(format!("{text} {hint}")));
            }
            let values = vec![Json::from(verbose), Json::from(sequence)];
            Ok(json(&call.method("getrawmempool", values).await?))
        }
        ("info" | "contents", _) => Err(no_json()),
        _ => Err(Refused::bad("Invalid URI format. Expected /rest/mempool/<info|contents>.json")),
    }
}

fn flag(call: &Call<'_>, name: &str, otherwise: bool) -> Result<bool, Refused> {
    match call.query(name).as_deref() {
        None => Ok(otherwise),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => {
            let text = format!("The \"{name}\" query parameter must be either \"true\" or \"false\".");
            Err(Refused::bad(text))
        }
    }
}
