//! What can be found out of a block before its turn: what it does to the coins, and the coins that lie on disk.

use std::sync::Arc;

use adit_domain::script::is_unspendable;
use adit_domain::units::Height;
use adit_domain::wire::{IdMap, IdSet, IdState, ParsedBlock};
use adit_store::{CoinSnapshot, CompactCoin};
use bitcoin::{OutPoint, Txid};

use crate::coins::{Change, CoinCache};
use crate::types::ChainFault;

/// What connecting a block does to the coins; a coin that is born and dies in it leaves no trace.
///
/// This holds of a block that passes the rules. Of any other it may say anything: the rules see the block itself.
pub(crate) struct Prepared {
    changes: Vec<Change>,
    /// The first so many of the changes are coins that the block spends, in the order of its inputs; the others those that it makes.
    spends: usize,
}

impl Prepared {
    /// Of a block at `height`.
    pub(crate) fn new(block: &ParsedBlock, height: Height) -> Prepared {
        let (mut changes, spent_inside) = spends(block);
        let spends = changes.len();
        for tx in block.txs() {
            let is_coinbase = tx.tx().is_coinbase();
            for (vout, output) in (0u32..).zip(&tx.tx().output) {
                let outpoint = OutPoint { txid: tx.txid(), vout };
                if !is_unspendable(&output.script_pubkey) && !spent_inside.contains(&outpoint) {
                    changes.push((outpoint, Some(CompactCoin::new(output, height, is_coinbase))));
                }
            }
        }
        Prepared { changes, spends }
    }

    /// The coins that it spends and does not make, in the order of its inputs.
    pub(crate) fn spends(&self) -> impl ExactSizeIterator<Item = &OutPoint> {
        self.changes.iter().take(self.spends).map(|(outpoint, _)| outpoint)
    }

    /// All of it.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

/// The coins from outside that a block spends, and those of its own.
fn spends(block: &ParsedBlock) -> (Vec<Change>, IdSet<OutPoint>) {
    let (mut outside, mut inside) = (Vec::new(), IdSet::default());
    let mut made: IdSet<Txid> = IdSet::with_capacity_and_hasher(block.txs().len(), IdState::default());
    for tx in block.txs() {
        if !tx.tx().is_coinbase() {
            for input in &tx.tx().input {
                if made.contains(&input.previous_output.txid) {
                    inside.insert(input.previous_output);
                } else {
                    outside.push((input.previous_output, None));
                }
            }
        }
        made.insert(tx.txid());
    }
    (outside, inside)
}

/// Coins that were looked for on disk before their block's turn.
#[derive(Default)]
pub(crate) struct ReadAhead {
    /// Where they were looked for.
    disk: Option<Arc<CoinSnapshot>>,
    found: IdMap<OutPoint, Option<CompactCoin>>,
}

impl ReadAhead {
    /// Looks on disk for what a block spends and the cache does not have, in the order of the keys: one pass over each tier.
    pub(crate) fn read(block: &Prepared, coins: &CoinCache) -> Result<ReadAhead, ChainFault> {
        let (mut missing, disk) = {
            let read = coins.read()?;
            let missing = block.spends().filter(|outpoint| read.cached(outpoint).is_none());
            (missing.copied().collect::<Vec<OutPoint>>(), Arc::clone(read.disk()))
        };
        missing.sort_unstable();
        let found = disk.get_many(&missing)?;
        Ok(ReadAhead { disk: Some(disk), found: missing.into_iter().zip(found).collect() })
    }

    /// What lies at `outpoint` on `disk`, if it was looked for there: a later flush makes what was found worth nothing.
    pub(crate) fn get(&self, disk: &Arc<CoinSnapshot>, outpoint: &OutPoint) -> Option<Option<&CompactCoin>> {
        let same = self.disk.as_ref().is_some_and(|own| Arc::ptr_eq(own, disk));
        if same { self.found.get(outpoint).map(Option::as_ref) } else { None }
    }
}

#[cfg(test)]
#[path = "prepare/tests.rs"]
mod tests;
