//! Which block files go, by size or by height, and in what order their going is made durable.
//!
//! First the list of files, then the headers' records that name nothing in them any more, with a flush, then the files: whatever ends the
//! process in between, the next start finishes it, and no record ever names a file that is gone. The flush is written in the background, and
//! so the files go there.

use std::collections::BTreeMap;
use std::sync::Arc;

use adit_domain::chain::{HeaderTree, NodeId};
use adit_domain::units::Height;
use adit_store::Store;
use adit_store::failpoint::{self, Place};
use thiserror::Error;

use super::Chainstate;
use crate::live::{Live, Places};
use crate::types::ChainFault;

/// Blocks below the tip that are never pruned, and so the deepest reorganisation that a pruned node follows: Core's, two days.
pub const KEPT_BLOCKS: u32 = 288;
/// Room for blocks that come before the next look, as in Core: 16 MiB of blocks and 1 MiB of undo data.
const MARGIN_BYTES: u64 = 17 << 20;
/// What a block that is still to come is taken to need: while many are, pruning makes room for more than the next look.
const BLOCK_BYTES_ASSUMED: u64 = 1_000_000;
/// Numbers beyond are times, as in Core.
const HEIGHT_MAX: u64 = 1_000_000_000;
/// How far a block's time may be from the one at which it was made, as in Core.
const TIME_WINDOW_S: u64 = 2 * 60 * 60;

/// What pruning took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Pairs of a block and an undo file.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The lowest height from which on every block of the best chain is kept.
    pub kept_from: Height,
}

impl Pruned {
    /// The highest block of those that are gone; none where all are there.
    pub fn last(&self) -> Option<Height> {
        self.kept_from.parent()
    }
}

/// Up to where somebody means to prune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneUpTo {
    /// This block, and it too.
    Height(Height),
    /// The first block from two hours before this time on; seconds since 1970.
    Time(u64),
}

impl PruneUpTo {
    /// A number as Core's `pruneblockchain` reads it: a height, or a time where it is beyond a thousand million.
    pub fn from_number(number: u64) -> PruneUpTo {
        match u32::try_from(number) {
            Ok(height) if number <= HEIGHT_MAX => PruneUpTo::Height(Height::new(height)),
            _ => PruneUpTo::Time(number),
        }
    }
}

