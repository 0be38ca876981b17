//! Blocks from files that others wrote, in any order, fully validated.
//!
//! First the files are walked over once for headers, several at a time, and the tree says which chain of them is best; then that
//! chain's bodies are read in its own order, each from where it lies. What waits for a parent waits as a place in a file, not as a
//! block. Bodies of other branches are kept as well where they are near the tip, as a node would have them.

pub(crate) mod join;
mod room;
mod sources;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use adit_domain::chain::NodeId;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;
use bitcoin::{BlockHash, Network};
use thiserror::Error;

use crate::engine::{BATCH_BLOCKS_MAX, Behind, Chainstate, Ended, Outside, Rejected, Run, decode_framed};
use crate::scan::Skipped;
use crate::stage::REORG_BLOCKS_MAX;
use crate::types::{ChainFault, SubmitError, UtxoStats};

use join::{Joined, WAITING_MAX, join_headers};
pub use room::room_needed;
pub use sources::{SourceError, Sources};

/// Why an import could not go on; nothing of this says that a block is invalid.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file that was to be imported could not be read.
    #[error("{path}: {}", read_failure(.source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A block is no longer where it was found.
    #[error("{path} changed while it was read; stop what writes to it, then import again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Blocks wait for parents that are in none of the files.
    #[error("more than {WAITING_MAX} blocks have no parent in the files; are files missing?")]
    TooManyOrphans,
    /// Our disk or our bug.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// What the system said, and what to do about it.
fn read_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "this user may not read it; run as one who may, or give it the right".to_owned()
        }
        io::ErrorKind::UnexpectedEof => {
            "it became shorter while it was read; stop what writes to it, then import again".to_owned()
        }
        _ => error.to_string(),
    }
}

/// How an import goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Our clock: a header may not be far ahead of it.
    pub now: UnixMillis,
    /// No block above this height is taken.
    pub stop_at: Option<Height>,
}

