//! What a signature signs: the digests before segwit, of BIP-0143 and of BIP-0341.
//!
//! Owns the hashes that the inputs of one transaction have in common, each computed once, when first asked for.

use std::sync::{LazyLock, OnceLock};

use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};
use bitcoin::{OutPoint, Transaction, TxIn, TxOut};

use super::opcode::{OP_CODESEPARATOR, Reader};

/// The digest of SIGHASH_SINGLE without its output, before segwit: the number 1, little-endian.
const SINGLE_WITHOUT_OUTPUT: [u8; 32] = {
    let mut one = [0; 32];
    one[0] = 1;
    one
};

/// A hash type byte, kept raw: every bit of it is signed, those without a meaning too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HashType(u32);

impl HashType {
    fn is_anyone_can_pay(self) -> bool {
        self.0 & 0x80 != 0
    }
    fn is_none(self) -> bool {
        self.0 & 0x1f == 2
    }
    fn is_single(self) -> bool {
        self.0 & 0x1f == 3
    }
    fn is_all(self) -> bool {
        !self.is_none() && !self.is_single()
    }
}

/// A transaction beside its prevouts, with what the signature hashes of its inputs have in common.
#[derive(Debug)]
pub struct TxContext<'a> {
    tx: &'a Transaction,
    prevouts: &'a [TxOut],
    common: OnceLock<Common>,
    spent: OnceLock<Spent>,
}

/// Single SHA-256 of what BIP-0143 and BIP-0341 both sign.
#[derive(Debug)]
struct Common {
    prevouts: sha256::Hash,
    sequences: sha256::Hash,
    outputs: sha256::Hash,
}

/// Single SHA-256 of what BIP-0341 signs of the prevouts.
#[derive(Debug)]
struct Spent {
    amounts: sha256::Hash,
    scripts: sha256::Hash,
}

/// What a taproot signature signs beside the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TaprootExtra {
    /// SHA-256 of the annex with its length before it, where there is one.
    pub annex_hash: Option<[u8; 32]>,
    /// In a tapscript: the leaf's hash and the position of the last OP_CODESEPARATOR that was run, 0xffffffff for none.
    pub leaf: Option<([u8; 32], u32)>,
}

