//! Blocks that are put together again from what is known of their transactions. BIP-0152

use std::sync::Arc;

use bitcoin::bip152::ShortId;
use bitcoin::block::Header;
use bitcoin::hashes::siphash24;
use bitcoin::{BlockHash, TxMerkleNode, Wtxid};
use thiserror::Error;

use super::limits::COMPACT_TXS_MAX;
use crate::wire::{IdMap, ParsedBlock, ParsedTx};

/// The digits of a hash that stand for a transaction: six bytes, little-endian.
const SHORT_ID_BITS: u64 = 0xffff_ffff_ffff;

/// A block's header, and what stands for its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactBlock {
    /// The 80-byte header.
    pub header: Header,
    /// Drawn by the sender: which two transactions have the same short id differs by it.
    pub nonce: u64,
    /// The short ids of all transactions but the whole ones, in order; six bytes each.
    pub short_ids: Vec<u64>,
    /// Transactions that are sent whole, and how many places lie between each and the one before.
    pub prefilled: Vec<(u64, ParsedTx)>,
}

/// Which transactions of a block are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTxsRequest {
    /// The block.
    pub hash: BlockHash,
    /// Their places, ascending.
    pub places: Vec<usize>,
}

/// Transactions of a block that were asked for, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTxs {
    /// The block.
    pub hash: BlockHash,
    /// They.
    pub txs: Vec<ParsedTx>,
}

/// Why a compact block is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CompactError {
    /// No node sends it: nothing at all, more transactions than a block has, or one at a place that there is not.
    #[error("invalid compact block")]
    Invalid,
    /// The transactions that came are not as many as were missing.
    #[error("invalid compact block/non-matching block transactions")]
    Unmatched,
    /// Two of its transactions cannot be told apart, or were taken for each other: chance, once in a long time.
    #[error("two transactions of a compact block have the same short id")]
    Collision,
}

impl CompactBlock {
    /// A block's: its coinbase whole, which nobody can have, of the others the short ids.
    pub fn of(block: &ParsedBlock, nonce: u64) -> CompactBlock {
        let header = *block.header();
        let keys = ShortId::calculate_siphash_keys(&header, nonce);
        let short_ids = block.txs().iter().skip(1).map(|tx| short_id(&tx.wtxid(), keys)).collect();
        let prefilled = block.txs().iter().take(1).map(|tx| (0, tx.clone())).collect();
        CompactBlock { header, nonce, short_ids, prefilled }
    }

    /// Its block.
    pub fn hash(&self) -> BlockHash {
        self.header.block_hash()
    }

    /// The places of its transactions, those known that were sent whole.
    fn slots(&self) -> Result<Vec<Option<Arc<ParsedTx>>>, CompactError> {
        let count = self.short_ids.len().saturating_add(self.prefilled.len());
        if count == 0 || count > COMPACT_TXS_MAX {
            return Err(CompactError::Invalid);
        }
        let mut slots = vec![None; count];
        let mut next = 0_usize;
        for (gap, tx) in &self.prefilled {
            let at = usize::try_from(*gap).ok().and_then(|gap| next.checked_add(gap));
            let at = at.ok_or(CompactError::Invalid)?;
            *slots.get_mut(at).ok_or(CompactError::Invalid)? = Some(Arc::new(tx.clone()));
            next = at.saturating_add(1);
        }
        Ok(slots)
    }
}

fn short_id(wtxid: &Wtxid, (k0, k1): (u64, u64)) -> u64 {
    siphash24::Hash::hash_to_u64_with_keys(k0, k1, wtxid.as_ref()) & SHORT_ID_BITS
}

/// A block on its way to being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilding {
    header: Header,
    keys: (u64, u64),
    /// The transactions at their places, as far as they are known.
    slots: Vec<Option<Arc<ParsedTx>>>,
    /// Where those belong that are looked for.
    wanted: IdMap<u64, Place>,
    open: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: usize,
    /// Two fit there: which is right nobody knows, and it is as good as none.
    doubtful: bool,
}

impl Rebuilding {
    /// A block of which no more is known than what was sent.
    pub fn begin(compact: &CompactBlock) -> Result<Rebuilding, CompactError> {
        let slots = compact.slots()?;
        let free = slots.iter().enumerate().filter(|(_, slot)| slot.is_none()).map(|(at, _)| at);
        let place = |at| Place { at, doubtful: false };
        let wanted: IdMap<u64, Place> = compact.short_ids.iter().copied().zip(free.map(place)).collect();
        if wanted.len() != compact.short_ids.len() {
            return Err(CompactError::Collision);
        }
        let keys = ShortId::calculate_siphash_keys(&compact.header, compact.nonce);
        let open = wanted.len();
        Ok(Rebuilding { header: compact.header, keys, slots, wanted, open })
    }

    /// The block.
    pub fn hash(&self) -> BlockHash {
        self.header.block_hash()
    }

    /// Puts a transaction to its place, if it has one. Says whether others are looked for still.
    pub fn offer(&mut self, tx: &Arc<ParsedTx>) -> bool {
        if let Some(place) = self.wanted.get_mut(&short_id(&tx.wtxid(), self.keys))
            && let Some(slot) = self.slots.get_mut(place.at)
        {
            match slot {
                None if place.doubtful => {}
                None => {
                    *slot = Some(Arc::clone(tx));
                    self.open = self.open.saturating_sub(1);
                }
                Some(other) if other.wtxid() == tx.wtxid() => {}
                Some(_) => {
                    (*slot, place.doubtful) = (None, true);
                    self.open = self.open.saturating_add(1);
                }
            }
        }
        self.open > 0
    }

    /// The places whose transactions are missing, ascending.
    pub fn missing(&self) -> Vec<usize> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_none());
        open.map(|(at, _)| at).collect()
    }

    /// The whole block with the transactions that were missing, in order. What its header does not commit to is no block: two with the same
    /// short id have been taken for each other.
    pub fn complete(self, missing: Vec<ParsedTx>) -> Result<Arc<ParsedBlock>, CompactError> {
        if self.open != missing.len() {
            return Err(CompactError::Unmatched);
        }
        let mut missing = missing.into_iter();
        let own = |tx: Arc<ParsedTx>| Arc::try_unwrap(tx).unwrap_or_else(|shared| (*shared).clone());
        let whole = self.slots.into_iter().map(|slot| slot.map(own).or_else(|| missing.next()));
        let txs: Vec<ParsedTx> = whole.collect::<Option<_>>().ok_or(CompactError::Unmatched)?;
        let ids = txs.iter().map(|tx| TxMerkleNode::from(tx.txid()));
        if bitcoin::merkle_tree::calculate_root(ids) != Some(self.header.merkle_root) {
            return Err(CompactError::Collision);
        }
        Ok(Arc::new(ParsedBlock::of_parsed(self.header, txs)))
    }
}

#[cfg(test)]
#[path = "compact/tests.rs"]
mod tests;
