//! What everybody else may ask of the chain, at any time and without waiting for a block that connects.

use std::sync::Arc;

use adit_domain::chain::{HeaderTree, NextBlock, NodeId, Tip};
use adit_domain::consensus::{
    BlockUndo, Coin, DeploymentReport, HeaderView, Params, UtxoView, ViewFault, add_work,
    check_proof_of_work, script_flags_for, work_of_bits,
};
use adit_domain::script::ScriptFlags;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::CompactCoin;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, Work};

use crate::holds::{Holds, Stand, needed};
use crate::live::{Live, Shared};
use crate::types::ChainFault;

/// Blocks to disconnect, the highest first, and to connect, the lowest first.
pub type Path = (Vec<BlockHash>, Vec<BlockHash>);

/// Reads the chain at its published tip. It survives the engine's restarts.
#[derive(Clone)]
pub struct ChainReader {
    pub(crate) shared: Shared,
    pub(crate) holds: Arc<Holds>,
    /// What block and undo files may take.
    pub(crate) prune_mib: u64,
}

/// What of the blocks is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Whether some are gone, or may go at any time.
    pub is_pruned: bool,
    /// The lowest height from which on every block of the best chain is kept.
    pub kept_from: Height,
    /// MiB that block and undo files may take before the oldest go: 0 for any, and then none goes; 1 for any until somebody says so.
    pub target_mib: u64,
}

impl ChainReader {
    pub(crate) fn live(&self) -> Arc<Live> {
        self.shared.load_full()
    }

    /// Asks the tree.
    pub(crate) fn with_tree<T>(&self, ask: impl FnOnce(&HeaderTree) -> T) -> T {
        ask(&self.live().tree())
    }

    /// The network.
    pub fn params(&self) -> Arc<Params> {
        Arc::clone(&self.live().params)
    }

    /// The last block of the best chain.
    pub fn tip(&self) -> Arc<Tip> {
        self.live().tip.load_full()
    }

    /// Whether the tip is the best that there is. It is not while blocks connect, nor between two steps of a way that is longer than one: then
    /// it may even have less work than the one before.
    pub fn is_settled(&self) -> bool {
        let live = self.live();
        let tree = live.tree();
        tree.best_candidate() == tree.tip_id()
    }

    /// What the rules ask of a block on the tip, at this time.
    pub fn next_block(&self, now: UnixMillis) -> NextBlock {
        let live = self.live();
        let tip = live.tip.load_full();
        let tree = live.tree();
        let next = tree.find(&tip.hash).map(|id| tree.next_block(id, now));
        next.and_then(Result::ok).unwrap_or_else(|| after(&tip))
    }

    /// The rules that the scripts of a block at `height` are verified under, if it is yet to be made: no exception is made
    /// for it.
    pub fn script_flags(&self, height: Height) -> ScriptFlags {
        script_flags_for(&self.live().params, BlockHash::all_zeros(), height)
    }

    /// The soft forks at a block, or at the tip; none where the block is not known.
    pub fn deployments(&self, block: Option<&BlockHash>) -> Option<Result<DeploymentReport, ViewFault>> {
        let live = self.live();
        let tip = live.tip.load_full();
        let tree = live.tree();
        let id = tree.find(block.unwrap_or(&tip.hash))?;
        Some(tree.deployments(id))
    }

    /// The header with the most work, and its height; its block may be missing yet.
    pub fn best_header(&self) -> (BlockHash, Height) {
        let live = self.live();
        let tree = live.tree();
        let best = tree.node(tree.best_header_id());
        (best.hash(), best.height())
    }

    /// Whether the header is known.
    pub fn has_header(&self, hash: &BlockHash) -> bool {
        self.live().tree().find(hash).is_some()
    }

    /// A known header, and its height.
    pub fn header(&self, hash: &BlockHash) -> Option<(Header, Height)> {
        let live = self.live();
        let tree = live.tree();
        let node = tree.node(tree.find(hash)?);
        Some((*node.header(), node.height()))
    }

    /// Whether `block` is `of` or below it in its chain; false where either is not known.
    pub fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool {
        let live = self.live();
        let tree = live.tree();
        let Some((block, of)) = tree.find(block).zip(tree.find(of)) else { return false };
        tree.ancestor(of, tree.node(block).height()) == Some(block)
    }

    /// The block at `height` of the chain that ends in a known block.
    pub fn ancestor_hash(&self, hash: &BlockHash, height: Height) -> Option<BlockHash> {
        let live = self.live();
        let tree = live.tree();
        tree.ancestor(tree.find(hash)?, height).map(|id| tree.node(id).hash())
    }

