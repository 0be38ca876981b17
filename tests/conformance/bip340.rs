//! The vectors of BIP-0340, those with messages of other lengths than a digest's among them.

use adit_domain::script::verify_schnorr;

use crate::vectors;

#[test]
fn every_row_of_bip340() {
    let Some(path) = vectors::data("vectors/bip-0340/test-vectors.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut ran = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.splitn(8, ',').collect();
        let (key, message, signature) = (vectors::hex(row[2]), vectors::hex(row[4]), vectors::hex(row[5]));
        assert_eq!(verify_schnorr(&key, &signature, &message), row[6] == "TRUE", "{line}");
        ran += 1;
    }
    println!("bip340: {ran} rows ran");
    assert_eq!(ran, 19);
}
