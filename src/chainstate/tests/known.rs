//! Blocks that are read to be shown: what was compared once is known again, and what has changed since is a fault.

use std::os::unix::fs::FileExt;

use super::*;
use crate::ChainFault;

/// Changes a byte of a block in its file, `offset` bytes behind the block's first.
fn disturb(node: &Node, block: &ParsedBlock, offset: usize) {
    let path = node.dir.path().join("regtest/blocks/blk00000.dat");
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(80).position(|window| window == &block.raw()[..80]).unwrap() + offset;
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

#[test]
fn a_block_is_the_same_however_often_it_is_read() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    for block in [&branch.blocks[0], branch.blocks.last().unwrap()] {
        let hash = block.hash();
        assert_eq!(reader.known_tx_count(&hash), None);
        for _ in 0..3 {
            assert_eq!(reader.tx_count(&hash), Ok(block.txs().len() as u64));
            assert_eq!(reader.raw_block(&hash).unwrap().unwrap(), block.raw());
            assert_eq!(reader.shown_block(&hash).unwrap().unwrap(), **block);
        }
        assert_eq!(reader.known_tx_count(&hash), Some(block.txs().len() as u64));
    }
    let genesis = Params::regtest().genesis_hash;
    assert_eq!((reader.known_tx_count(&genesis), reader.tx_count(&genesis)), (Some(1), Ok(1)));
    assert_eq!(
        reader.raw_block(&genesis).unwrap(),
        reader.shown_block(&genesis).unwrap().map(|b| b.raw().to_vec())
    );
    let unknown = BlockHash::all_zeros();
    assert_eq!((reader.known_tx_count(&unknown), reader.tx_count(&unknown)), (Some(0), Ok(0)));
    assert_eq!((reader.raw_block(&unknown), reader.shown_block(&unknown)), (Ok(None), Ok(None)));
}

#[test]
fn a_byte_that_changes_after_a_block_was_read_is_noticed() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    let block = branch.blocks.last().unwrap();
    let hash = block.hash();
    reader.raw_block(&hash).unwrap().unwrap();
    // The amount of the last output.
    disturb(&node, block, block.raw().len() - 10);
    assert!(matches!(reader.raw_block(&hash), Err(ChainFault::Storage(_))));
    assert!(matches!(reader.shown_block(&hash), Err(ChainFault::Storage(_))));
    // The header of another whose transactions nobody has counted.
    let block = &branch.blocks[7];
    disturb(&node, block, 70);
    assert!(matches!(reader.tx_count(&block.hash()), Err(ChainFault::Storage(_))));
}

#[test]
fn a_transaction_is_read_without_its_block_and_a_large_one_too() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    let many = spend(&[branch.reward(0)], 3_000, 1_000);
    let few = spend(&outputs_of(&many)[..2], 1, 10);
    let block = branch.mine(vec![many.clone(), few.clone()]);
    node.submit_all(&branch.blocks);
    let (reader, raw) = (node.chain().reader(), block.raw());
    let offset = |tx: &Transaction| {
        let bytes = bitcoin::consensus::serialize(tx);
        raw.windows(bytes.len()).position(|window| window == bytes).unwrap() as u32
    };
    for tx in [&many, &few] {
        assert_eq!(reader.tx_at(&block.hash(), offset(tx)).unwrap().as_ref(), Some(tx));
    }
    assert_eq!(reader.tx_at(&block.hash(), raw.len() as u32 - 3), Ok(None));
    assert_eq!(reader.tx_at(&block.hash(), u32::MAX), Ok(None));
    assert_eq!(reader.tx_at(&BlockHash::all_zeros(), 0), Ok(None));
}
