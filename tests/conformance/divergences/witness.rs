use super::*;
use crate::signing::{key, p2sh, p2wpkh, p2wsh, script};

#[test]
fn d23_the_hash_type_of_a_witness_is_signed_as_it_stands() {
    let k = key(2);
    let program = p2wpkh(&k);
    let code = script("DUP HASH160 <h> EQUALVERIFY CHECKSIG", &[("h", &program.as_bytes()[2..])]);
    for hash_type in [0x00, 0x65] {
        let case = Case::new(p2sh(&program)).with_script_sig(asm::push(program.as_bytes()));
        let signature = case.sign_v0(2, &code, hash_type);
        case.with_witness(&[signature, k.clone()]).check(Ok(()));
    }
}

#[test]
fn d33_a_program_behind_p2sh_is_one_minimal_push() {
    let witness_script = asm::script("1");
    let program = p2wsh(&witness_script);
    let check = |script_sig: Vec<u8>, expected| {
        let case = Case::new(p2sh(&program)).with_script_sig(script_sig);
        case.with_witness(&[bytes(&witness_script)]).check(expected);
    };
    let push = asm::push(program.as_bytes());
    let malleated = Err(ScriptError::WitnessMalleatedP2sh);
    check(push.clone(), Ok(()));
    check([&[0x51][..], &push].concat(), malleated);
    check([&[0x4c][..], &push].concat(), malleated);
    check([&[0x61][..], &push].concat(), Err(ScriptError::SigPushOnly));
}

#[test]
fn d33_a_version_0_program_has_20_or_32_bytes() {
    for len in [2, 19, 21, 31, 33, 40] {
        let program = script("0 <p>", &[("p", &vec![1; len])]);
        let wrong = Err(ScriptError::WitnessProgramWrongLength);
        Case::new(program.clone()).check(wrong);
        Case::new(p2sh(&program)).with_script_sig(asm::push(program.as_bytes())).check(wrong);
    }
}

#[test]
fn d33_a_later_version_behind_p2sh_is_for_anyone() {
    for version in ["1", "2", "16"] {
        let program = script(&format!("{version} <p>"), &[("p", &[1; 32])]);
        let case = Case::new(p2sh(&program)).with_script_sig(asm::push(program.as_bytes()));
        case.check(Ok(()));
        case.with_witness(&[vec![1], vec![2]]).check(Ok(()));
    }
}

#[test]
fn d34_a_code_separator_moves_what_a_witness_signs_too() {
    let k = key(2);
    let pushes = [("k", k.as_slice())];
    let check = |text: &str, code: &str, expected| {
        let witness_script = script(text, &pushes);
        let case = Case::new(p2wsh(&witness_script));
        let signature = case.sign_v0(2, &script(code, &pushes), 1);
        case.with_witness(&[signature, bytes(&witness_script)]).check(expected);
    };
    check("CODESEPARATOR <k> CHECKSIG", "<k> CHECKSIG", Ok(()));
    check("CODESEPARATOR <k> CHECKSIG", "CODESEPARATOR <k> CHECKSIG", Err(ScriptError::EvalFalse));
    check("<k> CHECKSIG CODESEPARATOR", "<k> CHECKSIG CODESEPARATOR", Ok(()));
    check("0 IF CODESEPARATOR ENDIF <k> CHECKSIG", "0 IF CODESEPARATOR ENDIF <k> CHECKSIG", Ok(()));
}

#[test]
fn d34_an_input_that_is_not_there_has_no_digest() {
    let case = Case::new(asm::script("1"));
    let context = case.context();
    assert_eq!(context.legacy_sighash(1, &[], 1), None);
    assert_eq!(context.segwit_v0_sighash(1, &[], 1, 0), None);
    assert_eq!(context.taproot_sighash(1, 1, &Default::default()), None);
    let beyond = Case { input: 1, ..case };
    beyond.check(Err(ScriptError::Unknown));
}
