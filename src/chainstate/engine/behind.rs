//! The chainstate that follows from below, while the chain stands on a snapshot's coins.
//!
//! Owns: how a snapshot becomes what the chain stands on, how the blocks below it are verified while nobody waits for the engine, and
//! what follows when they are. Must not know: how a block connects; that is the same for both.
//!
//! Both have the headers, the files of blocks and of undo data in common; each has coins, a tip and a database of its own. The headers'
//! records are in the database of the tip, and are durable before the other says that it is behind a block: what it has verified is
//! never verified again, and its undo data is never lost. At the snapshot's block the coins are hashed. Where they are those of
//! the snapshot, its database takes the place of the other; where not, it is put aside and the process ends, to go on from the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_domain::chain::{BlockStatus, HeaderTree, NodeId};
use adit_domain::units::Height;
use adit_store::{CoinSnapshot, Flush, FlushState, NodeRecord};
use bitcoin::BlockHash;
use bitcoin::hashes::sha256d;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::{Chainstate, Ended, Part, Run, Totals};
use crate::snapshot::{LoadError, LoadedSnapshot, SnapshotLoad, check_base, hash_all};
use crate::types::ChainFault;

/// Blocks that are taken on in one go; whoever waits for the engine is heard after a few of them.
const GO_BLOCKS_MAX: u32 = 128;
/// How long the engine's thread waits for a flush, or for the hash, before it looks whether anybody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Parts that the memory for coins is cut into, and how many of them go to what follows from below: few while the tip has far to go,
/// most when it is there.
pub(super) const CACHE_PARTS: usize = 20;
const CACHE_PARTS_SYNCING: usize = 1;
const CACHE_PARTS_SYNCED: usize = 15;
/// Blocks to the best header from which on the tip has far to go: a day of them.
const FAR: u32 = 144;

/// What a snapshot has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The block that its coins belong to, which is the tip now.
    pub base: BlockHash,
    /// Its height.
    pub height: Height,
    /// How many coins there are.
    pub coins: u64,
}

/// What was done below the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: there is no snapshot, or blocks must come first.
    Idle,
    /// There may be more to do.
    More,
    /// All below is verified, and there is one chainstate.
    Verified,
}

/// The chainstate that follows.
pub(super) struct Following {
    chain: Chainstate,
    base: NodeId,
    /// A flush of the tip's chainstate has begun, after which this one's is due.
    headers_first: bool,
    hashing: Option<Hashing>,
}

/// The coins at the snapshot's block, hashed on a thread of its own: minutes on mainnet. Dropped, it ends, before the database can be
/// opened by anybody else.
struct Hashing {
    found: Receiver<Hashed>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The hash; none where it was stopped.
type Hashed = Result<Option<sha256d::Hash>, ChainFault>;

impl Hashing {
    fn begin(coins: CoinSnapshot) -> Result<Hashing, ChainFault> {
        let ((to, found), stop) = (bounded(1), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("adit-compare".to_owned());
        let thread = thread.spawn(move || {
            let hashed = hash_all(&coins, &mut || !stopped.load(Ordering::Relaxed));
            // Nobody may want it any more.
            let _ = to.send(hashed.map(|hashed| hashed.map(|(hash, _)| hash)));
        });
        let thread = thread.map_err(|e| ChainFault::State(format!("no thread: {e}")))?;
        Ok(Hashing { found, stop, thread: Some(thread) })
    }

    /// The hash, if it is there within a short time.
    fn look(&self) -> Result<Option<sha256d::Hash>, ChainFault> {
        match self.found.recv_timeout(LOOK_EVERY) {
            Ok(hashed) => hashed,
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(ChainFault::State("hashing the coins panicked".to_owned()))
            }
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Where it panicked, that was noticed or is of no matter any more.
            let _ = thread.join();
        }
    }
}

impl Chainstate {
    /// Looks at a snapshot's file and whether its block is one to stand on. What is returned reads it, on any thread.
    pub fn load_snapshot(&self, path: &std::path::Path) -> Result<SnapshotLoad, LoadError> {
        SnapshotLoad::begin(&self.reader(), &self.store, path, self.coin_bytes()? / 4)
    }

