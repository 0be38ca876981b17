//! Headers and coins built again from our own block files, beside the old ones until the new ones are whole.
//!
//! Owns: what is taken over and what is not. Must not know: how blocks connect; that is the engine's.
//!
//! First all that is to be taken over is read and checked: blocks, and undo data where the old database still says whose it is.
//! One commit begins the new database with that. Then the engine connects what is there, flush by flush, so that a process that was
//! killed goes on where it was. What is damaged is left out, and a node fetches it again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use adit_domain::chain::{BlockStatus, HeaderTree, Node, NodeId};
use adit_domain::consensus::BLOCK_WEIGHT_MAX;
use adit_domain::script::ScriptVerifier;
use adit_domain::units::{Height, UnixMillis};
use adit_store::{ChainDb, FileEnd, Flush, FlushState, NodeRecord, Store, StoreFault};
use bitcoin::BlockHash;
use thiserror::Error;

use crate::check::blocks::{self, Reading};
use crate::check::{Checked, Known, Problem, headers};
use crate::config::ChainConfig;
use crate::engine::Chainstate;
use crate::import::join::join_headers;
use crate::import::{ImportError, ImportProgress, SourceError, Sources};
use crate::live::Places;
use crate::types::ChainFault;

/// Why nothing was built.
#[derive(Debug, Error)]
pub enum ReindexError {
    /// The headers, which were to stay, do not read.
    #[error(
        "the headers do not read ({0}); `adit db reindex` without --chainstate makes them again from the block files"
    )]
    NoHeaders(String),
    /// The first blocks are not there.
    #[error(
        "blocks from the first on are needed, and here the first ones are pruned; begin anew in an empty folder"
    )]
    Pruned,
    /// The block files do not read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The block files do not read, or there is something wrong with the tree that they make.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Our disk or our bug.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

