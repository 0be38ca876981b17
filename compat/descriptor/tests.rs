use bitcoin::Network;
use bitcoin::hex::DisplayHex;

use super::{Known, infer, payable, read};
use crate::show::with_checksum;

const KEY: &str = "024ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c97";
const TPUB: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
const TPRV: &str = "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK";

fn scripts(descriptor: &str, index: u32) -> Result<Vec<String>, String> {
    let all = read(descriptor, Network::Regtest, false).map_err(|error| error.message)?;
    let mut found = Vec::new();
    for one in all {
        let scripts = one.scripts(index, &mut Known::default()).ok_or("no private key")?;
        found.extend(scripts.iter().map(|script| script.as_bytes().to_lower_hex_string()));
    }
    Ok(found)
}

fn check(descriptor: &str, expected: Result<&[&str], &str>) {
    match (scripts(descriptor, 0), expected) {
        (Ok(got), Ok(want)) => assert_eq!(got, want, "{descriptor}"),
        (Err(error), Err(part)) => assert!(error.contains(part), "{descriptor}: {error:?}"),
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
        assert_eq!(scripts(&format!("{text}({KEY})"), 0).unwrap().len(), count);
    }
    assert!(payable(&format!("combo({KEY})"), Network::Regtest).unwrap().is_p2wpkh());
}

#[test]
fn keys_are_derived() {
    // The vectors of Core's own test of deriveaddresses.
    let address = |descriptor: String, index: u32| {
        let script = bitcoin::ScriptBuf::from_hex(&scripts(&descriptor, index).unwrap()[0]).unwrap();
        crate::show::address(&script, Network::Regtest).unwrap().to_string()
    };
    let first = "bcrt1qjqmxmkpmxt80xz4y3746zgt0q3u3ferr34acd5";
    assert_eq!(address(format!("wpkh({TPRV}/1/1/0)"), 0), first);
    assert_eq!(address(format!("wpkh({TPUB}/1/1/0)"), 0), first);
    assert_eq!(address(format!("wpkh({TPUB}/1/1/*)"), 1), "bcrt1qhku5rq7jz8ulufe2y6fkcpnlvpsta7rq4442dy");
    assert_eq!(
        address(format!("wpkh({TPRV}/1/1/*)"), 2_147_483_647),
        "bcrt1qtzs23vgzpreks5gtygwxf8tv5rldxvvsyfpdkg"
    );
    assert_eq!(scripts(&format!("wpkh({TPUB}/1'/1)"), 0), Err("no private key".to_owned()));
    assert_eq!(scripts(&format!("wpkh({TPUB}/1/*h)"), 0), Err("no private key".to_owned()));
    assert!(scripts(&format!("wpkh({TPRV}/1'/*h)"), 7).is_ok());
    assert_eq!(
        scripts(&format!("wpkh({TPRV}/1/1/*)"), 2_147_483_648),
        Err("no private key".to_owned()),
        "beyond what BIP32 has"
    );
}

fn check_text(descriptor: &str, text: &[&str], is_range: bool, has_secrets: bool) {
    let all = read(descriptor, Network::Regtest, false).unwrap();
    let texts: Vec<String> = all.iter().map(|one| one.text()).collect();
    let wanted: Vec<String> = text.iter().map(|text| with_checksum((*text).to_owned())).collect();
    assert_eq!(texts, wanted);
    assert_eq!((all[0].is_range(), all[0].has_secrets()), (is_range, has_secrets), "{descriptor}");
}

#[test]
fn a_descriptor_is_written_without_its_private_keys() {
    let own = |text: &str| check_text(text, &[text], text.contains('*'), false);
    own("raw(51)");
    own("addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)");
    own(&format!("sh(wsh(pkh({KEY})))"));
    own(&format!("combo({KEY})"));
    own(&format!("rawtr({KEY})"));
    own(&format!("pkh([d34db33f/44h/0h/0h]{TPUB}/1/*)"));
    own(&format!("pkh({TPUB}/1'/2)"));
    own(&format!("sh(sortedmulti(1,{KEY},{TPUB}/0/*))"));
    own(&format!("wsh(and_v(v:pk({TPUB}/5/*),older(10)))"));
    own(&format!("tr({KEY},{{pk({TPUB}/1),{{multi_a(1,{TPUB}/2),and_v(v:pk({TPUB}/3),older(9))}}}})"));
    check_text(&format!("wpkh({TPRV}/1'/*')"), &[&format!("wpkh({TPUB}/1'/*')")], true, true);
    check_text(
        &format!("wsh(multi(1,{TPUB}/<1;2>/0,{TPUB}/<2;3>/0))"),
        &[&format!("wsh(multi(1,{TPUB}/1/0,{TPUB}/2/0))"), &format!("wsh(multi(1,{TPUB}/2/0,{TPUB}/3/0))")],
        false,
        false,
    );
}