    /// Makes a snapshot what the chain stands on: its block is the tip, at once and over restarts. Readers see it when this returns.
    pub fn activate_snapshot(&mut self, loaded: LoadedSnapshot) -> Result<Activated, LoadError> {
        let (base, height, coins) = loaded.summary();
        check_base(&self.live.tree(), base)?;
        self.flush_all()?;
        let db = Arc::clone(loaded.loading.db()?);
        db.keep_overwritten_of(&self.db)?;
        db.set_snapshot_base(&base)?;
        let ids: Vec<NodeId> = self.live.tree().ids().collect();
        let nodes = self.records(&ids);
        let state =
            FlushState { tip: base, height, flushes: self.flushes, blocks_end: self.live.blocks.end() };
        db.flush(Flush { state, nodes, coins: &mut std::iter::empty() })?;
        drop(db);
        loaded.loading.activate()?;
        tracing::info!(%base, %height, coins, "the chain stands on a snapshot; the blocks below are verified behind");
        let (store, verifier) = (Arc::clone(&self.store), Arc::clone(&self.live.verifier));
        let totals = self.totals;
        *self = Chainstate::reopen(&self.reader(), self.config.clone(), store, verifier)?;
        self.totals = totals;
        Ok(Activated { base, height, coins })
    }

    /// Begins the chainstate that follows, where the store has one.
    pub(super) fn follow_from_below(&mut self) -> Result<(), ChainFault> {
        let (base, behind) = (self.live.tree().assumed_base(), self.live.behind.load_full());
        let (Some(db), Some(base), Some(live)) = (self.store.db_behind(), base, behind) else {
            return Ok(());
        };
        let shared = Arc::new(arc_swap::ArcSwap::new(Arc::clone(&live)));
        let chain = Chainstate::over(
            (self.config.clone(), Arc::clone(&self.workers)),
            (db, Part::Behind),
            (live, shared, Arc::clone(&self.holds)),
            Arc::clone(&self.store),
        )?;
        self.behind = Some(Box::new(Following { chain, base, headers_first: false, hashing: None }));
        self.divide_cache();
        Ok(())
    }

    /// Verifies some of the blocks below the snapshot, while `go_on` says that nobody waits.
    pub fn follow(&mut self, go_on: &mut dyn FnMut() -> bool) -> Result<Behind, ChainFault> {
        self.divide_cache();
        let Some(mut following) = self.behind.take() else { return Ok(Behind::Idle) };
        let followed = self.follow_with(&mut following, go_on)?;
        if followed != Behind::Verified {
            self.behind = Some(following);
        }
        Ok(followed)
    }

