//! Scripts verified by the library that Bitcoin Core itself is built on.
//!
//! Owns: the way to `bitcoinconsensus` and back. Must not know: blocks, coins, threads.

use adit_domain::script::{ScriptError, ScriptFlags, ScriptVerifier, Spend};
use bitcoin::TxOut;
use bitcoinconsensus::{Utxo, verify_with_flags};

/// The verdict of `bitcoinconsensus`.
///
/// The library decodes the transaction anew for every input, so an input costs a little more the larger its transaction
/// is. What can be saved is saved: prevouts are laid out once a transaction, and only where an input is taproot.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsensusLib;

impl ScriptVerifier for ConsensusLib {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        let prevouts = Prevouts::of(spend, flags)?;
        check_input(spend, input, flags, &prevouts)
    }

    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        let prevouts = Prevouts::of(spend, flags).map_err(|error| (0, error))?;
        (0..spend.tx.input.len())
            .try_for_each(|input| check_input(spend, input, flags, &prevouts).map_err(|error| (input, error)))
    }
}

/// All prevouts of one transaction as the library reads them; empty where no input needs them. The pointers are into
/// the spend that it was made of, and never leave the call that holds it.
struct Prevouts(Vec<Utxo>);

impl Prevouts {
    fn of(spend: &Spend<'_>, flags: ScriptFlags) -> Result<Prevouts, ScriptError> {
        if spend.prevouts.len() != spend.tx.input.len() {
            return Err(ScriptError::Unknown);
        }
        if !spend.prevouts.iter().any(|prevout| is_taproot(prevout, flags)) {
            return Ok(Prevouts(Vec::new()));
        }
        spend.prevouts.iter().map(utxo).collect::<Option<_>>().map(Prevouts).ok_or(ScriptError::Unknown)
    }
}

fn utxo(prevout: &TxOut) -> Option<Utxo> {
    Some(Utxo {
        script_pubkey: prevout.script_pubkey.as_bytes().as_ptr(),
        script_pubkey_len: u32::try_from(prevout.script_pubkey.len()).ok()?,
        value: i64::try_from(prevout.value.to_sat()).ok()?,
    })
}

/// Whether the output's spend is checked by the rules of taproot: TAPROOT means nothing for any other.
fn is_taproot(prevout: &TxOut, flags: ScriptFlags) -> bool {
    flags.contains(ScriptFlags::TAPROOT) && prevout.script_pubkey.is_p2tr()
}

fn check_input(
    spend: &Spend<'_>,
    input: usize,
    flags: ScriptFlags,
    all: &Prevouts,
) -> Result<(), ScriptError> {
    let flags = flags.with_implied();
    let prevout = spend.prevouts.get(input).ok_or(ScriptError::Unknown)?;
    let (flags, spent) = match is_taproot(prevout, flags) {
        true => (flags, Some(all.0.as_slice())),
        false => (flags.without(ScriptFlags::TAPROOT), None),
    };
    let (script, value) = (prevout.script_pubkey.as_bytes(), prevout.value.to_sat());
    verify_with_flags(script, value, spend.raw, spent, input, flags.bits()).map_err(|_| ScriptError::Unknown)
}
