use super::*;
use crate::signing::{Tree, script, tree, tree_of_version, x_key};
use adit_domain::script::TaprootExtra;
use bitcoin::hashes::{Hash, sha256};

const NO_SEPARATOR: u32 = u32::MAX;

fn leaf(text: &str) -> Tree {
    tree(script(text, &[("k", &x_key(3)), ("j", &[2; 33])]))
}

#[test]
fn d35_the_commitment_comes_before_the_leaf_version() {
    let tree = tree_of_version(asm::script("RETURN"), 0xc2);
    let case = tree.spend(&[]);
    case.check(Ok(()));
    let discouraged = Err(ScriptError::DiscourageUpgradableTaprootVersion);
    assert_eq!(case.verify(ScriptFlags::STANDARD), discouraged);
    for byte in 0..tree.control.len() {
        let mut control = tree.control.clone();
        control[byte] ^= 1;
        let witness = [tree.leaf.to_bytes(), control];
        Case::new(tree.output.clone()).with_witness(&witness).check(Err(ScriptError::WitnessProgramMismatch));
    }
    let short = [tree.leaf.to_bytes(), tree.control[..tree.control.len() - 1].to_vec()];
    Case::new(tree.output.clone()).with_witness(&short).check(Err(ScriptError::TaprootWrongControlSize));
}

#[test]
fn d36_the_budget_counts_the_whole_witness() {
    // Three checks cost 150; there are 50 and the witness: a count, an element, the script of 12 bytes, the control block
    // of 65, each with its length.
    let tree = leaf(&times(3, "DUP 0x01 0x02 CHECKSIGVERIFY"));
    let base = 1 + 2 + 13 + 66;
    let spend = |annex: usize| {
        let mut witness = vec![vec![1], tree.leaf.to_bytes(), tree.control.clone()];
        if annex > 0 {
            witness.push(vec![0x50; annex]);
        }
        Case::new(tree.output.clone()).with_witness(&witness)
    };
    let missing = 150 - 50 - base;
    let used_up = Err(ScriptError::TapscriptValidationWeight);
    spend(0).check(used_up);
    // An annex costs one byte more than it has: its length.
    spend(missing - 2).check(used_up);
    spend(missing - 1).check(Ok(()));
}

#[test]
fn d37_an_unknown_key_takes_any_signature() {
    let nonsense = [vec![7; 3]];
    leaf("<j> CHECKSIG").spend(&nonsense).check(Ok(()));
    leaf("<j> CHECKSIG").spend(&[vec![]]).check(Err(ScriptError::EvalFalse));
    leaf("1 <j> CHECKSIGADD 2 EQUAL").spend(&nonsense).check(Ok(()));
    leaf("1 <j> CHECKSIGADD 1 EQUAL").spend(&[vec![]]).check(Ok(()));
    let discouraged = Err(ScriptError::DiscourageUpgradablePubKeyType);
    assert_eq!(leaf("<j> CHECKSIG").spend(&nonsense).verify(ScriptFlags::STANDARD), discouraged);
}

#[test]
fn d37_a_signature_by_a_known_key_is_valid_or_empty() {
    leaf("<k> CHECKSIG NOT").spend(&[vec![7; 64]]).check(Err(ScriptError::SchnorrSig));
    leaf("<k> CHECKSIG NOT").spend(&[vec![7; 3]]).check(Err(ScriptError::SchnorrSigSize));
    leaf("<k> CHECKSIG NOT").spend(&[vec![]]).check(Ok(()));
    leaf("0 CHECKSIG NOT").spend(&[vec![]]).check(Err(ScriptError::TapscriptEmptyPubKey));
    let tree = leaf("0 <k> CHECKSIGADD 1 EQUAL");
    let signature = tree.spend(&[]).sign_taproot(&crate::signing::keypair(3), 0, &tree.extra(NO_SEPARATOR));
    tree.spend(&[signature]).check(Ok(()));
}

#[test]
fn d38_the_default_hash_type_is_never_written() {
    let tree = leaf("<k> CHECKSIG");
    let keypair = crate::signing::keypair(3);
    let wrong = Err(ScriptError::SchnorrSigHashType);
    for hash_type in [0, 1, 2, 3, 0x81, 0x82, 0x83] {
        let by_key = Case::new(tree.output.clone());
        let key_signature = by_key.sign_taproot(&tree.keypair, hash_type, &TaprootExtra::default());
        let leaf_signature = tree.spend(&[]).sign_taproot(&keypair, hash_type, &tree.extra(NO_SEPARATOR));
        let explicit = |signature: &[u8]| [signature, &[hash_type]].concat();
        let expected = if hash_type == 0 { wrong } else { Ok(()) };
        by_key.clone().with_witness(&[explicit(&key_signature)]).check(expected);
        tree.spend(&[explicit(&leaf_signature)]).check(expected);
        if hash_type == 0 {
            by_key.with_witness(&[key_signature]).check(Ok(()));
            tree.spend(&[leaf_signature]).check(Ok(()));
        }
    }
    for hash_type in [4, 0x80, 0x84, 0xff] {
        tree.spend(&[[&[7; 64][..], &[hash_type]].concat()]).check(wrong);
    }
}

