use std::sync::Arc;

use adit_domain::consensus::Params;

use crate::budget::Budget;
use crate::index::IndexConfig;

/// MiB that the chain may take in memory where nothing else is said: as in Core.
pub const CACHE_MIB_DEFAULT: usize = 450;
/// Threads that verify scripts at most: what one engine can feed.
const SCRIPT_THREADS_MAX: usize = 64;

/// How a chain is kept.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// The network.
    pub params: Arc<Params>,
    /// MiB that coins, the tables under them and blocks on their way to the tip may take in memory. Beside it are the headers, some 300 bytes
    /// each.
    pub cache_mib: usize,
    /// Threads that verify scripts; 0 for as many as there are cores.
    pub script_threads: usize,
    /// MiB that block and undo files may take before the oldest are taken away; 0: all are kept, 1: they go by hand only.
    pub prune_mib: u64,
    /// The indexes that are kept: what they have not read is not pruned.
    pub indexes: IndexConfig,
    /// Whether block files have 64 KiB instead of 128 MiB, so that a test can prune a short chain.
    pub small_files: bool,
}

impl ChainConfig {
    /// The defaults for a network.
    pub fn new(params: Arc<Params>) -> ChainConfig {
        ChainConfig {
            params,
            cache_mib: CACHE_MIB_DEFAULT,
            script_threads: 0,
            prune_mib: 0,
            indexes: IndexConfig::default(),
            small_files: false,
        }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::of_mib(self.cache_mib)
    }

    /// Bytes of it that the pages of the chain's database may take: the store is opened with them.
    pub fn page_bytes(cache_mib: usize) -> usize {
        Budget::of_mib(cache_mib).pages()
    }

    /// Bytes of it, counted as they are sent, that blocks from peers may have before they are judged.
    pub fn incoming_bytes(cache_mib: usize) -> usize {
        Budget::of_mib(cache_mib).incoming()
    }

    /// What block and undo files may take; none where they are not pruned by size.
    pub fn prune_bytes(&self) -> Option<u64> {
        (self.prune_mib > 1).then(|| self.prune_mib.saturating_mul(1 << 20))
    }

    /// How many that comes to.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let wanted = if self.script_threads == 0 { cores } else { self.script_threads };
        wanted.min(SCRIPT_THREADS_MAX)
    }
}
