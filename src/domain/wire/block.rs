use bitcoin::block::Header;
use bitcoin::consensus::encode;
use bitcoin::{Block, BlockHash};
use thiserror::Error;

use super::ParsedTx;

/// A block with its hash and its transactions' ids, each computed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedBlock {
    header: Header,
    hash: BlockHash,
    txs: Vec<ParsedTx>,
    size_bytes: usize,
}

/// Why bytes are not a block.
#[derive(Debug, Error)]
pub enum BlockDecodeError {
    /// Not the encoding, or bytes left over.
    #[error("block does not decode: {0}")]
    Encoding(#[from] encode::Error),
}

impl ParsedBlock {
    /// Hashes a block's header and transactions and keeps the hashes beside them.
    pub fn new(block: Block) -> ParsedBlock {
        let size_bytes = block.total_size();
        let hash = block.block_hash();
        let txs = block.txdata.into_iter().map(ParsedTx::new).collect();
        ParsedBlock { header: block.header, hash, txs, size_bytes }
    }

    /// Parses one whole block (header, count, transactions in BIP144 encoding), nothing after it.
    pub fn decode(raw: &[u8]) -> Result<ParsedBlock, BlockDecodeError> {
        Ok(ParsedBlock::new(encode::deserialize(raw)?))
    }

    /// The 80-byte header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header's hash.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// The transactions, the coinbase first (where the block has any).
    pub fn txs(&self) -> &[ParsedTx] {
        &self.txs
    }

    /// Bytes of the whole block in BIP144 encoding.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The block as the field's library has it; copies it.
    pub fn to_block(&self) -> Block {
        Block { header: self.header, txdata: self.txs.iter().map(|t| t.tx().clone()).collect() }
    }
}
