//! The seam to a cache of signatures: what is asked of one, and when.
//!
//! Owns no cache: whoever keeps one also keeps its secret and its limit.

use std::fmt;
use std::sync::Arc;

/// How a signature signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// Before taproot.
    Ecdsa,
    /// BIP-0340.
    Schnorr,
}

/// A signature beside what it signs and the key that it must be of. All of it is part of its identity, the scheme too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignatureFact<'a> {
    /// How it signs.
    pub scheme: SignatureScheme,
    /// The digest that is signed.
    pub digest: [u8; 32],
    /// The key as the script has it: 33 or 65 bytes for ECDSA, as its first byte says; 32 for Schnorr. So the key and
    /// the signature behind it can be hashed without a length between them.
    pub key: &'a [u8],
    /// The signature without its hash type: up to 519 bytes in no particular encoding for ECDSA, 64 for Schnorr.
    pub signature: &'a [u8],
}

/// Remembers signatures that were found valid. Asked before the curve is, told after it.
///
/// It MUST know nothing that it has not learnt: a false `true` makes coins anyone's. It may forget at any time.
pub trait SignatureCache: Send + Sync {
    /// Whether this was learnt.
    fn knows(&self, fact: &SignatureFact<'_>) -> bool;
    /// This is valid.
    fn learn(&self, fact: &SignatureFact<'_>);
}

impl<C: SignatureCache + ?Sized> SignatureCache for Arc<C> {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        (**self).knows(fact)
    }
    fn learn(&self, fact: &SignatureFact<'_>) {
        (**self).learn(fact);
    }
}

/// The way to the cache for the input that is being verified; there may be none.
#[derive(Clone, Copy)]
pub(super) struct Cached<'a>(pub(super) Option<&'a dyn SignatureCache>);

impl Cached<'_> {
    /// Whether the signature is valid: as the cache has it, or else as `on_curve` says.
    pub(super) fn check(self, fact: &SignatureFact<'_>, on_curve: impl FnOnce() -> bool) -> bool {
        let Some(cache) = self.0 else { return on_curve() };
        if cache.knows(fact) {
            return true;
        }
        let valid = on_curve();
        if valid {
            cache.learn(fact);
        }
        valid
    }
}

impl fmt::Debug for Cached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
