//! Which chain is best: of headers, and of blocks whose bodies are all there.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use bitcoin::Work;

use super::node::Failure;
use super::{HeaderTree, NodeId};
use crate::units::Height;

/// A block that may become the tip: most work first, and of equal work the one whose bodies were there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    work: Work,
    since: Reverse<i64>,
    id: NodeId,
}

/// A chain by heights: the block at each.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainIndex(Vec<NodeId>);

impl ChainIndex {
    pub(super) fn at(&self, height: Height) -> Option<NodeId> {
        self.0.get(usize::try_from(height.to_u32()).ok()?).copied()
    }

    pub(super) fn from(&self, height: Height) -> &[NodeId] {
        usize::try_from(height.to_u32()).ok().and_then(|start| self.0.get(start..)).unwrap_or_default()
    }

    /// Makes it the chain `newest`: highest first, down to a block above one that it has already at that height.
    fn replace(&mut self, length: usize, newest: Vec<NodeId>) {
        self.0.truncate(length.saturating_sub(newest.len()));
        self.0.extend(newest.into_iter().rev());
    }
}

impl HeaderTree {
    /// Whether a block is on the active chain.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.active.at(self.node(id).height) == Some(id)
    }

    /// The block at `height` on the active chain.
    pub fn active_at(&self, height: Height) -> Option<NodeId> {
        self.active.at(height)
    }

    /// The active chain from `height` up.
    pub(super) fn active_from(&self, height: Height) -> &[NodeId] {
        self.active.from(height)
    }

    /// The best header's chain from `height` up.
    pub(super) fn best_from(&self, height: Height) -> &[NodeId] {
        self.best.from(height)
    }

    /// The block at `height` on the best header's chain.
    pub fn best_at(&self, height: Height) -> Option<NodeId> {
        self.best.at(height)
    }

    /// Says that the coins now stand at this block: its chain is the active one.
    pub fn set_tip(&mut self, id: NodeId) {
        let newest = self.beside(&self.active, id);
        self.active.replace(self.chain_length(id), newest);
        self.tip = id;
        let node = self.node(id);
        // On the way down from blocks that fell, those with less work are still to be returned to.
        if !node.status.is_failed() {
            let least = Candidate { work: node.work, since: Reverse(i64::MAX), id: Self::GENESIS };
            self.candidates = self.candidates.split_off(&least);
        }
    }

    /// Says that a block's body is stored and passed every rule that needs no coins.
    pub fn body_stored(&mut self, id: NodeId) {
        let since = self.next_in_order();
        let node = self.node_mut(id);
        node.status.body_stored = true;
        node.stored_since = since;
        self.dirty.insert(id);
        self.spread_completeness(id);
    }

    /// Says that a block's body is not there any more: it, and what stands on it, is no candidate until it comes again.
    pub fn body_missing(&mut self, id: NodeId) {
        let status = &mut self.node_mut(id).status;
        // Without a body, this would say that it is pruned.
        (status.body_stored, status.script_valid) = (false, false);
        self.dirty.insert(id);
        for id in self.subtree(id) {
            self.drop_candidate(id);
            self.node_mut(id).complete_since = None;
        }
    }

    /// Says that a block's body was taken away to save room. On the active chain it still stands where it stood, and what it takes to
    /// disconnect it is gone with it; any other is as if it had never come.
    pub fn body_pruned(&mut self, id: NodeId) {
        if !self.is_active(id) {
            return self.body_missing(id);
        }
        let status = &mut self.node_mut(id).status;
        (status.body_stored, status.script_valid) = (false, true);
        self.dirty.insert(id);
    }

    /// Says that a block connected, scripts and all.
    pub fn script_valid(&mut self, id: NodeId) {
        self.node_mut(id).status.script_valid = true;
        self.dirty.insert(id);
    }

    /// Says that a block breaks a rule for ever. Gives all blocks that cannot be in the best chain any more: it first, then those
    /// that stand on it. The caller moves the tip off them before it asks for the best chain.
    pub fn mark_failed(&mut self, id: NodeId) -> Vec<NodeId> {
        let fallen = self.subtree(id);
        for fallen in &fallen {
            self.drop_candidate(*fallen);
            self.node_mut(*fallen).status.failure = Some(Failure::Ancestor);
            self.dirty.insert(*fallen);
        }
        self.node_mut(id).status.failure = Some(Failure::Itself);
        if fallen.contains(&self.best_header) {
            self.find_best_header();
        }
        self.find_candidates();
        fallen
    }

    /// The block that should be the tip: most work, all bodies there, none failed, and of equal work the first.
    pub fn best_candidate(&self) -> NodeId {
        let better = self.candidates.last().filter(|best| self.beats_tip(best.id));
        better.map_or(self.tip, |best| best.id)
    }

    /// The block that would be the tip if one, and what stands on it, were invalid.
    pub fn best_without(&self, id: NodeId) -> NodeId {
        let fallen: HashSet<NodeId> = self.subtree(id).into_iter().collect();
        let sound = self.ids().filter(|id| !fallen.contains(id)).filter_map(|id| self.candidate(id));
        sound.max().map_or(Self::GENESIS, |best| best.id)
    }

    /// Whether the chain up to a block goes before the tip's: it has more work, or as much and was complete first. The latter comes
    /// about where the tip stands on what is left of a chain that was better, up to a block that turned out invalid.
    pub fn beats_tip(&self, id: NodeId) -> bool {
        let tip = self.node(self.tip);
        let Some(Candidate { work, since: Reverse(since), .. }) = self.candidate(id) else { return false };
        let was_first = tip.complete_since.is_some_and(|tip_since| since < tip_since);
        tip.status.is_failed() || work > tip.work || (work == tip.work && was_first)
    }

    /// Says in which order bodies came before the process began: first those of the tip's chain, as in Core, then those in
    /// `arrived`, then any other. Of equal work what was complete first wins.
    pub fn begin_in_order(&mut self, arrived: &[NodeId]) {
        for id in self.ids() {
            let since = self.is_active(id).then_some(0);
            let node = self.node_mut(id);
            (node.stored_since, node.complete_since) = (0, since);
        }
        self.sequence = 0;
        let waiting: Vec<NodeId> = arrived.iter().copied().chain(self.ids()).collect();
        for id in &waiting {
            if self.node(*id).status.body_stored && self.node(*id).stored_since == 0 {
                let since = self.next_in_order();
                self.node_mut(*id).stored_since = since;
            }
        }
        waiting.into_iter().for_each(|id| self.spread_completeness(id));
        self.find_candidates();
    }

    /// Everything that stands on a block, the block first. No recursion: the tree may be as deep as the chain is long.
    pub(super) fn subtree(&self, root: NodeId) -> Vec<NodeId> {
        let (mut found, mut next) = (vec![root], 0usize);
        while let Some(id) = found.get(next).copied() {
            found.extend(self.children(id));
            next = next.saturating_add(1);
        }
        found
    }

    fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.node(id).first_child, |child| self.node(*child).next_sibling)
    }

    /// If the chain below is complete and so is the block: says so of it, and of all on it that were waiting, level by level
    /// and of siblings first the one whose body came first. Of equal work the one that was first wins, so the order is Core's.
    pub(super) fn spread_completeness(&mut self, id: NodeId) {
        let mut waiting = VecDeque::from([id]);
        while let Some(id) = waiting.pop_front() {
            let node = self.node(id);
            let below = node.parent.is_none_or(|parent| self.node(parent).is_complete());
            if node.is_complete() || !node.status.was_stored() || !below {
                continue;
            }
            let since = i64::from(self.next_in_order());
            self.node_mut(id).complete_since = Some(since);
            self.add_candidate(id);
            let mut children: Vec<NodeId> = self.children(id).collect();
            children.sort_unstable_by_key(|child| (self.node(*child).stored_since, *child));
            waiting.extend(children);
        }
    }

    fn next_in_order(&mut self) -> u32 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    fn candidate(&self, id: NodeId) -> Option<Candidate> {
        let node = self.node(id);
        let since = node.complete_since.filter(|_| !node.status.is_failed() && self.stands_on_base(id))?;
        Some(Candidate { work: node.work, since: Reverse(since), id })
    }

    pub(super) fn add_candidate(&mut self, id: NodeId) {
        let least = self.node(self.sound_below(self.tip)).work;
        if let Some(candidate) = self.candidate(id).filter(|candidate| candidate.work >= least) {
            self.candidates.insert(candidate);
        }
    }

    pub(super) fn drop_candidate(&mut self, id: NodeId) {
        if let Some(candidate) = self.candidate(id) {
            self.candidates.remove(&candidate);
        }
    }

    /// All candidates anew: with those that were left out for a tip that has fallen since.
    pub(super) fn find_candidates(&mut self) {
        let least = self.node(self.sound_below(self.tip)).work;
        let candidates = self.ids().filter_map(|id| self.candidate(id));
        self.candidates = candidates.filter(|candidate| candidate.work >= least).collect();
    }

    /// The highest block from `id` down that has not fallen.
    pub(super) fn sound_below(&self, id: NodeId) -> NodeId {
        let mut chain = std::iter::successors(Some(id), |id| self.node(*id).parent);
        chain.find(|id| !self.node(*id).status.is_failed()).unwrap_or(Self::GENESIS)
    }

    /// A header that has just come is the best one, if it has more work than that.
    pub(super) fn consider_header(&mut self, id: NodeId) {
        let node = self.node(id);
        if !node.status.is_failed() && node.work > self.node(self.best_header).work {
            self.set_best_header(id);
        }
    }

    /// Looks through all headers for the one with the most work; of equal ones the tip, as in Core, or the first that came.
    pub(super) fn find_best_header(&mut self) {
        let sound = self.ids().filter(|id| !self.node(*id).status.is_failed());
        let more =
            |best: NodeId, id: NodeId| if self.node(id).work > self.node(best).work { id } else { best };
        let best = sound.fold(self.sound_below(self.tip), more);
        self.set_best_header(best);
    }

    fn set_best_header(&mut self, id: NodeId) {
        let newest = self.beside(&self.best, id);
        self.best.replace(self.chain_length(id), newest);
        self.best_header = id;
    }

    /// The blocks from `id` down that a chain does not have.
    fn beside(&self, chain: &ChainIndex, id: NodeId) -> Vec<NodeId> {
        let differs = |id: &NodeId| chain.at(self.node(*id).height) != Some(*id);
        std::iter::successors(Some(id).filter(differs), |id| self.node(*id).parent.filter(differs)).collect()
    }

    fn chain_length(&self, id: NodeId) -> usize {
        usize::try_from(self.node(id).height.to_u32()).unwrap_or(usize::MAX).saturating_add(1)
    }
}
