//! Scripts and transactions made by chance, of which most are meant to pass; both engines say of each whether it does.

mod checks;
mod gadgets;
mod judge;
mod keys;
mod limits;
mod mutate;
mod program;
mod scene;
mod spend;
mod statistics;

use std::time::Instant;

use super::child::{Died, Oracle};
use super::setting;
use judge::{Judge, Verdict};
use scene::{Group, scene};
use statistics::Statistics;

/// Cases without the oracle: enough to see that the generator still makes what it should.
const CASES_ALONE: u64 = 5_000;
/// Cases with it: what the gate asks for.
const CASES: u64 = 1_000_000;
/// Cases in one message: large enough that the pipe costs nothing, small enough to name the culprit soon.
const BATCH_CASES: usize = 2_000;
/// At least so many in a hundred have to pass, or chance has become too blind.
const VALID_PERCENT_MIN: u64 = 40;
/// The reasons to refuse that the rules have; policy's own are not among them. So many cases meet each of them.
const REASONS: usize = 39;
const CASES_OF_ALL_REASONS: u64 = 200_000;
/// Cases told in full before the rest is only counted.
const TOLD_MAX: usize = 5;
/// How many cases go by between two words about it.
const CASES_BETWEEN_WORDS: u64 = 1_000_000;

/// Transactions of neighbouring seeds, on their way through both engines.
struct Batch {
    groups: Vec<(u64, Group)>,
    cases: usize,
}

impl Batch {
    /// Of the seeds from `seed` on, which moves on.
    fn new(seed: &mut u64) -> Batch {
        let mut batch = Batch { groups: Vec::new(), cases: 0 };
        while batch.cases < BATCH_CASES {
            for group in scene(*seed) {
                batch.cases += group.questions.len();
                batch.groups.push((*seed, group));
            }
            *seed += 1;
        }
        batch
    }

    fn message(&self) -> Vec<u8> {
        self.groups.iter().flat_map(|(_, group)| judge::message(group)).collect()
    }

    /// Adit's verdicts, in the order of the questions.
    fn verdicts(&self, judge: &Judge) -> Vec<Verdict> {
        self.groups.iter().flat_map(|(seed, group)| judge.verdicts(*seed, group)).collect()
    }
}

/// The library's verdicts. Where it died, the case that killed it is looked for one by one.
fn received(oracle: &mut Oracle, batch: &Batch) -> Vec<u8> {
    oracle.receive().unwrap_or_else(|died| {
        for (seed, group) in &batch.groups {
            let mut again = Oracle::start("scripts", &[]).expect("it was there before");
            if let Err(Died(how)) = again.ask(&judge::message(group)) {
                panic!("seed {seed}: {how}\n{}", judge::told(group));
            }
        }
        panic!("{}, at no case that does it again", died.0)
    })
}

/// Runs `cases` from `first` on; what differs is told.
fn run(first: u64, cases: u64, mut oracle: Option<Oracle>) -> Statistics {
    let (mut seed, mut statistics, judge) = (first, Statistics::default(), Judge::default());
    let (began, mut next_word) = (Instant::now(), CASES_BETWEEN_WORDS);
    let mut batch = Batch::new(&mut seed);
    while statistics.cases() < cases {
        if let Some(oracle) = &mut oracle {
            oracle.send(&batch.message()).unwrap_or_else(|Died(how)| println!("{how}"));
        }
        // While the oracle thinks, so does Adit, and makes what comes next.
        let ours = batch.verdicts(&judge);
        let next = Batch::new(&mut seed);
        let theirs = oracle.as_mut().map(|oracle| received(oracle, &batch));
        statistics.take(&batch.groups, &ours, theirs.as_deref());
        batch = next;
        if statistics.cases() >= next_word {
            next_word += CASES_BETWEEN_WORDS;
            println!("{}, seeds {first}..{seed}, {:?}", statistics.summary(), began.elapsed());
        }
    }
    println!("{statistics}scripts: {}, seeds {first}..{seed}, {:?}", statistics.summary(), began.elapsed());
    statistics
}

#[test]
fn scripts_made_by_chance() {
    let oracle = Oracle::start("scripts", &[]);
    let default = if oracle.is_some() { CASES } else { CASES_ALONE };
    let cases = setting("ADIT_ORACLE_CASES", default);
    let statistics = run(setting("ADIT_ORACLE_SEED", 1), cases, oracle);
    assert_eq!(statistics.differences(), 0, "the engines differ");
    assert!(statistics.valid_percent() >= VALID_PERCENT_MIN, "only {}", statistics.summary());
    assert!(
        statistics.reasons() >= REASONS || cases < CASES_OF_ALL_REASONS,
        "{} reasons",
        statistics.reasons()
    );
}
