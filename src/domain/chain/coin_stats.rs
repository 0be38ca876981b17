//! What a set of coins comes to: counted and hashed as Bitcoin Core's `gettxoutsetinfo` does.

use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{OutPoint, Txid};

use super::muhash::coin_bytes;
use crate::consensus::Coin;

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

#[cfg(test)]
#[path = "coin_stats/tests.rs"]
mod tests;