    fn follow_with(
        &mut self,
        following: &mut Following,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Behind, ChainFault> {
        if self.flushes_with(following)? {
            return Ok(Behind::More);
        }
        let way = following.way();
        if following.is_at_base() {
            return self.compare(following);
        }
        let Some((leave, join)) = way else { return Ok(Behind::Idle) };
        let mut progress = |_| go_on();
        let mut run = Run::while_it_may(&mut progress);
        if let Ended::Failed(rejected) = following.chain.go(&leave, &join, &mut run)? {
            let reason = &rejected.reason;
            tracing::warn!(hash = %rejected.hash, height = %rejected.height, reason, "invalid block below the snapshot");
            if self.live.tree().node(following.base).status().is_failed() {
                let why = format!("block {} below it is invalid ({reason})", rejected.hash);
                return self.give_up(following, &why);
            }
        }
        Ok(Behind::More)
    }

    /// Flushes what follows, where that is due, after the headers; whether there is nothing else to do just now.
    fn flushes_with(&mut self, following: &mut Following) -> Result<bool, ChainFault> {
        if following.headers_first {
            if self.flusher.is_flushing()? {
                return self.flusher.wait_at_most(LOOK_EVERY).map(|()| true);
            }
            following.headers_first = false;
            following.chain.begin_flush()?;
            return Ok(true);
        }
        if !following.chain.is_flush_due()? {
            return Ok(false);
        }
        if following.chain.flusher.is_flushing()? {
            return following.chain.flusher.wait_at_most(LOOK_EVERY).map(|()| true);
        }
        self.begin_flush()?;
        following.headers_first = true;
        Ok(true)
    }

    /// Makes both durable, the headers first.
    pub(super) fn flush_behind(&mut self) -> Result<(), ChainFault> {
        match &mut self.behind {
            Some(following) => following.chain.flush_all(),
            None => Ok(()),
        }
    }

    /// The next flush of what follows is its last.
    pub(super) fn close_behind(&mut self) {
        if let Some(following) = &mut self.behind {
            following.chain.closing = true;
            following.chain.flusher.close();
        }
    }

    /// Gives most of the memory to whoever has more to do.
    fn divide_cache(&mut self) {
        let far = {
            let tree = self.live.tree();
            let best = tree.node(tree.best_header_id()).height();
            best.blocks_above(tree.node(tree.tip_id()).height()) > FAR
        };
        let behind = match (&mut self.behind, far) {
            (None, _) => 0,
            (Some(_), true) => CACHE_PARTS_SYNCING,
            (Some(_), false) => CACHE_PARTS_SYNCED,
        };
        self.cache_parts = CACHE_PARTS.saturating_sub(behind);
        if let Some(following) = &mut self.behind {
            following.chain.cache_parts = behind;
        }
    }

    /// Has the coins at the snapshot's block hashed, and ends it when they are.
    fn compare(&mut self, following: &mut Following) -> Result<Behind, ChainFault> {
        let Some(hashing) = &following.hashing else {
            self.flush_all()?;
            following.chain.flush_all()?;
            following.hashing = Some(Hashing::begin(following.chain.db.snapshot()?)?);
            return Ok(Behind::More);
        };
        let Some(found) = hashing.look()? else { return Ok(Behind::More) };
        let base = self.live.tree().node(following.base).hash();
        let known = self.config.params.assumed_coins_at(&base).map(|known| known.hash_serialized);
        if known == Some(found) {
            return self.confirm(following, &base);
        }
        let known = known.map_or_else(|| "none that is known".to_owned(), |hash| hash.to_string());
        self.give_up(
            following,
            &format!("the coins behind it come to {found}, and the snapshot's to {known}"),
        )
    }

    /// All that led to the snapshot's coins is verified: there is one chainstate from here on.
    fn confirm(&mut self, following: &Following, base: &BlockHash) -> Result<Behind, ChainFault> {
        self.store.confirm_snapshot()?;
        let below = following.totals();
        self.totals = self.totals.with(below);
        self.flushed_inputs = self.flushed_inputs.saturating_add(below.inputs);
        self.live.behind.store(None);
        self.live.tree_mut().coins_verified();
        self.cache_parts = CACHE_PARTS;
        tracing::info!(%base, "all blocks below the snapshot are verified, and its coins are what they lead to");
        Ok(Behind::Verified)
    }

    /// The snapshot was wrong. What was verified gets the headers, without what was said of blocks by the snapshot's coins, and is what
    /// the next start finds.
    fn give_up(&mut self, following: &mut Following, why: &str) -> Result<Behind, ChainFault> {
        let behind = &mut following.chain;
        behind.flush_all()?;
        self.live.blocks.sync()?;
        self.live.undo.sync()?;
        let (nodes, base) = {
            let ids: Vec<NodeId> = self.live.tree().ids().collect();
            let records = self.records(&ids);
            let tree = self.live.tree();
            let records = ids.into_iter().zip(records);
            let nodes = records.map(|(id, record)| unjudged(&tree, (id, record), following.base)).collect();
            (nodes, tree.node(following.base).hash())
        };
        let tip = behind.live.tip.load_full();
        let state = FlushState {
            tip: tip.hash,
            height: tip.height,
            // What is noted of verified blocks since the last flush was judged by those coins.
            flushes: self.flushes.max(behind.flushes).saturating_add(2),
            blocks_end: self.live.blocks.end(),
        };
        behind.db.flush(Flush { state, nodes, coins: &mut std::iter::empty() })?;
        let kept = self.store.refuse_snapshot()?;
        Err(ChainFault::State(format!(
            "the snapshot at block {base} is wrong: {why}. Nothing that stood on it is believed: the next start goes on from height {}, where \
             all was verified here. The memory or the disk may be bad; the snapshot's coins stay in {} for whoever looks into it, and \
             may be deleted",
            tip.height,
            kept.display()
        )))
    }
}

/// A header's record as if its block had never been judged, where it stands on the snapshot's.
fn unjudged(tree: &HeaderTree, (id, record): (NodeId, NodeRecord), base: NodeId) -> NodeRecord {
    if id == base || !tree.stands_on_base(id) {
        return record;
    }
    let status = BlockStatus { failure: None, script_valid: false, ..tree.node(id).status() };
    NodeRecord { status: status.to_bits(), undo: None, ..record }
}

impl Following {
    pub(super) fn totals(&self) -> Totals {
        self.chain.totals
    }

    fn tip(&self, tree: &HeaderTree) -> NodeId {
        tree.find(&self.chain.live.tip.load().hash).unwrap_or(HeaderTree::GENESIS)
    }

    fn is_at_base(&self) -> bool {
        self.tip(&self.chain.live.tree()) == self.base
    }

    /// Blocks to leave and blocks to join, as far as they are stored; none where the next is not.
    fn way(&self) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
        let tree = self.chain.live.tree();
        let tip = self.tip(&tree);
        let fork = tree.fork_point(tip, self.base);
        let leave = if fork == tip { Vec::new() } else { tree.path(tip, fork).disconnect };
        let from = tree.node(fork).height();
        let heights = (1..=GO_BLOCKS_MAX).map(|n| Height::new(from.to_u32().saturating_add(n)));
        let above = heights.map_while(|height| tree.ancestor(self.base, height));
        let join: Vec<NodeId> = above.take_while(|id| tree.node(*id).status().body_stored).collect();
        // To leave without the blocks to join would only be to leave again at the next look.
        (!join.is_empty()).then_some((leave, join))
    }
}
