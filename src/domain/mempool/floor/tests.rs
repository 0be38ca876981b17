use super::*;

const HOUR_MS: u64 = 3_600_000;

fn risen() -> Floor {
    let mut floor = Floor::default();
    floor.rise(FeeRate { fee_sat: 900, size: 1_000 }, 100);
    floor
}

#[test]
fn it_halves_in_twelve_hours_once_a_block_has_come() {
    // In use, hours, what is left of 1,000.
    let check = |usage_bytes: u64, hours: u64, want: u64| {
        let mut floor = risen();
        floor.block(UnixMillis::new(0));
        floor.pass(UnixMillis::new(hours * HOUR_MS), usage_bytes, 1_000, 100);
        let got = floor.sat_per_kvb();
        assert!(got.abs_diff(want) <= 1, "{usage_bytes} {hours}: {got}");
    };
    check(600, 0, 1_000);
    check(600, 12, 500);
    check(600, 6, 707);
    check(400, 12, 250);
    check(200, 3, 500);
    // What a replacement adds is asked for at least, and below half of it nothing.
    check(600, 42, 100);
    check(600, 60, 0);
    check(600, u64::MAX / HOUR_MS, 0);
}

#[test]
fn many_steps_lead_where_one_does() {
    let (mut one, mut many) = (risen(), risen());
    one.block(UnixMillis::new(0));
    many.block(UnixMillis::new(0));
    one.pass(UnixMillis::new(11 * HOUR_MS), 600, 1_000, 100);
    (1..=11 * 60).for_each(|minute| many.pass(UnixMillis::new(minute * 60_000), 600, 1_000, 100));
    assert!(one.sat_per_kvb().abs_diff(many.sat_per_kvb()) <= 1);
}

#[test]
fn it_does_not_fall_before_a_block_and_rises_only_above_itself() {
    let mut floor = risen();
    floor.pass(UnixMillis::new(100 * HOUR_MS), 600, 1_000, 100);
    assert_eq!(floor.sat_per_kvb(), 1_000);
    floor.rise(FeeRate { fee_sat: 100, size: 1_000 }, 100);
    assert_eq!(floor.sat_per_kvb(), 1_000);
    floor.rise(FeeRate { fee_sat: 1_900, size: 1_000 }, 100);
    assert_eq!(floor.sat_per_kvb(), 2_000);
    // The clock of a test may go back.
    floor.block(UnixMillis::new(HOUR_MS));
    floor.pass(UnixMillis::new(0), 600, 1_000, 100);
    assert_eq!(floor.sat_per_kvb(), 2_000);
}
