//! The engine: the one writer of the chain.
//!
//! Owns: what happens to headers and blocks that come in, when coins are flushed, how everything is built again at a start.
//! How a chain of blocks is connected stands in `pipeline.rs`.

mod asked;
mod batch;
mod behind;
mod bodies;
mod headers;
mod import;
mod load;
mod marks;
mod pipeline;
mod prune;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use adit_domain::chain::{BlockStatus, HeaderTree, NodeId, ScriptsRun, Tip};
use adit_domain::consensus::{
    BlockContext, BlockError, Params, Refused, check_block, check_proof_of_work, check_signet_solution,
    contextual_check_block,
};
use adit_domain::script::ScriptVerifier;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::{ChainDb, FlushState, NodeRecord, Store};
use arc_swap::ArcSwap;
use bitcoin::BlockHash;
use bitcoin::block::Header;

use crate::coins::{FlushJob, Flusher, Then};
use crate::config::ChainConfig;
use crate::holds::Holds;
use crate::live::{Live, Shared};
use crate::reader::ChainReader;
use crate::stage::Stage;
use crate::stats::StatsJob;
use crate::types::{BlockAccepted, ChainFault, SubmitError};
use crate::workers::Workers;

pub use batch::{BATCH_BLOCKS_MAX, BATCH_BYTES_MAX, BlocksAccepted};
use behind::Following;
pub use behind::{Activated, Behind};
pub(crate) use bodies::decode_framed;
pub(crate) use headers::refused_header;
pub use marks::{Mark, MarkError};
pub use pipeline::Rejected;
pub(crate) use pipeline::{Ended, Outside, Run};
pub use prune::{KEPT_BLOCKS, PruneError, PruneUpTo, Pruned};

/// Blocks that were just accepted are kept parsed: the next thing that happens to them is that they connect.
const RECENT_BLOCKS_MAX: usize = 4;
/// Beyond so many headers ahead of the tip, a block is one of many: its body is made durable with the next flush.
const DURABLE_BEHIND_MAX: u32 = 12;
/// Headers whose records are made under one lock: about a millisecond.
const DIRTY_PIECE: usize = 4_096;
/// Inputs that may be connected before the coins are flushed, however much room the cache has: a killed process finds the
/// scripts done and the rest of them again in less than two seconds, also among 20,000,000 coins (`benches/wide_set.rs`).
const UNFLUSHED_INPUTS_MAX: u64 = 300_000;

/// The chain: headers, blocks and coins, with one writer. It blocks; give it a thread of its own.
pub struct Chainstate {
    config: ChainConfig,
    /// Its own headers, coins and tip.
    db: Arc<ChainDb>,
    part: Part,
    /// The chainstate that follows from below, while this one's coins came from a snapshot.
    behind: Option<Box<Following>>,
    /// Of [`behind::CACHE_PARTS`] parts of the memory for coins, how many are this one's.
    cache_parts: usize,
    workers: Arc<Workers>,
    shared: Shared,
    holds: Arc<Holds>,
    live: Arc<Live>,
    stage: Stage,
    /// How many of the staged blocks, from the oldest on, are verified.
    verified: usize,
    recent: VecDeque<Arc<ParsedBlock>>,
    flusher: Flusher,
    /// What follows when the next flush is durable.
    then: Vec<Then>,
    /// The next flush is the last.
    closing: bool,
    flushes: u64,
    /// [`Totals::inputs`] at the last flush.
    flushed_inputs: u64,
    totals: Totals,
    /// Why blocks were refused, while this engine lives.
    failures: HashMap<BlockHash, String>,
    /// Whether the scripts of the last block were assumed to be valid.
    assumed: Option<Result<(), ScriptsRun>>,
    /// Dropped last: it holds the datadir's lock, which must outlive the databases.
    store: Arc<Store>,
}

/// What of the chain an engine's coins are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The tip's, which everybody sees.
    Tip,
    /// Those that follow from below up to a snapshot's block: the tree's tip is not theirs, nor are the headers' records.
    Behind,
}

