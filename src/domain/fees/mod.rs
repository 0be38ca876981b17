//! What a transaction should pay, from what those paid that a block took: Core's estimator.
//!
//! Owns: what is remembered of transactions that joined the mempool (their feerates in buckets, how many blocks each waited), how it fades, the
//! estimates, and the bytes of `fee_estimates.dat`. Must not know: the mempool, a file, the time.
//!
//! Its numbers are floats, as those of Core's file are: they are averages and likelihoods. No amount is computed from them but the feerate
//! that is told.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod archive;
mod estimator;
mod horizon;

pub use archive::ArchiveError;
pub use estimator::{Arrival, FeeEstimator, SmartFee, TARGET_MAX};
pub use horizon::{Estimate, Range};

/// One of the three memories: the further it looks ahead, the longer it remembers and the coarser it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// 12 blocks ahead; half is forgotten after 18.
    Short,
    /// 48 blocks ahead; half is forgotten after 144.
    Medium,
    /// 1,008 blocks ahead; half is forgotten after 1,008.
    Long,
}

impl Memory {
    /// All of them, the shortest first.
    pub const ALL: [Memory; 3] = [Memory::Short, Memory::Medium, Memory::Long];

    /// As Core names it.
    pub fn name(self) -> &'static str {
        match self {
            Memory::Short => "short",
            Memory::Medium => "medium",
            Memory::Long => "long",
        }
    }
}

/// A whole number as a float; above 2^53 the nearest one.
fn real(number: u64) -> f64 {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).map_or(0.0, f64::from);
    half(number >> 32) * 4_294_967_296.0 + half(number)
}

/// The nearest whole number.
#[expect(clippy::as_conversions, reason = "what does not fit is held at the nearest that does")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
