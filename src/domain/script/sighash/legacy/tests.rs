use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::sighash::SighashCache;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Sequence, TxOut, Txid};

use super::*;
use crate::script::sighash::sha256_of;

#[test]
fn code_separators_are_left_out() {
    fn check(script: &[u8], len: u8, left: &[u8]) {
        let expected = sha256::Hash::hash(&[&[len][..], left].concat());
        assert_eq!(
            sha256_of(|engine| write_without_code_separators(engine, script)),
            expected,
            "{script:02x?}"
        );
    }
    check(&[], 0, &[]);
    check(&[0x51, 0x52], 2, &[0x51, 0x52]);
    check(&[0xab], 0, &[]);
    check(&[0xab, 0x51, 0xab, 0xab, 0x52], 2, &[0x51, 0x52]);
    check(&[0x01, 0xab, 0xab], 2, &[0x01, 0xab]);
    // Behind a truncated push nothing is written, though the length counts it.
    check(&[0xab, 0x51, 0x05, 0xab], 3, &[0x51, 0x05]);
}

/// A transaction whose inputs and outputs are all different.
fn many(inputs: u32, outputs: u64) -> Transaction {
    let input = |vout: u32| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([vout as u8; 32]), vout },
        sequence: Sequence(vout ^ 0x55),
        ..TxIn::default()
    };
    let output = |n: u64| TxOut {
        value: Amount::from_sat(n),
        script_pubkey: ScriptBuf::from_bytes(vec![n as u8; n as usize * 3]),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(77),
        input: (0..inputs).map(input).collect(),
        output: (0..outputs).map(output).collect(),
    }
}

/// Every input under every class of hash types, in both orders, against the field's library.
#[test]
fn digests_are_the_same_wherever_the_input_stands() {
    fn check(inputs: u32, outputs: u64) {
        let tx = many(inputs, outputs);
        let (context, code) = (TxContext::new(&tx, &[]), [0x76, 0xa9, 1, 7, 0x88, 0xac]);
        let theirs = SighashCache::new(&tx);
        for input in (0..tx.input.len()).chain((0..tx.input.len()).rev()) {
            for hash_type in [1, 2, 3, 0x81, 0x82, 0x83] {
                let expected = theirs.legacy_signature_hash(input, Script::from_bytes(&code), hash_type);
                assert_eq!(
                    context.legacy_sighash(input, &code, hash_type),
                    Some(expected.unwrap().to_byte_array()),
                    "{inputs} {outputs} {input} {hash_type:x}"
                );
            }
        }
        assert_eq!(context.legacy_sighash(tx.input.len(), &code, 1), None);
        assert_eq!(context.legacy_sighash(tx.input.len(), &code, 3), None);
    }
    check(1, 0);
    check(1, 1);
    check(2, 3);
    check(63, 1);
    check(64, 64);
    check(65, 70);
    check(129, 5);
    check(260, 254);
}

/// Midstates and bytes that are laid out stay below the transaction's own size.
#[test]
fn what_is_kept_of_the_inputs_has_its_size() {
    let inputs = LegacyInputs::new(&many(256, 1), true);
    assert_eq!((inputs.bytes.len(), inputs.bytes.capacity()), (256 * 41, 256 * 41));
    assert_eq!(inputs.later.len(), 4);
}
