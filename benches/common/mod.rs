//! What the benches beside Bitcoin Core share: both programs, turns, medians, what a process has used, variables.

#[path = "../../tests/system/bitcoind.rs"]
pub mod bitcoind;
#[path = "../../tests/system/client.rs"]
pub mod client;
#[path = "../../tests/system/harness.rs"]
pub mod harness;

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// Linux tells a process's time in these units, whatever its clock's rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// The names of both, in the order in which figures of both stand.
pub const NAMES: [&str; 2] = ["bitcoind", "adit"];

/// `BITCOIND` and `ADIT_CHAIN`; says so where either is missing.
pub fn named() -> Option<(PathBuf, PathBuf)> {
    let named = std::env::var_os("BITCOIND").zip(std::env::var_os("ADIT_CHAIN"));
    if named.is_none() {
        eprintln!("BITCOIND and ADIT_CHAIN name nothing to measure with");
    }
    named.map(|(bitcoind, chain)| (bitcoind.into(), chain.into()))
}

/// Both, the first of the two by turns: who is 0 for bitcoind, 1 for Adit.
pub fn by_turns<T>(round: usize, mut measure: impl FnMut(usize) -> T) -> [T; 2] {
    if round.is_multiple_of(2) {
        [measure(0), measure(1)]
    } else {
        let adit = measure(1);
        [measure(0), adit]
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A process's state, and user and system time of all its threads. Its times stay until its end is taken note of.
pub fn state_and_cpu(id: u32) -> (String, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name, which may hold anything, ends with the last bracket.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    let ticks: f64 = fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    (fields[0].to_owned(), ticks / TICKS_PER_SECOND)
}

/// A list with `between` in a variable.
pub fn listed<T: FromStr<Err: Display>>(variable: &str, between: char, default: &str) -> Vec<T> {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let parse = |part: &str| part.trim().parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}"));
    text.split(between).map(parse).collect()
}

/// One of them.
pub fn one<T: FromStr<Err: Display> + Copy>(variable: &str, default: &str) -> T {
    listed(variable, '\n', default)[0]
}
