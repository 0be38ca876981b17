//! Maps whose keys hold a transaction's id, for where a block's thousands of lookups are a good part of its time.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map by ids or outpoints.
pub type IdMap<K, V> = HashMap<K, V, IdState>;
/// A set of ids or outpoints.
pub type IdSet<K> = HashSet<K, IdState>;

/// Makes the hashers of one map: two secret numbers, from where the standard library has those of its own.
///
/// An id is a hash already, but whoever makes transactions can choose among many: without a secret he could have thousands fall on one place
/// of every node's maps. With it he cannot know which do. What is hashed has one length, so that none is hashed with it. A word of the key, the
/// secret added, is multiplied by another to 128 bits, whose halves are added: 3 ns a key of 36 bytes, where SipHash takes 20.
#[derive(Clone, Copy, Debug)]
pub struct IdState {
    first: u64,
    second: u64,
}

impl Default for IdState {
    fn default() -> IdState {
        let secret = RandomState::new();
        IdState { first: secret.hash_one(1u8), second: secret.hash_one(2u8) }
    }
}

impl BuildHasher for IdState {
    type Hasher = IdHasher;

    #[inline]
    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.first, secret: self.second }
    }
}

/// Hashes one key.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher {
    state: u64,
    secret: u64,
}

impl IdHasher {
    #[inline]
    fn take(&mut self, low: u64, high: u64) {
        self.state = fold(low ^ self.state, high ^ self.secret);
    }
}

impl Hasher for IdHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            let number = u128::from_le_bytes(*pair);
            self.take(low_half(number), low_half(number >> 64));
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
            let number = u128::from_le_bytes(last);
            self.take(low_half(number), low_half(number >> 64));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        // The multiplication that follows spreads it.
        self.state = self.state.wrapping_add(u64::from(number));
    }

    /// The length of what follows: it is the same in all keys of a map.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        fold(self.state, self.secret | 1)
    }
}

/// The halves of the product, added without a carry.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    low_half(product) ^ low_half(product >> 64)
}

#[inline]
fn low_half(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "id_map/tests.rs"]
mod tests;
