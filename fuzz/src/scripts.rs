//! Scripts that are looked at without being run.

use adit_domain::script::{
    OutputType, SCRIPT_BYTES_MAX, accurate_sigop_count, is_unspendable, legacy_sigop_count, output_type,
    p2sh_sigop_count, witness_sigop_count,
};
use bitcoin::{Script, Witness};

use crate::bytes::Bytes;

/// An output's script, an input's script and a witness: a length before each.
pub fn script(data: &[u8]) {
    let mut bytes = Bytes(data);
    let len = usize::from(bytes.u16());
    let output = Script::from_bytes(bytes.take(len));
    let len = usize::from(bytes.u16());
    let input = Script::from_bytes(bytes.take(len));
    let mut witness = Witness::new();
    while !bytes.is_empty() {
        let len = usize::from(bytes.u16());
        witness.push(bytes.take(len));
    }
    shapes(output);
    sigops(output, input, &witness);
}

/// Each shape is what the field's library calls by that name.
fn shapes(script: &Script) {
    let shape = output_type(script);
    assert_eq!(shape == OutputType::PubKeyHash, script.is_p2pkh());
    assert_eq!(shape == OutputType::ScriptHash, script.is_p2sh());
    assert_eq!(shape == OutputType::WitnessV0KeyHash, script.is_p2wpkh());
    assert_eq!(shape == OutputType::WitnessV0ScriptHash, script.is_p2wsh());
    assert_eq!(shape == OutputType::WitnessV1Taproot, script.is_p2tr());
    if let OutputType::MultiSig { required, keys } = shape {
        assert!((1..=keys).contains(&required) && keys <= 20);
    }
    let starts_with_return = script.as_bytes().first() == Some(&0x6a);
    assert_eq!(is_unspendable(script), starts_with_return || script.len() > SCRIPT_BYTES_MAX);
    assert!(shape != OutputType::NullData || is_unspendable(script));
}

fn sigops(output: &Script, input: &Script, witness: &Witness) {
    for script in [output, input] {
        let (legacy, accurate) = (legacy_sigop_count(script), accurate_sigop_count(script));
        assert!(accurate <= legacy && legacy as usize <= 20 * script.len());
    }
    let in_redeem = p2sh_sigop_count(input, output);
    assert!(output.is_p2sh() || in_redeem == 0);
    let in_witness = witness_sigop_count(input, output, witness);
    assert!(output.is_p2sh() || output.is_witness_program() || in_witness == 0);
}
