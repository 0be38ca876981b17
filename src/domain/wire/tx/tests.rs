use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use proptest::prelude::*;

use super::super::DecodeError;
use super::ParsedTx;

fn spend(witness: Witness) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(77),
        input: vec![TxIn {
            previous_output: OutPoint { vout: 3, ..OutPoint::null() },
            script_sig: ScriptBuf::from_bytes(vec![0x51; 4]),
            sequence: Sequence::MAX,
            witness,
        }],
        output: vec![TxOut { value: Amount::ONE_BTC, script_pubkey: ScriptBuf::from_bytes(vec![0x6a]) }],
    }
}

fn check_equal_to_library(tx: Transaction) {
    let raw = serialize(&tx);
    let parsed = ParsedTx::decode(&raw).unwrap();
    assert_eq!(parsed.tx(), &tx);
    assert_eq!(parsed.raw(), raw);
    assert_eq!(parsed.txid(), tx.compute_txid());
    assert_eq!(parsed.wtxid(), tx.compute_wtxid());
    assert_eq!(parsed.weight(), tx.weight());
    assert_eq!(parsed.base_size(), tx.base_size());
    assert_eq!(parsed.total_size(), tx.total_size());
    assert_eq!(parsed.has_witness(), tx.input.iter().any(|i| !i.witness.is_empty()));
    assert_eq!(parsed, ParsedTx::new(tx));
    let (first, length) = ParsedTx::decode_first(&[raw.as_slice(), &raw].concat()).unwrap();
    assert_eq!((first.raw(), first.wtxid(), length), (raw.as_slice(), parsed.wtxid(), raw.len()));
    assert_eq!(parsed.detached().raw(), raw);
}

#[test]
fn a_transaction_is_what_the_library_says() {
    check_equal_to_library(spend(Witness::new()));
    check_equal_to_library(spend(Witness::from_slice(&[vec![1, 2, 3], vec![], vec![7; 600]])));
}

#[test]
fn d01_a_large_witness_item_is_no_matter_of_the_encoding() {
    check_equal_to_library(spend(Witness::from_slice(&[vec![0xac; 3_990_000]])));
}

#[test]
fn d02_many_witness_items_are_no_matter_of_the_encoding() {
    check_equal_to_library(spend(Witness::from_slice(&vec![[0u8; 1]; 1_900_000])));
}

#[test]
fn d20_bytes_after_a_transaction_are_refused() {
    let mut raw = serialize(&spend(Witness::new()));
    raw.push(0);
    assert_eq!(ParsedTx::decode(&raw), Err(DecodeError::TrailingBytes.into()));
}

#[test]
fn what_is_no_transaction() {
    let check =
        |raw: &[u8], error: DecodeError| assert_eq!(ParsedTx::decode(raw), Err(error.into()), "{raw:02x?}");
    check(&[], DecodeError::Truncated);
    check(&[2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0], DecodeError::UnknownFlag);
    check(&[2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], DecodeError::SuperfluousWitness);
    check(&[2, 0, 0, 0, 0xfd, 1, 0], DecodeError::NonCanonicalSize);
    check(&[2, 0, 0, 0, 0xfe, 1, 0, 0, 2], DecodeError::SizeTooLarge);
    check(&[2, 0, 0, 0, 0xfe, 0, 0, 0, 2], DecodeError::Truncated);
    let mut raw = serialize(&spend(Witness::from_slice(&[[1u8]])));
    let last = raw.len() - 6;
    assert_eq!(raw.splice(last..last + 2, [0]).collect::<Vec<_>>(), [1, 1]);
    raw[last - 1] = 0;
    raw.remove(last);
    check(&raw, DecodeError::SuperfluousWitness);
}

#[test]
fn a_transaction_without_anything_decodes_as_in_core() {
    let raw = [1, 0, 0, 0, 0, 0, 5, 0, 0, 0];
    let parsed = ParsedTx::decode(&raw).unwrap();
    assert!(parsed.tx().input.is_empty() && parsed.tx().output.is_empty());
    assert_eq!(parsed.raw(), raw);
    assert_eq!(parsed.base_size(), 10);
    assert!(!parsed.has_witness());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(parsed) = ParsedTx::decode(&raw) {
            prop_assert_eq!(parsed.raw(), &raw);
        }
    }

    #[test]
    fn a_damaged_transaction_reads_as_the_library_reads_it(at in 4usize..80, byte in any::<u8>()) {
        let mut raw = serialize(&spend(Witness::from_slice(&[vec![1, 2, 3], vec![9; 40]])));
        let at = at % raw.len();
        raw[at] = byte;
        if let (Ok(ours), Ok(theirs)) = (ParsedTx::decode(&raw), deserialize::<Transaction>(&raw)) {
            prop_assert_eq!(ours.txid(), theirs.compute_txid());
            prop_assert_eq!(ours.tx(), &theirs);
        }
    }
}
