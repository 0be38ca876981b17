//! Which chainstates there are, and how far each is.

use std::sync::Arc;

use adit_domain::chain::{HeaderTree, Tip};
use adit_domain::units::Height;
use bitcoin::BlockHash;

use crate::live::Live;
use crate::reader::ChainReader;

/// A chainstate: coins at a tip of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainstateInfo {
    /// Its tip.
    pub tip: Arc<Tip>,
    /// The block of the snapshot that its coins came from, while that is not verified.
    pub snapshot_base: Option<(BlockHash, Height)>,
    /// The height that it is on its way to: the best header's, or the snapshot's block for one that follows from below.
    pub target: Height,
    /// Whether all that led to its coins was verified here.
    pub validated: bool,
}

impl ChainReader {
    /// The chainstates, the tip's last: one, or two while a snapshot is verified.
    pub fn chainstates(&self) -> Vec<ChainstateInfo> {
        let live = self.live();
        let behind = live.behind.load_full();
        let tree = live.tree();
        let base = tree.assumed_base().filter(|_| behind.is_some());
        let base = base.map(|id| (tree.node(id).hash(), tree.node(id).height()));
        let behind = behind.zip(base).map(|(behind, (_, height))| info(&behind, None, height));
        behind.into_iter().chain([info(&live, base, best(&tree))]).collect()
    }

    /// Whether the chain stands on a snapshot below which blocks are missing or not verified.
    pub fn stands_on_snapshot(&self) -> bool {
        self.live().behind.load().is_some()
    }

    /// Whether a block was refused that stands on a snapshot which is not verified: it may be good, and the snapshot's coins wrong. Nobody is
    /// to blame before that is known.
    pub fn is_doubted(&self, hash: &BlockHash) -> bool {
        let live = self.live();
        let tree = live.tree();
        let refused = tree.find(hash).filter(|id| tree.node(*id).status().is_failed());
        tree.assumed_base().is_some() && refused.is_some_and(|id| tree.stands_on_base(id))
    }

    /// The height up to which all blocks of the best chain were verified here one by one, and have undo data unless they are pruned: the
    /// tip's, or less while a snapshot is verified.
    pub fn verified_height(&self) -> Height {
        self.live().verified_height()
    }
}

fn best(tree: &HeaderTree) -> Height {
    tree.node(tree.best_header_id()).height()
}

fn info(live: &Live, snapshot_base: Option<(BlockHash, Height)>, target: Height) -> ChainstateInfo {
    ChainstateInfo { tip: live.tip.load_full(), validated: snapshot_base.is_none(), snapshot_base, target }
}
