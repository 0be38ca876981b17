use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Witness};

use super::*;

#[test]
fn what_is_large_is_its_bytes_and_what_is_small_its_rows() {
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output =
        |bytes: usize| TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0; bytes]) };
    let mut tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output(22)],
    };
    let small = usage_bytes(&tx);
    assert_eq!(small, 700 + 80 + (112 + 16) + (48 + 16));
    tx.output[0] = output(36);
    assert_eq!(usage_bytes(&tx), small);
    tx.output[0] = output(65_000);
    assert_eq!(usage_bytes(&tx), small + 65_008 + 16);
    tx.input[0].witness = Witness::from_slice(&[vec![1; 10], vec![]]);
    assert_eq!(usage_bytes(&tx), small + 65_008 + 16 + (48 + 16) + (16 + 16));
}
