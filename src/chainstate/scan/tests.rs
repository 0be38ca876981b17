use std::io::Write;

use bitcoin::BlockHash;
use bitcoin::constants::genesis_block;

use super::*;

const OURS: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
const MAINNET: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

fn block(nonce: u32) -> Vec<u8> {
    let mut block = genesis_block(bitcoin::Network::Regtest);
    block.header.nonce = nonce;
    encode::serialize(&block)
}

fn framed(magic: [u8; 4], block: &[u8]) -> Vec<u8> {
    let len = u32::try_from(block.len()).unwrap().to_le_bytes();
    [magic.as_slice(), &len, block].concat()
}

/// Scans `parts` as one file, plain and with a key; gives the nonces found and what was skipped.
fn scan(parts: &[Vec<u8>]) -> (Vec<u32>, Skipped) {
    let mut bytes = parts.concat();
    let plain = scan_with(&bytes, XorKey::NONE);
    let key = XorKey::new([0x51, 0xe2, 0x93, 0x04, 0x75, 0xb6, 0x27, 0xd8]);
    key.apply(&mut bytes, 0);
    let (found, skipped) = scan_with(&bytes, key);
    // Which bytes are zeros on disk is another matter.
    let rubbish = |s: &Skipped| s.garbage_bytes + s.padding_bytes;
    assert_eq!((&found, rubbish(&skipped)), (&plain.0, rubbish(&plain.1)));
    plain
}

fn scan_with(bytes: &[u8], key: XorKey) -> (Vec<u32>, Skipped) {
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(bytes).unwrap();
    let file = BlockFile { path: named.path().to_owned(), key };
    let wanted = Wanted { magic: OURS, foreign: &[MAINNET], block_bytes_max: 4_000_000 };
    let (mut skipped, mut found) = (Skipped::default(), Vec::new());
    scan_file(&file, &wanted, &mut skipped, |header, extent| {
        if header.nonce >= 1000 {
            return Verdict::NoBlock;
        }
        let raw = file.read_block(extent).unwrap();
        assert_eq!(raw, block(header.nonce));
        assert_ne!(header.block_hash(), BlockHash::from_raw_hash(bitcoin::hashes::Hash::all_zeros()));
        found.push(header.nonce);
        Verdict::Block
    })
    .unwrap();
    (found, skipped)
}

#[test]
fn whole_frames_are_found_whatever_lies_between() {
    let check = |parts: &[Vec<u8>], want: &[u32], want_skipped: Skipped| {
        assert_eq!(scan(parts), (want.to_vec(), want_skipped));
    };
    let none = Skipped::default();
    let ours = |n| framed(OURS, &block(n));
    check(&[], &[], none);
    check(&[ours(1), ours(2)], &[1, 2], none);
    check(
        &[vec![7; 3], ours(1), vec![7; 100_000], ours(2)],
        &[1, 2],
        Skipped { garbage_bytes: 100_003, ..none },
    );
    check(&[ours(1), vec![0; 200_000]], &[1], Skipped { padding_bytes: 200_000, ..none });
    check(&[ours(1), vec![9; 2]], &[1], Skipped { garbage_bytes: 2, ..none });
    let foreign = framed(MAINNET, &block(5));
    check(&[foreign.clone(), ours(2), foreign], &[2], Skipped { foreign_blocks: 2, ..none });
}

#[test]
fn a_cut_tail_is_counted() {
    let mut cut = framed(OURS, &block(2));
    cut.truncate(100);
    let (found, skipped) = scan(&[framed(OURS, &block(1)), cut]);
    assert_eq!((found, skipped.truncated_blocks), (vec![1], 1));
}

#[test]
fn a_false_magic_swallows_no_block() {
    // A magic whose length reaches over the next block, one with an impossible length, and one before a header of nothing.
    let long = [OURS.as_slice(), &500u32.to_le_bytes()].concat();
    let (found, skipped) = scan(&[long, framed(OURS, &block(1)), vec![1; 400]]);
    assert_eq!(found, [1]);
    assert_eq!(skipped.malformed_blocks, 1);
    let huge = [OURS.as_slice(), &u32::MAX.to_le_bytes()].concat();
    let (found, skipped) = scan(&[huge, framed(OURS, &block(1))]);
    assert_eq!((found, skipped.malformed_blocks), (vec![1], 1));
    let (found, skipped) = scan(&[framed(OURS, &block(1000)), framed(OURS, &block(3))]);
    assert_eq!((found, skipped.malformed_blocks), (vec![3], 1));
}

#[test]
fn rubbish_full_of_magics_costs_one_walk() {
    // Each of them begins a search that ends at the next.
    let rubbish = [OURS.as_slice(), &[0xff; 5]].concat().repeat(30_000);
    let (found, skipped) =
        scan(&[rubbish, framed(OURS, &block(1)), MAINNET.repeat(10_000), framed(OURS, &block(2))]);
    assert_eq!((found, skipped.malformed_blocks), (vec![1, 2], 30_000));
}

#[test]
fn padding_is_what_is_zero_on_disk() {
    let key = XorKey::new([7; 8]);
    let mut bytes = framed(OURS, &block(1));
    key.apply(&mut bytes, 0);
    bytes.extend([0; 70_000]);
    let (found, skipped) = scan_with(&bytes, key);
    assert_eq!((found, skipped), (vec![1], Skipped { padding_bytes: 70_000, ..Skipped::default() }));
}

#[test]
fn the_first_foreign_network_is_named() {
    let check = |bytes: &[u8], want| {
        let mut named = tempfile::NamedTempFile::new().unwrap();
        named.write_all(bytes).unwrap();
        let file = BlockFile { path: named.path().to_owned(), key: XorKey::NONE };
        let wanted = Wanted { magic: OURS, foreign: &[MAINNET], block_bytes_max: 4_000_000 };
        assert_eq!(first_foreign(&file, &wanted).unwrap(), want);
    };
    check(&[vec![3; 50], framed(MAINNET, &block(1))].concat(), Some(MAINNET));
    check(&framed(OURS, &block(1)), None);
    check(&MAINNET, None);
}
