use bitcoin::hex::FromHex;
use bitcoin::{CompactTarget, Network, ScriptBuf};

use super::asm::asm;
use super::{checksum, difficulty, kind, target};
use crate::descriptor::{Known, infer};

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_bytes(Vec::from_hex(hex).unwrap())
}

fn check(hex: &str, words: &str, shape: &str, descriptor: &str) {
    let script = script(hex);
    assert_eq!(asm(&script, false), words);
    assert_eq!(kind(&script), shape);
    assert_eq!(infer(&script, &Known::default(), Network::Regtest).split('#').next(), Some(descriptor));
}

#[test]
fn scripts_are_shown_as_core_shows_them() {
    check("51", "1", "nonstandard", "raw(51)");
    check("", "", "nonstandard", "raw()");
    check("004f60", "0 -1 16", "nonstandard", "raw(004f60)");
    check("02ff80", "-255", "nonstandard", "raw(02ff80)");
    check("6a0200ff", "OP_RETURN -32512", "nulldata", "raw(6a0200ff)");
    check("51024e73", "1 29518", "anchor", "addr(bcrt1pfeesnyr2tx)");
    check(
        "b1b2babbff",
        "OP_CHECKLOCKTIMEVERIFY OP_CHECKSEQUENCEVERIFY OP_CHECKSIGADD OP_UNKNOWN OP_INVALIDOPCODE",
        "nonstandard",
        "raw(b1b2babbff)",
    );
    check("4c", "[error]", "nonstandard", "raw(4c)");
    check(
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        "0 751e76e8199196d454941c45d1b3a323f1433bd6",
        "witness_v0_keyhash",
        "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)",
    );
}

#[test]
fn a_checksum_is_that_of_bip380() {
    assert_eq!(checksum("raw(deadbeef)").as_deref(), Some("89f8spxm"));
    assert_eq!(checksum("raw(ü)"), None);
}

#[test]
fn difficulty_counts_from_the_easiest_target_of_the_main_network() {
    let bits = CompactTarget::from_consensus;
    let printed = |n: u32| crate::json::Json::Double(difficulty(bits(n))).to_string();
    assert_eq!(printed(0x1d00_ffff), "1");
    assert_eq!(printed(0x207f_ffff), "4.656542373906925e-10");
    assert_eq!(target(bits(0)).as_str().unwrap(), "0".repeat(64));
}
