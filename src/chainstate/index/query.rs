use std::sync::Arc;

use adit_domain::chain::{ChainSums, Flows, basic_filter, filter_header};
use adit_domain::units::Height;
use adit_domain::wire::ParsedTx;
use adit_store::{CodecError, CoinStatsRecord, FilterRecord, IndexedBlock, TxPlace};
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, Txid};
use thiserror::Error;

use super::builders::spent_key;
use super::{Index, IndexKind, Indexes};
use crate::types::ChainFault;

/// Why an index does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IndexError {
    /// It is not kept.
    #[error("this node keeps no index of {0}: set index.{0}")]
    Off(&'static str),
    /// It has not come so far.
    #[error("the index of {kind} is still being built: it stands at height {height}")]
    NotYet {
        /// Which.
        kind: &'static str,
        /// Its last block's height; 0 where it has none.
        height: Height,
    },
    /// There is no such block in the best chain.
    #[error("Block not found")]
    NoSuchBlock,
    /// There is no such transaction in the best chain.
    #[error("No such blockchain transaction")]
    NoSuchTx,
    /// Its block was taken away to save room.
    #[error("Block not available (pruned data): {block} at height {height}")]
    Pruned {
        /// The block.
        block: BlockHash,
        /// Its height.
        height: Height,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

impl From<adit_store::StoreFault> for IndexError {
    fn from(fault: adit_store::StoreFault) -> IndexError {
        IndexError::Fault(fault.into())
    }
}

/// A transaction of the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxFound {
    /// Its block.
    pub block: BlockHash,
    /// The block's height.
    pub height: Height,
    /// Bytes before it in the block.
    pub offset: u32,
    /// It.
    pub tx: ParsedTx,
}

/// A block's filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterFound {
    /// The block.
    pub block: BlockHash,
    /// Its height.
    pub height: Height,
    /// The basic filter, BIP158.
    pub filter: Vec<u8>,
    /// Its hash and its header, BIP157.
    pub record: FilterRecord,
}

/// The coins at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinStats {
    /// The block.
    pub block: BlockHash,
    /// Its height.
    pub height: Height,
    /// The sums up to it.
    pub sums: ChainSums,
    /// What this block alone has moved.
    pub moved: Flows,
}

impl Indexes {
    fn kept(&self, kind: IndexKind) -> Result<&Arc<Index>, IndexError> {
        let index = self.kept.iter().find(|index| index.kind == kind);
        index.ok_or(IndexError::Off(kind.as_str()))
    }

    /// A transaction of the best chain by its id.
    pub fn transaction(&self, txid: &Txid) -> Result<TxFound, IndexError> {
        let index = self.kept(IndexKind::Transactions)?;
        for place in index.db.find(txid)? {
            if let Some(found) = self.tx_at(place, txid)? {
                return Ok(found);
            }
        }
        let best = index.place().best;
        if best.is_some_and(|(_, hash)| hash == self.reader.tip().hash) {
            return Err(IndexError::NoSuchTx);
        }
        Err(not_yet(index))
    }

    /// What stands there, if that is the transaction.
    fn tx_at(&self, place: TxPlace, txid: &Txid) -> Result<Option<TxFound>, IndexError> {
        let TxPlace { height, offset } = place;
        let Some(block) = self.reader.hash_at(height) else { return Ok(None) };
        let alone = self.reader.tx_at(&block, offset)?.filter(|tx| tx.txid() == *txid);
        if let Some(tx) = alone {
            return Ok(Some(TxFound { block, height, offset, tx }));
        }
        // Another one, or none that decodes: the whole block is compared with its hashes.
        let tx = self.decoded_at(block, height, offset)?.filter(|tx| tx.txid() == *txid);
        Ok(tx.map(|tx| TxFound { block, height, offset, tx }))
    }

    /// The transaction of the best chain that spent an output; none where none did.
    pub fn spender(&self, outpoint: &OutPoint) -> Result<Option<TxFound>, IndexError> {
        let index = self.kept(IndexKind::Spenders)?;
        for TxPlace { height, offset } in index.db.find(&spent_key(outpoint))? {
            let Some(block) = self.reader.hash_at(height) else { continue };
            let Some(tx) = self.decoded_at(block, height, offset)? else { continue };
            if tx.tx().input.iter().any(|input| input.previous_output == *outpoint) {
                return Ok(Some(TxFound { block, height, offset, tx }));
            }
        }
        let best = index.place().best;
        let synced = best.is_some_and(|(_, hash)| hash == self.reader.tip().hash);
        if synced { Ok(None) } else { Err(not_yet(index)) }
    }

    /// What decodes there as a transaction, of a block that was compared with its hashes.
    fn decoded_at(
        &self,
        block: BlockHash,
        height: Height,
        offset: u32,
    ) -> Result<Option<ParsedTx>, IndexError> {
        let raw = match self.reader.raw_block(&block)? {
            Some(raw) => raw,
            None if self.reader.is_block_pruned(&block) => return Err(IndexError::Pruned { block, height }),
            None => return Ok(None),
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| raw.get(offset..)).unwrap_or_default();
        Ok(ParsedTx::decode_first(rest).ok().map(|(tx, _)| tx))
    }

