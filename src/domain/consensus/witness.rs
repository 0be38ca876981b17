//! How a block commits to its witnesses (BIP-0141).

use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Script, Transaction};

use super::block::{BlockContext, BlockError, Checked, require};
use super::merkle::merkle_root;
use crate::wire::ParsedBlock;

/// How the script of an output that commits begins: OP_RETURN, a push of 36 bytes, and the four bytes that say what follows: 32
/// bytes of commitment.
pub const COMMITMENT_HEAD: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// The commitment to the witnesses: that of the last of the coinbase's outputs that look like one; more bytes may follow it.
pub fn witness_commitment(coinbase: &Transaction) -> Option<[u8; 32]> {
    let index = witness_commitment_index(coinbase)?;
    coinbase.output.get(index).and_then(|output| commitment_in(&output.script_pubkey))
}

/// Which of the coinbase's outputs holds the commitment.
pub fn witness_commitment_index(coinbase: &Transaction) -> Option<usize> {
    coinbase.output.iter().rposition(|output| commitment_in(&output.script_pubkey).is_some())
}

fn commitment_in(script: &Script) -> Option<[u8; 32]> {
    let tail = script.as_bytes().strip_prefix(COMMITMENT_HEAD.as_slice())?;
    tail.first_chunk::<32>().copied()
}

/// The commitment of these wtxids, the coinbase's counted as zero, and the coinbase's reserved value.
pub fn commitment_hash(wtxids: Vec<sha256d::Hash>, reserved: &[u8; 32]) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    engine.input(merkle_root(wtxids).root.as_byte_array());
    engine.input(reserved);
    sha256d::Hash::from_engine(engine)
}

/// The reserved value: the coinbase's witness is one item of 32 bytes.
fn reserved_value(coinbase: &Transaction) -> Option<[u8; 32]> {
    let witness = &coinbase.input.first()?.witness;
    let item = witness.nth(0).filter(|_| witness.len() == 1)?;
    item.try_into().ok()
}

fn coinbase(block: &ParsedBlock) -> Option<&Transaction> {
    block.txs().first().map(|tx| tx.tx())
}

/// Where there is a commitment, the coinbase's witness MUST be one item of 32 bytes. BIP-0141, `bad-witness-nonce-size`
pub(super) fn reserved_value_is_32_bytes(block: &ParsedBlock, _: &BlockContext<'_>) -> Checked {
    let sound = coinbase(block)
        .is_none_or(|tx| witness_commitment_index(tx).is_none() || reserved_value(tx).is_some());
    require(sound, BlockError::WitnessNonceSize)
}

/// A commitment MUST be that of the block's witnesses. BIP-0141, `bad-witness-merkle-match`
pub(super) fn commitment_is_that_of_the_witnesses(block: &ParsedBlock, _: &BlockContext<'_>) -> Checked {
    let claimed = coinbase(block).and_then(|tx| Some((witness_commitment(tx)?, reserved_value(tx)?)));
    let Some((claimed, reserved)) = claimed else { return Ok(()) };
    require(commitment_of(block, &reserved) == claimed, BlockError::WitnessMerkleMatch)
}

/// Where there is no commitment, there MUST be no witness. BIP-0141, `unexpected-witness`
pub(super) fn none_is_uncommitted(block: &ParsedBlock, context: &BlockContext<'_>) -> Checked {
    let committed = coinbase(block).is_some_and(|tx| witness_commitment_index(tx).is_some());
    if committed { Ok(()) } else { none_is_there(block, context) }
}

/// Before segregated witness there MUST be no witness. `unexpected-witness`
pub(super) fn none_is_there(block: &ParsedBlock, _: &BlockContext<'_>) -> Checked {
    require(!block.txs().iter().any(|tx| tx.has_witness()), BlockError::UnexpectedWitness)
}

/// Whether the transactions are those that the header commits to, witnesses and all: for a block that passed the rules when its
/// bytes were written somewhere.
pub fn is_intact(block: &ParsedBlock) -> bool {
    let txids = block.txs().iter().map(|tx| tx.txid().to_raw_hash()).collect();
    let root = merkle_root(txids);
    let has_root = root.root == block.header().merkle_root.to_raw_hash() && !root.mutated;
    has_root && has_its_witnesses(block)
}

fn has_its_witnesses(block: &ParsedBlock) -> bool {
    match coinbase(block).and_then(|tx| Some((witness_commitment(tx)?, reserved_value(tx)?))) {
        Some((claimed, reserved)) => commitment_of(block, &reserved) == claimed,
        None => !block.txs().iter().any(|tx| tx.has_witness()),
    }
}

fn commitment_of(block: &ParsedBlock, reserved: &[u8; 32]) -> [u8; 32] {
    let others = block.txs().iter().skip(1).map(|tx| tx.wtxid().to_raw_hash());
    let wtxids = std::iter::once(sha256d::Hash::all_zeros()).chain(others).collect();
    commitment_hash(wtxids, reserved).to_byte_array()
}

#[cfg(test)]
#[path = "witness/tests.rs"]
mod tests;
