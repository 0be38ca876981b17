//! What is borne of a miner that sends nothing valid.

use crate::units::UnixMillis;

/// Invalid requests in a row that are borne: at 10,000 a second, as a flood comes, it is over in a tenth of a second.
pub const INVALID_RUN_MAX: u32 = 1_000;
/// A run is judged by its time only from this many on: one mistake an hour is no run.
const INVALID_RUN_JUDGED: u32 = 20;
/// After this long with nothing valid the work is sent again: the miner may have lost it.
const INVALID_RESEND_MS: u64 = 60_000;
/// After this long with nothing valid the connection ends.
const INVALID_CLOSE_MS: u64 = 180_000;

/// Invalid requests since the last valid share.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Conduct {
    since: Option<UnixMillis>,
    run: u32,
    resent: bool,
}

/// What is done about a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nothing.
    Bear,
    /// It gets its work again.
    Resend,
    /// It is sent away.
    Close,
}

impl Conduct {
    /// A valid share ends the run.
    pub fn valid(&mut self) {
        *self = Conduct::default();
    }

    /// Something invalid came.
    pub fn invalid(&mut self, now: UnixMillis) -> Measure {
        let since = *self.since.get_or_insert(now);
        self.run = self.run.saturating_add(1);
        let lasted_ms = if self.run < INVALID_RUN_JUDGED { 0 } else { now.ms_since(since) };
        if self.run >= INVALID_RUN_MAX || lasted_ms >= INVALID_CLOSE_MS {
            return Measure::Close;
        }
        if lasted_ms >= INVALID_RESEND_MS && !self.resent {
            self.resent = true;
            return Measure::Resend;
        }
        Measure::Bear
    }
}

#[cfg(test)]
#[path = "conduct/tests.rs"]
mod tests;
