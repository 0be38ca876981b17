//! The vectors of BIP-0340, as far as their messages have the 32 bytes of a digest.

use adit_domain::script::verify_schnorr;

use crate::vectors;

#[test]
fn every_row_of_bip340_with_a_digest() {
    let Some(path) = vectors::data("vectors/bip-0340/test-vectors.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut ran = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.splitn(8, ',').collect();
        let (key, message, signature) = (vectors::hex(row[2]), vectors::hex(row[4]), vectors::hex(row[5]));
        let Ok(digest) = <[u8; 32]>::try_from(message) else { continue };
        assert_eq!(verify_schnorr(&key, &signature, digest), row[6] == "TRUE", "{line}");
        ran += 1;
    }
    println!("bip340: {ran} rows ran");
    assert!(ran >= 15, "{ran} rows");
}
