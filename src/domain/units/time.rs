/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// From milliseconds since 1970.
    pub const fn new(ms: u64) -> UnixMillis {
        UnixMillis(ms)
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(s: u64) -> UnixMillis {
        UnixMillis(s.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    pub const fn to_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn to_seconds_floor(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds from `earlier` to this; 0 where `earlier` is later (a clock may be set back).
    pub const fn ms_since(self, earlier: UnixMillis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This point and `ms` later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> UnixMillis {
        UnixMillis(self.0.saturating_add(ms))
    }
}

/// Where the time comes from: the machine's clock, or one that a test moves.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// Where chance comes from: the machine's generator, or a seeded one in tests.
pub trait Entropy: Send + Sync {
    /// Eight bytes that nobody else can guess.
    fn next_u64(&self) -> u64;
}