    /// The work of the chain up to a known header.
    pub fn header_work(&self, hash: &BlockHash) -> Option<Work> {
        let live = self.live();
        let tree = live.tree();
        tree.find(hash).map(|id| tree.as_tip(id).chain_work)
    }

    /// A work and that of a header on top; none where the header's hash does not meet its own target.
    pub fn work_with(&self, below: Work, header: &Header) -> Option<Work> {
        check_proof_of_work(header.block_hash(), header.bits, &self.live().params).ok()?;
        Some(add_work(below, work_of_bits(header.bits)))
    }

    /// The work that a stranger's chain must have for its headers to be kept: what the network is known to have had, and
    /// what our tip's chain had a day ago, counted in blocks like the last one.
    pub fn header_work_wanted(&self) -> Work {
        /// Blocks of a day.
        const DAY: u32 = 144;
        let (tip, least) = (self.tip(), self.params().minimum_chain_work);
        let day =
            (0..DAY).fold(Work::from_be_bytes([0; 32]), |w, _| add_work(w, work_of_bits(tip.header.bits)));
        if tip.chain_work > day { least.max(tip.chain_work - day) } else { least }
    }

    /// Whether the block is stored.
    pub fn has_block(&self, hash: &BlockHash) -> bool {
        let live = self.live();
        *hash == live.params.genesis_hash || live.place(hash).block.is_some()
    }

    /// Whether a stranger may see this block: it is on the best chain, or left that within a month. Which older ones a node has tells it from
    /// others.
    pub fn is_shown(&self, hash: &BlockHash) -> bool {
        /// A month.
        const STALE_S: u32 = 30 * 24 * 60 * 60;
        let live = self.live();
        let tree = live.tree();
        let Some(id) = tree.find(hash) else { return false };
        let (node, best) = (tree.node(id), tree.node(tree.best_header_id()));
        let age_s = best.header().time.saturating_sub(node.header().time);
        let is_recent = age_s < STALE_S && !tree.is_buried_for(id, STALE_S - 1);
        tree.is_active(id) || (node.status().script_valid && is_recent)
    }

    /// Whether blocks of the best chain are gone to save room, or may go at any time.
    pub fn is_pruned(&self) -> bool {
        self.live().is_pruned()
    }

    /// What of the blocks is kept.
    pub fn pruning(&self) -> Pruning {
        let live = self.live();
        Pruning { is_pruned: live.is_pruned(), kept_from: live.kept_from(), target_mib: self.prune_mib }
    }

    /// The lowest height whose block an index still needs, so that it is not pruned; none where no index is kept.
    pub fn held_from(&self) -> Option<Height> {
        self.holds.lowest(&self.live().tree())
    }

    /// The lowest block of the best chain that is to be read by whoever stands there.
    pub(crate) fn needed_behind(&self, stand: Stand) -> Height {
        needed(&self.live().tree(), stand)
    }

    /// Bytes of all block and undo files.
    pub fn bytes_on_disk(&self) -> Result<u64, ChainFault> {
        self.live().bytes_on_disk()
    }

    /// An operator wants a pruned block back: when it comes, whoever brings it, it is stored again. What it takes to disconnect it stays gone.
    pub fn want_block(&self, hash: BlockHash) {
        self.live().want(hash);
    }

    /// Whether this block's body was here, and was taken away since.
    pub fn is_block_pruned(&self, hash: &BlockHash) -> bool {
        let live = self.live();
        let tree = live.tree();
        let Some(id) = tree.find(hash).filter(|_| *hash != live.params.genesis_hash) else { return false };
        let places = live.place(hash);
        tree.node(id).status().is_pruned() || (places.block.is_none() && places.txs > 0)
    }

    /// Hashes by which another node finds where our header chains part: dense at the best header, sparse below.
    pub fn locator(&self) -> Vec<BlockHash> {
        let live = self.live();
        let tree = live.tree();
        tree.locator(tree.best_header_id())
    }

