//! What an operator says of a block: invalid, to be reconsidered, precious.

use adit_domain::chain::{HeaderTree, NodeId};
use adit_domain::units::Height;
use bitcoin::BlockHash;
use thiserror::Error;

use super::Chainstate;
use super::pipeline::Run;
use crate::stage::Staged;
use crate::types::ChainFault;

/// Blocks that leave in one step where an operator takes them out: 128 MB of the largest with what they spent.
const LEAVE_BLOCKS_MAX: usize = 32;

/// What an operator says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is invalid, and what stands on it: for ever, until it is to be reconsidered.
    Invalid,
    /// Whatever was said against it, what is below it and what stands on it, is taken back.
    Reconsider,
    /// Of chains of equal work its own is the first.
    Precious,
}

/// Why a block was not marked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarkError {
    /// No header has this hash.
    #[error("Block not found")]
    Unknown,
    /// The first block is in every chain.
    #[error("the first block cannot be invalid")]
    FirstBlock,
    /// The chain cannot go back so far: the block or its undo data is not kept any more.
    #[error("block {hash} at height {height} cannot leave the chain: it or its undo data is pruned")]
    Pruned {
        /// The highest block that is stuck.
        hash: BlockHash,
        /// Its height.
        height: Height,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

impl Chainstate {
    /// Marks a block. What follows for the chain is done by [`Chainstate::advance`], a bounded number of blocks each time, and is durable
    /// with the next flush.
    pub fn mark(&mut self, hash: &BlockHash, mark: Mark) -> Result<(), MarkError> {
        let id = self.live.tree().find(hash).ok_or(MarkError::Unknown)?;
        match mark {
            Mark::Invalid => {
                self.check_can_leave(id)?;
                self.live.tree_mut().invalidate(id);
            }
            Mark::Reconsider => self.live.tree_mut().reconsider(id),
            Mark::Precious => self.live.tree_mut().prefer(id),
        }
        tracing::warn!(%hash, ?mark, "an operator marked a block");
        Ok(())
    }

    /// Nothing is marked where the chain could then not go where it must: the process would end over it.
    fn check_can_leave(&self, id: NodeId) -> Result<(), MarkError> {
        let tree = self.live.tree();
        if id == HeaderTree::GENESIS {
            return Err(MarkError::FirstBlock);
        }
        let has_gone = |id: NodeId| {
            let places = self.live.place(&tree.node(id).hash());
            places.block.is_none() || places.undo.is_none()
        };
        // Under a snapshot's block nothing is there to go back to, whatever is stored.
        let under =
            |id: NodeId| tree.assumed_base().is_some_and(|base| !tree.stands_on_base(id) || id == base);
        for leaving in tree.path(tree.tip_id(), tree.best_without(id)).disconnect {
            let node = tree.node(leaving);
            if under(leaving) || has_gone(leaving) {
                return Err(MarkError::Pruned { hash: node.hash(), height: node.height() });
            }
        }
        Ok(())
    }

    /// As if a block's undo data were pruned.
    #[cfg(test)]
    pub(crate) fn forget_undo_for_tests(&self, hash: BlockHash) {
        self.live.change_place(hash, |places| places.undo = None);
    }

    /// Takes blocks that have fallen off the tip, a step of them; whether there were any.
    pub(super) fn leave_fallen(&mut self, run: &mut Run<'_>) -> Result<bool, ChainFault> {
        let leaving = self.live.tree().fallen_at_tip(LEAVE_BLOCKS_MAX);
        for id in &leaving {
            self.stage_disconnect(*id)?;
        }
        let moved: Vec<Staged> = std::iter::from_fn(|| self.stage.pop()).collect();
        self.publish(moved, run)?;
        self.stage.forget_below(u64::MAX);
        if leaving.len() == LEAVE_BLOCKS_MAX {
            // Who waits is heard before the rest leaves.
            run.end_step();
        }
        Ok(!leaving.is_empty())
    }
}
