//! What a set of coins comes to: counted and hashed as Bitcoin Core's `gettxoutsetinfo` does.

use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Amount, OutPoint, Txid};
use thiserror::Error;

use super::muhash::{MuHash, coin_bytes};
use crate::consensus::{BlockUndo, Coin};
use crate::script::is_unspendable;
use crate::units::Height;
use crate::wire::{ParsedBlock, ParsedTx};

/// Bytes that a coin counts beside its script: txid 32, number 4, height 4, amount 8, length of the script 2.
const BOGO_BASE: u64 = 50;

/// What a coin counts in a measure of the set that no database changes (`bogosize`).
pub fn bogo_size(coin: &Coin) -> u64 {
    let script = coin.output.script_pubkey.len();
    // A usize fits 64 bits on every machine that Rust runs on.
    u64::try_from(script).unwrap_or(u64::MAX).saturating_add(BOGO_BASE)
}

/// A hash and figures of all coins, which are shown to it in the order of their outpoints: txid, then number.
#[derive(Clone, Default)]
pub struct SetHasher {
    engine: <sha256d::Hash as Hash>::Engine,
    last: Option<Txid>,
    sums: SetSums,
}

/// What [`SetHasher`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetSums {
    /// Coins.
    pub coins: u64,
    /// Transactions that have any.
    pub transactions: u64,
    /// Their amounts in all, in satoshis.
    pub amount_sat: u64,
    /// See [`bogo_size`].
    pub bogo_size: u64,
}

impl SetHasher {
    /// The next coin.
    pub fn push(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.engine.input(&coin_bytes(outpoint, coin));
        let sums = &mut self.sums;
        if self.last.replace(outpoint.txid) != Some(outpoint.txid) {
            sums.transactions = sums.transactions.saturating_add(1);
        }
        sums.coins = sums.coins.saturating_add(1);
        sums.amount_sat = sums.amount_sat.saturating_add(coin.output.value.to_sat());
        sums.bogo_size = sums.bogo_size.saturating_add(bogo_size(coin));
    }

    /// Core's `hash_serialized_3`: double SHA256 of what MuHash takes of each coin, one after the other; and the figures.
    pub fn finish(self) -> (sha256d::Hash, SetSums) {
        (sha256d::Hash::from_engine(self.engine), self.sums)
    }
}

/// The blocks whose coinbases were made a second time while they were unspent: their outputs are lost (BIP30).
const LOST_COINBASES: [(u32, &str); 2] = [
    (91_722, "00000000000271a2dc26e7667f8419f2e15416dc6955e5a6c6cdf3f2574dd08e"),
    (91_812, "00000000000af0aed4792b1acee3d966af36cf5def14935db8de83d6f9306f2f"),
];

/// The undo data is not this block's, or the sums below it are not those of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the undo data or the sums do not fit the block")]
pub struct DoesNotFit;

/// The coin set behind a block, and what all blocks up to it have done, as Core's index of coin statistics keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainSums {
    /// The set.
    pub muhash: MuHash,
    /// Coins in it.
    pub coins: u64,
    /// See [`bogo_size`].
    pub bogo_size: u64,
    /// Their amounts in all, in satoshis.
    pub amount_sat: u64,
    /// What all blocks have done.
    pub flows: Flows,
}

/// Amounts that blocks have moved; satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// What they might have made.
    pub subsidy_sat: u128,
    /// Coins that they spent.
    pub prevout_spent_sat: u128,
    /// Coins that they made, coinbases left out.
    pub new_outputs_sat: u128,
    /// Coins that their coinbases made.
    pub coinbase_sat: u128,
    /// The first block's reward, which nobody can spend.
    pub genesis_sat: u128,
    /// Coinbases that were made twice (BIP30).
    pub bip30_sat: u128,
    /// Outputs that nobody can spend by their scripts.
    pub scripts_sat: u128,
    /// Rewards that were not claimed.
    pub unclaimed_sat: u128,
}

impl Flows {
    /// What nobody can spend, in all.
    pub fn unspendable_sat(&self) -> u128 {
        [self.genesis_sat, self.bip30_sat, self.scripts_sat, self.unclaimed_sat]
            .into_iter()
            .fold(0, u128::saturating_add)
    }

