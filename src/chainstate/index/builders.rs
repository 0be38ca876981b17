use std::sync::Arc;

use adit_domain::chain::{ChainSums, MuHash, basic_filter, filter_header};
use adit_domain::consensus::{BlockUndo, Params};
use adit_domain::units::Height;
use adit_domain::wire::{ParsedBlock, ParsedTx};
use adit_store::{CodecError, CoinStatsRecord, FilterRecord, IndexedBlock, TxPlace, outpoint_key};
use bitcoin::bip158::FilterHeader;
use bitcoin::consensus::encode::VarInt;
use bitcoin::hashes::{Hash, sha256, sha256d};
use bitcoin::{OutPoint, Txid};

use super::IndexKind;
use crate::types::ChainFault;

/// Bytes of a block's header, before the count of its transactions.
const HEADER_BYTES: usize = 80;

/// What is to be written at once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) blocks: Vec<IndexedBlock>,
    pub(super) places: Vec<(Txid, TxPlace)>,
}

/// Makes rows of blocks, which come in order.
pub(super) struct Builder {
    params: Arc<Params>,
    state: State,
    batch: Batch,
}

enum State {
    Transactions,
    Spenders,
    /// The last filter's header.
    Filters(FilterHeader),
    /// The sums behind the last block; those behind each block of the batch.
    CoinStats(Box<ChainSums>, Vec<ChainSums>),
}

impl Builder {
    pub(super) fn new(kind: IndexKind, params: Arc<Params>) -> Builder {
        let state = match kind {
            IndexKind::Transactions => State::Transactions,
            IndexKind::Spenders => State::Spenders,
            IndexKind::Filters => State::Filters(FilterHeader::all_zeros()),
            IndexKind::CoinStats => State::CoinStats(Box::default(), Vec::new()),
        };
        Builder { params, state, batch: Batch::default() }
    }

    /// Whether it reads the coins that a block spends.
    pub(super) fn needs_undo(&self) -> bool {
        !matches!(self.state, State::Transactions | State::Spenders)
    }

    /// Coins that it hashes of a block.
    pub(super) fn coins_in(&self, block: &ParsedBlock) -> usize {
        if !matches!(self.state, State::CoinStats(..)) {
            return 0;
        }
        let moved = block.txs().iter().map(|tx| tx.tx().input.len().saturating_add(tx.tx().output.len()));
        moved.fold(0, usize::saturating_add)
    }

    /// Goes on behind this block, or begins.
    pub(super) fn stand_on(&mut self, last: Option<&IndexedBlock>) -> Result<(), ChainFault> {
        self.batch = Batch::default();
        match &mut self.state {
            State::Transactions | State::Spenders => {}
            State::Filters(header) => {
                let record =
                    last.map(|block| FilterRecord::decode(&block.head)).transpose().map_err(damaged)?;
                *header =
                    record.map_or(FilterHeader::all_zeros(), |r| FilterHeader::from_byte_array(r.header));
            }
            State::CoinStats(sums, behind) => {
                let record =
                    last.map(|block| CoinStatsRecord::decode(&block.head)).transpose().map_err(damaged)?;
                **sums = record.map(|record| record.0).unwrap_or_default();
                behind.clear();
            }
        }
        Ok(())
    }

    /// The next block. After an error it stands nowhere.
    pub(super) fn add(
        &mut self,
        height: Height,
        block: &ParsedBlock,
        undo: &BlockUndo,
    ) -> Result<(), ChainFault> {
        let mut row = IndexedBlock { height, hash: block.hash(), head: Vec::new(), body: None };
        match &mut self.state {
            // As in Core, the first block's transaction is none that can be asked for.
            State::Transactions if height == Height::GENESIS => {}
            State::Transactions => {
                self.batch.places.extend(places(height, block).map(|(tx, place)| (tx.txid(), place)));
            }
            State::Spenders => self.batch.places.extend(spends(height, block)),
            State::Filters(header) => {
                let spent = undo.spent.iter().flatten().map(|coin| coin.output.script_pubkey.as_script());
                let filter = basic_filter(block, spent);
                *header = filter_header(&filter, header);
                let hash = sha256d::Hash::hash(&filter).to_byte_array();
                row.head = FilterRecord { hash, header: header.to_byte_array() }.encode();
                row.body = Some(filter);
            }
            State::CoinStats(sums, behind) => {
                let joined = sums.connect(block, height, undo, self.params.subsidy(height));
                joined.map_err(|e| {
                    ChainFault::State(format!("coin statistics at block {}: {e}", block.hash()))
                })?;
                behind.push((**sums).clone());
            }
        }
        self.batch.blocks.push(row);
        Ok(())
    }

    /// What was made since the last time.
    pub(super) fn take(&mut self) -> Batch {
        let mut batch = std::mem::take(&mut self.batch);
        if let State::CoinStats(sums, behind) = &mut self.state {
            let mut hashes: Vec<MuHash> =
                behind.iter_mut().map(|sums| std::mem::take(&mut sums.muhash)).collect();
            MuHash::divide_out(&mut hashes);
            for ((block, mut sums), hash) in batch.blocks.iter_mut().zip(behind.drain(..)).zip(hashes) {
                sums.muhash = hash;
                block.head = CoinStatsRecord(sums).encode();
            }
            if let Some(Ok(record)) = batch.blocks.last().map(|block| CoinStatsRecord::decode(&block.head)) {
                **sums = record.0;
            }
        }
        batch
    }
}

fn damaged(error: CodecError) -> ChainFault {
    ChainFault::Storage(format!("an index's row is damaged: {error}"))
}

/// An output as the index of those who spend has it: a hash, so that nobody chooses what lies beside it.
pub(super) fn spent_key(outpoint: &OutPoint) -> Txid {
    Txid::from_byte_array(sha256::Hash::hash(&outpoint_key(outpoint)).to_byte_array())
}

/// Where each output that a block spends is spent.
fn spends(height: Height, block: &ParsedBlock) -> impl Iterator<Item = (Txid, TxPlace)> {
    let spending = places(height, block).skip(1);
    spending.flat_map(|(tx, place)| {
        tx.tx().input.iter().map(move |input| (spent_key(&input.previous_output), place))
    })
}

/// Where each transaction of a block stands in it.
fn places(height: Height, block: &ParsedBlock) -> impl Iterator<Item = (&ParsedTx, TxPlace)> {
    let count = u64::try_from(block.txs().len()).unwrap_or(u64::MAX);
    let mut offset = HEADER_BYTES.saturating_add(VarInt(count).size());
    block.txs().iter().map(move |tx| {
        // A block has 4,000,000 bytes at most.
        let place = TxPlace { height, offset: u32::try_from(offset).unwrap_or(u32::MAX) };
        offset = offset.saturating_add(tx.total_size());
        (tx, place)
    })
}
