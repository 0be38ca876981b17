use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, CompactTarget, TxMerkleNode, VarInt, Weight};
use thiserror::Error;

use super::ParsedTx;
use super::reader::{DecodeError, Reader, size_length};
use super::tx::{self, weight_of};

/// Why bytes are not a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("block does not decode: {0}")]
pub struct BlockDecodeError(#[from] pub DecodeError);

/// Bytes of a header.
pub const HEADER_BYTES: usize = 80;

/// A block with its hash and its transactions' ids, each computed once, and its own bytes.
///
/// The bytes are kept once a block, and every transaction knows its place in them: nothing is ever written again to be
/// stored, sent or verified.
#[derive(Clone, Debug)]
pub struct ParsedBlock {
    header: Header,
    hash: BlockHash,
    txs: Vec<ParsedTx>,
    raw: Arc<[u8]>,
}

impl ParsedBlock {
    /// Writes a block, hashes its header and transactions and keeps all that beside it.
    pub fn new(block: Block) -> ParsedBlock {
        let raw: Arc<[u8]> = encode::serialize(&block).into();
        let hash = block.block_hash();
        let mut at = HEADER_BYTES.saturating_add(size_length(block.txdata.len()));
        let place = |tx: bitcoin::Transaction| {
            let start = at;
            at = at.saturating_add(tx.total_size());
            ParsedTx::of_library(tx, Arc::clone(&raw), start..at)
        };
        let txs = block.txdata.into_iter().map(place).collect();
        ParsedBlock { header: block.header, hash, txs, raw }
    }

    /// A block of transactions that are parsed already; only its header is hashed. For a block of our own, whose way out is
    /// a race.
    pub fn of_parsed(header: Header, txs: Vec<ParsedTx>) -> ParsedBlock {
        let mut bytes = encode::serialize(&header);
        bytes.extend_from_slice(&encode::serialize(&VarInt::from(txs.len())));
        for tx in &txs {
            bytes.extend_from_slice(tx.raw());
        }
        let raw: Arc<[u8]> = bytes.into();
        let mut at = HEADER_BYTES.saturating_add(size_length(txs.len()));
        let place = |tx: ParsedTx| {
            let start = at;
            at = at.saturating_add(tx.total_size());
            tx.placed(Arc::clone(&raw), start..at)
        };
        let txs = txs.into_iter().map(place).collect();
        ParsedBlock { header, hash: header.block_hash(), txs, raw }
    }

    /// Parses one whole block (header, count, transactions in BIP144 encoding), nothing after it. Copies the bytes once.
    pub fn decode(raw: &[u8]) -> Result<ParsedBlock, BlockDecodeError> {
        ParsedBlock::decode_shared(Arc::from(raw))
    }

    /// As [`ParsedBlock::decode`], and keeps these very bytes.
    pub fn decode_shared(raw: Arc<[u8]>) -> Result<ParsedBlock, BlockDecodeError> {
        let mut reader = Reader::new(&raw)?;
        let header = read_header(&mut reader)?;
        let count = reader.size()?;
        let mut txs = tx::read(&mut reader, &raw, count)?;
        reader.expect_end()?;
        tx::hash(&mut txs);
        Ok(ParsedBlock { header, hash: header.block_hash(), txs, raw })
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

    /// The whole block in BIP144 encoding.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same bytes, shared.
    pub fn shared_raw(&self) -> Arc<[u8]> {
        Arc::clone(&self.raw)
    }

    /// Bytes of the whole block in BIP144 encoding.
    pub fn size_bytes(&self) -> usize {
        self.raw.len()
    }

    /// Bytes of the block without witnesses: header, count and transactions.
    pub fn base_size_bytes(&self) -> usize {
        let head = HEADER_BYTES.saturating_add(size_length(self.txs.len()));
        self.txs.iter().fold(head, |sum, tx| sum.saturating_add(tx.base_size()))
    }

    /// BIP141 weight, header and count included.
    pub fn weight(&self) -> Weight {
        weight_of(self.base_size_bytes(), self.size_bytes())
    }

    /// The block as the field's library has it; copies it.
    pub fn to_block(&self) -> Block {
        Block { header: self.header, txdata: self.txs.iter().map(|t| t.tx().clone()).collect() }
    }
}

/// Two are equal where their bytes are.
impl PartialEq for ParsedBlock {
    fn eq(&self, other: &ParsedBlock) -> bool {
        self.hash == other.hash && self.txs == other.txs
    }
}

impl Eq for ParsedBlock {}

/// Version, parent, merkle root, time, bits, nonce: 80 bytes, little-endian.
fn read_header(reader: &mut Reader<'_>) -> Result<Header, DecodeError> {
    Ok(Header {
        version: Version::from_consensus(i32::from_le_bytes(*reader.array()?)),
        prev_blockhash: BlockHash::from_byte_array(*reader.array()?),
        merkle_root: TxMerkleNode::from_byte_array(*reader.array()?),
        time: reader.u32()?,
        bits: CompactTarget::from_consensus(reader.u32()?),
        nonce: reader.u32()?,
    })
}

#[cfg(test)]
#[path = "block/tests.rs"]
mod tests;
