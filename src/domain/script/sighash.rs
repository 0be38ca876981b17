//! What a signature signs: the digests before segwit, of BIP-0143 and of BIP-0341.
//!
//! Owns the hashes that the inputs of one transaction have in common, each computed once, when first asked for. What the
//! signatures of one script have in common stands in [`Midstates`].

mod legacy;
mod midstates;

use std::sync::{LazyLock, OnceLock};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{OutPoint, Transaction, TxOut};

use self::legacy::LegacyInputs;
pub(super) use self::midstates::Midstates;
use crate::wire::hash::Sha256;

/// The digest of SIGHASH_SINGLE without its output, before segwit: the number 1, little-endian.
const SINGLE_WITHOUT_OUTPUT: [u8; 32] = {
    let mut one = [0; 32];
    one[0] = 1;
    one
};

/// A hash type byte, kept raw: every bit of it is signed, those without a meaning too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HashType(u32);

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

impl From<u8> for HashType {
    fn from(byte: u8) -> HashType {
        HashType(u32::from(byte))
    }
}

/// A transaction beside its prevouts, with what the signature hashes of its inputs have in common.
#[derive(Debug)]
pub struct TxContext<'a> {
    tx: &'a Transaction,
    prevouts: &'a [TxOut],
    common: OnceLock<Common>,
    spent: OnceLock<Spent>,
    /// For ALL; and for NONE and SINGLE, where the sequence numbers of the others are zero.
    legacy_inputs: [OnceLock<LegacyInputs>; 2],
    legacy_outputs: OnceLock<Vec<u8>>,
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
        TxContext {
            tx,
            prevouts,
            common: OnceLock::new(),
            spent: OnceLock::new(),
            legacy_inputs: [const { OnceLock::new() }; 2],
            legacy_outputs: OnceLock::new(),
        }
    }

    /// The transaction.
    pub fn tx(&self) -> &'a Transaction {
        self.tx
    }

    /// The outputs that it spends.
    pub fn prevouts(&self) -> &'a [TxOut] {
        self.prevouts
    }

    /// The digest of a version 0 witness (BIP-0143). None where there is no such input.
    pub fn segwit_v0_sighash(
        &self,
        input: usize,
        script_code: &[u8],
        hash_type: u32,
        amount_sat: u64,
    ) -> Option<[u8; 32]> {
        let midstate = self.segwit_v0_midstate(input, script_code, HashType(hash_type), amount_sat)?;
        Some(signed_with(midstate, hash_type))
    }

    /// All that a version 0 signature signs but its hash type.
    pub(super) fn segwit_v0_midstate(
        &self,
        input: usize,
        script_code: &[u8],
        kind: HashType,
        amount_sat: u64,
    ) -> Option<Sha256> {
        let own = self.tx.input.get(input)?;
        let mut engine = Sha256::new();
        engine.update(&self.tx.version.0.to_le_bytes());
        engine.update(&if kind.is_anyone_can_pay() { [0; 32] } else { twice(self.common().prevouts) });
        let signs_sequences = kind.is_all() && !kind.is_anyone_can_pay();
        engine.update(&if signs_sequences { twice(self.common().sequences) } else { [0; 32] });
        engine.update(&outpoint_bytes(&own.previous_output));
        write_bytes(&mut engine, script_code);
        engine.update(&amount_sat.to_le_bytes());
        engine.update(&own.sequence.0.to_le_bytes());
        engine.update(&self.segwit_v0_outputs(input, kind));
        engine.update(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        Some(engine)
    }

    fn segwit_v0_outputs(&self, input: usize, kind: HashType) -> [u8; 32] {
        if kind.is_all() {
            return twice(self.common().outputs);
        }
        match self.single_output(input) {
            Some(output) if kind.is_single() => twice(output),
            _ => [0; 32],
        }
    }

    /// SHA-256 of the output that SIGHASH_SINGLE signs, where there is one.
    pub(super) fn single_output(&self, input: usize) -> Option<sha256::Hash> {
        self.tx.output.get(input).map(|output| sha256_of(|engine| write_output(engine, output)))
    }

    /// The digest of BIP-0341. None for a hash type that it does not know, for SINGLE without its output, for an input
    /// that is not there, and where the prevouts are not as many as the inputs.
    pub fn taproot_sighash(&self, input: usize, hash_type: u8, extra: &TaprootExtra) -> Option<[u8; 32]> {
        self.taproot_digest(input, hash_type, extra, || self.single_output(input))
    }

    /// As [`TxContext::taproot_sighash`], where `output` is the input's own, asked for under SINGLE.
    pub(super) fn taproot_digest(
        &self,
        input: usize,
        hash_type: u8,
        extra: &TaprootExtra,
        output: impl FnOnce() -> Option<sha256::Hash>,
    ) -> Option<[u8; 32]> {
        if !matches!(hash_type, 0..=3 | 0x81..=0x83) || self.prevouts.len() != self.tx.input.len() {
            return None;
        }
        let kind = HashType::from(hash_type);
        let (own, prevout) = (self.tx.input.get(input)?, self.prevouts.get(input)?);
        let mut engine = TAP_SIGHASH.clone();
        engine.update(&[0, hash_type]);
        engine.update(&self.tx.version.0.to_le_bytes());
        engine.update(&self.tx.lock_time.to_consensus_u32().to_le_bytes());
        self.write_taproot_common(&mut engine, kind);
        engine.update(&[spend_type(extra)]);
        if kind.is_anyone_can_pay() {
            engine.update(&outpoint_bytes(&own.previous_output));
            write_output(&mut engine, prevout);
            engine.update(&own.sequence.0.to_le_bytes());
        } else {
            engine.update(&u32::try_from(input).ok()?.to_le_bytes());
        }
        if let Some(annex_hash) = extra.annex_hash {
            engine.update(&annex_hash);
        }
        if kind.is_single() {
            engine.update(output()?.as_byte_array());
        }
        if let Some((leaf_hash, code_separator)) = extra.leaf {
            engine.update(&leaf_hash);
            engine.update(&[0]);
            engine.update(&code_separator.to_le_bytes());
        }
        Some(engine.finish().to_byte_array())
    }

    fn write_taproot_common(&self, engine: &mut Sha256, kind: HashType) {
        if !kind.is_anyone_can_pay() {
            engine.update(self.common().prevouts.as_byte_array());
            engine.update(self.spent().amounts.as_byte_array());
            engine.update(self.spent().scripts.as_byte_array());
            engine.update(self.common().sequences.as_byte_array());
        }
        if kind.is_all() {
            engine.update(self.common().outputs.as_byte_array());
        }
    }

    fn common(&self) -> &Common {
        let inputs = &self.tx.input;
        self.common.get_or_init(|| Common {
            prevouts: sha256_of(|e| {
                inputs.iter().for_each(|i| e.update(&outpoint_bytes(&i.previous_output)))
            }),
            sequences: sha256_of(|e| inputs.iter().for_each(|i| e.update(&i.sequence.0.to_le_bytes()))),
            outputs: sha256_of(|e| self.tx.output.iter().for_each(|o| write_output(e, o))),
        })
    }

    fn spent(&self) -> &Spent {
        self.spent.get_or_init(|| Spent {
            amounts: sha256_of(|e| {
                self.prevouts.iter().for_each(|o| e.update(&o.value.to_sat().to_le_bytes()));
            }),
            scripts: sha256_of(|e| {
                self.prevouts.iter().for_each(|o| write_bytes(e, o.script_pubkey.as_bytes()));
            }),
        })
    }
}

