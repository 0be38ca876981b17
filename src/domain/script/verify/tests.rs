use std::collections::HashSet;

use super::*;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::hash160;
use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxOut};

type Flags = ScriptFlags;
const NONE: Flags = ScriptFlags::NONE;
const CONSENSUS: Flags = ScriptFlags::CONSENSUS;
const STANDARD: Flags = ScriptFlags::STANDARD;

fn verify(script_sig: &[u8], witness: &[&[u8]], prevout: &[u8], flags: Flags) -> Result<(), ScriptError> {
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::from_bytes(script_sig.to_vec()),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(witness),
    };
    let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    };
    let script_pubkey = ScriptBuf::from_bytes(prevout.to_vec());
    let prevouts = [TxOut { value: Amount::ONE_SAT, script_pubkey }];
    verify_input(&TxContext::new(&tx, &prevouts), 0, flags)
}

fn hex(text: &str) -> Vec<u8> {
    ScriptBuf::from_hex(&text.replace(' ', "")).unwrap().into_bytes()
}

/// Checks that a spend fails, and how.
#[derive(Default)]
struct Failures(HashSet<ScriptError>);

impl Failures {
    fn bare(&mut self, script_sig: &str, prevout: &str, flags: Flags, error: ScriptError) {
        assert_eq!(
            verify(&hex(script_sig), &[], &hex(prevout), flags),
            Err(error),
            "{script_sig} | {prevout}"
        );
        self.0.insert(error);
    }

    fn witness(&mut self, witness: &[&[u8]], prevout: &[u8], flags: Flags, error: ScriptError) {
        assert_eq!(verify(&[], witness, prevout, flags), Err(error), "{prevout:02x?}");
        self.0.insert(error);
    }

    /// A version 0 script.
    fn v0(&mut self, script: &str, elements: &[&[u8]], flags: Flags, error: ScriptError) {
        let script = hex(script);
        let witness = [elements, &[&script]].concat();
        self.witness(&witness, &program_of(&script), flags, error);
    }

    /// A leaf.
    fn leaf(&mut self, version: u8, script: &str, elements: &[&[u8]], flags: Flags, error: ScriptError) {
        let (output, control) = tree(&hex(script), version);
        self.witness(&[elements, &[&hex(script), &control]].concat(), &output, flags, error);
    }
}

fn program_of(script: &[u8]) -> Vec<u8> {
    [&[0, 32][..], sha256(script).as_byte_array()].concat()
}

fn keypair() -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[1; 32]).unwrap()
}

/// An output of one leaf, and the leaf's control block.
fn tree(script: &[u8], version: u8) -> (Vec<u8>, Vec<u8>) {
    let secp = Secp256k1::new();
    let (script, version) =
        (Script::from_bytes(script).to_owned(), LeafVersion::from_consensus(version).unwrap());
    let builder = TaprootBuilder::new().add_leaf_with_ver(0, script.clone(), version).unwrap();
    let info = builder.finalize(&secp, keypair().x_only_public_key().0).unwrap();
    let control = info.control_block(&(script, version)).unwrap().serialize();
    (ScriptBuf::new_p2tr_tweaked(info.output_key()).into_bytes(), control)
}

#[test]
fn every_failure_has_its_name() {
    let mut fails = Failures::default();
    before_segwit(&mut fails);
    policy(&mut fails);
    programs(&mut fails);
    taproot(&mut fails);
    let tx = Transaction { version: Version::ONE, lock_time: LockTime::ZERO, input: vec![], output: vec![] };
    assert_eq!(verify_input(&TxContext::new(&tx, &[]), 0, NONE), Err(ScriptError::Unknown));
    fails.0.insert(ScriptError::Unknown);
    assert_eq!(fails.0.len(), 54, "a variant without a case");
}

fn before_segwit(fails: &mut Failures) {
    fails.bare("", "00", NONE, ScriptError::EvalFalse);
    fails.bare("", "", NONE, ScriptError::EvalFalse);
    fails.bare("00", "69", NONE, ScriptError::Verify);
    fails.bare("51", "00 88", NONE, ScriptError::EqualVerify);
    fails.bare("00 00", "51 51 51 af", NONE, ScriptError::CheckMultisigVerify);
    fails.bare("00", "51 ad", NONE, ScriptError::CheckSigVerify);
    fails.bare("51", "52 9d", NONE, ScriptError::NumEqualVerify);
    fails.bare("", &"51".repeat(10_001), NONE, ScriptError::ScriptSize);
    fails.bare("", &format!("4d0902{}", "00".repeat(521)), NONE, ScriptError::PushSize);
    fails.bare("51", &"61".repeat(202), NONE, ScriptError::OpCount);
    fails.bare("", &"51".repeat(1001), NONE, ScriptError::StackSize);
    fails.bare("00", "52 51 51 ae", NONE, ScriptError::SigCount);
    fails.bare("", "0115 ae", NONE, ScriptError::PubKeyCount);
    fails.bare("", "50", NONE, ScriptError::BadOpcode);
    fails.bare("51", "05", NONE, ScriptError::BadOpcode);
    fails.bare("51", "00 63 7e 68", NONE, ScriptError::DisabledOpcode);
    fails.bare("", "75", NONE, ScriptError::InvalidStackOperation);
    fails.bare("", "6c", NONE, ScriptError::InvalidAltstackOperation);
    fails.bare("51", "6a", NONE, ScriptError::OpReturn);
    fails.bare("51", "63", NONE, ScriptError::UnbalancedConditional);
    fails.bare("51", "67", NONE, ScriptError::UnbalancedConditional);
    fails.bare("51", "68", NONE, ScriptError::UnbalancedConditional);
    fails.bare("4f", "b1", CONSENSUS, ScriptError::NegativeLocktime);
    fails.bare("51", "b1", CONSENSUS, ScriptError::UnsatisfiedLocktime);
    fails.bare("0101", "51 ac", CONSENSUS, ScriptError::SigDer);
    fails.bare("51", "00 00 ae", CONSENSUS, ScriptError::SigNullDummy);
    fails.bare("05 0000000000", "8b", NONE, ScriptError::ScriptNum);
}

