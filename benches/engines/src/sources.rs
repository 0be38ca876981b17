//! Where jobs come from: a generated chain, a block of mainnet, and what [`crate::signed`] signs itself.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use adit_domain::script::{OutputType, output_type};
use adit_domain::wire::ParsedBlock;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut};
use serde_json::Value;

use crate::Job;

/// Bytes of the frame before a block in a blk*.dat: magic and length.
const FRAME_BYTES: usize = 8;

/// Jobs by the type of what they spend; "mixed" where one transaction spends several.
pub type ByType = BTreeMap<String, Vec<Job>>;

/// What kind of spend an input is.
fn kind(input: &TxIn, prevout: &TxOut) -> String {
    let elements = input.witness.len();
    match output_type(&prevout.script_pubkey) {
        OutputType::ScriptHash if elements == 2 => "p2sh-p2wpkh".to_owned(),
        OutputType::ScriptHash if elements > 0 => "p2sh-p2wsh".to_owned(),
        OutputType::ScriptHash => "p2sh".to_owned(),
        OutputType::WitnessV1Taproot if elements == 1 => "p2tr key".to_owned(),
        OutputType::WitnessV1Taproot => "p2tr script".to_owned(),
        OutputType::PubKeyHash => "p2pkh".to_owned(),
        OutputType::WitnessV0KeyHash => "p2wpkh".to_owned(),
        OutputType::WitnessV0ScriptHash => "p2wsh".to_owned(),
        other => other.to_string(),
    }
}

/// Sorts jobs by what they spend.
pub fn by_type(jobs: Vec<Job>) -> ByType {
    let mut sorted = ByType::new();
    for job in jobs {
        let mut kinds: Vec<String> =
            job.tx.input.iter().zip(&job.prevouts).map(|(i, o)| kind(i, o)).collect();
        kinds.dedup();
        let kind = if kinds.len() == 1 { kinds.remove(0) } else { "mixed".to_owned() };
        sorted.entry(kind).or_default().push(job);
    }
    sorted
}

/// All spends of a regtest chain framed as blk*.dat, in its order, with the outputs of its own that they spend.
pub fn chain(path: &Path) -> Vec<Job> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut coins: HashMap<OutPoint, TxOut> = HashMap::new();
    let mut jobs = Vec::new();
    while let Some((frame, later)) = rest.split_at_checked(FRAME_BYTES) {
        let length = u32::from_le_bytes(frame[4..].try_into().unwrap()) as usize;
        let Some((block, later)) = later.split_at_checked(length) else { break };
        rest = later;
        let Ok(block) = ParsedBlock::decode(block) else { break };
        for parsed in block.txs() {
            let tx = parsed.tx();
            if !tx.is_coinbase() {
                let spent: Option<Vec<_>> =
                    tx.input.iter().map(|input| coins.remove(&input.previous_output)).collect();
                jobs.extend(spent.map(|prevouts| Job::new(tx.clone(), prevouts)));
            }
            let outputs = tx.output.iter().zip(0..);
            coins.extend(
                outputs.map(|(output, vout)| (OutPoint { txid: parsed.txid(), vout }, output.clone())),
            );
        }
    }
    jobs
}

/// All spends of mainnet's block 866,342, from the folder of real blocks.
pub fn block_866342(data: &Path) -> Vec<Job> {
    let block = unpacked(&data.join("blocks/mainnet-866342.block.zst"));
    let spent = unpacked(&data.join("blocks/mainnet-866342.spent.zst"));
    let rows: Vec<Value> = serde_json::from_slice(&spent).unwrap();
    let mut outputs = rows.iter().map(|row| TxOut {
        value: Amount::from_sat(row["txout"]["value"].as_u64().unwrap()),
        script_pubkey: ScriptBuf::from_hex(row["txout"]["script_pubkey"].as_str().unwrap()).unwrap(),
    });
    let block = ParsedBlock::decode(&block).unwrap();
    let job = |tx: &Transaction| Job::new(tx.clone(), outputs.by_ref().take(tx.input.len()).collect());
    block.txs().iter().skip(1).map(|parsed| parsed.tx()).map(job).collect()
}

fn unpacked(path: &Path) -> Vec<u8> {
    let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file.as_slice()).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The sources that there are, by name: always what is signed here; the chain that `ADIT_CHAIN` names; and the block of
/// mainnet where `ADIT_DATA` names the folder.
pub fn all() -> Vec<(&'static str, ByType)> {
    let mut sources = vec![("signed here", by_type(crate::signed::jobs()))];
    match std::env::var_os("ADIT_CHAIN") {
        Some(path) => sources.push(("generated chain", by_type(chain(path.as_ref())))),
        None => eprintln!("no generated chain: ADIT_CHAIN is not set"),
    }
    match std::env::var_os("ADIT_DATA") {
        Some(data) => sources.push(("mainnet 866342", by_type(block_866342(data.as_ref())))),
        None => eprintln!("no block of mainnet: ADIT_DATA is not set"),
    }
    sources
}
