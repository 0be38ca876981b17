use super::*;
use crate::signing::{key, p2sh, p2wsh, script};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Sequence, Transaction};

const P2SH: ScriptFlags = ScriptFlags::P2SH;

#[test]
fn d21_find_and_delete_takes_whole_pushes_of_the_signature_only() {
    let k = key(2);
    // The signature signs the script as it is without itself.
    let code = script("DROP DROP <k> CHECKSIG", &[("k", &k)]);
    let signature = Case::new(ScriptBuf::new()).sign_legacy(2, &code, 1);
    let with = |text: &str, inner: &[u8]| {
        let script = script(text, &[("k", &k), ("s", &signature), ("i", inner)]);
        Case::new(script).with_script_sig(asm::push(&signature))
    };
    with("<s> DROP <s> DROP <k> CHECKSIG", &[]).check(Ok(()));
    with("<s> <s> DROP DROP <k> CHECKSIG", &[]).check(Ok(()));
    // Once is not what it signed, and what stands inside another push is no push of it.
    with("<s> DROP <k> CHECKSIG", &[]).check(Err(ScriptError::EvalFalse));
    let inside = [&[0xaa, 0xaa][..], &signature].concat();
    with("<s> <s> <i> DROP DROP DROP <k> CHECKSIG", &inside).check(Err(ScriptError::EvalFalse));
    let inside = [&[0xaa][..], &asm::push(&signature)].concat();
    with("<s> <s> <i> DROP DROP DROP <k> CHECKSIG", &inside).check(Err(ScriptError::EvalFalse));
    let policy = with("<s> <s> DROP DROP <k> CHECKSIG", &[]).verify(ScriptFlags::STANDARD);
    assert_eq!(policy, Err(ScriptError::SigFindAndDelete));
}

#[test]
fn d21_what_only_contains_the_signature_survives_find_and_delete() {
    // SINGLE without its output signs the number 1, whatever the script says: so a script can hold its own signature.
    let k = key(2);
    let signature = Case::with_others(ScriptBuf::new(), 1).sign_legacy(2, &ScriptBuf::new(), 3);
    let check = |inner: &[u8], expected| {
        let script = script("<i> DROP <k> CHECKSIG", &[("i", inner), ("k", &k)]);
        let case = Case::with_others(script, 1).with_script_sig(asm::push(&signature));
        case.check(Ok(()));
        assert_eq!(case.verify(ScriptFlags::CONST_SCRIPTCODE), expected);
    };
    check(&signature, Err(ScriptError::SigFindAndDelete));
    check(&[&[0xaa, 0xaa][..], &signature].concat(), Ok(()));
    check(&[&[0xaa][..], &asm::push(&signature)].concat(), Ok(()));
    check(&[&signature[..], &[0xaa]].concat(), Ok(()));
}

#[test]
fn d21_find_and_delete_is_for_scripts_before_segwit() {
    let k = key(2);
    let code = script("DROP <k> CHECKSIG", &[("k", &k)]);
    let signature = Case::new(ScriptBuf::new()).sign_v0(2, &code, 1);
    let whole = script("<s> DROP <k> CHECKSIG", &[("k", &k), ("s", &signature)]);
    Case::new(p2wsh(&whole)).with_witness(&[signature, bytes(&whole)]).check(Err(ScriptError::EvalFalse));
}

#[test]
fn d22_single_without_its_output_signs_the_number_one() {
    let code = script("<k> CHECKSIG", &[("k", &key(2))]);
    let case = Case::with_others(code.clone(), 1);
    let mut one = [0; 32];
    one[0] = 1;
    for hash_type in [0x03, 0x83] {
        assert_eq!(case.context().legacy_sighash(1, code.as_bytes(), u32::from(hash_type)), Some(one));
        let signature = case.sign_legacy(2, &code, hash_type);
        case.clone().with_script_sig(asm::push(&signature)).check(Ok(()));
    }
}

#[test]
fn d23_the_hash_type_is_signed_as_it_stands() {
    let code = script("<k> CHECKSIG", &[("k", &key(2))]);
    for hash_type in [0x00, 0x04, 0x65, 0xe5, 0xff] {
        let signature = Case::new(code.clone()).sign_legacy(2, &code, hash_type);
        let mut other = signature.clone();
        Case::new(code.clone()).with_script_sig(asm::push(&signature)).check(Ok(()));
        *other.last_mut().unwrap() = 0x01;
        Case::new(code.clone()).with_script_sig(asm::push(&other)).check(Err(ScriptError::EvalFalse));
    }
}

