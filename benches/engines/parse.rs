//! A block from bytes to transactions with txids, wtxids and both merkle roots: Adit, Bitcoin Core's library and
//! rust-bitcoin on the same bytes.
//!
//! `cargo bench -p adit-benches --bench parse`. With `ADIT_DATA` its real blocks, with `ADIT_CHAIN` the largest block of
//! that file; without either a block made here. First a table of CPU time, the engines by turns, then criterion's figures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::missing_docs_in_private_items
)]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_domain::consensus::merkle_root;
use adit_domain::wire::ParsedBlock;
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{
    Amount, Block, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use bitcoinkernel::prelude::*;
use criterion::{Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};

/// The binary's allocator. Core's library keeps its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of the table; each engine's turn in a round parses at least so many bytes.
const ROUNDS: usize = 15;
const TURN_BYTES: usize = 24 << 20;

struct Case {
    name: String,
    raw: Arc<[u8]>,
}

/// What an engine makes of a block: folded to a number, so that nothing is left out.
type Engine = fn(&Arc<[u8]>) -> u8;

const ENGINES: [(&str, Engine); 5] = [
    ("adit: all", adit),
    ("adit: parse, ids", adit_without_roots),
    ("core: parse, ids", core),
    ("rust-bitcoin: all", library),
    ("rust-bitcoin: parse", library_parse),
];

fn adit(raw: &Arc<[u8]>) -> u8 {
    let block = ParsedBlock::decode_shared(Arc::clone(raw)).unwrap();
    let txids = merkle_root(block.txs().iter().map(|tx| tx.txid().to_raw_hash()).collect());
    let others = block.txs().iter().skip(1).map(|tx| tx.wtxid().to_raw_hash());
    let wtxids = merkle_root(std::iter::once(sha256d::Hash::all_zeros()).chain(others).collect());
    txids.root.as_byte_array()[0] ^ wtxids.root.as_byte_array()[0]
}

fn adit_without_roots(raw: &Arc<[u8]>) -> u8 {
    let block = ParsedBlock::decode_shared(Arc::clone(raw)).unwrap();
    block.txs().last().map_or(0, |tx| tx.txid().as_byte_array()[0])
}

/// Both ids are computed where the library makes a transaction.
fn core(raw: &Arc<[u8]>) -> u8 {
    let block = bitcoinkernel::Block::new(raw).unwrap();
    let last = block.transaction(block.transaction_count() - 1).unwrap();
    last.txid().to_bytes()[0]
}

fn library(raw: &Arc<[u8]>) -> u8 {
    let block: Block = deserialize(raw).unwrap();
    let txids = block.compute_merkle_root().unwrap();
    txids.as_byte_array()[0] ^ block.witness_root().unwrap().as_byte_array()[0]
}

fn library_parse(raw: &Arc<[u8]>) -> u8 {
    let block: Block = deserialize(raw).unwrap();
    block.txdata.len() as u8
}

fn cases() -> Vec<Case> {
    let mut cases = vec![Case { name: "made".into(), raw: serialize(&made()).into() }];
    if let Some(data) = std::env::var_os("ADIT_DATA") {
        cases.extend(real(&Path::new(&data).join("blocks")));
    }
    if let Some(chain) = std::env::var_os("ADIT_CHAIN") {
        cases.push(largest(&std::fs::read(chain).unwrap()));
    }
    cases
}

fn real(folder: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let name = file.strip_suffix(".zst").unwrap_or(file).strip_suffix(".block")?.to_owned();
            let stored = std::fs::read(&path).unwrap();
            let mut raw = Vec::new();
            if file.ends_with(".zst") {
                ruzstd::decoding::StreamingDecoder::new(stored.as_slice())
                    .unwrap()
                    .read_to_end(&mut raw)
                    .unwrap();
            } else {
                raw = stored;
            }
            Some(Case { name, raw: raw.into() })
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Of a file of blocks, each behind a magic and its length.
fn largest(mut file: &[u8]) -> Case {
    let mut best: &[u8] = &[];
    while let Some((head, rest)) = file.split_at_checked(8) {
        let length = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
        let Some((block, rest)) = rest.split_at_checked(length) else { break };
        best = if block.len() > best.len() { block } else { best };
        file = rest;
    }
    Case { name: "chain".into(), raw: best.into() }
}

/// 3,000 transactions of one to three inputs and two outputs, with and without witnesses, as pays of today look.
fn made() -> Block {
    let mut block = genesis_block(Network::Regtest);
    block.txdata.extend((0u32..3_000).map(pay));
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}

fn pay(n: u32) -> Transaction {
    let signature = |length: usize| vec![n as u8; length];
    let input = |vout: u32| TxIn {
        previous_output: OutPoint { txid: Txid::hash(&n.to_le_bytes()), vout },
        script_sig: if n.is_multiple_of(5) {
            ScriptBuf::from_bytes(signature(107))
        } else {
            ScriptBuf::new()
        },
        sequence: Sequence::MAX,
        witness: match n % 5 {
            0 => Witness::new(),
            1 => Witness::from_slice(&[signature(64)]),
            _ => Witness::from_slice(&[signature(72), signature(33)]),
        },
    };
    let output = |length: usize| TxOut {
        value: Amount::from_sat(u64::from(n)),
        script_pubkey: ScriptBuf::from_bytes(signature(length)),
    };
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: (0..=n % 3).map(input).collect(),
        output: vec![output(22), output(34)],
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Each engine's rounds on one block, in seconds a parse, the engines by turns.
fn by_turns(raw: &Arc<[u8]>) -> [Vec<f64>; ENGINES.len()] {
    let repeats = TURN_BYTES / raw.len() + 1;
    let mut rounds = [const { Vec::new() }; ENGINES.len()];
    for _ in 0..ROUNDS {
        for ((_, engine), rounds) in ENGINES.iter().zip(&mut rounds) {
            let from = cpu();
            for _ in 0..repeats {
                std::hint::black_box(engine(std::hint::black_box(raw)));
            }
            rounds.push((cpu() - from).as_secs_f64() / repeats as f64);
        }
    }
    rounds
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn table(cases: &[Case]) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("MB/s of CPU time, medians of {ROUNDS} rounds by turns; load {}", load.trim());
    print!("{:<20}{:>10}{:>7}", "block", "bytes", "txs");
    ENGINES.iter().for_each(|(name, _)| print!("{name:>21}"));
    println!("{:>18}", "adit all / core");
    for Case { name, raw } in cases {
        let txs = ParsedBlock::decode(raw).unwrap().txs().len();
        let medians = by_turns(raw).map(|mut rounds| median(&mut rounds));
        print!("{name:<20}{:>10}{txs:>7}", raw.len());
        medians.iter().for_each(|seconds| print!("{:>21.0}", raw.len() as f64 / seconds / 1e6));
        println!("{:>18.2}", medians[0] / medians[2]);
    }
}

fn main() {
    let cases = cases();
    table(&cases);
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for Case { name, raw } in &cases {
        let mut group = criterion.benchmark_group(format!("parse/{name}"));
        group.throughput(Throughput::Bytes(raw.len() as u64));
        for (engine, run) in ENGINES {
            group.bench_function(engine, |b| b.iter(|| run(raw)));
        }
        group.finish();
    }
    criterion.final_summary();
}
