//! What is true at the published tip, shared by the engine that changes it and the readers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::chain::{HeaderTree, Tip};
use adit_domain::consensus::Params;
use adit_domain::script::ScriptVerifier;
use adit_domain::wire::ParsedBlock;
use adit_store::{BlockFiles, FilePos, StoreFault, UndoFiles};
use arc_swap::ArcSwap;
use bitcoin::BlockHash;

use crate::coins::CoinCache;
use crate::types::ChainFault;

/// Where a block and its undo data lie.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) block: Option<FilePos>,
    pub(crate) undo: Option<FilePos>,
}

/// The state of one life of the engine. The engine is its only writer.
pub(crate) struct Live {
    pub(crate) params: Arc<Params>,
    pub(crate) verifier: Arc<dyn ScriptVerifier>,
    pub(crate) genesis: Arc<ParsedBlock>,
    pub(crate) coins: CoinCache,
    pub(crate) blocks: BlockFiles,
    pub(crate) undo: UndoFiles,
    pub(crate) tip: ArcSwap<Tip>,
    tree: RwLock<HeaderTree>,
    places: RwLock<HashMap<BlockHash, Places>>,
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
        let (tree, places) = (RwLock::new(tree), RwLock::new(places));
        Live { params, verifier, genesis, coins, blocks, undo, tip, tree, places }
    }

    // A panic while one of these is changed ends this life of the engine: nothing half-changed is built upon.

    pub(crate) fn tree(&self) -> RwLockReadGuard<'_, HeaderTree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tree_mut(&self) -> RwLockWriteGuard<'_, HeaderTree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn place(&self, hash: &BlockHash) -> Places {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get(hash).copied().unwrap_or_default()
    }

    pub(crate) fn change_place(&self, hash: BlockHash, change: impl FnOnce(&mut Places)) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        change(places.entry(hash).or_default());
    }

    /// The bytes of a stored block.
    pub(crate) fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreFault> {
        if *hash == self.params.genesis_hash {
            return Ok(Some(self.genesis.raw().to_vec()));
        }
        self.place(hash).block.map(|pos| self.blocks.read(pos)).transpose()
    }

    /// A stored block; bytes that are no longer those of this block are our fault.
    pub(crate) fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        let Some(raw) = self.raw_block(hash)? else { return Ok(None) };
        parse_stored(hash, raw).map(Some)
    }
}

/// Parses what was read from our own block files.
pub(crate) fn parse_stored(hash: &BlockHash, raw: Vec<u8>) -> Result<Arc<ParsedBlock>, ChainFault> {
    let block = ParsedBlock::decode_shared(raw.into());
    let intact = block.ok().filter(|block| block.hash() == *hash);
    intact.map(Arc::new).ok_or_else(|| ChainFault::State(format!("stored block {hash} is damaged")))
}
