//! Indexes over the best chain: transactions by id and by what they spend, block filters (BIP158), and the statistics of the coins at every block.
//!
//! Owns: what each index says of a block, where it stands, how it follows the best chain. Must not know: threads, actors, how a
//! table looks on disk.
//!
//! An index reads stored blocks and undo data through [`ChainReader`], like anybody else: a block that connects never waits for
//! one. It stands at its last row; where that block has left the best chain, it goes back to the last one that has not, of
//! which it kept what it needs to go on.

mod builders;
mod query;

use std::sync::{Arc, Mutex, PoisonError};

use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use adit_store::{IndexDb, Store};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use thiserror::Error;

use crate::reader::ChainReader;
use crate::types::ChainFault;
use builders::Builder;

pub use query::{CoinStats, FilterFound, IndexError, TxFound};

/// Blocks of one commit: what a crash costs to read again.
const BATCH_BLOCKS_MAX: u32 = 1_000;
/// Their bytes: with what is built of them, 200 MB of memory.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// Coins that the blocks of one commit of the statistics make and spend: half a second or so of hashing, so that it is seen how far it is.
const BATCH_COINS_MAX: usize = 100_000;
/// An index waits while the chain is further than this behind its best header and the index is not as far behind the chain: a
/// commit for every few blocks of a first sync would cost more than it saves.
const SYNC_LAG: u32 = 1_000;

/// The kinds of index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKind {
    /// From a transaction's id to its block.
    Transactions,
    /// Compact filters and their headers.
    Filters,
    /// The coin set's hash and figures at each block.
    CoinStats,
    /// From an output to the transaction that spent it.
    Spenders,
}

impl IndexKind {
    /// All.
    pub const ALL: [IndexKind; 4] =
        [IndexKind::Transactions, IndexKind::Filters, IndexKind::CoinStats, IndexKind::Spenders];

    /// Its word: in the configuration, in the name of its file.
    pub const fn as_str(self) -> &'static str {
        match self {
            IndexKind::Transactions => "transactions",
            IndexKind::Filters => "filters",
            IndexKind::CoinStats => "coin_stats",
            IndexKind::Spenders => "spenders",
        }
    }
}

/// Which indexes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexConfig {
    /// See [`IndexKind::Transactions`].
    pub transactions: bool,
    /// See [`IndexKind::Filters`].
    pub filters: bool,
    /// See [`IndexKind::CoinStats`].
    pub coin_stats: bool,
    /// See [`IndexKind::Spenders`].
    pub spenders: bool,
}

impl IndexConfig {
    /// Those that are kept.
    pub(crate) fn kinds(self) -> impl Iterator<Item = IndexKind> {
        IndexKind::ALL.into_iter().filter(move |kind| self.wants(*kind))
    }

    fn wants(self, kind: IndexKind) -> bool {
        match kind {
            IndexKind::Transactions => self.transactions,
            IndexKind::Filters => self.filters,
            IndexKind::CoinStats => self.coin_stats,
            IndexKind::Spenders => self.spenders,
        }
    }
}

/// Where an index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexStatus {
    /// Which.
    pub kind: IndexKind,
    /// Its last block; none where it is new.
    pub best: Option<(Height, BlockHash)>,
    /// Whether that is the tip.
    pub synced: bool,
    /// The block that it needs and that is not stored any more: it stays where it is.
    pub missing: Option<Height>,
}

