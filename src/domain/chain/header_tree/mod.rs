//! All headers that are known, as a tree, and what is known of their blocks.
//!
//! Owns: which header follows which, work, status, the best header, the active chain, the candidates for it. Must not know:
//! bodies, coins, disks. It lives in memory; [`HeaderTree::take_dirty`] says what is to be written, and
//! [`HeaderTree::restore`] builds it again in the order in which it was written.

mod ancestry;
mod assumed;
mod best;
mod marks;
mod node;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::block::Header;
use thiserror::Error;

use self::best::{Candidate, ChainIndex};
use self::marks::Precious;
use self::node::skip_height;
use super::{NextBlock, Tip};
use crate::consensus::{
    DeploymentReport, HeaderContext, HeaderError, MEDIAN_TIME_SPAN, Params, Refused, StateCache, ViewFault,
    add_work, check_header, check_proof_of_work, deployment_report, median_time, next_bits, next_time_min,
    next_version, work_of_bits,
};
use crate::units::{Height, UnixMillis};

pub use self::ancestry::{Branch, Path};
pub use self::assumed::ScriptsRun;
pub use self::node::{BlockStatus, Failure, Node, NodeId};

/// All headers that are known.
#[derive(Clone, Debug)]
pub struct HeaderTree {
    params: Arc<Params>,
    nodes: Vec<Node>,
    by_hash: HashMap<BlockHash, NodeId>,
    best_header: NodeId,
    best: ChainIndex,
    tip: NodeId,
    active: ChainIndex,
    candidates: BTreeSet<Candidate>,
    sequence: u32,
    precious: Precious,
    /// See [`HeaderTree::assume_coins`].
    assumed_base: Option<NodeId>,
    dirty: BTreeSet<NodeId>,
    votes: StateCache,
}

/// Why a header does not join the tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InsertError {
    /// It breaks a rule.
    #[error(transparent)]
    Invalid(#[from] HeaderError),
    /// Its parent breaks one, or one below that.
    #[error("bad-prevblk")]
    ParentInvalid,
    /// It is known, and its block is invalid.
    #[error("duplicate-invalid")]
    KnownInvalid,
    /// Its parent is not known (yet): no fault of the sender's.
    #[error("prev-blk-not-found")]
    ParentUnknown {
        /// The parent.
        parent: BlockHash,
    },
    /// There are [`HeaderTree::NODES_MAX`] already. Ours, not theirs.
    #[error("too many headers")]
    Full,
    /// The tree is not what it should be. Ours, not theirs.
    #[error(transparent)]
    Fault(#[from] ViewFault),
}

/// Why what was stored is not a tree: our disk or our bug.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// A header came before its parent.
    #[error("stored header {hash} comes before its parent")]
    ParentUnknown {
        /// The header.
        hash: BlockHash,
    },
    /// More than [`HeaderTree::NODES_MAX`].
    #[error("too many stored headers")]
    Full,
}

impl HeaderTree {
    /// The first block.
    pub const GENESIS: NodeId = NodeId(0);

    /// Headers that are kept at most: testnet3, the longest chain, has 5 million; of 300 bytes each, index included, this is
    /// 5 GB. It bounds memory and no more: a chain that leaves the first blocks costs its maker little work a header, so that
    /// whoever feeds headers in from strangers must ask for [`Params::minimum_chain_work`] first.
    pub const NODES_MAX: usize = 16_000_000;

    /// The tree of a network with its first block, which is the tip.
    pub fn new(params: Arc<Params>) -> HeaderTree {
        let mut tree = HeaderTree {
            nodes: Vec::new(),
            by_hash: HashMap::new(),
            best_header: Self::GENESIS,
            best: ChainIndex::default(),
            tip: Self::GENESIS,
            active: ChainIndex::default(),
            candidates: BTreeSet::new(),
            sequence: 0,
            precious: Precious::default(),
            assumed_base: None,
            dirty: BTreeSet::new(),
            votes: StateCache::default(),
            params: Arc::clone(&params),
        };
        let status = BlockStatus { body_stored: true, script_valid: true, ..BlockStatus::default() };
        let id = tree.push(params.genesis.header, params.genesis_hash, None, status);
        tree.spread_completeness(id);
        tree.set_tip(id);
        tree
    }

    /// Takes a header by the rules ([`crate::consensus::rules::HEADER_RULES`]) at our clock's `now`. One that is known already
    /// stays as it is.
    ///
    /// The order is Core's: known, proof of work, parent known, parent valid, the rules beside the chain.
    pub fn insert(&mut self, header: Header, now: UnixMillis) -> Result<NodeId, InsertError> {
        let hash = header.block_hash();
        if let Some(id) = self.find(&hash) {
            let failed = self.node(id).status.is_failed();
            return if failed { Err(InsertError::KnownInvalid) } else { Ok(id) };
        }
        check_proof_of_work(hash, header.bits, &self.params)?;
        let parent = header.prev_blockhash;
        let parent = self.find(&parent).ok_or(InsertError::ParentUnknown { parent })?;
        if self.node(parent).status.is_failed() {
            return Err(InsertError::ParentInvalid);
        }
        self.check(&header, parent, now)?;
        if self.nodes.len() >= Self::NODES_MAX {
            return Err(InsertError::Full);
        }
        let id = self.push(header, hash, Some(parent), BlockStatus::default());
        self.dirty.insert(id);
        Ok(id)
    }

