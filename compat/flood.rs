//! Lines for the log that strangers cause: some of them are said, the others are counted.
//!
//! Owns: how many. Must not know: what is said, or the clock.

use std::time::{Duration, Instant};

/// Lines in [`WINDOW`]: at 150 bytes each, whoever causes them without end fills 13 MB a day.
const LINES_MAX: u32 = 60;
/// How long a count holds.
const WINDOW: Duration = Duration::from_secs(60);

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is said; before it so many were not.
    Yes {
        /// Those of earlier windows that were counted alone.
        unsaid: u64,
    },
    /// It is counted.
    No,
}

/// The lines of one kind.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    since: Option<Instant>,
    lines: u32,
    unsaid: u64,
}

impl Flood {
    /// One more.
    pub(crate) fn line(&mut self, now: Instant) -> Said {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES_MAX {
            self.unsaid = self.unsaid.saturating_add(1);
            return Said::No;
        }
        self.lines = self.lines.saturating_add(1);
        Said::Yes { unsaid: std::mem::take(&mut self.unsaid) }
    }
}

#[cfg(test)]
mod tests;
