use bitcoin::hashes::Hash;

use super::*;

fn txid(number: u32) -> Txid {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Txid::from_byte_array(bytes)
}

fn arrival(number: u32, height: u32, sat_per_kvb: u64) -> Arrival {
    let height = Height::new(height);
    Arrival { txid: txid(number), height, sat_per_kvb, is_alone: true, is_first: true, is_current: true }
}

/// From a height on, a block each with so many transactions of that feerate, all in the next block.
fn mine(fees: &mut FeeEstimator, from: u32, blocks: u32, each: u32, sat_per_kvb: u64) {
    for height in from..from + blocks {
        let ids: Vec<u32> = (0..each).map(|n| height * 1_000 + n).collect();
        ids.iter().for_each(|id| fees.joined(&arrival(*id, height - 1, sat_per_kvb)));
        fees.block(Height::new(height), &ids.iter().map(|id| txid(*id)).collect::<Vec<_>>());
    }
}

fn at(height: u32) -> FeeEstimator {
    let mut fees = FeeEstimator::default();
    fees.block(Height::new(height), &[]);
    fees
}

#[test]
fn the_buckets_are_cores() {
    let fees = FeeEstimator::default();
    assert_eq!((fees.buckets.len(), fees.buckets[0], fees.buckets[1]), (237, 100.0, 105.0));
    assert_eq!(Memory::ALL.map(|memory| fees.target_max(memory)), [12, 48, TARGET_MAX]);
    assert_eq!(Memory::ALL.map(Memory::name), ["short", "medium", "long"]);
}

#[test]
fn nothing_is_said_of_what_nobody_has_seen() {
    let fees = at(200);
    for (target, blocks) in [(0, 0), (1, 0), (6, 0), (1_008, 0), (1_009, 1_009)] {
        assert_eq!(fees.smart(target, true), SmartFee { sat_per_kvb: None, blocks });
    }
    assert_eq!(fees.raw(13, 0.95, Memory::Short), None);
    assert_eq!(fees.raw(0, 0.95, Memory::Short), None);
    assert_eq!(fees.raw(12, 0.95, Memory::Short).unwrap().sat_per_kvb(), None);
}

#[test]
fn a_transaction_counts_where_only_its_feerate_brings_it_into_a_block() {
    let check = |change: fn(&mut Arrival), counts: bool| {
        let mut fees = at(200);
        let mut tx = arrival(1, 200, 1_000);
        change(&mut tx);
        fees.joined(&tx);
        // Once, however often it is told.
        fees.joined(&tx);
        assert_eq!(fees.waiting.len(), usize::from(counts), "{tx:?}");
        assert_eq!(fees.waiting_for(0).iter().sum::<u64>(), u64::from(counts));
    };
    check(|_| (), true);
    check(|tx| tx.sat_per_kvb = 0, true);
    check(|tx| tx.sat_per_kvb = u64::MAX, true);
    check(|tx| tx.is_alone = false, false);
    check(|tx| tx.is_first = false, false);
    check(|tx| tx.is_current = false, false);
    check(|tx| tx.height = Height::new(199), false);
    check(|tx| tx.height = Height::new(201), false);
}

#[test]
fn what_was_taken_at_once_is_enough_for_any_target() {
    let mut fees = at(200);
    mine(&mut fees, 201, 20, 24, 5_000);
    // 19 blocks are between the first and the last; half of them may be asked for.
    for (target, blocks) in [(1, 2), (2, 2), (6, 6), (9, 9), (25, 9)] {
        for conservative in [false, true] {
            assert_eq!(fees.smart(target, conservative), SmartFee { sat_per_kvb: Some(5_000), blocks });
        }
    }
    let raw = fees.raw(2, 0.95, Memory::Short).unwrap();
    assert_eq!((raw.sat_per_kvb(), raw.decay, raw.scale), (Some(5_000), 0.962, 1));
}

#[test]
fn a_conservative_estimate_remembers_for_longer() {
    let mut fees = at(200);
    mine(&mut fees, 201, 12, 24, 500_000);
    mine(&mut fees, 213, 4, 24, 100_000);
    assert_eq!(fees.smart(1, false).sat_per_kvb, Some(100_000));
    assert_eq!(fees.smart(1, true).sat_per_kvb, Some(500_000));
}

#[test]
fn those_that_wait_in_vain_raise_the_estimate() {
    let mut fees = at(200);
    mine(&mut fees, 201, 20, 24, 5_000);
    (0..200).for_each(|n| fees.joined(&arrival(n, 220, 5_000)));
    mine(&mut fees, 221, 3, 24, 50_000);
    assert_eq!(fees.smart(2, false).sat_per_kvb, Some(50_000));
    assert_eq!(fees.waiting_for(3).iter().sum::<u64>(), 200);
    assert_eq!(fees.waiting_for(4).iter().sum::<u64>(), 0);
    assert_eq!(fees.waiting_for(400).iter().sum::<u64>(), 0);
    // They are replaced: that is remembered. Or they left for another chain: that is not.
    let (mut replaced, mut reorganised) = (fees.clone(), fees);
    (0..200).for_each(|n| replaced.left(&txid(n)));
    reorganised.keep(|_| false);
    assert!(replaced.waiting.is_empty() && replaced.by_height.is_empty());
    assert!(reorganised.waiting.is_empty() && reorganised.by_height.is_empty());
    assert_eq!(replaced.smart(2, false).sat_per_kvb, Some(50_000));
    assert_eq!(reorganised.smart(2, false).sat_per_kvb, Some(5_000));
}

#[test]
fn a_node_that_ends_remembers_who_waited() {
    let mut fees = at(200);
    mine(&mut fees, 201, 20, 24, 5_000);
    (0..200).for_each(|n| fees.joined(&arrival(n, 220, 5_000)));
    fees.block(Height::new(223), &[]);
    fees.end();
    assert!(fees.waiting.is_empty());
    assert!(fees.short.failed[2].iter().sum::<f64>() > 199.0);
}

#[test]
fn a_block_that_is_no_higher_says_nothing() {
    let mut fees = at(200);
    fees.joined(&arrival(1, 200, 5_000));
    let before = fees.clone();
    fees.block(Height::new(200), &[txid(1)]);
    fees.block(Height::new(3), &[txid(1)]);
    assert_eq!(fees, before);
    fees.block(Height::new(201), &[txid(1), txid(2)]);
    assert_eq!((fees.first, fees.best, fees.waiting.len()), (201, 201, 0));
}

#[test]
fn history_counts_until_it_is_too_old() {
    let mut fees = at(200);
    mine(&mut fees, 201, 40, 24, 5_000);
    let mut read = FeeEstimator::decode(&fees.encode()).unwrap();
    assert_eq!(read.smart(19, false), SmartFee { sat_per_kvb: Some(5_000), blocks: 19 });
    read.block(Height::new(240 + HISTORY_BLOCKS_MAX), &[]);
    assert_eq!(read.blocks_of_history(), 39);
    read.block(Height::new(241 + HISTORY_BLOCKS_MAX), &[]);
    assert_eq!(read.blocks_of_history(), 0);
}
