//! Bytes that are nearly a block or a transaction, to Adit's parser and to Core's: both read the same from them, or neither
//! reads anything.
//!
//! `cargo test --release -p adit-benches --test parse`. The seed is in the source and printed; a difference prints its bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs
)]

use adit_domain::wire::{DecodeError, ParsedBlock, ParsedTx};
use bitcoin::consensus::encode::serialize;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use bitcoinkernel::prelude::*;

const SEED: u64 = 0x61_64_69_74;
const TRANSACTIONS: usize = 1_000_000;
const BLOCKS: usize = 300_000;

/// Bytes that mean something at some place: counts, markers, flags, and the marks of a CompactSize.
const TELLING: [u8; 12] = [0, 1, 2, 3, 0x20, 0x7f, 0x80, 0xfc, 0xfd, 0xfe, 0xff, 41];
/// CompactSizes at their edges, in the shortest form and not.
const SIZES: [&[u8]; 11] = [
    &[0xfd, 0, 0],
    &[0xfd, 1, 0],
    &[0xfd, 0xfc, 0],
    &[0xfd, 0xfd, 0],
    &[0xfe, 0xff, 0xff, 0, 0],
    &[0xfe, 0, 0, 1, 0],
    &[0xfe, 0, 0, 0, 2],
    &[0xfe, 1, 0, 0, 2],
    &[0xff, 0, 0, 0, 2, 0, 0, 0, 0],
    &[0xff, 0, 0, 0, 0, 1, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

/// Marsaglia's xorshift: chance that comes again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn script(&mut self) -> Vec<u8> {
        let length = [0, 0, 1, 2, 4, 25, 34, 252, 253][self.below(9)];
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn tx(&mut self) -> Transaction {
        let marked = self.below(2) == 0;
        let input = (0..self.below(4)).map(|vout| TxIn {
            previous_output: OutPoint { vout: vout as u32, ..OutPoint::null() },
            script_sig: ScriptBuf::from_bytes(self.script()),
            sequence: Sequence(self.below(1 << 32) as u32),
            witness: match marked {
                true => Witness::from_slice(&(0..self.below(4)).map(|_| self.script()).collect::<Vec<_>>()),
                false => Witness::new(),
            },
        });
        let input = input.collect();
        let output = (0..self.below(4)).map(|_| TxOut {
            value: Amount::from_sat(self.below(1 << 50) as u64),
            script_pubkey: ScriptBuf::from_bytes(self.script()),
        });
        let output = output.collect();
        Transaction {
            version: bitcoin::transaction::Version(self.below(4) as i32 - 1),
            lock_time: bitcoin::absolute::LockTime::from_consensus(self.below(1 << 32) as u32),
            input,
            output,
        }
    }

    fn block(&mut self) -> Block {
        let mut block = genesis_block(Network::Regtest);
        block.txdata = (0..self.below(4)).map(|_| self.tx()).collect();
        block
    }

    /// Damages bytes in one to three places, or in none.
    fn damage(&mut self, raw: &mut Vec<u8>, from: usize) {
        for _ in 0..self.below(4) {
            let at = from + self.below((raw.len() - from).max(1));
            let end = (at + self.below(6)).min(raw.len());
            match self.below(8) {
                0 => raw.truncate(at),
                1 => raw.push(TELLING[self.below(12)]),
                2 => drop(raw.drain(at.min(end)..end)),
                3 => drop(raw.splice(at.min(end)..at.min(end), SIZES[self.below(11)].iter().copied())),
                4 if at < raw.len() => {
                    raw.splice(at..=at, SIZES[self.below(11)].iter().copied());
                }
                5 if at < raw.len() => raw[at] ^= 1 << self.below(8),
                6 => drop(raw.splice(at.min(end)..at.min(end), [0, 1])),
                _ if at < raw.len() => raw[at] = TELLING[self.below(12)],
                _ => {}
            }
        }
    }
}

/// What Core's library read: its own encoding of it, and the ids.
type Theirs = Option<(Vec<u8>, Vec<[u8; 32]>)>;

fn their_tx(raw: &[u8]) -> Theirs {
    let tx = bitcoinkernel::Transaction::new(raw).ok()?;
    Some((tx.consensus_encode().unwrap(), vec![tx.txid().to_bytes()]))
}

fn their_block(raw: &[u8]) -> Theirs {
    let block = bitcoinkernel::Block::new(raw).ok()?;
    let txids = block.transactions().map(|tx| tx.txid().to_bytes());
    let ids = std::iter::once(block.hash().to_bytes()).chain(txids).collect();
    Some((block.consensus_encode().unwrap(), ids))
}

/// Core's library leaves what follows alone; whoever calls it in Core looks whether something does.
fn agree(raw: &[u8], ours: Result<Vec<[u8; 32]>, DecodeError>, theirs: Theirs) -> bool {
    match (ours, theirs) {
        (Ok(ours), Some((encoded, theirs))) => ours == theirs && encoded == raw,
        (Err(DecodeError::TrailingBytes), Some((encoded, _))) => {
            encoded.len() < raw.len() && raw.starts_with(&encoded)
        }
        (Err(error), None) => error != DecodeError::TrailingBytes,
        _ => false,
    }
}

fn run(
    name: &str,
    cases: usize,
    mut case: impl FnMut(&mut Chance) -> Vec<u8>,
    ours: impl Fn(&[u8]) -> Result<Vec<[u8; 32]>, DecodeError>,
    theirs: impl Fn(&[u8]) -> Theirs,
) {
    let mut chance = Chance(SEED);
    let mut read = 0;
    let mut errors = std::collections::BTreeMap::new();
    for number in 0..cases {
        let raw = case(&mut chance);
        let answer = ours(&raw);
        match &answer {
            Ok(_) => read += 1,
            Err(error) => *errors.entry(error.to_string()).or_insert(0) += 1,
        }
        let said = format!("{answer:?}");
        assert!(agree(&raw, answer, theirs(&raw)), "{name} {number}: {said} of {raw:02x?}");
    }
    println!("{cases} {name}, seed {SEED:#x}: {read} read by both, refused {errors:?}");
    assert!(read * 5 > cases && read * 5 < cases * 4, "too few of one kind: {read} of {cases}");
    assert_eq!(errors.len(), 6, "every way to be no {name}");
}

#[test]
fn transactions_read_alike() {
    let case = |chance: &mut Chance| {
        let mut raw = serialize(&chance.tx());
        chance.damage(&mut raw, 0);
        raw
    };
    let ours = |raw: &[u8]| match ParsedTx::decode(raw) {
        Ok(tx) => Ok(vec![tx.txid().to_byte_array()]),
        Err(error) => Err(error.0),
    };
    run("transactions", TRANSACTIONS, case, ours, their_tx);
}

#[test]
fn blocks_read_alike() {
    let case = |chance: &mut Chance| {
        let mut raw = serialize(&chance.block());
        chance.damage(&mut raw, 80);
        raw
    };
    let ours = |raw: &[u8]| match ParsedBlock::decode(raw) {
        Ok(block) => {
            let txids = block.txs().iter().map(|tx| tx.txid().to_byte_array());
            Ok(std::iter::once(block.hash().to_byte_array()).chain(txids).collect())
        }
        Err(error) => Err(error.0),
    };
    run("blocks", BLOCKS, case, ours, their_block);
}
