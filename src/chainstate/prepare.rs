//! What can be found out of a block before its turn: what it does to the coins, and the coins that lie on disk.

use std::sync::Arc;

use adit_domain::script::is_unspendable;
use adit_domain::units::Height;
use adit_domain::wire::{IdSet, IdState, ParsedBlock};
use adit_store::CompactCoin;
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
    let inputs = block.txs().iter().map(|tx| tx.tx().input.len()).sum::<usize>();
    let outputs = block.txs().iter().map(|tx| tx.tx().output.len()).sum::<usize>();
    // Room for what is made as well: it comes behind.
    let mut outside = Vec::with_capacity(inputs.saturating_add(outputs));
    let mut inside = IdSet::default();
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

/// The coins that a block spends, as they were found before its turn.
///
/// They are those at the tip that was published then: what blocks change that are applied later, or are staged, goes before them.
pub(crate) struct ReadAhead {
    coins: Vec<Option<CompactCoin>>,
}

impl ReadAhead {
    /// Looks for what a block spends; on disk in the order of the keys: one pass over each tier.
    pub(crate) fn read(block: &Prepared, coins: &CoinCache) -> Result<ReadAhead, ChainFault> {
        let mut found = Vec::with_capacity(block.spends().len());
        let mut missing = Vec::new();
        let disk = {
            let read = coins.read()?;
            read.cached_each(block.spends(), |outpoint, cached| {
                if cached.is_none() {
                    missing.push((*outpoint, found.len()));
                }
                found.push(cached.flatten());
            });
            Arc::clone(read.disk())
        };
        missing.sort_unstable();
        let outpoints: Vec<OutPoint> = missing.iter().map(|(outpoint, _)| *outpoint).collect();
        for ((_, number), coin) in missing.into_iter().zip(disk.get_many(&outpoints)?) {
            if let Some(slot) = found.get_mut(number) {
                *slot = coin;
            }
        }
        Ok(ReadAhead { coins: found })
    }

    /// They, in the order of [`Prepared::spends`]; none where there was no unspent one.
    pub(crate) fn into_coins(self) -> Vec<Option<CompactCoin>> {
        self.coins
    }
}

#[cfg(test)]
#[path = "prepare/tests.rs"]
mod tests;
