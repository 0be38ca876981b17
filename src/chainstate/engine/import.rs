//! What an import asks of the tree: which chain of what is at hand is the best, and what lies beside it.

use std::collections::HashMap;

use adit_domain::chain::{HeaderTree, NodeId};
use adit_domain::units::Height;
use bitcoin::BlockHash;

use super::{Chainstate, Outside};

impl Chainstate {
    /// The end of the best chain, up to `stop_at`, whose bodies are all stored or in `outside`; none where the tip has as much
    /// work.
    pub(crate) fn import_target(
        &self,
        outside: &HashMap<BlockHash, Outside>,
        stop_at: Option<Height>,
    ) -> Option<NodeId> {
        let tree = self.live.tree();
        let mut at_hand = vec![false; tree.len()];
        let mut best = tree.tip_id();
        for id in tree.ids() {
            let node = tree.node(id);
            let below = node.parent().is_none_or(|parent| at_hand.get(index(parent)) == Some(&true));
            let here = tree.is_active(id)
                || below && (node.status().body_stored || outside.contains_key(&node.hash()));
            if let Some(place) = at_hand.get_mut(index(id)) {
                *place = here && !node.status().is_failed();
                let counts = *place && stop_at.is_none_or(|height| node.height() <= height);
                if counts && node.work() > tree.node(best).work() {
                    best = id;
                }
            }
        }
        (best != tree.tip_id()).then_some(best)
    }

    /// Blocks of `outside` that leave the best chain and lie less than `depth` below its tip, each after its parent. None of them
    /// makes a better chain.
    pub(crate) fn side_blocks(&self, outside: &HashMap<BlockHash, Outside>, depth: u32) -> Vec<BlockHash> {
        let tree = self.live.tree();
        let tip = tree.node(tree.tip_id());
        let lowest = tip.height().checked_sub(depth).unwrap_or(Height::GENESIS);
        let mut blocks: Vec<NodeId> = outside.keys().filter_map(|hash| tree.find(hash)).collect();
        blocks.sort_unstable();
        let wanted = |id: &NodeId| {
            let node = tree.node(*id);
            let open = !node.status().body_stored && !node.status().is_failed();
            open && node.height() > lowest && node.work() <= tip.work() && hangs_on(&tree, *id, lowest)
        };
        blocks.into_iter().filter(wanted).map(|id| tree.node(id).hash()).collect()
    }

    /// Blocks below a snapshot that are missing, the lowest first and as many as are fetched ahead; none where the chain stands on no snapshot.
    pub(crate) fn below_wanted(&self) -> Option<Vec<BlockHash>> {
        let verified = self.live.verified_height();
        let tree = self.live.tree();
        tree.assumed_base()?;
        let wanted = tree.blocks_wanted_below_base(verified, usize::MAX);
        Some(wanted.into_iter().map(|(hash, _)| hash).collect())
    }

    /// Bytes of those blocks that `outside` has, however far below.
    pub(crate) fn below_bytes(&self, outside: &HashMap<BlockHash, Outside>) -> u64 {
        let tree = self.live.tree();
        let Some(base) = tree.assumed_base() else { return 0 };
        let way = tree.path(HeaderTree::GENESIS, base).connect;
        let found = way.into_iter().filter_map(|id| outside.get(&tree.node(id).hash()));
        found.map(|found| u64::from(found.extent.len)).fold(0, u64::saturating_add)
    }

    /// How far the blocks below a snapshot are verified, and the height of its block.
    pub(crate) fn below_way(&self) -> (Height, Height) {
        let verified = self.live.verified_height();
        let tree = self.live.tree();
        (verified, tree.assumed_base().map_or(verified, |base| tree.node(base).height()))
    }

    /// The blocks that join the chain on the way from the tip, the lowest first.
    pub(crate) fn way_to(&self, target: NodeId) -> Vec<BlockHash> {
        let tree = self.live.tree();
        let path = tree.path(tree.tip_id(), target);
        path.connect.into_iter().map(|id| tree.node(id).hash()).collect()
    }

    pub(crate) fn height_of(&self, id: NodeId) -> Height {
        self.live.tree().node(id).height()
    }

    /// Bytes of a stored block; 0 where it is not stored.
    pub(crate) fn stored_len(&self, hash: &BlockHash) -> u32 {
        self.live.place(hash).block.map_or(0, |pos| pos.len)
    }

    /// Threads for work beside the engine's.
    pub(crate) fn threads(&self) -> usize {
        self.config.threads()
    }
}

/// Whether its branch leaves the best chain above `lowest`.
fn hangs_on(tree: &HeaderTree, id: NodeId, lowest: Height) -> bool {
    let fork = tree.fork_point(id, tree.tip_id());
    fork != id && tree.node(fork).height() >= lowest
}

fn index(id: NodeId) -> usize {
    usize::try_from(id.to_u32()).unwrap_or(usize::MAX)
}