/// The digest of what is signed, with the hash type behind it.
fn signed_with(midstate: Sha256, hash_type: u32) -> [u8; 32] {
    midstate.with(&hash_type.to_le_bytes()).finish_twice().to_byte_array()
}

static TAP_SIGHASH: LazyLock<Sha256> = LazyLock::new(|| Sha256::tagged(b"TapSighash"));

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

fn sha256_of(write: impl FnOnce(&mut Sha256)) -> sha256::Hash {
    let mut engine = Sha256::new();
    write(&mut engine);
    engine.finish()
}

fn twice(once: sha256::Hash) -> [u8; 32] {
    crate::wire::hash::sha256(once.as_byte_array()).to_byte_array()
}

/// `<txid, 32> <index, 4 little-endian>`.
fn outpoint_bytes(outpoint: &OutPoint) -> [u8; 36] {
    let mut bytes = [0; 36];
    let (txid, vout) = bytes.split_at_mut(32);
    txid.copy_from_slice(outpoint.txid.as_byte_array());
    vout.copy_from_slice(&outpoint.vout.to_le_bytes());
    bytes
}

fn write_output(engine: &mut Sha256, output: &TxOut) {
    engine.update(&output.value.to_sat().to_le_bytes());
    write_bytes(engine, output.script_pubkey.as_bytes());
}

pub(super) fn write_bytes(engine: &mut Sha256, bytes: &[u8]) {
    write_len(engine, bytes.len());
    engine.update(bytes);
}

fn write_len(engine: &mut Sha256, len: usize) {
    let (bytes, count) = compact_size(len);
    engine.update(bytes.get(..count).unwrap_or_default());
}

/// A CompactSize: the first so many of these bytes.
fn compact_size(len: usize) -> ([u8; 9], usize) {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    let [a, b, c, d, e, f, g, h] = len.to_le_bytes();
    match len {
        0..=0xfc => ([a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
        0xfd..=0xffff => ([0xfd, a, b, 0, 0, 0, 0, 0, 0], 3),
        0x1_0000..=0xffff_ffff => ([0xfe, a, b, c, d, 0, 0, 0, 0], 5),
        _ => ([0xff, a, b, c, d, e, f, g, h], 9),
    }
}

#[cfg(test)]
mod tests;
