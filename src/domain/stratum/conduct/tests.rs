use super::*;

fn at(seconds: u64) -> UnixMillis {
    UnixMillis::from_seconds(1_000 + seconds)
}

#[test]
fn a_flood_ends_at_its_count() {
    let mut conduct = Conduct::default();
    for _ in 1..INVALID_RUN_MAX {
        assert_eq!(conduct.invalid(at(0)), Measure::Bear);
    }
    assert_eq!(conduct.invalid(at(0)), Measure::Close);
}

#[test]
fn a_miner_that_only_fails_gets_its_work_again_and_is_then_sent_away() {
    let mut conduct = Conduct::default();
    let measures: Vec<Measure> = (0..=180).map(|s| conduct.invalid(at(s))).collect();
    assert_eq!(measures.iter().position(|m| *m == Measure::Resend), Some(60));
    assert_eq!(measures.iter().filter(|m| **m == Measure::Resend).count(), 1);
    assert_eq!(measures.iter().position(|m| *m == Measure::Close), Some(180));
}

#[test]
fn a_mistake_now_and_then_is_borne_and_a_valid_share_forgives() {
    let mut conduct = Conduct::default();
    for hour in 0..10 {
        assert_eq!(conduct.invalid(at(hour * 3600)), Measure::Bear);
    }
    conduct.valid();
    for second in 0..59 {
        assert_eq!(conduct.invalid(at(100_000 + second)), Measure::Bear);
    }
}
