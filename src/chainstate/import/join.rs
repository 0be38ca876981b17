//! Headers from files into the tree, whatever order they lie in.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use adit_domain::chain::{HeaderTree, InsertError};
use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params};
use adit_domain::units::{Height, UnixMillis};
use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::sources::Sources;
use super::{ImportError, ImportProgress, Progress, foreign_networks};
use crate::engine::{Chainstate, Outside, Rejected};
use crate::scan::{Finder, FoundHeader, Skipped, Wanted, scan_files};
use crate::types::ChainFault;

/// Blocks that may wait for their parents: of 200 bytes each, 200 MB. Bitcoin has a million blocks; a file in which every one
/// comes before its parent still fits.
pub(super) const WAITING_MAX: usize = 1_000_000;
/// Refused headers that are remembered, to name the one that ended the chain.
const REFUSED_MAX: usize = 10_000;

/// By the parent: a block that was refused by its header alone, or before, and why.
type Refused = HashMap<BlockHash, (BlockHash, String)>;

/// What the files have.
pub(crate) struct Joined {
    /// Where bodies lie that are not stored.
    pub(crate) outside: HashMap<BlockHash, Outside>,
    pub(crate) orphans: u64,
    pub(crate) skipped: Skipped,
    /// Whether the caller stopped it.
    pub(crate) stopped: bool,
    refused: Refused,
}

impl Joined {
    /// The first block that was refused on the tip by its header alone.
    pub(super) fn refused_on(&self, tip: BlockHash, height: Height) -> Option<Rejected> {
        let (hash, error) = self.refused.get(&tip)?;
        Some(Rejected { hash: *hash, height: height.next(), reason: error.clone() })
    }
}

/// A tree that headers join.
pub(crate) trait Headers {
    /// Joins one header; says whether its block is stored already.
    fn join(&mut self, header: Header, now: UnixMillis) -> Result<bool, InsertError>;
    /// Why a block was refused, if that is known.
    fn refusal(&self, hash: &BlockHash) -> Option<String>;
}

impl Headers for Chainstate {
    fn join(&mut self, header: Header, now: UnixMillis) -> Result<bool, InsertError> {
        self.insert_header(header, now)
    }

    fn refusal(&self, hash: &BlockHash) -> Option<String> {
        self.failure(hash).map(ToOwned::to_owned)
    }
}

impl Headers for HeaderTree {
    fn join(&mut self, header: Header, now: UnixMillis) -> Result<bool, InsertError> {
        let id = self.insert(header, now)?;
        Ok(self.node(id).status().body_stored)
    }

    fn refusal(&self, _: &BlockHash) -> Option<String> {
        None
    }
}

/// Walks over all files on `threads` threads and joins their headers to a tree.
pub(crate) fn join_headers(
    tree: &mut dyn Headers,
    (params, threads): (&Params, usize),
    sources: &Sources,
    now: UnixMillis,
    progress: &mut Progress<'_>,
) -> Result<Joined, ImportError> {
    let foreign: Vec<[u8; 4]> = foreign_networks(params.magic).map(|(_, magic)| magic).collect();
    let wanted = Wanted { magic: params.magic, foreign: &foreign, block_bytes_max: BLOCK_WEIGHT_MAX };
    let joined = Joined {
        outside: HashMap::new(),
        orphans: 0,
        skipped: Skipped::default(),
        stopped: false,
        refused: HashMap::new(),
    };
    let (waiting, waiting_count) = (HashMap::new(), 0);
    let mut joining = Joining { tree, sources, now, progress, joined, waiting, waiting_count, headers: 0 };
    scan_files(sources.files(), threads, (&wanted, params), &mut joining)?;
    let Joining { mut joined, waiting_count, .. } = joining;
    joined.orphans = u64::try_from(waiting_count).unwrap_or(u64::MAX);
    Ok(joined)
}

struct Joining<'a, 'p> {
    tree: &'a mut dyn Headers,
    sources: &'a Sources,
    now: UnixMillis,
    progress: &'a mut Progress<'p>,
    joined: Joined,
    waiting: HashMap<BlockHash, Vec<(Header, Outside)>>,
    waiting_count: usize,
    headers: u64,
}

impl Finder for Joining<'_, '_> {
    type Error = ImportError;

    fn header(&mut self, file: usize, found: FoundHeader) -> Result<(), ImportError> {
        let FoundHeader { header, hash, extent, refused } = found;
        if let Some(error) = refused {
            self.remember_refused(&header, hash, error.to_string());
            return Ok(());
        }
        self.headers = self.headers.saturating_add(1);
        let Some(file) = self.sources.files().get(file) else { return Ok(()) };
        let mut ready = vec![(header, Outside { file: Arc::clone(file), extent })];
        while let Some((header, outside)) = ready.pop() {
            self.join(header, outside, &mut ready)?;
        }
        Ok(())
    }

    fn end(&mut self, file: usize, ended: io::Result<Skipped>) -> Result<bool, ImportError> {
        let files = self.sources.files();
        let path = || files.get(file).map(|f| f.path.clone()).unwrap_or_default();
        let skipped = ended.map_err(|source| ImportError::Read { path: path(), source })?;
        self.joined.skipped.add(&skipped);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let goes_on = (self.progress)(ImportProgress::Scanning {
            headers: self.headers,
            files: count(file).saturating_add(1),
            files_total: count(files.len()),
        });
        self.joined.stopped = !goes_on;
        Ok(goes_on)
    }
}

impl Joining<'_, '_> {
    fn join(
        &mut self,
        header: Header,
        outside: Outside,
        ready: &mut Vec<(Header, Outside)>,
    ) -> Result<(), ImportError> {
        let hash = header.block_hash();
        match self.tree.join(header, self.now) {
            Ok(stored) => {
                if !stored {
                    self.joined.outside.entry(hash).or_insert(outside);
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
                let reason = self.tree.refusal(&hash).unwrap_or_else(|| "duplicate-invalid".to_owned());
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
        if self.joined.refused.len() < REFUSED_MAX {
            self.joined.refused.entry(header.prev_blockhash).or_insert((hash, reason));
        }
    }
}
