use super::*;

const BUCKETS: [f64; 4] = [100.0, 200.0, 400.0, 1e99];
/// Half is forgotten after a block, so that one transaction is enough.
const PACE: Pace = Pace { decay: 0.5, scale: 2, periods: 3, sufficient_txs: 0.5 };

/// Transactions that blocks took: bucket, blocks waited; then those that left.
fn horizon(taken: &[(usize, u32)], lost: &[(usize, u32)]) -> Horizon {
    let mut horizon = Horizon::new(PACE, BUCKETS.len());
    for (bucket, blocks) in taken {
        horizon.taken(*blocks, *bucket, BUCKETS[*bucket].min(1_000.0) - 10.0);
    }
    for (bucket, blocks) in lost {
        horizon.lost(*blocks, *bucket);
    }
    horizon
}

/// The feerate for four blocks, and the ranges that passed and failed.
#[track_caller]
fn check(
    horizon: &Horizon,
    waiting: [u64; 4],
    rate: Option<f64>,
    pass: Option<(f64, f64)>,
    fail: Option<(f64, f64)>,
) {
    let estimate = horizon.estimate(4, 0.6, &BUCKETS, &waiting);
    let ends = |range: Option<Range>| range.map(|range| (range.start, range.end));
    assert_eq!((estimate.rate, ends(estimate.pass), ends(estimate.fail)), (rate, pass, fail));
    assert_eq!((estimate.decay, estimate.scale), (0.5, 2));
}

#[test]
fn the_lowest_bucket_of_which_enough_were_taken_in_time_says_the_feerate() {
    let all = Some((0.0, 1e99));
    check(&horizon(&[], &[]), [0; 4], None, None, all);
    // In time up to the third bucket, the second too late.
    let late = horizon(&[(3, 1), (2, 4), (1, 5)], &[]);
    check(&late, [0; 4], Some(390.0), Some((200.0, 400.0)), Some((100.0, 200.0)));
    // All in time: below the last that was seen nothing is known.
    check(&horizon(&[(3, 1), (2, 4)], &[]), [0; 4], Some(390.0), Some((200.0, 400.0)), Some((0.0, 200.0)));
    check(&horizon(&[(3, 1), (0, 1)], &[]), [0; 4], Some(90.0), Some((0.0, 400.0)), None);
    // Those that wait for as long as the target, and those that left, were not taken.
    let two = horizon(&[(3, 1), (2, 1)], &[]);
    check(&two, [0, 0, 1, 0], Some(990.0), Some((400.0, 1e99)), Some((200.0, 400.0)));
    check(&horizon(&[(3, 1)], &[(3, 4)]), [0; 4], None, None, Some((400.0, 1e99)));
    check(&horizon(&[(3, 1)], &[(3, 3)]), [0; 4], Some(990.0), Some((400.0, 1e99)), Some((0.0, 400.0)));
    // What fails above does not hinder what passes below.
    let mixed = horizon(&[(3, 6), (2, 1), (2, 1)], &[]);
    check(&mixed, [0; 4], Some(390.0), Some((200.0, 1e99)), Some((0.0, 200.0)));
}

#[test]
fn counts_fade_with_each_block() {
    let mut one = horizon(&[(2, 1), (2, 1), (2, 1)], &[(2, 9)]);
    one.fade(1);
    assert_eq!(
        (one.confirmed[2], one.feerates[2], one.within[0][2], one.failed[2][2]),
        (1.5, 585.0, 1.5, 0.5)
    );
    let (mut step, mut jump) = (one.clone(), one);
    (0..5).for_each(|_| step.fade(1));
    jump.fade(5);
    assert_eq!(step, jump);
    jump.fade(u32::MAX);
    assert_eq!(jump, Horizon::new(PACE, BUCKETS.len()));
}

#[test]
fn what_left_counts_for_the_whole_periods_that_it_had_waited() {
    for (blocks, counts) in
        [(0, [0.0; 3]), (1, [0.0; 3]), (2, [1.0, 0.0, 0.0]), (5, [1.0, 1.0, 0.0]), (99, [1.0; 3])]
    {
        let left = horizon(&[], &[(1, blocks)]);
        assert_eq!(left.failed.iter().map(|row| row[1]).collect::<Vec<_>>(), counts, "{blocks}");
    }
    assert_eq!(horizon(&[], &[]).target_max(), 6);
}
