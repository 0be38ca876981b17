//! SHA-256 in one place: for ids and merkle trees here, and for whoever else in domain hashes more than a few bytes.
//!
//! Blocks go to the processor's own instructions in runs, without a copy of each; and where many messages wait at once
//! ([`sha256d_64`], [`sha256d_each`]) they go in lockstep: it works at one while it waits for the other. Figures and
//! reason: docs/decisions/0002-hashing.md.

use bitcoin::hashes::{Hash, sha256, sha256d};
use sha2::block_api::compress256;

/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;
/// Where the length in bits stands in a last block.
const LENGTH_AT: usize = 56;
/// Messages that [`sha256d_64`] works at together: from four on the processor is busy (measured: 82 ns a message with
/// four, 80 with sixteen, 114 with one).
const LANES: usize = 8;
/// Messages of any length that [`sha256d_each`] works at together: a third takes as long as it saves.
const STREAMS: usize = 2;

/// FIPS 180-4, 5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

type Block = [u8; BLOCK_BYTES];

/// SHA-256 of what comes in pieces. A clone is a midstate: hash what is common once, clone it for each that goes on.
#[derive(Clone, Debug)]
pub struct Sha256 {
    state: [u32; 8],
    /// The bytes of a block that is not full yet, at its front; `length` says how many.
    pending: Block,
    length: u64,
}

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256::new()
    }
}

impl Sha256 {
    /// Of nothing yet.
    pub const fn new() -> Sha256 {
        Sha256 { state: START, pending: [0; BLOCK_BYTES], length: 0 }
    }

    /// As BIP340 begins a tagged hash: with the hash of the tag, twice.
    pub fn tagged(tag: &[u8]) -> Sha256 {
        let tag = sha256(tag).to_byte_array();
        Sha256::new().with(&tag).with(&tag)
    }

    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let held = self.held();
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let room = self.pending.get_mut(held..).unwrap_or_default();
        let Some((now, later)) = bytes.split_at_checked(room.len()) else {
            put(room, bytes);
            return;
        };
        let rest = if held == 0 {
            bytes
        } else {
            put(room, now);
            compress256(&mut self.state, &[self.pending]);
            later
        };
        let (blocks, tail) = rest.as_chunks();
        compress256(&mut self.state, blocks);
        put(&mut self.pending, tail);
    }

    /// The same with more bytes.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Sha256 {
        self.update(bytes);
        self
    }

    /// SHA-256 of the bytes.
    pub fn finish(self) -> sha256::Hash {
        sha256::Hash::from_byte_array(bytes_of(&self.finished()))
    }

    /// SHA-256 of the SHA-256 of the bytes.
    pub fn finish_twice(self) -> sha256d::Hash {
        sha256d::Hash::from_byte_array(bytes_of(&again(&self.finished())))
    }

    fn held(&self) -> usize {
        usize::try_from(self.length % 64).unwrap_or_default()
    }

    fn finished(mut self) -> [u32; 8] {
        let held = self.held();
        let (last, count) = last_blocks(self.pending.get(..held).unwrap_or_default(), self.length);
        compress256(&mut self.state, last.get(..count).unwrap_or_default());
        self.state
    }
}

/// SHA-256 of these bytes.
pub fn sha256(bytes: &[u8]) -> sha256::Hash {
    sha256::Hash::from_byte_array(bytes_of(&hashed(bytes)))
}

/// SHA-256 of the SHA-256 of these bytes.
pub fn sha256d(bytes: &[u8]) -> sha256d::Hash {
    sha256d::Hash::from_byte_array(bytes_of(&again(&hashed(bytes))))
}

/// SHA-256 of the SHA-256 of each message of 64 bytes, in their order.
pub fn sha256d_64(messages: &[Block]) -> Vec<[u8; 32]> {
    let mut hashes = Vec::with_capacity(messages.len());
    let (groups, rest) = messages.as_chunks::<LANES>();
    groups.iter().for_each(|group| hashes.extend(lockstep(group)));
    rest.iter().for_each(|message| hashes.extend(lockstep(std::array::from_ref(message))));
    hashes
}

/// SHA-256 of the SHA-256 of each message, in their order. A message may lie in up to three pieces.
pub fn sha256d_each<'a>(messages: impl IntoIterator<Item = [&'a [u8]; 3]>) -> Vec<[u8; 32]> {
    let mut messages = messages.into_iter();
    let mut hashes = Vec::with_capacity(messages.size_hint().0);
    let mut lanes = [const { None }; STREAMS];
    let mut busy = true;
    while busy {
        busy = false;
        for lane in &mut lanes {
            if lane.is_none() {
                *lane = messages.next().map(|pieces| (hashes.len(), Stream::new(pieces)));
                hashes.extend(lane.as_ref().map(|_| [0; 32]));
            }
            let Some((place, stream)) = lane else { continue };
            busy = true;
            if let Some(hash) = stream.step() {
                put_at(&mut hashes, *place, hash);
                *lane = None;
            }
        }
    }
    hashes
}

fn put_at<T>(list: &mut [T], place: usize, value: T) {
    if let Some(to) = list.get_mut(place) {
        *to = value;
    }
}

/// A message on its way through its double hash, a block a step.
struct Stream<'a> {
    state: [u32; 8],
    piece: &'a [u8],
    later: [&'a [u8]; 2],
    length: u64,
    next: Next,
}

