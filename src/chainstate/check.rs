//! Whether what lies on disk is what was written, for a datadir that no node has open.
//!
//! Owns: what is looked at, in what order, and what to do about what is found. Nothing is repaired here and nothing is written.
//! Must not know: how anything is stored byte for byte; the store's own readers are asked.
//!
//! The coins are compared with the blocks without a second set of coins: MuHash is a product, so that all outputs put in and all
//! coins of the undo data taken out give the hash of what must be left, in whatever order and on however many threads.

pub(crate) mod blocks;
mod coins;
pub(crate) mod headers;
mod problem;

use std::collections::BTreeMap;
use std::sync::Arc;

use adit_domain::chain::{HeaderTree, MuHash, NodeId};
use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params};
use adit_domain::units::Height;
use adit_store::{ChainDb, FlushState, Store};
use bitcoin::BlockHash;

use crate::types::ChainFault;

pub(crate) use headers::Known;
pub use problem::{Problem, Remedy};

/// Blocks below the tip that are looked at where it is not to be deep: what a reorganisation may need.
const NEAR_BLOCKS: u32 = 288;
/// Problems that are told one by one; beyond that a count says enough.
const PROBLEMS_MAX: usize = 1_000;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// Every block, undo record and coin, and the coins against the blocks; else what is near the tip.
    pub deep: bool,
    /// Threads for it.
    pub threads: usize,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckProgress {
    /// Blocks and undo data are read.
    Blocks {
        /// Bytes read.
        bytes: u64,
        /// Of so many.
        bytes_total: u64,
    },
    /// Coins are walked over.
    Coins {
        /// Records seen.
        records: u64,
        /// Of so many.
        records_total: u64,
    },
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// The tip that the coins belong to.
    pub tip: Option<(BlockHash, Height)>,
    /// While the chain stands on a snapshot, the tip of the coins that follow from below: it is they that are compared with the blocks.
    pub below: Option<(BlockHash, Height)>,
    /// Headers.
    pub headers: u64,
    /// Blocks that were read.
    pub blocks: u64,
    /// Blocks whose undo data was read.
    pub undo: u64,
    /// Coins that were read.
    pub coins: u64,
    /// The coins' MuHash, where they were compared with the blocks.
    pub muhash: Option<String>,
    /// Whether the coins could not be compared with the blocks, because of blocks that are pruned.
    pub pruned: bool,
    /// Whether the caller stopped it.
    pub stopped: bool,
    /// What is not as it should be.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub problems_more: u64,
}

/// Told now and then how far it is; says whether to go on.
pub(crate) type Progress<'a> = dyn FnMut(CheckProgress) -> bool + 'a;

impl Checked {
    pub(crate) fn found(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.problems_more = self.problems_more.saturating_add(1);
        }
    }

    /// Whether everything that was looked at is sound.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// The least that repairs all that was found.
    pub fn remedy(&self) -> Option<Remedy> {
        self.problems.iter().map(Problem::remedy).max()
    }
}

/// Looks at everything. An error is what kept it from looking, not what it found.
pub fn check(
    store: &Store,
    params: &Arc<Params>,
    options: CheckOptions,
    progress: &mut dyn FnMut(CheckProgress) -> bool,
) -> Result<Checked, ChainFault> {
    let mut checked = Checked::default();
    let state = match store.db().state() {
        Ok(state) => state,
        Err(fault) => {
            checked.found(Problem::Headers(fault));
            return Ok(checked);
        }
    };
    let known = headers::read(&store.db(), params, &mut checked);
    let Some((known, tip)) = known.and_then(|known| headers::tip(known, state, &mut checked)) else {
        return Ok(checked);
    };
    checked.tip = Some((known.tree.node(tip).hash(), known.tree.node(tip).height()));
    let Some(below) = Below::of(store, &known, &mut checked)? else { return Ok(checked) };
    let from_blocks = check_blocks(store, (&known, tip, state), &below, options, &mut checked, progress)?;
    for db in [Some(store.db()), below.db.clone()].into_iter().flatten() {
        if options.deep && !checked.stopped {
            coins::check(&db, options.threads, &mut checked, progress)?;
        }
    }
    if let Some(wanted) = from_blocks.filter(|_| options.deep && !checked.stopped) {
        // Of a snapshot's coins nobody can say what blocks lead to them before these are there.
        let (db, tip) = below.db.as_ref().map_or((store.db(), tip), |db| (Arc::clone(db), below.tip));
        coins::compare(&db, &known.tree.as_tip(tip), &wanted, options.threads, &mut checked)?;
    }
    Ok(checked)
}

