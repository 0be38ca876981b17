//! The machine's clock and the machine's chance, and a clock that can be set.
//!
//! Owns: the only two places of the program that read either. Must not know: who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use adit_domain::units::{Clock, Entropy, UnixMillis};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Now; 1970 on a machine whose clock stands before it.
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The machine's clock, or a time that an operator has set: it stands still then until it is set again. For tests on regtest.
#[derive(Debug, Default)]
pub struct NodeClock {
    /// Seconds since 1970; 0: the machine's.
    set_s: AtomicU64,
}

impl NodeClock {
    /// Sets the time, in seconds since 1970; 0: the machine's again.
    pub fn set(&self, seconds: u64) {
        self.set_s.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        match self.set_s.load(Ordering::SeqCst) {
            0 => SystemClock.now(),
            seconds => UnixMillis::from_seconds(seconds),
        }
    }
}

/// The kernel's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Eight bytes of the kernel's generator.
    ///
    /// # Panics
    /// Where the kernel has no generator. Ids that can be guessed are worse than none: the actor that asked is
    /// restarted, and where that doesn't help the process ends.
    #[expect(clippy::expect_used, reason = "Linux has had it since 3.17; there is no safe answer without it")]
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the kernel gives no random bytes")
    }
}

#[cfg(test)]
mod tests;