/// What the next step hashes.
enum Next {
    /// Bytes of the message, or its end.
    Message,
    /// The block of its length, which found no place beside its last bytes.
    Length,
    /// Its hash.
    Hash,
}

impl<'a> Stream<'a> {
    fn new(pieces: [&'a [u8]; 3]) -> Stream<'a> {
        let length = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let [piece, later @ ..] = pieces;
        Stream { state: START, piece, later, length, next: Next::Message }
    }

    /// Hashes a block; the result behind the last.
    #[inline]
    fn step(&mut self) -> Option<[u8; 32]> {
        if let Some((block, rest)) = self.piece.split_first_chunk() {
            compress256(&mut self.state, std::slice::from_ref(block));
            self.piece = rest;
            return None;
        }
        self.step_at_an_edge()
    }

    /// A step where the block does not lie in one piece.
    fn step_at_an_edge(&mut self) -> Option<[u8; 32]> {
        let mut block = [0; BLOCK_BYTES];
        match self.next {
            Next::Message => {
                let filled = self.fill(&mut block);
                put(block.get_mut(filled..).unwrap_or_default(), &[0x80]);
                self.next = match filled {
                    BLOCK_BYTES => Next::Message,
                    LENGTH_AT.. => Next::Length,
                    _ => self.with_length(&mut block),
                };
            }
            Next::Length => self.next = self.with_length(&mut block),
            Next::Hash => return Some(bytes_of(&again(&self.state))),
        }
        compress256(&mut self.state, &[block]);
        None
    }

    fn with_length(&self, block: &mut Block) -> Next {
        put(block.get_mut(LENGTH_AT..).unwrap_or_default(), &self.length.wrapping_mul(8).to_be_bytes());
        Next::Hash
    }

    /// Moves bytes from the pieces into the block, and says how many.
    fn fill(&mut self, block: &mut Block) -> usize {
        let mut filled = 0usize;
        loop {
            let room = block.get_mut(filled..).unwrap_or_default();
            if let Some((now, rest)) = self.piece.split_at_checked(room.len()) {
                put(room, now);
                self.piece = rest;
                return BLOCK_BYTES;
            }
            put(room, self.piece);
            filled = filled.saturating_add(self.piece.len());
            let [next, last] = self.later;
            (self.piece, self.later) = (next, [last, &[]]);
            if next.is_empty() && last.is_empty() {
                return filled;
            }
        }
    }
}

/// Each step for all messages before the next: neighbouring calls do not wait for each other.
fn lockstep<const N: usize>(messages: &[Block; N]) -> [[u8; 32]; N] {
    let mut states = [START; N];
    states
        .iter_mut()
        .zip(messages)
        .for_each(|(state, block)| compress256(state, std::slice::from_ref(block)));
    states.iter_mut().for_each(|state| compress256(state, &[PADDING_OF_64]));
    let seconds = states.map(|state| padded(&state));
    states = [START; N];
    states
        .iter_mut()
        .zip(&seconds)
        .for_each(|(state, block)| compress256(state, std::slice::from_ref(block)));
    states.map(|state| bytes_of(&state))
}

/// What follows a message of 64 bytes: 512 bits.
const PADDING_OF_64: Block = {
    let mut block = [0; BLOCK_BYTES];
    block[0] = 0x80;
    block[62] = 2;
    block
};

fn hashed(bytes: &[u8]) -> [u32; 8] {
    let mut state = START;
    let (blocks, tail) = bytes.as_chunks();
    let (last, count) = last_blocks(tail, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    compress256(&mut state, blocks);
    compress256(&mut state, last.get(..count).unwrap_or_default());
    state
}

/// The hash of a hash.
fn again(first: &[u32; 8]) -> [u32; 8] {
    let mut state = START;
    compress256(&mut state, &[padded(first)]);
    state
}

/// A hash and what follows a message of 32 bytes: 256 bits.
fn padded(first: &[u32; 8]) -> Block {
    let mut block = [0; BLOCK_BYTES];
    put(&mut block, &bytes_of(first));
    put(block.get_mut(32..).unwrap_or_default(), &[0x80]);
    put(block.get_mut(62..).unwrap_or_default(), &[1]);
    block
}

/// The last block or two of a message: what is left of it (less than a block), a bit, zeros, and its length in bits.
fn last_blocks(tail: &[u8], length: u64) -> ([Block; 2], usize) {
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    let count = if tail.len() < LENGTH_AT { 1 } else { 2 };
    let flat = blocks.as_flattened_mut();
    put(flat, tail);
    put(flat.get_mut(tail.len()..).unwrap_or_default(), &[0x80]);
    let bits = length.wrapping_mul(8).to_be_bytes();
    if let Some(last) = blocks.get_mut(..count).and_then(<[Block]>::last_mut) {
        put(last.get_mut(LENGTH_AT..).unwrap_or_default(), &bits);
    }
    (blocks, count)
}

/// Copies to the front of `to` as much as fits.
fn put(to: &mut [u8], from: &[u8]) {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
}

fn bytes_of(state: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.as_chunks_mut().0.iter_mut().zip(state).for_each(|(to, word)| *to = word.to_be_bytes());
    bytes
}

#[cfg(test)]
#[path = "hash/tests.rs"]
mod tests;
