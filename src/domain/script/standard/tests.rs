use super::*;
use bitcoin::ScriptBuf;

fn check(hex: &str, expected: OutputType, name: &str) {
    let found = output_type(&ScriptBuf::from_hex(hex).unwrap());
    assert_eq!((found, found.to_string().as_str()), (expected, name), "{hex}");
}

#[test]
fn output_types() {
    let (h20, h32, key) = ("11".repeat(20), "11".repeat(32), format!("21{}", "02".repeat(33)));
    let long_key = format!("41{}", "04".repeat(65));
    check(&format!("{key}ac"), OutputType::PubKey, "pubkey");
    check(&format!("{long_key}ac"), OutputType::PubKey, "pubkey");
    check(&format!("21{}ac", "04".repeat(33)), OutputType::NonStandard, "nonstandard");
    check(&format!("41{}ac", "02".repeat(33)), OutputType::NonStandard, "nonstandard");
    check(&format!("76a914{h20}88ac"), OutputType::PubKeyHash, "pubkeyhash");
    check(&format!("76a914{h20}1188ac"), OutputType::NonStandard, "nonstandard");
    check(&format!("a914{h20}87"), OutputType::ScriptHash, "scripthash");
    check(&format!("51{key}{key}52ae"), OutputType::MultiSig { required: 1, keys: 2 }, "multisig");
    check(&format!("51{}0111ae", key.repeat(17)), OutputType::MultiSig { required: 1, keys: 17 }, "multisig");
    check(&format!("51{}0115ae", key.repeat(21)), OutputType::NonStandard, "nonstandard");
    check(&format!("52{key}51ae"), OutputType::NonStandard, "nonstandard");
    check(&format!("51{key}0101ae"), OutputType::NonStandard, "nonstandard");
    check(&format!("00{key}51ae"), OutputType::NonStandard, "nonstandard");
    check(&format!("51{key}5151ae"), OutputType::NonStandard, "nonstandard");
    check("6a", OutputType::NullData, "nulldata");
    check("6a02aaaa51", OutputType::NullData, "nulldata");
    check("6aac", OutputType::NonStandard, "nonstandard");
    check(&format!("0014{h20}"), OutputType::WitnessV0KeyHash, "witness_v0_keyhash");
    check(&format!("0020{h32}"), OutputType::WitnessV0ScriptHash, "witness_v0_scripthash");
    check("0002aaaa", OutputType::NonStandard, "nonstandard");
    check(&format!("5120{h32}"), OutputType::WitnessV1Taproot, "witness_v1_taproot");
    check("51024e73", OutputType::Anchor, "anchor");
    check("5102aaaa", OutputType::WitnessUnknown { version: 1 }, "witness_unknown");
    check(&format!("6020{h32}"), OutputType::WitnessUnknown { version: 16 }, "witness_unknown");
    check("", OutputType::NonStandard, "nonstandard");
    check("5101aa", OutputType::NonStandard, "nonstandard");
}

#[test]
fn d06_ten_thousand_bytes_can_be_spent_and_one_more_can_not() {
    fn check(script: Vec<u8>, unspendable: bool) {
        assert_eq!(is_unspendable(&ScriptBuf::from_bytes(script)), unspendable);
    }
    check(vec![0x51; 10_000], false);
    check(vec![0x51; 10_001], true);
    check(vec![0x6a], true);
    check(vec![0x51, 0x6a], false);
    check(vec![], false);
}
