use std::ops::Range;
use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Weight, Witness, Wtxid,
};
use thiserror::Error;

use super::reader::{DecodeError, Reader};

/// Why bytes are not a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("transaction does not decode: {0}")]
pub struct TxDecodeError(#[from] pub DecodeError);

/// An input takes at least so many bytes: outpoint, an empty script, sequence.
const INPUT_BYTES_MIN: usize = 41;
/// An output takes at least so many bytes: amount, an empty script.
const OUTPUT_BYTES_MIN: usize = 9;
/// An item of a witness takes at least one byte: its length.
const WITNESS_ITEM_BYTES_MIN: usize = 1;

/// A transaction with its two ids, its sizes and its own bytes; nothing is hashed or written twice.
///
/// The bytes are shared with the block that the transaction came in: [`ParsedTx::detached`] gives a copy that does
/// not keep the block's bytes alive.
#[derive(Clone, Debug)]
pub struct ParsedTx {
    tx: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    base_size: usize,
    buffer: Arc<[u8]>,
    range: Range<usize>,
}

impl ParsedTx {
    /// Writes and hashes a transaction and keeps both beside it.
    pub fn new(tx: Transaction) -> ParsedTx {
        let buffer: Arc<[u8]> = encode::serialize(&tx).into();
        let range = 0..buffer.len();
        ParsedTx::of_library(tx, buffer, range)
    }

    /// A transaction that the library has already written to `range` of `buffer`.
    pub(super) fn of_library(tx: Transaction, buffer: Arc<[u8]>, range: Range<usize>) -> ParsedTx {
        let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
        let base_size = tx.base_size();
        ParsedTx { tx, txid, wtxid, base_size, buffer, range }
    }

    /// The same transaction, whose bytes stand in `range` of `buffer` too.
    pub(super) fn placed(self, buffer: Arc<[u8]>, range: Range<usize>) -> ParsedTx {
        ParsedTx { buffer, range, ..self }
    }

    /// Parses one whole transaction (BIP144 encoding), nothing after it.
    pub fn decode(raw: &[u8]) -> Result<ParsedTx, TxDecodeError> {
        let mut reader = Reader::new(raw);
        let unbound = UnboundTx::read(&mut reader, raw)?;
        reader.expect_end()?;
        Ok(unbound.bind(&Arc::from(raw)))
    }

    /// The transaction.
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// Its BIP144 encoding.
    pub fn raw(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// Hash without witnesses.
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// Hash with witnesses.
    pub fn wtxid(&self) -> Wtxid {
        self.wtxid
    }

    /// Bytes without witnesses.
    pub fn base_size(&self) -> usize {
        self.base_size
    }

    /// Bytes with witnesses.
    pub fn total_size(&self) -> usize {
        self.range.len()
    }

    /// BIP141 weight.
    pub fn weight(&self) -> Weight {
        weight_of(self.base_size, self.total_size())
    }

    /// Whether any input has a witness.
    pub fn has_witness(&self) -> bool {
        self.tx.input.iter().any(|input| !input.witness.is_empty())
    }

    /// The same transaction with bytes of its own, for who keeps it longer than its block.
    #[must_use]
    pub fn detached(&self) -> ParsedTx {
        ParsedTx { buffer: Arc::from(self.raw()), range: 0..self.range.len(), ..self.clone() }
    }
}

/// Two are equal where their bytes are: the wtxid commits to all of them.
impl PartialEq for ParsedTx {
    fn eq(&self, other: &ParsedTx) -> bool {
        self.wtxid == other.wtxid
    }
}

impl Eq for ParsedTx {}

/// BIP141: three times the bytes without witnesses and once the bytes with them.
pub(super) fn weight_of(base_size: usize, total_size: usize) -> Weight {
    let wu = base_size.saturating_mul(3).saturating_add(total_size);
    Weight::from_wu(u64::try_from(wu).unwrap_or(u64::MAX))
}

/// A parsed transaction that does not hold its bytes yet.
pub(super) struct UnboundTx {
    tx: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    base_size: usize,
    range: Range<usize>,
}

impl UnboundTx {
    /// Reads the next transaction; `raw` is what the reader reads.
    pub(super) fn read(reader: &mut Reader<'_>, raw: &[u8]) -> Result<UnboundTx, DecodeError> {
        let start = reader.position();
        let version = Version(i32::from_le_bytes(reader.array()?));
        let body = Body::read(reader)?;
        let body_end = reader.position();
        let Body { mut input, output, has_witness, start: body_start } = body;
        if has_witness {
            read_witnesses(reader, &mut input)?;
        }
        let tail_start = reader.position();
        let lock_time = LockTime::from_consensus(reader.u32()?);
        let range = start..reader.position();
        let tx = Transaction { version, lock_time, input, output };

        let parts = [start..start.saturating_add(4), body_start..body_end, tail_start..range.end];
        let whole = sha256d::Hash::hash(raw.get(range.clone()).unwrap_or_default());
        let base_size = parts.iter().map(Range::len).sum();
        let txid = if has_witness { hash_parts(raw, &parts) } else { whole };
        Ok(UnboundTx { tx, txid: txid.into(), wtxid: whole.into(), base_size, range })
    }

    /// Ties it to the buffer that it was read from.
    pub(super) fn bind(self, buffer: &Arc<[u8]>) -> ParsedTx {
        let UnboundTx { tx, txid, wtxid, base_size, range } = self;
        ParsedTx { tx, txid, wtxid, base_size, buffer: Arc::clone(buffer), range }
    }
}

/// Inputs and outputs, and whether witnesses follow.
struct Body {
    input: Vec<TxIn>,
    output: Vec<TxOut>,
    has_witness: bool,
    /// Where the count of inputs stands: behind marker and flag, where there are any.
    start: usize,
}

impl Body {
    /// As Core reads it: no input at first means a flag byte; a flag of 0 means a transaction without inputs and outputs.
    fn read(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
        let start = reader.position();
        let input = read_inputs(reader)?;
        if !input.is_empty() {
            return Ok(Body { input, output: read_outputs(reader)?, has_witness: false, start });
        }
        match reader.array()? {
            [0] => Ok(Body { input, output: Vec::new(), has_witness: false, start }),
            [1] => {
                let start = reader.position();
                let input = read_inputs(reader)?;
                Ok(Body { input, output: read_outputs(reader)?, has_witness: true, start })
            }
            _ => Err(DecodeError::UnknownFlag),
        }
    }
}

fn read_inputs(reader: &mut Reader<'_>) -> Result<Vec<TxIn>, DecodeError> {
    let count = reader.size()?;
    let mut inputs = Vec::with_capacity(reader.capacity(count, INPUT_BYTES_MIN));
    for _ in 0..count {
        let txid = Txid::from_byte_array(reader.array()?);
        inputs.push(TxIn {
            previous_output: OutPoint { txid, vout: reader.u32()? },
            script_sig: ScriptBuf::from_bytes(reader.sized_bytes()?.to_vec()),
            sequence: Sequence(reader.u32()?),
            witness: Witness::new(),
        });
    }
    Ok(inputs)
}

fn read_outputs(reader: &mut Reader<'_>) -> Result<Vec<TxOut>, DecodeError> {
    let count = reader.size()?;
    let mut outputs = Vec::with_capacity(reader.capacity(count, OUTPUT_BYTES_MIN));
    for _ in 0..count {
        outputs.push(TxOut {
            value: Amount::from_sat(u64::from_le_bytes(reader.array()?)),
            script_pubkey: ScriptBuf::from_bytes(reader.sized_bytes()?.to_vec()),
        });
    }
    Ok(outputs)
}

/// A script with its length, then a witness with its count, and nothing after them: what a signet block carries (BIP325).
pub fn decode_script_and_witness(raw: &[u8]) -> Result<(ScriptBuf, Witness), DecodeError> {
    let mut reader = Reader::new(raw);
    let script = ScriptBuf::from_bytes(reader.sized_bytes()?.to_vec());
    let witness = read_witness(&mut reader)?;
    reader.expect_end()?;
    Ok((script, witness))
}

/// One witness an input.
fn read_witnesses(reader: &mut Reader<'_>, inputs: &mut [TxIn]) -> Result<(), DecodeError> {
    for input in inputs.iter_mut() {
        input.witness = read_witness(reader)?;
    }
    match inputs.iter().all(|input| input.witness.is_empty()) {
        true => Err(DecodeError::SuperfluousWitness),
        false => Ok(()),
    }
}

/// Items are bounded by the bytes that are there, and by nothing else.
fn read_witness(reader: &mut Reader<'_>) -> Result<Witness, DecodeError> {
    let count = reader.size()?;
    let mut items: Vec<&[u8]> = Vec::with_capacity(reader.capacity(count, WITNESS_ITEM_BYTES_MIN));
    for _ in 0..count {
        items.push(reader.sized_bytes()?);
    }
    Ok(Witness::from_slice(&items))
}

fn hash_parts(raw: &[u8], parts: &[Range<usize>]) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    for part in parts {
        engine.input(raw.get(part.clone()).unwrap_or_default());
    }
    sha256d::Hash::from_engine(engine)
}

#[cfg(test)]
#[path = "tx/tests.rs"]
mod tests;
