use super::*;
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, Witness};

fn tx(script_sig: ScriptBuf, witness: Witness) -> Transaction {
    let input = TxIn { previous_output: OutPoint::null(), script_sig, sequence: Sequence::MAX, witness };
    let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

fn check(
    script_sig: &str,
    witness: &[&[u8]],
    prevout: &str,
    flags: ScriptFlags,
    expected: Result<(), ScriptError>,
) {
    let tx = tx(ScriptBuf::from_hex(script_sig).unwrap(), Witness::from_slice(witness));
    let prevouts = [TxOut { value: Amount::ONE_BTC, script_pubkey: ScriptBuf::from_hex(prevout).unwrap() }];
    let raw = serialize(&tx);
    let spend = Spend { tx: &tx, raw: &raw, prevouts: &prevouts };
    assert_eq!(ConsensusLib.verify_input(&spend, 0, flags), expected, "{prevout}");
    assert_eq!(ConsensusLib.verify_tx(&spend, flags), expected.map_err(|error| (0, error)), "{prevout}");
}

#[test]
fn a_verdict_and_its_name() {
    let all = ScriptFlags::CONSENSUS;
    check("51", &[], "", all, Ok(()));
    check("", &[], "00", all, Err(ScriptError::EvalFalse));
    check("51", &[&[1]], "", all, Err(ScriptError::WitnessUnexpected));
    check("", &[], "51b2", all, Err(ScriptError::UnsatisfiedLocktime));
    check("", &[], "51b2", ScriptFlags::NONE, Ok(()));
}

#[test]
fn flags_of_policy_are_checked_too() {
    let policy = ScriptFlags::STANDARD;
    check("51", &[], "", policy, Ok(()));
    check("51", &[], "51", policy, Err(ScriptError::CleanStack));
    check("0101", &[], "", policy, Err(ScriptError::MinimalData));
    check("00", &[], "", policy, Err(ScriptError::EvalFalse));
}

#[test]
fn a_witness_without_p2sh_does_not_abort_the_process() {
    check("51", &[&[1]], "", ScriptFlags::WITNESS, Err(ScriptError::WitnessUnexpected));
}

#[test]
fn taproot_sees_all_prevouts() {
    let key = "5120f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";
    let all = ScriptFlags::CONSENSUS;
    check("", &[&[0; 64]], key, all, Err(ScriptError::SchnorrSig));
    check("", &[&[0; 64]], key, all.without(ScriptFlags::TAPROOT), Ok(()));
    check("", &[], key, all, Err(ScriptError::WitnessProgramWitnessEmpty));
}

#[test]
fn what_can_not_be_run_is_refused_without_a_name() {
    let tx = tx(ScriptBuf::from(vec![0x51]), Witness::new());
    let raw = serialize(&tx);
    let prevout = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    let unknown = Err(ScriptError::Unknown);
    let verify = |raw: &[u8], prevouts: &[TxOut], input| {
        ConsensusLib.verify_input(&Spend { tx: &tx, raw, prevouts }, input, ScriptFlags::CONSENSUS)
    };
    assert_eq!(verify(&raw, std::slice::from_ref(&prevout), 0), Ok(()));
    assert_eq!(verify(&raw, std::slice::from_ref(&prevout), 1), unknown);
    assert_eq!(verify(&raw, &[], 0), unknown);
    assert_eq!(verify(&raw, &[prevout.clone(), prevout.clone()], 0), unknown);
    assert_eq!(verify(&[], std::slice::from_ref(&prevout), 0), unknown);
    assert_eq!(verify(&[&raw[..], &[0]].concat(), std::slice::from_ref(&prevout), 0), unknown);
    let too_much =
        TxOut { value: Amount::MAX, script_pubkey: ScriptBuf::from([&[0x51, 0x20][..], &[1; 32]].concat()) };
    assert_eq!(verify(&raw, &[too_much], 0), unknown);
}

#[test]
fn an_input_of_a_large_transaction_is_checked_as_before() {
    fn check_large(prevout: &str, script_sig: &str, expected: Result<(), ScriptError>) {
        let mut tx = tx(ScriptBuf::from_hex(script_sig).unwrap(), Witness::new());
        tx.input = vec![tx.input[0].clone(); INPUTS_KEPT_MAX + 1];
        let prevout = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_hex(prevout).unwrap() };
        let prevouts = vec![prevout; tx.input.len()];
        let raw = serialize(&tx);
        let spend = Spend { tx: &tx, raw: &raw, prevouts: &prevouts };
        for input in 0..tx.input.len() {
            assert_eq!(ConsensusLib.verify_input(&spend, input, ScriptFlags::CONSENSUS), expected);
        }
    }
    check_large("51", "", Ok(()));
    check_large("00", "", Err(ScriptError::EvalFalse));
    check_large("51b2", "", Err(ScriptError::UnsatisfiedLocktime));
    check_large("a914da1745e9b549bd0bfa1a569971c77eba30cd5a4b87", "0151", Ok(()));
    check_large("0000ac", "", Err(ScriptError::EvalFalse));
    check_large("0000ac91", "", Ok(()));
}
