//! The coins as their index has them at each block.

use std::time::Duration;

use adit_actors::root::NodeLinks;
use adit_chainstate::{IndexError, IndexKind};
use adit_domain::units::Height;
use bitcoin::BlockHash;

use super::chain::entry;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params;

fn amount(sat: u128) -> Json {
    Json::Amount(i64::try_from(sat).unwrap_or(i64::MAX))
}

/// The figures at a height, or at a block that has ever joined the best chain.
pub(super) fn at(node: &NodeLinks, block: &Json, kind: &str) -> Result<Json, RpcError> {
    let (height, hash) = block_of(node, block)?;
    let stats = match hash {
        Some(hash) => node.indexes.coin_stats_of(&hash),
        None => node.indexes.coin_stats(height),
    };
    let stats = stats.map_err(|error| match error {
        IndexError::NotYet { height, .. } => RpcError::internal(format!(
            "Unable to get data because coinstatsindex is still syncing. Current height: {height}"
        )),
        IndexError::NoSuchBlock | IndexError::Pruned { .. } => RpcError::internal("Unable to read UTXO set"),
        other => RpcError::internal(other.to_string()),
    })?;
    let (sums, moved) = (&stats.sums, &stats.moved);
    let mut fields = vec![
        ("height", Json::from(stats.height.to_u32())),
        ("bestblock", Json::text(stats.block)),
        ("txouts", Json::from(sums.coins)),
        ("bogosize", Json::from(sums.bogo_size)),
    ];
    if kind == "muhash" {
        fields.push(("muhash", Json::text(sums.muhash.digest())));
    }
    fields.push(("total_amount", amount(u128::from(sums.amount_sat))));
    fields.push(("total_unspendable_amount", amount(sums.flows.unspendable_sat())));
    let unspendables = object([
        ("genesis_block", amount(moved.genesis_sat)),
        ("bip30", amount(moved.bip30_sat)),
        ("scripts", amount(moved.scripts_sat)),
        ("unclaimed_rewards", amount(moved.unclaimed_sat)),
    ]);
    let block = object([
        ("prevout_spent", amount(moved.prevout_spent_sat)),
        ("coinbase", amount(moved.coinbase_sat)),
        ("new_outputs_ex_coinbase", amount(moved.new_outputs_sat)),
        ("unspendable", amount(moved.unspendable_sat())),
        ("unspendables", unspendables),
    ]);
    fields.push(("block_info", block));
    Ok(object(fields))
}

/// How long an index may take to be where the chain is; then it says where it is.
const INDEX_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits for an index to be where the chain is: the last block has often just come.
pub(crate) async fn followed(node: &NodeLinks, kind: IndexKind) {
    let behind = || node.indexes.status().iter().any(|status| status.kind == kind && !status.synced);
    let followed = async {
        while behind() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Where it does not come so far, what it has is asked for all the same.
    let _ = tokio::time::timeout(INDEX_WITHIN, followed).await;
}

/// A block that is named by its hash, with its height; or a height of the best chain.
pub(super) fn block_of(node: &NodeLinks, block: &Json) -> Result<(Height, Option<BlockHash>), RpcError> {
    if !matches!(block, Json::Int(_) | Json::Double(_)) {
        let hash = bitcoin::hashes::Hash::from_byte_array(params::hash(block, "hash_or_height")?);
        return Ok((entry(&node.chain, &hash)?.height, Some(hash)));
    }
    Ok((height_of(node, block)?, None))
}

/// A height of the best chain.
pub(super) fn height_of(node: &NodeLinks, block: &Json) -> Result<Height, RpcError> {
    let (height, tip): (i32, _) = (params::int(block)?, node.chain.tip().height);
    let refused = |text: String| Err(RpcError::invalid_parameter(text));
    match u32::try_from(height) {
        Err(_) => refused(format!("Target block height {height} is negative")),
        Ok(height) if height > tip.to_u32() => {
            refused(format!("Target block height {height} after current tip {tip}"))
        }
        Ok(height) => Ok(Height::new(height)),
    }
}