    /// The basic filter of a block of the best chain.
    pub fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError> {
        let index = self.kept(IndexKind::Filters)?;
        let height = self.reader.height_in_best_chain(block).ok_or(IndexError::NoSuchBlock)?;
        let row = index.db.block_with_body(height)?;
        let row = row.filter(|row| row.hash == *block).ok_or_else(|| not_yet(index))?;
        let record = FilterRecord::decode(&row.head).map_err(damaged)?;
        let filter = row.body.ok_or_else(|| damaged(CodecError::Short))?;
        Ok(FilterFound { block: *block, height, filter, record })
    }

    /// The basic filter of any block that has been connected. The index has those of the best chain alone: of one that has left it, and of
    /// those below it down to the best chain, `stale_max` at most, they are made anew.
    pub fn filter_of_any(&self, block: &BlockHash, stale_max: usize) -> Result<FilterFound, IndexError> {
        let (mut branch, mut below) = (Vec::new(), *block);
        while self.reader.height_in_best_chain(&below).is_none() {
            let (header, height) = self.reader.header(&below).ok_or(IndexError::NoSuchBlock)?;
            branch.push((below, height));
            below = header.prev_blockhash;
            if branch.len() > stale_max {
                return Err(IndexError::NoSuchBlock);
            }
        }
        let mut found = self.filter(&below)?;
        for (block, height) in branch.into_iter().rev() {
            let body = self.reader.block(&block)?.ok_or(IndexError::NoSuchBlock)?;
            let undo = self.reader.spent_by(&block)?.ok_or(IndexError::NoSuchBlock)?;
            let spent = undo.spent.iter().flatten().map(|coin| coin.output.script_pubkey.as_script());
            let filter = basic_filter(&body, spent);
            let header = filter_header(&filter, &FilterHeader::from_byte_array(found.record.header));
            let hash = FilterHash::hash(&filter).to_byte_array();
            let record = FilterRecord { hash, header: header.to_byte_array() };
            found = FilterFound { block, height, filter, record };
        }
        Ok(found)
    }

    /// The coins' figures at a block of the best chain.
    pub fn coin_stats(&self, height: Height) -> Result<CoinStats, IndexError> {
        let index = self.kept(IndexKind::CoinStats)?;
        let block = self.reader.hash_at(height).ok_or(IndexError::NoSuchBlock)?;
        let sums = sums_of(index.db.block(height)?.filter(|row| row.hash == block), index)?;
        let below = height.parent().map(|below| sums_of(index.db.block(below)?, index)).transpose()?;
        let moved = sums.flows.since(&below.map(|sums| sums.flows).unwrap_or_default());
        Ok(CoinStats { block, height, sums, moved })
    }

    /// The coins' figures at any block that has ever joined the best chain. The index has those of the best chain; of a block that has left it they
    /// are made of the row where its branch leaves, and of what the branch's blocks did, which is read from their files.
    pub fn coin_stats_of(&self, block: &BlockHash) -> Result<CoinStats, IndexError> {
        let (fork, branch) = self.branch_to(block)?;
        let mut found = self.coin_stats(fork.1)?;
        if found.block != fork.0 {
            // The chain turned aside meanwhile.
            return Err(not_yet(self.kept(IndexKind::CoinStats)?));
        }
        for (hash, height) in branch.into_iter().rev() {
            let (body, undo) = (self.reader.block(&hash)?, self.reader.spent_by(&hash)?);
            let (body, undo) = match body.zip(undo) {
                Some(both) => both,
                None if self.reader.is_block_pruned(&hash) => {
                    return Err(IndexError::Pruned { block: hash, height });
                }
                None => return Err(IndexError::NoSuchBlock),
            };
            let before = found.sums.flows;
            let joined = found.sums.connect(&body, height, &undo, self.reader.params().subsidy(height));
            joined.map_err(|e| ChainFault::State(format!("coin statistics at block {hash}: {e}")))?;
            let moved = found.sums.flows.since(&before);
            found = CoinStats { block: hash, height, moved, ..found };
        }
        Ok(found)
    }

    /// Where a block's chain leaves the best one, and the blocks above that, the highest first.
    fn branch_to(&self, block: &BlockHash) -> Result<(At, Vec<At>), IndexError> {
        let (mut at, mut branch) = (*block, Vec::new());
        loop {
            let (header, height) = self.reader.header(&at).ok_or(IndexError::NoSuchBlock)?;
            if self.reader.height_in_best_chain(&at).is_some() {
                return Ok(((at, height), branch));
            }
            if branch.len() >= BRANCH_BLOCKS_MAX {
                return Err(IndexError::NoSuchBlock);
            }
            branch.push((at, height));
            at = header.prev_blockhash;
        }
    }
}

/// A block and its height.
type At = (BlockHash, Height);

/// Blocks of a branch that are read for one answer at most: two weeks of them.
const BRANCH_BLOCKS_MAX: usize = 2_016;

fn sums_of(row: Option<IndexedBlock>, index: &Index) -> Result<ChainSums, IndexError> {
    let row = row.ok_or_else(|| not_yet(index))?;
    Ok(CoinStatsRecord::decode(&row.head).map_err(damaged)?.0)
}

fn not_yet(index: &Index) -> IndexError {
    let height = index.place().best.map_or(Height::GENESIS, |(height, _)| height);
    IndexError::NotYet { kind: index.kind.as_str(), height }
}

fn damaged(error: CodecError) -> IndexError {
    IndexError::Fault(ChainFault::Storage(format!("an index's row is damaged: {error}")))
}
