//! The rules of a block that connects, once its coins are at hand: on a worker, while the engine goes on.

use std::cell::Cell;

use adit_domain::consensus::{
    BlockContext, BlockError, Coin, HeaderView, Params, Refused, TxError, UtxoView, ViewFault, connect_block,
};
use adit_domain::wire::ParsedBlock;
use adit_store::CompactCoin;
use bitcoin::OutPoint;

use crate::scripts::Judged;

/// The coins that a block spends and does not make, in the order in which its rules ask for them: that of its inputs.
///
/// The engine has found them all, and has seen that no coin is there that the block makes again. What it has not seen, the rules
/// do: that none is spent twice, amounts, ages, signature operations.
pub(crate) struct Resolved {
    coins: Vec<(OutPoint, CompactCoin)>,
    next: Cell<usize>,
}

impl Resolved {
    pub(crate) fn new(coins: Vec<(OutPoint, CompactCoin)>) -> Resolved {
        Resolved { coins, next: Cell::new(0) }
    }
}

impl UtxoView for Resolved {
    /// The next one. That another is asked for cannot be: a fault of ours, and no verdict on the block.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        let number = self.next.get();
        let Some((_, coin)) = self.coins.get(number).filter(|(expected, _)| expected == outpoint) else {
            return Err(ViewFault { source_text: format!("coin {outpoint} was not looked for") });
        };
        self.next.set(number.saturating_add(1));
        Ok(Some(coin.to_coin()))
    }

    fn has_coin(&self, _: &OutPoint) -> Result<bool, ViewFault> {
        Ok(false)
    }
}

/// What the rules say of `block` on `parent`; `scripts` says whether its scripts are to run.
pub(crate) fn judge(
    block: &ParsedBlock,
    (params, parent): (&Params, &dyn HeaderView),
    coins: &Resolved,
    scripts: bool,
) -> Result<Judged, Refused<BlockError>> {
    let connected = connect_block(block, &BlockContext { params, parent }, coins)?;
    let flags = scripts.then_some(connected.script_flags);
    Ok(Judged { undo: connected.undo, flags })
}

/// A rule's token, and behind a comma the detail that Core has for it.
pub(crate) fn in_cores_words(error: &BlockError) -> String {
    match error {
        BlockError::Tx { txid, error: missing @ TxError::InputsMissingOrSpent } => {
            format!("{missing}, CheckTxInputs: inputs missing/spent in transaction {txid}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
