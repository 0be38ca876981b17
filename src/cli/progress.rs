//! How far something is: a bar on a terminal, a line now and then elsewhere. Both on stderr.
//!
//! Owns: rates and what is left, by the bytes or things done so far. Must not know: of what.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Before so much time has gone by, a rate says nothing.
const RATE_AFTER: Duration = Duration::from_secs(2);

/// How far it is.
pub(crate) struct Progress {
    /// None where there is no terminal.
    bar: Option<ProgressBar>,
    every: Duration,
    said: Instant,
    part: Option<Part>,
}

/// What is measured at present.
struct Part {
    what: &'static str,
    begun: Instant,
    /// What was done when it was first heard of.
    from: u64,
}

impl Progress {
    /// On a terminal a bar; elsewhere a line, but not before `every` has gone by.
    pub(crate) fn start(every: Duration) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::no_length().with_style(style()));
        Progress { bar, every, said: Instant::now(), part: None }
    }

    /// `done` of `total` bytes.
    pub(crate) fn bytes(&mut self, what: &'static str, done: u64, total: u64, beside: &str) {
        let mb = |rate: u64| format!("{}.{} MB/s", rate / 1_000_000, rate / 100_000 % 10);
        self.tell(what, (done, total), |rate| format!("{beside}, {}", mb(rate)));
    }

    /// `done` of `total` things.
    pub(crate) fn count(&mut self, what: &'static str, done: u64, total: u64, beside: &str) {
        self.tell(what, (done, total), |_| beside.to_owned());
    }

    /// What is done now, of unknown length.
    pub(crate) fn say(&mut self, what: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    /// Nothing more is shown.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell(&mut self, what: &'static str, (done, total): (u64, u64), text: impl FnOnce(u64) -> String) {
        if self.part.as_ref().is_none_or(|part| part.what != what) {
            self.part = Some(Part { what, begun: Instant::now(), from: done });
        }
        let Some(part) = &self.part else { return };
        let so_far = part.begun.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(line(part, done, total, so_far, text));
        } else if self.said.elapsed() >= self.every {
            self.said = Instant::now();
            let share = percent(done, total);
            eprintln!("adit: {what} {share}%: {}", line(part, done, total, so_far, text));
        }
    }
}

fn line(part: &Part, done: u64, total: u64, so_far: Duration, text: impl FnOnce(u64) -> String) -> String {
    let here = done.saturating_sub(part.from);
    let (Some(rate), Some(left)) = (rate(here, so_far), left(here, total.saturating_sub(done), so_far))
    else {
        return text(0);
    };
    format!("{}, {} left", text(rate), HumanDuration(left))
}

/// Things a second, where enough time has gone by.
fn rate(done: u64, so_far: Duration) -> Option<u64> {
    let rate = u128::from(done).saturating_mul(1000).checked_div(so_far.as_millis())?;
    (so_far >= RATE_AFTER).then(|| u64::try_from(rate).unwrap_or(u64::MAX))
}

/// The time that the rest takes if it goes on like this.
fn left(done: u64, rest: u64, so_far: Duration) -> Option<Duration> {
    let millis = u64::try_from(so_far.as_millis()).ok()?;
    let left = u128::from(millis).checked_mul(u128::from(rest))?.checked_div(u128::from(done))?;
    (so_far >= RATE_AFTER).then_some(Duration::from_millis(u64::try_from(left).ok()?))
}

fn percent(done: u64, total: u64) -> u64 {
    let share = u128::from(done).saturating_mul(100).checked_div(u128::from(total)).unwrap_or(100);
    u64::try_from(share).unwrap_or(100).min(100)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{percent:>3}% [{bar:30}] {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_done() {
        let s = Duration::from_secs;
        for (done, rest, so_far, want) in [
            (10, 90, s(10), Some(s(90))),
            (1 << 40, 3 << 40, s(100), Some(s(300))),
            (0, 90, s(10), None),
            (10, 0, s(10), Some(s(0))),
            (10, 90, s(1), None),
        ] {
            assert_eq!(left(done, rest, so_far), want, "{done} {rest}");
        }
        assert_eq!(
            (rate(100, s(4)), rate(100, s(0)), rate(1 << 40, s(1 << 10))),
            (Some(25), None, Some(1 << 30))
        );
        assert_eq!((percent(1, 3), percent(0, 0), percent(7, 3)), (33, 100, 100));
    }
}
