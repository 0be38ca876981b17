//! Core's key_io_valid.json and key_io_invalid.json: addresses and private keys, read and written.

use adit_domain::units::{address_of_script, parse_address, parse_wif};
use bitcoin::secp256k1::SecretKey;
use bitcoin::{Network, PrivateKey, ScriptBuf};
use serde_json::Value;

use crate::vectors;

const NETWORKS: [Network; 5] =
    [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest];
/// As many as Core generates: fewer ran means that the file was not understood.
const ROWS_MIN: usize = 70;

/// The network of a row; what is one of testnet4 is one of testnet3 too.
fn networks_of(row: &Value) -> Vec<Network> {
    match row[2]["chain"].as_str().unwrap() {
        "testnet4" => vec![Network::Testnet, Network::Testnet4],
        name => vec![Network::from_core_arg(name).unwrap()],
    }
}

/// Whether both write what `text` is with the same prefix.
fn share_prefix(a: Network, b: Network, text: &str) -> bool {
    let is_bech32 = ["bc1", "tb1", "bcrt1"].iter().any(|hrp| text.to_lowercase().starts_with(hrp));
    let kind = |network| match network {
        Network::Bitcoin => 0,
        Network::Regtest if is_bech32 => 2,
        _ => 1,
    };
    kind(a) == kind(b)
}

fn flipped(text: &str) -> String {
    let flip = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(flip).collect()
}

fn check_address(text: &str, script: &ScriptBuf, network: Network, may_flip: bool) {
    let script_of = |text: &str, network| parse_address(text, network).map(|a| a.script_pubkey()).ok();
    assert_eq!(script_of(text, network).as_ref(), Some(script), "{text}");
    let written = address_of_script(script, network).unwrap().to_string();
    assert_eq!(written, text);
    let expected = may_flip.then_some(script);
    assert_eq!(script_of(&flipped(text), network).as_ref(), expected, "{text} in the other case");
    for other in NETWORKS {
        assert_eq!(script_of(text, other).is_some(), share_prefix(network, other, text), "{text} on {other}");
    }
    assert!(parse_wif(text, network).is_err(), "{text} is no key");
}

fn check_key(text: &str, secret: &[u8], network: Network, compressed: bool) {
    let key = parse_wif(text, network).unwrap();
    assert_eq!((key.to_bytes().as_slice(), key.compressed), (secret, compressed), "{text}");
    let inner = SecretKey::from_slice(secret).unwrap();
    assert_eq!(PrivateKey { compressed, network: network.into(), inner }.to_wif(), text);
    for other in NETWORKS {
        assert_eq!(parse_wif(text, other).is_ok(), share_prefix(network, other, text), "{text} on {other}");
    }
    assert!(parse_address(text, network).is_err(), "{text} is no address");
}

#[test]
fn every_row_of_key_io_valid() {
    let rows = vectors::core("key_io_valid.json");
    let mut ran = (0, 0);
    for row in &rows {
        let (text, payload) = (row[0].as_str().unwrap(), vectors::hex(row[1].as_str().unwrap()));
        for network in networks_of(row) {
            if row[2]["isPrivkey"].as_bool().unwrap() {
                check_key(text, &payload, network, row[2]["isCompressed"].as_bool().unwrap());
                ran.0 += 1;
            } else {
                let may_flip = row[2]["tryCaseFlip"].as_bool().unwrap_or(false);
                check_address(text, &ScriptBuf::from_bytes(payload.clone()), network, may_flip);
                ran.1 += 1;
            }
        }
    }
    println!("key_io_valid: {} rows ran: {} keys and {} addresses, by network", rows.len(), ran.0, ran.1);
    assert!(rows.len() >= ROWS_MIN, "{} rows", rows.len());
}

#[test]
fn every_row_of_key_io_invalid() {
    let rows = vectors::core("key_io_invalid.json");
    for text in rows.iter().map(|row| row[0].as_str().unwrap()) {
        for network in NETWORKS {
            assert!(parse_address(text, network).is_err(), "{text} on {network}");
            assert!(parse_wif(text, network).is_err(), "{text} on {network}");
        }
    }
    println!("key_io_invalid: {} rows ran on {} networks", rows.len(), NETWORKS.len());
    assert!(rows.len() >= ROWS_MIN, "{} rows", rows.len());
}
