//! The chain that both have, and the blocks that come while they are asked.

use std::io::Read;
use std::path::Path;

use bitcoin::Block;
use bitcoin::consensus::encode::deserialize;
use bitcoin::hex::DisplayHex;
use serde_json::json;

use crate::bitcoind::{Core, ask};

pub struct Chain {
    /// Blocks that both have from the beginning, in hex.
    first: Vec<String>,
    /// Those that come later.
    pub rest: Vec<String>,
}

impl Chain {
    /// A file framed as blk*.dat; the last `later` blocks are kept back.
    pub fn read(path: &Path, later: usize) -> Chain {
        let mut bytes = Vec::new();
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        let (mut blocks, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some((frame, behind)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes(frame[4..].try_into().unwrap()) as usize;
            blocks.push(behind[..length].to_lower_hex_string());
            rest = &behind[length..];
        }
        let kept = blocks.len().checked_sub(later).expect("the chain has fewer blocks than the runs connect");
        let rest = blocks.split_off(kept);
        Chain { first: blocks, rest }
    }

    /// Gives a node the first part.
    pub fn begin(&self, node: &Core) {
        for block in &self.first {
            submit(node, block);
        }
    }
}

pub fn submit(node: &Core, block: &str) {
    let said = node.call("submitblock", json!([block]));
    assert!(said.is_null(), "{said}");
}

/// Sends a block's transactions, so that they wait for it, as far as each program's limits let them: those of a long chain do not.
pub fn announce(node: &Core, block: &str) {
    let block: Block = deserialize(&<Vec<u8> as bitcoin::hex::FromHex>::from_hex(block).unwrap()).unwrap();
    for tx in &block.txdata[1..] {
        let hex = bitcoin::consensus::encode::serialize_hex(tx);
        let _ = ask(node.rpc(), "sendrawtransaction", &json!([hex, 0]));
    }
}
