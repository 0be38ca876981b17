use bitcoin::hashes::Hash;
use bitcoin::{PublicKey, ScriptBuf};

use super::{Reach, reach};
use crate::descriptor::{Known, multisig_script};

fn key(byte: u8) -> PublicKey {
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&[byte; 32]).unwrap();
    PublicKey::new(secret.public_key(&crate::descriptor::SECP))
}

#[test]
fn the_way_goes_through_scripts_that_are_known() {
    let inside = multisig_script(1, &[key(1), key(2)]);
    let mut known = Known::default();
    known.add_script(inside.clone());
    known.add_script(inside.to_p2wsh());
    let want = Reach {
        code: Some(inside.clone()),
        keys: vec![key(1), key(2)],
        witness: Some(inside.clone()),
        is_witness: true,
        is_solvable: true,
        ..Reach::default()
    };
    assert_eq!(reach(&inside.to_p2wsh(), &known), want);
    let nested = Reach { redeem: Some(inside.to_p2wsh()), ..want };
    assert_eq!(reach(&inside.to_p2wsh().to_p2sh(), &known), nested);
    let legacy = Reach { redeem: Some(inside.clone()), witness: None, is_witness: false, ..nested };
    assert_eq!(reach(&inside.to_p2sh(), &known), legacy);
}

#[test]
fn what_lacks_is_named_by_its_hash() {
    let (known, inside) = (Known::default(), multisig_script(1, &[key(1)]));
    let found = reach(&inside.to_p2wsh(), &known);
    assert_eq!(found.missing_witness.as_deref(), inside.wscript_hash().as_byte_array().get(..));
    let found = reach(&inside.to_p2sh(), &known);
    assert_eq!(found.missing_redeem, Some(inside.script_hash().to_raw_hash()));
    let hash = key(1).pubkey_hash();
    for script in [ScriptBuf::new_p2pkh(&hash), ScriptBuf::new_p2wpkh(&key(1).wpubkey_hash().unwrap())] {
        assert_eq!(reach(&script, &known).missing_key, Some(hash.to_raw_hash()));
    }
}

#[test]
fn scripts_in_scripts_end() {
    // A P2SH output whose script is a P2SH output is spent by nobody.
    let inside = multisig_script(1, &[key(1)]);
    let mut known = Known::default();
    known.add_script(inside.clone());
    known.add_script(inside.to_p2sh());
    let found = reach(&inside.to_p2sh().to_p2sh(), &known);
    assert!(!found.is_solvable && found.keys.is_empty());
    assert!(!reach(&ScriptBuf::from_bytes(vec![0x51]), &known).is_solvable);
}
