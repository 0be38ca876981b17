//! MuHash3072: a hash of a set, to which elements are added and from which they are taken in any order, and by parts.
//!
//! Each element becomes a number below 2^3072; the set is the product of those that were added over the product of those
//! that were taken out, modulo a prime. Elements and result are as in Bitcoin Core's `gettxoutsetinfo muhash`.

mod num3072;

use std::fmt;

use bitcoin::OutPoint;
use bitcoin::consensus::Encodable;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

pub use self::num3072::NUM_BYTES;
use self::num3072::Num3072;
use crate::consensus::Coin;

/// The hash of a set that can still change. Parts computed apart are put together with [`MuHash::combine`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuHash {
    numerator: Num3072,
    denominator: Num3072,
}

/// The hash of a set: 32 bytes, shown as Core shows it, byte-reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MuHashDigest([u8; 32]);

impl MuHash {
    /// Bytes of [`MuHash::to_bytes`].
    pub const BYTES: usize = 2 * NUM_BYTES;

    /// The empty set.
    pub const EMPTY: MuHash = MuHash { numerator: Num3072::ONE, denominator: Num3072::ONE };

    /// Adds an element. About 3 microseconds.
    pub fn insert(&mut self, element: &[u8]) {
        self.numerator.multiply(&number_of(element));
    }

    /// Takes an element out. About 3 microseconds.
    pub fn remove(&mut self, element: &[u8]) {
        self.denominator.multiply(&number_of(element));
    }

    /// Adds a coin.
    pub fn insert_coin(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.insert(&coin_bytes(outpoint, coin));
    }

    /// Takes a coin out.
    pub fn remove_coin(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.remove(&coin_bytes(outpoint, coin));
    }

    /// Adds all that was added to another set, and takes out all that was taken out of it.
    pub fn combine(&mut self, other: &MuHash) {
        self.numerator.multiply(&other.numerator);
        self.denominator.multiply(&other.denominator);
    }

    /// The hash of the set as it is. About 10 milliseconds, for the one division.
    pub fn digest(&self) -> MuHashDigest {
        MuHashDigest(sha256::Hash::hash(&self.to_quotient_bytes()).to_byte_array())
    }

    /// Carries out the divisions of many sets, so that each is kept by its quotient alone: one inversion for all of them, and a
    /// few multiplications for each.
    pub fn divide_out(sets: &mut [MuHash]) {
        let mut product = Num3072::ONE;
        // For each set, the product of the denominators before it.
        let mut before = Vec::with_capacity(sets.len());
        for set in sets.iter() {
            before.push(product.clone());
            product.multiply(&set.denominator);
        }
        if product == Num3072::ZERO {
            // One of them has no inverse, which nobody will see: it must not spoil the others.
            return sets.iter_mut().for_each(|set| set.divide_by(&set.denominator.inverse()));
        }
        let mut inverse = product.inverse();
        for (set, before) in sets.iter_mut().zip(before).rev() {
            let mut own = inverse.clone();
            own.multiply(&before);
            inverse.multiply(&set.denominator);
            set.divide_by(&own);
        }
    }

    fn divide_by(&mut self, inverse: &Num3072) {
        self.numerator.multiply(inverse);
        self.denominator = Num3072::ONE;
    }

    /// 384 bytes to keep it by, little-endian; about 10 milliseconds where [`MuHash::divide_out`] has not been here.
    pub fn to_quotient_bytes(&self) -> [u8; NUM_BYTES] {
        if self.denominator == Num3072::ONE {
            return self.numerator.to_canonical_bytes();
        }
        let mut quotient = self.denominator.inverse();
        quotient.multiply(&self.numerator);
        quotient.to_canonical_bytes()
    }

    /// What [`MuHash::to_quotient_bytes`] gave.
    pub fn from_quotient_bytes(bytes: &[u8; NUM_BYTES]) -> MuHash {
        MuHash { numerator: Num3072::from_le_bytes(bytes), denominator: Num3072::ONE }
    }

    /// 768 bytes to keep it by: numerator, then denominator, each 384 bytes, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.numerator.to_canonical_bytes(), self.denominator.to_canonical_bytes()].concat()
    }

    /// What [`MuHash::to_bytes`] wrote; none of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<MuHash> {
        let (numerator, denominator) = bytes.split_at_checked(NUM_BYTES)?;
        let number = |part: &[u8]| Some(Num3072::from_le_bytes(part.try_into().ok()?));
        Some(MuHash { numerator: number(numerator)?, denominator: number(denominator)? })
    }
}

impl Default for MuHash {
    fn default() -> MuHash {
        MuHash::EMPTY
    }
}

impl MuHashDigest {
    /// The 32 bytes as they were computed.
    pub fn to_byte_array(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for MuHashDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A coin as an element: outpoint (36 bytes), height * 2 + 1 for a coinbase (4 bytes, little-endian), output (8 bytes of value,
/// then the script with its length).
pub fn coin_bytes(outpoint: &OutPoint, coin: &Coin) -> Vec<u8> {
    let code = coin.height.to_u32().wrapping_shl(1) | u32::from(coin.is_coinbase);
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(outpoint.txid.as_byte_array());
    bytes.extend_from_slice(&outpoint.vout.to_le_bytes());
    bytes.extend_from_slice(&code.to_le_bytes());
    // Writing to a vector does not fail.
    let _ = coin.output.consensus_encode(&mut bytes);
    bytes
}

/// The first 384 bytes of ChaCha20 under the element's SHA256, nonce and counter zero, as a little-endian number.
fn number_of(element: &[u8]) -> Num3072 {
    let mut engine = sha256::Hash::engine();
    engine.input(element);
    let key = sha256::Hash::from_engine(engine).to_byte_array();
    let mut stream = [0u8; NUM_BYTES];
    ChaCha20::new(&key.into(), &[0u8; 12].into()).apply_keystream(&mut stream);
    Num3072::from_le_bytes(&stream)
}

#[cfg(test)]
#[path = "muhash/tests.rs"]
mod tests;