fn policy(fails: &mut Failures) {
    let key = "21 02 1111111111111111111111111111111111111111111111111111111111111111";
    let high_s = "29 3026 020101 0221 00fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140 01";
    fails.bare("09 300602010102010104", &format!("{key} ac"), STANDARD, ScriptError::SigHashType);
    fails.bare("01 01", "", STANDARD, ScriptError::MinimalData);
    fails.bare("61", "51", ScriptFlags::SIGPUSHONLY, ScriptError::SigPushOnly);
    fails.bare(high_s, &format!("{key} ac"), ScriptFlags::LOW_S, ScriptError::SigHighS);
    fails.bare("01 01", "51 ac", ScriptFlags::NULLFAIL, ScriptError::SigNullFail);
    fails.bare("51", "b0", STANDARD, ScriptError::DiscourageUpgradableNops);
    fails.bare("", "52 02 aaaa", STANDARD, ScriptError::DiscourageUpgradableWitnessProgram);
    fails.bare("00", "51 ac", STANDARD, ScriptError::PubKeyType);
    fails.bare("51", "51", STANDARD, ScriptError::CleanStack);
    fails.bare("51", "ab", STANDARD, ScriptError::OpCodeSeparator);
    fails.bare("0101", "0101 75 51 ac", ScriptFlags::CONST_SCRIPTCODE, ScriptError::SigFindAndDelete);
    fails.v0("63 51 68 51", &[&[2]], STANDARD, ScriptError::MinimalIf);
    fails.v0(
        "51 ac",
        &[&[]],
        ScriptFlags::WITNESS | ScriptFlags::WITNESS_PUBKEYTYPE,
        ScriptError::WitnessPubKeyType,
    );
}

fn programs(fails: &mut Failures) {
    let wpkh = format!("0014 {}", "11".repeat(20));
    fails.bare("", "00 02 aaaa", CONSENSUS, ScriptError::WitnessProgramWrongLength);
    fails.witness(&[], &program_of(&[]), CONSENSUS, ScriptError::WitnessProgramWitnessEmpty);
    fails.witness(&[&[1]], &program_of(&[]), CONSENSUS, ScriptError::WitnessProgramMismatch);
    fails.bare("", &wpkh, CONSENSUS, ScriptError::WitnessProgramMismatch);
    fails.bare("51", "52 02 aaaa", CONSENSUS, ScriptError::WitnessMalleated);
    fails.witness(&[&[1]], &[0x51], CONSENSUS, ScriptError::WitnessUnexpected);
    fails.v0("51 51", &[], CONSENSUS, ScriptError::CleanStack);
    fails.v0("00", &[], CONSENSUS, ScriptError::EvalFalse);
    fails.v0("75 51", &[&[0; 521]], CONSENSUS, ScriptError::PushSize);
    fails.v0("ba", &[&[], &[], &[]], CONSENSUS, ScriptError::BadOpcode);

    let redeem = hex("52 02 aaaa");
    let p2sh = [&[OP_HASH160, 20][..], hash160::Hash::hash(&redeem).as_byte_array(), &[0x87]].concat();
    let twice = hex("51 04 5202aaaa");
    assert_eq!(verify(&twice, &[], &p2sh, CONSENSUS), Err(ScriptError::WitnessMalleatedP2sh));
    assert_eq!(verify(&hex("61 04 5202aaaa"), &[], &p2sh, CONSENSUS), Err(ScriptError::SigPushOnly));
    assert_eq!(verify(&twice, &[], &p2sh, ScriptFlags::P2SH), Ok(()));
    fails.0.insert(ScriptError::WitnessMalleatedP2sh);
}

