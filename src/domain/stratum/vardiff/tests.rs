#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::stratum::fixtures::raw;

const CONFIG: VardiffConfig = VardiffConfig {
    start: raw_const(1 << 20),
    min: raw_const(1 << 10),
    max: raw_const(1 << 62),
    shares_per_minute: 20,
};

const fn raw_const(steps: u64) -> Difficulty {
    match Difficulty::from_raw(steps) {
        Ok(d) => d,
        Err(_) => Difficulty::ONE,
    }
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis::new(1_000_000 + ms)
}

/// A miner of steady speed, in hashes a second, for some seconds; returns the difficulty at the end.
fn mine(vardiff: &mut Vardiff, hashes_per_second: u64, seconds: u64) -> u64 {
    let mut next_ms = 0;
    while next_ms < seconds * 1000 {
        let interval_ms = vardiff.difficulty().to_raw() * 1000 / hashes_per_second;
        next_ms += interval_ms.max(1);
        vardiff.accepted(vardiff.difficulty(), at(next_ms));
    }
    vardiff.difficulty().to_raw()
}

#[test]
fn it_settles_at_the_rate_that_is_aimed_at() {
    for hashes_per_second in [1 << 12, 1 << 20, 1 << 30, 1 << 40] {
        let mut vardiff = Vardiff::new(CONFIG, at(0));
        let raw = mine(&mut vardiff, hashes_per_second, 1200);
        let wanted = hashes_per_second * 3;
        assert!(raw * 2 >= wanted && raw <= wanted * 2, "{hashes_per_second}: {raw} for {wanted}");
    }
}

#[test]
fn a_step_up_is_at_most_eightfold() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    let before = vardiff.difficulty().to_raw();
    let moved: Vec<u64> = (0..WINDOW_SHARES)
        .filter_map(|_| vardiff.accepted(CONFIG.start, at(1)))
        .map(Difficulty::to_raw)
        .collect();
    assert_eq!(moved, [before * 8]);
}

#[test]
fn a_step_down_is_at_most_eightfold() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    let moved = vardiff.accepted(CONFIG.start, at(10_000_000)).unwrap();
    assert_eq!(moved.to_raw(), CONFIG.start.to_raw() / 8);
}

#[test]
fn it_descends_on_silence_and_before_the_first_share() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    assert_eq!(vardiff.tick(at(SILENCE_MS - 1)), None);
    let half = CONFIG.start.to_raw() / 2;
    assert_eq!(vardiff.tick(at(SILENCE_MS)).map(Difficulty::to_raw), Some(half));
    assert_eq!(vardiff.tick(at(SILENCE_MS + 1)), None);
    for beat in 2..100 {
        vardiff.tick(at(SILENCE_MS * beat));
    }
    assert_eq!(vardiff.difficulty(), CONFIG.min);
}

#[test]
fn refused_shares_count_as_life() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    for beat in 1..100 {
        vardiff.refused(at(beat * 10_000));
        assert_eq!(vardiff.tick(at(beat * 10_000 + 1)), None);
    }
    assert_eq!(vardiff.difficulty(), CONFIG.start);
}

#[test]
fn a_wish_is_brought_into_the_range() {
    let check = |wanted: Difficulty, got: Difficulty| {
        let mut vardiff = Vardiff::new(CONFIG, at(0));
        vardiff.suggest(wanted, at(0));
        assert_eq!(vardiff.difficulty(), got);
    };
    check(Difficulty::MIN, CONFIG.min);
    check(Difficulty::MAX, CONFIG.max);
    check(raw(1 << 30), raw(1 << 30));
    // What every miner reads exactly: whole numbers, or eight binary digits.
    check(raw((5 << 32) + 12345), raw(5 << 32));
    check(raw(0x1_2345), raw(0x1_2200));
}

#[test]
fn a_floor_holds_against_silence_and_wishes() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    assert_eq!(vardiff.raise_floor(Difficulty::ONE, at(0)), Some(Difficulty::ONE));
    assert_eq!(vardiff.suggest(CONFIG.min, at(0)), None);
    assert_eq!(vardiff.tick(at(SILENCE_MS)), None);
    assert_eq!(vardiff.difficulty(), Difficulty::ONE);
    // A floor above the highest would be no difficulty at all.
    vardiff.raise_floor(Difficulty::MAX, at(0));
    assert_eq!(vardiff.difficulty(), CONFIG.max);
}

#[test]
fn a_pinned_difficulty_stays() {
    let pinned = VardiffConfig { start: raw(77), min: raw(64), max: raw(64), shares_per_minute: 0 };
    let mut vardiff = Vardiff::new(pinned, at(0));
    for n in 0..1000 {
        assert_eq!(vardiff.accepted(raw(64), at(n)), None);
    }
    assert_eq!(vardiff.tick(at(10_000_000)), None);
    assert_eq!(vardiff.difficulty(), raw(64));
}

#[test]
fn a_clock_that_is_set_back_moves_nothing_beyond_a_step() {
    let mut vardiff = Vardiff::new(CONFIG, at(5_000));
    for _ in 0..WINDOW_SHARES {
        vardiff.accepted(CONFIG.start, UnixMillis::new(0));
    }
    assert_eq!(vardiff.difficulty().to_raw(), CONFIG.start.to_raw() * 8);
    assert_eq!(vardiff.tick(UnixMillis::new(1)), None);
}

#[test]
fn who_has_no_work_is_neither_silent_nor_slow() {
    let mut vardiff = Vardiff::new(CONFIG, at(0));
    for n in 1..100 {
        vardiff.wait(at(n * 10_000));
    }
    let before = vardiff.difficulty();
    // From the first job on the time counts: a share within seconds is no rate yet.
    assert_eq!(vardiff.accepted(before, at(995_000)), None);
    assert_eq!(vardiff.tick(at(1_000_000)), None);
    assert_eq!(vardiff.difficulty(), before);
}