/// Why an index cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IndexOpenError {
    /// It would have to read blocks that were taken away to save room.
    #[error(
        "index.{kind} needs the blocks from height {first} on, and here those below {kept_from} are pruned: set index.{kind} = false, \
         or begin anew in an empty datadir"
    )]
    Pruned {
        /// Which.
        kind: &'static str,
        /// The lowest block that it needs.
        first: Height,
        /// The lowest from which on all blocks are kept.
        kept_from: Height,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// One index, shared by who builds it and who asks it.
struct Index {
    kind: IndexKind,
    db: IndexDb,
    place: Mutex<Place>,
    /// Dropped last: it holds the datadir's lock, which must outlive the database.
    _store: Arc<Store>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    best: Option<(Height, BlockHash)>,
    missing: Option<Height>,
}

impl Index {
    fn open(kind: IndexKind, store: &Arc<Store>) -> Result<Index, ChainFault> {
        let db = store.index(kind.as_str())?;
        let best = db.last()?.map(|block| (block.height, block.hash));
        Ok(Index { kind, db, place: Mutex::new(Place { best, missing: None }), _store: Arc::clone(store) })
    }

    fn place(&self) -> Place {
        // Each use of the lock is one step, so a poisoned one hides nothing.
        *self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has come so far, and that is durable: what lies below may be pruned.
    fn set_place(&self, place: Place, reader: &ChainReader) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        reader.holds.set(self.kind, place.best);
    }
}

/// The indexes that are kept, to be asked on any thread.
#[derive(Clone)]
pub struct Indexes {
    reader: ChainReader,
    kept: Vec<Arc<Index>>,
}

impl Indexes {
    /// Opens those that are wanted, and holds the blocks that they need from here on; one that needs blocks that are pruned already is
    /// refused.
    pub fn open(
        reader: &ChainReader,
        store: &Arc<Store>,
        config: IndexConfig,
    ) -> Result<Indexes, IndexOpenError> {
        let open = |kind| -> Result<Arc<Index>, IndexOpenError> {
            let index = Index::open(kind, store)?;
            let best = index.place().best;
            reader.holds.set(kind, best);
            let kept_from = reader.pruning().kept_from;
            let first = match kind {
                // They lead to the blocks themselves, whenever they are asked.
                IndexKind::Transactions | IndexKind::Spenders => Height::GENESIS.next(),
                IndexKind::Filters | IndexKind::CoinStats => reader.needed_behind(best),
            };
            if kept_from > first {
                return Err(IndexOpenError::Pruned { kind: kind.as_str(), first, kept_from });
            }
            Ok(Arc::new(index))
        };
        let kept = config.kinds().map(open).collect::<Result<_, _>>()?;
        Ok(Indexes { reader: reader.clone(), kept })
    }

    /// Which there are.
    pub fn kinds(&self) -> Vec<IndexKind> {
        self.kept.iter().map(|index| index.kind).collect()
    }

    /// Who builds one of them; none where it is not kept. Not two at once.
    pub fn indexer(&self, kind: IndexKind) -> Option<Indexer> {
        let index = Arc::clone(self.kept.iter().find(|index| index.kind == kind)?);
        Some(Indexer {
            builder: Builder::new(kind, self.reader.params()),
            index,
            reader: self.reader.clone(),
            coins_max: BATCH_COINS_MAX,
            at: None,
        })
    }

    /// Where each stands.
    pub fn status(&self) -> Vec<IndexStatus> {
        let tip = self.reader.tip();
        let status = |index: &Arc<Index>| {
            let Place { best, missing } = index.place();
            let synced = best.is_some_and(|(_, hash)| hash == tip.hash);
            IndexStatus { kind: index.kind, best, synced, missing }
        };
        self.kept.iter().map(status).collect()
    }

    /// Whether the next block to index comes without a new tip: below a snapshot.
    pub fn follow_a_snapshot(&self) -> bool {
        self.reader.stands_on_snapshot()
    }
}

/// How a step of an index ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexStep {
    /// There is more to do at once.
    More,
    /// It is where the chain is, or waits for the chain to get further: to be asked again when the tip has moved.
    Idle,
    /// It needs a block that is not stored any more.
    Missing(Height),
}

/// Builds one index, step by step, on whatever thread it is called.
pub struct Indexer {
    index: Arc<Index>,
    reader: ChainReader,
    builder: Builder,
    coins_max: usize,
    /// What the builder stands on; none before the first step, and after a fault.
    at: Option<Stand>,
}

/// Where a builder stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Nowhere,
    On(Height, BlockHash),
}

impl Stand {
    fn height(self) -> Option<Height> {
        match self {
            Stand::Nowhere => None,
            Stand::On(height, _) => Some(height),
        }
    }

    fn next(self) -> (Height, BlockHash) {
        match self {
            Stand::Nowhere => (Height::GENESIS, BlockHash::all_zeros()),
            Stand::On(height, hash) => (height.next(), hash),
        }
    }
}

impl Indexer {
    /// Which it builds.
    pub fn kind(&self) -> IndexKind {
        self.index.kind
    }

    /// As if a commit of the statistics took so few coins.
    #[cfg(test)]
    pub(crate) fn with_coins_max(self, coins_max: usize) -> Indexer {
        Indexer { coins_max, ..self }
    }

