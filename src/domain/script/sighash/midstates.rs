//! What the signatures of one script have in common.

use std::borrow::Cow;

use super::{HashType, signed_with};
use crate::wire::hash::Sha256;

/// The last midstate of each class of hash types, beside the script code that it is of. Many signatures of one script
/// then cost what one costs, whatever the transaction's size: else a megabyte is hashed for each of them.
///
/// Before segwit and in version 0 alike; a script has one of the two.
#[derive(Debug, Default)]
pub(in crate::script) struct Midstates<'s>([Option<(Cow<'s, [u8]>, Sha256)>; 6]);

impl<'s> Midstates<'s> {
    /// The digest for a hash type: from what is kept, or else from the midstate that `compute` makes.
    #[expect(clippy::ptr_arg, reason = "it is kept, without a copy where it is borrowed")]
    pub(in crate::script) fn digest(
        &mut self,
        code: &Cow<'s, [u8]>,
        hash_type: u8,
        compute: impl FnOnce(HashType) -> Option<Sha256>,
    ) -> Option<[u8; 32]> {
        let kind = HashType::from(hash_type);
        let slot = self.0.get_mut(class(kind))?;
        let midstate = match slot {
            Some((kept, midstate)) if kept == code => midstate.clone(),
            _ => slot.insert((code.clone(), compute(kind)?)).1.clone(),
        };
        Some(signed_with(midstate, u32::from(hash_type)))
    }
}

/// Hash types of one class sign the same, but for themselves.
fn class(kind: HashType) -> usize {
    match (kind.is_anyone_can_pay(), kind.is_none(), kind.is_single()) {
        (false, false, false) => 0,
        (false, true, _) => 1,
        (false, ..) => 2,
        (true, false, false) => 3,
        (true, true, _) => 4,
        (true, ..) => 5,
    }
}

#[cfg(test)]
mod tests;
