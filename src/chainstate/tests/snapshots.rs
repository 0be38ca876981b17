use adit_domain::chain::SetHasher;
use adit_domain::chain::coin_codec::{split_coin_code, take_compact_size, take_output, take_varint};
use adit_domain::consensus::Coin;
use bitcoin::Txid;

use super::*;
use crate::DumpError;

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk::<N>().unwrap();
    *rest = tail;
    *head
}

/// Reads a file back by the documented layout: base, and the hash of what is in it.
fn read(bytes: &[u8]) -> (BlockHash, u64, String) {
    let mut rest = bytes;
    assert_eq!(take::<5>(&mut rest), *b"utxo\xff");
    assert_eq!(u16::from_le_bytes(take(&mut rest)), 2);
    assert_eq!(take::<4>(&mut rest), Params::regtest().magic);
    let base = BlockHash::from_byte_array(take(&mut rest));
    let count = u64::from_le_bytes(take(&mut rest));
    let mut set = SetHasher::default();
    while !rest.is_empty() {
        let txid = Txid::from_byte_array(take(&mut rest));
        for _ in 0..take_compact_size(&mut rest).unwrap() {
            let vout = u32::try_from(take_compact_size(&mut rest).unwrap()).unwrap();
            let (height, is_coinbase) = split_coin_code(take_varint(&mut rest).unwrap()).unwrap();
            let output = take_output(&mut rest).unwrap();
            set.push(&OutPoint { txid, vout }, &Coin { output, height, is_coinbase });
        }
    }
    let (hash, sums) = set.finish();
    assert_eq!(sums.coins, count);
    (base, count, hash.to_string())
}

#[test]
fn the_coins_are_dumped_as_they_are() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks);
    let stats = node.stats();
    let path = node.dir.path().join("coins.dat");
    let job = node.chain().utxo_stats().unwrap();
    let dumped = job.dump(&path, Params::regtest().magic).unwrap();
    assert_eq!((dumped.base, dumped.height.to_u32(), dumped.coins), (branch.tip, branch.height, stats.coins));
    let read = read(&std::fs::read(&path).unwrap());
    assert_eq!(read, (branch.tip, stats.coins, stats.hash_serialized));
    assert_eq!(read.2, dumped.hash_serialized);
}

#[test]
fn the_coins_are_dumped_as_they_were_at_every_block_below() {
    let branch = busy_chain();
    let (mut node, folder) = (Node::new(), tempfile::tempdir().unwrap());
    let mut want = Vec::new();
    for block in &branch.blocks[..100] {
        node.submit(block).unwrap();
    }
    for block in &branch.blocks[100..] {
        want.push(node.stats());
        node.submit(block).unwrap();
    }
    let (reader, magic) = (node.chain().reader(), Params::regtest().magic);
    for stats in &want {
        let path = folder.path().join(stats.height.to_string());
        let job = node.chain().utxo_stats().unwrap();
        let dumped = job.dump_at(&path, magic, (&reader, stats.tip)).unwrap();
        assert_eq!((dumped.base, dumped.height, dumped.coins), (stats.tip, stats.height, stats.coins));
        assert_eq!(dumped.hash_serialized, stats.hash_serialized);
        assert_eq!(
            read(&std::fs::read(&path).unwrap()),
            (stats.tip, stats.coins, stats.hash_serialized.clone())
        );
    }
    // A block beside the chain, and one that can't be undone.
    let side = branch.fork(9).mine(Vec::new());
    let refused =
        node.chain().utxo_stats().unwrap().dump_at(&folder.path().join("x"), magic, (&reader, side.hash()));
    assert!(matches!(refused, Err(DumpError::NotBelow { block }) if block == side.hash()));
    node.chain().forget_undo_for_tests(branch.tip);
    let refused =
        node.chain().utxo_stats().unwrap().dump_at(&folder.path().join("x"), magic, (&reader, want[0].tip));
    assert!(matches!(refused, Err(DumpError::Gone { height }) if height.to_u32() == branch.height));
}

#[test]
fn a_dump_takes_no_others_place_and_leaves_nothing_half_written() {
    let mut node = Node::new();
    node.submit_all(&busy_chain().blocks[..5]);
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, b"mine").unwrap();
    let refused = node.chain().utxo_stats().unwrap().dump(&taken, [0; 4]);
    assert!(matches!(refused, Err(DumpError::Exists { path }) if path == taken));
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    let nowhere = folder.path().join("none").join("coins.dat");
    let refused = node.chain().utxo_stats().unwrap().dump(&nowhere, [0; 4]);
    assert!(matches!(refused, Err(DumpError::Write { .. })), "{refused:?}");
    // What a killed process left half-written is no hindrance.
    let path = folder.path().join("coins.dat");
    std::fs::write(folder.path().join("coins.dat.incomplete"), vec![7; 100_000]).unwrap();
    node.chain().utxo_stats().unwrap().dump(&path, Params::regtest().magic).unwrap();
    read(&std::fs::read(&path).unwrap());
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_dump_of_coins_that_do_not_read_is_our_fault() {
    let fault = crate::ChainFault::Storage("gone".to_owned());
    assert_eq!(DumpError::from(fault.clone()).to_string(), fault.to_string());
}
