//! Headers: proof of work, difficulty, timestamps, versions.

use bitcoin::block::Header;
use bitcoin::{BlockHash, CompactTarget};
use thiserror::Error;

use super::rules::{self, HEADER_RULES};
use super::target::{decode_bits, scale_floor};
use super::{HeaderView, Params, Refused, ViewFault};
use crate::units::{Height, UnixMillis};

/// Seconds that a header's time may be ahead of ours.
pub const FUTURE_TIME_S_MAX: u64 = 2 * 60 * 60;

/// BIP94: seconds that a period's first block may be timed before its parent.
pub const TIMEWARP_S_MAX: u32 = 600;

/// Which rule a header breaks; the texts are Bitcoin Core's reject reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum HeaderError {
    /// The hash is above the target, or the bits mean no target that is allowed.
    #[error("high-hash")]
    HighHash,
    /// The bits are not those that the difficulty asks for.
    #[error("bad-diffbits")]
    BadBits,
    /// Not after the median of the eleven before.
    #[error("time-too-old")]
    TimeTooOld,
    /// More than ten minutes before the parent, where a period begins.
    #[error("time-timewarp-attack")]
    Timewarp,
    /// More than two hours ahead of our clock. It may be valid later: nothing is to be marked.
    #[error("time-too-new")]
    TimeTooNew,
    /// A version that a soft fork has retired.
    #[error("bad-version(0x{0:08x})")]
    BadVersion(u32),
}

impl HeaderError {
    /// Whether the same header may be valid at a later time.
    pub fn may_pass_later(self) -> bool {
        self == HeaderError::TimeTooNew
    }
}

/// A header and what its rules look at.
pub struct HeaderContext<'a> {
    /// The network.
    pub params: &'a Params,
    /// The header.
    pub header: &'a Header,
    /// The chain that ends in its parent.
    pub parent: &'a dyn HeaderView,
    /// Our clock.
    pub now: UnixMillis,
}

impl HeaderContext<'_> {
    /// The height that the header would have.
    pub fn height(&self) -> Height {
        self.parent.tip_height().next()
    }

    fn is_period_start(&self) -> bool {
        is_period_start(self.params, self.height())
    }

    fn parent_header(&self) -> Result<Header, ViewFault> {
        header_at(self.parent, self.parent.tip_height())
    }
}

/// A header MUST hash to no more than the target that its bits mean, and that MUST be positive and within the network's limit.
///
/// Needs nothing but the header: it comes before all that costs memory. `high-hash`
pub fn check_proof_of_work(hash: BlockHash, bits: CompactTarget, params: &Params) -> Result<(), HeaderError> {
    let target = decode_bits(bits).filter(|target| *target <= params.pow.limit);
    let met = target.is_some_and(|target| target.is_met_by(hash));
    if met { Ok(()) } else { Err(HeaderError::HighHash) }
}

/// Checks a header against the chain that it continues, by the rules of [`HEADER_RULES`] in their order. Its proof of work
/// has been checked before.
pub fn check_header(context: &HeaderContext<'_>) -> Result<(), Refused<HeaderError>> {
    rules::in_force(HEADER_RULES, context.params, context.height()).try_for_each(|rule| rule(context))
}

type Checked = Result<(), Refused<HeaderError>>;

fn require(holds: bool, error: HeaderError) -> Checked {
    if holds { Ok(()) } else { Err(Refused::Invalid(error)) }
}

/// The bits MUST be those of the difficulty adjustment. `bad-diffbits`
pub(super) fn bits_are_required(context: &HeaderContext<'_>) -> Checked {
    let required = next_bits(context.params, context.parent, context.header.time)?;
    require(context.header.bits == required, HeaderError::BadBits)
}

/// The time MUST be after the median of the eleven blocks before. `time-too-old`
pub(super) fn time_is_after_median(context: &HeaderContext<'_>) -> Checked {
    let tip = context.parent.tip_height();
    let median = context.parent.median_time_past().ok_or_else(|| ViewFault::header_missing(tip))?;
    require(context.header.time > median, HeaderError::TimeTooOld)
}

/// Where a period begins, the time MUST NOT be more than ten minutes before the parent's. BIP-0094, `time-timewarp-attack`
pub(super) fn time_does_not_warp(context: &HeaderContext<'_>) -> Checked {
    let earliest = context.parent_header()?.time.saturating_sub(TIMEWARP_S_MAX);
    require(!context.is_period_start() || context.header.time >= earliest, HeaderError::Timewarp)
}

/// The time MUST NOT be more than two hours ahead of our clock. `time-too-new`
pub(super) fn time_is_not_ahead(context: &HeaderContext<'_>) -> Checked {
    let latest = context.now.plus_ms(FUTURE_TIME_S_MAX.saturating_mul(1000));
    let time = UnixMillis::from_seconds(u64::from(context.header.time));
    require(time <= latest, HeaderError::TimeTooNew)
}