impl ImportOptions {
    /// All there is, at our clock's `now`.
    pub fn at(now: UnixMillis) -> ImportOptions {
        ImportOptions { now, stop_at: None }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// Files are walked over for headers.
    Scanning {
        /// Headers found.
        headers: u64,
        /// Files done.
        files: u64,
        /// Of so many.
        files_total: u64,
    },
    /// Blocks connect.
    Connecting {
        /// The height reached.
        height: Height,
        /// The height of the last block that will connect if all are valid.
        target: Height,
        /// Bytes of blocks connected since this began.
        bytes: u64,
        /// Of so many.
        bytes_total: u64,
    },
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The tip's height.
    pub height: Height,
    /// The tip.
    pub tip: BlockHash,
    /// Blocks connected, by this call alone as are all that follow.
    pub blocks: u64,
    /// Their transactions.
    pub txs: u64,
    /// Their inputs, coinbases' left out.
    pub inputs: u64,
    /// Blocks of other branches near the tip that were kept.
    pub side_blocks: u64,
    /// The first block that turned out invalid, on a chain that would have been the best.
    pub rejected: Option<Rejected>,
    /// Whether the caller stopped it.
    pub stopped: bool,
    /// What was no block of this network.
    pub skipped: Skipped,
    /// Blocks that stand on nothing that is known.
    pub orphans: u64,
    /// The coins at the tip, where somebody had them counted and hashed.
    pub coins: Option<UtxoStats>,
}

impl Imported {
    /// The figures of the coins, which are computed when the blocks' time has been taken.
    pub fn with_stats(self, stats: UtxoStats) -> Imported {
        Imported { coins: Some(stats), ..self }
    }
}

/// Told now and then how far it is; says whether to go on.
type Progress<'a> = dyn FnMut(ImportProgress) -> bool + 'a;

/// How connecting ended.
#[derive(Default)]
struct Connected {
    rejected: Option<Rejected>,
    stopped: bool,
}

/// Imports the blocks in `sources`. `progress` is told now and then how far it is, and says whether to go on.
///
/// Blocks that are known are left out, so that an import that was cut short goes on where it was. Where a block of the best chain
/// is invalid, the best of what is left is taken. The coins are not counted yet: see [`Imported::with_stats`].
pub fn import(
    chain: &mut Chainstate,
    sources: &Sources,
    options: ImportOptions,
    progress: &mut Progress<'_>,
) -> Result<Imported, ImportError> {
    let before = chain.totals();
    let (params, threads) = (Arc::clone(chain.params()), chain.threads());
    let mut joined = join_headers(chain, (&params, threads), sources, options.now, progress)?;
    let mut connected = Connected { stopped: joined.stopped, rejected: None };
    let mut side_blocks = 0;
    if !connected.stopped {
        connected = connect(chain, &mut joined, options, progress)?;
    }
    if !connected.stopped {
        connected.stopped = !below_snapshot(chain, &joined, options, progress)?;
    }
    if !connected.stopped {
        side_blocks = keep_side_blocks(chain, &joined, options)?;
    }
    chain.flush()?;
    let tip = chain.reader().tip();
    if connected.rejected.is_none() && !connected.stopped {
        connected.rejected = joined.refused_on(tip.hash, tip.height);
    }
    let totals = chain.totals();
    Ok(Imported {
        height: tip.height,
        tip: tip.hash,
        blocks: totals.blocks.saturating_sub(before.blocks),
        txs: totals.txs.saturating_sub(before.txs),
        inputs: totals.inputs.saturating_sub(before.inputs),
        side_blocks,
        rejected: connected.rejected,
        stopped: connected.stopped,
        skipped: joined.skipped,
        orphans: joined.orphans,
        coins: None,
    })
}

/// Connects the best chain whose bodies are all at hand, and the best of what is left where one of its blocks is invalid.
fn connect(
    chain: &mut Chainstate,
    joined: &mut Joined,
    options: ImportOptions,
    progress: &mut Progress<'_>,
) -> Result<Connected, ImportError> {
    let mut connected = Connected::default();
    while let Some(target) = chain.import_target(&joined.outside, options.stop_at) {
        let way = Way::to(chain, target, &joined.outside);
        let mut tell = |at: Height| progress(way.at(at));
        let mut run = Run::of_import(&joined.outside, &mut tell);
        match chain.run_to(target, &mut run)? {
            Ended::Reached => {}
            Ended::Paused => {
                connected.stopped = true;
                break;
            }
            Ended::Failed(block) => {
                // Its bytes are not asked for again, so that there are fewer each time.
                joined.outside.remove(&block.hash);
                connected.rejected.get_or_insert(block);
                // A reorganisation of more than one step has left the old tip behind: it may still be the best.
                chain.activate(&mut Run::without_limit())?;
            }
            Ended::Unreadable(error) => return Err(unreadable(error)),
        }
    }
    Ok(connected)
}

/// Verifies the blocks below a snapshot that the chain stands on, as far as they are at hand. Whether it was not stopped.
fn below_snapshot(
    chain: &mut Chainstate,
    joined: &Joined,
    options: ImportOptions,
    progress: &mut Progress<'_>,
) -> Result<bool, ImportError> {
    let bytes_total = chain.below_bytes(&joined.outside);
    let mut bytes = 0u64;
    while let Some(wanted) = chain.below_wanted() {
        let at_hand = wanted.iter().filter_map(|hash| joined.outside.get_key_value(hash));
        let mut batch = Vec::with_capacity(BATCH_BLOCKS_MAX);
        for (hash, found) in at_hand.take(BATCH_BLOCKS_MAX) {
            bytes = bytes.saturating_add(u64::from(found.extent.len));
            batch.extend(found.read(hash).map_err(unreadable)?.map(Arc::new));
        }
        let mut taken = 0usize;
        for accepted in chain.accept_blocks(&batch, options.now).each {
            match accepted {
                Ok(_) => taken = taken.saturating_add(1),
                Err(SubmitError::Fault(fault)) => return Err(fault.into()),
                Err(error) => tracing::warn!(%error, "a block below the snapshot is not taken"),
            }
        }
        let (height, target) = chain.below_way();
        let mut goes_on = true;
        let mut go_on = || {
            goes_on &= progress(ImportProgress::Connecting { height, target, bytes, bytes_total });
            goes_on
        };
        let followed = loop {
            match chain.follow(&mut go_on)? {
                Behind::More if go_on() => {}
                ended => break ended,
            }
        };
        if !goes_on {
            return Ok(false);
        }
        if taken == 0 || followed == Behind::Verified {
            break;
        }
    }
    Ok(true)
}

/// Why a body in a file of others could not be had: its file, and what the system said; nothing where other bytes are there now.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) source: Option<io::Error>,
}

