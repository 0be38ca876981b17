//! Ways along the tree: ancestors, forks, paths, and what other nodes are told of them.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::node::skip_height;
use super::{HeaderTree, NodeId};
use crate::consensus::HeaderView;
use crate::units::Height;

/// The way from one block to another.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Path {
    /// The blocks to leave, the highest first.
    pub disconnect: Vec<NodeId>,
    /// The blocks to join, the lowest first.
    pub connect: Vec<NodeId>,
}

/// The chain that ends in one node, as the rules see it.
#[derive(Clone, Copy)]
pub struct Branch<'a> {
    tree: &'a HeaderTree,
    tip: NodeId,
}

impl HeaderView for Branch<'_> {
    fn tip_height(&self) -> Height {
        self.tree.node(self.tip).height
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.node_at(height).map(|id| self.tree.node(id).header)
    }

    fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.node_at(height).map(|id| self.tree.node(id).hash)
    }

    fn median_time_past_at(&self, height: Height) -> Option<u32> {
        self.node_at(height).map(|id| self.tree.node(id).median_time_past)
    }
}

impl Branch<'_> {
    fn node_at(&self, height: Height) -> Option<NodeId> {
        self.tree.ancestor(self.tip, height)
    }
}

impl HeaderTree {
    /// The chain that ends in `tip`.
    pub fn branch(&self, tip: NodeId) -> Branch<'_> {
        Branch { tree: self, tip }
    }

    /// The block at `height` on the chain that ends in `id`; none above it.
    pub fn ancestor(&self, id: NodeId, height: Height) -> Option<NodeId> {
        let mut at = id;
        loop {
            let node = self.node(at);
            if node.height <= height {
                return (node.height == height).then_some(at);
            }
            if self.is_active(at) {
                return self.active_at(height);
            }
            at = self.step_towards(at, height)?;
        }
    }

    /// The longer of the two steps down from a node above `height` that does not miss it.
    fn step_towards(&self, id: NodeId, height: Height) -> Option<NodeId> {
        let node = self.node(id);
        let (from, to) = (node.height.to_u32(), height.to_u32());
        let (skip, parents_skip) = (skip_height(from), skip_height(from.saturating_sub(1)));
        // The parent's jump may be the better one, where it goes clearly further and still not too far.
        let parent_is_better = parents_skip.saturating_add(2) < skip && parents_skip >= to;
        if skip == to || (skip > to && !parent_is_better) { node.skip } else { node.parent }
    }

    /// The highest block that both chains have.
    pub fn fork_point(&self, a: NodeId, b: NodeId) -> NodeId {
        let height = self.node(a).height.min(self.node(b).height);
        let (mut a, mut b) = (self.ancestor(a, height).unwrap_or(a), self.ancestor(b, height).unwrap_or(b));
        while a != b {
            let (x, y) = (self.node(a), self.node(b));
            // Jumps that end in different nodes have not reached the fork yet, and both jump equally far.
            (a, b) = match (x.skip, y.skip, x.parent, y.parent) {
                (Some(x), Some(y), _, _) if x != y => (x, y),
                (_, _, Some(x), Some(y)) => (x, y),
                _ => return Self::GENESIS,
            };
        }
        a
    }

    /// The way from one block to another over their fork point.
    pub fn path(&self, from: NodeId, to: NodeId) -> Path {
        let fork = self.fork_point(from, to);
        let mut connect = self.down_to(to, fork);
        connect.reverse();
        Path { disconnect: self.down_to(from, fork), connect }
    }

    /// From `top` down to the block above `bottom`, an ancestor.
    fn down_to(&self, top: NodeId, bottom: NodeId) -> Vec<NodeId> {
        let above = |id: &NodeId| *id != bottom;
        std::iter::successors(Some(top).filter(above), |id| self.node(*id).parent.filter(above)).collect()
    }

    /// Hashes of the chain that ends in `id`: the last ones, then with gaps that double, then the first one. A node that has
    /// any of them knows from where to go on.
    pub fn locator(&self, id: NodeId) -> Vec<BlockHash> {
        let (mut hashes, mut gap, mut at) = (Vec::with_capacity(32), 1u32, Some(id));
        while let Some(id) = at {
            let node = self.node(id);
            hashes.push(node.hash);
            if hashes.len() > Self::LOCATOR_DENSE {
                gap = gap.saturating_mul(2);
            }
            let below = Height::new(node.height.to_u32().saturating_sub(gap));
            at = node.parent.and_then(|_| self.ancestor(id, below));
        }
        hashes
    }

    /// Hashes that a locator lists one by one, before its gaps begin.
    const LOCATOR_DENSE: usize = 10;

    /// The first block of a locator that the active chain has; the first block of all where it has none of them.
    ///
    /// One that is above the active tip counts as that tip.
    pub fn locate(&self, locator: &[BlockHash]) -> NodeId {
        let known = locator.iter().filter_map(|hash| self.find(hash));
        let on_chain = |id: NodeId| {
            let above_tip = || self.ancestor(id, self.node(self.tip_id()).height) == Some(self.tip_id());
            if self.is_active(id) { Some(id) } else { above_tip().then(|| self.tip_id()) }
        };
        known.into_iter().find_map(on_chain).unwrap_or(Self::GENESIS)
    }

    /// Up to `max` headers of the active chain after the locator's block, up to `stop` and with it.
    pub fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        let start = self.node(self.locate(locator)).height.next();
        let nodes = self.active_from(start).iter().take(max).map(|id| self.node(*id));
        let mut headers = Vec::new();
        for node in nodes {
            headers.push(node.header);
            if node.hash == stop {
                break;
            }
        }
        headers
    }

    /// Up to `max` blocks of the best header's chain whose bodies are missing, the lowest first.
    pub fn blocks_wanted(&self, max: usize) -> Vec<(BlockHash, Height)> {
        let fork = self.fork_point(self.tip_id(), self.best_header_id());
        let start = self.node(fork).height.next();
        let missing = self.best_from(start).iter().map(|id| self.node(*id)).filter(|n| !n.status.body_stored);
        missing.take(max).map(|node| (node.hash, node.height)).collect()
    }

    /// Blocks above the lowest missing one of a chain beside the best that are fetched.
    const ASIDE_WINDOW: u32 = 1_024;

    /// Up to `max` blocks of the chain that ends in `id` whose bodies are missing, the lowest first; none where it cannot be the best chain
    /// yet: it has less work than the tip's, or one of its blocks has fallen.
    pub fn blocks_wanted_up_to(&self, id: NodeId, max: usize) -> Vec<(BlockHash, Height)> {
        let (node, tip) = (self.node(id), self.node(self.tip_id()));
        if node.status.is_failed() || node.work < tip.work || !self.stands_on_base(id) {
            return Vec::new();
        }
        let from = self.complete_below(id);
        let top = from.to_u32().saturating_add(Self::ASIDE_WINDOW).min(node.height.to_u32());
        let top = self.ancestor(id, Height::new(top));
        let chain = std::iter::successors(top, |id| self.node(*id).parent).map(|id| self.node(id));
        let above = chain.take_while(|node| node.height > from);
        let mut missing: Vec<_> =
            above.filter(|node| !node.status.was_stored()).map(|node| (node.hash, node.height)).collect();
        missing.reverse();
        missing.truncate(max);
        missing
    }

    /// The height up to which all bodies of the chain that ends in `id` have come; at least where it leaves the active one.
    fn complete_below(&self, id: NodeId) -> Height {
        let mut complete = self.node(self.fork_point(id, self.tip_id())).height.to_u32();
        let mut beyond = self.node(id).height.to_u32().saturating_add(1);
        // What is complete has only what is complete below it.
        while beyond.saturating_sub(complete) > 1 {
            let middle = complete.midpoint(beyond);
            let at = self.ancestor(id, Height::new(middle));
            if at.is_some_and(|at| self.node(at).is_complete()) {
                complete = middle;
            } else {
                beyond = middle;
            }
        }
        Height::new(complete)
    }

    /// Blocks between the last that is verified and the assumed base that are fetched ahead.
    const BELOW_BASE_WINDOW: usize = 1_024;

    /// Up to `max` blocks above height `verified` up to the assumed base whose bodies are missing, the lowest first, and none of them far
    /// ahead of what is verified.
    pub fn blocks_wanted_below_base(&self, verified: Height, max: usize) -> Vec<(BlockHash, Height)> {
        let Some(base) = self.assumed_base() else { return Vec::new() };
        let base = self.node(base).height;
        let window = self.active_from(verified.next()).iter().take(Self::BELOW_BASE_WINDOW);
        let below = window.map(|id| self.node(*id)).take_while(|node| node.height <= base);
        let missing = below.filter(|node| !node.status.body_stored);
        missing.take(max).map(|node| (node.hash, node.height)).collect()
    }
}
