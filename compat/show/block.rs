//! Headers and blocks.

use adit_chainstate::HeaderEntry;
use adit_domain::chain::Tip;
use adit_domain::consensus::{BlockUndo, decode_bits};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use axum::body::Bytes;
use bitcoin::{CompactTarget, Network, Target, TxIn};

use super::{Prevouts, hex32, transaction};
use crate::json::{Json, Text, object};

/// How much harder than the easiest target of the main network, as Core counts it: in doubles.
pub(crate) fn difficulty(bits: CompactTarget) -> f64 {
    let bits = bits.to_consensus();
    let shift = i32::try_from(bits >> 24).unwrap_or(0);
    let ratio = f64::from(0x0000_ffffu32) / f64::from(bits & 0x00ff_ffff);
    // Each step is a power of two: exact, in whatever order.
    ratio * 256f64.powi(29i32.saturating_sub(shift))
}

/// The target that bits mean, 64 digits in hex.
pub(crate) fn target(bits: CompactTarget) -> Json {
    Json::hex(&decode_bits(bits).unwrap_or(Target::ZERO).to_be_bytes())
}

/// A header; `txs` is the number of its block's transactions, 0 where that is not known.
pub(crate) fn header(entry: &HeaderEntry, tip: &Tip, txs: u64) -> Json {
    let header = &entry.header;
    let above = i64::from(tip.height.to_u32()) - i64::from(entry.height.to_u32());
    // The tip may have moved since the entry was read.
    let confirmations = if entry.is_active { above.max(0).saturating_add(1) } else { -1 };
    let version = header.version.to_consensus();
    let mut fields = vec![
        ("hash", Json::hash(entry.hash)),
        ("confirmations", Json::from(confirmations)),
        ("height", Json::from(entry.height.to_u32())),
        ("version", Json::from(version)),
        ("versionHex", Json::from(format!("{version:08x}"))),
        ("merkleroot", Json::hash(header.merkle_root)),
        ("time", Json::from(header.time)),
        ("mediantime", Json::from(entry.median_time_past)),
        ("nonce", Json::from(header.nonce)),
        ("bits", hex32(header.bits.to_consensus())),
        ("target", target(header.bits)),
        ("difficulty", Json::from(difficulty(header.bits))),
        ("chainwork", Json::hex(&entry.chain_work.to_be_bytes())),
        ("nTx", Json::from(txs)),
    ];
    if entry.height.to_u32() > 0 {
        fields.push(("previousblockhash", Json::hash(header.prev_blockhash)));
    }
    fields.extend(entry.next.map(|next| ("nextblockhash", Json::hash(next))));
    object(fields)
}

/// How a block's transactions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TxDetail {
    /// Their ids.
    Id,
    /// All of them, with their fees where the coins that they spent are known.
    Full,
    /// And with each of those coins.
    WithPrevouts,
}

/// What is said of a block itself, wherever it stands: it is the same each time.
pub(crate) struct Inside {
    txs: u64,
    stripped_size: usize,
    size: usize,
    weight: u64,
    coinbase: Option<Json>,
    /// The list of transactions as it is sent.
    shown: Bytes,
}

impl Inside {
    pub(crate) fn of(
        block: &ParsedBlock,
        undo: Option<&BlockUndo>,
        detail: TxDetail,
        network: Network,
    ) -> Inside {
        let txs = block.txs();
        let first = txs.first().and_then(|tx| Some((tx, tx.tx().input.first()?)));
        let mut shown = Text::default();
        shown.put("[");
        for (n, tx) in txs.iter().enumerate() {
            shown.put(if n > 0 { "," } else { "" });
            let coins = n.checked_sub(1).and_then(|n| undo?.spent.get(n)).map(Vec::as_slice);
            let prevouts = match (coins, detail) {
                (None, _) => Prevouts::Unknown,
                (Some(coins), TxDetail::WithPrevouts) => Prevouts::Shown(coins),
                (Some(coins), _) => Prevouts::ForFee(coins),
            };
            let one = match detail {
                TxDetail::Id => Json::hash(tx.txid()),
                _ => transaction(tx, network, prevouts, None, true),
            };
            // One after the other: what is made for one is gone before the next.
            one.write_to(&mut shown);
        }
        shown.put("]");
        Inside {
            txs: u64::try_from(txs.len()).unwrap_or(u64::MAX),
            stripped_size: block.base_size_bytes(),
            size: block.size_bytes(),
            weight: block.weight().to_wu(),
            coinbase: first.map(|(tx, input)| coinbase(tx, input)),
            shown: shown.into_bytes().into(),
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.shown.len()
    }

    /// One that takes so much.
    #[cfg(test)]
    pub(super) fn of_bytes(shown: Vec<u8>) -> Inside {
        Inside { txs: 0, stripped_size: 0, size: 0, weight: 0, coinbase: None, shown: shown.into() }
    }
}

/// A block.
pub(crate) fn block(entry: &HeaderEntry, tip: &Tip, inside: &Inside) -> Json {
    let mut shown = header(entry, tip, inside.txs);
    shown.push("strippedsize", inside.stripped_size);
    shown.push("size", inside.size);
    shown.push("weight", inside.weight);
    if let Some(coinbase) = &inside.coinbase {
        shown.push("coinbase_tx", coinbase.clone());
    }
    shown.push("tx", Json::written(&inside.shown));
    shown
}

fn coinbase(tx: &ParsedTx, input: &TxIn) -> Json {
    let mut fields = vec![
        ("version", Json::from(u32::from_le_bytes(tx.tx().version.0.to_le_bytes()))),
        ("locktime", Json::from(tx.tx().lock_time.to_consensus_u32())),
        ("sequence", Json::from(input.sequence.to_consensus_u32())),
        ("coinbase", Json::hex(input.script_sig.as_bytes())),
    ];
    fields.extend(input.witness.nth(0).map(|item| ("witness", Json::hex(item))));
    object(fields)
}