#[test]
fn d24_before_bip66_signatures_parse_by_the_lax_rules() {
    let code = script("<k> CHECKSIG", &[("k", &key(2))]);
    let strict = Case::new(code.clone()).sign_legacy(2, &code, 1);
    let r_end = 4 + usize::from(strict[3]);
    let (r, s) = (&strict[4..r_end], &strict[r_end + 2..strict.len() - 1]);
    let integer = |value: &[u8]| [&[2, u8::try_from(value.len()).unwrap()][..], value].concat();
    let check = |der: Vec<u8>, lax: Result<(), ScriptError>| {
        let case = Case::new(code.clone()).with_script_sig(asm::push(&[&der[..], &[1]].concat()));
        assert_eq!(case.verify(P2SH), lax, "{der:02x?}");
        assert_eq!(case.verify(P2SH | ScriptFlags::DERSIG), Err(ScriptError::SigDer), "{der:02x?}");
    };
    let body = [integer(r), integer(s)].concat();
    let len = u8::try_from(body.len()).unwrap();
    let no = Err(ScriptError::EvalFalse);
    check([&[0x30, 0x81, len][..], &body].concat(), Ok(()));
    check([&[0x30, 0][..], &body].concat(), Ok(()));
    check([&[0x30, len][..], &body, &[7, 7]].concat(), Ok(()));
    check([&[0x30, len][..], &integer(&[&[0, 0][..], r].concat()), &integer(s)].concat(), Ok(()));
    let long = [&[2, 0x83, 0, 0, u8::try_from(r.len()).unwrap()][..], r].concat();
    check([&[0x30, len][..], &long, &integer(s)].concat(), Ok(()));
    check([&[0x31, len][..], &body].concat(), no);
    check([&[0x30, len][..], &integer(&[1; 33]), &integer(s)].concat(), no);
    check([&[0x30, len][..], &integer(&[0xff; 32]), &integer(s)].concat(), no);
    check([&[0x30, len][..], &[2, 0x85, 1, 0, 0, 0, 32], r, &integer(s)].concat(), no);
    check(vec![0x30, 0x80], no);
}

#[test]
fn d24_an_empty_signature_has_no_encoding_to_fail() {
    let code = script("<k> CHECKSIG NOT", &[("k", &key(2))]);
    Case::new(code).with_script_sig(vec![0]).check(Ok(()));
}

#[test]
fn d25_a_pushdata4_is_as_long_as_it_says() {
    check("", "0x4e 0x01000000 0x51", Ok(()));
    check("", "1 0x4e 0x01000100 0x51", Err(ScriptError::BadOpcode));
    check("", "1 0x4e 0x00000080 0x51", Err(ScriptError::BadOpcode));
    check("", &format!("0x4e 0x09020000 0x{}", "51".repeat(521)), Err(ScriptError::PushSize));
}

#[test]
fn d26_an_operand_is_measured_before_it_is_read() {
    for op in ["0NOTEQUAL", "NOT", "ABS", "NEGATE", "1ADD", "1SUB"] {
        check("0x05 0x0100000000", &format!("{op} 1"), Err(ScriptError::ScriptNum));
        check("0x04 0x01000000", &format!("{op} DROP 1"), Ok(()));
    }
    check("0x05 0x0100000000 1", "ADD", Err(ScriptError::ScriptNum));
    check("2147483647 DUP ADD", "0 ADD", Err(ScriptError::ScriptNum));
    check("2147483647 DUP ADD", "4294967294 EQUAL", Ok(()));
}

/// A check of lock times: what the transaction says, what the script asks for.
fn check_lock(change: impl Fn(&mut Transaction), script: &str, expected: Result<(), ScriptError>) {
    let mut case = Case::new(asm::script(script));
    change(&mut case.tx);
    assert_eq!(case.verify(ScriptFlags::CONSENSUS), expected, "{script}");
}

#[test]
fn d27_check_lock_time_verify() {
    let at = |lock: u32, sequence: u32| {
        move |tx: &mut Transaction| {
            tx.lock_time = LockTime::from_consensus(lock);
            tx.input[0].sequence = Sequence(sequence);
        }
    };
    let late = Err(ScriptError::UnsatisfiedLocktime);
    check_lock(at(100, 0), "100 NOP2", Ok(()));
    check_lock(at(99, 0), "100 NOP2", late);
    check_lock(at(100, u32::MAX), "100 NOP2", late);
    check_lock(at(u32::MAX, 0), "4294967295 NOP2", Ok(()));
    check_lock(at(u32::MAX, 0), "4294967296 NOP2", late);
    check_lock(at(500_000_000, 0), "499999999 NOP2", late);
    check_lock(at(499_999_999, 0), "500000000 NOP2", late);
    check_lock(at(0, 0), "-1 NOP2", Err(ScriptError::NegativeLocktime));
    check_lock(at(0, 0), "0x06 0x010000000000 NOP2", Err(ScriptError::ScriptNum));
    check_lock(at(0, 0), "NOP2", Err(ScriptError::InvalidStackOperation));
}

