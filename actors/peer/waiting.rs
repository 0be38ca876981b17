use std::collections::{BTreeSet, VecDeque};

use super::link::Link;

/// Ticks that an answer waits at most until what was judged has led to where it leads: ten seconds, in which thousands of blocks connect.
const SETTLE_TICKS_MAX: u32 = 40;

/// Answers that wait for a verdict: a peer that has more open has asked for all of them while one block was judged.
const ANSWERS_MAX: usize = 1_000;

/// What has been submitted and not judged, and what is sent when it is.
#[derive(Default)]
pub(super) struct Waiting {
    next: u64,
    open: BTreeSet<u64>,
    answers: VecDeque<(u64, Vec<u8>)>,
    /// How long the first of them has waited for nothing but the chain.
    ticks: u32,
}

impl Waiting {
    /// One more is submitted.
    pub(super) fn submit(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.open.insert(self.next);
        self.next
    }

    /// It is judged.
    pub(super) fn judged(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Sends what waits for nothing any more. Blocks that were judged may connect a moment later: until then the chain is not settled.
    pub(super) fn release(&mut self, link: &Link, settled: bool) {
        if !settled && self.ticks < SETTLE_TICKS_MAX {
            return;
        }
        let first = self.open.first().copied().unwrap_or(u64::MAX);
        while self.answers.front().is_some_and(|(after, _)| *after < first) {
            self.answers.pop_front().into_iter().for_each(|(_, frame)| link.push(frame));
            self.ticks = 0;
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        let first = self.open.first().copied().unwrap_or(u64::MAX);
        let waits = self.answers.front().is_some_and(|(after, _)| *after < first);
        self.ticks = if waits { self.ticks.saturating_add(1) } else { 0 };
    }

    /// Sends when all that is submitted has been judged.
    pub(super) fn send(&mut self, frame: Vec<u8>) {
        // Each answers a message of the peer's; where it asks for more than this, the first go unanswered.
        self.answers.push_back((self.next, frame));
        if self.answers.len() > ANSWERS_MAX {
            self.answers.pop_front();
        }
    }

    /// Whether an answer waits.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }
}