#[test]
fn d38_single_without_its_output_fails() {
    let tree = leaf("1");
    let mut case = Case::with_others(tree.output, 1);
    case.tx.input[0].witness.push([1]);
    for hash_type in [0x03, 0x83] {
        let signature = [&[7; 64][..], &[hash_type]].concat();
        case.clone().with_witness(&[signature]).check(Err(ScriptError::SchnorrSigHashType));
    }
}

#[test]
fn d38_the_position_of_the_code_separator_is_signed() {
    let keypair = crate::signing::keypair(3);
    let tree = leaf("NOP CODESEPARATOR <k> CHECKSIG");
    for (position, expected) in
        [(1, Ok(())), (0, Err(ScriptError::SchnorrSig)), (2, Err(ScriptError::SchnorrSig))]
    {
        let signature = tree.spend(&[]).sign_taproot(&keypair, 0, &tree.extra(position));
        tree.spend(&[signature]).check(expected);
    }
    // Two checks with the same hash type, a separator between them.
    let tree = leaf("<k> CHECKSIGVERIFY CODESEPARATOR <k> CHECKSIG");
    let first = tree.spend(&[]).sign_taproot(&keypair, 0, &tree.extra(NO_SEPARATOR));
    let second = tree.spend(&[]).sign_taproot(&keypair, 0, &tree.extra(2));
    tree.spend(&[second, first.clone()]).check(Ok(()));
    tree.spend(&[first.clone(), first]).check(Err(ScriptError::SchnorrSig));
}

#[test]
fn d39_a_tapscript_branches_on_empty_or_one() {
    let wrong = Err(ScriptError::TapscriptMinimalIf);
    for (condition, expected) in
        [(vec![1], Ok(())), (vec![], Ok(())), (vec![2], wrong), (vec![0], wrong), (vec![1, 0], wrong)]
    {
        let condition = [condition];
        leaf("IF 1 ELSE 1 ENDIF").spend(&condition).check(expected);
        leaf("NOTIF 1 ELSE 1 ENDIF").spend(&condition).check(expected);
    }
}

#[test]
fn d40_a_program_that_is_no_point_can_not_be_spent() {
    let no_point = (1..=255_u8)
        .map(|n| [n; 32])
        .find(|x| bitcoin::XOnlyPublicKey::from_slice(x).is_err())
        .expect("every other number is no x of the curve");
    let output = script("1 <p>", &[("p", &no_point)]);
    let tree = leaf("1");
    Case::new(output.clone()).with_witness(&[vec![7; 64]]).check(Err(ScriptError::SchnorrSig));
    let by_script = Case::new(output.clone()).with_witness(&[tree.leaf.to_bytes(), tree.control]);
    by_script.check(Err(ScriptError::WitnessProgramMismatch));
    Case::new(output).check(Err(ScriptError::WitnessProgramWitnessEmpty));
}

#[test]
fn d41_a_signature_signs_all_prevouts() {
    let tree = leaf("1");
    let case = Case::with_others(tree.output.clone(), 2);
    let signature = case.sign_taproot(&tree.keypair, 0, &TaprootExtra::default());
    let case = case.with_witness(&[signature]);
    case.check(Ok(()));
    let mut other_amount = case.clone();
    other_amount.prevouts[0].value += bitcoin::Amount::ONE_SAT;
    other_amount.check(Err(ScriptError::SchnorrSig));
    let mut other_script = case.clone();
    other_script.prevouts[1].script_pubkey = asm::script("1");
    other_script.check(Err(ScriptError::SchnorrSig));
    let mut too_few = case;
    too_few.prevouts.remove(0);
    too_few.input = 1;
    too_few.check(Err(ScriptError::Unknown));
}

#[test]
fn d41_the_annex_is_signed() {
    let tree = leaf("1");
    let annex = vec![0x50, 1, 2, 3];
    let annex_hash = Some(sha256::Hash::hash(&[&[4][..], &annex].concat()).to_byte_array());
    let case = Case::new(tree.output.clone());
    let signature = case.sign_taproot(&tree.keypair, 0, &TaprootExtra { annex_hash, leaf: None });
    case.clone().with_witness(&[signature.clone(), annex]).check(Ok(()));
    case.clone().with_witness(&[signature.clone(), vec![0x50]]).check(Err(ScriptError::SchnorrSig));
    case.with_witness(&[signature]).check(Err(ScriptError::SchnorrSig));
}
