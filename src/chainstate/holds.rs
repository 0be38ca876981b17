//! Who still needs old blocks: pruning goes no further than up to them.
//!
//! Owns: where each of those who follow the chain stands. Must not know: what they do with a block, which files go.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use adit_domain::chain::HeaderTree;
use adit_domain::units::Height;
use adit_store::Store;
use bitcoin::BlockHash;

use crate::index::{IndexConfig, IndexKind};
use crate::types::ChainFault;

/// The last block that somebody has read; none before the first.
pub(crate) type Stand = Option<(Height, BlockHash)>;

/// Who needs blocks, and where each stands.
#[derive(Default)]
pub(crate) struct Holds(Mutex<BTreeMap<IndexKind, Stand>>);

impl Holds {
    /// As the indexes that are wanted lie on disk: blocks may be pruned before anybody builds them.
    pub(crate) fn of_indexes(store: &Store, wanted: IndexConfig) -> Result<Holds, ChainFault> {
        let holds = Holds::default();
        for kind in wanted.kinds() {
            let last = store.index(kind.as_str())?.last()?;
            holds.set(kind, last.map(|block| (block.height, block.hash)));
        }
        Ok(holds)
    }

    /// Says where one stands: what lies above is held.
    pub(crate) fn set(&self, kind: IndexKind, stand: Stand) {
        self.stands().insert(kind, stand);
    }

    /// The lowest height whose block somebody needs; none where nobody does.
    pub(crate) fn lowest(&self, tree: &HeaderTree) -> Option<Height> {
        self.stands().values().map(|stand| needed(tree, *stand)).min()
    }

    fn stands(&self) -> MutexGuard<'_, BTreeMap<IndexKind, Stand>> {
        // Each use of the lock is one step, so a poisoned one hides nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lowest block of the best chain that is still to be read: above the last one that was and has not left it. Of a block that is
/// not known nobody can say where it left: then all are.
pub(crate) fn needed(tree: &HeaderTree, stand: Stand) -> Height {
    let last = stand.and_then(|(_, hash)| tree.find(&hash));
    let mut chain = std::iter::successors(last, |id| tree.node(*id).parent());
    let fork = chain.find(|id| tree.is_active(*id));
    fork.map_or(Height::GENESIS.next(), |id| tree.node(id).height().next())
}
