use bitcoin::Network;
use bitcoin::hex::DisplayHex;

use super::{all, payable};
use crate::show::with_checksum;

const KEY: &str = "024ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c97";

fn check(descriptor: &str, expected: Result<&[&str], &str>) {
    let got = all(descriptor, Network::Regtest);
    let got =
        got.map(|scripts| scripts.iter().map(|s| s.as_bytes().to_lower_hex_string()).collect::<Vec<_>>());
    match (got, expected) {
        (Ok(got), Ok(want)) => assert_eq!(got, want, "{descriptor}"),
        (Err(error), Err(part)) => assert!(error.message.contains(part), "{descriptor}: {error:?}"),
        (got, _) => panic!("{descriptor}: {got:?}"),
    }
}

#[test]
fn descriptors_become_scripts() {
    check("raw(51)", Ok(&["51"]));
    check(&with_checksum("raw(51)".to_owned()), Ok(&["51"]));
    check(&format!("pk({KEY})"), Ok(&[&format!("21{KEY}ac")]));
    check(&format!("multi(1,{KEY},{KEY})"), Ok(&[&format!("5121{KEY}21{KEY}52ae")]));
    let script = "0014751e76e8199196d454941c45d1b3a323f1433bd6";
    check("addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)", Ok(&[script]));
    check(&format!("rawtr({KEY})"), Ok(&[&format!("5120{}", &KEY[2..])]));
    for (text, count) in [("combo", 4), ("wpkh", 1), ("pkh", 1), ("tr", 1)] {
        assert_eq!(all(&format!("{text}({KEY})"), Network::Regtest).unwrap().len(), count);
    }
    let one = |text: String| all(&text, Network::Regtest).unwrap().remove(0);
    assert!(one(format!("sh(wpkh([00000000/1']{KEY}))")).is_p2sh());
    assert!(one(format!("wsh(pk({KEY}))")).is_p2wsh());
    assert!(one(format!("sh(wsh(sortedmulti(1,{KEY})))")).is_p2sh());
    assert!(payable(&format!("combo({KEY})"), Network::Regtest).unwrap().is_p2wpkh());
}

#[test]
fn what_is_no_descriptor_is_said() {
    check("raw(51)#aaaaaaaa", Err("does not match computed checksum"));
    check("raw(51)#aa", Err("Expected 8 character checksum, not 2"));
    check("raw(5)", Err("Raw script is not hex"));
    check("x", Err("is not a valid descriptor function"));
    check("nope(51)", Err("is not a valid descriptor function"));
    check("addr(x)", Err("Address is not valid"));
    check("pk(00)", Err("Pubkey '00' is invalid"));
    check(&format!("multi(2,{KEY})"), Err("Multi threshold cannot be 2"));
    check("wpkh(tpubD6NzVbkrYhZ4W/0/*)", Err("not supported yet"));
}
