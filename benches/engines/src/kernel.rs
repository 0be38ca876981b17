//! The way to Bitcoin Core's engine.

use bitcoin::TxOut;
use bitcoinkernel::{
    PrecomputedTransactionData, ScriptPubkey, Transaction, VERIFY_ALL, VERIFY_TAPROOT, verify,
};

use crate::Job;

/// A job as Core's library takes it: decoded, with its prevouts.
pub struct KernelJob {
    tx: Transaction,
    outputs: Vec<bitcoinkernel::TxOut>,
    scripts: Vec<(ScriptPubkey, i64)>,
    flags: u32,
}

impl KernelJob {
    /// The library copies what it knows of a transaction for every input, prevouts too; so they are given only where
    /// taproot needs them, and else the flag is left out.
    pub fn new(job: &Job) -> KernelJob {
        let taproot = job.prevouts.iter().any(|prevout| prevout.script_pubkey.is_p2tr());
        let script = |prevout: &TxOut| ScriptPubkey::new(prevout.script_pubkey.as_bytes()).unwrap();
        let value = |prevout: &TxOut| i64::try_from(prevout.value.to_sat()).unwrap();
        let scripts: Vec<_> = job.prevouts.iter().map(|prevout| (script(prevout), value(prevout))).collect();
        let outputs = scripts.iter().map(|(script, value)| bitcoinkernel::TxOut::new(script, *value));
        KernelJob {
            tx: Transaction::new(&job.raw).unwrap(),
            outputs: if taproot { outputs.collect() } else { Vec::new() },
            scripts,
            flags: if taproot { VERIFY_ALL } else { VERIFY_ALL & !VERIFY_TAPROOT },
        }
    }

    /// Whether every input may spend its output.
    pub fn verify_tx(&self) -> bool {
        let data = PrecomputedTransactionData::new(&self.tx, &self.outputs).unwrap();
        self.scripts.iter().enumerate().all(|(index, (script, value))| {
            verify(script, Some(*value), &self.tx, index, Some(self.flags), &data).is_ok()
        })
    }
}
