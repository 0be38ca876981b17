//! What is true at the published tip, shared by the engine that changes it and the readers.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::chain::{HeaderTree, Tip};
use adit_domain::consensus::{BlockUndo, Params, is_intact};
use adit_domain::script::ScriptVerifier;
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use adit_store::{BlockFiles, FilePos, UndoFiles};
use arc_swap::{ArcSwap, ArcSwapOption};
use bitcoin::BlockHash;

use crate::coins::CoinCache;
use crate::counts::TxSums;
use crate::known::Known;
use crate::types::ChainFault;

/// Where a block and its undo data lie, and what is known of it when they are gone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) block: Option<FilePos>,
    pub(crate) undo: Option<FilePos>,
    /// Its transactions; 0 where nobody has counted them.
    pub(crate) txs: u32,
}

impl Places {
    /// A body that was stored.
    pub(crate) fn store(&mut self, pos: FilePos, block: &ParsedBlock) {
        (self.block, self.txs) = (Some(pos), tx_count(block));
    }

    /// A body that is not this block's, or that nothing is to be made of: as if it had never come.
    pub(crate) fn never_came(&mut self) {
        (self.block, self.txs) = (None, 0);
    }
}

/// Pruned blocks that are wanted back at a time: an operator names each, and it comes within moments.
const WANTED_MAX: usize = 100;

/// Transactions of a block.
pub(crate) fn tx_count(block: &ParsedBlock) -> u32 {
    // A block of 4,000,000 bytes has 66,666 at most.
    u32::try_from(block.txs().len()).unwrap_or(u32::MAX)
}

/// The state of one life of the engine. The engine is its only writer.
///
/// While a snapshot's coins are verified there are two, which share all but the coins and their tip.
pub(crate) struct Live {
    pub(crate) params: Arc<Params>,
    pub(crate) verifier: Arc<dyn ScriptVerifier>,
    pub(crate) genesis: Arc<ParsedBlock>,
    pub(crate) coins: CoinCache,
    pub(crate) blocks: Arc<BlockFiles>,
    pub(crate) undo: Arc<UndoFiles>,
    pub(crate) tip: ArcSwap<Tip>,
    /// The coins that follow from below, while these came from a snapshot.
    pub(crate) behind: ArcSwapOption<Live>,
    /// Whether blocks of the best chain are gone, or may go at any time.
    pruned: Arc<AtomicBool>,
    /// The lowest height from which on every block of the active chain is kept.
    kept_from: Arc<AtomicU32>,
    tree: Arc<RwLock<HeaderTree>>,
    places: Arc<RwLock<HashMap<BlockHash, Places>>>,
    /// What readers remember of bodies.
    pub(crate) known: Arc<Known>,
    /// How many transactions the best chain has.
    pub(crate) sums: Arc<TxSums>,
    /// Pruned blocks that somebody wants back.
    wanted: Arc<Mutex<BTreeSet<BlockHash>>>,
}

/// The present life of the engine: after a panic another takes its place, and readers go on.
pub(crate) type Shared = Arc<ArcSwap<Live>>;

impl Live {
    pub(crate) fn new(
        (params, verifier): (Arc<Params>, Arc<dyn ScriptVerifier>),
        (tree, tip): (HeaderTree, Arc<Tip>),
        coins: CoinCache,
        (blocks, undo): (BlockFiles, UndoFiles),
        places: HashMap<BlockHash, Places>,
    ) -> Live {
        let tip = ArcSwap::new(tip);
        let genesis = Arc::new(ParsedBlock::new(params.genesis.clone()));
        Live {
            params,
            verifier,
            genesis,
            coins,
            blocks: Arc::new(blocks),
            undo: Arc::new(undo),
            tip,
            behind: ArcSwapOption::empty(),
            pruned: Arc::default(),
            kept_from: Arc::default(),
            tree: Arc::new(RwLock::new(tree)),
            places: Arc::new(RwLock::new(places)),
            known: Arc::default(),
            sums: Arc::default(),
            wanted: Arc::default(),
        }
    }

    /// Other coins over the same headers and files.
    pub(crate) fn beside(&self, coins: CoinCache, tip: Arc<Tip>) -> Live {
        Live {
            params: Arc::clone(&self.params),
            verifier: Arc::clone(&self.verifier),
            genesis: Arc::clone(&self.genesis),
            coins,
            blocks: Arc::clone(&self.blocks),
            undo: Arc::clone(&self.undo),
            tip: ArcSwap::new(tip),
            behind: ArcSwapOption::empty(),
            pruned: Arc::clone(&self.pruned),
            kept_from: Arc::clone(&self.kept_from),
            tree: Arc::clone(&self.tree),
            places: Arc::clone(&self.places),
            known: Arc::clone(&self.known),
            sums: Arc::clone(&self.sums),
            wanted: Arc::clone(&self.wanted),
        }
    }

