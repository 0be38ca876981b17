use bitcoin::Transaction;
use bitcoin::consensus::deserialize;

use super::*;
use crate::template::fixtures::{SUBSIDY, build, next_at, payout};

fn whole(height: u32, free: &[u8]) -> Transaction {
    let parts = build(&next_at(height), None).coinbase_parts(free.len()).unwrap();
    let bytes = [parts.before.as_slice(), free, parts.after.as_slice()].concat();
    deserialize(&bytes).unwrap()
}

#[test]
fn the_script_begins_with_the_height_as_bip34_has_it() {
    let check = |height: u32, head: &[u8]| {
        let script = whole(height, &[0xac; 16]).input[0].script_sig.to_bytes();
        assert_eq!(&script[..head.len()], head, "height {height}");
        let rest = [&[6u8][..], b"/Adit/", &[16], &[0xac; 16]].concat();
        assert_eq!(&script[head.len()..], rest, "height {height}");
    };
    check(0, &[0x00]);
    check(1, &[0x51]);
    check(16, &[0x60]);
    check(17, &[0x01, 0x11]);
    check(127, &[0x01, 0x7f]);
    check(128, &[0x02, 0x80, 0x00]);
    check(255, &[0x02, 0xff, 0x00]);
    check(256, &[0x02, 0x00, 0x01]);
    check(32_768, &[0x03, 0x00, 0x80, 0x00]);
    check(840_000, &[0x03, 0x40, 0xd1, 0x0c]);
    check(u32::MAX, &[0x05, 0xff, 0xff, 0xff, 0xff, 0x00]);
}

#[test]
fn free_bytes_are_data_and_hold_no_signature_operation() {
    let tx = whole(840_000, &[0xac; 75]);
    assert_eq!(tx.input[0].script_sig.count_sigops_legacy(), 0);
    assert!(tx.input[0].script_sig.len() <= 100);
}

#[test]
fn the_free_bytes_must_fit() {
    let template = build(&next_at(840_000), None);
    for free in [0, 76, 100, usize::MAX] {
        assert_eq!(template.coinbase_parts(free), Err(CoinbaseError::NoRoom { free }));
    }
    for free in [1, 16, 75] {
        assert!(template.coinbase_parts(free).is_ok());
    }
}

#[test]
fn it_pays_all_and_commits() {
    let template = build(&next_at(5), None);
    let tx = whole(5, &[0; 12]);
    assert!(tx.is_coinbase());
    assert_eq!(tx.output.len(), 2);
    assert_eq!((tx.output[0].value, &tx.output[0].script_pubkey), (SUBSIDY, &payout()));
    assert_eq!(
        (tx.output[1].value, &tx.output[1].script_pubkey),
        (Amount::ZERO, &template.witness_commitment)
    );
}

#[test]
fn a_block_is_ours_by_tag_height_and_script() {
    let tx = whole(300, &[1; 16]);
    let ours = |tx: &Transaction, height, script: &Script| pool_reward(tx, Height::new(height), script);
    assert_eq!(ours(&tx, 300, &payout()), Some(SUBSIDY));
    assert_eq!(ours(&tx, 301, &payout()), None);
    assert_eq!(ours(&tx, 300, Script::from_bytes(&[0x51])), None);
    let mut untagged = tx.clone();
    untagged.input[0].script_sig = Builder::new().push_int(300).push_slice(b"/Other").into_script();
    assert_eq!(ours(&untagged, 300, &payout()), None);
    let mut spends = tx.clone();
    spends.input[0].previous_output.vout = 0;
    assert_eq!(ours(&spends, 300, &payout()), None);
    let mut overflows = tx.clone();
    overflows.output[0].value = Amount::from_sat(u64::MAX);
    overflows.output.push(tx.output[0].clone());
    assert_eq!(ours(&overflows, 300, &payout()), None);
    // There is a height from which a block without fees pays nothing; it is ours all the same.
    let mut unpaid = tx.clone();
    unpaid.output[0].value = Amount::ZERO;
    assert_eq!(ours(&unpaid, 300, &payout()), Some(Amount::ZERO));
    let mut elsewhere = tx;
    elsewhere.output.remove(0);
    assert_eq!(ours(&elsewhere, 300, &payout()), None);
}
