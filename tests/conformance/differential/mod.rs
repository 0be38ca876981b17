//! Adit beside Bitcoin Core's own library, on cases made by chance.
//!
//! `ADIT_ORACLE` names the program (`cargo build --release -p adit-oracle`); without it these tests say so and end.
//! `ADIT_ORACLE_CASES` says how many cases, `ADIT_ORACLE_SEED` where to begin; what is found names its seed.

mod blocks;
pub(crate) mod chance;
pub(crate) mod child;
mod scripts;

use std::io::ErrorKind;

use chance::Chance;
use child::Oracle;

/// A number that the environment gives, or what stands in for it.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

#[test]
fn the_oracle_answers_in_order_and_says_how_it_ended() {
    let Some(mut oracle) = Oracle::start("echo", &[]) else { return };
    let messages = [vec![], vec![7], vec![1; 3 << 20], b"end".to_vec()];
    for message in &messages {
        assert_eq!(oracle.ask(message).unwrap(), *message);
    }
    for message in &messages[..2] {
        oracle.send(message).unwrap();
    }
    assert_eq!([oracle.receive().unwrap(), oracle.receive().unwrap()], [vec![], vec![7]]);

    let mut oracle = Oracle::start("no such mode", &[]).unwrap();
    let died = oracle.ask(b"anybody?").unwrap_err();
    assert!(died.0.contains("exit status: 1"), "{died:?}");
    assert_eq!(ErrorKind::NotFound, Oracle::run("/nonexistent".as_ref(), "echo", &[]).err().unwrap().kind());
}

#[test]
fn chance_repeats_itself_for_a_seed_only() {
    let seed = setting("ADIT_ORACLE_SEED", 1);
    let draw = |seed| {
        let mut chance = Chance::new(seed);
        let numbers = (chance.within(3, 5), *chance.pick(&[7, 8]), chance.one_in(2));
        assert!((3..=5).contains(&numbers.0) && [7, 8].contains(&numbers.1), "{numbers:?}");
        (numbers, chance.bytes(20))
    };
    assert_eq!(draw(seed), draw(seed));
    assert_ne!(draw(seed).1, draw(seed + 1).1);
}
