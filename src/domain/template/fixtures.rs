//! What the tests of this module build from.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
    absolute, transaction,
};

use super::{BlockTemplate, TemplateRequest, build_template};
use crate::chain::NextBlock;
use crate::mempool::{MempoolEntry, MempoolSnapshot};
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedTx;

pub(super) const NOW: UnixMillis = UnixMillis::from_seconds(1_700_000_000);
pub(super) const SUBSIDY: Amount = Amount::from_sat(5_000_000_000);

pub(super) fn next_at(height: u32) -> NextBlock {
    NextBlock {
        prev: BlockHash::from_byte_array([7; 32]),
        height: Height::new(height),
        version: NextBlock::NO_VOTES,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        time_min: 1_699_999_000,
        median_time_past: 1_699_998_999,
    }
}

/// The script of a P2WPKH address.
pub(super) fn payout() -> ScriptBuf {
    let mut bytes = vec![0x00, 0x14];
    bytes.extend_from_slice(&[9; 20]);
    ScriptBuf::from_bytes(bytes)
}

pub(super) fn build(next: &NextBlock, entries: Option<Vec<MempoolEntry>>) -> BlockTemplate {
    let script = payout();
    let request = TemplateRequest { next, subsidy: SUBSIDY, payout_script: &script, now: NOW, id: 1 };
    let snapshot = entries.map(|entries| MempoolSnapshot { tip: next.prev, entries });
    build_template(&request, snapshot.as_ref()).unwrap()
}

/// A transaction that spends `parent` and is made different by `seed`, with a witness of that many bytes.
pub(super) fn tx(parent: Txid, seed: u32, witness: usize) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: parent, vout: seed },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[vec![1u8; witness]]),
        }],
        output: vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: payout() }],
    }
}

pub(super) fn entry(tx: Transaction, fee: u64, sigop_cost: u32) -> MempoolEntry {
    MempoolEntry { tx: Arc::new(ParsedTx::new(tx)), fee: Amount::from_sat(fee), sigop_cost }
}

/// `n` transactions that have nothing to do with each other.
pub(super) fn many(n: u32) -> Vec<MempoolEntry> {
    (0..n).map(|i| entry(tx(Txid::from_byte_array([3; 32]), i, 70), 100, 1)).collect()
}
