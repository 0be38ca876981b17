use bitcoin::consensus::encode::deserialize;
use bitcoin::hex::FromHex;
use bitcoin::{Transaction, Witness};
use serde_json::Value;

use super::*;
use crate::stratum::fixtures::{EASY, HARD, job, template};
use crate::template::COINBASE_TAG;

fn solution() -> Solution {
    Solution {
        extranonce1: [1, 2, 3, 4],
        extranonce2: [5, 6, 7, 8, 9, 10, 11, 12],
        version_mask: 0x1fff_e000,
        version_bits: None,
        ntime: 1_700_000_001,
        nonce: 42,
    }
}

fn params(line: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(line).unwrap();
    value.get("params").unwrap().as_array().unwrap().clone()
}

#[test]
fn prevhash_has_its_words_reversed_and_their_bytes_not() {
    // As pools send it in live traffic: it ends in zeros.
    let display = "000000000000000000016f1d5f1e8fee9d1e7b3e0d3ee0e6d2a0f8f495b10b5d";
    let prev: BlockHash = display.parse().unwrap();
    let words: Vec<&str> = (0..8).rev().map(|w| &display[w * 8..w * 8 + 8]).collect();
    assert_eq!(prev_words(&prev), words.concat());
    assert!(prev_words(&prev).starts_with("95b10b5d") && prev_words(&prev).ends_with("0000000000000000"));
}

#[test]
fn notify_has_its_numbers_in_big_endian_hex() {
    let made = job(&JobMaker::new(0xaabb_ccdd), 1, HARD);
    let shown = params(&made.notify(true));
    assert_eq!(shown[0], "1");
    assert_eq!(shown[4], Value::Array(vec![]));
    assert_eq!(
        (&shown[5], &shown[6], &shown[7]),
        (&"20000000".into(), &"1d00ffff".into(), &"6553f100".into())
    );
    assert_eq!(shown[8], true);
    assert_eq!(params(&made.notify(false))[8], false);
    assert!(made.notify(true).ends_with("]}\n"));
}

#[test]
fn the_coinbase_on_the_wire_has_no_witness_and_the_block_has() {
    let made = job(&JobMaker::new(1), 1, EASY);
    let shown = params(&made.notify(true));
    let part = |at: usize| Vec::<u8>::from_hex(shown[at].as_str().unwrap()).unwrap();
    let wire = [part(2), vec![1, 2, 3, 4], vec![5, 6, 7, 8, 9, 10, 11, 12], part(3)].concat();
    let coinbase: Transaction = deserialize(&wire).unwrap();
    assert!(coinbase.is_coinbase() && coinbase.input[0].witness.is_empty());
    let script = coinbase.input[0].script_sig.as_bytes();
    assert!(script.len() <= 100);
    assert!(script.windows(COINBASE_TAG.len()).any(|w| w == COINBASE_TAG));
    assert!(script.ends_with(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));

    let block = made.block(&solution()).unwrap().to_block();
    assert_eq!(block.header, made.header(&solution()));
    assert_eq!(block.txdata[0].input[0].witness, Witness::from_slice(&[[0u8; 32]]));
    assert_eq!(block.txdata[0].compute_txid(), coinbase.compute_txid());
    assert!(block.check_merkle_root() && block.check_witness_commitment());
    assert_eq!(block.bip34_block_height().unwrap(), 101);
}

#[test]
fn the_highest_block_still_has_room_for_the_extranonces() {
    let made = JobMaker::new(1).make(&template(1, u32::MAX, HARD)).unwrap();
    let coinbase: Transaction = deserialize(&made.coinbase(&solution()).concat()).unwrap();
    assert!(coinbase.input[0].script_sig.len() <= 100);
}

#[test]
fn every_job_has_another_number_and_another_coinbase() {
    let (maker, other_process) = (JobMaker::new(1), JobMaker::new(2));
    let template = template(1, 101, HARD);
    let jobs = [maker.make(&template).unwrap(), maker.make(&template).unwrap()];
    assert_ne!(jobs[0].number(), jobs[1].number());
    assert_ne!(jobs[0].header(&solution()).merkle_root, jobs[1].header(&solution()).merkle_root);
    let after_restart = other_process.make(&template).unwrap();
    assert_ne!(jobs[0].header(&solution()).merkle_root, after_restart.header(&solution()).merkle_root);
}

#[test]
fn version_bits_change_only_what_the_mask_has() {
    let made = job(&JobMaker::new(1), 1, HARD);
    let version = |bits: Option<u32>, mask: u32| {
        let solution = Solution { version_bits: bits, version_mask: mask, ..solution() };
        made.header(&solution).version.to_consensus().cast_unsigned()
    };
    assert_eq!(version(None, 0x1fff_e000), 0x2000_0000);
    assert_eq!(version(Some(0), 0x1fff_e000), 0x2000_0000);
    assert_eq!(version(Some(0x0000_2000), 0x1fff_e000), 0x2000_2000);
    assert_eq!(version(Some(0xffff_ffff), 0x1fff_e000), 0x3fff_e000);
    assert_eq!(version(Some(0xffff_ffff), 0), 0x2000_0000);
}
