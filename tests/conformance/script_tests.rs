//! Core's script_tests.json.

use adit_domain::script::ScriptError;
use bitcoin::key::Secp256k1;
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::{Amount, XOnlyPublicKey};
use serde_json::Value;

use crate::engines::{credit_and_spend, verify};
use crate::{asm, vectors};

/// The point that nobody knows a key of (BIP-0341).
const NO_KEY: &str = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";

fn error_of(name: &str) -> Result<(), ScriptError> {
    Err(match name {
        "OK" => return Ok(()),
        "EVAL_FALSE" => ScriptError::EvalFalse,
        "VERIFY" => ScriptError::Verify,
        "EQUALVERIFY" => ScriptError::EqualVerify,
        "CHECKMULTISIGVERIFY" => ScriptError::CheckMultisigVerify,
        "CHECKSIGVERIFY" => ScriptError::CheckSigVerify,
        "NUMEQUALVERIFY" => ScriptError::NumEqualVerify,
        "SCRIPT_SIZE" => ScriptError::ScriptSize,
        "PUSH_SIZE" => ScriptError::PushSize,
        "OP_COUNT" => ScriptError::OpCount,
        "STACK_SIZE" => ScriptError::StackSize,
        "SIG_COUNT" => ScriptError::SigCount,
        "PUBKEY_COUNT" => ScriptError::PubKeyCount,
        "BAD_OPCODE" => ScriptError::BadOpcode,
        "DISABLED_OPCODE" => ScriptError::DisabledOpcode,
        "INVALID_STACK_OPERATION" => ScriptError::InvalidStackOperation,
        "INVALID_ALTSTACK_OPERATION" => ScriptError::InvalidAltstackOperation,
        "OP_RETURN" => ScriptError::OpReturn,
        "UNBALANCED_CONDITIONAL" => ScriptError::UnbalancedConditional,
        "NEGATIVE_LOCKTIME" => ScriptError::NegativeLocktime,
        "UNSATISFIED_LOCKTIME" => ScriptError::UnsatisfiedLocktime,
        "SIG_HASHTYPE" => ScriptError::SigHashType,
        "SIG_DER" => ScriptError::SigDer,
        "MINIMALDATA" => ScriptError::MinimalData,
        "SIG_PUSHONLY" => ScriptError::SigPushOnly,
        "SIG_HIGH_S" => ScriptError::SigHighS,
        "SIG_NULLDUMMY" => ScriptError::SigNullDummy,
        "MINIMALIF" => ScriptError::MinimalIf,
        "NULLFAIL" => ScriptError::SigNullFail,
        "DISCOURAGE_UPGRADABLE_NOPS" => ScriptError::DiscourageUpgradableNops,
        "DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM" => ScriptError::DiscourageUpgradableWitnessProgram,
        "PUBKEYTYPE" => ScriptError::PubKeyType,
        "CLEANSTACK" => ScriptError::CleanStack,
        "WITNESS_PROGRAM_WRONG_LENGTH" => ScriptError::WitnessProgramWrongLength,
        "WITNESS_PROGRAM_WITNESS_EMPTY" => ScriptError::WitnessProgramWitnessEmpty,
        "WITNESS_PROGRAM_MISMATCH" => ScriptError::WitnessProgramMismatch,
        "WITNESS_MALLEATED" => ScriptError::WitnessMalleated,
        "WITNESS_MALLEATED_P2SH" => ScriptError::WitnessMalleatedP2sh,
        "WITNESS_UNEXPECTED" => ScriptError::WitnessUnexpected,
        "WITNESS_PUBKEYTYPE" => ScriptError::WitnessPubKeyType,
        "TAPSCRIPT_EMPTY_PUBKEY" => ScriptError::TapscriptEmptyPubKey,
        "OP_CODESEPARATOR" => ScriptError::OpCodeSeparator,
        "SIG_FINDANDDELETE" => ScriptError::SigFindAndDelete,
        "SCRIPTNUM" => ScriptError::ScriptNum,
        other => panic!("no error {other}"),
    })
}

/// A witness, the amount behind it, and the taproot output where the row asks for one.
fn witness_of(row: &Value) -> (Vec<Vec<u8>>, Amount, Option<String>) {
    let elements = row.as_array().expect("a witness");
    let (amount, elements) = elements.split_last().expect("an amount");
    let amount = Amount::from_btc(amount.as_f64().expect("a number")).expect("an amount");
    let leaf = elements.iter().find_map(|e| e.as_str().unwrap().strip_prefix("#SCRIPT#")).map(asm::script);
    let tap = leaf.clone().map(|leaf| {
        let builder = TaprootBuilder::new().add_leaf(0, leaf.clone()).unwrap();
        let key: XOnlyPublicKey = NO_KEY.parse().unwrap();
        let info = builder.finalize(&Secp256k1::verification_only(), key).unwrap();
        let control = info.control_block(&(leaf, LeafVersion::TapScript)).unwrap().serialize();
        (control, info.output_key().to_string())
    });
    let witness = elements.iter().map(|element| match element.as_str().unwrap() {
        text if text.starts_with("#SCRIPT#") => leaf.clone().unwrap().into_bytes(),
        "#CONTROLBLOCK#" => tap.clone().unwrap().0,
        text => vectors::hex(text),
    });
    (witness.collect(), amount, tap.map(|(_, key)| key))
}

fn check(row: &[Value]) {
    let (witness, amount, output_key, row) = match row.split_first() {
        Some((first, rest)) if first.is_array() => {
            let (witness, amount, key) = witness_of(first);
            (witness, amount, key, rest)
        }
        _ => (Vec::new(), Amount::ZERO, None, row),
    };
    let [script_sig, script, flags, expected, ..] = row else { panic!("{row:?}") };
    let mut text = script.as_str().unwrap().to_owned();
    if let Some(key) = output_key {
        text = text.replace("#TAPROOTOUTPUT#", &format!("0x{key}"));
    }
    let (script_sig, script) = (asm::script(script_sig.as_str().unwrap()), asm::script(&text));
    let flags = asm::flags(flags.as_str().unwrap()).with_implied();
    let expected = error_of(expected.as_str().unwrap());
    let (tx, prevout) = credit_and_spend(script, script_sig, witness, amount);
    assert_eq!(verify(&tx, std::slice::from_ref(&prevout), 0, flags), expected, "{row:?}");
    // A flag only ever forbids: none makes a failure pass, none that is taken away makes a pass fail.
    for (_, flag) in asm::FLAGS {
        let other =
            if expected.is_ok() { asm::trimmed(flags.without(flag)) } else { (flags | flag).with_implied() };
        assert_eq!(
            verify(&tx, std::slice::from_ref(&prevout), 0, other).is_ok(),
            expected.is_ok(),
            "{row:?}"
        );
    }
}

#[test]
fn every_row_of_script_tests() {
    let rows = vectors::core("script_tests.json");
    let rows: Vec<_> = rows.iter().map(|row| row.as_array().unwrap()).filter(|row| row.len() > 1).collect();
    rows.iter().for_each(|row| check(row));
    println!("script_tests: {} rows ran", rows.len());
    assert!(rows.len() > 1200, "{} rows", rows.len());
}