/// What has been connected since the engine was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Blocks.
    pub blocks: u64,
    /// Their transactions, coinbases included.
    pub txs: u64,
    /// Their inputs, coinbases' left out: the scripts that were verified.
    pub inputs: u64,
}

impl Totals {
    fn with(self, more: Totals) -> Totals {
        Totals {
            blocks: self.blocks.saturating_add(more.blocks),
            txs: self.txs.saturating_add(more.txs),
            inputs: self.inputs.saturating_add(more.inputs),
        }
    }
}

impl Chainstate {
    /// Opens the chain in `store`, and connects again what lies above the last flush.
    pub fn open(
        config: ChainConfig,
        store: Arc<Store>,
        verifier: Arc<dyn ScriptVerifier>,
    ) -> Result<Chainstate, ChainFault> {
        let live = Arc::new(load::load(&config, &store, &verifier)?);
        let shared = Arc::new(ArcSwap::new(Arc::clone(&live)));
        let holds = Arc::new(Holds::of_indexes(&store, config.indexes)?);
        Chainstate::start(config, store, (live, shared, holds), &mut Run::without_limit())
    }

    /// As [`Chainstate::open`], for a store with much to connect: `progress` is told each height that is reached, and says whether
    /// to go on.
    pub(crate) fn open_with(
        config: ChainConfig,
        store: Arc<Store>,
        verifier: Arc<dyn ScriptVerifier>,
        progress: &mut dyn FnMut(Height) -> bool,
    ) -> Result<Chainstate, ChainFault> {
        let live = Arc::new(load::load(&config, &store, &verifier)?);
        let shared = Arc::new(ArcSwap::new(Arc::clone(&live)));
        let holds = Arc::new(Holds::of_indexes(&store, config.indexes)?);
        Chainstate::start(
            config,
            store,
            (live, shared, holds),
            &mut Run::of_import(&HashMap::new(), progress),
        )
    }

    /// As [`Chainstate::open`], in the place of an engine that panicked: its readers see the old state until the new one has
    /// come as far, and then go on with that.
    pub fn reopen(
        reader: &ChainReader,
        config: ChainConfig,
        store: Arc<Store>,
        verifier: Arc<dyn ScriptVerifier>,
    ) -> Result<Chainstate, ChainFault> {
        let old = reader.shared.load_full();
        old.coins.retire()?;
        if let Some(behind) = old.behind.load_full() {
            behind.coins.retire()?;
        }
        let live = Arc::new(load::load(&config, &store, &verifier)?);
        let kept = (live, Arc::clone(&reader.shared), Arc::clone(&reader.holds));
        Chainstate::start(config, store, kept, &mut Run::without_limit())
    }

    fn start(
        config: ChainConfig,
        store: Arc<Store>,
        (live, shared, holds): (Arc<Live>, Shared, Arc<Holds>),
        run: &mut Run<'_>,
    ) -> Result<Chainstate, ChainFault> {
        let workers = Arc::new(Workers::start(config.threads())?);
        let db = store.db();
        let mut this = Chainstate::over((config, workers), (db, Part::Tip), (live, shared, holds), store)?;
        this.follow_from_below()?;
        this.activate(run)?;
        this.shared.store(Arc::clone(&this.live));
        Ok(this)
    }

    fn over(
        (config, workers): (ChainConfig, Arc<Workers>),
        (db, part): (Arc<ChainDb>, Part),
        (live, shared, holds): (Arc<Live>, Shared, Arc<Holds>),
        store: Arc<Store>,
    ) -> Result<Chainstate, ChainFault> {
        let state = db.state()?;
        Ok(Chainstate {
            config,
            flusher: Flusher::start(Arc::clone(&store), Arc::clone(&db), Arc::clone(&live))?,
            db,
            part,
            behind: None,
            cache_parts: behind::CACHE_PARTS,
            workers,
            shared,
            holds,
            stage: Stage::default(),
            verified: 0,
            recent: VecDeque::new(),
            then: Vec::new(),
            closing: false,
            flushes: state.map_or(0, |s| s.flushes),
            flushed_inputs: 0,
            totals: Totals::default(),
            failures: HashMap::new(),
            assumed: None,
            live,
            store,
        })
    }

