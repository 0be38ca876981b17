use bitcoin::Block;
use bitcoin::consensus::encode::deserialize_hex;

use super::{check_signet_solution, cut_solution};
use crate::consensus::fixtures::{parsed, solved};
use crate::consensus::{BlockError, Params};
use crate::script::Interpreter;

/// Blocks 1 to 3 of the public signet, one a line.
const BLOCKS: &str = include_str!("blocks.txt");

fn first() -> Block {
    deserialize_hex(BLOCKS.lines().next().unwrap()).unwrap()
}

fn check(block: Block, params: &Params, solved: bool) {
    let checked = check_signet_solution(&parsed(block), params, &Interpreter);
    let refused = matches!(checked, Err(BlockError::SignetSolution { .. }));
    assert_eq!((checked.is_ok(), refused), (solved, !solved));
}

#[test]
fn the_public_signets_blocks_are_solved() {
    for line in BLOCKS.lines() {
        check(deserialize_hex(line).unwrap(), &Params::signet(), true);
    }
}

#[test]
fn a_solution_is_for_one_block_and_one_challenge() {
    let signet = Params::signet();
    let mut other_time = first();
    other_time.header.time += 1;
    check(other_time, &signet, false);
    let mut other_parent = first();
    other_parent.header.prev_blockhash = other_parent.block_hash();
    check(other_parent, &signet, false);
    let mut other_coinbase = first();
    other_coinbase.txdata[0].output[0].value += bitcoin::Amount::ONE_SAT;
    check(other_coinbase, &signet, false);
    let both_keys = {
        let mut challenge = signet.signet_challenge.clone().unwrap();
        challenge[0] = 0x52;
        Params::signet_with(challenge)
    };
    check(first(), &both_keys, false);
    assert_ne!(both_keys.magic, signet.magic);
}

#[test]
fn what_has_no_commitment_or_no_sound_solution() {
    let anyone = Params::signet_with(vec![0x51]);
    let mut bare = first();
    bare.txdata[0].output.truncate(1);
    check(bare.clone(), &anyone, false);
    bare.txdata.clear();
    check(bare, &anyone, false);
    // Without a solution a trivial challenge is satisfied, a real one is not.
    let mut unsolved = first();
    unsolved.txdata[0].output[1].script_pubkey = commitment_with(&[]);
    check(unsolved.clone(), &anyone, true);
    check(unsolved.clone(), &Params::signet(), false);
    // Bytes after script and witness.
    let mut trailing = unsolved;
    trailing.txdata[0].output[1].script_pubkey = commitment_with(&[0xec, 0xc7, 0xda, 0xa2, 0, 0, 0]);
    check(solved(trailing), &anyone, false);
}

fn commitment_with(push: &[u8]) -> bitcoin::ScriptBuf {
    let commitment = [[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed].as_slice(), &[7; 32]].concat();
    let tail = if push.is_empty() { Vec::new() } else { [&[push.len() as u8], push].concat() };
    bitcoin::ScriptBuf::from_bytes([commitment, tail].concat())
}

#[test]
fn other_networks_and_the_first_block_need_none() {
    check(first(), &Params::regtest(), true);
    check(Params::signet().genesis, &Params::signet(), true);
}

#[test]
fn the_solution_is_cut_out_of_its_push() {
    let check = |script: &[u8], expected: Option<(&[u8], &[u8])>| {
        let cut = cut_solution(script).map(|(without, solution)| (without.into_bytes(), solution));
        assert_eq!(cut, expected.map(|(a, b)| (a.to_vec(), b.to_vec())), "{script:02x?}");
    };
    let head = [0xec, 0xc7, 0xda, 0xa2];
    let join = |parts: &[&[u8]]| parts.concat();
    check(&[], None);
    check(&join(&[&[4], &head]), None);
    check(&join(&[&[0x6a, 6], &head, &[8, 9]]), Some((&join(&[&[0x6a, 4], &head]), &[8, 9])));
    // Only the first; a push in a longer form is written in its shortest; nothing behind a broken push is kept.
    let twice = join(&[&[5], &head, &[1], &[5], &head, &[2]]);
    check(&twice, Some((&join(&[&[4], &head, &[5], &head, &[2]]), &[1])));
    let long = join(&[&[0x4c, 5], &head, &[1], &[0x4d, 1, 0, 7, 0x00, 0x51, 9, 9]]);
    check(&long, Some((&join(&[&[4], &head, &[1, 7, 0, 0x51]]), &[1])));
    check(&join(&[&[0x4e, 5, 0, 0], &head]), None);
    // Lengths of two and of four bytes, the lowest first.
    let longer = [7; 256];
    let (body, cut) = (join(&[&head, &longer]), join(&[&[4], &head]));
    check(&join(&[&[0x4d, 4, 1], &body]), Some((&cut, &longer)));
    check(&join(&[&[0x4e, 4, 1, 0, 0], &body]), Some((&cut, &longer)));
}

/// Whether a block without a solution is refused for ever.
fn check_final(block: Block, is_final: bool) {
    let refused = check_signet_solution(&parsed(block), &Params::signet(), &Interpreter).unwrap_err();
    assert_eq!((refused.to_string().as_str(), refused.is_final()), ("bad-signet-blksig", is_final));
}

#[test]
fn only_the_transactions_that_the_header_means_speak_against_it() {
    let mut unsolved = first();
    unsolved.txdata[0].output[1].script_pubkey = commitment_with(&[]);
    check_final(unsolved.clone(), false);
    unsolved.header.merkle_root = unsolved.compute_merkle_root().unwrap();
    check_final(unsolved.clone(), true);
    unsolved.txdata.push(unsolved.txdata[0].clone());
    unsolved.header.merkle_root = unsolved.compute_merkle_root().unwrap();
    check_final(unsolved, false);
}