impl From<StoreFault> for ReindexError {
    fn from(fault: StoreFault) -> ReindexError {
        ReindexError::Fault(fault.into())
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexProgress {
    /// Block files are walked over for headers.
    Scanning {
        /// Files done.
        files: u64,
        /// Of so many.
        files_total: u64,
    },
    /// Blocks and undo data are read and checked.
    Reading {
        /// Bytes read.
        bytes: u64,
        /// Of so many.
        bytes_total: u64,
    },
    /// Blocks connect.
    Connecting {
        /// The height reached.
        height: Height,
        /// The height of the last block that will connect if all are valid.
        target: Height,
        /// Bytes of blocks connected.
        bytes: u64,
        /// Of so many.
        bytes_total: u64,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reindexed {
    /// The tip; none where it was stopped before there was one.
    pub tip: Option<(BlockHash, Height)>,
    /// Blocks connected by this call.
    pub blocks: u64,
    /// Whether it went on with what an earlier process had begun.
    pub resumed: bool,
    /// Blocks that were left out because their bytes are damaged.
    pub blocks_left_out: u64,
    /// Undo data that was made again because it is damaged.
    pub undo_left_out: u64,
    /// Whether the caller stopped it.
    pub stopped: bool,
}

/// What is built.
#[derive(Clone, Debug)]
pub struct ReindexOptions {
    /// The coins alone, with the headers that the old database has; else the headers are made from the block files.
    pub chainstate_only: bool,
}

type Progress<'a> = dyn FnMut(ReindexProgress) -> bool + 'a;

/// Headers, where their blocks lie, and where the new database's files end.
struct Found {
    known: Known,
    /// Blocks that an operator's word has out, with those that stand on them.
    marked: HashSet<BlockHash>,
    blocks_end: FileEnd,
    flushes: u64,
}

/// Builds the database of `store` ([`Store::rebuild`]), and puts it in the place of the old one when it is whole.
pub fn reindex(
    store: &Arc<Store>,
    config: ChainConfig,
    verifier: Arc<dyn ScriptVerifier>,
    options: &ReindexOptions,
    progress: &mut Progress<'_>,
) -> Result<Reindexed, ReindexError> {
    let mut done = Reindexed { resumed: store.db().state()?.is_some(), ..Reindexed::default() };
    if !done.resumed {
        let begun = begin(store, &config, options, &mut done, progress);
        if !matches!(begun, Ok(true)) {
            // Nothing is lost with it, and a node may start again.
            store.abandon_rebuild()?;
        }
        done.stopped = !begun?;
        if done.stopped {
            return Ok(done);
        }
    }
    let way = way(store, &config)?;
    let mut stopped = false;
    let mut tell = |height: Height| {
        let goes_on = progress(way.at(height));
        stopped |= !goes_on;
        goes_on
    };
    let mut chain = Chainstate::open_with(config, Arc::clone(store), verifier, &mut tell)?;
    chain.flush()?;
    let tip = chain.reader().tip();
    done.tip = Some((tip.hash, tip.height));
    done.blocks = chain.totals().blocks;
    done.stopped = stopped;
    if !done.stopped {
        chain.wait_for_merges()?;
        drop(chain);
        store.finish_rebuild()?;
    }
    Ok(done)
}

/// Finds what there is, checks it, and begins the new database with what is sound. Whether it was not stopped.
fn begin(
    store: &Arc<Store>,
    config: &ChainConfig,
    options: &ReindexOptions,
    done: &mut Reindexed,
    progress: &mut Progress<'_>,
) -> Result<bool, ReindexError> {
    let old = store.old_db();
    let old = match (options.chainstate_only, old) {
        (true, Ok(None)) => return Err(ReindexError::NoHeaders("there are none".to_owned())),
        (true, Err(fault)) => return Err(ReindexError::NoHeaders(fault.to_string())),
        (_, old) => old.ok().flatten(),
    };
    let records = old.as_ref().map(|old| of_records(old, config));
    if let Some(Ok(records)) = &records {
        refuse_pruned(records)?;
    }
    let found = match (options.chainstate_only, records) {
        (true, Some(records)) => records.map_err(ReindexError::NoHeaders)?,
        (_, records) => {
            let undo = records.and_then(Result::ok);
            let Some(found) = of_files(store, config, undo, progress)? else { return Ok(false) };
            found
        }
    };
    let Some(sound) = sound(store, (&found, options), config, done, progress)? else { return Ok(false) };
    write(store, &found, &sound, old.as_ref())?;
    Ok(true)
}

/// Coins come from all blocks: without the first ones there would be none. Below a snapshot they may never have come, and will.
fn refuse_pruned(found: &Found) -> Result<(), ReindexError> {
    let tree = &found.known.tree;
    let mut active = tree.path(HeaderTree::GENESIS, tree.tip_id()).connect.into_iter();
    let is_pruned = active.any(|id| tree.node(id).status().is_pruned());
    if is_pruned { Err(ReindexError::Pruned) } else { Ok(()) }
}

/// What the old database says; as text why it does not.
fn of_records(old: &ChainDb, config: &ChainConfig) -> Result<Found, String> {
    let mut checked = Checked::default();
    let said = |checked: &Checked| checked.problems.first().map(ToString::to_string).unwrap_or_default();
    let known = headers::read(old, &config.params, &mut checked).ok_or_else(|| said(&checked))?;
    if !checked.is_sound() {
        return Err(said(&checked));
    }
    let state = old.state().map_err(|fault| fault.to_string())?;
    let mut known = known;
    // Of coins whose tip is lost the headers are good all the same.
    if let Some(tip) = state.and_then(|state| known.tree.find(&state.tip)) {
        known.tree.set_tip(tip);
    }
    let (blocks_end, flushes) = state.map(|s| (s.blocks_end, s.flushes)).unwrap_or_default();
    let marked = known.tree.ids().map(|id| known.tree.node(id)).filter(|node| node.status().invalidated);
    let marked = marked.map(Node::hash).collect();
    Ok(Found { known, marked, blocks_end, flushes })
}

/// What the block files have, with the undo data that the old database knew of; none where it was stopped.
fn of_files(
    store: &Store,
    config: &ChainConfig,
    old: Option<Found>,
    progress: &mut Progress<'_>,
) -> Result<Option<Found>, ReindexError> {
    let sources = Sources::own(store)?;
    let mut tree = HeaderTree::new(Arc::clone(&config.params));
    let mut tell = |at: ImportProgress| match at {
        ImportProgress::Scanning { files, files_total, .. } => {
            progress(ReindexProgress::Scanning { files, files_total })
        }
        ImportProgress::Connecting { .. } => true,
    };
    // They were taken before: that the time of one is ahead of our clock is no matter any more.
    let now = UnixMillis::from_seconds(u64::from(u32::MAX));
    let joined = join_headers(&mut tree, (&config.params, config.threads()), &sources, now, &mut tell)?;
    if joined.stopped {
        return Ok(None);
    }
    if joined.outside.is_empty() && joined.orphans > 0 {
        return Err(ReindexError::Pruned);
    }
    let (mut places, mut blocks_end) = (HashMap::new(), FileEnd::default());
    for (hash, found) in &joined.outside {
        let Some(pos) = sources.own_place(found) else { continue };
        let end = FileEnd { file: pos.file, offset: pos.offset.saturating_add(pos.len) };
        blocks_end = blocks_end.max(end);
        let was = old.as_ref().map(|old| old.known.place_of(hash)).unwrap_or_default();
        if let Some(id) = tree.find(hash) {
            places.insert(id, Places { block: Some(pos), ..was });
        }
    }
    let (marked, flushes) = old.map(|old| (old.marked, old.flushes)).unwrap_or_default();
    Ok(Some(Found { known: Known::new(tree, places), marked, blocks_end, flushes }))
}

/// What is damaged, by block.
#[derive(Default)]
struct Damaged {
    blocks: HashSet<BlockHash>,
    undo: HashSet<BlockHash>,
}

/// Reads what is to be taken over; none where it was stopped.
fn sound(
    store: &Store,
    (found, options): (&Found, &ReindexOptions),
    config: &ChainConfig,
    done: &mut Reindexed,
    progress: &mut Progress<'_>,
) -> Result<Option<Damaged>, ReindexError> {
    let magic = config.params.magic;
    let reading = Reading {
        store,
        known: &found.known,
        files: &store.block_files(magic, BLOCK_WEIGHT_MAX, found.blocks_end),
        undo: &store.undo_files(magic, BTreeMap::new(), found.flushes)?.0,
        bodies: !options.chainstate_only,
        sums: None,
    };
    let (mut damaged, mut stopped) = (Damaged::default(), false);
    let wanted = found.known.stored().collect();
    blocks::read(&reading, wanted, config.threads(), &mut |part, bytes, bytes_total| {
        part.problems.iter().for_each(|problem| damaged.add(problem));
        let goes_on = progress(ReindexProgress::Reading { bytes, bytes_total });
        stopped |= !goes_on;
        goes_on
    })?;
    let count = |set: &HashSet<BlockHash>| u64::try_from(set.len()).unwrap_or(u64::MAX);
    (done.blocks_left_out, done.undo_left_out) = (count(&damaged.blocks), count(&damaged.undo));
    Ok((!stopped).then_some(damaged))
}

impl Damaged {
    fn add(&mut self, problem: &Problem) {
        tracing::warn!(%problem, "left out");
        match problem {
            Problem::BlockUnread { hash, .. }
            | Problem::OtherBlock { hash, .. }
            | Problem::BlockInvalid { hash, .. } => self.blocks.insert(*hash),
            Problem::UndoUnread { hash, .. } | Problem::OtherUndo { hash, .. } => self.undo.insert(*hash),
            _ => false,
        };
    }
}

/// Begins the new database: all headers with an operator's marks, where the sound blocks and undo data lie, no coin.
fn write(store: &Store, found: &Found, damaged: &Damaged, old: Option<&ChainDb>) -> Result<(), ReindexError> {
    let tree = &found.known.tree;
    let record = |id: NodeId| {
        let node = tree.node(id);
        let (hash, places) = (node.hash(), found.known.place(id));
        let block = places.block.filter(|_| !damaged.blocks.contains(&hash));
        // Coins that a block hid lie in the old database: with its undo data they are made again.
        let hid = old.is_some_and(|old| old.overwritten(&hash).map_or(true, |coins| !coins.is_empty()));
        let undo = places.undo.filter(|_| block.is_some() && !damaged.undo.contains(&hash) && !hid);
        let stored = block.is_some() || id == HeaderTree::GENESIS;
        let status = BlockStatus {
            body_stored: stored,
            script_valid: id == HeaderTree::GENESIS,
            invalidated: found.marked.contains(&hash),
            ..BlockStatus::default()
        };
        let (number, header, txs) = (id.to_u32(), *node.header(), places.txs);
        NodeRecord { number, header, status: status.to_bits(), block, undo, txs }
    };
    let genesis = tree.node(HeaderTree::GENESIS);
    let state = FlushState {
        tip: genesis.hash(),
        height: Height::GENESIS,
        // What the old one has noted beside its files is not for this one.
        flushes: found.flushes.saturating_add(2),
        blocks_end: found.blocks_end,
    };
    let nodes = tree.ids().map(record).collect();
    Ok(store.db().flush(Flush { state, nodes, coins: &mut std::iter::empty() })?)
}

/// The way that lies before the engine, to tell how far it is.
struct Way {
    target: Height,
    /// Bytes up to each block.
    bytes: Vec<u64>,
}

fn way(store: &Store, config: &ChainConfig) -> Result<Way, ReindexError> {
    let mut checked = Checked::default();
    let known = headers::read(&store.db(), &config.params, &mut checked);
    let known = known.ok_or_else(|| ChainFault::State("the new headers do not read".to_owned()))?;
    let tree = &known.tree;
    let path = tree.path(HeaderTree::GENESIS, tree.best_candidate()).connect;
    let mut sum = 0u64;
    let bytes = path.iter().map(|id| {
        sum = sum.saturating_add(known.place(*id).block.map_or(0, |pos| u64::from(pos.len)));
        sum
    });
    let bytes: Vec<u64> = bytes.collect();
    Ok(Way { target: tree.node(tree.best_candidate()).height(), bytes })
}

impl Way {
    fn at(&self, height: Height) -> ReindexProgress {
        let above = usize::try_from(height.to_u32()).unwrap_or(usize::MAX);
        let bytes = above.checked_sub(1).and_then(|last| self.bytes.get(last));
        ReindexProgress::Connecting {
            height,
            target: self.target,
            bytes: bytes.copied().unwrap_or(0),
            bytes_total: self.bytes.last().copied().unwrap_or(0),
        }
    }
}
