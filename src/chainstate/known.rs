//! What is read of stored blocks again and again: whole, without comparing every hash in them each time, and in parts.
//!
//! Owns: what is remembered of bodies that were found to be those of their blocks. Must not know: how they lie on disk.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use adit_domain::consensus::is_intact;
use adit_domain::wire::{HEADER_BYTES, ParsedBlock, ParsedTx};
use adit_store::{BlockFiles, FilePos};
use bitcoin::block::Header;
use bitcoin::consensus::{Decodable, deserialize};
use bitcoin::{BlockHash, VarInt};

use crate::live::{Live, Places, tx_count};
use crate::reader::ChainReader;
use crate::types::ChainFault;

/// Blocks that something is remembered of: at some 40 bytes each, and four for each [`PIECE_BYTES`], of which the largest have 62, 10 MB. Beyond it
/// all is forgotten, and learned again.
const KNOWN_MAX: usize = 32_768;
/// Bytes of which a sum is kept: who wants a few bytes reads no more than these around them.
const PIECE_BYTES: u32 = 64 << 10;
/// Of a transaction, so many bytes are read at first; a larger one is read again up to the end of its block.
const TX_BYTES_LIKELY: u32 = 4_096;
/// A header and the longest count of transactions.
const HEAD_BYTES: u32 = 89;

/// What is remembered of blocks by their place: nothing is ever written over what lies there.
#[derive(Default)]
pub(crate) struct Known(RwLock<HashMap<FilePos, Sums>>);

/// CRC-32 of each [`PIECE_BYTES`] of a body, which was compared with its hash, merkle root and witness commitment.
type Sums = Arc<[u32]>;

/// Sums of bytes, piece by piece.
fn sums(raw: &[u8]) -> impl Iterator<Item = u32> {
    raw.chunks(usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX)).map(BlockFiles::sum)
}

impl Known {
    fn sums(&self, pos: FilePos) -> Option<Sums> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&pos).cloned()
    }

    /// Whether these bytes are the ones that were compared.
    fn is_compared(&self, pos: FilePos, raw: &[u8]) -> bool {
        self.sums(pos).is_some_and(|known| sums(raw).eq(known.iter().copied()))
    }

    fn compared(&self, pos: FilePos, block: &ParsedBlock) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(pos, sums(block.raw()).collect());
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
    fn read_tx(&self, pos: FilePos, offset: u32) -> Result<Option<ParsedTx>, ChainFault> {
        for length in [TX_BYTES_LIKELY, pos.len] {
            let part = self.blocks.read_part(pos, offset, length)?;
            if let Ok((tx, _)) = ParsedTx::decode_first(&part) {
                return Ok(Some(tx));
            }
        }
        Ok(None)
    }

    /// So many bytes of the block at `pos` from its byte `from` on; none where it has not as many. Only those around them are read. Where the whole
    /// block has been compared before they are compared with the sums of that; where not they are what lies there, as in Core: to compare
    /// them would take the whole block, for every one that somebody wants a few bytes of.
    fn read_bytes(
        &self,
        hash: &BlockHash,
        pos: FilePos,
        (from, len): (u32, u32),
    ) -> Result<Option<Vec<u8>>, ChainFault> {
        let Some(to) = from.checked_add(len).filter(|to| *to <= pos.len) else { return Ok(None) };
        let first = from.checked_div(PIECE_BYTES).unwrap_or(0);
        let end = to.checked_next_multiple_of(PIECE_BYTES).unwrap_or(u32::MAX);
        let begin = first.saturating_mul(PIECE_BYTES);
        let Some(known) = self.known.sums(pos) else {
            return Ok(Some(self.blocks.read_part(pos, from, len)?));
        };
        let part = self.blocks.read_part(pos, begin, end.saturating_sub(begin))?;
        let mut behind = known.iter().copied().skip(index(first));
        let is_compared = sums(&part).all(|sum| behind.next() == Some(sum));
        let (part, from) = match is_compared {
            true => (part, from.saturating_sub(begin)),
            false => (self.read_raw(hash, pos)?, from),
        };
        Ok(part.get(index(from)..).and_then(|rest| rest.get(..index(len))).map(<[u8]>::to_vec))
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
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

    /// So many bytes (the second number) of a stored block from one of them on (the first), compared where the whole block has been before; the inner
    /// is none where the block has not as many.
    pub fn raw_part(
        &self,
        hash: &BlockHash,
        (from, len): (usize, usize),
    ) -> Result<Option<Option<Vec<u8>>>, ChainFault> {
        let live = self.live();
        if *hash == live.params.genesis_hash {
            let part = live.genesis.raw().get(from..).and_then(|rest| rest.get(..len));
            return Ok(Some(part.map(<[u8]>::to_vec)));
        }
        // No block has so many bytes.
        let [from, len] = [from, len].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        unless_pruned(&live, hash, |pos| live.read_bytes(hash, pos, (from, len)))
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
    pub(crate) fn tx_at(&self, hash: &BlockHash, offset: u32) -> Result<Option<ParsedTx>, ChainFault> {
        let live = self.live();
        Ok(unless_pruned(&live, hash, |pos| live.read_tx(pos, offset))?.flatten())
    }
}
