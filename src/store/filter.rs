//! Which tier may hold a coin, answered in memory.

use crate::codec::OUTPOINT_BYTES;

/// Bits a key: with eight probes in one line of 512 bits, about one lookup in a hundred goes to disk in vain.
const BITS_PER_KEY: usize = 11;
const WORDS_PER_LINE: usize = 8;
const LINE_BITS: usize = 512;
const PROBES: u32 = 7;
/// Bytes of a filter in one stored record.
pub(crate) const CHUNK_BYTES: usize = 1 << 16;

/// A Bloom filter whose probes for a key all lie in one cache line. Says "no" for certain, "yes" perhaps.
///
/// The bits come from the txid itself: whoever grinds txids buys himself reads from disk, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    lines: Vec<[u64; WORDS_PER_LINE]>,
}

impl Filter {
    /// An empty filter for `keys` keys.
    pub(crate) fn for_keys(keys: usize) -> Filter {
        let lines = keys.saturating_mul(BITS_PER_KEY).div_ceil(LINE_BITS).max(1);
        Filter { lines: vec![[0; WORDS_PER_LINE]; lines] }
    }

    /// From the bytes of [`Filter::to_bytes`]; none where they are no whole lines.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Filter> {
        let (words, rest) = bytes.as_chunks::<8>();
        let (lines, odd) = words.as_chunks::<WORDS_PER_LINE>();
        let lines: Vec<_> = lines.iter().map(|line| line.map(u64::from_le_bytes)).collect();
        (rest.is_empty() && odd.is_empty() && !lines.is_empty()).then_some(Filter { lines })
    }

    /// Its lines, each word little-endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Of all these keys.
    pub(crate) fn of(keys: &[KeyBits]) -> Filter {
        let mut filter = Filter::for_keys(keys.len());
        keys.iter().for_each(|key| filter.insert(*key));
        filter
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len().saturating_mul(LINE_BITS / 8)
    }

    pub(crate) fn insert(&mut self, key: KeyBits) {
        let (line, bits) = self.place(key);
        if let Some(line) = self.lines.get_mut(line) {
            line.iter_mut().zip(bits).for_each(|(word, bit)| *word |= bit);
        }
    }

    pub(crate) fn may_contain(&self, key: KeyBits) -> bool {
        let (line, bits) = self.place(key);
        self.lines.get(line).is_some_and(|line| line.iter().zip(bits).all(|(word, bit)| word & bit == bit))
    }

    /// The line of a key, and its bits in it.
    fn place(&self, KeyBits(first, second): KeyBits) -> (usize, [u64; WORDS_PER_LINE]) {
        // The high half of a product scales the hash down to the count of lines.
        let lines = u128::from(u64::try_from(self.lines.len()).unwrap_or(u64::MAX));
        let line = usize::try_from((u128::from(first) * lines) >> 64).unwrap_or(0);
        let mut bits = [0u64; WORDS_PER_LINE];
        for probe in 0..PROBES {
            let nine = (second >> (9 * probe)) & 0x1ff;
            let word = usize::try_from(nine >> 6).unwrap_or(0);
            if let Some(word) = bits.get_mut(word) {
                *word |= 1 << (nine & 63);
            }
        }
        (line, bits)
    }
}

/// What a filter looks at of a key, the same for all filters: 16 bytes of the txid, stirred with the output's number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyBits(u64, u64);

impl From<&[u8; OUTPOINT_BYTES]> for KeyBits {
    fn from(key: &[u8; OUTPOINT_BYTES]) -> KeyBits {
        let word = |from: usize| {
            let bytes = key.get(from..).and_then(|k| k.first_chunk::<8>());
            bytes.map_or(0, |b| u64::from_le_bytes(*b))
        };
        let vout = key.last_chunk::<4>().map_or(0, |v| u64::from(u32::from_be_bytes(*v)));
        let salt = vout.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let stir = |x: u64| {
            let x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            x ^ (x >> 32)
        };
        KeyBits(stir(word(8) ^ salt), stir(word(16).wrapping_add(salt)))
    }
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
