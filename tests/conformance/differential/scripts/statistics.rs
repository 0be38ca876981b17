//! What was asked, what passed, and where the engines differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use adit_domain::script::ScriptError;

use super::judge::{Verdict, told};
use super::scene::{Group, Question};
use super::{TOLD_MAX, VALID_PERCENT_MIN};

#[derive(Clone, Copy, Default)]
struct Count {
    cases: u64,
    valid: u64,
}

#[derive(Default)]
pub(super) struct Statistics {
    /// By category, and whether something was changed after signing.
    counts: BTreeMap<(&'static str, bool), Count>,
    /// Why cases were refused.
    errors: HashMap<ScriptError, u64>,
    differences: usize,
}

impl Statistics {
    pub(super) fn cases(&self) -> u64 {
        self.counts.values().map(|count| count.cases).sum()
    }

    pub(super) fn differences(&self) -> usize {
        self.differences
    }

    /// How many of the reasons to refuse there were.
    pub(super) fn reasons(&self) -> usize {
        self.errors.len()
    }

    pub(super) fn valid_percent(&self) -> u64 {
        self.counts.values().map(|count| count.valid).sum::<u64>() * 100 / self.cases().max(1)
    }

    pub(super) fn summary(&self) -> String {
        let (cases, valid) = (self.cases(), self.valid_percent());
        let differences = self.differences;
        format!("{cases} cases, {valid}% valid (at least {VALID_PERCENT_MIN}%), {differences} differences")
    }

    /// Counts the verdicts on a batch; the library's where it was asked.
    pub(super) fn take(&mut self, groups: &[(u64, Group)], ours: &[Verdict], theirs: Option<&[u8]>) {
        let questions =
            groups.iter().flat_map(|(seed, group)| group.questions.iter().map(move |q| (seed, group, q)));
        assert!(theirs.is_none_or(|theirs| theirs.len() == ours.len()), "an answer for each question");
        for (n, ((seed, group, question), ours)) in questions.zip(ours).enumerate() {
            let count = self.counts.entry((question.category, question.is_mutant)).or_default();
            count.cases += 1;
            count.valid += u64::from(ours.plain.is_ok());
            if let Err(error) = ours.plain {
                *self.errors.entry(error).or_default() += 1;
            }
            let theirs = theirs.map(|theirs| theirs[n]);
            let agree = theirs.is_none_or(|theirs| theirs == u8::from(ours.plain.is_ok()));
            if !agree || ours.is_policy_laxer() || ours.depends_on_cache() {
                self.differ(*seed, group, question, ours, theirs);
            }
        }
    }

    fn differ(&mut self, seed: u64, group: &Group, question: &Question, ours: &Verdict, theirs: Option<u8>) {
        self.differences += 1;
        if self.differences <= TOLD_MAX {
            println!(
                "DIFFERENCE at seed {seed}: {question:?}\nours {ours:?}, theirs {theirs:?}\n{}",
                told(group)
            );
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((category, is_mutant), count) in &self.counts {
            let kind = if *is_mutant { "changed" } else { "as made" };
            let percent = count.valid * 100 / count.cases;
            writeln!(f, "{category:>22} {kind}: {:>8} cases, {percent:>3}% valid", count.cases)?;
        }
        let errors = self.errors.iter().map(|(error, count)| format!("{error:?} {count}"));
        let errors = errors.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>();
        writeln!(f, "refused for {}", errors.join(", "))
    }
}
