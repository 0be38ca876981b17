//! Compact filters of blocks: from which a wallet sees, without saying what it looks for, whether a block concerns it.

use bitcoin::Script;
use bitcoin::bip158::{BlockFilter, FilterHeader, GcsFilterWriter};
use bitcoin::hashes::Hash;

use crate::wire::ParsedBlock;

/// Bits of a remainder in the Golomb-Rice code. BIP-0158, basic filters.
const REMAINDER_BITS: u8 = 19;
/// The inverse of the rate of false positives. BIP-0158, basic filters.
const FALSE_POSITIVE_INVERSE: u64 = 784_931;
/// The opcode whose outputs nobody can look for.
const OP_RETURN: u8 = 0x6a;

/// The basic filter of a block: a CompactSize of how many scripts it holds, then their hashes in Golomb-Rice code. BIP-0158.
///
/// In it are the scripts of all outputs but those that are empty or begin with OP_RETURN, and `spent`: the scripts of the
/// outputs that the block's inputs spend, in any order. What occurs twice counts once.
pub fn basic_filter<'a>(block: &'a ParsedBlock, spent: impl IntoIterator<Item = &'a Script>) -> Vec<u8> {
    let mut filter = Vec::new();
    let (k0, k1) = keys(block);
    let mut writer = GcsFilterWriter::new(&mut filter, k0, k1, FALSE_POSITIVE_INVERSE, REMAINDER_BITS);
    let outputs = block.txs().iter().flat_map(|tx| &tx.tx().output);
    outputs
        .map(|output| output.script_pubkey.as_script())
        .filter(|script| script.as_bytes().first() != Some(&OP_RETURN))
        .chain(spent)
        .filter(|script| !script.is_empty())
        .for_each(|script| writer.add_element(script.as_bytes()));
    // A vector takes whatever is written to it.
    let _bytes_written = writer.finish();
    filter
}

/// SipHash's two keys: the first 16 bytes of the block's hash, little-endian.
fn keys(block: &ParsedBlock) -> (u64, u64) {
    let hash = block.hash().to_byte_array();
    let (k0, rest) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let k1 = rest.first_chunk().unwrap_or(&[0; 8]);
    (u64::from_le_bytes(*k0), u64::from_le_bytes(*k1))
}

/// The header of a block's filter, which commits to the filters of all blocks before it; before the first block stand zeros.
/// BIP-0157.
pub fn filter_header(filter: &[u8], previous: &FilterHeader) -> FilterHeader {
    BlockFilter::new(filter).filter_header(previous)
}

#[cfg(test)]
mod tests;
