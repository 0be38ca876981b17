//! Blocks from files that others wrote, in any order, fully validated.
//!
//! First the files are walked over once for headers, and the tree says which chain of them is best; then that chain's bodies
//! are read in its own order, each from where it lies. What waits for a parent waits as a place in a file, not as a block.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_domain::chain::InsertError;
use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params, check_proof_of_work};
use adit_domain::units::{Height, UnixMillis};
use bitcoin::block::Header;
use bitcoin::{BlockHash, Network};
use thiserror::Error;

use crate::engine::{Chainstate, Ended, Outside, Rejected, Run};
use crate::scan::{Skipped, Verdict, Wanted, scan_file};
use crate::types::{ChainFault, UtxoStats};

/// Blocks that may wait for their parents: of 200 bytes each, 200 MB. Bitcoin has a million blocks; a file in which every one
/// comes before its parent still fits.
const WAITING_MAX: usize = 1_000_000;
/// Refused headers that are remembered, to name the one that ended the chain.
const REFUSED_MAX: usize = 10_000;

/// Why an import could not go on; nothing of this says that a block is invalid.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file that was to be imported could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Blocks wait for parents that are in none of the files.
    #[error("more than {WAITING_MAX} blocks have no parent in the files")]
    TooManyOrphans,
    /// Our disk or our bug.
    #[error(transparent)]
    Fault(#[from] ChainFault),
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// Files are walked over for headers.
    Scanning {
        /// Headers found.
        headers: u64,
    },
    /// Blocks connect.
    Connecting {
        /// The height reached.
        height: Height,
        /// The height of the last block that will connect if all are valid.
        target: Height,
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
    /// The block at which the best chain ended, where it is invalid.
    pub rejected: Option<Rejected>,
    /// Whether the caller stopped it.
    pub stopped: bool,
    /// What was no block of this network.
    pub skipped: Skipped,
    /// Blocks that stand on nothing that is known.
    pub orphans: u64,
    /// Coins at the tip.
    pub utxos: u64,
    /// MuHash3072 of the coins, as Core's `gettxoutsetinfo muhash` prints it.
    pub muhash: String,
    /// Their `hash_serialized_3`, as Core prints it.
    pub hash_serialized: String,
}

impl Imported {
    /// The figures of the coins, which are computed when the blocks' time has been taken.
    pub fn with_stats(mut self, stats: &UtxoStats) -> Imported {
        self.utxos = stats.coins;
        self.muhash.clone_from(&stats.muhash);
        self.hash_serialized.clone_from(&stats.hash_serialized);
        self
    }
}

/// By the parent: a block that was refused by its header alone, or before, and why.
type Refused = HashMap<BlockHash, (BlockHash, String)>;

/// Headers and places that a walk over files has found.
struct Found<'a> {
    chain: &'a mut Chainstate,
    now: UnixMillis,
    outside: HashMap<BlockHash, Outside>,
    waiting: HashMap<BlockHash, Vec<(Header, Outside)>>,
    waiting_count: usize,
    refused: Refused,
    headers: u64,
}

/// Imports the blocks in `paths`. `progress` is told now and then how far it is, and says whether to go on.
///
/// Blocks that are known are left out, so that an import that was cut short goes on where it was. At the first invalid block of
/// the best chain it stops, at the one before. `utxos` and the hashes are empty yet: see [`Imported::with_stats`].
pub fn import(
    chain: &mut Chainstate,
    paths: &[PathBuf],
    now: UnixMillis,
    progress: &mut dyn FnMut(ImportProgress) -> bool,
) -> Result<Imported, ImportError> {
    let before = chain.totals();
    let (found, skipped) = scan(chain, paths, now, progress)?;
    let (outside, orphans, refused) = found;
    let mut rejected = None;
    let mut stopped = false;
    if let Some((target, height)) = chain.import_target(&outside) {
        let mut tell = |at: Height| progress(ImportProgress::Connecting { height: at, target: height });
        let mut run = Run::of_import(&outside, &mut tell);
        match chain.run_to(target, &mut run)? {
            Ended::Reached => {}
            Ended::Paused => stopped = true,
            Ended::Failed(block) => {
                rejected = Some(block);
                // A reorganisation of more than one step has left the old tip behind: it may still be the best.
                chain.activate(&mut Run::without_limit())?;
            }
        }
    }
    chain.flush()?;
    let tip = chain.reader().tip();
    if rejected.is_none() && !stopped {
        rejected = refused_on(&refused, tip.hash, tip.height);
    }
    let totals = chain.totals();
    Ok(Imported {
        height: tip.height,
        tip: tip.hash,
        blocks: totals.blocks.saturating_sub(before.blocks),
        txs: totals.txs.saturating_sub(before.txs),
        inputs: totals.inputs.saturating_sub(before.inputs),
        rejected,
        stopped,
        skipped,
        orphans,
        utxos: 0,
        muhash: String::new(),
        hash_serialized: String::new(),
    })
}

