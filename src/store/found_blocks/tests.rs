use bitcoin::Network;
use bitcoin::constants::genesis_block;

use super::*;

fn block(nonce: u32) -> ParsedBlock {
    let mut block = genesis_block(Network::Regtest);
    block.header.nonce = nonce;
    ParsedBlock::new(block)
}

fn hashes(found: &FoundBlocks) -> Vec<BlockHash> {
    found.all().unwrap().iter().map(ParsedBlock::hash).collect()
}

#[test]
fn a_block_is_kept_until_the_chain_has_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("found");
    let found = FoundBlocks::open(&folder).unwrap();
    let (one, two) = (block(1), block(2));
    found.keep(&one).unwrap();
    found.keep(&one).unwrap();
    found.keep(&two).unwrap();
    // Another process begins with both.
    let found = FoundBlocks::open(&folder).unwrap();
    assert_eq!(hashes(&found).len(), 2);
    assert!(found.all().unwrap().iter().any(|b| b.raw() == one.raw()));
    found.forget(&one.hash()).unwrap();
    found.forget(&one.hash()).unwrap();
    assert_eq!(hashes(&found), [two.hash()]);
}

#[test]
fn what_is_not_a_whole_block_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    found.keep(&block(1)).unwrap();
    fs::write(dir.path().join("cut.new"), &block(2).raw()[..80]).unwrap();
    fs::write(dir.path().join("damaged.block"), &block(3).raw()[..80]).unwrap();
    assert_eq!(hashes(&found), [block(1).hash()]);
}

#[test]
fn what_is_forgotten_while_the_folder_is_read_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    found.keep(&block(1)).unwrap();
    // Listed, and gone when it is opened.
    std::os::unix::fs::symlink(dir.path().join("gone"), dir.path().join("listed.block")).unwrap();
    assert_eq!(hashes(&found), [block(1).hash()]);
}

#[test]
fn the_folder_does_not_grow_without_limit() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    for n in 0..KEPT_MAX {
        fs::write(dir.path().join(format!("{n}.block")), []).unwrap();
    }
    assert!(matches!(found.keep(&block(1)), Err(StoreFault::Io { .. })));
    // What is there already needs no more room.
    fs::rename(dir.path().join("0.block"), dir.path().join(format!("{}.block", block(2).hash()))).unwrap();
    found.keep(&block(2)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_had_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("found");
    fs::write(&taken, []).unwrap();
    assert!(matches!(FoundBlocks::open(&taken), Err(StoreFault::Io { .. })));
}
