//! Scripts verified by the library that Bitcoin Core itself is built on.
//!
//! Owns: the way to `bitcoinconsensus` and back, and what happens where Adit's own engine sees it otherwise. Must not
//! know: blocks, coins, threads.

use adit_domain::script::{
    Interpreter, ScriptError, ScriptFlags, ScriptVerifier, Spend, legacy_sigop_count, p2sh_sigop_count,
    witness_sigop_count,
};
use bitcoin::consensus::encode::serialize;
use bitcoin::{Script, Transaction, TxIn, TxOut};
use bitcoinconsensus::{Error, Utxo, verify_with_flags};

/// Inputs that a transaction may have and be given to the library whole without a look at what its scripts need: below
/// that the look costs more than it saves.
const INPUTS_KEPT_MAX: usize = 8;

/// The verdict of `bitcoinconsensus`; where it refuses, [`Interpreter`] says why, and where flags of policy are asked
/// for, which the library does not know, the interpreter must agree under all of them.
///
/// The library decodes the transaction anew for every input, so an input costs more the larger its transaction is.
/// What can be saved is saved: prevouts are laid out once a transaction, and only where an input is taproot; an input
/// that checks no signature does not bring its whole transaction along.
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
    match ask_library(spend, input, flags.only(ScriptFlags::CONSENSUS), all) {
        Ok(()) if ScriptFlags::CONSENSUS.contains(flags) => Ok(()),
        Ok(()) => Interpreter.verify_input(spend, input, flags),
        Err(refusal) => Err(name_refusal(spend, input, flags, refusal)),
    }
}

fn ask_library(spend: &Spend<'_>, input: usize, flags: ScriptFlags, all: &Prevouts) -> Result<(), Error> {
    let prevout = spend.prevouts.get(input).ok_or(Error::ERR_TX_INDEX)?;
    let (flags, spent) = match is_taproot(prevout, flags) {
        true => (flags, Some(all.0.as_slice())),
        false => (flags.without(ScriptFlags::TAPROOT), None),
    };
    let (script, value) = (prevout.script_pubkey.as_bytes(), prevout.value.to_sat());
    match without_the_others(spend, input, prevout) {
        Some(alone) => verify_with_flags(script, value, &alone, None, 0, flags.bits()),
        None => verify_with_flags(script, value, spend.raw, spent, input, flags.bits()),
    }
}

/// The transaction with this one input and no output, where it is a large one and the scripts of the input check no
/// signature: nothing else of it can then matter. Mainnet's block 367,891 takes 140 s without this.
fn without_the_others(spend: &Spend<'_>, input: usize, prevout: &TxOut) -> Option<Vec<u8>> {
    let own = spend.tx.input.get(input).filter(|_| spend.tx.input.len() > INPUTS_KEPT_MAX)?;
    if checks_signatures(own, &prevout.script_pubkey) {
        return None;
    }
    let (version, lock_time) = (spend.tx.version, spend.tx.lock_time);
    let alone = Transaction { version, lock_time, input: vec![own.clone()], output: Vec::new() };
    Some(serialize(&alone))
}

/// Whether any script that the input runs has an opcode that checks signatures, also in a branch that is not taken. A
/// script runs only up to a truncated push, and so far the operations are counted.
fn checks_signatures(input: &TxIn, prevout: &Script) -> bool {
    prevout.is_p2tr()
        || legacy_sigop_count(&input.script_sig) > 0
        || legacy_sigop_count(prevout) > 0
        || p2sh_sigop_count(&input.script_sig, prevout) > 0
        || witness_sigop_count(&input.script_sig, prevout, &input.witness) > 0
}

/// The name of a refusal. The library only says that a script failed; where it could not run the script at all, or where
/// the interpreter sees nothing wrong, the refusal stands without a name and is logged, since that is a bug of ours.
fn name_refusal(spend: &Spend<'_>, input: usize, flags: ScriptFlags, refusal: Error) -> ScriptError {
    let txid = spend.tx.compute_txid();
    if refusal != Error::ERR_SCRIPT {
        tracing::error!(%txid, input, %refusal, "the script library could not run the input");
        return ScriptError::Unknown;
    }
    match Interpreter.verify_input(spend, input, flags) {
        Err(error) => error,
        Ok(()) => {
            tracing::error!(%txid, input, flags = flags.bits(), "the script library refuses what the interpreter takes");
            ScriptError::Unknown
        }
    }
}

#[cfg(test)]
mod tests;
