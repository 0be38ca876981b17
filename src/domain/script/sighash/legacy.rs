//! The digest before segwit. It signs all inputs anew for each of them, so what the inputs have in common is laid out once
//! a transaction: hashing long runs of bytes is several times as fast as hashing fields, and what lies before an input is
//! hashed already when its turn comes.

use bitcoin::{Transaction, TxIn};

use super::{
    HashType, SINGLE_WITHOUT_OUTPUT, TxContext, compact_size, outpoint_bytes, signed_with, write_len,
};
use crate::script::opcode::{OP_CODESEPARATOR, Reader};
use crate::wire::hash::Sha256;

/// Bytes of an input without its script: outpoint, no script, sequence number.
const INPUT_BYTES: usize = 41;
/// Bytes of an outpoint.
const OUTPOINT_BYTES: usize = 36;
/// Inputs from one kept midstate to the next: 41 bytes an input here against 104 in 64 for the midstates.
const STRIDE: usize = 64;
/// Bytes of those inputs.
const STRIDE_BYTES: usize = STRIDE * INPUT_BYTES;
/// How SIGHASH_SINGLE writes an output before its own: no value, no script.
const BLANK_OUTPUT: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];

/// All inputs without their scripts, and midstates of what lies before them.
#[derive(Debug)]
pub(super) struct LegacyInputs {
    /// 41 bytes an input.
    bytes: Vec<u8>,
    /// Of the version and the number of inputs.
    head: Sha256,
    /// Of those and the first 64 inputs, the first 128, and so on.
    later: Vec<Sha256>,
}

impl LegacyInputs {
    fn new(tx: &Transaction, signs_sequences: bool) -> LegacyInputs {
        let mut bytes = Vec::with_capacity(tx.input.len().saturating_mul(INPUT_BYTES));
        for input in &tx.input {
            bytes.extend_from_slice(&outpoint_bytes(&input.previous_output));
            bytes.push(0);
            let sequence = if signs_sequences { input.sequence.0 } else { 0 };
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        let mut head = Sha256::new().with(&tx.version.0.to_le_bytes());
        write_len(&mut head, tx.input.len());
        let mut engine = head.clone();
        let later = bytes.as_chunks::<STRIDE_BYTES>().0.iter().map(|inputs| {
            engine.update(inputs);
            engine.clone()
        });
        LegacyInputs { later: later.collect(), bytes, head }
    }

    /// Hashes version and inputs, with `script_code` at the place of `own`, which is input number `at`.
    fn hashed(&self, at: usize, own: &TxIn, script_code: &[u8]) -> Sha256 {
        let strides = at.checked_div(STRIDE).unwrap_or_default();
        let mut engine = match strides.checked_sub(1).and_then(|stride| self.later.get(stride)) {
            Some(midstate) => midstate.clone(),
            None => self.head.clone(),
        };
        let begin = at.saturating_mul(INPUT_BYTES);
        let before = strides.saturating_mul(STRIDE_BYTES)..begin.saturating_add(OUTPOINT_BYTES);
        engine.update(self.bytes.get(before).unwrap_or_default());
        write_without_code_separators(&mut engine, script_code);
        engine.update(&own.sequence.0.to_le_bytes());
        engine.update(self.bytes.get(begin.saturating_add(INPUT_BYTES)..).unwrap_or_default());
        engine
    }
}

impl TxContext<'_> {
    /// The digest before segwit. `script_code` comes as it is; its OP_CODESEPARATORs are left out here. None where there
    /// is no such input.
    pub fn legacy_sighash(&self, input: usize, script_code: &[u8], hash_type: u32) -> Option<[u8; 32]> {
        let kind = HashType(hash_type);
        if let Some(digest) = self.legacy_single(input, kind) {
            return Some(digest);
        }
        Some(signed_with(self.legacy_midstate(input, script_code, kind)?, hash_type))
    }

