use std::ops::Range;
use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Weight, Witness, Wtxid,
};
use thiserror::Error;

use super::hash::sha256d_each;
use super::reader::{DecodeError, Reader};

/// Why bytes are not a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("transaction does not decode: {0}")]
pub struct TxDecodeError(#[from] pub DecodeError);

const VERSION_BYTES: usize = 4;
const LOCK_TIME_BYTES: usize = 4;
/// Marker and flag (BIP144).
const MARKER_BYTES: usize = 2;

/// Transactions whose ids are found together: enough that none waits alone for long, few enough that their bytes stay at hand.
const HASHED_AT_ONCE: usize = 64;

/// A transaction takes at least so many bytes: version, two counts, lock time.
const TX_BYTES_MIN: usize = 10;
/// One that pays takes at least so many: an input and an output, too. Memory for smaller ones is asked for when they come.
const TX_BYTES_LIKELY: usize = 60;
/// An input takes at least so many bytes: outpoint, an empty script, sequence.
const INPUT_BYTES_MIN: usize = 41;
/// An output takes at least so many bytes: amount, an empty script.
const OUTPUT_BYTES_MIN: usize = 9;
/// An item of a witness takes at least one byte: its length.
const WITNESS_ITEM_BYTES_MIN: usize = 1;
/// A witness of so many items needs no memory but its own.
const WITNESS_ITEMS_FEW: usize = 8;

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
        let (parsed, length) = ParsedTx::decode_first(raw)?;
        if length == raw.len() { Ok(parsed) } else { Err(DecodeError::TrailingBytes.into()) }
    }

    /// Parses the transaction that `raw` begins with, and says how many bytes it has.
    pub fn decode_first(raw: &[u8]) -> Result<(ParsedTx, usize), TxDecodeError> {
        let mut reader = Reader::new(raw)?;
        let mut tx = empty();
        let base_size = read_tx(&mut reader, &mut tx)?;
        let length = reader.position();
        let own = raw.get(..length).unwrap_or_default();
        let mut parsed = ParsedTx::unhashed(tx, base_size, Arc::from(own), 0..length);
        hash(std::slice::from_mut(&mut parsed));
        Ok((parsed, length))
    }

    /// One whose ids are not there yet: [`hash`] finds them.
    fn unhashed(tx: Transaction, base_size: usize, buffer: Arc<[u8]>, range: Range<usize>) -> ParsedTx {
        let (txid, wtxid) = (Txid::all_zeros(), Wtxid::all_zeros());
        ParsedTx { tx, txid, wtxid, base_size, buffer, range }
    }

    /// Whether its bytes hold marker, flag and witnesses.
    fn is_marked(&self) -> bool {
        self.base_size != self.total_size()
    }

    /// Its bytes without marker, flag and witnesses: version, inputs and outputs, lock time.
    fn stripped(&self) -> [&[u8]; 3] {
        let part = |from: usize, length: usize| {
            self.raw().get(from..from.saturating_add(length)).unwrap_or_default()
        };
        let body = self.base_size.saturating_sub(VERSION_BYTES).saturating_sub(LOCK_TIME_BYTES);
        let lock_time = self.total_size().saturating_sub(LOCK_TIME_BYTES);
        [
            part(0, VERSION_BYTES),
            part(VERSION_BYTES.saturating_add(MARKER_BYTES), body),
            part(lock_time, LOCK_TIME_BYTES),
        ]
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

fn empty() -> Transaction {
    Transaction { version: Version(0), lock_time: LockTime::ZERO, input: Vec::new(), output: Vec::new() }
}

/// Parses the next transactions of a block, all but their ids: [`hash`] finds them.
pub(super) fn read(
    reader: &mut Reader<'_>,
    buffer: &Arc<[u8]>,
    count: usize,
) -> Result<Vec<ParsedTx>, DecodeError> {
    let mut txs = Vec::with_capacity(reader.capacity(count, TX_BYTES_LIKELY));
    for done in 0..count {
        if txs.len() == txs.capacity() {
            txs.reserve_exact(reader.capacity(count.saturating_sub(done), TX_BYTES_MIN));
        }
        let start = reader.position();
        let mut tx = empty();
        let base_size = read_tx(reader, &mut tx)?;
        txs.push(ParsedTx::unhashed(tx, base_size, Arc::clone(buffer), start..reader.position()));
    }
    Ok(txs)
}

/// Finds the ids of parsed transactions, many at once.
pub(super) fn hash(txs: &mut [ParsedTx]) {
    for batch in txs.chunks_mut(HASHED_AT_ONCE) {
        let whole = batch.iter().map(|tx| [tx.raw(), &[], &[]]);
        let stripped = batch.iter().filter(|tx| tx.is_marked()).map(ParsedTx::stripped);
        let hashes = sha256d_each(whole.chain(stripped));
        let mut hashes = hashes.into_iter().map(sha256d::Hash::from_byte_array);
        for (tx, hash) in batch.iter_mut().zip(&mut hashes) {
            (tx.txid, tx.wtxid) = (hash.into(), hash.into());
        }
        for (tx, hash) in batch.iter_mut().filter(|tx| tx.is_marked()).zip(hashes) {
            tx.txid = hash.into();
        }
    }
}

/// Reads the next transaction into an empty one, and says how long it is without witnesses.
///
/// Core's order: no input at first means a flag byte behind it; a flag of 0 means a transaction without inputs and
/// outputs. What is read is written where it stays: a `Result` with it would be copied at every step.
fn read_tx(reader: &mut Reader<'_>, tx: &mut Transaction) -> Result<usize, DecodeError> {
    tx.version = Version(i32::from_le_bytes(*reader.array()?));
    let mut body = reader.position();
    read_inputs(reader, &mut tx.input)?;
    let flag = if tx.input.is_empty() { Some(reader.array()?) } else { None };
    match flag {
        None => read_outputs(reader, &mut tx.output)?,
        Some([0]) => {}
        Some([1]) => {
            body = reader.position();
            read_inputs(reader, &mut tx.input)?;
            read_outputs(reader, &mut tx.output)?;
        }
        Some(_) => return Err(DecodeError::UnknownFlag),
    }
    let body = reader.position().saturating_sub(body);
    if matches!(flag, Some([1])) {
        read_witnesses(reader, &mut tx.input)?;
    }
    tx.lock_time = LockTime::from_consensus(reader.u32()?);
    Ok(body.saturating_add(VERSION_BYTES).saturating_add(LOCK_TIME_BYTES))
}

fn read_inputs(reader: &mut Reader<'_>, inputs: &mut Vec<TxIn>) -> Result<(), DecodeError> {
    let count = reader.size()?;
    *inputs = Vec::with_capacity(reader.capacity(count, INPUT_BYTES_MIN));
    for _ in 0..count {
        let txid = Txid::from_byte_array(*reader.array()?);
        let vout = reader.u32()?;
        let script = reader.sized_bytes()?;
        let sequence = Sequence(reader.u32()?);
        inputs.push(TxIn {
            previous_output: OutPoint { txid, vout },
            script_sig: ScriptBuf::from_bytes(script.to_vec()),
            sequence,
            witness: Witness::new(),
        });
    }
    Ok(())
}

fn read_outputs(reader: &mut Reader<'_>, outputs: &mut Vec<TxOut>) -> Result<(), DecodeError> {
    let count = reader.size()?;
    *outputs = Vec::with_capacity(reader.capacity(count, OUTPUT_BYTES_MIN));
    for _ in 0..count {
        let value = Amount::from_sat(u64::from_le_bytes(*reader.array()?));
        let script = reader.sized_bytes()?;
        outputs.push(TxOut { value, script_pubkey: ScriptBuf::from_bytes(script.to_vec()) });
    }
    Ok(())
}

/// A script with its length, then a witness with its count, and nothing after them: what a signet block carries (BIP325).
pub fn decode_script_and_witness(raw: &[u8]) -> Result<(ScriptBuf, Witness), DecodeError> {
    let mut reader = Reader::new(raw)?;
    let script = ScriptBuf::from_bytes(reader.sized_bytes()?.to_vec());
    let mut witness = Witness::new();
    read_witness(&mut reader, &mut witness)?;
    reader.expect_end()?;
    Ok((script, witness))
}

/// One witness an input.
fn read_witnesses(reader: &mut Reader<'_>, inputs: &mut [TxIn]) -> Result<(), DecodeError> {
    let mut any = false;
    for input in inputs {
        read_witness(reader, &mut input.witness)?;
        any |= !input.witness.is_empty();
    }
    if any { Ok(()) } else { Err(DecodeError::SuperfluousWitness) }
}

/// Items are bounded by the bytes that are there, and by nothing else.
fn read_witness(reader: &mut Reader<'_>, witness: &mut Witness) -> Result<(), DecodeError> {
    let count = reader.size()?;
    let mut few: [&[u8]; WITNESS_ITEMS_FEW] = [&[]; WITNESS_ITEMS_FEW];
    let mut many;
    let items = match few.get_mut(..count) {
        Some(few) => {
            for item in few.iter_mut() {
                *item = reader.sized_bytes()?;
            }
            few
        }
        None => {
            many = Vec::with_capacity(reader.capacity(count, WITNESS_ITEM_BYTES_MIN));
            for _ in 0..count {
                many.push(reader.sized_bytes()?);
            }
            many.as_mut_slice()
        }
    };
    if !items.is_empty() {
        *witness = Witness::from_slice(items);
    }
    Ok(())
}

#[cfg(test)]
#[path = "tx/tests.rs"]
mod tests;