impl<'a> TxContext<'a> {
    /// A context of `tx`, whose inputs spend `prevouts`, in the same order.
    pub fn new(tx: &'a Transaction, prevouts: &'a [TxOut]) -> TxContext<'a> {
        TxContext { tx, prevouts, common: OnceLock::new(), spent: OnceLock::new() }
    }

    /// The transaction.
    pub fn tx(&self) -> &'a Transaction {
        self.tx
    }

    /// The outputs that it spends.
    pub fn prevouts(&self) -> &'a [TxOut] {
        self.prevouts
    }

    /// The digest before segwit. `script_code` comes as it is; its OP_CODESEPARATORs are left out here. None where there
    /// is no such input.
    pub fn legacy_sighash(&self, input: usize, script_code: &[u8], hash_type: u32) -> Option<[u8; 32]> {
        let own = self.tx.input.get(input)?;
        let kind = HashType(hash_type);
        if kind.is_single() && input >= self.tx.output.len() {
            return Some(SINGLE_WITHOUT_OUTPUT);
        }
        let mut engine = sha256d::Hash::engine();
        engine.input(&self.tx.version.0.to_le_bytes());
        if kind.is_anyone_can_pay() {
            write_len(&mut engine, 1);
            write_own_input(&mut engine, own, script_code);
        } else {
            self.write_legacy_inputs(&mut engine, input, script_code, kind);
        }
        self.write_legacy_outputs(&mut engine, input, kind);
        engine.input(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        engine.input(&hash_type.to_le_bytes());
        Some(sha256d::Hash::from_engine(engine).to_byte_array())
    }

    fn write_legacy_inputs(
        &self,
        engine: &mut sha256::HashEngine,
        own: usize,
        script_code: &[u8],
        kind: HashType,
    ) {
        write_len(engine, self.tx.input.len());
        for (i, input) in self.tx.input.iter().enumerate() {
            if i == own {
                write_own_input(engine, input, script_code);
                continue;
            }
            write_outpoint(engine, &input.previous_output);
            write_len(engine, 0);
            let sequence = if kind.is_all() { input.sequence.0 } else { 0 };
            engine.input(&sequence.to_le_bytes());
        }
    }

    fn write_legacy_outputs(&self, engine: &mut sha256::HashEngine, own: usize, kind: HashType) {
        if kind.is_none() {
            return write_len(engine, 0);
        }
        if kind.is_all() {
            write_len(engine, self.tx.output.len());
            return self.tx.output.iter().for_each(|output| write_output(engine, output));
        }
        write_len(engine, own.saturating_add(1));
        for _ in 0..own {
            engine.input(&u64::MAX.to_le_bytes());
            write_len(engine, 0);
        }
        if let Some(output) = self.tx.output.get(own) {
            write_output(engine, output);
        }
    }

    /// The digest of a version 0 witness (BIP-0143). None where there is no such input.
    pub fn segwit_v0_sighash(
        &self,
        input: usize,
        script_code: &[u8],
        hash_type: u32,
        amount_sat: u64,
    ) -> Option<[u8; 32]> {
        let own = self.tx.input.get(input)?;
        let kind = HashType(hash_type);
        let mut engine = sha256d::Hash::engine();
        engine.input(&self.tx.version.0.to_le_bytes());
        engine.input(&if kind.is_anyone_can_pay() { [0; 32] } else { twice(self.common().prevouts) });
        let signs_sequences = kind.is_all() && !kind.is_anyone_can_pay();
        engine.input(&if signs_sequences { twice(self.common().sequences) } else { [0; 32] });
        write_outpoint(&mut engine, &own.previous_output);
        write_bytes(&mut engine, script_code);
        engine.input(&amount_sat.to_le_bytes());
        engine.input(&own.sequence.0.to_le_bytes());
        engine.input(&self.segwit_v0_outputs(input, kind));
        engine.input(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        engine.input(&hash_type.to_le_bytes());
        Some(sha256d::Hash::from_engine(engine).to_byte_array())
    }

    fn segwit_v0_outputs(&self, input: usize, kind: HashType) -> [u8; 32] {
        if kind.is_all() {
            return twice(self.common().outputs);
        }
        match self.tx.output.get(input) {
            Some(output) if kind.is_single() => twice(sha256_of(|engine| write_output(engine, output))),
            _ => [0; 32],
        }
    }

    /// The digest of BIP-0341. None for a hash type that it does not know, for SINGLE without its output, for an input
    /// that is not there, and where the prevouts are not as many as the inputs.
    pub fn taproot_sighash(&self, input: usize, hash_type: u8, extra: &TaprootExtra) -> Option<[u8; 32]> {
        if !matches!(hash_type, 0..=3 | 0x81..=0x83) || self.prevouts.len() != self.tx.input.len() {
            return None;
        }
        let kind = HashType(u32::from(hash_type));
        let (own, prevout) = (self.tx.input.get(input)?, self.prevouts.get(input)?);
        let mut engine = TAP_SIGHASH.clone();
        engine.input(&[0, hash_type]);
        engine.input(&self.tx.version.0.to_le_bytes());
        engine.input(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        self.write_taproot_common(&mut engine, kind);
        engine.input(&[spend_type(extra)]);
        if kind.is_anyone_can_pay() {
            write_outpoint(&mut engine, &own.previous_output);
            write_output(&mut engine, prevout);
            engine.input(&own.sequence.0.to_le_bytes());
        } else {
            engine.input(&u32::try_from(input).ok()?.to_le_bytes());
        }
        if let Some(annex_hash) = extra.annex_hash {
            engine.input(&annex_hash);
        }
        if kind.is_single() {
            let output = self.tx.output.get(input)?;
            engine.input(sha256_of(|engine| write_output(engine, output)).as_byte_array());
        }
        if let Some((leaf_hash, code_separator)) = extra.leaf {
            engine.input(&leaf_hash);
            engine.input(&[0]);
            engine.input(&code_separator.to_le_bytes());
        }
        Some(sha256::Hash::from_engine(engine).to_byte_array())
    }

    fn write_taproot_common(&self, engine: &mut sha256::HashEngine, kind: HashType) {
        if !kind.is_anyone_can_pay() {
            engine.input(self.common().prevouts.as_byte_array());
            engine.input(self.spent().amounts.as_byte_array());
            engine.input(self.spent().scripts.as_byte_array());
            engine.input(self.common().sequences.as_byte_array());
        }
        if kind.is_all() {
            engine.input(self.common().outputs.as_byte_array());
        }
    }

    fn common(&self) -> &Common {
        self.common.get_or_init(|| Common {
            prevouts: sha256_of(|e| self.tx.input.iter().for_each(|i| write_outpoint(e, &i.previous_output))),
            sequences: sha256_of(|e| self.tx.input.iter().for_each(|i| e.input(&i.sequence.0.to_le_bytes()))),
            outputs: sha256_of(|e| self.tx.output.iter().for_each(|o| write_output(e, o))),
        })
    }

    fn spent(&self) -> &Spent {
        self.spent.get_or_init(|| Spent {
            amounts: sha256_of(|e| {
                self.prevouts.iter().for_each(|o| e.input(&o.value.to_sat().to_le_bytes()))
            }),
            scripts: sha256_of(|e| {
                self.prevouts.iter().for_each(|o| write_bytes(e, o.script_pubkey.as_bytes()))
            }),
        })
    }
}

/// The engine of a tagged hash (BIP-0340) with the tag already in it.
pub(super) fn tagged_engine(tag: &str) -> sha256::HashEngine {
    let tag_hash = sha256::Hash::hash(tag.as_bytes());
    let mut engine = sha256::Hash::engine();
    engine.input(tag_hash.as_byte_array());
    engine.input(tag_hash.as_byte_array());
    engine
}

static TAP_SIGHASH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged_engine("TapSighash"));

/// The single SHA-256 of bytes with their length before them, as BIP-0341 hashes the annex.
pub(super) fn hash_with_len(bytes: &[u8]) -> [u8; 32] {
    sha256_of(|engine| write_bytes(engine, bytes)).to_byte_array()
}

/// Bit 0: an annex; bit 1: a tapscript.
fn spend_type(extra: &TaprootExtra) -> u8 {
    match (extra.leaf.is_some(), extra.annex_hash.is_some()) {
        (false, false) => 0,
        (false, true) => 1,
        (true, false) => 2,
        (true, true) => 3,
    }
}

fn sha256_of(write: impl FnOnce(&mut sha256::HashEngine)) -> sha256::Hash {
    let mut engine = sha256::Hash::engine();
    write(&mut engine);
    sha256::Hash::from_engine(engine)
}

fn twice(once: sha256::Hash) -> [u8; 32] {
    once.hash_again().to_byte_array()
}

fn write_outpoint(engine: &mut sha256::HashEngine, outpoint: &OutPoint) {
    engine.input(outpoint.txid.as_byte_array());
    engine.input(&outpoint.vout.to_le_bytes());
}

fn write_output(engine: &mut sha256::HashEngine, output: &TxOut) {
    engine.input(&output.value.to_sat().to_le_bytes());
    write_bytes(engine, output.script_pubkey.as_bytes());
}

pub(super) fn write_bytes(engine: &mut sha256::HashEngine, bytes: &[u8]) {
    write_len(engine, bytes.len());
    engine.input(bytes);
}

/// A CompactSize.
fn write_len(engine: &mut sha256::HashEngine, len: usize) {
    match (u8::try_from(len), u16::try_from(len), u32::try_from(len)) {
        (Ok(short @ ..=0xfc), _, _) => engine.input(&[short]),
        (_, Ok(two), _) => {
            engine.input(&[0xfd]);
            engine.input(&two.to_le_bytes());
        }
        (_, _, Ok(four)) => {
            engine.input(&[0xfe]);
            engine.input(&four.to_le_bytes());
        }
        _ => {
            engine.input(&[0xff]);
            engine.input(&u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes());
        }
    }
}

fn write_own_input(engine: &mut sha256::HashEngine, input: &TxIn, script_code: &[u8]) {
    write_outpoint(engine, &input.previous_output);
    write_without_code_separators(engine, script_code);
    engine.input(&input.sequence.0.to_le_bytes());
}

/// The length and the bytes of a script without its OP_CODESEPARATORs. A truncated push ends it behind the length of
/// the push, as in Core; such a script fails whatever the signature says.
fn write_without_code_separators(engine: &mut sha256::HashEngine, script: &[u8]) {
    let mut reader = Reader::new(script);
    let mut separators: usize = 0;
    while let Some(Ok(instruction)) = reader.read() {
        separators = separators.saturating_add(usize::from(instruction.opcode == OP_CODESEPARATOR));
    }
    write_len(engine, script.len().saturating_sub(separators));
    let mut reader = Reader::new(script);
    let mut piece = script;
    while let Some(Ok(instruction)) = reader.read() {
        if instruction.opcode == OP_CODESEPARATOR {
            engine.input(read_of(piece, &reader, 1));
            piece = reader.rest();
        }
    }
    engine.input(read_of(piece, &reader, 0));
}

/// What has been read since `piece` began, but the last `without` bytes.
fn read_of<'a>(piece: &'a [u8], reader: &Reader<'_>, without: usize) -> &'a [u8] {
    let len = piece.len().saturating_sub(reader.rest().len()).saturating_sub(without);
    piece.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
