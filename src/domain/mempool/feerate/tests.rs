use super::*;

fn rate(fee_sat: i64, size: u64) -> FeeRate {
    FeeRate { fee_sat, size }
}

#[test]
fn rates_compare_by_what_a_byte_costs() {
    assert!(rate(3, 2).compare(rate(4, 3)).is_gt());
    assert!(rate(2, 4).compare(rate(1, 2)).is_eq());
    assert!(rate(-1, 9).compare(rate(0, 1)).is_lt());
    let most = rate(21_000_000 * 100_000_000, 1);
    assert!(most.compare(rate(1, u64::MAX)).is_gt());
    assert_eq!(rate(1, 3).with(rate(2, 4)), rate(3, 7));
    assert_eq!((rate(10, 3).sat_per_kvb_floor(), rate(-10, 3).sat_per_kvb_floor()), (3_333, 0));
    assert_eq!(rate(10, 401).by_vsize(), rate(10, 101));
    assert_eq!((FeeRate::default().sat_per_kvb_floor(), fee_at_ceil(100, 11)), (0, 2));
}

#[test]
fn a_curve_is_better_where_it_is_nowhere_lower_and_somewhere_higher() {
    let check = |old: &[(i64, u64)], new: &[(i64, u64)], want: bool| {
        let of = |points: &[(i64, u64)]| points.iter().map(|(f, s)| rate(*f, *s)).collect::<Vec<_>>();
        assert_eq!(is_better(&of(old), &of(new)), want, "{old:?} {new:?}");
    };
    check(&[(10, 10)], &[(11, 10)], true);
    check(&[(10, 10)], &[(10, 10)], false);
    // More money for a higher price of a byte, and for a lower one.
    check(&[(10, 10)], &[(30, 20)], true);
    check(&[(10, 10)], &[(15, 20)], false);
    // Less money, but sooner.
    check(&[(10, 10)], &[(9, 1)], false);
    check(&[], &[(1, 1)], true);
    check(&[(1, 1)], &[], false);
    // The order does not matter, the two lines meet in the middle.
    check(&[(1, 10), (20, 10)], &[(20, 10), (2, 10)], true);
    check(&[(20, 10), (1, 10)], &[(12, 10), (12, 10)], false);
}