    /// The height up to which all blocks of the best chain were verified here, one by one.
    pub(crate) fn verified_height(&self) -> Height {
        let Some(behind) = self.behind.load_full() else { return self.tip.load().height };
        let tip = behind.tip.load_full();
        let tree = self.tree();
        let at = tree.find(&tip.hash).map(|id| tree.fork_point(id, tree.tip_id()));
        at.map_or(Height::GENESIS, |id| tree.node(id).height())
    }

    // A panic while one of these is changed ends this life of the engine: nothing half-changed is built upon.

    pub(crate) fn tree(&self) -> RwLockReadGuard<'_, HeaderTree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tree_mut(&self) -> RwLockWriteGuard<'_, HeaderTree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pruned blocks that somebody wants back. A change is one step.
    fn wanted(&self) -> MutexGuard<'_, BTreeSet<BlockHash>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pruned block is to be stored again when it comes; of too many others one is forgotten.
    pub(crate) fn want(&self, hash: BlockHash) {
        let mut wanted = self.wanted();
        if wanted.insert(hash) && wanted.len() > WANTED_MAX {
            wanted.pop_first();
        }
    }

    pub(crate) fn is_wanted(&self, hash: &BlockHash) -> bool {
        self.wanted().contains(hash)
    }

    /// It has come.
    pub(crate) fn has_come(&self, hash: &BlockHash) {
        self.wanted().remove(hash);
    }

    pub(crate) fn is_pruned(&self) -> bool {
        self.pruned.load(Ordering::Relaxed)
    }

    pub(crate) fn set_pruned(&self) {
        self.pruned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn kept_from(&self) -> Height {
        Height::new(self.kept_from.load(Ordering::Relaxed))
    }

    pub(crate) fn set_kept_from(&self, height: Height) {
        self.kept_from.store(height.to_u32(), Ordering::Relaxed);
    }

    pub(crate) fn place(&self, hash: &BlockHash) -> Places {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get(hash).copied().unwrap_or_default()
    }

    /// Notes how many transactions a block has, where that is not known.
    pub(crate) fn note_count(&self, hash: &BlockHash, txs: u32) {
        if self.place(hash).txs == 0 {
            self.change_place(*hash, |places| places.txs = txs);
        }
    }

    pub(crate) fn change_place(&self, hash: BlockHash, change: impl FnOnce(&mut Places)) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        change(places.entry(hash).or_default());
    }

    /// Bytes of all block and undo files.
    pub(crate) fn bytes_on_disk(&self) -> Result<u64, ChainFault> {
        let mut total = 0u64;
        for file in 0..=self.blocks.end().file {
            total = total.saturating_add(self.bytes_of(file)?);
        }
        Ok(total)
    }

    /// Bytes of a block file with its undo file.
    pub(crate) fn bytes_of(&self, file: u32) -> Result<u64, ChainFault> {
        let blocks = self.blocks.file_bytes(file)?.unwrap_or(0);
        Ok(blocks.saturating_add(self.undo.file_bytes(file)?.unwrap_or(0)))
    }

    /// A stored block; bytes that are no longer those of this block are our fault.
    pub(crate) fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        if *hash == self.params.genesis_hash {
            return Ok(Some(Arc::clone(&self.genesis)));
        }
        let read = self.place(hash).block.map(|pos| self.read_block(hash, pos)).transpose();
        // It may have been pruned while it was read.
        if read.is_err() && self.place(hash).block.is_none() { Ok(None) } else { read }
    }

    /// The block that lies at `pos`.
    pub(crate) fn read_block(&self, hash: &BlockHash, pos: FilePos) -> Result<Arc<ParsedBlock>, ChainFault> {
        let raw = self.blocks.read(pos)?;
        let block = ParsedBlock::decode_shared(raw.into()).ok();
        let intact = block.filter(|block| block.hash() == *hash && is_intact(block));
        intact.map(Arc::new).ok_or_else(|| self.blocks.damaged(pos).into())
    }

    /// The coins that a block spent, if it has ever joined the best chain and is not pruned.
    pub(crate) fn spent_by(&self, hash: &BlockHash) -> Result<Option<BlockUndo>, ChainFault> {
        let parent = {
            let tree = self.tree();
            tree.find(hash).map(|id| tree.node(id).header().prev_blockhash)
        };
        let place = self.place(hash).undo;
        let read = parent.zip(place).map(|(parent, pos)| self.undo.read(&parent, pos)).transpose();
        if read.is_err() && self.place(hash).undo.is_none() { Ok(None) } else { Ok(read?) }
    }
}
