//! The engine, asked.

use adit_domain::script::{Interpreter, ScriptError, ScriptFlags, ScriptVerifier, Spend};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

/// The soft forks, each a flag of its own.
pub(crate) const FORKS: [ScriptFlags; 7] = [
    ScriptFlags::P2SH,
    ScriptFlags::DERSIG,
    ScriptFlags::NULLDUMMY,
    ScriptFlags::CHECKLOCKTIMEVERIFY,
    ScriptFlags::CHECKSEQUENCEVERIFY,
    ScriptFlags::WITNESS,
    ScriptFlags::TAPROOT,
];

/// The verdict on one input.
pub(crate) fn verify(
    tx: &Transaction,
    prevouts: &[TxOut],
    input: usize,
    flags: ScriptFlags,
) -> Result<(), ScriptError> {
    let raw = serialize(tx);
    Interpreter.verify_input(&Spend { tx, wtxid: tx.compute_wtxid(), raw: &raw, prevouts }, input, flags)
}

/// The verdict on all inputs.
pub(crate) fn verify_all(
    tx: &Transaction,
    prevouts: &[TxOut],
    flags: ScriptFlags,
) -> Result<(), (usize, ScriptError)> {
    let raw = serialize(tx);
    Interpreter.verify_tx(&Spend { tx, wtxid: tx.compute_wtxid(), raw: &raw, prevouts }, flags)
}

/// A script, its input and its witness as Core's script_tests have them: a transaction whose first output is spent by
/// the only input of another.
pub(crate) fn credit_and_spend(
    script: ScriptBuf,
    script_sig: ScriptBuf,
    witness: Vec<Vec<u8>>,
    value: Amount,
) -> (Transaction, TxOut) {
    let prevout = TxOut { value, script_pubkey: script };
    let credit =
        one_to_one(OutPoint::null(), ScriptBuf::from_bytes(vec![0, 0]), Witness::new(), prevout.clone());
    let spent = OutPoint { txid: credit.compute_txid(), vout: 0 };
    let output = TxOut { value, script_pubkey: ScriptBuf::new() };
    (one_to_one(spent, script_sig, Witness::from_slice(&witness), output), prevout)
}

fn one_to_one(spent: OutPoint, script_sig: ScriptBuf, witness: Witness, output: TxOut) -> Transaction {
    Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output: spent, script_sig, sequence: Sequence::MAX, witness }],
        output: vec![output],
    }
}
