//! Descriptors of what stands in an output's script, with their checksum (BIP380).

use bitcoin::hex::DisplayHex;
use bitcoin::opcodes::all::OP_CHECKMULTISIG;
use bitcoin::script::Instruction;
use bitcoin::{Network, PublicKey, Script, XOnlyPublicKey};

use super::script::address;

/// What a descriptor may consist of, in the order in which BIP380 counts.
const INPUT: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// What a checksum consists of.
const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of BIP380's code.
const GENERATOR: [u64; 5] =
    [0x00f5_dee5_1989, 0x00a9_fdca_3312, 0x001b_ab10_e32d, 0x0037_06b1_677a, 0x0064_4d62_6ffd];

fn step(state: u64, value: u64) -> u64 {
    let top = state >> 35;
    let shifted = ((state & 0x0007_ffff_ffff) << 5) ^ value;
    let taken = GENERATOR.iter().zip(0u32..).filter(|(_, bit)| (top >> bit) & 1 == 1);
    taken.fold(shifted, |state, (word, _)| state ^ word)
}

/// Eight characters that catch mistyped ones; none where there is one that no descriptor has.
pub(crate) fn checksum(text: &str) -> Option<String> {
    let (mut state, mut class, mut count) = (1u64, 0u64, 0u32);
    for c in text.chars() {
        let place = u64::try_from(INPUT.find(c)?).ok()?;
        state = step(state, place & 31);
        class = class.saturating_mul(3).saturating_add(place >> 5);
        count = count.saturating_add(1);
        if count == 3 {
            state = step(state, class);
            (class, count) = (0, 0);
        }
    }
    if count > 0 {
        state = step(state, class);
    }
    let state = (0..8).fold(state, |state, _| step(state, 0)) ^ 1;
    let digit = |n: u32| {
        let place = usize::try_from((state >> (5u32.saturating_mul(7u32.saturating_sub(n)))) & 31).ok()?;
        OUTPUT.get(place).map(|byte| char::from(*byte))
    };
    (0..8).map(digit).collect()
}

/// A descriptor with its checksum.
pub(crate) fn with_checksum(text: String) -> String {
    match checksum(&text) {
        Some(checksum) => format!("{text}#{checksum}"),
        None => text,
    }
}

/// What a script says of itself, without keys that are not in it.
pub(crate) fn inferred(script: &Script, network: Network) -> String {
    with_checksum(
        plain(script)
            .or_else(|| taproot(script))
            .or_else(|| address(script, network).map(|address| format!("addr({address})")))
            .unwrap_or_else(|| format!("raw({})", script.as_bytes().as_hex())),
    )
}

/// A script that names its keys.
pub(crate) fn plain(script: &Script) -> Option<String> {
    key(script).or_else(|| multisig(script))
}

fn key(script: &Script) -> Option<String> {
    let key = script.p2pk_public_key()?;
    Some(format!("pk({key})"))
}

/// `m keys n CHECKMULTISIG`, the keys whole.
fn multisig_keys(script: &Script) -> Option<(u8, Vec<&[u8]>)> {
    let mut parts = Vec::new();
    for instruction in script.instructions() {
        parts.push(instruction.ok()?);
    }
    let (last, parts) = parts.split_last()?;
    let ([first, keys @ ..], count) = parts.split_last().map(|(count, rest)| (rest, count))? else {
        return None;
    };
    let number = |part: &Instruction<'_>| match part {
        Instruction::Op(op) => op.to_u8().checked_sub(0x50).filter(|n| (1..=16).contains(n)),
        Instruction::PushBytes(bytes) => match bytes.as_bytes() {
            [n @ 17..=20] => Some(*n),
            _ => None,
        },
    };
    let mut named = Vec::with_capacity(keys.len());
    for key in keys {
        let Instruction::PushBytes(bytes) = key else { return None };
        named.push(bytes.as_bytes());
    }
    let (needed, count) = (number(first)?, number(count)?);
    let sound = named.iter().all(|key| [33, 65].contains(&key.len()));
    let fits =
        usize::from(count) == named.len() && needed <= count && last.opcode() == Some(OP_CHECKMULTISIG);
    (sound && fits).then_some((needed, named))
}

fn multisig(script: &Script) -> Option<String> {
    let (needed, keys) = multisig_keys(script)?;
    let sound = |key: &&[u8]| PublicKey::from_slice(key).is_ok();
    let text: Vec<String> =
        keys.iter().filter(|key| sound(key)).map(|key| key.to_lower_hex_string()).collect();
    (text.len() == keys.len()).then(|| format!("multi({needed},{})", text.join(",")))
}

fn taproot(script: &Script) -> Option<String> {
    let key = script.is_p2tr().then(|| script.as_bytes().get(2..))??;
    XOnlyPublicKey::from_slice(key).ok()?;
    Some(format!("rawtr({})", key.as_hex()))
}
