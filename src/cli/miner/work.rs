use adit_domain::units::Difficulty;
use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};

use super::protocol::Notify;

/// Bytes of a header that one midstate covers: the first block of SHA-256.
const HEAD_BYTES: usize = 64;

/// What a pool told of its session.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// The session's bytes of the coinbase.
    pub(super) extranonce1: Vec<u8>,
    /// Bytes that are ours; at most 16.
    pub(super) extranonce2_bytes: usize,
    /// The version bits that may be rolled; 0: none.
    pub(super) version_mask: u32,
}

/// A job as it is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Rising; set by the slot.
    pub(super) number: u64,
    /// The connection that it belongs to.
    pub(super) connection: u64,
    pub(super) terms: Terms,
    pub(super) notify: Notify,
    /// The highest hash that is a share, as a number with its highest byte first.
    pub(super) target: [u8; 32],
}

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) connection: u64,
    pub(super) job: String,
    pub(super) extranonce2: Vec<u8>,
    pub(super) time: u32,
    pub(super) nonce: u32,
    /// The rolled bits, where rolling was agreed.
    pub(super) version_bits: Option<u32>,
}

impl Work {
    pub(super) fn new(connection: u64, terms: &Terms, notify: Notify, difficulty: Difficulty) -> Work {
        let target = difficulty.to_target().to_be_bytes();
        Work { number: 0, connection, terms: terms.clone(), notify, target }
    }

    /// The header's first 76 bytes; the nonce follows.
    fn head(&self, extranonce2: &[u8], version: u32) -> Vec<u8> {
        let n = &self.notify;
        let coinbase =
            [n.coinb1.as_slice(), &self.terms.extranonce1, extranonce2, n.coinb2.as_slice()].concat();
        let root = n.branch.iter().fold(sha256d::Hash::hash(&coinbase), |left, right| {
            let mut engine = sha256d::Hash::engine();
            engine.input(left.as_byte_array());
            engine.input(right);
            sha256d::Hash::from_engine(engine)
        });
        let mut head = version.to_le_bytes().to_vec();
        head.extend_from_slice(&n.prev);
        head.extend_from_slice(root.as_byte_array());
        head.extend_from_slice(&n.time.to_le_bytes());
        head.extend_from_slice(&n.bits.to_le_bytes());
        head
    }
}

/// One walk over all nonces of one coinbase.
pub(super) struct Scan<'a> {
    work: &'a Work,
    extranonce2: Vec<u8>,
    version_bits: Option<u32>,
    midstate: sha256::HashEngine,
    tail: Vec<u8>,
    nonce: Option<u32>,
}

impl<'a> Scan<'a> {
    /// `extranonce2` counts the coinbases of this process; `thread` chooses the rolled bits.
    pub(super) fn new(work: &'a Work, extranonce2: u64, thread: u32) -> Scan<'a> {
        let extranonce2 = low_bytes(extranonce2, work.terms.extranonce2_bytes);
        let mask = work.terms.version_mask;
        let version_bits = (mask != 0).then(|| deposit(thread, mask));
        let version = (work.notify.version & !mask) | version_bits.unwrap_or(work.notify.version & mask);
        let head = work.head(&extranonce2, version);
        let (first, tail) = head.split_at_checked(HEAD_BYTES).unwrap_or((&head, &[]));
        let mut midstate = sha256::Hash::engine();
        midstate.input(first);
        Scan { work, extranonce2, version_bits, midstate, tail: tail.to_vec(), nonce: Some(0) }
    }

    /// Whether every nonce was tried.
    pub(super) fn is_exhausted(&self) -> bool {
        self.nonce.is_none()
    }

    /// Tries some nonces; returns how many.
    pub(super) fn run(&mut self, hashes: u32, mut found: impl FnMut(Found)) -> u32 {
        for done in 0..hashes {
            let Some(nonce) = self.nonce else { return done };
            if self.hash(nonce).is_at_most(&self.work.target) {
                found(self.found(nonce));
            }
            self.nonce = nonce.checked_add(1);
        }
        hashes
    }

    fn hash(&self, nonce: u32) -> Hashed {
        let mut engine = self.midstate.clone();
        engine.input(&self.tail);
        engine.input(&nonce.to_le_bytes());
        let once = sha256::Hash::from_engine(engine);
        Hashed(sha256::Hash::hash(once.as_byte_array()).to_byte_array())
    }

    fn found(&self, nonce: u32) -> Found {
        Found {
            connection: self.work.connection,
            job: self.work.notify.job.clone(),
            extranonce2: self.extranonce2.clone(),
            time: self.work.notify.time,
            nonce,
            version_bits: self.version_bits,
        }
    }
}

/// A header's hash as it comes out of the function: its highest byte last.
struct Hashed([u8; 32]);

impl Hashed {
    fn is_at_most(&self, target: &[u8; 32]) -> bool {
        self.0.iter().rev().cmp(target.iter()).is_le()
    }
}

/// The number's lowest bytes, the highest first, padded to `len`.
fn low_bytes(number: u64, len: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let skip = bytes.len().saturating_sub(len);
    let mut out = vec![0u8; len.saturating_sub(bytes.len())];
    out.extend(bytes.into_iter().skip(skip));
    out
}

/// The number's bits, the lowest first, in the places of the mask's.
fn deposit(number: u32, mask: u32) -> u32 {
    let places = (0..u32::BITS).filter(|p| mask >> p & 1 == 1);
    places.enumerate().fold(0, |bits, (i, place)| {
        let bit = u32::try_from(i).ok().and_then(|i| number.checked_shr(i)).unwrap_or(0) & 1;
        bits | (bit << place)
    })
}

#[cfg(test)]
#[path = "work/tests.rs"]
mod tests;
