use super::*;

#[test]
fn the_clock_is_after_2020() {
    assert!(SystemClock.now() > UnixMillis::from_seconds(1_577_836_800));
}

#[test]
fn chance_does_not_repeat() {
    assert_ne!(SystemEntropy.next_u64(), SystemEntropy.next_u64());
}
