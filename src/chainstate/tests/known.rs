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
        for _ in 0..3 {
            assert_eq!(reader.tx_count(&hash), Ok(block.txs().len() as u32));
            assert_eq!(reader.raw_block(&hash).unwrap().unwrap(), block.raw());
            assert_eq!(reader.shown_block(&hash).unwrap().unwrap(), **block);
        }
        assert_eq!(reader.known_tx_count(&hash), Some(block.txs().len() as u32));
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
    let ends = block.raw().len();
    assert!(matches!(reader.raw_part(&hash, (ends - 20, 20)), Err(ChainFault::Storage(_))));
    // The header of another whose transactions nobody has counted.
    let block = &branch.blocks[7];
    reader.live().change_place(block.hash(), |places| places.txs = 0);
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
        let found = reader.tx_at(&block.hash(), offset(tx)).unwrap().unwrap();
        assert_eq!(found.tx(), tx);
    }
    assert_eq!(reader.tx_at(&block.hash(), raw.len() as u32 - 3), Ok(None));
    assert_eq!(reader.tx_at(&block.hash(), u32::MAX), Ok(None));
    assert_eq!(reader.tx_at(&BlockHash::all_zeros(), 0), Ok(None));
}

/// Transactions of these blocks, and of the first one.
fn counted<'a>(blocks: impl IntoIterator<Item = &'a Arc<ParsedBlock>>) -> u64 {
    blocks.into_iter().map(|block| block.txs().len() as u64).sum::<u64>() + 1
}

#[test]
fn the_chains_transactions_are_counted_and_follow_it() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    let genesis = Params::regtest().genesis_hash;
    assert_eq!(reader.chain_tx_count(&genesis), Some(1));
    for at in [1, 50, 105, 120, 70] {
        let hash = branch.blocks[at - 1].hash();
        assert_eq!(reader.chain_tx_count(&hash), Some(counted(&branch.blocks[..at])), "{at}");
    }
    // A branch that joins, and what it leaves.
    let mut side = branch.fork(7);
    side.blocks.clear();
    (side.tip, side.height) = (branch.blocks[114].hash(), 115);
    side.mine_empty(6);
    node.submit_all(&side.blocks);
    assert_eq!(node.tip(), (side.tip, 121));
    let below = counted(&branch.blocks[..115]);
    assert_eq!(reader.chain_tx_count(&side.tip), Some(below + 6));
    assert_eq!(reader.chain_tx_count(&branch.tip), Some(counted(&branch.blocks)));
    assert_eq!(reader.chain_tx_count(&BlockHash::all_zeros()), None);
}

#[test]
fn what_nobody_has_counted_is_counted_when_it_is_asked_for() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    for at in [3, 110] {
        reader.live().change_place(branch.blocks[at].hash(), |places| places.txs = 0);
    }
    let of = |at: usize| reader.chain_tx_count(&branch.blocks[at].hash());
    assert_eq!((of(2), of(3), of(119)), (Some(counted(&branch.blocks[..3])), None, None));
    reader.count_stored(&|| false).unwrap();
    assert_eq!(of(119), None);
    reader.count_stored(&|| true).unwrap();
    assert_eq!((of(3), of(119)), (Some(counted(&branch.blocks[..4])), Some(counted(&branch.blocks))));
}

#[test]
fn counts_are_known_again_after_a_start() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks[..110]);
    node.chain().flush().unwrap();
    node.submit_all(&branch.blocks[110..]);
    node.crash();
    while node.chain().advance().unwrap().is_some() {}
    let reader = node.chain().reader();
    assert_eq!(reader.chain_tx_count(&branch.tip), Some(counted(&branch.blocks)));
}

#[test]
fn a_part_of_a_block_is_what_the_block_has_there() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    // Two pieces and a half.
    let many = spend(&[branch.reward(0)], 20_000, 1_000);
    let block = branch.mine(vec![many]);
    node.submit_all(&branch.blocks);
    let (reader, raw, hash) = (node.chain().reader(), block.raw().to_vec(), block.hash());
    assert!(raw.len() > 2 * 65_536, "{}", raw.len());
    let ends = raw.len();
    let parts =
        [(0, 1), (0, 80), (65_535, 2), (65_536, 10), (1, ends - 1), (0, ends), (ends - 1, 1), (131_000, 99)];
    // Before somebody has read the whole of it, and behind that, when its pieces have sums.
    for _ in 0..2 {
        for (from, len) in parts {
            let part = reader.raw_part(&hash, (from, len)).unwrap().unwrap();
            assert_eq!(part.as_deref(), Some(&raw[from..from + len]), "{from} {len}");
        }
        assert_eq!(reader.raw_block(&hash), Ok(Some(raw.clone())));
    }
    for beyond in [(0, ends + 1), (ends, 1), (usize::MAX, 1), (1, usize::MAX)] {
        assert_eq!(reader.raw_part(&hash, beyond), Ok(Some(None)), "{beyond:?}");
    }
    let genesis = Params::regtest();
    let first = ParsedBlock::new(genesis.genesis.clone());
    assert_eq!(reader.raw_part(&genesis.genesis_hash, (4, 9)), Ok(Some(Some(first.raw()[4..13].to_vec()))));
    assert_eq!(reader.raw_part(&genesis.genesis_hash, (280, 9)), Ok(Some(None)));
    assert_eq!(reader.raw_part(&BlockHash::all_zeros(), (0, 1)), Ok(None));
    // What changes far from a part is no fault of it; within its piece it is.
    disturb(&node, &block, 70_000);
    assert_eq!(reader.raw_part(&hash, (0, 80)).unwrap().unwrap().unwrap(), raw[..80]);
    assert!(matches!(reader.raw_part(&hash, (65_536, 1)), Err(ChainFault::Storage(_))));
}
