//! Real blocks, where `ADIT_DATA` names the folder that has them: they parse, hash, and pass every rule that needs no coins.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::as_conversions, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_domain::chain::HeaderTree;
use adit_domain::consensus::{BlockContext, HeaderView, Params, check_block, contextual_check_block};
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;

fn data() -> Option<PathBuf> {
    std::env::var_os("ADIT_DATA").map(PathBuf::from)
}

fn blocks_folder() -> Option<PathBuf> {
    let folder = data().map(|data| data.join("blocks"));
    if folder.is_none() {
        println!("0 cases: ADIT_DATA is not set");
    }
    folder
}

/// A chain of which only the height is known: enough where the rules ask for nothing else.
struct At(u32, Header);

impl HeaderView for At {
    fn tip_height(&self) -> Height {
        Height::new(self.0 - 1)
    }

    fn header_at(&self, _: Height) -> Option<Header> {
        Some(self.1)
    }
}

fn check(folder: &Path, name: &str, params: &Params, height: u32) {
    let raw = std::fs::read(folder.join(name)).unwrap();
    let block = ParsedBlock::decode(&raw).unwrap();
    let library: bitcoin::Block = deserialize(&raw).unwrap();
    assert_eq!(block.raw(), raw);
    assert_eq!(block.to_block(), library);
    assert_eq!(block.weight(), library.weight());
    for (ours, theirs) in block.txs().iter().zip(&library.txdata) {
        assert_eq!((ours.txid(), ours.wtxid()), (theirs.compute_txid(), theirs.compute_wtxid()));
        assert_eq!(ours.raw(), bitcoin::consensus::serialize(theirs));
    }
    assert_eq!(check_block(&block, params), Ok(()), "{name}");
    let context = BlockContext { params, parent: &At(height, *block.header()) };
    assert_eq!(contextual_check_block(&block, &context), Ok(()), "{name}");
}

#[test]
fn full_blocks_pass() {
    let Some(folder) = blocks_folder() else { return };
    let (mainnet, testnet3) = (Params::mainnet(), Params::testnet3());
    let cases = [
        ("mainnet-363703.block", &mainnet, 363_703),
        ("mainnet-383616.block", &mainnet, 383_616),
        ("mainnet-413567.block", &mainnet, 413_567),
        ("mainnet-481815.block", &mainnet, 481_815),
        ("mainnet-481829.block", &mainnet, 481_829),
        ("testnet3-928816.block", &testnet3, 928_816),
        ("testnet3-928848.block", &testnet3, 928_848),
    ];
    for (name, params, height) in cases {
        check(&folder, name, params, height);
    }
    println!("{} cases", cases.len());
}

#[test]
fn the_first_600_blocks_are_a_chain() {
    let Some(folder) = blocks_folder() else { return };
    let params = Arc::new(Params::mainnet());
    let mut blocks = Vec::new();
    for name in ["mainnet-0-599.blk00000.dat", "mainnet-0-599.blk00001.dat"] {
        let file = std::fs::read(folder.join(name)).unwrap();
        let mut rest = file.as_slice();
        while let Some((frame, tail)) = rest.split_first_chunk::<8>().filter(|(f, _)| f[..4] == params.magic)
        {
            let length = u32::from_le_bytes(frame[4..].try_into().unwrap()) as usize;
            blocks.push(ParsedBlock::decode(&tail[..length]).unwrap());
            rest = &tail[length..];
        }
    }
    let mut tree = HeaderTree::new(Arc::clone(&params));
    let now = UnixMillis::from_seconds(1_300_000_000);
    // The files have them in the order in which they came.
    blocks.sort_by_key(|block| block.header().time);
    let mut waiting = blocks;
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|block| {
            assert_eq!(check_block(block, &params), Ok(()));
            let Ok(id) = tree.insert(*block.header(), now) else { return true };
            if let Some(parent) = tree.node(id).parent() {
                let context = BlockContext { params: &params, parent: &tree.branch(parent) };
                assert_eq!(contextual_check_block(block, &context), Ok(()));
            }
            tree.body_stored(id);
            false
        });
        assert!(waiting.len() < before, "{} blocks without a parent", waiting.len());
    }
    assert_eq!(tree.node(tree.best_candidate()).height(), Height::new(599));
    println!("{} cases", tree.len());
}
