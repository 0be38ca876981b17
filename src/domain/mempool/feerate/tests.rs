use bitcoin::hashes::Hash;

use super::*;

fn rate(fee_sat: u64, vsize: u64) -> FeeRate {
    FeeRate { fee_sat, vsize }
}

#[test]
fn rates_are_compared_exactly() {
    let most = 21_000_000 * 100_000_000;
    for (a, b, want) in [
        (rate(1, 2), rate(2, 4), Ordering::Equal),
        (rate(1, 3), rate(333_333, 1_000_000), Ordering::Greater),
        (rate(most, 100_000), rate(most - 1, 100_000), Ordering::Greater),
        (rate(0, 1), rate(1, 100_000_000), Ordering::Less),
    ] {
        assert_eq!(a.compare(b), want);
        assert_eq!(b.compare(a), want.reverse());
    }
    assert_eq!(rate(1, 1).lower(rate(2, 1)), rate(1, 1));
    assert_eq!(rate(1, 1).higher(rate(2, 1)), rate(2, 1));
    assert_eq!(rate(1, 2).with(rate(3, 4)).without(rate(1, 2)), rate(3, 4));
}

#[test]
fn rounding_is_as_it_says() {
    assert_eq!(rate(199, 1_000).sat_per_kvb_floor(), 199);
    assert_eq!(rate(1, 3).sat_per_kvb_floor(), 333);
    assert_eq!([fee_at_ceil(100, 141), fee_at_ceil(100, 140), fee_at_ceil(0, 140)], [15, 14, 0]);
}

#[test]
fn the_id_decides_between_equals() {
    let place = |n| Place { rate: rate(1, 1), txid: Txid::from_byte_array([n; 32]) };
    assert!(place(1) < place(2));
}
