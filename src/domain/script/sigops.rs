//! Signature operations, counted without running anything. A truncated push stops a count where it stands.

use bitcoin::{Script, Witness};

use super::opcode::{
    MULTISIG_KEYS_MAX, OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGVERIFY, Reader,
    last_push, small_int,
};
use super::standard::{is_p2sh, witness_program};

/// The count before P2SH: every CHECKMULTISIG counts 20.
pub fn legacy_sigop_count(script: &Script) -> u32 {
    count(script.as_bytes(), false)
}

/// The count of a redeem or witness script: a CHECKMULTISIG counts the keys that the opcode before it names, else 20.
pub fn accurate_sigop_count(script: &Script) -> u32 {
    count(script.as_bytes(), true)
}

/// The count of the script behind a P2SH output (BIP-0016); 0 for every other output.
pub fn p2sh_sigop_count(script_sig: &Script, prevout: &Script) -> u32 {
    if !is_p2sh(prevout) {
        return 0;
    }
    last_push(script_sig.as_bytes()).map_or(0, |redeem| count(redeem, true))
}

/// The count of a witness program of version 0, native or behind P2SH (BIP-0141); later versions count 0.
pub fn witness_sigop_count(script_sig: &Script, prevout: &Script, witness: &Witness) -> u32 {
    if let Some(program) = witness_program(prevout.as_bytes()) {
        return program_sigop_count(program, witness);
    }
    if !is_p2sh(prevout) {
        return 0;
    }
    let program = last_push(script_sig.as_bytes()).and_then(witness_program);
    program.map_or(0, |program| program_sigop_count(program, witness))
}

fn program_sigop_count((version, program): (u8, &[u8]), witness: &Witness) -> u32 {
    match (version, program.len()) {
        (0, 20) => 1,
        (0, 32) => witness.last().map_or(0, |script| count(script, true)),
        _ => 0,
    }
}

fn count(script: &[u8], accurate: bool) -> u32 {
    let mut reader = Reader::new(script);
    let mut total: u32 = 0;
    let mut keys_named = None;
    while let Some(Ok(instruction)) = reader.read() {
        let more = match instruction.opcode {
            OP_CHECKSIG | OP_CHECKSIGVERIFY => 1,
            OP_CHECKMULTISIG | OP_CHECKMULTISIGVERIFY => {
                keys_named.filter(|_| accurate).unwrap_or(MULTISIG_KEYS_MAX)
            }
            _ => 0,
        };
        total = total.saturating_add(u32::from(more));
        keys_named = small_int(instruction.opcode);
    }
    total
}

#[cfg(test)]
mod tests;
