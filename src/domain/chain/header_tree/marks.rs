//! What an operator says of blocks, by which the best chain is another: invalid, to be reconsidered, precious.

use bitcoin::Work;

use super::{HeaderTree, NodeId};

/// The order of the blocks that an operator prefers, among each other and before all others of equal work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Precious {
    /// What the next one gets: each comes before the last.
    next: i64,
    /// The tip's work when the last one was named.
    work: Work,
}

impl Default for Precious {
    fn default() -> Self {
        Precious { next: -1, work: Work::from_be_bytes([0; 32]) }
    }
}

impl HeaderTree {
    /// An operator says that a block is invalid: it and all that stands on it are out, over restarts too, until the operator has them
    /// reconsidered. Whether there was anything to mark: the first block cannot be invalid. The tip is moved off them by the caller.
    pub fn invalidate(&mut self, id: NodeId) -> bool {
        if id == Self::GENESIS {
            return false;
        }
        for fallen in self.subtree(id) {
            self.drop_candidate(fallen);
            self.node_mut(fallen).status.invalidated = true;
            self.dirty.insert(fallen);
        }
        if self.node(self.best_header).status.is_failed() {
            self.find_best_header();
        }
        self.find_candidates();
        true
    }

    /// An operator takes back what is said against a block, whoever said it: it, what is below it and what stands on it may be in the
    /// best chain again, if it holds when it is judged anew. As in Core, a branch beside it stays out.
    pub fn reconsider(&mut self, id: NodeId) {
        let below = std::iter::successors(self.node(id).parent, |id| self.node(*id).parent);
        let fallen: Vec<NodeId> =
            below.chain(self.subtree(id)).filter(|id| self.node(*id).status.is_failed()).collect();
        for id in fallen {
            let status = &mut self.node_mut(id).status;
            (status.failure, status.invalidated) = (None, false);
            self.dirty.insert(id);
        }
        self.find_best_header();
        self.find_candidates();
    }

    /// An operator prefers a block: of equal work it is now the first, until another is preferred. One with less work than the tip
    /// is not; nor is this stored: over a restart the tip comes first.
    pub fn prefer(&mut self, id: NodeId) {
        let tip_work = self.node(self.tip).work;
        if self.node(id).work < tip_work {
            return;
        }
        if tip_work > self.precious.work {
            self.precious.next = -1;
        }
        self.precious.work = tip_work;
        if self.node(id).is_complete() {
            self.drop_candidate(id);
            self.node_mut(id).complete_since = Some(self.precious.next);
            self.add_candidate(id);
        }
        self.precious.next = self.precious.next.saturating_sub(1);
    }

    /// Up to `max` blocks of the active chain from the tip down that have fallen: the way to where it may go on.
    pub fn fallen_at_tip(&self, max: usize) -> Vec<NodeId> {
        let chain = std::iter::successors(Some(self.tip), |id| self.node(*id).parent);
        chain.take_while(|id| self.node(*id).status.is_failed()).take(max).collect()
    }
}

#[cfg(test)]
mod tests;
