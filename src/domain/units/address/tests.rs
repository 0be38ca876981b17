use super::*;
use bitcoin::base58;

const P2PKH: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const P2WPKH: &str = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";
const TEST_P2WPKH: &str = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";

fn check(text: &str, network: Network, expected: Result<&str, AddressError>) {
    let found = parse_address(text, network).map(|address| address.to_string());
    assert_eq!(found.as_deref().map_err(|e| *e), expected, "{text} on {network}");
    if let Ok(address) = parse_address(text, network) {
        assert_eq!(address_of_script(&address.script_pubkey(), network), Some(address));
    }
}

#[test]
fn an_address_is_of_a_network() {
    check(P2PKH, Network::Bitcoin, Ok(P2PKH));
    check(P2WPKH, Network::Bitcoin, Ok(P2WPKH));
    check(&P2WPKH.to_uppercase(), Network::Bitcoin, Ok(P2WPKH));
    for network in [Network::Testnet, Network::Testnet4, Network::Signet] {
        check(TEST_P2WPKH, network, Ok(TEST_P2WPKH));
        check(P2PKH, network, Err(AddressError::OtherNetwork));
        check(P2WPKH, network, Err(AddressError::OtherNetwork));
    }
    check(TEST_P2WPKH, Network::Regtest, Err(AddressError::OtherNetwork));
    check(TEST_P2WPKH, Network::Bitcoin, Err(AddressError::OtherNetwork));
}

#[test]
fn what_is_no_address_is_refused() {
    let flipped = P2WPKH.replace("mdq", "mdp");
    let mixed = P2WPKH.replace("bc1qar", "bc1qAR");
    let blank = format!(" {P2PKH}");
    let long = "1".repeat(10_000);
    for text in [
        "",
        "1",
        "bc1",
        "bc1q",
        &flipped,
        &mixed,
        &blank,
        &long,
        "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",
    ] {
        check(text, Network::Bitcoin, Err(AddressError::NotAnAddress));
    }
}

#[test]
fn not_every_script_has_an_address() {
    for script in [&[][..], &[0x51], &[0x6a, 1, 7], &[0x51, 0x29]] {
        assert_eq!(address_of_script(Script::from_bytes(script), Network::Bitcoin), None);
    }
}

fn check_wif(bytes: &[u8], network: Network, expected: Result<bool, WifError>) {
    let found = parse_wif(&base58::encode_check(bytes), network);
    assert_eq!(found.map(|key| key.compressed), expected, "{bytes:?}");
}

#[test]
fn a_private_key_says_its_network_and_its_form() {
    let key = |first: u8, mark: &[u8]| [&[first][..], &[7; 32], mark].concat();
    check_wif(&key(128, &[]), Network::Bitcoin, Ok(false));
    check_wif(&key(128, &[1]), Network::Bitcoin, Ok(true));
    check_wif(&key(239, &[1]), Network::Testnet4, Ok(true));
    check_wif(&key(239, &[]), Network::Regtest, Ok(false));
    check_wif(&key(239, &[1]), Network::Bitcoin, Err(WifError::OtherNetwork));
    check_wif(&key(128, &[1]), Network::Signet, Err(WifError::OtherNetwork));
    for odd in [key(128, &[0]), key(128, &[2]), key(128, &[1, 1]), key(127, &[1]), vec![128], vec![]] {
        check_wif(&odd, Network::Bitcoin, Err(WifError::NotAKey));
    }
    check_wif(&[&[128][..], &[0; 32], &[1]].concat(), Network::Bitcoin, Err(WifError::NotAKey));
    check_wif(&[&[128][..], &[0xff; 32], &[1]].concat(), Network::Bitcoin, Err(WifError::NotAKey));
    assert_eq!(parse_wif("", Network::Bitcoin), Err(WifError::NotAKey));
}
