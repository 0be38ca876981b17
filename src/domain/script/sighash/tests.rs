use super::*;
use bitcoin::consensus::encode::{VarInt, serialize};

#[test]
fn lengths_are_written_as_compact_sizes() {
    for len in [0, 0xfc, 0xfd, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000] {
        let expected = sha256::Hash::hash(&serialize(&VarInt(len)));
        assert_eq!(sha256_of(|engine| write_len(engine, usize::try_from(len).unwrap())), expected, "{len}");
    }
}

#[test]
fn hash_types_have_their_bits() {
    fn check(hash_type: u32, all: bool, none: bool, single: bool, anyone: bool) {
        let kind = HashType(hash_type);
        let found = (kind.is_all(), kind.is_none(), kind.is_single(), kind.is_anyone_can_pay());
        assert_eq!(found, (all, none, single, anyone), "{hash_type:x}");
    }
    check(0, true, false, false, false);
    check(1, true, false, false, false);
    check(2, false, true, false, false);
    check(0x83, false, false, true, true);
    check(0x63, false, false, true, false);
    check(0x1f, true, false, false, false);
}

#[test]
fn taproot_knows_seven_hash_types() {
    let tx: Transaction = bitcoin::consensus::encode::deserialize(&one_to_one()).unwrap();
    let prevout = [TxOut { value: bitcoin::Amount::ONE_SAT, script_pubkey: bitcoin::ScriptBuf::new() }];
    let context = TxContext::new(&tx, &prevout);
    let known = (0..=255).filter(|t| context.taproot_sighash(0, *t, &TaprootExtra::default()).is_some());
    assert_eq!(known.collect::<Vec<u8>>(), [0, 1, 2, 3, 0x81, 0x82, 0x83]);
    assert_eq!(context.taproot_sighash(1, 0, &TaprootExtra::default()), None);
    assert_eq!(TxContext::new(&tx, &[]).taproot_sighash(0, 0, &TaprootExtra::default()), None);
}

#[test]
fn a_spend_type_has_two_bits() {
    let (annex, leaf) = (Some([1; 32]), Some(([2; 32], 3)));
    let types = [(None, None), (annex, None), (None, leaf), (annex, leaf)];
    assert_eq!(types.map(|(annex_hash, leaf)| spend_type(&TaprootExtra { annex_hash, leaf })), [0, 1, 2, 3]);
}

/// A transaction of one input and one output, without scripts.
fn one_to_one() -> Vec<u8> {
    let mut raw = vec![2, 0, 0, 0, 1];
    raw.extend([7; 36]);
    raw.extend([0, 0xff, 0xff, 0xff, 0xff, 1]);
    raw.extend([0; 9]);
    raw.extend([0; 4]);
    raw
}
