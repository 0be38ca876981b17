//! Lock times: absolute (BIP-0065) and relative (BIP-0112). The operand stays on the stack.

use super::{Run, ensure};
use crate::script::num::LOCK_BYTES_MAX;
use crate::script::{ScriptError, ScriptFlags};

/// From this number on a lock time is a time, below it a height.
const LOCK_TIME_THRESHOLD: i64 = 500_000_000;
/// The bit of a sequence number that turns its lock off.
const SEQUENCE_DISABLED: i64 = 1 << 31;
/// The bit of a sequence number that makes its lock a time.
const SEQUENCE_IS_TIME: i64 = 1 << 22;
/// The bits of a sequence number that have a meaning: [`SEQUENCE_IS_TIME`] and the lock itself.
const SEQUENCE_MASK: i64 = SEQUENCE_IS_TIME | 0xffff;
/// A sequence number that turns the transaction's lock time off.
const SEQUENCE_FINAL: u32 = u32::MAX;

impl Run<'_, '_, '_> {
    /// The transaction's lock time MUST have reached the operand. BIP-0065.
    pub(super) fn check_lock_time(&self) -> Result<(), ScriptError> {
        if !self.has(ScriptFlags::CHECKLOCKTIMEVERIFY) {
            return Ok(());
        }
        let wanted = self.peek_lock()?;
        let has = i64::from(self.input.context.tx().lock_time.to_consensus_u32());
        let same_kind = (has < LOCK_TIME_THRESHOLD) == (wanted < LOCK_TIME_THRESHOLD);
        let is_final = self.sequence()? == SEQUENCE_FINAL;
        ensure(same_kind && wanted <= has && !is_final, ScriptError::UnsatisfiedLocktime)
    }

    /// The input's sequence number MUST have reached the operand. BIP-0112.
    pub(super) fn check_sequence(&self) -> Result<(), ScriptError> {
        if !self.has(ScriptFlags::CHECKSEQUENCEVERIFY) {
            return Ok(());
        }
        let wanted = self.peek_lock()?;
        if wanted & SEQUENCE_DISABLED != 0 {
            return Ok(());
        }
        // The version is unsigned: 0xffffffff is above 2.
        let version = self.input.context.tx().version.0.cast_unsigned();
        let has = i64::from(self.sequence()?);
        let locks = version >= 2 && has & SEQUENCE_DISABLED == 0;
        let (has, wanted) = (has & SEQUENCE_MASK, wanted & SEQUENCE_MASK);
        let same_kind = (has < SEQUENCE_IS_TIME) == (wanted < SEQUENCE_IS_TIME);
        ensure(locks && same_kind && wanted <= has, ScriptError::UnsatisfiedLocktime)
    }

    fn peek_lock(&self) -> Result<i64, ScriptError> {
        let lock = self.peek_num_of(0, LOCK_BYTES_MAX)?;
        ensure(lock >= 0, ScriptError::NegativeLocktime)?;
        Ok(lock)
    }

    fn sequence(&self) -> Result<u32, ScriptError> {
        let input = self.input.context.tx().input.get(self.input.index);
        input.map(|input| input.sequence.0).ok_or(ScriptError::Unknown)
    }
}