    fn check(&self, header: &Header, parent: NodeId, now: UnixMillis) -> Result<(), InsertError> {
        let context = HeaderContext { params: &self.params, header, parent: &self.branch(parent), now };
        check_header(&context).map_err(|refused| match refused {
            Refused::Invalid(error) => InsertError::Invalid(error),
            Refused::Fault(fault) => InsertError::Fault(fault),
        })
    }

    /// Takes a header that was in the tree before: no rule is asked. In the order in which they joined, parents first. One that
    /// is known (the first block) takes the status over.
    pub fn restore(&mut self, header: Header, status: BlockStatus) -> Result<NodeId, RestoreError> {
        let hash = header.block_hash();
        if let Some(id) = self.find(&hash) {
            self.node_mut(id).status = status;
            return Ok(id);
        }
        let parent = self.find(&header.prev_blockhash).ok_or(RestoreError::ParentUnknown { hash })?;
        if self.nodes.len() >= Self::NODES_MAX {
            return Err(RestoreError::Full);
        }
        let fallen = self.node(parent).status.is_failed().then_some(Failure::Ancestor);
        let status = BlockStatus { failure: status.failure.or(fallen), ..status };
        let id = self.push(header, hash, Some(parent), status);
        self.spread_completeness(id);
        Ok(id)
    }

    fn push(
        &mut self,
        header: Header,
        hash: BlockHash,
        parent: Option<NodeId>,
        status: BlockStatus,
    ) -> NodeId {
        // NODES_MAX is far below 2^32.
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let (height, work_below) = match parent {
            Some(parent) => (self.node(parent).height.next(), self.node(parent).work),
            None => (Height::GENESIS, work_of_bits(bitcoin::CompactTarget::from_consensus(0))),
        };
        let skip = parent.and_then(|p| self.ancestor(p, Height::new(skip_height(height.to_u32()))));
        let next_sibling = parent.and_then(|p| self.node_mut(p).first_child.replace(id));
        self.nodes.push(Node {
            median_time_past: self.median_above(header.time, parent),
            work: add_work(work_below, work_of_bits(header.bits)),
            first_child: None,
            stored_since: 0,
            complete_since: None,
            header,
            hash,
            height,
            parent,
            skip,
            next_sibling,
            status,
        });
        self.by_hash.insert(hash, id);
        self.consider_header(id);
        self.count_votes(id);
        id
    }

    /// Remembers what votes came to, where a period ends at `id`.
    fn count_votes(&mut self, id: NodeId) {
        let mut votes = std::mem::take(&mut self.votes);
        // Without a header that is missing, which none is, the state is found again when it is asked for, or that says so.
        let _ = votes.learn(&self.params, &self.branch(id));
        self.votes = votes;
    }

    /// The median of a time and those of the ten blocks from `parent` down.
    fn median_above(&self, time: u32, parent: Option<NodeId>) -> u32 {
        let below = std::iter::successors(parent, |id| self.node(*id).parent);
        let times = below.map(|id| self.node(id).header.time).take(MEDIAN_SPAN_BELOW);
        median_time(std::iter::once(time).chain(times).collect()).unwrap_or(time)
    }

    /// The node of an id that this tree gave.
    #[expect(
        clippy::indexing_slicing,
        reason = "only this tree makes ids, one for each node, and no node is taken out"
    )]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[index(id)]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "only this tree makes ids, one for each node, and no node is taken out"
    )]
    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[index(id)]
    }

    /// The node with that hash.
    pub fn find(&self, hash: &BlockHash) -> Option<NodeId> {
        self.by_hash.get(hash).copied()
    }

    /// All ids, in the order in which they joined: parents come before their children.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// How many headers are known; never 0.
    #[expect(clippy::len_without_is_empty, reason = "the first block is always there")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The network.
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    /// The header with the most work whose block is not known to be invalid; of equal ones the first that came, or the tip where
    /// others fell.
    pub fn best_header_id(&self) -> NodeId {
        self.best_header
    }

    /// The block at which the coins stand.
    pub fn tip_id(&self) -> NodeId {
        self.tip
    }

    /// A block as what stands at the end of a chain.
    pub fn as_tip(&self, id: NodeId) -> Tip {
        let node = self.node(id);
        Tip {
            hash: node.hash,
            height: node.height,
            header: node.header,
            median_time_past: node.median_time_past,
            chain_work: node.work,
        }
    }

    /// What the rules ask of a block on `parent` at our clock's `now`.
    pub fn next_block(&self, parent: NodeId, now: UnixMillis) -> Result<NextBlock, ViewFault> {
        let (branch, node) = (self.branch(parent), self.node(parent));
        let time_min = next_time_min(&self.params, &branch)?;
        let now_s = u32::try_from(now.to_seconds_floor()).unwrap_or(u32::MAX);
        Ok(NextBlock {
            prev: node.hash,
            height: node.height.next(),
            version: next_version(&self.params, &branch, &self.votes)?,
            bits: next_bits(&self.params, &branch, now_s.max(time_min))?,
            time_min,
            median_time_past: node.median_time_past,
        })
    }

    /// The soft forks at a block.
    pub fn deployments(&self, id: NodeId) -> Result<DeploymentReport, ViewFault> {
        deployment_report(&self.params, &self.branch(id), &self.votes)
    }

    /// The nodes that are new or whose status changed since the last call, in the order in which they joined.
    pub fn take_dirty(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.dirty).into_iter().collect()
    }
}

#[expect(clippy::as_conversions, reason = "a u32 fits a usize on every machine that this runs on")]
const MEDIAN_SPAN_BELOW: usize = MEDIAN_TIME_SPAN as usize - 1;

fn index(id: NodeId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
