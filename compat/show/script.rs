//! What an output's script is.

use bitcoin::{Address, Network, Script};

use super::asm::asm;
use super::descriptor::{inferred, multisig_keys, pays_to_key};
use crate::json::{Json, object};

/// The bytes of a script that anyone may spend, to raise another's fee (P2A).
const ANCHOR: [u8; 4] = [0x51, 0x02, 0x4e, 0x73];

/// Core's word for a script's shape.
pub(crate) fn kind(script: &Script) -> &'static str {
    let shapes: [(&'static str, fn(&Script) -> bool); 10] = [
        ("scripthash", Script::is_p2sh),
        ("witness_v0_keyhash", Script::is_p2wpkh),
        ("witness_v0_scripthash", Script::is_p2wsh),
        ("witness_v1_taproot", Script::is_p2tr),
        ("anchor", |script| script.as_bytes() == ANCHOR),
        ("witness_unknown", is_later_witness),
        ("nulldata", is_data),
        ("pubkey", pays_to_key),
        ("pubkeyhash", Script::is_p2pkh),
        ("multisig", |script| multisig_keys(script).is_some()),
    ];
    shapes.iter().find(|(_, is)| is(script)).map_or("nonstandard", |(name, _)| name)
}

/// A witness program of a version without a meaning yet; those of version 0 have only the known lengths.
fn is_later_witness(script: &Script) -> bool {
    script.is_witness_program() && script.as_bytes().first() != Some(&0)
}

/// `RETURN` and nothing but pushes.
fn is_data(script: &Script) -> bool {
    let rest = script.is_op_return().then(|| script.as_bytes().get(1..)).flatten();
    rest.is_some_and(|rest| {
        let mut instructions = Script::from_bytes(rest).instructions();
        instructions.all(|i| i.is_ok_and(|i| i.opcode().is_none_or(|op| op.to_u8() <= 0x60)))
    })
}

/// The address that stands for a script; none where none does.
pub(crate) fn address(script: &Script, network: Network) -> Option<Address> {
    let has = !matches!(kind(script), "nonstandard" | "pubkey" | "multisig" | "nulldata");
    has.then(|| Address::from_script(script, network).ok()).flatten()
}

/// Everything that is said of an output's script.
pub(crate) fn script(script: &Script, network: Network) -> Json {
    let mut fields = vec![
        ("asm", Json::from(asm(script, false))),
        ("desc", Json::from(inferred(script, network))),
        ("hex", Json::hex(script.as_bytes())),
    ];
    fields.extend(address(script, network).map(|address| ("address", Json::text(address))));
    fields.push(("type", Json::from(kind(script))));
    object(fields)
}
