//! Which scripts an input runs, and in what order: its own, the output's, the redeem script, the witness program.

use bitcoin::hashes::Hash;
use bitcoin::{TxIn, Witness};

use super::cache::Cached;
use super::interpreter::{Input, Rules, Tapscript, check_schnorr, run};
use super::memo::Memo;
use super::opcode::{
    ELEMENT_BYTES_MAX, OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160, Reader, is_op_success, is_push_only,
};
use super::sighash::{TaprootExtra, TxContext, hash_with_len};
use super::stack::{Element, STACK_ELEMENTS_MAX, Stack};
use super::standard::{is_anchor, is_p2sh, witness_program};
use super::taproot::{ANNEX_TAG, ControlBlock, TAPSCRIPT_LEAF};
use super::{ScriptError, ScriptFlags, ScriptVerifier, SignatureCache, Spend};
use crate::wire::hash::sha256;

/// What a tapscript's budget has beside the bytes of its witness (BIP-0342).
const BUDGET_OFFSET: i64 = 50;

/// Adit's own engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl ScriptVerifier for Interpreter {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        verify_input(&TxContext::new(spend.tx, spend.prevouts), input, flags)
    }

    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        verify_all(spend, flags, Cached(None))
    }
}

/// Adit's own engine, with a cache of signatures.
#[derive(Clone, Copy, Debug, Default)]
pub struct CachingInterpreter<C>(C);

impl<C: SignatureCache> CachingInterpreter<C> {
    /// The engine that asks `cache` before it asks the curve.
    pub fn new(cache: C) -> CachingInterpreter<C> {
        CachingInterpreter(cache)
    }

    /// The cache again.
    pub fn into_cache(self) -> C {
        self.0
    }
}

impl<C: SignatureCache> ScriptVerifier for CachingInterpreter<C> {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        verify_input_cached(&TxContext::new(spend.tx, spend.prevouts), input, flags, &self.0)
    }

    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        verify_all(spend, flags, Cached(Some(&self.0)))
    }
}

/// Whether input `input` may spend its output under `flags`. [`ScriptError::Unknown`] where there is no such input, or
/// where the prevouts are not as many as the inputs.
pub fn verify_input(context: &TxContext<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
    verify(context, input, flags, Cached(None), &Memo::default())
}

/// As [`verify_input`], with a cache of signatures.
pub fn verify_input_cached(
    context: &TxContext<'_>,
    input: usize,
    flags: ScriptFlags,
    cache: &dyn SignatureCache,
) -> Result<(), ScriptError> {
    verify(context, input, flags, Cached(Some(cache)), &Memo::default())
}

fn verify_all(spend: &Spend<'_>, flags: ScriptFlags, cache: Cached<'_>) -> Result<(), (usize, ScriptError)> {
    let context = TxContext::new(spend.tx, spend.prevouts);
    let memo = Memo::default();
    (0..spend.tx.input.len())
        .try_for_each(|input| verify(&context, input, flags, cache, &memo).map_err(|error| (input, error)))
}

fn verify(
    context: &TxContext<'_>,
    input: usize,
    flags: ScriptFlags,
    cache: Cached<'_>,
    memo: &Memo,
) -> Result<(), ScriptError> {
    let (tx, prevouts) = (context.tx(), context.prevouts());
    let (Some(tx_in), Some(prevout)) = (tx.input.get(input), prevouts.get(input)) else {
        return Err(ScriptError::Unknown);
    };
    if prevouts.len() != tx.input.len() {
        return Err(ScriptError::Unknown);
    }
    let run = Input { context, index: input, flags: flags.with_implied(), cache, memo };
    Inputs { run, tx_in, output_script: &prevout.script_pubkey }.verify()
}

/// One input with all that its scripts come from.
struct Inputs<'a> {
    run: Input<'a>,
    tx_in: &'a TxIn,
    output_script: &'a bitcoin::Script,
}