    /// What everybody else may ask.
    pub fn reader(&self) -> ChainReader {
        ChainReader {
            shared: Arc::clone(&self.shared),
            holds: Arc::clone(&self.holds),
            prune_mib: self.config.prune_mib,
        }
    }

    /// What has been connected since the engine was opened, below a snapshot too.
    pub fn totals(&self) -> Totals {
        self.behind.as_ref().map_or(self.totals, |following| self.totals.with(following.totals()))
    }

    /// Validates a block, keeps it, and connects it where it makes the best chain. At the tip its body is on disk before this
    /// returns. There may be more to connect: see [`Chainstate::advance`].
    pub fn accept_block(
        &mut self,
        block: Arc<ParsedBlock>,
        now: UnixMillis,
    ) -> Result<BlockAccepted, SubmitError> {
        // First, as in Core: bytes that are not the block are refused as that, whatever is known of its header.
        self.alone(&block).map_err(|error| self.refused_alone(&block, &error))?;
        let Some(id) = self.keep_checked(&block, now)? else {
            return Ok(BlockAccepted {
                duplicate: true,
                tip: self.live.tip.load_full(),
                disconnected: Vec::new(),
                connected: Vec::new(),
            });
        };
        let mut run = Run::in_steps();
        self.begin_sync(&mut run);
        let before = self.live.tip.load_full();
        self.activate(&mut run)?;
        self.forget_recent();
        self.verdict_on(&block, Some(id), &run)?;
        Ok(self.accepted(&before, run.blocks)?)
    }

    /// Stores a block that is sound by itself, if it is at its place too; none where it is known already.
    fn keep_checked(
        &mut self,
        block: &Arc<ParsedBlock>,
        now: UnixMillis,
    ) -> Result<Option<NodeId>, SubmitError> {
        if self.knows(block)? {
            self.keep_again(block)?;
            return Ok(None);
        }
        let id = self.join_header(block.header(), now)?;
        self.check_at_place(block, id)?;
        self.keep(id, block)?;
        Ok(Some(id))
    }

    /// What a run says of a block that was stored for it.
    fn verdict_on(&self, block: &ParsedBlock, id: Option<NodeId>, run: &Run<'_>) -> Result<(), SubmitError> {
        let hash = block.hash();
        let failed = id.is_some_and(|id| self.live.tree().node(id).status().is_failed());
        let own = run.rejected.iter().find(|rejected| rejected.hash == hash);
        match own.or_else(|| run.rejected.first().filter(|_| failed)) {
            Some(rejected) => Err(rejected.clone().into()),
            None => Ok(()),
        }
    }

    /// Connects more blocks that are stored already, if there are any: a bounded number each time, so that the caller can
    /// answer others in between.
    pub fn advance(&mut self) -> Result<Option<BlockAccepted>, ChainFault> {
        let before = self.live.tip.load_full();
        if !self.has_more() {
            return Ok(None);
        }
        let mut run = Run::in_steps();
        self.activate(&mut run)?;
        self.accepted(&before, run.blocks).map(Some)
    }

    /// Whether [`Chainstate::advance`] would do anything.
    pub fn has_more(&self) -> bool {
        let tree = self.live.tree();
        tree.best_candidate() != tree.tip_id()
    }

    /// Makes every changed coin, header and the tip durable at once, and waits until they are; then prunes where block files take
    /// more than they may.
    pub fn flush(&mut self) -> Result<(), ChainFault> {
        self.begin_flush_and_prune()?;
        self.flusher.wait()?;
        self.flush_behind()
    }

