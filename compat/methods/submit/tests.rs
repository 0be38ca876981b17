use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::*;

fn tx(inputs: &[Txid]) -> Arc<ParsedTx> {
    let input = |txid: &Txid| TxIn {
        previous_output: OutPoint { txid: *txid, vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Arc::new(ParsedTx::new(Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: vec![TxOut { value: Amount::from_sat(7), script_pubkey: ScriptBuf::from_bytes(vec![0x6a]) }],
    }))
}

fn outside(n: u8) -> Txid {
    Txid::from_byte_array([n; 32])
}

#[test]
fn a_tree_is_a_child_behind_parents_that_do_not_know_each_other() {
    let (a, b) = (tx(&[outside(1)]), tx(&[outside(2)]));
    let on_a = tx(&[a.txid()]);
    let (child, of_both) = (tx(&[a.txid(), b.txid()]), tx(&[a.txid(), on_a.txid()]));
    let check = |txs: &[&Arc<ParsedTx>], want: bool| {
        let txs: Vec<Arc<ParsedTx>> = txs.iter().map(|tx| Arc::clone(tx)).collect();
        assert_eq!(is_tree(&txs), want);
    };
    check(&[&a], true);
    check(&[&a, &b, &child], true);
    check(&[&a, &on_a], true);
    check(&[&a, &b, &on_a], false);
    check(&[&a, &on_a, &of_both], false);
    assert!(!is_tree(&[]));
    assert!(check_burnt(&a, 7).is_ok());
    assert_eq!(check_burnt(&a, 6).unwrap_err().code, -25);
}

#[test]
fn feerates_are_rounded_down() {
    let joined = |effective_fee_sat, effective_vsize| Joined {
        vsize: 1,
        fee_sat: 1,
        effective_fee_sat,
        effective_vsize,
        effective_includes: Vec::new(),
    };
    for (fee_sat, vsize, want) in [(10, 3, 3_333), (-10, 3, -3_334), (0, 0, 0)] {
        assert_eq!(fees(&joined(fee_sat, vsize)).get("effective-feerate"), Some(&Json::Amount(want)));
    }
    assert_eq!((fee_max(Some(1), 1_001), fee_max(None, 5)), (Some(2), None));
}
