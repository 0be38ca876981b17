//! The difficulty that brings a miner's shares to a steady rate.
//!
//! Owns: when the difficulty moves, and how far. Must not know: jobs; what a change means for them is the session's.
#![warn(clippy::arithmetic_side_effects)]

use crate::units::{Difficulty, UnixMillis};

/// A window is judged after this time. Half a minute has ten shares at the default rate: the chance that an honest, steady
/// miner looks twice as fast or half as fast as it is, is then about 1 %.
const WINDOW_MS: u64 = 30_000;
/// A window is judged early with this many shares: who sends so many is far too low, and a flood is what hurts us.
const WINDOW_SHARES: u32 = 32;
/// A change goes up by this factor at most: one lucky window must not silence a miner for long.
const STEP_UP_MAX: u128 = 8;
/// A change goes down by this factor at most.
const STEP_DOWN_MAX: u128 = 8;
/// Within a factor of two nothing moves: each change costs a job.
const DEAD_BAND: u128 = 2;
/// A miner that nothing came from for this long has its difficulty halved, the first time already before its first share.
const SILENCE_MS: u64 = 30_000;
/// Milliseconds of a minute.
const MINUTE_MS: u128 = 60_000;

/// What an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VardiffConfig {
    /// The first job's.
    pub start: Difficulty,
    /// Never below it; equal to `max` where the difficulty is to stay.
    pub min: Difficulty,
    /// Never above it.
    pub max: Difficulty,
    /// The rate that is aimed at; 0 is taken as 1.
    pub shares_per_minute: u32,
}

/// A miner's difficulty, and the window in which its rate is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vardiff {
    config: VardiffConfig,
    floor: Difficulty,
    difficulty: Difficulty,
    window_from: UnixMillis,
    heard: UnixMillis,
    shares: u32,
    work_raw: u128,
}

impl Vardiff {
    /// Begins at the configured start.
    pub fn new(config: VardiffConfig, now: UnixMillis) -> Vardiff {
        let start = config.start.max(config.min).min(config.max.max(config.min));
        Vardiff {
            config,
            floor: config.min,
            difficulty: start,
            window_from: now,
            heard: now,
            shares: 0,
            work_raw: 0,
        }
    }

    /// What the next job asks for.
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// The miner can bear no less (an ASIC, or BIP310's `minimum-difficulty`). Returns the difficulty where it moved.
    pub fn raise_floor(&mut self, floor: Difficulty, now: UnixMillis) -> Option<Difficulty> {
        self.floor = self.floor.max(floor).min(self.ceiling());
        self.go_to(self.difficulty, now)
    }

    /// The miner asks for a difficulty; it gets the nearest one in the range. Returns the difficulty where it moved.
    pub fn suggest(&mut self, wanted: Difficulty, now: UnixMillis) -> Option<Difficulty> {
        self.go_to(wanted, now)
    }

    /// A share was accepted. Returns the difficulty where it moved.
    pub fn accepted(&mut self, difficulty: Difficulty, now: UnixMillis) -> Option<Difficulty> {
        self.heard = now;
        self.shares = self.shares.saturating_add(1);
        self.work_raw = self.work_raw.saturating_add(u128::from(difficulty.to_raw()));
        self.judge(now)
    }

    /// A share was refused: the miner lives, but what it does is not known.
    pub fn refused(&mut self, now: UnixMillis) {
        self.heard = now;
    }

    /// Time passed. Returns the difficulty where it moved.
    pub fn tick(&mut self, now: UnixMillis) -> Option<Difficulty> {
        if now.ms_since(self.heard) >= SILENCE_MS {
            self.heard = now;
            let half = self.difficulty.to_raw() / 2;
            return self.go_to(Difficulty::from_raw(half).unwrap_or(Difficulty::MIN), now);
        }
        self.judge(now)
    }

    /// Time passed in which there was no work: who sends nothing then is not slow.
    pub fn wait(&mut self, now: UnixMillis) {
        self.heard = now;
        self.begin_window(now);
    }

    fn judge(&mut self, now: UnixMillis) -> Option<Difficulty> {
        let elapsed_ms = now.ms_since(self.window_from);
        if self.shares == 0 || (self.shares < WINDOW_SHARES && elapsed_ms < WINDOW_MS) {
            return None;
        }
        let current = u128::from(self.difficulty.to_raw());
        let wanted = self.wanted_raw(elapsed_ms);
        let steady = wanted < current.saturating_mul(DEAD_BAND) && wanted > current / DEAD_BAND;
        let bounded = wanted.clamp(current / STEP_DOWN_MAX, current.saturating_mul(STEP_UP_MAX));
        let next = if steady { self.difficulty } else { from_raw_u128(bounded) };
        let moved = self.go_to(next, now);
        self.begin_window(now);
        moved
    }

    /// Work a minute, parted among the shares that a minute should have.
    fn wanted_raw(&self, elapsed_ms: u64) -> u128 {
        let per_minute = u128::from(self.config.shares_per_minute.max(1));
        let divisor = u128::from(elapsed_ms.max(1)).saturating_mul(per_minute);
        self.work_raw.saturating_mul(MINUTE_MS).checked_div(divisor).unwrap_or(u128::MAX)
    }

    fn go_to(&mut self, wanted: Difficulty, now: UnixMillis) -> Option<Difficulty> {
        let next = plain(wanted).max(self.floor).min(self.ceiling());
        if next == self.difficulty {
            return None;
        }
        self.difficulty = next;
        self.begin_window(now);
        Some(next)
    }

    fn begin_window(&mut self, now: UnixMillis) {
        self.window_from = now;
        self.shares = 0;
        self.work_raw = 0;
    }

    fn ceiling(&self) -> Difficulty {
        self.config.max.max(self.config.min)
    }
}

fn from_raw_u128(raw: u128) -> Difficulty {
    let raw = u64::try_from(raw).unwrap_or(u64::MAX).clamp(1, Difficulty::MAX.to_raw());
    Difficulty::from_raw(raw).unwrap_or(Difficulty::MIN)
}

/// Rounded down to what every miner reads exactly: a whole number, or, below 1, eight binary digits.
fn plain(difficulty: Difficulty) -> Difficulty {
    let raw = difficulty.to_raw();
    let unit_bits = if difficulty >= Difficulty::ONE {
        32
    } else {
        u64::BITS.saturating_sub(raw.leading_zeros()).saturating_sub(8)
    };
    let rounded = raw.checked_shr(unit_bits).and_then(|r| r.checked_shl(unit_bits)).unwrap_or(raw);
    Difficulty::from_raw(rounded).unwrap_or(Difficulty::MIN)
}

#[cfg(test)]
#[path = "vardiff/tests.rs"]
mod tests;
