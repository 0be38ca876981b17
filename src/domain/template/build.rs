use std::collections::HashSet;
use std::sync::Arc;

use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Amount, ScriptBuf, Target, Txid};
use thiserror::Error;

use super::coinbase::{PAYOUT_SCRIPT_BYTES_MAX, WITNESS_RESERVED_VALUE};
use super::{BlockTemplate, assemble};
use crate::chain::NextBlock;
use crate::consensus::{BLOCK_SIGOP_COST_MAX, BLOCK_WEIGHT_MAX, COMMITMENT_HEAD, is_final_tx};
use crate::mempool::{MempoolEntry, MempoolSnapshot};
use crate::units::UnixMillis;
use crate::wire::ParsedTx;

/// Weight kept for the header (80 bytes), the count of transactions (5) and the coinbase (at most 42 + 100 of script + 4 of
/// sequence, 1, two outputs of 51 and 47, 4, and its witness): under 350 bytes or 1,400 units; the rest is kept idle.
pub const WEIGHT_RESERVED: u64 = 2_000;
/// Signature operation cost kept for the coinbase: an address's script has one at most (4); the rest is kept idle, as Core does.
pub const SIGOP_COST_RESERVED: u64 = 400;

/// What a template is built from, beside the transactions.
#[derive(Clone, Copy, Debug)]
pub struct TemplateRequest<'a> {
    /// What the rules ask of the block.
    pub next: &'a NextBlock,
    /// What its height may create anew.
    pub subsidy: Amount,
    /// Where the coinbase pays to: the script of an address.
    pub payout_script: &'a ScriptBuf,
    /// The time that the header starts from, where the rules allow it.
    pub now: UnixMillis,
    /// Unique in this process, rising.
    pub id: u64,
}

/// Why there is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The snapshot belongs to another tip.
    #[error("the mempool's snapshot stands on another tip")]
    OtherTip,
    /// Subsidy and fees leave the range of amounts: the snapshot is wrong.
    #[error("the coinbase's amount overflows")]
    ValueOverflow,
    /// A header's time has 32 bits, until 2106.
    #[error("the time does not fit a header")]
    TimeOutOfRange,
    /// Not the script of an address.
    #[error("a payout script has 1 to {PAYOUT_SCRIPT_BYTES_MAX} bytes")]
    PayoutScript,
}

/// Builds what is mined next: an empty block, or one with the snapshot's transactions in their order, as many as fit.
pub fn build_template(
    request: &TemplateRequest<'_>,
    mempool: Option<&MempoolSnapshot>,
) -> Result<BlockTemplate, TemplateError> {
    build_template_of(request, mempool, u64::from(BLOCK_WEIGHT_MAX).saturating_sub(WEIGHT_RESERVED))
}

/// The same with so much weight of transactions: whoever makes a coinbase of his own needs more room for it.
pub fn build_template_of(
    request: &TemplateRequest<'_>,
    mempool: Option<&MempoolSnapshot>,
    weight_max: u64,
) -> Result<BlockTemplate, TemplateError> {
    let next = request.next;
    if mempool.is_some_and(|m| m.tip != next.prev) {
        return Err(TemplateError::OtherTip);
    }
    if request.payout_script.is_empty() || request.payout_script.len() > PAYOUT_SCRIPT_BYTES_MAX {
        return Err(TemplateError::PayoutScript);
    }
    let (txs, fees) = select(next, mempool.map_or(&[], |m| m.entries.as_slice()), weight_max)?;
    let coinbase_value = request.subsidy.checked_add(fees).ok_or(TemplateError::ValueOverflow)?;
    if coinbase_value > Amount::MAX_MONEY {
        return Err(TemplateError::ValueOverflow);
    }
    let now = u32::try_from(request.now.to_seconds_floor()).map_err(|_| TemplateError::TimeOutOfRange)?;
    Ok(BlockTemplate {
        id: request.id,
        prev: next.prev,
        height: next.height,
        version: next.version,
        bits: next.bits,
        target: Target::from_compact(next.bits),
        time_min: next.time_min,
        time: now.max(next.time_min),
        coinbase_value,
        payout_script: request.payout_script.clone(),
        witness_commitment: witness_commitment(&txs),
        merkle_branch: assemble::merkle_branch(txs.iter().map(|t| t.txid().to_raw_hash())),
        txs,
    })
}

/// What is left of a block while it is filled.
struct Room {
    weight: u64,
    sigop_cost: u64,
}

impl Room {
    /// Takes the transaction's share; leaves the room as it was where it does not fit.
    fn take(&mut self, entry: &MempoolEntry) -> bool {
        let weight = self.weight.checked_sub(entry.tx.weight().to_wu());
        let sigop_cost = self.sigop_cost.checked_sub(u64::from(entry.sigop_cost));
        match (weight, sigop_cost) {
            (Some(weight), Some(sigop_cost)) => {
                *self = Room { weight, sigop_cost };
                true
            }
            _ => false,
        }
    }
}

/// Takes entries in order. What does not fit, or may not be mined yet, is left out, and with it what spends it.
fn select(
    next: &NextBlock,
    entries: &[MempoolEntry],
    weight_max: u64,
) -> Result<(Vec<Arc<ParsedTx>>, Amount), TemplateError> {
    let mut room =
        Room { weight: weight_max, sigop_cost: BLOCK_SIGOP_COST_MAX.saturating_sub(SIGOP_COST_RESERVED) };
    let mut left_out: HashSet<Txid> = HashSet::new();
    let (mut txs, mut fees) = (Vec::new(), Amount::ZERO);
    for entry in entries {
        let orphaned = entry.tx.tx().input.iter().any(|i| left_out.contains(&i.previous_output.txid));
        if orphaned || !is_final_tx(entry.tx.tx(), next.height, next.median_time_past) || !room.take(entry) {
            left_out.insert(entry.tx.txid());
            continue;
        }
        fees = fees.checked_add(entry.fee).ok_or(TemplateError::ValueOverflow)?;
        txs.push(Arc::clone(&entry.tx));
    }
    Ok((txs, fees))
}

/// The commitment's output script: the merkle root of all wtxids (the coinbase's counts as zeros), hashed with the
/// coinbase's reserved value (BIP141).
fn witness_commitment(txs: &[Arc<ParsedTx>]) -> ScriptBuf {
    let branch = assemble::merkle_branch(txs.iter().map(|t| t.wtxid().to_raw_hash()));
    let root = assemble::climb(sha256d::Hash::all_zeros(), &branch);
    let mut engine = sha256d::Hash::engine();
    engine.input(root.as_byte_array());
    engine.input(&WITNESS_RESERVED_VALUE);
    let mut script = COMMITMENT_HEAD.to_vec();
    script.extend_from_slice(sha256d::Hash::from_engine(engine).as_byte_array());
    ScriptBuf::from_bytes(script)
}

#[cfg(test)]
#[path = "build/tests.rs"]
mod tests;