/// Why nothing was pruned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PruneError {
    /// The node keeps everything.
    #[error("this node keeps all blocks: chain.prune_mib is 0 (with 1, blocks go when they are told to)")]
    Off,
    /// There is no such block yet.
    #[error("the chain ends at height {tip}, below {height}")]
    TooHigh {
        /// What was meant.
        height: Height,
        /// The chain's end.
        tip: Height,
    },
    /// The chain ends before this time.
    #[error("no block is as late as two hours before {time_s}")]
    NoneSince {
        /// What was meant; seconds since 1970.
        time_s: u64,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// A block file, with its undo file.
struct FileUse {
    bytes: u64,
    /// The highest block in it, of any branch.
    highest: Height,
}

impl Chainstate {
    /// Prunes at an operator's word, where the configuration has blocks pruned at all; up to there, and no further than
    /// [`Chainstate::prune_to`] does.
    pub fn prune(&mut self, up_to: PruneUpTo) -> Result<Pruned, PruneError> {
        if self.config.prune_mib == 0 {
            return Err(PruneError::Off);
        }
        let height = self.meant(up_to)?;
        Ok(self.prune_to(height)?)
    }

    /// Takes away the files that hold nothing above `height`, nor among the last [`KEPT_BLOCKS`], nor what an index still
    /// needs; whole files only, so that blocks below may stay.
    pub fn prune_to(&mut self, height: Height) -> Result<Pruned, ChainFault> {
        self.flusher.wait()?;
        let last = height.min(self.prunable());
        let files = self.files_in_use()?;
        let going =
            files.iter().filter(|(_, file)| file.highest <= last).map(|(number, _)| *number).collect();
        let pruned = self.take_away(&files, going)?;
        if pruned.files > 0 {
            self.begin_flush()?;
            self.flusher.wait()?;
        }
        Ok(pruned)
    }

    /// Takes away the oldest files until all take no more than the configuration allows, with a margin: with the next flush.
    pub(super) fn prune_to_size(&mut self) -> Result<(), ChainFault> {
        let Some(target) = self.config.prune_bytes() else { return Ok(()) };
        // A flush that is being written may have files to take away, which would be counted.
        self.flusher.wait()?;
        let to_come = {
            let tree = self.live.tree();
            tree.node(tree.best_header_id()).height().blocks_above(tree.node(tree.tip_id()).height())
        };
        let margin = MARGIN_BYTES.min(target / 16).saturating_add(match to_come {
            // One or two ahead are a matter of moments.
            0..=2 => 0,
            many => u64::from(many).saturating_mul(BLOCK_BYTES_ASSUMED),
        });
        let mut total = self.live.bytes_on_disk()?;
        if total.saturating_add(margin) < target {
            return Ok(());
        }
        let files = self.files_in_use()?;
        let last = self.prunable();
        let mut going = Vec::new();
        for (number, file) in files.iter().filter(|(_, file)| file.highest <= last) {
            if total.saturating_add(margin) < target {
                break;
            }
            total = total.saturating_sub(file.bytes);
            going.push(*number);
        }
        self.take_away(&files, going).map(|_| ())
    }

    /// The highest block that may be pruned.
    fn prunable(&self) -> Height {
        let last = self.live.tip.load().height.checked_sub(KEPT_BLOCKS).unwrap_or(Height::GENESIS);
        match self.holds.lowest(&self.live.tree()).and_then(Height::parent) {
            Some(read) if read < last => {
                tracing::info!(height = %read, "an index holds pruning back: it has read no more blocks yet");
                read
            }
            _ => last,
        }
    }

    /// The highest block that somebody means to prune.
    fn meant(&self, up_to: PruneUpTo) -> Result<Height, PruneError> {
        let tree = self.live.tree();
        let tip = tree.node(tree.tip_id()).height();
        match up_to {
            PruneUpTo::Height(height) if height > tip => Err(PruneError::TooHigh { height, tip }),
            PruneUpTo::Height(height) => Ok(height),
            PruneUpTo::Time(time_s) => {
                let wanted = time_s.saturating_sub(TIME_WINDOW_S);
                let chain = tree.path(HeaderTree::GENESIS, tree.tip_id()).connect;
                let mut chain = std::iter::once(HeaderTree::GENESIS).chain(chain);
                let found = chain.find(|id| u64::from(tree.node(*id).header().time) >= wanted);
                found.map(|id| tree.node(id).height()).ok_or(PruneError::NoneSince { time_s })
            }
        }
    }

    /// The files that headers name, but for the one that is written, with the highest block in each.
    fn files_in_use(&self) -> Result<BTreeMap<u32, FileUse>, ChainFault> {
        let mut highest: BTreeMap<u32, Height> = BTreeMap::new();
        {
            let wanted_from = self.live.verified_height().checked_sub(KEPT_BLOCKS).unwrap_or(Height::GENESIS);
            let tree = self.live.tree();
            let base = tree.assumed_base().map(|base| tree.node(base).height());
            for (id, places) in placed(&self.live, &tree) {
                let mut height = tree.node(id).height();
                // Below a snapshot blocks are still to be verified: a file with one of them goes with none.
                if base.is_some_and(|base| height > wanted_from && height <= base) {
                    height = Height::new(u32::MAX);
                }
                for pos in [places.block, places.undo].into_iter().flatten() {
                    let known = highest.entry(pos.file).or_insert(height);
                    *known = height.max(*known);
                }
            }
        }
        let written = self.live.blocks.end().file;
        let closed = highest.into_iter().filter(|(file, _)| *file < written);
        closed
            .map(|(file, highest)| Ok((file, FileUse { bytes: self.live.bytes_of(file)?, highest })))
            .collect()
    }

    /// Has these files go with the next flush.
    fn take_away(&mut self, files: &BTreeMap<u32, FileUse>, going: Vec<u32>) -> Result<Pruned, ChainFault> {
        if !going.is_empty() {
            self.store.db().set_unlinking(&going)?;
            self.forget(&going);
            failpoint::before(Place::PruneRecords);
            let (live, going) = (Arc::clone(&self.live), going.clone());
            self.then.push(Box::new(move |store: &Store, _| {
                failpoint::after(Place::PruneRecords);
                tracing::info!(files = going.len(), first = going.first(), last = going.last(), "pruned");
                unlink(store, &live, &going)
            }));
        }
        let bytes = going.iter().filter_map(|file| files.get(file)).map(|file| file.bytes).sum();
        let files = u32::try_from(going.len()).unwrap_or(u32::MAX);
        Ok(Pruned { files, bytes, kept_from: self.live.kept_from() })
    }

    /// From here on nobody is led to what lies in these files.
    fn forget(&self, going: &[u32]) {
        let mut tree = self.live.tree_mut();
        let rows: Vec<(NodeId, Places)> = placed(&self.live, &tree).collect();
        let goes = |pos: Option<adit_store::FilePos>| pos.is_some_and(|pos| going.contains(&pos.file));
        for (id, places) in rows {
            let hash = tree.node(id).hash();
            // Undo data lies in another file where its own had grown to 4 GiB; without it the block is of no use.
            if goes(places.block) || goes(places.undo) {
                self.live
                    .change_place(hash, |places| *places = Places { txs: places.txs, ..Places::default() });
                tree.body_pruned(id);
            }
        }
        self.live.set_pruned();
        self.live.set_kept_from(kept_from(&tree));
    }
}

fn placed<'a>(live: &'a Live, tree: &'a HeaderTree) -> impl Iterator<Item = (NodeId, Places)> + use<'a> {
    let rows = tree.ids().map(|id| (id, live.place(&tree.node(id).hash())));
    rows.filter(|(_, places)| places.block.is_some() || places.undo.is_some())
}

/// The lowest block above all pruned ones of the active chain; below a snapshot blocks may be missing that are still to come.
pub(super) fn kept_from(tree: &HeaderTree) -> Height {
    let chain = std::iter::successors(Some(tree.tip_id()), |id| tree.node(*id).parent());
    let kept = chain.take_while(|id| !tree.node(*id).status().is_pruned());
    kept.last().map_or(tree.node(tree.tip_id()).height(), |id| tree.node(id).height())
}

/// Takes files away and forgets that they were to go.
fn unlink(store: &Store, live: &Live, going: &[u32]) -> Result<(), ChainFault> {
    for file in going {
        live.undo.remove(*file)?;
        live.blocks.remove(*file)?;
    }
    Ok(store.db().set_unlinking(&[])?)
}

/// Finishes what a process that ended had begun: a file that it was about to unlink goes, unless records still name it.
pub(super) fn finish(store: &Store, live: &Live) -> Result<(), ChainFault> {
    let going = store.db().unlinking()?;
    if going.is_empty() {
        return Ok(());
    }
    let named: Vec<u32> = {
        let tree = live.tree();
        let places = placed(live, &tree).flat_map(|(_, places)| [places.block, places.undo]);
        places.flatten().map(|pos| pos.file).filter(|file| going.contains(file)).collect()
    };
    let written = live.blocks.end().file;
    let unnamed: Vec<u32> =
        going.into_iter().filter(|file| !named.contains(file) && *file < written).collect();
    tracing::info!(files = unnamed.len(), "pruning that was cut short is finished");
    unlink(store, live, &unnamed)
}