fn unreadable(error: Unreadable) -> ImportError {
    let Unreadable { path, source } = error;
    match source {
        Some(source) => ImportError::Read { path, source },
        None => ImportError::Changed { path },
    }
}

/// The way to a target, to tell how far one is on it.
struct Way {
    fork: Height,
    target: Height,
    /// Bytes up to each block above the fork.
    bytes: Vec<u64>,
}

impl Way {
    fn to(chain: &Chainstate, target: NodeId, outside: &HashMap<BlockHash, Outside>) -> Way {
        let blocks = chain.way_to(target);
        let mut sum = 0u64;
        let bytes = blocks.iter().map(|hash| {
            let len = outside.get(hash).map_or_else(|| chain.stored_len(hash), |found| found.extent.len);
            sum = sum.saturating_add(u64::from(len));
            sum
        });
        let bytes: Vec<u64> = bytes.collect();
        let target = chain.height_of(target);
        let above = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Way { fork: target.checked_sub(above).unwrap_or(Height::GENESIS), target, bytes }
    }

    fn at(&self, height: Height) -> ImportProgress {
        let above = usize::try_from(height.blocks_above(self.fork)).unwrap_or(usize::MAX);
        let bytes = above.checked_sub(1).and_then(|last| self.bytes.get(last));
        ImportProgress::Connecting {
            height,
            target: self.target,
            bytes: bytes.copied().unwrap_or(0),
            bytes_total: self.bytes.last().copied().unwrap_or(0),
        }
    }
}

/// Keeps what the files have of branches that leave the best chain near its tip: whoever asks for them is a node that was there.
fn keep_side_blocks(
    chain: &mut Chainstate,
    joined: &Joined,
    options: ImportOptions,
) -> Result<u64, ImportError> {
    let depth = u32::try_from(REORG_BLOCKS_MAX).unwrap_or(u32::MAX);
    let mut kept = 0u64;
    for hash in chain.side_blocks(&joined.outside, depth) {
        let Some(found) = joined.outside.get(&hash) else { continue };
        let block = match found.read(&hash) {
            Ok(Some(block)) => block,
            // What is no block is no loss on a branch that nobody follows.
            Ok(None) => continue,
            Err(error) => return Err(unreadable(error)),
        };
        match chain.accept_block(Arc::new(block), options.now) {
            Ok(_) => kept = kept.saturating_add(1),
            Err(SubmitError::Fault(fault)) => return Err(fault.into()),
            Err(error) => tracing::info!(%hash, %error, "a block of a side branch was not kept"),
        }
    }
    Ok(kept)
}

impl Outside {
    /// The block, whose hash is known; none where the bytes are no block.
    pub(crate) fn read(&self, hash: &BlockHash) -> Result<Option<ParsedBlock>, Unreadable> {
        let failed = |source| Unreadable { path: self.file.path.clone(), source };
        let raw = self.file.read_block(self.extent).map_err(|error| failed(Some(error)))?;
        // Its header was seen there: another one is another file's fault than a body that is no block.
        let header = raw.get(..Header::SIZE).and_then(|bytes| deserialize::<Header>(bytes).ok());
        match header.is_some_and(|header| header.block_hash() == *hash) {
            true => Ok(decode_framed(raw)),
            false => Err(failed(None)),
        }
    }
}

/// The magics of all networks but this one.
fn foreign_networks(magic: [u8; 4]) -> impl Iterator<Item = (Network, [u8; 4])> {
    let networks = [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest];
    networks.into_iter().map(|n| (n, n.magic().to_bytes())).filter(move |(_, m)| *m != magic)
}
