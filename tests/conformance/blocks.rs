//! Real blocks beside the outputs that they spend.

use std::io::Read;
use std::path::Path;

use adit_domain::script::{Interpreter, ScriptFlags, ScriptVerifier, Spend};
use adit_domain::wire::ParsedBlock;
use bitcoin::consensus::encode::Decodable;
use bitcoin::{Amount, ScriptBuf, TxOut};
use serde_json::Value;

use crate::vectors;

/// The flags of a block at height 367,891: BIP16 and BIP66.
const FLAGS_2015: ScriptFlags = ScriptFlags::from_bits(ScriptFlags::P2SH.bits() | ScriptFlags::DERSIG.bits());

/// A file's bytes, unpacked where it is packed.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    let file = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "zst") {
        return file;
    }
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file.as_slice()).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// `[{"txout": {"value": satoshis, "script_pubkey": hex}, ...}]`, in the order of the inputs.
fn outputs_of_json(bytes: &[u8]) -> Vec<TxOut> {
    let rows: Vec<Value> = serde_json::from_slice(bytes).unwrap();
    let output = |row: &Value| TxOut {
        value: Amount::from_sat(row["txout"]["value"].as_u64().unwrap()),
        script_pubkey: ScriptBuf::from_hex(row["txout"]["script_pubkey"].as_str().unwrap()).unwrap(),
    };
    rows.iter().map(output).collect()
}

/// Outputs as they stand in transactions, one behind the other, in the order of the inputs.
fn outputs_of_undo(mut bytes: &[u8]) -> Vec<TxOut> {
    let mut outputs = Vec::new();
    while !bytes.is_empty() {
        outputs.push(TxOut::consensus_decode(&mut bytes).unwrap());
    }
    outputs
}

fn check(
    block: &str,
    spent: &str,
    outputs_of: fn(&[u8]) -> Vec<TxOut>,
    flags: ScriptFlags,
    inputs_expected: usize,
) {
    let (Some(block), Some(spent)) = (vectors::data(block), vectors::data(spent)) else { return };
    let parsed = ParsedBlock::decode(&read(&block)).unwrap();
    let mut outputs = outputs_of(&read(&spent)).into_iter();
    let mut inputs = 0;
    for tx in parsed.txs().iter().skip(1) {
        let tx = tx.tx();
        let prevouts: Vec<TxOut> = outputs.by_ref().take(tx.input.len()).collect();
        let raw = bitcoin::consensus::encode::serialize(tx);
        let spend = Spend { tx, wtxid: tx.compute_wtxid(), raw: &raw, prevouts: &prevouts };
        assert_eq!(Interpreter.verify_tx(&spend, flags), Ok(()), "{}", tx.compute_txid());
        inputs += tx.input.len();
    }
    println!("{}: {inputs} inputs ran", block.display());
    assert_eq!((inputs, outputs.len()), (inputs_expected, 0));
}

#[test]
fn mainnet_367891() {
    let (block, spent) = ("blocks/mainnet-367891.block.zst", "blocks/mainnet-367891.spent.zst");
    check(block, spent, outputs_of_json, FLAGS_2015, 20_817);
}

#[test]
fn mainnet_866342() {
    let (block, spent) = ("blocks/mainnet-866342.block.zst", "blocks/mainnet-866342.spent.zst");
    check(block, spent, outputs_of_json, ScriptFlags::CONSENSUS, 7_972);
}

#[test]
fn testnet3_928816() {
    let (block, spent) = ("blocks/testnet3-928816.block", "blocks/testnet3-928816.undo");
    check(block, spent, outputs_of_undo, ScriptFlags::CONSENSUS.without(ScriptFlags::TAPROOT), 8_692);
}

#[test]
fn testnet3_928848() {
    let (block, spent) = ("blocks/testnet3-928848.block", "blocks/testnet3-928848.undo");
    check(block, spent, outputs_of_undo, ScriptFlags::CONSENSUS.without(ScriptFlags::TAPROOT), 11_215);
}
