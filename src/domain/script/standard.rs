//! The shapes of output scripts that have a name.

use std::fmt;

use bitcoin::Script;

use super::num;
use super::opcode::{
    Instruction, MULTISIG_KEYS_MAX, OP_0, OP_1, OP_16, OP_CHECKMULTISIG, OP_CHECKSIG, OP_DUP, OP_EQUAL,
    OP_EQUALVERIFY, OP_HASH160, OP_RETURN, Reader, SCRIPT_BYTES_MAX, is_push_only, small_int,
};

/// What kind of output a script makes; the names are those of Core's `getrawtransaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputType {
    /// A key and CHECKSIG.
    PubKey,
    /// P2PKH.
    PubKeyHash,
    /// P2SH (BIP-0016).
    ScriptHash,
    /// Bare multisig.
    MultiSig {
        /// Signatures needed, 1 to 20.
        required: u8,
        /// Keys named, 1 to 20.
        keys: u8,
    },
    /// OP_RETURN and pushes.
    NullData,
    /// P2WPKH (BIP-0141).
    WitnessV0KeyHash,
    /// P2WSH (BIP-0141).
    WitnessV0ScriptHash,
    /// P2TR (BIP-0341).
    WitnessV1Taproot,
    /// P2A: pay to anchor.
    Anchor,
    /// A witness program that no rule gives a meaning yet.
    WitnessUnknown {
        /// Its version, 1 to 16.
        version: u8,
    },
    /// Anything else.
    NonStandard,
}

impl OutputType {
    /// Core's word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            OutputType::PubKey => "pubkey",
            OutputType::PubKeyHash => "pubkeyhash",
            OutputType::ScriptHash => "scripthash",
            OutputType::MultiSig { .. } => "multisig",
            OutputType::NullData => "nulldata",
            OutputType::WitnessV0KeyHash => "witness_v0_keyhash",
            OutputType::WitnessV0ScriptHash => "witness_v0_scripthash",
            OutputType::WitnessV1Taproot => "witness_v1_taproot",
            OutputType::Anchor => "anchor",
            OutputType::WitnessUnknown { .. } => "witness_unknown",
            OutputType::NonStandard => "nonstandard",
        }
    }
}

impl fmt::Display for OutputType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which kind of output a script makes.
pub fn output_type(script: &Script) -> OutputType {
    let bytes = script.as_bytes();
    if is_p2sh(script) {
        return OutputType::ScriptHash;
    }
    if let Some((version, program)) = witness_program(bytes) {
        return witness_type(version, program);
    }
    match bytes {
        [OP_RETURN, rest @ ..] if is_push_only(rest) => OutputType::NullData,
        [33 | 65, key @ .., OP_CHECKSIG] if has_key_form(key) && key_push_matches(bytes, key) => {
            OutputType::PubKey
        }
        [OP_DUP, OP_HASH160, 20, hash @ .., OP_EQUALVERIFY, OP_CHECKSIG] if hash.len() == 20 => {
            OutputType::PubKeyHash
        }
        _ => multisig_type(bytes).unwrap_or(OutputType::NonStandard),
    }
}

/// Whether no input can ever spend this output, so that it never enters the coin set: OP_RETURN first, or more than
/// 10,000 bytes.
pub fn is_unspendable(script: &Script) -> bool {
    script.as_bytes().first() == Some(&OP_RETURN) || script.len() > SCRIPT_BYTES_MAX
}

/// Whether the script is exactly `HASH160 <20 bytes> EQUAL` (BIP-0016).
pub(super) fn is_p2sh(script: &Script) -> bool {
    matches!(script.as_bytes(), [OP_HASH160, 20, hash @ .., OP_EQUAL] if hash.len() == 20)
}

/// The version and the program where a script is a witness program (BIP-0141): one small number and one direct push
/// of 2 to 40 bytes.
pub(super) fn witness_program(script: &[u8]) -> Option<(u8, &[u8])> {
    let (&version, rest) = script.split_first()?;
    let (&len, program) = rest.split_first()?;
    let version = match version {
        OP_0 => 0,
        OP_1..=OP_16 => small_int(version)?,
        _ => return None,
    };
    let fits = usize::from(len) == program.len() && (2..=40).contains(&len);
    fits.then_some((version, program))
}

/// Whether a version 1 program is the anchor that anyone may spend.
pub(super) fn is_anchor(version: u8, program: &[u8]) -> bool {
    version == 1 && program == [0x4e, 0x73]
}

fn witness_type(version: u8, program: &[u8]) -> OutputType {
    match (version, program.len()) {
        (0, 20) => OutputType::WitnessV0KeyHash,
        (0, 32) => OutputType::WitnessV0ScriptHash,
        (0, _) => OutputType::NonStandard,
        (1, 32) => OutputType::WitnessV1Taproot,
        _ if is_anchor(version, program) => OutputType::Anchor,
        _ => OutputType::WitnessUnknown { version },
    }
}

/// Whether the length is the one that the first byte of a public key asks for.
pub(super) fn has_key_form(key: &[u8]) -> bool {
    match key.first() {
        Some(2 | 3) => key.len() == 33,
        Some(4 | 6 | 7) => key.len() == 65,
        _ => false,
    }
}

fn key_push_matches(script: &[u8], key: &[u8]) -> bool {
    script.first().is_some_and(|len| usize::from(*len) == key.len())
}

fn multisig_type(script: &[u8]) -> Option<OutputType> {
    let mut reader = Reader::new(script.strip_suffix(&[OP_CHECKMULTISIG])?);
    let required = small_count(reader.read()?.ok()?)?;
    let mut keys: u8 = 0;
    let last = loop {
        let instruction = reader.read()?.ok()?;
        if !has_key_form(instruction.data) {
            break instruction;
        }
        keys = keys.checked_add(1)?;
    };
    let named = small_count(last)?;
    let matches = named == keys && required <= keys && reader.rest().is_empty();
    matches.then_some(OutputType::MultiSig { required, keys })
}

/// A number from 1 to 20, by its opcode or by the shortest push.
fn small_count(instruction: Instruction<'_>) -> Option<u8> {
    let count = match small_int(instruction.opcode) {
        Some(count) => count,
        None if instruction.is_push_of_bytes() && instruction.is_minimal_push() => {
            u8::try_from(num::decode(instruction.data, true, num::OPERAND_BYTES_MAX).ok()?).ok()?
        }
        None => return None,
    };
    (1..=MULTISIG_KEYS_MAX).contains(&count).then_some(count)
}

#[cfg(test)]
mod tests;
