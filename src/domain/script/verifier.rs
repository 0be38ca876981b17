use bitcoin::{Transaction, TxOut};
use thiserror::Error;

use super::ScriptFlags;

/// A transaction beside the outputs that its inputs spend.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    /// The spending transaction.
    pub tx: &'a Transaction,
    /// Its BIP144 encoding.
    pub raw: &'a [u8],
    /// The output that each input spends, in the order of the inputs; as many as inputs.
    pub prevouts: &'a [TxOut],
}

/// The one way in which a script is verified.
pub trait ScriptVerifier: Send + Sync {
    /// Whether input `input` of the spend may spend its output under `flags`.
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError>;
}

/// Why a script does not let a coin be spent; the texts are Bitcoin Core's `ScriptErrorString`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ScriptError {
    /// The script ended on false or on nothing.
    #[error("Script evaluated without error but finished with a false/empty top stack element")]
    EvalFalse,
    /// Anything that has no name.
    #[error("unknown error")]
    Unknown,
}