impl Inputs<'_> {
    fn has(&self, flag: ScriptFlags) -> bool {
        self.run.flags.contains(flag)
    }

    fn verify(&self) -> Result<(), ScriptError> {
        let (script_sig, output) = (self.tx_in.script_sig.as_bytes(), self.output_script.as_bytes());
        if self.has(ScriptFlags::SIGPUSHONLY) && !is_push_only(script_sig) {
            return Err(ScriptError::SigPushOnly);
        }
        let mut stack = Stack::default();
        run(self.run, Rules::Base, script_sig, &mut stack)?;
        let pays_to_hash = self.has(ScriptFlags::P2SH) && is_p2sh(self.output_script);
        let pushed = pays_to_hash.then(|| stack.clone());
        run(self.run, Rules::Base, output, &mut stack)?;
        must_end_true(&stack)?;

        if let Some((version, program)) = self.program_in(output) {
            // Whatever a program leaves, it left one element: the clean stack of policy is its own rule there.
            if !script_sig.is_empty() {
                return Err(ScriptError::WitnessMalleated);
            }
            return self.verify_program(version, program, false);
        }
        if let Some(pushed) = pushed {
            return self.verify_redeem(pushed);
        }
        self.must_be_clean(&stack)?;
        self.must_have_no_witness()
    }

    /// What the input pushed last is the script that runs on the rest. BIP-0016.
    fn verify_redeem(&self, mut stack: Stack<'_>) -> Result<(), ScriptError> {
        if !is_push_only(self.tx_in.script_sig.as_bytes()) {
            return Err(ScriptError::SigPushOnly);
        }
        let redeem = stack.pop()?;
        let redeem = redeem.as_bytes();
        let mut stack = stack;
        run(self.run, Rules::Base, redeem, &mut stack)?;
        must_end_true(&stack)?;
        if let Some((version, program)) = self.program_in(redeem) {
            if !is_one_push_of(self.tx_in.script_sig.as_bytes(), redeem) {
                return Err(ScriptError::WitnessMalleatedP2sh);
            }
            return self.verify_program(version, program, true);
        }
        self.must_be_clean(&stack)?;
        self.must_have_no_witness()
    }

    fn program_in<'p>(&self, script: &'p [u8]) -> Option<(u8, &'p [u8])> {
        witness_program(script).filter(|_| self.has(ScriptFlags::WITNESS))
    }

    fn must_be_clean(&self, stack: &Stack<'_>) -> Result<(), ScriptError> {
        if self.has(ScriptFlags::CLEANSTACK) && stack.len() != 1 {
            return Err(ScriptError::CleanStack);
        }
        Ok(())
    }

    fn must_have_no_witness(&self) -> Result<(), ScriptError> {
        if self.has(ScriptFlags::WITNESS) && !self.tx_in.witness.is_empty() {
            return Err(ScriptError::WitnessUnexpected);
        }
        Ok(())
    }

    /// BIP-0141, BIP-0341. What no fork has given a meaning yet, anyone may spend.
    fn verify_program(&self, version: u8, program: &[u8], in_p2sh: bool) -> Result<(), ScriptError> {
        match (version, program.len()) {
            (0, 32) => self.verify_script_hash(program),
            (0, 20) => self.verify_key_hash(program),
            (0, _) => Err(ScriptError::WitnessProgramWrongLength),
            (1, 32) if !in_p2sh && self.has(ScriptFlags::TAPROOT) => self.verify_taproot(program),
            (1, 32) if !in_p2sh => Ok(()),
            _ if !in_p2sh && is_anchor(version, program) => Ok(()),
            _ if self.has(ScriptFlags::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM) => {
                Err(ScriptError::DiscourageUpgradableWitnessProgram)
            }
            _ => Ok(()),
        }
    }

    fn verify_script_hash(&self, program: &[u8]) -> Result<(), ScriptError> {
        let elements = elements_of(&self.tx_in.witness);
        let (script, elements) = elements.split_last().ok_or(ScriptError::WitnessProgramWitnessEmpty)?;
        if sha256(script).as_byte_array() != program {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        self.run_witness(Rules::WitnessV0, script, elements)
    }

    fn verify_key_hash(&self, program: &[u8]) -> Result<(), ScriptError> {
        let elements = elements_of(&self.tx_in.witness);
        if elements.len() != 2 {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        let script = [&[OP_DUP, OP_HASH160, 20][..], program, &[OP_EQUALVERIFY, OP_CHECKSIG]].concat();
        self.run_witness(Rules::WitnessV0, &script, &elements)
    }

    /// By key where one element is left without the annex, else by script. BIP-0341.
    fn verify_taproot(&self, program: &[u8]) -> Result<(), ScriptError> {
        let elements = elements_of(&self.tx_in.witness);
        let (annex_hash, elements) = match elements.as_slice() {
            [] => return Err(ScriptError::WitnessProgramWitnessEmpty),
            [rest @ .., annex] if !rest.is_empty() && annex.first() == Some(&ANNEX_TAG) => {
                (Some(hash_with_len(annex)), rest)
            }
            all => (None, all),
        };
        match elements {
            [signature] => {
                check_schnorr(&self.run, signature, program, &TaprootExtra { annex_hash, leaf: None })
            }
            [elements @ .., script, control] => {
                self.verify_leaf(program, annex_hash, elements, script, control)
            }
            [] => Err(ScriptError::WitnessProgramWitnessEmpty),
        }
    }

    /// The output MUST commit to the leaf, whatever its version; only a tapscript is then run. BIP-0341.
    fn verify_leaf(
        &self,
        program: &[u8],
        annex_hash: Option<[u8; 32]>,
        elements: &[&[u8]],
        script: &[u8],
        control: &[u8],
    ) -> Result<(), ScriptError> {
        let control = ControlBlock::parse(control).ok_or(ScriptError::TaprootWrongControlSize)?;
        let leaf_hash = control.leaf_hash(script);
        if !control.commits(self.run.memo, program, leaf_hash) {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        if control.leaf_version() != TAPSCRIPT_LEAF {
            return match self.has(ScriptFlags::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION) {
                true => Err(ScriptError::DiscourageUpgradableTaprootVersion),
                false => Ok(()),
            };
        }
        let size = i64::try_from(self.tx_in.witness.size()).unwrap_or(i64::MAX);
        let budget = size.saturating_add(BUDGET_OFFSET);
        if self.succeeds_at_once(script)? {
            return Ok(());
        }
        if elements.len() > STACK_ELEMENTS_MAX {
            return Err(ScriptError::StackSize);
        }
        self.run_witness(Rules::Tapscript(Tapscript { leaf_hash, annex_hash, budget }), script, elements)
    }

    /// Whether an OP_SUCCESS stands in the part of a tapscript that can be read. BIP-0342.
    fn succeeds_at_once(&self, script: &[u8]) -> Result<bool, ScriptError> {
        let mut reader = Reader::new(script);
        while let Some(instruction) = reader.read() {
            let instruction = instruction.map_err(|_| ScriptError::BadOpcode)?;
            if !is_op_success(instruction.opcode) {
                continue;
            }
            if self.has(ScriptFlags::DISCOURAGE_OP_SUCCESS) {
                return Err(ScriptError::DiscourageOpSuccess);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// A witness script MUST leave exactly one element, which is true.
    fn run_witness(&self, rules: Rules, script: &[u8], elements: &[&[u8]]) -> Result<(), ScriptError> {
        if elements.iter().any(|element| element.len() > ELEMENT_BYTES_MAX) {
            return Err(ScriptError::PushSize);
        }
        let mut stack: Stack<'_> = elements.iter().map(|element| Element::Slice(element)).collect();
        run(self.run, rules, script, &mut stack)?;
        if stack.len() != 1 {
            return Err(ScriptError::CleanStack);
        }
        must_end_true(&stack)
    }
}

fn must_end_true(stack: &Stack<'_>) -> Result<(), ScriptError> {
    match stack.peek(0) {
        Ok(top) if top.is_true() => Ok(()),
        _ => Err(ScriptError::EvalFalse),
    }
}

fn elements_of(witness: &Witness) -> Vec<&[u8]> {
    witness.iter().collect()
}

/// Whether a script is nothing but the shortest direct push of `data`, which has 4 to 42 bytes.
fn is_one_push_of(script: &[u8], data: &[u8]) -> bool {
    script.split_first().is_some_and(|(len, pushed)| usize::from(*len) == data.len() && pushed == data)
}

#[cfg(test)]
mod tests;