    /// Takes a bounded number of blocks and makes that durable, while `go_on` says so.
    pub fn step(&mut self, go_on: &dyn Fn() -> bool) -> Result<IndexStep, ChainFault> {
        let last = self.index.db.last()?.map(|block| (block.height, block.hash));
        let fork = self.fork(last)?;
        if fork.height() == last.map(|(height, _)| height) && self.waits(fork) {
            return self.rest(go_on);
        }
        if self.at != Some(fork) {
            let row = fork.height().map(|height| self.index.db.block(height)).transpose()?.flatten();
            self.builder.stand_on(row.as_ref())?;
        }
        self.at = None;
        let (end, missing) = self.read_blocks(fork, go_on)?;
        let batch = self.builder.take();
        let rewinds = fork.height() != last.map(|(height, _)| height);
        if !batch.blocks.is_empty() {
            // No index is further than the chain after a crash: what it has read is durable first.
            self.reader.sync_files()?;
        }
        if rewinds || !batch.blocks.is_empty() {
            self.index.db.append(fork.height(), &batch.blocks, &batch.places)?;
        }
        let best = match end {
            Stand::Nowhere => None,
            Stand::On(height, hash) => Some((height, hash)),
        };
        self.index.set_place(Place { best, missing }, &self.reader);
        self.at = Some(end);
        Ok(match missing {
            Some(height) => IndexStep::Missing(height),
            // The chain turned aside: whoever did that says so.
            None if !rewinds && end == fork => IndexStep::Idle,
            None => IndexStep::More,
        })
    }

    /// Does what nobody waits for.
    fn rest(&self, go_on: &dyn Fn() -> bool) -> Result<IndexStep, ChainFault> {
        let merged = self.index.db.merge(go_on)?;
        Ok(if merged { IndexStep::More } else { IndexStep::Idle })
    }

    /// The last block of ours that is in the best chain.
    fn fork(&self, last: Option<(Height, BlockHash)>) -> Result<Stand, ChainFault> {
        let mut at = last;
        while let Some((height, hash)) = at {
            if self.reader.hash_at(height) == Some(hash) {
                return Ok(Stand::On(height, hash));
            }
            let below = height.parent().map(|parent| self.index.db.block(parent)).transpose()?.flatten();
            at = below.map(|block| (block.height, block.hash));
        }
        Ok(Stand::Nowhere)
    }

    /// Whether there is nothing to do before the tip moves.
    fn waits(&self, fork: Stand) -> bool {
        // Below a snapshot that is what was verified: an index takes blocks in their order, and needs undo data.
        let (last, (_, best_header)) = (self.reader.verified_height(), self.reader.best_header());
        let next = fork.next().0;
        let behind = last.next().blocks_above(next);
        let syncing = best_header.blocks_above(last) > SYNC_LAG;
        behind == 0 || (syncing && behind < SYNC_LAG)
    }

    /// Shows the builder blocks of the best chain, up to the tip, the batch's end, or where the chain turns aside meanwhile; says
    /// where that is, and the height of a block that is not stored.
    fn read_blocks(
        &mut self,
        from: Stand,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(Stand, Option<Height>), ChainFault> {
        let (mut end, mut bytes, mut coins) = (from, 0usize, 0usize);
        let last = self.reader.verified_height();
        for _ in 0..BATCH_BLOCKS_MAX {
            if bytes >= BATCH_BYTES_MAX || coins >= self.coins_max || !go_on() {
                break;
            }
            let (height, below) = end.next();
            if height > last {
                break;
            }
            let Some(hash) = self.reader.hash_at(height) else { break };
            let Some(block) = self.reader.block(&hash)? else { return Ok((end, Some(height))) };
            if block.header().prev_blockhash != below {
                break;
            }
            if !self.add(height, &block)? {
                return Ok((end, Some(height)));
            }
            bytes = bytes.saturating_add(block.size_bytes());
            coins = coins.saturating_add(self.builder.coins_in(&block));
            end = Stand::On(height, hash);
        }
        Ok((end, None))
    }

    /// Whether what it takes is stored.
    fn add(&mut self, height: Height, block: &Arc<ParsedBlock>) -> Result<bool, ChainFault> {
        let undo = match height {
            Height::GENESIS => Some(Default::default()),
            _ if self.builder.needs_undo() => self.reader.spent_by(&block.hash())?,
            _ => Some(Default::default()),
        };
        let Some(undo) = undo else { return Ok(false) };
        self.builder.add(height, block, &undo)?;
        Ok(true)
    }
}