/// What follows from below while the chain stands on a snapshot; of any other chain the tip alone.
struct Below {
    db: Option<Arc<ChainDb>>,
    /// The end of the blocks that are to lead to coins of its own.
    tip: NodeId,
    /// Up to the snapshot's block, blocks above this one may be missing.
    verified: Height,
    base: Height,
}

impl Below {
    /// None where that was found to be wrong.
    fn of(store: &Store, known: &Known, checked: &mut Checked) -> Result<Option<Below>, ChainFault> {
        let tree = &known.tree;
        let Some(db) = store.db_behind() else {
            let (tip, none) = (tree.tip_id(), Height::GENESIS);
            return Ok(Some(Below { db: None, tip, verified: none, base: none }));
        };
        let read = db.state().and_then(|state| Ok((state, store.db().snapshot_base()?)));
        let (state, base) = match read {
            Ok(read) => read,
            Err(fault) => {
                checked.found(Problem::Headers(fault));
                return Ok(None);
            }
        };
        let hash = state.map_or(tree.params().genesis_hash, |state| state.tip);
        let base = base.unwrap_or_else(|| tree.params().genesis_hash);
        let (Some(tip), Some(base)) = (tree.find(&hash), tree.find(&base)) else {
            checked.found(Problem::NoTip { hash });
            return Ok(None);
        };
        checked.below = Some((hash, tree.node(tip).height()));
        let verified = tree.node(tree.fork_point(tip, tree.tip_id())).height();
        Ok(Some(Below { db: Some(db), tip, verified, base: tree.node(base).height() }))
    }

    /// Whether a block of the best chain may be missing, for it is on its way.
    fn may_be_missing(&self, height: Height) -> bool {
        self.db.is_some() && height > self.verified && height <= self.base
    }
}

/// Blocks and undo data; the hash of the coins that they leave, where all of them were read.
fn check_blocks(
    store: &Store,
    (known, tip, state): (&Known, NodeId, Option<FlushState>),
    below: &Below,
    options: CheckOptions,
    checked: &mut Checked,
    progress: &mut Progress<'_>,
) -> Result<Option<MuHash>, ChainFault> {
    let tree = &known.tree;
    let active = tree.path(HeaderTree::GENESIS, tip).connect;
    let mut summed = tree.path(HeaderTree::GENESIS, below.tip).connect.into_iter();
    let is_pruned = summed.any(|id| tree.node(id).status().is_pruned());
    let from = match options.deep {
        true => Height::GENESIS,
        false => tree.node(tip).height().checked_sub(NEAR_BLOCKS).unwrap_or(Height::GENESIS),
    };
    let wanted = |id: &NodeId| !below.may_be_missing(tree.node(*id).height());
    let active: Vec<NodeId> = active.into_iter().filter(wanted).collect();
    headers::check_places(store, known, &active, checked)?;
    let (blocks_end, flushes) = state.map(|s| (s.blocks_end, s.flushes)).unwrap_or_default();
    let magic = tree.params().magic;
    let reading = blocks::Reading {
        known,
        store,
        files: &store.block_files(magic, BLOCK_WEIGHT_MAX, blocks_end),
        undo: &store.undo_files(magic, BTreeMap::new(), flushes)?.0,
        bodies: true,
        sums: options.deep.then_some(below.tip),
    };
    let wanted: Vec<NodeId> = known
        .stored()
        .filter(|id| tree.node(*id).height() > from || (options.deep && !tree.is_active(*id)))
        .collect();
    let sum = blocks::read(&reading, wanted, options.threads, &mut |part, bytes, bytes_total| {
        checked.blocks = checked.blocks.saturating_add(part.blocks);
        checked.undo = checked.undo.saturating_add(part.undo);
        part.problems.into_iter().for_each(|problem| checked.found(problem));
        let goes_on = progress(CheckProgress::Blocks { bytes, bytes_total });
        checked.stopped |= !goes_on;
        goes_on
    })?;
    checked.pruned = options.deep && is_pruned;
    let whole = options.deep && !checked.pruned && !checked.stopped && checked.is_sound();
    Ok(whole.then_some(sum))
}