    /// As [`Chainstate::flush`] for the last time: nothing is done for what would come after it.
    pub fn close(&mut self) -> Result<(), ChainFault> {
        self.closing = true;
        self.flusher.close();
        self.close_behind();
        self.flush()
    }

    /// Begins to make them durable; the block files that take more than they may go when that is done.
    fn begin_flush_and_prune(&mut self) -> Result<(), ChainFault> {
        self.prune_to_size()?;
        self.begin_flush()
    }

    /// Begins to make them durable: it is written while blocks go on to connect. Waits for the flush before it.
    pub(crate) fn begin_flush(&mut self) -> Result<(), ChainFault> {
        self.flusher.wait()?;
        let tip = Arc::clone(self.live.coins.read()?.tip());
        let flushes = self.flushes.saturating_add(1);
        let nodes = match self.part {
            Part::Tip => {
                self.live.undo.begin_flush(flushes)?;
                self.dirty_nodes()
            }
            Part::Behind => Vec::new(),
        };
        let blocks_end = self.live.blocks.end();
        let state = FlushState { tip: tip.hash, height: tip.height, flushes, blocks_end };
        let room_bytes = if self.closing { None } else { Some(self.coin_bytes()? / 2) };
        let then = std::mem::take(&mut self.then);
        self.flusher.begin(FlushJob { state, tip, nodes, room_bytes, then })?;
        self.flushes = flushes;
        self.flushed_inputs = self.totals.inputs;
        Ok(())
    }

    /// Bytes that coins may take.
    fn coin_bytes(&self) -> Result<usize, ChainFault> {
        let all = self.config.budget().coins(self.live.coins.read()?.disk().filter_bytes());
        Ok(all / behind::CACHE_PARTS * self.cache_parts)
    }

    /// Begins a flush in the background where one is due, and waits for the one before it where the cache is full.
    fn flush_if_due(&mut self) -> Result<(), ChainFault> {
        if self.flusher.is_flushing()? {
            if self.live.coins.bytes()? > self.coin_bytes()? {
                self.flusher.wait()?;
            }
            return Ok(());
        }
        if self.is_flush_due()? {
            return self.begin_flush_and_prune();
        }
        Ok(())
    }

    /// Has `tell` called where something fails in the background, at once: nobody need ask for that.
    pub fn on_fault(&self, tell: impl FnOnce(ChainFault) + Send + 'static) {
        self.flusher.on_fault(Box::new(tell));
    }

    fn flush_all(&mut self) -> Result<(), ChainFault> {
        self.begin_flush()?;
        self.flusher.wait()
    }

    fn is_flush_due(&self) -> Result<bool, ChainFault> {
        let unflushed_inputs = self.totals.inputs.saturating_sub(self.flushed_inputs);
        // An eighth is left for what comes while it is written.
        let is_full = self.live.coins.bytes()? > self.coin_bytes()? / 8 * 7;
        Ok(is_full || unflushed_inputs >= UNFLUSHED_INPUTS_MAX)
    }

    /// Waits until nothing is being flushed and no tiers are left to be merged.
    pub fn wait_for_merges(&mut self) -> Result<(), ChainFault> {
        self.flusher.settle()
    }

    /// Flushes, and gives a job that computes the size and the MuHash of the coins as they are now, on any thread.
    pub fn utxo_stats(&mut self) -> Result<StatsJob, ChainFault> {
        self.flush()?;
        Ok(StatsJob::new(self.db.snapshot()?, self.live.tip.load_full(), self.config.threads()))
    }

