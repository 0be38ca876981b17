//! What is worth keeping from one input of a transaction to the next, and from one check to the next.
//!
//! Never a verdict: those are the caches'.

use std::cell::{Cell, RefCell};

use bitcoin::hashes::sha256;
use secp256k1::{PublicKey, XOnlyPublicKey};

use super::sighash::TxContext;

/// Places for keys of each kind; a multisig has mostly three, and a payment many inputs of one key.
const PLACES: usize = 8;

/// Keeps keys that were read, since reading one takes a tenth of what a signature takes, and the output that
/// SIGHASH_SINGLE signs, whose size the budget of a tapscript does not see.
#[derive(Debug, Default)]
pub(super) struct Memo {
    compressed: Kept<33, PublicKey>,
    x_only: Kept<32, XOnlyPublicKey>,
    single_output: Cell<Option<(usize, sha256::Hash)>>,
}

impl Memo {
    /// The key in any of its forms; none where the bytes are not on the curve.
    pub(super) fn key(&self, bytes: &[u8]) -> Option<PublicKey> {
        match bytes.try_into() {
            Ok(compressed) => {
                self.compressed.get(compressed, |bytes| PublicKey::from_byte_array_compressed(*bytes).ok())
            }
            Err(_) => PublicKey::from_slice(bytes).ok(),
        }
    }

    /// The x-only key; none where the bytes are not on the curve.
    pub(super) fn x_only_key(&self, bytes: &[u8]) -> Option<XOnlyPublicKey> {
        self.x_only.get(bytes.try_into().ok()?, |bytes| XOnlyPublicKey::from_byte_array(*bytes).ok())
    }

    /// [`TxContext::single_output`], of one and the same transaction in all calls.
    pub(super) fn single_output(&self, context: &TxContext<'_>, input: usize) -> Option<sha256::Hash> {
        if let Some((_, hash)) = self.single_output.get().filter(|(of, _)| *of == input) {
            return Some(hash);
        }
        let hash = context.single_output(input)?;
        self.single_output.set(Some((input, hash)));
        Some(hash)
    }
}

/// The last key at each place; the place follows from the key's last byte.
#[derive(Debug)]
struct Kept<const N: usize, K>(RefCell<[Place<N, K>; PLACES]>);

/// A key beside its bytes.
type Place<const N: usize, K> = Option<([u8; N], K)>;

impl<const N: usize, K> Default for Kept<N, K> {
    fn default() -> Kept<N, K> {
        Kept(RefCell::new([const { None }; PLACES]))
    }
}

impl<const N: usize, K: Copy> Kept<N, K> {
    fn get(&self, bytes: &[u8; N], read: impl FnOnce(&[u8; N]) -> Option<K>) -> Option<K> {
        let mut places = self.0.borrow_mut();
        let place = places.get_mut(usize::from(*bytes.last()?) % PLACES)?;
        match place {
            Some((kept, key)) if kept == bytes => Some(*key),
            _ => Some(place.insert((*bytes, read(bytes)?)).1),
        }
    }
}

#[cfg(test)]
mod tests;