#[test]
fn d27_check_sequence_verify() {
    let at = |version: i32, sequence: u32| {
        move |tx: &mut Transaction| {
            tx.version = Version(version);
            tx.input[0].sequence = Sequence(sequence);
        }
    };
    let late = Err(ScriptError::UnsatisfiedLocktime);
    check_lock(at(2, 10), "10 NOP3", Ok(()));
    check_lock(at(2, 9), "10 NOP3", late);
    // Any negative operand fails, not only -1; five bytes are read.
    check_lock(at(2, 10), "-1 NOP3", Err(ScriptError::NegativeLocktime));
    check_lock(at(2, 10), "-2147483648 NOP3", Err(ScriptError::NegativeLocktime));
    check_lock(at(2, 10), "0x06 0x010000000000 NOP3", Err(ScriptError::ScriptNum));
    // The bit that turns it off comes before the version.
    check_lock(at(1, 10), "2147483648 NOP3", Ok(()));
    check_lock(at(1, 10), "10 NOP3", late);
    check_lock(at(2, 0x8000_000a), "10 NOP3", late);
    // Only bit 22 and the lower 16 count.
    check_lock(at(2, 0x0020_000a), "10 NOP3", Ok(()));
    check_lock(at(2, 10), "4294967306 NOP3", Ok(()));
    check_lock(at(2, 0x0040_000a), "10 NOP3", late);
    check_lock(at(2, 0x0040_000a), "4194314 NOP3", Ok(()));
    // The version has no sign (row 3).
    check_lock(at(-1, 10), "10 NOP3", Ok(()));
    check_lock(at(0, 10), "10 NOP3", late);
}

#[test]
fn d28_both_stacks_hold_a_thousand_after_every_opcode() {
    let full = Err(ScriptError::StackSize);
    check("", &times(1000, "1"), Ok(()));
    check("", &times(1001, "1"), full);
    check("", &format!("{} 0x01 0x07", times(1000, "1")), full);
    check("", &format!("{} TUCK", times(999, "1")), Ok(()));
    check("", &format!("{} TUCK", times(1000, "1")), full);
    check("", &format!("{} TOALTSTACK 1", times(1000, "1")), full);
    check("", &format!("{} NIP", times(1000, "1")), Ok(()));
    check("", &format!("{} 3DUP", times(998, "1")), full);
}

#[test]
fn d28_within_is_half_open() {
    check("1 1 2", "WITHIN", Ok(()));
    check("2 1 2", "WITHIN NOT", Ok(()));
    check("0 1 2", "WITHIN NOT", Ok(()));
    check("-1 -1 0", "WITHIN", Ok(()));
}

#[test]
fn d29_a_malformed_multisig_fails_the_script() {
    let (keys, sigs) = (Err(ScriptError::PubKeyCount), Err(ScriptError::SigCount));
    let short = Err(ScriptError::InvalidStackOperation);
    check(&times(30, "0"), "21 CHECKMULTISIG NOT", keys);
    check("0 0", "-1 CHECKMULTISIG NOT", keys);
    check("0", "1 0 CHECKMULTISIG NOT", sigs);
    check("0", "-1 0 CHECKMULTISIG NOT", sigs);
    check("", "0 1 CHECKMULTISIG NOT", short);
    check("", "0 0 CHECKMULTISIG NOT", short);
    check("0", "0 0 CHECKMULTISIG", Ok(()));
    check("", "1 CHECKSIG NOT", short);
    check("0", &format!("0 0 {} CHECKMULTISIG", times(200, "NOP")), Ok(()));
    check("0 0 1", &format!("0 1 {} CHECKMULTISIG", times(200, "NOP")), Err(ScriptError::OpCount));
}

#[test]
fn d29_an_empty_key_is_only_a_false_one_and_an_empty_signature_is_no_pardon() {
    check("0x09 0x300602010102010101", "0 CHECKSIG NOT", Ok(()));
    check_under("0", "0 CHECKSIG NOT", ScriptFlags::STRICTENC, Err(ScriptError::PubKeyType));
    let sig = "0 0x09 0x300602010102010101 0";
    let code = script("2 <k> <k> 2 CHECKMULTISIG NOT", &[("k", &key(2))]);
    let case = Case::new(code).with_script_sig(asm::script(sig).into_bytes());
    assert_eq!(case.verify(ScriptFlags::NULLFAIL), Err(ScriptError::SigNullFail));
    case.check(Ok(()));
}