fn taproot(fails: &mut Failures) {
    let (output, control) = tree(&[0x51], 0xc0);
    fails.witness(&[], &output, CONSENSUS, ScriptError::WitnessProgramWitnessEmpty);
    fails.witness(&[&[7; 63]], &output, CONSENSUS, ScriptError::SchnorrSigSize);
    fails.witness(&[&[0; 65]], &output, CONSENSUS, ScriptError::SchnorrSigHashType);
    fails.witness(&[&[7; 64]], &output, CONSENSUS, ScriptError::SchnorrSig);
    fails.witness(&[&[0x51], &control[..32]], &output, CONSENSUS, ScriptError::TaprootWrongControlSize);
    fails.witness(&[&[0x52], &control], &output, CONSENSUS, ScriptError::WitnessProgramMismatch);
    let x = format!("20 {}", keypair().x_only_public_key().0);
    fails.leaf(0xc2, "6a", &[], STANDARD, ScriptError::DiscourageUpgradableTaprootVersion);
    fails.leaf(0xc0, "50", &[], STANDARD, ScriptError::DiscourageOpSuccess);
    fails.leaf(0xc0, "51 ac", &[&[1]], STANDARD, ScriptError::DiscourageUpgradablePubKeyType);
    fails.leaf(
        0xc0,
        "76 51 ad 76 51 ad 76 51 ad 51 ac",
        &[&[1]],
        CONSENSUS,
        ScriptError::TapscriptValidationWeight,
    );
    fails.leaf(0xc0, "00 00 00 ae", &[], CONSENSUS, ScriptError::TapscriptCheckMultisig);
    fails.leaf(0xc0, "63 51 68", &[&[2]], CONSENSUS, ScriptError::TapscriptMinimalIf);
    fails.leaf(0xc0, "00 ac", &[&[]], CONSENSUS, ScriptError::TapscriptEmptyPubKey);
    fails.leaf(0xc0, &format!("{x} ac"), &[&[7; 64]], CONSENSUS, ScriptError::SchnorrSig);
    fails.leaf(0xc0, "51", &[&[][..]; 1001], CONSENSUS, ScriptError::StackSize);
    fails.leaf(0xc0, "75 51", &[&[0; 521]], CONSENSUS, ScriptError::PushSize);
    fails.leaf(0xc0, "51 05", &[], CONSENSUS, ScriptError::BadOpcode);
    fails.leaf(0xc0, "51 51", &[], CONSENSUS, ScriptError::CleanStack);
}

#[test]
fn a_tapscript_has_no_limit_of_size_or_operations() {
    let script = [&[0x61; 20_000][..], &[0x51]].concat();
    let (output, control) = tree(&script, 0xc0);
    assert_eq!(verify(&[], &[&script, &control], &output, CONSENSUS), Ok(()));
}

#[test]
fn an_op_success_overrides_what_stands_before_it_only() {
    fn check(script: &str, elements: &[&[u8]], expected: Result<(), ScriptError>) {
        let (output, control) = tree(&hex(script), 0xc0);
        assert_eq!(
            verify(&[], &[elements, &[&hex(script), &control]].concat(), &output, CONSENSUS),
            expected
        );
    }
    check("6a 50", &[], Ok(()));
    check("6a 50 05", &[], Ok(()));
    check("6a 05 50", &[], Err(ScriptError::BadOpcode));
    check("50", &[&[0; 521]], Ok(()));
}

#[test]
fn what_no_rule_reads_yet_anyone_may_spend() {
    fn check(prevout: &str, witness: &[&[u8]], expected: Result<(), ScriptError>) {
        assert_eq!(verify(&[], witness, &hex(prevout), CONSENSUS), expected, "{prevout}");
    }
    check("51 02 4e73", &[], Ok(()));
    check("51 02 aaaa", &[&[1]], Ok(()));
    check("60 02 aaaa", &[], Ok(()));
    assert_eq!(verify(&[], &[], &hex("51 02 4e73"), STANDARD), Ok(()));
}

#[test]
fn prevouts_are_as_many_as_inputs() {
    let tx = Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn::default()],
        output: vec![],
    };
    let prevout = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    let verify = |prevouts: &[TxOut]| {
        let spend = Spend { tx: &tx, wtxid: tx.compute_wtxid(), raw: &[], prevouts };
        assert_eq!(
            Interpreter.verify_tx(&spend, NONE).map_err(|(_, e)| e),
            Interpreter.verify_input(&spend, 0, NONE)
        );
        Interpreter.verify_input(&spend, 0, NONE)
    };
    assert_eq!(verify(&[]), Err(ScriptError::Unknown));
    assert_eq!(verify(std::slice::from_ref(&prevout)), Ok(()));
    assert_eq!(verify(&[prevout.clone(), prevout]), Err(ScriptError::Unknown));
}

proptest::proptest! {
    /// No script, no witness and no set of flags makes the engine panic.
    #[test]
    fn any_bytes_have_a_verdict(
        script_sig in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        script in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        elements in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..40), 0..6),
        bits in 0_u32..1 << 21,
    ) {
        let flags = ScriptFlags::from_bits(bits);
        let elements: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
        let _ = verify(&script_sig, &elements, &script, flags);
        let _ = verify(&[], &[&elements[..], &[&script]].concat(), &program_of(&script), flags);
        let (output, control) = tree(&script, 0xc0);
        let _ = verify(&[], &[&elements[..], &[&script, &control]].concat(), &output, flags);
    }
}