/// The first block that was refused on the tip by its header alone.
fn refused_on(refused: &Refused, tip: BlockHash, height: Height) -> Option<Rejected> {
    let (hash, error) = refused.get(&tip)?;
    Some(Rejected { hash: *hash, height: height.next(), reason: error.clone() })
}

type Walked = (HashMap<BlockHash, Outside>, u64, Refused);

fn scan(
    chain: &mut Chainstate,
    paths: &[PathBuf],
    now: UnixMillis,
    progress: &mut dyn FnMut(ImportProgress) -> bool,
) -> Result<(Walked, Skipped), ImportError> {
    let params = Arc::clone(chain.params());
    let foreign = foreign_magics(&params);
    let wanted = Wanted { magic: params.magic, foreign: &foreign, block_bytes_max: BLOCK_WEIGHT_MAX };
    let mut skipped = Skipped::default();
    let mut found = Found {
        chain,
        now,
        outside: HashMap::new(),
        waiting: HashMap::new(),
        waiting_count: 0,
        refused: HashMap::new(),
        headers: 0,
    };
    for path in paths {
        scan_one(path, &wanted, &mut skipped, &mut found)?;
        progress(ImportProgress::Scanning { headers: found.headers });
    }
    let orphans = u64::try_from(found.waiting_count).unwrap_or(u64::MAX);
    Ok(((found.outside, orphans, found.refused), skipped))
}

fn scan_one(
    path: &Path,
    wanted: &Wanted<'_>,
    skipped: &mut Skipped,
    found: &mut Found<'_>,
) -> Result<(), ImportError> {
    let shared = Arc::new(path.to_owned());
    let mut failed = None;
    let read = scan_file(path, wanted, skipped, |header, extent| {
        match found.take(header, Outside { path: Arc::clone(&shared), extent }) {
            Ok(verdict) => verdict,
            Err(error) => {
                failed.get_or_insert(error);
                Verdict::Block
            }
        }
    });
    read.map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    failed.map_or(Ok(()), Err)
}

fn foreign_magics(params: &Params) -> Vec<[u8; 4]> {
    let networks = [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest];
    networks.into_iter().map(|n| n.magic().to_bytes()).filter(|magic| *magic != params.magic).collect()
}

impl Found<'_> {
    fn take(&mut self, header: Header, outside: Outside) -> Result<Verdict, ImportError> {
        let hash = header.block_hash();
        if let Err(error) = check_proof_of_work(hash, header.bits, self.chain.params()) {
            self.remember_refused(&header, hash, error.to_string());
            return Ok(Verdict::NoBlock);
        }
        self.headers = self.headers.saturating_add(1);
        let mut ready = vec![(header, outside)];
        while let Some((header, outside)) = ready.pop() {
            self.join(header, outside, &mut ready)?;
        }
        Ok(Verdict::Block)
    }

    fn join(
        &mut self,
        header: Header,
        outside: Outside,
        ready: &mut Vec<(Header, Outside)>,
    ) -> Result<(), ImportError> {
        let hash = header.block_hash();
        match self.chain.insert_header(header, self.now) {
            Ok(stored) => {
                if !stored {
                    self.outside.entry(hash).or_insert(outside);
                }
                let waiting = self.waiting.remove(&hash).unwrap_or_default();
                self.waiting_count = self.waiting_count.saturating_sub(waiting.len());
                ready.extend(waiting);
            }
            Err(InsertError::ParentUnknown { parent }) => {
                self.waiting_count = self.waiting_count.saturating_add(1);
                if self.waiting_count > WAITING_MAX {
                    return Err(ImportError::TooManyOrphans);
                }
                self.waiting.entry(parent).or_default().push((header, outside));
            }
            Err(InsertError::Invalid(error)) => self.remember_refused(&header, hash, error.to_string()),
            Err(InsertError::KnownInvalid) => {
                let reason = self.chain.failure(&hash).unwrap_or("duplicate-invalid").to_owned();
                self.remember_refused(&header, hash, reason);
            }
            Err(InsertError::ParentInvalid) => {}
            Err(error @ (InsertError::Full | InsertError::Fault(_))) => {
                return Err(ChainFault::State(error.to_string()).into());
            }
        }
        Ok(())
    }

    fn remember_refused(&mut self, header: &Header, hash: BlockHash, reason: String) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.entry(header.prev_blockhash).or_insert((hash, reason));
        }
    }
}