/// The version MUST be 2 or more. BIP-0034, `bad-version`
pub(super) fn version_is_2(context: &HeaderContext<'_>) -> Checked {
    version_is(context, 2)
}

/// The version MUST be 3 or more. BIP-0066, `bad-version`
pub(super) fn version_is_3(context: &HeaderContext<'_>) -> Checked {
    version_is(context, 3)
}

/// The version MUST be 4 or more. BIP-0065, `bad-version`
pub(super) fn version_is_4(context: &HeaderContext<'_>) -> Checked {
    version_is(context, 4)
}

/// A header's version is signed: what has its highest bit set is below all of them.
fn version_is(context: &HeaderContext<'_>, least: i32) -> Checked {
    let version = context.header.version.to_consensus();
    require(version >= least, HeaderError::BadVersion(u32::from_le_bytes(version.to_le_bytes())))
}

/// The bits that a header with `time` (seconds since 1970) must carry on `parent`.
///
/// Every `retarget_interval` blocks the target is scaled by the time that the period took, by no more than a factor of
/// four, and never above the limit; between, it stays, but for the easy blocks of test networks.
pub fn next_bits(params: &Params, parent: &dyn HeaderView, time: u32) -> Result<CompactTarget, ViewFault> {
    let tip = parent.tip_height();
    let last = header_at(parent, tip)?;
    if is_period_start(params, tip.next()) {
        return retargeted(params, parent, &last);
    }
    if !params.pow.allow_min_difficulty {
        return Ok(last.bits);
    }
    let patience = u64::from(params.pow.spacing_s).saturating_mul(2);
    if u64::from(time) > u64::from(last.time).saturating_add(patience) {
        return Ok(params.pow_limit_bits());
    }
    last_regular_bits(params, parent)
}

/// The bits of the last block that was no easy one; those of the period's first block, where all after it were.
fn last_regular_bits(params: &Params, parent: &dyn HeaderView) -> Result<CompactTarget, ViewFault> {
    let mut height = parent.tip_height();
    loop {
        let bits = header_at(parent, height)?.bits;
        match height.parent() {
            Some(below) if !is_period_start(params, height) && bits == params.pow_limit_bits() => {
                height = below
            }
            _ => return Ok(bits),
        }
    }
}

/// The bits of a new period after the one that ends in `last`.
fn retargeted(params: &Params, parent: &dyn HeaderView, last: &Header) -> Result<CompactTarget, ViewFault> {
    if params.pow.no_retargeting {
        return Ok(last.bits);
    }
    let span = params.retarget_interval().saturating_sub(1);
    let first_height = parent.tip_height().checked_sub(span).unwrap_or(Height::GENESIS);
    let first = header_at(parent, first_height)?;
    let base = if params.pow.enforce_bip94 { first.bits } else { last.bits };
    Ok(scaled_bits(params, base, i64::from(last.time).saturating_sub(i64::from(first.time))))
}

/// `base` scaled by the seconds that a period took, kept within a quarter and four times of what it should take.
fn scaled_bits(params: &Params, base: CompactTarget, took_s: i64) -> CompactTarget {
    let timespan = params.pow.timespan_s;
    let took = u32::try_from(took_s.max(0)).unwrap_or(u32::MAX);
    let took = took.clamp(timespan / 4, timespan.saturating_mul(4));
    let target = decode_bits(base).unwrap_or(bitcoin::Target::ZERO);
    scale_floor(target, took, timespan).min(params.pow.limit).to_compact_lossy()
}

/// The earliest time that a header on `parent` may carry; seconds since 1970.
pub fn next_time_min(params: &Params, parent: &dyn HeaderView) -> Result<u32, ViewFault> {
    let tip = parent.tip_height();
    let median = parent.median_time_past().ok_or_else(|| ViewFault::header_missing(tip))?;
    let after_median = median.saturating_add(1);
    if params.pow.enforce_bip94 && is_period_start(params, tip.next()) {
        let unwarped = header_at(parent, tip)?.time.saturating_sub(TIMEWARP_S_MAX);
        return Ok(after_median.max(unwarped));
    }
    Ok(after_median)
}

fn is_period_start(params: &Params, height: Height) -> bool {
    height.to_u32().checked_rem(params.retarget_interval()) == Some(0)
}

fn header_at(view: &dyn HeaderView, height: Height) -> Result<Header, ViewFault> {
    view.header_at(height).ok_or_else(|| ViewFault::header_missing(height))
}

#[cfg(test)]
#[path = "header/tests.rs"]
mod tests;
