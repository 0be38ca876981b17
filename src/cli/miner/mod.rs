//! A CPU miner that speaks real Stratum V1.
//!
//! Owns: the connection to a pool, the threads that hash, their figures. Must not know: anything of the node; it could mine
//! for any pool.

mod client;
mod protocol;
mod slot;
mod work;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use slot::WorkSlot;
use work::Scan;

/// Shares that may wait for the connection. Where a pool asks for so little that more are found, the rest are dropped.
const FOUND_MAX: usize = 1024;
/// Hashes between two looks at whether there is newer work: some milliseconds.
const BATCH_HASHES: u32 = 1 << 14;

/// What a miner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MinerConfig {
    /// `HOST:PORT` of the pool.
    pub(crate) pool: String,
    /// `ADDRESS.worker`.
    pub(crate) user: String,
    /// Pools take options here.
    pub(crate) password: String,
    /// Threads that hash.
    pub(crate) threads: NonZeroUsize,
    /// Whether version bits are asked for and rolled.
    pub(crate) version_rolling: bool,
}

/// What a miner has done so far; may be read at any time.
#[derive(Debug, Default)]
pub(crate) struct MinerStats {
    hashes: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    connections: AtomicU64,
    connected: AtomicBool,
    difficulty_raw: AtomicU64,
    refused: OnceLock<String>,
}

impl MinerStats {
    /// Hashes done.
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Shares that the pool accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Shares that it refused.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Times that a connection was made: one, where it never broke.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether it is connected and authorised.
    pub(crate) fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The difficulty that the pool asks for, in steps of 2^-32; 0 before it has asked.
    pub(crate) fn difficulty_raw(&self) -> u64 {
        self.difficulty_raw.load(Ordering::Relaxed)
    }

    /// Why the pool does not want this user; the miner has stopped then.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.get().map(String::as_str)
    }
}

/// Hashes a second between two looks.
#[derive(Debug)]
pub(crate) struct RateMeter {
    at: Instant,
    hashes: u64,
}

impl RateMeter {
    /// Begins now.
    pub(crate) fn new(stats: &MinerStats) -> RateMeter {
        RateMeter { at: Instant::now(), hashes: stats.hashes() }
    }

    /// Hashes a second since the last look.
    pub(crate) fn per_second(&mut self, stats: &MinerStats) -> u64 {
        let (now, hashes) = (Instant::now(), stats.hashes());
        let elapsed_ms = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(u64::MAX).max(1);
        let done = hashes.saturating_sub(self.hashes);
        *self = RateMeter { at: now, hashes };
        done.saturating_mul(1000).checked_div(elapsed_ms).unwrap_or(0)
    }
}

/// A running miner.
pub(crate) struct Miner {
    stats: Arc<MinerStats>,
    stop: watch::Sender<bool>,
    slot: Arc<WorkSlot>,
    client: tokio::task::JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Miner {
    /// Connects, and keeps connecting, until it is stopped. To be called within a tokio runtime.
    pub(crate) fn start(config: MinerConfig) -> std::io::Result<Miner> {
        let (stats, slot) = (Arc::new(MinerStats::default()), Arc::new(WorkSlot::default()));
        let (found, shares) = mpsc::channel(FOUND_MAX);
        let next = Arc::new(AtomicU64::new(0));
        let threads = (0..config.threads.get())
            .map(|index| {
                let worker = Hasher {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    slot: Arc::clone(&slot),
                    stats: Arc::clone(&stats),
                    next: Arc::clone(&next),
                    found: found.clone(),
                };
                std::thread::Builder::new().name(format!("hash-{index}")).spawn(move || worker.run())
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let (stop, stopped) = watch::channel(false);
        let client = client::Client::new(config, Arc::clone(&stats), Arc::clone(&slot));
        let client = tokio::spawn(client.run(shares, stopped));
        Ok(Miner { stats, stop, slot, client, threads })
    }

    /// The figures.
    pub(crate) fn stats(&self) -> &Arc<MinerStats> {
        &self.stats
    }

    /// Ends the connection and the threads.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.slot.close();
        // Ends with the request; a panic in it was printed.
        let _ = self.client.await;
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// One hashing thread.
struct Hasher {
    index: u32,
    slot: Arc<WorkSlot>,
    stats: Arc<MinerStats>,
    next: Arc<AtomicU64>,
    found: mpsc::Sender<work::Found>,
}

impl Hasher {
    fn run(self) {
        while let Some(work) = self.slot.wait() {
            // Each scan has an extranonce2 of its own, so that no two threads ever hash the same header.
            let extranonce2 = self.next.fetch_add(1, Ordering::Relaxed);
            let mut scan = Scan::new(&work, extranonce2, self.index);
            while self.slot.is_newest(&work) && !scan.is_exhausted() {
                self.batch(&mut scan);
            }
        }
    }

    fn batch(&self, scan: &mut Scan<'_>) {
        let done = scan.run(BATCH_HASHES, |found| {
            // A full queue means that the pool asks for less than the connection carries.
            let _ = self.found.try_send(found);
        });
        self.stats.hashes.fetch_add(u64::from(done), Ordering::Relaxed);
    }
}

/// How long a pause before the next connection is: a second, doubled each time, half a minute at most.
pub(crate) fn backoff(failures: u32) -> Duration {
    const MAX: Duration = Duration::from_secs(30);
    Duration::from_secs(1)
        .checked_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX))
        .map_or(MAX, |d| d.min(MAX))
}

#[cfg(test)]
mod tests;
