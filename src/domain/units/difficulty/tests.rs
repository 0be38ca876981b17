use bitcoin::Target;

use super::{Difficulty, DifficultyError};

#[test]
fn one_is_bdiff() {
    assert_eq!(Difficulty::ONE.to_target(), Target::MAX);
}

#[test]
fn halving_the_difficulty_doubles_the_target() {
    let half = Difficulty::from_raw(1 << 31).unwrap();
    assert_eq!(half.to_target().to_be_bytes()[..6], [0, 0, 0, 1, 0xff, 0xfe]);
}

#[test]
fn the_extremes_have_targets() {
    assert_eq!(Difficulty::MIN.to_target().to_be_bytes()[..4], [0xff, 0xff, 0, 0]);
    assert!(Difficulty::MAX.to_target() > Target::ZERO);
}

#[test]
fn what_is_no_difficulty() {
    assert_eq!(Difficulty::from_raw(0), Err(DifficultyError::NotPositive));
    assert_eq!(Difficulty::from_raw(u64::MAX), Err(DifficultyError::TooLarge));
}
