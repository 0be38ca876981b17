use super::{ScriptError, ScriptFlags};
use bitcoin::{Transaction, TxOut, Wtxid};

/// A transaction beside the outputs that its inputs spend.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    /// The spending transaction.
    pub tx: &'a Transaction,
    /// Its id with the witnesses, which names all that its scripts see beside the prevouts.
    pub wtxid: Wtxid,
    /// Its BIP144 encoding.
    pub raw: &'a [u8],
    /// The output that each input spends, in the order of the inputs; as many as inputs.
    pub prevouts: &'a [TxOut],
}

/// The one way in which a script is verified.
pub trait ScriptVerifier: Send + Sync {
    /// Whether input `input` of the spend may spend its output under `flags`.
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError>;

    /// Whether every input may spend its output; the first that may not, by its index. What inputs have in common is
    /// computed once, so this is the way for a whole transaction.
    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        (0..spend.tx.input.len())
            .try_for_each(|input| self.verify_input(spend, input, flags).map_err(|error| (input, error)))
    }
}