    /// Up to `max` headers of the best chain behind the first block of `locator` that it has, up to `stop` and with it.
    pub fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        self.live().tree().headers_after(locator, stop, max)
    }

    /// Up to `max` blocks of the best header's chain whose bodies are missing, the lowest first; behind them those below a snapshot.
    pub fn blocks_wanted(&self, max: usize) -> Vec<(BlockHash, Height)> {
        let live = self.live();
        let verified = live.verified_height();
        let tree = live.tree();
        let mut wanted = tree.blocks_wanted(max);
        wanted.extend(tree.blocks_wanted_below_base(verified, max.saturating_sub(wanted.len())));
        wanted
    }

    /// Up to `max` blocks of the chain that ends in a known block whose bodies are missing, the lowest first, where that chain may become the best.
    pub fn blocks_wanted_up_to(&self, hash: &BlockHash, max: usize) -> Vec<(BlockHash, Height)> {
        let live = self.live();
        let tree = live.tree();
        tree.find(hash).map(|id| tree.blocks_wanted_up_to(id, max)).unwrap_or_default()
    }

    /// The height up to which the chain that ends in a known block is the best header's.
    pub fn height_on_best(&self, hash: &BlockHash) -> Option<Height> {
        let live = self.live();
        let tree = live.tree();
        let fork = tree.fork_point(tree.find(hash)?, tree.best_header_id());
        Some(tree.node(fork).height())
    }

    /// A stored block.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        self.live().block(hash)
    }

    /// The coins that a block spent, if it has ever joined the best chain.
    pub fn spent_by(&self, hash: &BlockHash) -> Result<Option<BlockUndo>, ChainFault> {
        self.live().spent_by(hash)
    }

    /// Returns when every block and all undo data that can be read now are durable.
    pub fn sync_files(&self) -> Result<(), ChainFault> {
        let live = self.live();
        live.blocks.sync()?;
        Ok(live.undo.sync()?)
    }

    /// The height of a block of the best chain; none for any other.
    pub fn height_in_best_chain(&self, hash: &BlockHash) -> Option<Height> {
        let live = self.live();
        let tree = live.tree();
        let id = tree.find(hash)?;
        tree.is_active(id).then(|| tree.node(id).height())
    }

    /// The block of the best chain at `height`.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        let live = self.live();
        let tree = live.tree();
        tree.active_at(height).map(|id| tree.node(id).hash())
    }

    /// Median time past of the best chain's block at `height`; seconds since 1970.
    pub fn median_time_past_at(&self, height: Height) -> Option<u32> {
        let live = self.live();
        let tree = live.tree();
        tree.active_at(height).map(|id| tree.node(id).median_time_past())
    }

    /// The way from an old tip to the present one; none where the old one is not known.
    pub fn path_from(&self, old: &BlockHash) -> Option<Path> {
        let live = self.live();
        let tree = live.tree();
        let path = tree.path(tree.find(old)?, tree.tip_id());
        let hashes = |ids: Vec<NodeId>| ids.into_iter().map(|id| tree.node(id).hash()).collect();
        Some((hashes(path.disconnect), hashes(path.connect)))
    }

    /// The way from one block to another: those to disconnect, the highest first, and to connect, the lowest first; none where one is not known.
    pub fn path_between(&self, from: &BlockHash, to: &BlockHash) -> Option<Path> {
        let live = self.live();
        let tree = live.tree();
        let path = tree.path(tree.find(from)?, tree.find(to)?);
        let hashes = |ids: Vec<NodeId>| ids.into_iter().map(|id| tree.node(id).hash()).collect();
        Some((hashes(path.disconnect), hashes(path.connect)))
    }

    /// The coins at several outpoints, all at the one tip that comes with them.
    pub fn coins(&self, outpoints: &[OutPoint]) -> Result<(Arc<Tip>, Vec<Option<Coin>>), ChainFault> {
        let live = self.live();
        let (tip, disk, cached) = {
            let read = live.coins.read()?;
            let cached: Vec<_> = outpoints.iter().map(|o| read.cached(o)).collect();
            (Arc::clone(read.tip()), Arc::clone(read.disk()), cached)
        };
        let find = |(outpoint, cached): (&OutPoint, Option<Option<CompactCoin>>)| match cached {
            Some(coin) => Ok(coin.map(|c| c.to_coin())),
            None => Ok(disk.get(outpoint)?.map(|c| c.to_coin())),
        };
        let coins = outpoints.iter().zip(cached).map(find).collect::<Result<_, ChainFault>>()?;
        Ok((tip, coins))
    }
}

/// What follows a tip whose difficulty does not change; for a tree that does not know its tip, which none is.
fn after(tip: &Tip) -> NextBlock {
    NextBlock {
        prev: tip.hash,
        height: tip.height.next(),
        version: NextBlock::NO_VOTES,
        bits: tip.header.bits,
        time_min: tip.median_time_past.saturating_add(1),
        median_time_past: tip.median_time_past,
    }
}

impl UtxoView for ChainReader {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        let coin = self.live().coins.get(outpoint).map_err(|e| ViewFault { source_text: e.to_string() })?;
        Ok(coin.map(|coin| coin.to_coin()))
    }
}

impl HeaderView for ChainReader {
    fn tip_height(&self) -> Height {
        self.tip().height
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        let live = self.live();
        let tree = live.tree();
        tree.active_at(height).map(|id| *tree.node(id).header())
    }
}
