use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::{self, deserialize};
use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Transaction, TxMerkleNode, Txid, Witness};
use thiserror::Error;

use super::BlockTemplate;
use super::coinbase::WITNESS_RESERVED_VALUE;
use crate::wire::{ParsedBlock, ParsedTx};

/// What a miner chose in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundHeader {
    /// The template's version, some bits rolled.
    pub version: Version,
    /// Seconds since 1970.
    pub time: u32,
    /// The nonce.
    pub nonce: u32,
}

/// Why a found header does not become a block.
#[derive(Debug, Error)]
pub enum AssembleError {
    /// The coinbase's bytes are not one transaction.
    #[error("the coinbase does not decode: {0}")]
    Coinbase(#[from] encode::Error),
    /// It has no single input of a coinbase.
    #[error("the first transaction is not a coinbase")]
    NotACoinbase,
}

impl BlockTemplate {
    /// The header that a miner hashed, from the coinbase's txid.
    pub fn header(&self, coinbase: Txid, found: &FoundHeader) -> Header {
        Header {
            version: found.version,
            prev_blockhash: self.prev,
            merkle_root: merkle_root(coinbase, &self.merkle_branch),
            time: found.time,
            bits: self.bits,
            nonce: found.nonce,
        }
    }

    /// The whole block, from the coinbase in non-witness serialisation as the miner hashed it; its witness is put back.
    pub fn assemble(&self, coinbase_raw: &[u8], found: &FoundHeader) -> Result<ParsedBlock, AssembleError> {
        let mut coinbase: Transaction = deserialize(coinbase_raw)?;
        if !coinbase.is_coinbase() {
            return Err(AssembleError::NotACoinbase);
        }
        let header = self.header(coinbase.compute_txid(), found);
        for input in &mut coinbase.input {
            input.witness = Witness::from_slice(&[WITNESS_RESERVED_VALUE]);
        }
        let rest = self.txs.iter().map(|tx| ParsedTx::clone(tx));
        let txs = std::iter::once(ParsedTx::new(coinbase)).chain(rest).collect();
        Ok(ParsedBlock::of_parsed(header, txs))
    }
}

/// The merkle root that a coinbase and the hashes beside its way make.
pub fn merkle_root(coinbase: Txid, branch: &[sha256d::Hash]) -> TxMerkleNode {
    TxMerkleNode::from_raw_hash(climb(coinbase.to_raw_hash(), branch))
}

/// From the leftmost leaf up, each hash of the branch on the right.
pub(super) fn climb(leaf: sha256d::Hash, branch: &[sha256d::Hash]) -> sha256d::Hash {
    branch.iter().fold(leaf, pair)
}

/// The hashes beside the leftmost leaf's way up, lowest first; `others` are the leaves right of it.
pub(super) fn merkle_branch(others: impl Iterator<Item = sha256d::Hash>) -> Vec<sha256d::Hash> {
    let mut row: Vec<sha256d::Hash> = others.collect();
    let mut branch = Vec::new();
    while let Some((beside, rest)) = row.split_first() {
        branch.push(*beside);
        row = rest
            .chunks(2)
            .map(|two| two.first().map_or(*beside, |l| pair(*l, two.last().unwrap_or(l))))
            .collect();
    }
    branch
}

fn pair(left: sha256d::Hash, right: &sha256d::Hash) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    engine.input(left.as_byte_array());
    engine.input(right.as_byte_array());
    sha256d::Hash::from_engine(engine)
}

#[cfg(test)]
#[path = "assemble/tests.rs"]
mod tests;
