//! Real blocks beside the outputs that they spend.

use std::io::Read;
use std::path::Path;

use adit_domain::script::ScriptFlags;
use adit_domain::wire::ParsedBlock;
use bitcoin::consensus::encode::Decodable;
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut};
use serde_json::Value;

use crate::engines::verify_all;
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

/// A block, the outputs that it spends, and the rules of its height.
pub(crate) struct Real {
    block: &'static str,
    spent: &'static str,
    outputs_of: fn(&[u8]) -> Vec<TxOut>,
    pub(crate) flags: ScriptFlags,
    inputs: usize,
}

pub(crate) const MAINNET_367891: Real = Real {
    block: "blocks/mainnet-367891.block.zst",
    spent: "blocks/mainnet-367891.spent.zst",
    outputs_of: outputs_of_json,
    flags: FLAGS_2015,
    inputs: 20_817,
};

pub(crate) const MAINNET_866342: Real = Real {
    block: "blocks/mainnet-866342.block.zst",
    spent: "blocks/mainnet-866342.spent.zst",
    outputs_of: outputs_of_json,
    flags: ScriptFlags::CONSENSUS,
    inputs: 7_972,
};

pub(crate) const TESTNET3_928816: Real = Real {
    block: "blocks/testnet3-928816.block",
    spent: "blocks/testnet3-928816.undo",
    outputs_of: outputs_of_undo,
    flags: ScriptFlags::CONSENSUS.without(ScriptFlags::TAPROOT),
    inputs: 8_692,
};

pub(crate) const TESTNET3_928848: Real = Real {
    block: "blocks/testnet3-928848.block",
    spent: "blocks/testnet3-928848.undo",
    outputs_of: outputs_of_undo,
    flags: ScriptFlags::CONSENSUS.without(ScriptFlags::TAPROOT),
    inputs: 11_215,
};

impl Real {
    pub(crate) fn name(&self) -> &'static str {
        self.block
    }

    /// The block's transactions but its coinbase, each beside the outputs that it spends; none without the data.
    pub(crate) fn spends(&self) -> Option<Vec<(Transaction, Vec<TxOut>)>> {
        let (block, spent) = (vectors::data(self.block)?, vectors::data(self.spent)?);
        let parsed = ParsedBlock::decode(&read(&block)).unwrap();
        let mut outputs = (self.outputs_of)(&read(&spent)).into_iter();
        let with_prevouts = |tx: &Transaction| (tx.clone(), outputs.by_ref().take(tx.input.len()).collect());
        let spends = parsed.txs().iter().skip(1).map(|tx| tx.tx()).map(with_prevouts).collect();
        assert_eq!(outputs.len(), 0, "{}", self.block);
        Some(spends)
    }
}

fn check(real: &Real) {
    let Some(spends) = real.spends() else { return };
    let mut inputs = 0;
    for (tx, prevouts) in &spends {
        assert_eq!(verify_all(tx, prevouts, real.flags), Ok(()), "{}", tx.compute_txid());
        inputs += tx.input.len();
    }
    println!("{}: {inputs} inputs ran", real.block);
    assert_eq!(inputs, real.inputs);
}

#[test]
fn mainnet_367891() {
    check(&MAINNET_367891);
}

#[test]
fn mainnet_866342() {
    check(&MAINNET_866342);
}

#[test]
fn testnet3_928816() {
    check(&TESTNET3_928816);
}

#[test]
fn testnet3_928848() {
    check(&TESTNET3_928848);
}