    /// What the blocks between `before` and this have moved.
    pub fn since(&self, before: &Flows) -> Flows {
        let less = u128::saturating_sub;
        Flows {
            subsidy_sat: less(self.subsidy_sat, before.subsidy_sat),
            prevout_spent_sat: less(self.prevout_spent_sat, before.prevout_spent_sat),
            new_outputs_sat: less(self.new_outputs_sat, before.new_outputs_sat),
            coinbase_sat: less(self.coinbase_sat, before.coinbase_sat),
            genesis_sat: less(self.genesis_sat, before.genesis_sat),
            bip30_sat: less(self.bip30_sat, before.bip30_sat),
            scripts_sat: less(self.scripts_sat, before.scripts_sat),
            unclaimed_sat: less(self.unclaimed_sat, before.unclaimed_sat),
        }
    }

    /// What came in less what went out: what the last block might have claimed and has not.
    fn unaccounted_sat(&self) -> Option<u128> {
        let came = self.prevout_spent_sat.checked_add(self.subsidy_sat)?;
        let went = self.new_outputs_sat.checked_add(self.coinbase_sat)?;
        came.checked_sub(went)?.checked_sub(self.unspendable_sat())
    }
}

fn add(sum: &mut u128, amount: Amount) {
    *sum = sum.saturating_add(u128::from(amount.to_sat()));
}

impl ChainSums {
    /// The next block joins. Nothing of the sums counts after an error.
    pub fn connect(
        &mut self,
        block: &ParsedBlock,
        height: Height,
        undo: &BlockUndo,
        subsidy: Amount,
    ) -> Result<(), DoesNotFit> {
        add(&mut self.flows.subsidy_sat, subsidy);
        if height == Height::GENESIS {
            add(&mut self.flows.genesis_sat, subsidy);
        } else {
            self.connect_txs(block, height, undo, subsidy)?;
        }
        let unclaimed = self.flows.unaccounted_sat().ok_or(DoesNotFit)?;
        self.flows.unclaimed_sat = self.flows.unclaimed_sat.saturating_add(unclaimed);
        Ok(())
    }

    fn connect_txs(
        &mut self,
        block: &ParsedBlock,
        height: Height,
        undo: &BlockUndo,
        subsidy: Amount,
    ) -> Result<(), DoesNotFit> {
        let (coinbase, others) = block.txs().split_first().ok_or(DoesNotFit)?;
        if others.len() != undo.spent.len() {
            return Err(DoesNotFit);
        }
        if loses_coinbase(block, height) {
            add(&mut self.flows.bip30_sat, subsidy);
        } else {
            self.make(coinbase, height, true);
        }
        for (tx, spent) in others.iter().zip(&undo.spent) {
            self.make(tx, height, false);
            self.spend(tx, spent)?;
        }
        Ok(())
    }

    fn make(&mut self, tx: &ParsedTx, height: Height, is_coinbase: bool) {
        for (vout, output) in (0u32..).zip(&tx.tx().output) {
            if is_unspendable(&output.script_pubkey) {
                add(&mut self.flows.scripts_sat, output.value);
                continue;
            }
            let made =
                if is_coinbase { &mut self.flows.coinbase_sat } else { &mut self.flows.new_outputs_sat };
            add(made, output.value);
            let coin = Coin { output: output.clone(), height, is_coinbase };
            self.muhash.insert_coin(&OutPoint { txid: tx.txid(), vout }, &coin);
            self.coins = self.coins.saturating_add(1);
            self.amount_sat = self.amount_sat.saturating_add(output.value.to_sat());
            self.bogo_size = self.bogo_size.saturating_add(bogo_size(&coin));
        }
    }

    fn spend(&mut self, tx: &ParsedTx, spent: &[Coin]) -> Result<(), DoesNotFit> {
        if tx.tx().input.len() != spent.len() {
            return Err(DoesNotFit);
        }
        for (input, coin) in tx.tx().input.iter().zip(spent) {
            self.muhash.remove_coin(&input.previous_output, coin);
            add(&mut self.flows.prevout_spent_sat, coin.output.value);
            self.coins = self.coins.checked_sub(1).ok_or(DoesNotFit)?;
            let sat = coin.output.value.to_sat();
            self.amount_sat = self.amount_sat.checked_sub(sat).ok_or(DoesNotFit)?;
            self.bogo_size = self.bogo_size.checked_sub(bogo_size(coin)).ok_or(DoesNotFit)?;
        }
        Ok(())
    }
}

fn loses_coinbase(block: &ParsedBlock, height: Height) -> bool {
    let height = height.to_u32();
    LOST_COINBASES.iter().any(|(at, hash)| *at == height && block.hash().to_string() == *hash)
}

#[cfg(test)]
#[path = "coin_stats/tests.rs"]
mod tests;
