//! Transactions.

use adit_domain::consensus::Coin;
use adit_domain::wire::ParsedTx;
use bitcoin::{BlockHash, Network, TxIn};

use super::asm::asm;
use super::script;
use crate::json::{Json, object};

/// What is known of the coins that a transaction spends, and how much of it is shown.
#[derive(Clone, Copy)]
pub(crate) enum Prevouts<'a> {
    /// Nothing.
    Unknown,
    /// For the fee alone.
    ForFee(&'a [Coin]),
    /// Each with its input.
    Shown(&'a [Coin]),
}

impl<'a> Prevouts<'a> {
    fn coins(self) -> Option<&'a [Coin]> {
        match self {
            Prevouts::Unknown => None,
            Prevouts::ForFee(coins) | Prevouts::Shown(coins) => Some(coins),
        }
    }
}

/// A transaction; with its bytes where they are wanted, with its block where it is known.
pub(crate) fn transaction(
    tx: &ParsedTx,
    network: Network,
    prevouts: Prevouts<'_>,
    block: Option<&BlockHash>,
    with_hex: bool,
) -> Json {
    let inner = tx.tx();
    let weight = tx.weight().to_wu();
    let mut fields = vec![
        ("txid", Json::hash(tx.txid())),
        ("hash", Json::hash(tx.wtxid())),
        // As the 32 bits without a sign that they have become.
        ("version", Json::from(u32::from_le_bytes(inner.version.0.to_le_bytes()))),
        ("size", Json::from(tx.total_size())),
        ("vsize", Json::from(weight.div_ceil(4))),
        ("weight", Json::from(weight)),
        ("locktime", Json::from(inner.lock_time.to_consensus_u32())),
    ];
    let coin_of = |n: usize| match prevouts {
        Prevouts::Shown(coins) => coins.get(n),
        _ => None,
    };
    let inputs = inner.input.iter().enumerate();
    let inputs = inputs.map(|(n, txin)| input(txin, inner.is_coinbase(), coin_of(n), network));
    fields.push(("vin", Json::List(inputs.collect())));
    let outputs = inner.output.iter().zip(0u32..).map(|(output, n)| {
        object([
            ("value", Json::from(output.value)),
            ("n", Json::from(n)),
            ("scriptPubKey", script(&output.script_pubkey, network)),
        ])
    });
    fields.push(("vout", Json::List(outputs.collect())));
    fields.extend(prevouts.coins().map(|coins| ("fee", fee(tx, coins))));
    fields.extend(block.map(|hash| ("blockhash", Json::hash(*hash))));
    fields.extend(with_hex.then(|| ("hex", Json::Hex(tx.raw().to_vec()))));
    object(fields)
}

fn fee(tx: &ParsedTx, coins: &[Coin]) -> Json {
    let paid = coins.iter().fold(0, |sum: u64, coin| sum.saturating_add(coin.output.value.to_sat()));
    let left = tx.tx().output.iter().fold(0, |sum: u64, output| sum.saturating_add(output.value.to_sat()));
    Json::Amount(i64::try_from(paid.saturating_sub(left)).unwrap_or(i64::MAX))
}

fn input(txin: &TxIn, is_coinbase: bool, coin: Option<&Coin>, network: Network) -> Json {
    let mut fields = Vec::with_capacity(6);
    if is_coinbase {
        fields.push(("coinbase", Json::hex(txin.script_sig.as_bytes())));
    } else {
        fields.push(("txid", Json::hash(txin.previous_output.txid)));
        fields.push(("vout", Json::from(txin.previous_output.vout)));
        let shown = [
            ("asm", Json::from(asm(&txin.script_sig, true))),
            ("hex", Json::Hex(txin.script_sig.to_bytes())),
        ];
        fields.push(("scriptSig", object(shown)));
    }
    if !txin.witness.is_empty() {
        fields.push((
            "txinwitness",
            Json::List(txin.witness.iter().map(|item| Json::Hex(item.to_vec())).collect()),
        ));
    }
    fields.extend(coin.map(|coin| ("prevout", prevout(coin, network))));
    fields.push(("sequence", Json::from(txin.sequence.to_consensus_u32())));
    object(fields)
}

fn prevout(coin: &Coin, network: Network) -> Json {
    object([
        ("generated", Json::from(coin.is_coinbase)),
        ("height", Json::from(coin.height.to_u32())),
        ("value", Json::from(coin.output.value)),
        ("scriptPubKey", script(&coin.output.script_pubkey, network)),
    ])
}