    #[cfg(test)]
    pub(crate) fn store_for_tests(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    pub(crate) fn params(&self) -> &Arc<Params> {
        &self.config.params
    }

    /// Nobody who reads the tree waits for longer than a piece of it takes; the engine's thread alone changes it.
    fn dirty_nodes(&self) -> Vec<NodeRecord> {
        let dirty = self.live.tree_mut().take_dirty();
        self.records(&dirty)
    }

    fn records(&self, ids: &[NodeId]) -> Vec<NodeRecord> {
        let record = |(tree, id): (&HeaderTree, NodeId)| {
            let node = tree.node(id);
            let places = self.live.place(&node.hash());
            NodeRecord {
                number: id.to_u32(),
                header: *node.header(),
                // That a block is invalid is not stored: a verdict of a bug or a bad disk ends with the process.
                status: BlockStatus { failure: None, ..node.status() }.to_bits(),
                block: places.block,
                undo: places.undo,
                txs: places.txs,
            }
        };
        let pieces = ids.chunks(DIRTY_PIECE).map(|ids| {
            let tree = self.live.tree();
            ids.iter().map(|id| record((&tree, *id))).collect::<Vec<_>>()
        });
        pieces.flatten().collect()
    }

    /// Why a block was refused, if this engine refused it.
    pub(crate) fn failure(&self, hash: &BlockHash) -> Option<&str> {
        self.failures.get(hash).map(String::as_str)
    }

    /// Whether the block is stored already, or was; one that is known to be invalid is refused.
    fn knows(&self, block: &ParsedBlock) -> Result<bool, SubmitError> {
        let tree = self.live.tree();
        let Some(node) = tree.find(&block.hash()).map(|id| tree.node(id)) else { return Ok(false) };
        if node.status().is_failed() {
            return Err(invalid(block.hash(), Some(node.height()), "duplicate-invalid".to_owned()));
        }
        let status = node.status();
        Ok(status.body_stored || status.is_pruned())
    }

    fn alone(&self, block: &ParsedBlock) -> Result<(), BlockError> {
        check_alone(block, self.params(), self.live.verifier.as_ref())
    }

    /// No header is marked here, as in Core: if there is a way yet unknown to make bytes that fail under the header of a good
    /// block, whoever finds it cannot end the good one with them.
    fn refused_alone(&self, block: &ParsedBlock, error: &BlockError) -> SubmitError {
        let tree = self.live.tree();
        let height = tree.find(&block.hash()).map(|id| tree.node(id).height());
        invalid(block.hash(), height, error.to_string())
    }

    fn check_at_place(&self, block: &ParsedBlock, id: NodeId) -> Result<(), SubmitError> {
        let checked = {
            let tree = self.live.tree();
            let Some(parent) = tree.node(id).parent() else { return Ok(()) };
            let branch = tree.branch(parent);
            contextual_check_block(block, &BlockContext { params: self.params(), parent: &branch })
        };
        match checked {
            Ok(()) => Ok(()),
            Err(Refused::Invalid(error)) => Err(self.refuse(block.hash(), id, error)),
            Err(Refused::Fault(fault)) => Err(SubmitError::Fault(fault.into())),
        }
    }

    /// Marks the header where the block can never be valid; says so to the sender in any case.
    fn refuse(&self, hash: BlockHash, id: NodeId, error: BlockError) -> SubmitError {
        let mut tree = self.live.tree_mut();
        if error.is_final() {
            tree.mark_failed(id);
        }
        invalid(hash, Some(tree.node(id).height()), error.to_string())
    }

    fn join_header(&self, header: &Header, now: UnixMillis) -> Result<NodeId, SubmitError> {
        let mut tree = self.live.tree_mut();
        tree.insert(*header, now).map_err(|e| refused_header(&tree, header, e))
    }

    /// Stores a block's body.
    fn keep(&mut self, id: NodeId, block: &Arc<ParsedBlock>) -> Result<(), ChainFault> {
        self.place_body(id, block)?;
        self.recent.push_back(Arc::clone(block));
        Ok(())
    }

    fn place_body(&self, id: NodeId, block: &ParsedBlock) -> Result<(), ChainFault> {
        let pos = self.live.blocks.append(block.raw())?;
        self.live.change_place(block.hash(), |places| places.store(pos, block));
        self.live.tree_mut().body_stored(id);
        Ok(())
    }

    /// A pruned block that an operator wants back is stored again. Its witnesses are looked at once more, for which the header does not
    /// stand; but it stands in the chain, and nothing is marked for what somebody sends.
    fn keep_again(&self, block: &ParsedBlock) -> Result<(), SubmitError> {
        let hash = block.hash();
        if !self.live.is_wanted(&hash) {
            return Ok(());
        }
        let (id, checked) = {
            let tree = self.live.tree();
            let Some(id) = tree.find(&hash).filter(|id| tree.node(*id).status().is_pruned()) else {
                return Ok(());
            };
            let Some(parent) = tree.node(id).parent() else { return Ok(()) };
            let branch = tree.branch(parent);
            (id, contextual_check_block(block, &BlockContext { params: self.params(), parent: &branch }))
        };
        match checked {
            Ok(()) => self.place_body(id, block)?,
            Err(Refused::Invalid(error)) => return Err(invalid(hash, None, error.to_string())),
            Err(Refused::Fault(fault)) => return Err(SubmitError::Fault(fault.into())),
        }
        self.live.has_come(&hash);
        Ok(())
    }

    /// At the tip bodies that were stored are synced while their scripts run.
    fn begin_sync(&self, run: &mut Run<'_>) {
        let (behind, is_above) = {
            let tree = self.live.tree();
            let reached = tree.node(tree.tip_id()).height();
            // Below a snapshot's block they are old ones, of which nobody waits to hear.
            let above =
                |block: &Arc<ParsedBlock>| tree.find(&block.hash()).is_some_and(|id| tree.stands_on_base(id));
            (tree.node(tree.best_header_id()).height().blocks_above(reached), self.recent.iter().any(above))
        };
        if behind <= DURABLE_BEHIND_MAX && is_above {
            let live = Arc::clone(&self.live);
            run.syncing = Some(self.workers.urgent(move || live.blocks.sync()));
        }
    }

    fn forget_recent(&mut self) {
        let over = self.recent.len().saturating_sub(RECENT_BLOCKS_MAX);
        self.recent.drain(..over);
    }

    /// What became of the chain since `before`.
    fn accepted(
        &self,
        before: &Tip,
        mut blocks: HashMap<BlockHash, Arc<ParsedBlock>>,
    ) -> Result<BlockAccepted, ChainFault> {
        let tip = self.live.tip.load_full();
        let (left, joined) = {
            let tree = self.live.tree();
            let from = tree.find(&before.hash).unwrap_or(HeaderTree::GENESIS);
            let path = tree.path(from, tree.tip_id());
            let hashes = |ids: Vec<NodeId>| -> Vec<BlockHash> {
                ids.into_iter().map(|id| tree.node(id).hash()).collect()
            };
            (hashes(path.disconnect), hashes(path.connect))
        };
        let mut take = |hash: BlockHash| match blocks.remove(&hash) {
            Some(block) => Ok(block),
            None => {
                self.live.block(&hash)?.ok_or_else(|| ChainFault::State(format!("block {hash} is missing")))
            }
        };
        let disconnected = left.into_iter().map(&mut take).collect::<Result<_, ChainFault>>()?;
        let connected = joined.into_iter().map(&mut take).collect::<Result<_, ChainFault>>()?;
        Ok(BlockAccepted { duplicate: false, tip, disconnected, connected })
    }
}

/// All rules that need nothing but the block.
pub(crate) fn check_alone(
    block: &ParsedBlock,
    params: &Params,
    verifier: &dyn ScriptVerifier,
) -> Result<(), BlockError> {
    check_proof_of_work(block.hash(), block.header().bits, params)?;
    check_signet_solution(block, params, verifier)?;
    check_block(block, params)
}

fn invalid(hash: BlockHash, height: Option<Height>, reject: String) -> SubmitError {
    tracing::debug!(%hash, reject, "a header or a block was not taken");
    SubmitError::Invalid { hash, height, reject }
}

#[cfg(test)]
#[path = "engine/tests.rs"]
mod tests;
