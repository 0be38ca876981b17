//! Headers with all that is known of them, for whoever shows them.

use adit_domain::chain::{BlockStatus, HeaderTree, NodeId};
use adit_domain::consensus::Coin;
use adit_domain::units::Height;
use bitcoin::block::Header;
use bitcoin::{BlockHash, OutPoint, Work};

use crate::reader::ChainReader;
use crate::stats::StatsJob;
use crate::types::ChainFault;

/// A known header, and what is known of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderEntry {
    /// Its hash.
    pub hash: BlockHash,
    /// It.
    pub header: Header,
    /// Its height.
    pub height: Height,
    /// The median of its timestamp and the ten below; seconds since 1970.
    pub median_time_past: u32,
    /// Work of the chain up to it.
    pub chain_work: Work,
    /// What is known of its block.
    pub status: BlockStatus,
    /// Whether the bodies of the whole chain up to it are stored.
    pub is_complete: bool,
    /// Whether it is in the best chain.
    pub is_active: bool,
    /// The block of the best chain above it, where it is in that chain and not its tip.
    pub next: Option<BlockHash>,
}

/// The end of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTip {
    /// It.
    pub entry: HeaderEntry,
    /// Blocks from where it leaves the best chain; 0 for that chain's own tip.
    pub branch_blocks: u32,
}

fn entry(tree: &HeaderTree, id: NodeId) -> HeaderEntry {
    let (node, is_active) = (tree.node(id), tree.is_active(id));
    let next = if is_active { tree.active_at(node.height().next()) } else { None };
    HeaderEntry {
        hash: node.hash(),
        header: *node.header(),
        height: node.height(),
        median_time_past: node.median_time_past(),
        chain_work: node.work(),
        status: node.status(),
        is_complete: node.is_complete(),
        is_active,
        next: next.map(|next| tree.node(next).hash()),
    }
}

impl ChainReader {
    /// All that is known of a header; none where it is not known.
    pub fn entry(&self, hash: &BlockHash) -> Option<HeaderEntry> {
        let live = self.live();
        let tree = live.tree();
        tree.find(hash).map(|id| entry(&tree, id))
    }

    /// All that is known of the best chain's block at `height`.
    pub fn entry_at(&self, height: Height) -> Option<HeaderEntry> {
        let live = self.live();
        let tree = live.tree();
        tree.active_at(height).map(|id| entry(&tree, id))
    }

    /// The tip of the best chain, and the headers beside it on which nothing stands, the highest first. It looks at every header.
    pub fn chain_tips(&self) -> Vec<ChainTip> {
        let live = self.live();
        let tree = live.tree();
        let beside: Vec<NodeId> = tree.ids().filter(|id| !tree.is_active(*id)).collect();
        let below: std::collections::BTreeSet<NodeId> =
            beside.iter().filter_map(|id| tree.node(*id).parent()).collect();
        let ends = beside.into_iter().filter(|id| !below.contains(id)).chain([tree.tip_id()]);
        let tip = |id| {
            let fork = tree.node(tree.fork_point(id, tree.tip_id())).height();
            let entry = entry(&tree, id);
            ChainTip { branch_blocks: entry.height.blocks_above(fork), entry }
        };
        let mut tips: Vec<ChainTip> = ends.map(tip).collect();
        tips.sort_by_key(|tip| std::cmp::Reverse(tip.entry.height));
        tips
    }

    /// Whether the file of a stored block lies where it was put. What is open can be read though somebody has moved it away: whoever is told
    /// of such a block would miss it at the next start.
    pub fn is_file_there(&self, hash: &BlockHash) -> Result<bool, ChainFault> {
        let live = self.live();
        if *hash == live.params.genesis_hash {
            return Ok(true);
        }
        let file = live.place(hash).block.map(|pos| pos.file);
        Ok(file.map(|file| live.blocks.file_bytes(file)).transpose()?.flatten().is_some())
    }

    /// Whether the file lies where it was put that has what a block spent; true where nothing of that is stored.
    pub fn is_undo_file_there(&self, hash: &BlockHash) -> Result<bool, ChainFault> {
        let live = self.live();
        let file = live.place(hash).undo.map(|pos| pos.file);
        Ok(file.map(|file| live.undo.file_bytes(file)).transpose()?.is_none_or(|bytes| bytes.is_some()))
    }

    /// Bytes of all block and undo files.
    pub fn file_bytes(&self) -> Result<u64, ChainFault> {
        let live = self.live();
        let mut sum = 0u64;
        for file in 0..=live.blocks.end().file {
            let (blocks, undo) = (live.blocks.file_bytes(file)?, live.undo.file_bytes(file)?);
            sum = sum.saturating_add(blocks.unwrap_or(0)).saturating_add(undo.unwrap_or(0));
        }
        Ok(sum)
    }
}

impl StatsJob {
    /// Shows every coin of the tip that comes back, in the order of the outpoints, for as long as `visit` says so.
    pub fn visit(
        &self,
        mut visit: impl FnMut(OutPoint, Coin) -> bool,
    ) -> Result<adit_domain::chain::Tip, ChainFault> {
        for row in self.coins().scan(0, u8::MAX)? {
            let (outpoint, coin) = row?;
            if !visit(outpoint, coin.to_coin()) {
                break;
            }
        }
        Ok(*self.tip())
    }
}
