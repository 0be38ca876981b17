use super::*;

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let len = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let body = [&[2, len(r)][..], r, &[2, len(s)], s].concat();
    [&[0x30, len(&body)][..], &body].concat()
}

#[test]
fn strict_encodings() {
    fn check(der: &[u8], strict: bool) {
        assert_eq!(is_strict_der(der), strict, "{der:02x?}");
    }
    check(&der(&[1], &[1]), true);
    check(&der(&[0, 0x80], &[1]), true);
    check(&der(&[0x7f; 32], &[0x7f; 32]), true);
    check(&der(&[], &[1, 1]), false);
    check(&der(&[1, 1], &[]), false);
    check(&der(&[0x80], &[1]), false);
    check(&der(&[1], &[0x80]), false);
    check(&der(&[0, 1], &[1]), false);
    check(&der(&[1], &[0, 1]), false);
    check(&der(&[0], &[0]), true);
    check(&der(&[1; 33], &[1; 34]), false);
    check(&[&der(&[1], &[1])[..], &[0]].concat(), false);
    check(&[0x31, 6, 2, 1, 1, 2, 1, 1], false);
    check(&[0x30, 6, 3, 1, 1, 2, 1, 1], false);
    check(&[0x30, 6, 2, 1, 1, 3, 1, 1], false);
    check(&[0x30, 6, 2, 5, 1, 2, 1, 1], false);
    check(&[], false);
    check(&[0x30; 8], false);
}

#[test]
fn d24_lax_encodings() {
    fn check(der: &[u8], expected: Option<(u8, u8)>) {
        let compact = |(r, s): (u8, u8)| {
            let mut bytes = [0; 64];
            (bytes[31], bytes[63]) = (r, s);
            ecdsa::Signature::from_compact(&bytes).unwrap()
        };
        assert_eq!(parse_lax(der), expected.map(compact), "{der:02x?}");
    }
    check(&der(&[1], &[2]), Some((1, 2)));
    check(&der(&[0; 40], &[2]), Some((0, 2)));
    check(&der(&[], &[]), Some((0, 0)));
    check(&der(&[&[0; 9][..], &[1]].concat(), &[2]), Some((1, 2)));
    check(&[0x30, 0x82, 9, 9, 2, 1, 1, 2, 1, 2, 7], Some((1, 2)));
    check(&[0x30, 0, 2, 0x81, 1, 1, 2, 0x82, 0, 1, 2], Some((1, 2)));
    // Too large for a number: read, but zero.
    check(&der(&[1; 33], &[2]), Some((0, 0)));
    check(&der(&[0xff; 32], &[2]), Some((0, 0)));
    check(&[0x30, 0x83, 9, 9], None);
    check(&[0x30], None);
    check(&[0x30, 0, 3, 1, 1, 2, 1, 2], None);
    check(&[0x30, 0, 2, 2, 1], None);
    check(&[0x30, 0, 2, 1, 1], None);
    check(&[0x30, 0, 2, 0x84, 1, 0, 0, 0, 1, 2, 1, 2], None);
    check(&[0x30, 0, 2, 0x80, 2, 1, 2], Some((0, 2)));
    check(&[0x30, 0, 2, 0x82, 1], None);
}

#[test]
fn a_high_s_is_one_above_half_the_order() {
    let half = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
    let mut s: Vec<u8> = bitcoin::hex::FromHex::from_hex(half).unwrap();
    assert!(has_low_s(&der(&[1], &s)));
    *s.last_mut().unwrap() += 1;
    assert!(!has_low_s(&der(&[1], &s)));
    // What is no number of the curve reads as zero, which is low.
    assert!(has_low_s(&der(&[0xff; 32], &s)));
    assert!(!has_low_s(&[]));
}

#[test]
fn keys_that_do_not_parse_verify_nothing() {
    let signature = der(&[1], &[1]);
    for key in [&[][..], &[2; 32], &[2; 65], &[5; 33], &[4; 65], &[0xff; 33]] {
        assert!(!verify_ecdsa(&Memo::default(), key, &signature, [1; 32]), "{key:02x?}");
    }
    assert!(!verify_schnorr(&[0xff; 32], &[1; 64], &[1; 32]));
    assert!(!verify_schnorr(&[1; 31], &[1; 64], &[1; 32]));
    assert!(!verify_schnorr(&[1; 32], &[1; 63], &[1; 32]));
}

#[test]
fn a_key_may_have_the_hybrid_form() {
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&[7; 32]).unwrap();
    let key = secret.public_key(&secp);
    let signature =
        secp.sign_ecdsa(&bitcoin::secp256k1::Message::from_digest([1; 32]), &secret).serialize_der();
    let mut hybrid = key.serialize_uncompressed();
    let is_odd = hybrid[64] & 1;
    assert!(verify_ecdsa(&Memo::default(), &key.serialize(), &signature, [1; 32]));
    assert!(!verify_ecdsa(&Memo::default(), &key.serialize(), &signature, [2; 32]));
    assert!(verify_ecdsa(&Memo::default(), &hybrid, &signature, [1; 32]));
    hybrid[0] = 6 | is_odd;
    assert!(verify_ecdsa(&Memo::default(), &hybrid, &signature, [1; 32]));
    hybrid[0] = 6 | (is_odd ^ 1);
    assert!(!verify_ecdsa(&Memo::default(), &hybrid, &signature, [1; 32]));
    assert_eq!(check_key_encoding(&hybrid, ScriptFlags::STRICTENC, false), Err(ScriptError::PubKeyType));
    assert_eq!(check_key_encoding(&hybrid, ScriptFlags::CONSENSUS, true), Ok(()));
}
