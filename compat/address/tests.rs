use bitcoin::Network;

use super::read;

fn check(text: &str, network: Network, mistake: &str, places: &[usize]) {
    let found = read(text, network).unwrap_err();
    assert_eq!((found.text.as_str(), found.places.as_slice()), (mistake, places), "{text}");
}

#[test]
fn a_mistake_is_told_and_found() {
    use Network::{Bitcoin, Regtest};
    let other = "Invalid or unsupported Segwit (Bech32) or Base58 encoding.";
    check("tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty", Bitcoin, other, &[]);
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", Bitcoin, "Invalid Bech32 checksum", &[41]);
    check("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3t4", Bitcoin, "Invalid character or mixed case", &[40]);
    let kind = "Version 1+ witness address must use Bech32m checksum";
    check("BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2", Bitcoin, kind, &[]);
    let size = "Invalid Bech32 v0 address program size (16 bytes), per BIP141";
    check("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", Bitcoin, size, &[]);
    check("bc1gmk9yu", Bitcoin, "Empty Bech32 data section", &[]);
    check("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kqqqqqqq", Regtest, "Invalid checksum", &[]);
    check("bcrtq5gyj", Regtest, "Missing separator", &[]);
    check("bcrt11", Regtest, "Invalid separator position", &[5]);
    check("bcrt1qbbbbbbbb", Regtest, "Invalid Base 32 character", &[6]);
    check(&format!("bcrt1{}", "q".repeat(87)), Regtest, "Bech32 string too long", &[90, 91]);
    check(
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        Regtest,
        "Invalid or unsupported Base58-encoded address.",
        &[],
    );
    let sum = "Invalid checksum or length of Base58 address (P2PKH or P2SH)";
    check("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJJfn", Regtest, sum, &[]);
    check("asfah14i8fajz0123f", Regtest, other, &[]);
    check("", Regtest, sum, &[]);
}

#[test]
fn one_wrong_character_is_found_and_so_are_two() {
    let right = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    assert!(read(right, Network::Regtest).is_ok());
    let with = |places: &[usize]| {
        let mut bytes = right.as_bytes().to_vec();
        for place in places {
            bytes[*place] = if bytes[*place] == b'q' { b'p' } else { b'q' };
        }
        String::from_utf8(bytes).unwrap()
    };
    for first in 5..right.len() {
        check(&with(&[first]), Network::Regtest, "Invalid Bech32 checksum", &[first]);
        for second in (first + 1..right.len()).step_by(7) {
            let found = read(&with(&[first, second]), Network::Regtest).unwrap_err();
            // Other two may explain the other kind of checksum, but not better.
            assert_eq!(found.places.len(), 2);
            assert_eq!(found.places, [first, second]);
        }
    }
}
