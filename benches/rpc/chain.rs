//! The chain that both have, and the blocks that come while they are asked.

use std::path::Path;

use bitcoin::Block;
use bitcoin::consensus::encode::deserialize;
use bitcoin::hex::{DisplayHex, FromHex};
use serde_json::{Value, json};

use crate::common::bitcoind::{Core, ask};

pub struct Chain {
    /// Blocks that both have from the beginning, in hex.
    first: Vec<String>,
    /// Those that come while they are asked, and go again.
    last: Vec<Last>,
}

/// A block that comes and goes.
struct Last {
    hash: String,
    hex: String,
}

impl Chain {
    /// A file framed as blk*.dat; the last `later` blocks are kept back.
    pub fn read(path: &Path, later: usize) -> Chain {
        let bytes = std::fs::read(path).unwrap();
        let (mut blocks, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some((frame, behind)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes(frame[4..].try_into().unwrap()) as usize;
            blocks.push(behind[..length].to_lower_hex_string());
            rest = &behind[length..];
        }
        let kept = blocks.len().checked_sub(later).expect("the chain has fewer blocks than a run connects");
        let last = blocks.split_off(kept).into_iter();
        let last = last.map(|hex| Last { hash: block(&hex).block_hash().to_string(), hex }).collect();
        Chain { first: blocks, last }
    }

    /// Gives a node the first part.
    pub fn begin(&self, node: &Core) {
        self.first.iter().for_each(|block| submit(node, block));
    }

    /// Takes the last blocks away from a node that has them.
    pub fn retreat(&self, node: &Core) {
        let Some(Last { hash, .. }) = self.last.first() else { return };
        if ask(node.rpc(), "getblockheader", &json!([hash])).is_some() {
            node.call("invalidateblock", json!([hash]));
        }
    }

    /// Lets the last blocks come: a node that has had them before connects them again.
    pub fn advance(&self, node: &Core) {
        let Some(Last { hash, .. }) = self.last.first() else { return };
        if ask(node.rpc(), "getblockheader", &json!([hash])).is_some() {
            node.call("reconsiderblock", json!([hash]));
        } else {
            self.last.iter().for_each(|block| submit(node, &block.hex));
        }
    }

    /// Sends the next block's transactions, so that they wait for it, as far as each program's limits let them: those of a long chain do not.
    pub fn announce(&self, node: &Core) {
        for tx in self.last.first().iter().flat_map(|last| block(&last.hex).txdata.split_off(1)) {
            let hex = bitcoin::consensus::encode::serialize_hex(&tx);
            let _: Option<Value> = ask(node.rpc(), "sendrawtransaction", &json!([hex, 0]));
        }
    }
}

fn block(hex: &str) -> Block {
    deserialize(&Vec::from_hex(hex).unwrap()).unwrap()
}

fn submit(node: &Core, block: &str) {
    let said = node.call("submitblock", json!([block]));
    assert!(said.is_null(), "{said}");
}