    /// The digest where SIGHASH_SINGLE has no output to sign.
    pub(in crate::script) fn legacy_single(&self, input: usize, kind: HashType) -> Option<[u8; 32]> {
        let lacks = kind.is_single() && input >= self.tx.output.len() && input < self.tx.input.len();
        lacks.then_some(SINGLE_WITHOUT_OUTPUT)
    }

    /// All that a signature before segwit signs but its hash type.
    pub(in crate::script) fn legacy_midstate(
        &self,
        input: usize,
        script_code: &[u8],
        kind: HashType,
    ) -> Option<Sha256> {
        let own = self.tx.input.get(input)?;
        let mut engine = match kind.is_anyone_can_pay() {
            true => self.hashed_alone(own, script_code),
            false => self.legacy_inputs(kind.is_all()).hashed(input, own, script_code),
        };
        self.write_legacy_outputs(&mut engine, input, kind);
        engine.update(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        Some(engine)
    }

    fn legacy_inputs(&self, signs_sequences: bool) -> &LegacyInputs {
        let [all, others] = &self.legacy_inputs;
        let inputs = if signs_sequences { all } else { others };
        inputs.get_or_init(|| LegacyInputs::new(self.tx, signs_sequences))
    }

    fn hashed_alone(&self, own: &TxIn, script_code: &[u8]) -> Sha256 {
        let mut engine = Sha256::new().with(&self.tx.version.0.to_le_bytes());
        write_len(&mut engine, 1);
        engine.update(&outpoint_bytes(&own.previous_output));
        write_without_code_separators(&mut engine, script_code);
        engine.with(&own.sequence.0.to_le_bytes())
    }

    fn write_legacy_outputs(&self, engine: &mut Sha256, own: usize, kind: HashType) {
        if kind.is_none() {
            return write_len(engine, 0);
        }
        if kind.is_all() {
            return engine.update(self.legacy_outputs.get_or_init(|| outputs_of(self.tx)));
        }
        write_len(engine, own.saturating_add(1));
        (0..own).for_each(|_| engine.update(&BLANK_OUTPUT));
        if let Some(output) = self.tx.output.get(own) {
            super::write_output(engine, output);
        }
    }
}

/// The number of outputs and the outputs.
fn outputs_of(tx: &Transaction) -> Vec<u8> {
    let size = tx.output.iter().map(bitcoin::TxOut::size).fold(9, usize::saturating_add);
    let mut bytes = Vec::with_capacity(size);
    push_len(&mut bytes, tx.output.len());
    for output in &tx.output {
        bytes.extend_from_slice(&output.value.to_sat().to_le_bytes());
        push_len(&mut bytes, output.script_pubkey.len());
        bytes.extend_from_slice(output.script_pubkey.as_bytes());
    }
    bytes
}

fn push_len(bytes: &mut Vec<u8>, len: usize) {
    let (size, count) = compact_size(len);
    bytes.extend_from_slice(size.get(..count).unwrap_or_default());
}

/// The length and the bytes of a script without its OP_CODESEPARATORs. A truncated push ends it behind the length of
/// the push, as in Core; such a script fails whatever the signature says.
fn write_without_code_separators(engine: &mut Sha256, script: &[u8]) {
    let mut reader = Reader::new(script);
    let mut separators: usize = 0;
    while let Some(Ok(instruction)) = reader.read() {
        separators = separators.saturating_add(usize::from(instruction.opcode == OP_CODESEPARATOR));
    }
    write_len(engine, script.len().saturating_sub(separators));
    if separators == 0 {
        return engine.update(read_of(script, &reader, 0));
    }
    let mut reader = Reader::new(script);
    let mut piece = script;
    while let Some(Ok(instruction)) = reader.read() {
        if instruction.opcode == OP_CODESEPARATOR {
            engine.update(read_of(piece, &reader, 1));
            piece = reader.rest();
        }
    }
    engine.update(read_of(piece, &reader, 0));
}

/// What has been read since `piece` began, but the last `without` bytes.
fn read_of<'a>(piece: &'a [u8], reader: &Reader<'_>, without: usize) -> &'a [u8] {
    let len = piece.len().saturating_sub(reader.rest().len()).saturating_sub(without);
    piece.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