#[test]
fn d30_notif_is_if_the_other_way_round() {
    for (value, taken) in
        [("0", true), ("1", false), ("0x01 0x80", true), ("0x02 0x0000", true), ("0x02 0x0001", false)]
    {
        let expected = if taken { Ok(()) } else { Err(ScriptError::EvalFalse) };
        check(value, "NOTIF 1 ELSE 0 ENDIF", expected);
        check(value, "IF 0 ELSE 1 ENDIF", expected);
    }
}

#[test]
fn d30_code_separators_are_not_signed_and_move_what_is() {
    let (k, k3) = (key(2), key(3));
    let check = |text: &str, code: &str, expected| {
        let pushes = [("k", k.as_slice())];
        let case = Case::new(script(text, &pushes));
        let signature = case.sign_legacy(2, &script(code, &pushes), 1);
        case.with_script_sig(asm::push(&signature)).check(expected);
    };
    check("CODESEPARATOR <k> CHECKSIG", "<k> CHECKSIG", Ok(()));
    check("CODESEPARATOR <k> CHECKSIG", "CODESEPARATOR <k> CHECKSIG", Ok(()));
    check("<k> CHECKSIG CODESEPARATOR NOP", "<k> CHECKSIG NOP", Ok(()));
    check("NOP CODESEPARATOR <k> CHECKSIG", "NOP <k> CHECKSIG", Err(ScriptError::EvalFalse));
    check("0 IF CODESEPARATOR ENDIF <k> CHECKSIG", "0 IF ENDIF <k> CHECKSIG", Ok(()));

    // Two checks in one script, each with a code of its own.
    let pushes = [("k", k.as_slice()), ("j", k3.as_slice())];
    let case = Case::new(script("<k> CHECKSIGVERIFY CODESEPARATOR <j> CHECKSIG", &pushes));
    let first = case.sign_legacy(2, &script("<k> CHECKSIGVERIFY <j> CHECKSIG", &pushes), 1);
    let second = case.sign_legacy(3, &script("<j> CHECKSIG", &pushes), 1);
    case.clone().with_script_sig([asm::push(&second), asm::push(&first)].concat()).check(Ok(()));
    let stale = case.sign_legacy(3, &script("<k> CHECKSIGVERIFY <j> CHECKSIG", &pushes), 1);
    let stale = [asm::push(&stale), asm::push(&first)].concat();
    case.with_script_sig(stale).check(Err(ScriptError::EvalFalse));
}

#[test]
fn d30_a_code_separator_that_is_not_run_is_for_policy_to_refuse() {
    check("1", "0 IF CODESEPARATOR ENDIF", Ok(()));
    let policy = ScriptFlags::CONST_SCRIPTCODE;
    check_under("1", "0 IF CODESEPARATOR ENDIF", policy, Err(ScriptError::OpCodeSeparator));
}

#[test]
fn d31_signature_operations_are_counted_up_to_a_truncated_push() {
    use adit_domain::script::{legacy_sigop_count, p2sh_sigop_count};
    let p2sh = p2sh(&ScriptBuf::new());
    assert_eq!(legacy_sigop_count(&asm::script("CHECKSIG CHECKSIG 0x4c 0xff CHECKSIG")), 2);
    // The redeem script is what is pushed last, however it is pushed.
    assert_eq!(p2sh_sigop_count(&asm::script("0x02 0xaeae 0x4c 0x02 0x52ae"), &p2sh), 2);
    assert_eq!(p2sh_sigop_count(&asm::script("0x02 0x52ae 0x4c 0xff"), &p2sh), 0);
}

#[test]
fn d32_pushes_of_a_p2sh_input_have_520_bytes_at_most() {
    let redeem = asm::script("DROP 1");
    let with = |len: usize| [asm::push(&vec![7; len]), asm::push(redeem.as_bytes())].concat();
    Case::new(p2sh(&redeem)).with_script_sig(with(520)).check(Ok(()));
    Case::new(p2sh(&redeem)).with_script_sig(with(521)).check(Err(ScriptError::PushSize));
    let long = ScriptBuf::from_bytes(vec![0x51; 521]);
    Case::new(p2sh(&long)).with_script_sig(asm::push(long.as_bytes())).check(Err(ScriptError::PushSize));
}
