//! What is read of stored blocks again and again: whole, without comparing every hash in them each time, and in parts.
//!
//! Owns: what is remembered of bodies that were found to be those of their blocks. Must not know: how they lie on disk.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use adit_domain::consensus::is_intact;
use adit_domain::wire::{HEADER_BYTES, ParsedBlock};
use adit_store::{BlockFiles, FilePos};
use bitcoin::block::Header;
use bitcoin::consensus::{Decodable, deserialize};
use bitcoin::{BlockHash, Transaction, VarInt};

use crate::live::{Live, Places, tx_count};
use crate::reader::ChainReader;
use crate::types::ChainFault;

/// Blocks that something is remembered of: at some 32 bytes each 2 MB. Beyond it all is forgotten, and learned again.
const KNOWN_MAX: usize = 65_536;
/// Of a transaction, so many bytes are read at first; a larger one is read again up to the end of its block.
const TX_BYTES_LIKELY: u32 = 4_096;
/// A header and the longest count of transactions.
const HEAD_BYTES: u32 = 89;

/// What is remembered of blocks by their place: nothing is ever written over what lies there.
#[derive(Default)]
pub(crate) struct Known(RwLock<HashMap<FilePos, Sum>>);

/// CRC-32 of a body's bytes, which were compared with its hash, merkle root and witness commitment.
type Sum = u32;

impl Known {
    /// Whether these bytes are the ones that were compared.
    fn is_compared(&self, pos: FilePos, raw: &[u8]) -> bool {
        let sum = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&pos).copied();
        sum.is_some_and(|sum| sum == BlockFiles::sum(raw))
    }

    fn compared(&self, pos: FilePos, block: &ParsedBlock) {
        let mut sums = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= KNOWN_MAX {
            sums.clear();
        }
        sums.insert(pos, BlockFiles::sum(block.raw()));
    }
}

impl Live {
    /// The bytes at `pos`, which are those of this block.
    pub(crate) fn read_raw(&self, hash: &BlockHash, pos: FilePos) -> Result<Vec<u8>, ChainFault> {
        let raw = self.blocks.read(pos)?;
        if !self.known.is_compared(pos, &raw) {
            self.parsed(hash, pos, &raw, false)?;
        }
        Ok(raw)
    }

    /// The block at `pos` for who only shows it.
    pub(crate) fn read_shown(&self, hash: &BlockHash, pos: FilePos) -> Result<ParsedBlock, ChainFault> {
        let raw = self.blocks.read(pos)?;
        let is_compared = self.known.is_compared(pos, &raw);
        self.parsed(hash, pos, &raw, is_compared)
    }

    fn parsed(
        &self,
        hash: &BlockHash,
        pos: FilePos,
        raw: &[u8],
        is_compared: bool,
    ) -> Result<ParsedBlock, ChainFault> {
        let block = ParsedBlock::decode(raw).ok().filter(|block| block.hash() == *hash);
        let block = block.filter(|block| is_compared || is_intact(block));
        let block = block.ok_or_else(|| ChainFault::from(self.blocks.damaged(pos)))?;
        if !is_compared {
            self.known.compared(pos, &block);
            self.note_count(hash, tx_count(&block));
        }
        Ok(block)
    }

    /// How many transactions the block at `pos` has, by the count behind its header, which is compared.
    fn read_count(&self, hash: &BlockHash, pos: FilePos) -> Result<u32, ChainFault> {
        let head = self.blocks.read_part(pos, 0, HEAD_BYTES)?;
        let (header, mut rest) = head.split_at_checked(HEADER_BYTES).unwrap_or_default();
        let header = deserialize::<Header>(header).ok().filter(|header| header.block_hash() == *hash);
        let count = header.and_then(|_| VarInt::consensus_decode(&mut rest).ok());
        let count = count.and_then(|count| u32::try_from(count.0).ok());
        let count = count.ok_or_else(|| ChainFault::from(self.blocks.damaged(pos)))?;
        self.note_count(hash, count);
        Ok(count)
    }

    /// Whatever decodes as a transaction there.
    fn read_tx(&self, pos: FilePos, offset: u32) -> Result<Option<Transaction>, ChainFault> {
        for length in [TX_BYTES_LIKELY, pos.len] {
            let part = self.blocks.read_part(pos, offset, length)?;
            if let Ok(tx) = Transaction::consensus_decode(&mut part.as_slice()) {
                return Ok(Some(tx));
            }
        }
        Ok(None)
    }
}

/// Reads what lies at a block's place, which pruning may take away meanwhile.
fn unless_pruned<T>(
    live: &Live,
    hash: &BlockHash,
    read: impl FnOnce(FilePos) -> Result<T, ChainFault>,
) -> Result<Option<T>, ChainFault> {
    let read = live.place(hash).block.map(read).transpose();
    if read.is_err() && live.place(hash).block.is_none() { Ok(None) } else { read }
}

impl ChainReader {
    /// A stored block in BIP144 encoding, as it lies on disk. Its bytes are compared with its hashes once, then with a sum of them.
    pub fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, ChainFault> {
        let live = self.live();
        if *hash == live.params.genesis_hash {
            return Ok(Some(live.genesis.raw().to_vec()));
        }
        unless_pruned(&live, hash, |pos| live.read_raw(hash, pos))
    }

    /// A stored block for who only shows it: its merkle root and witnesses are compared once, then a sum of its bytes.
    pub fn shown_block(&self, hash: &BlockHash) -> Result<Option<ParsedBlock>, ChainFault> {
        let live = self.live();
        if *hash == live.params.genesis_hash {
            return Ok(Some((*live.genesis).clone()));
        }
        unless_pruned(&live, hash, |pos| live.read_shown(hash, pos))
    }

    /// How many transactions a block has, where that is known without reading from disk: 0 where its body has never been stored.
    pub fn known_tx_count(&self, hash: &BlockHash) -> Option<u32> {
        let live = self.live();
        match live.place(hash) {
            _ if *hash == live.params.genesis_hash => Some(tx_count(&live.genesis)),
            Places { txs: 0, block: Some(_), .. } => None,
            Places { txs, .. } => Some(txs),
        }
    }

    /// How many transactions a block has; 0 where its body has never been stored.
    pub fn tx_count(&self, hash: &BlockHash) -> Result<u32, ChainFault> {
        if let Some(count) = self.known_tx_count(hash) {
            return Ok(count);
        }
        let live = self.live();
        Ok(unless_pruned(&live, hash, |pos| live.read_count(hash, pos))?.unwrap_or(0))
    }

    /// What begins so many bytes behind the beginning of a stored block, if it decodes as a transaction: whether it is the one that
    /// is looked for, its id says.
    pub(crate) fn tx_at(&self, hash: &BlockHash, offset: u32) -> Result<Option<Transaction>, ChainFault> {
        let live = self.live();
        Ok(unless_pruned(&live, hash, |pos| live.read_tx(pos, offset))?.flatten())
    }
}