#[test]
fn what_is_no_descriptor_is_said() {
    check("raw(51)#aaaaaaaa", Err("does not match computed checksum"));
    check("raw(51)#aa", Err("Expected 8 character checksum, not 2"));
    check("raw(51)#aaaaaaaa#", Err("Multiple '#' symbols"));
    check("raw(ü)#aaaaaaaa", Err("Invalid characters in payload"));
    check("raw(5)", Err("Raw script is not hex"));
    check("", Err("'' is not a valid descriptor function"));
    check("nope(51)", Err("'nope(51)' is not a valid descriptor function"));
    check("addr(x)", Err("Address is not valid"));
    check("pk(00)", Err("pk(): Pubkey '00' is invalid"));
    check("pk()", Err("pk(): No key provided"));
    check(&format!("pk( {KEY})"), Err(&format!("pk(): Key ' {KEY}' is invalid due to whitespace")));
    check(
        &format!("wsh(multi(1, {KEY}))"),
        Err(&format!("Multi: Key ' {KEY}' is invalid due to whitespace")),
    );
    check(&format!("multi(2,{KEY})"), Err("Multisig threshold cannot be larger than the number of keys"));
    check(&format!("multi(0,{KEY})"), Err("Multisig threshold cannot be 0, must be at least 1"));
    check(&format!("multi(x,{KEY})"), Err("Multi threshold 'x' is not valid"));
    check("multi(1)", Err("Cannot have 0 keys in multisig"));
    check(&format!("multi(1,{KEY},{KEY},{KEY},{KEY})"), Err("Cannot have 4 pubkeys in bare multisig"));
    let many = vec![KEY; 16].join(",");
    check(&format!("sh(multi(1,{many}))"), Err("P2SH script is too large, 547 bytes is larger than 520"));
    check(&format!("sh(sh(pk({KEY})))"), Err("Can only have sh() at top level"));
    check(&format!("wsh(wsh(pk({KEY})))"), Err("Can only have wsh() at top level or inside sh()"));
    check(&format!("wsh(wpkh({KEY}))"), Err("Can only have wpkh() at top level or inside sh()"));
    check("sh(x)", Err("A function is needed within P2SH"));
    check("wsh(x)", Err("A function is needed within P2WSH"));
    check("wpkh(tpubD6NzVbkrYhZ4W/0/*)", Err("wpkh(): key 'tpubD6NzVbkrYhZ4W' is not valid"));
    check(&format!("pk({TPUB}/x)"), Err("pk(): Key path value 'x' is not a valid uint32"));
    check(&format!("pk({TPUB}/2147483648)"), Err("pk(): Key path value 2147483648 is out of range"));
    check(&format!("pk([d34db33]{KEY})"), Err("Fingerprint is not 4 bytes (7 characters"));
    check(&format!("pk([d34db33g]{KEY})"), Err("Fingerprint 'd34db33g' is not hex"));
    check(
        &format!("pk(d34db33f]{KEY})"),
        Err("Key origin start '[ character expected but not found, got 'd'"),
    );
    check(&format!("pk([d34db33f]]{KEY})"), Err("Multiple ']' characters"));
    check(&format!("pk({TPUB}/<0;1>/<0;1>)"), Err("Multiple multipath key path specifiers found"));
    check(&format!("pk({TPUB}/<0>)"), Err("must have at least two items"));
    check(&format!("pk({TPUB}/<0;0>)"), Err("Duplicated key path value 0"));
    check(&format!("tr({KEY},{{pk({KEY}),pk({KEY}))"), Err("expected '}'"));
    check(&format!("tr({KEY},{{pk({KEY})}})"), Err("expected ','"));
    check(&"sh(".repeat(6_000), Err("is not a valid descriptor function"));
    check(&format!("wsh({}pk({KEY}){})", "and_v(v:".repeat(2_000), ")".repeat(2_000)), Err(""));
    assert_eq!(read("a", Network::Regtest, true).unwrap_err().message, "Missing checksum");
    let ranged = payable(&format!("pkh({TPUB}/0/*)"), Network::Regtest).unwrap_err();
    assert_eq!(ranged.code, -8);
    let hardened = payable(&format!("pkh({TPUB}/0'/0)"), Network::Regtest).unwrap_err();
    assert_eq!(hardened.message, "Cannot derive script without private keys");
}

#[test]
fn a_script_is_told_by_what_is_known() {
    let told = |descriptor: &str| {
        let mut known = Known::default();
        let all = read(descriptor, Network::Regtest, false).unwrap();
        let scripts = all[0].scripts(3, &mut known).unwrap();
        infer(&scripts[0], &known, Network::Regtest)
    };
    let check = |descriptor: String, inferred: String| {
        assert_eq!(told(&descriptor), with_checksum(inferred));
    };
    let derived = "[0c5f9a1e/1/1/3]";
    let key = {
        let script = scripts(&format!("pk({TPUB}/1/1/3)"), 0).unwrap().remove(0);
        script[2..68].to_owned()
    };
    check(format!("pkh({TPUB}/1/1/*)"), format!("pkh({derived}{key})"));
    check(format!("wpkh([aabbccdd]{TPUB}/1/1/*)"), format!("wpkh([aabbccdd/1/1/3]{key})"));
    check(format!("sh(wpkh({TPUB}/1/1/*))"), format!("sh(wpkh({derived}{key}))"));
    check(format!("sh(wsh(multi(1,{TPUB}/1/1/*)))"), format!("sh(wsh(multi(1,{derived}{key})))"));
    check(format!("tr({TPUB}/1/1/*)"), format!("tr({derived}{})", &key[2..]));
    check(
        format!("wsh(and_v(v:pk({TPUB}/1/1/*),older(1)))"),
        format!("wsh(and_v(v:pk({derived}{key}),older(1)))"),
    );
    let leaf = format!("pk({derived}{})", &key[2..]);
    check(
        format!("tr({TPUB}/1/1/*,{{pk({TPUB}/1/1/*),pk({TPUB}/1/1/*)}})"),
        format!("tr({derived}{},{{{leaf},{leaf}}})", &key[2..]),
    );
}
