//! What is worth keeping from one input of a transaction to the next, and from one check to the next.
//!
//! Never a verdict: those are the caches'.

use std::cell::{Cell, RefCell};

use bitcoin::hashes::sha256;
use secp256k1::{PublicKey, XOnlyPublicKey};

use super::sighash::TxContext;

/// Places for keys of each kind, on each thread that verifies: 100 kB a kind. Much used keys come again within a block; a multisig has three,
/// and a payment many inputs of one key.
const PLACES: usize = 1024;

thread_local! {
    /// Keys that were read, since reading one takes an eighth of what a signature takes. What a key is depends on its bytes alone, so that it
    /// makes no difference who read it first; whoever chooses keys that fall on one place has each of them read again, as without this.
    static KEYS: Keys = Keys::default();
}

#[derive(Debug, Default)]
struct Keys {
    compressed: Kept<33, PublicKey>,
    x_only: Kept<32, XOnlyPublicKey>,
}

/// Forgets all keys that this thread keeps: a measurement that meets the same keys again must read them again.
pub fn forget_keys() {
    KEYS.with(|keys| {
        keys.compressed.forget();
        keys.x_only.forget();
    });
}

/// Gives the keys that this thread keeps, and keeps the output that SIGHASH_SINGLE signs, whose size the budget of a tapscript does
/// not see.
#[derive(Debug, Default)]
pub(super) struct Memo {
    single_output: Cell<Option<(usize, sha256::Hash)>>,
}

impl Memo {
    /// The key in any of its forms; none where the bytes are not on the curve.
    pub(super) fn key(&self, bytes: &[u8]) -> Option<PublicKey> {
        match bytes.try_into() {
            Ok(compressed) => {
                let read = |bytes: &[u8; 33]| PublicKey::from_byte_array_compressed(*bytes).ok();
                KEYS.with(|keys| keys.compressed.get(compressed, read))
            }
            Err(_) => PublicKey::from_slice(bytes).ok(),
        }
    }

    /// The x-only key; none where the bytes are not on the curve.
    pub(super) fn x_only_key(&self, bytes: &[u8]) -> Option<XOnlyPublicKey> {
        let read = |bytes: &[u8; 32]| XOnlyPublicKey::from_byte_array(*bytes).ok();
        let bytes = bytes.try_into().ok()?;
        KEYS.with(|keys| keys.x_only.get(bytes, read))
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

/// The last key at each place; the place follows from the key's last two bytes. The places are made with the first key.
#[derive(Debug)]
struct Kept<const N: usize, K>(RefCell<Vec<Place<N, K>>>);

/// A key beside its bytes.
type Place<const N: usize, K> = Option<([u8; N], K)>;

impl<const N: usize, K> Default for Kept<N, K> {
    fn default() -> Kept<N, K> {
        Kept(RefCell::default())
    }
}

impl<const N: usize, K: Copy> Kept<N, K> {
    fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, bytes: &[u8; N], read: impl FnOnce(&[u8; N]) -> Option<K>) -> Option<K> {
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize(PLACES, None);
        }
        let number = usize::from(u16::from_le_bytes(*bytes.last_chunk()?)) % PLACES;
        let place = places.get_mut(number)?;
        match place {
            Some((kept, key)) if kept == bytes => Some(*key),
            _ => Some(place.insert((*bytes, read(bytes)?)).1),
        }
    }
}

#[cfg(test)]
mod tests;
