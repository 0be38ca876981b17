//! The thread that makes coins durable and merges their tiers, while blocks connect.
//!
//! Owns: when a flush and when a slice of a merge is written. Must not know: when a flush is due.
//!
//! One flush at a time: the engine hands over what is frozen and goes on. What fails here is told at once to who listens,
//! and to whoever asks or waits; nothing is tried again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_domain::chain::Tip;
use adit_store::{ChainDb, Flush, FlushState, MergeStep, NodeRecord, Store};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::Frozen;
use crate::live::Live;
use crate::types::ChainFault;

/// Records that one slice of a merge moves: about 100 ms, which a flush may have to wait for.
const MERGE_RECORDS: usize = 100_000;

/// What is to be made durable at once.
pub(crate) struct FlushJob {
    pub(crate) state: FlushState,
    /// The tip in it.
    pub(crate) tip: Arc<Tip>,
    pub(crate) nodes: Vec<NodeRecord>,
    /// Bytes of coins that may stay in the cache; none where nothing follows it, and the cache is left as it was written.
    pub(crate) room_bytes: Option<usize>,
    /// What follows when it is durable.
    pub(crate) then: Vec<Then>,
}

/// What follows when a flush is durable, and before the next one: it is told the tip that was written, on the thread that wrote it.
pub(crate) type Then = Box<dyn FnOnce(&Store, Arc<Tip>) -> Result<(), ChainFault> + Send>;

/// The end of the flush that is being written.
pub struct FlushEnd(Arc<Status>);

impl FlushEnd {
    /// Waits for it, on a thread that may wait.
    pub fn wait(&self) -> Result<(), ChainFault> {
        self.0.wait_while(|now| now.flushing)
    }
}

/// The thread, in the engine's hands. Dropped, it ends what it writes and no more, and a merge as soon as can be.
pub(crate) struct Flusher {
    jobs: Option<Sender<(FlushJob, Frozen)>>,
    status: Arc<Status>,
    live: Arc<Live>,
    thread: Option<JoinHandle<()>>,
}

/// How far the thread is, and what was met.
#[derive(Default)]
pub(super) struct Status {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    flushing: bool,
    merging: bool,
    retired: bool,
    /// Nothing is merged any more: the process is about to end.
    closing: bool,
    fault: Option<ChainFault>,
    tell: Option<FaultListener>,
}

/// Who hears of a fault when it is met.
pub(crate) type FaultListener = Box<dyn FnOnce(ChainFault) + Send>;

impl Flusher {
    /// Over one of the databases of `store`.
    pub(crate) fn start(store: Arc<Store>, db: Arc<ChainDb>, live: Arc<Live>) -> Result<Flusher, ChainFault> {
        let (jobs, waiting) = bounded(1);
        // What a former life left to be merged comes first.
        let status = Arc::clone(&live.coins.writing);
        status.change(|now| now.merging = true);
        let writer = Writer { db, store, live: Arc::clone(&live), status: Arc::clone(&status) };
        let thread = thread::Builder::new().name("adit-flush".to_owned());
        let thread = thread.spawn(move || writer.run(&waiting));
        let thread = thread.map_err(|e| ChainFault::State(format!("no thread: {e}")))?;
        Ok(Flusher { jobs: Some(jobs), status, live, thread: Some(thread) })
    }

    /// Begins to make the coins as they are now durable, with the tip that is in the job; waits for the flush before it.
    pub(crate) fn begin(&self, job: FlushJob) -> Result<(), ChainFault> {
        self.wait()?;
        let gone = || ChainFault::State("the thread of the flushes is gone".to_owned());
        if !self.status.begin() {
            return Err(gone());
        }
        let frozen = self.live.coins.freeze()?;
        self.jobs.as_ref().and_then(|jobs| jobs.send((job, frozen)).ok()).ok_or_else(gone)
    }

    /// Whether a flush is being written; what has failed since.
    pub(crate) fn is_flushing(&self) -> Result<bool, ChainFault> {
        let now = self.status.now();
        now.fault.clone().map_or(Ok(now.flushing), Err)
    }

    /// The end of the flush that is being written; reached where none is.
    pub(crate) fn end(&self) -> FlushEnd {
        FlushEnd(Arc::clone(&self.status))
    }

    /// Has `tell` called with the first fault, when it is met.
    pub(crate) fn on_fault(&self, tell: FaultListener) {
        let met = {
            let mut now = self.status.now();
            match now.fault.clone() {
                Some(fault) => fault,
                None => return now.tell = Some(tell),
            }
        };
        tell(met);
    }

    /// Waits until no flush is being written.
    pub(crate) fn wait(&self) -> Result<(), ChainFault> {
        self.status.wait_while(|now| now.flushing)
    }

    /// As [`Flusher::wait`], but no longer than this.
    pub(crate) fn wait_at_most(&self, time: Duration) -> Result<(), ChainFault> {
        let busy = |now: &mut Now| now.fault.is_none() && now.flushing;
        let waited = self.status.changed.wait_timeout_while(self.status.now(), time, busy);
        let (now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        now.fault.clone().map_or(Ok(()), Err)
    }

    /// Merges nothing any more; what is being merged ends soon. Flushes go on.
    pub(crate) fn close(&self) {
        self.status.change(|now| now.closing = true);
    }

    /// Waits until there is nothing to merge either.
    pub(crate) fn settle(&self) -> Result<(), ChainFault> {
        self.status.wait_while(|now| now.flushing || now.merging)
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.close();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught inside.
            let _ = thread.join();
        }
    }
}

impl Status {
    fn now(&self) -> MutexGuard<'_, Now> {
        // Nothing that can panic is done under the lock.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merges(&self) -> bool {
        let now = self.now();
        !now.retired && !now.closing
    }

    /// Whether a flush may begin.
    fn begin(&self) -> bool {
        let mut now = self.now();
        now.flushing = !now.retired;
        now.flushing
    }

    /// Lets nothing more begin, and waits for what has begun.
    pub(super) fn retire(&self) -> Result<(), ChainFault> {
        self.change(|now| now.retired = true);
        self.wait_while(|now| now.flushing)
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now());
        self.changed.notify_all();
    }

    /// What was met is told at once, and to whoever asks or waits.
    fn fail(&self, fault: ChainFault) {
        let mut tell = None;
        self.change(|now| {
            now.fault = Some(fault.clone());
            tell = now.tell.take();
        });
        if let Some(tell) = tell {
            tell(fault);
        }
    }

    fn wait_while(&self, mut busy: impl FnMut(&Now) -> bool) -> Result<(), ChainFault> {
        let wait = self.changed.wait_while(self.now(), |now| now.fault.is_none() && busy(now));
        let now = wait.unwrap_or_else(PoisonError::into_inner);
        now.fault.clone().map_or(Ok(()), Err)
    }
}

/// The thread's own side.
struct Writer {
    db: Arc<ChainDb>,
    /// Behind the database: it holds the datadir's lock.
    store: Arc<Store>,
    live: Arc<Live>,
    status: Arc<Status>,
}

impl Writer {
    fn run(&self, jobs: &Receiver<(FlushJob, Frozen)>) {
        let mut merging = true;
        loop {
            merging &= self.status.merges();
            // A flush goes before a merge.
            let job = match merging {
                true => match jobs.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return,
                },
                false => match jobs.recv() {
                    Ok(job) => Some(job),
                    Err(_) => return,
                },
            };
            let panicked = |_| Err(ChainFault::State("the writing of coins panicked".to_owned()));
            match catch_unwind(AssertUnwindSafe(|| self.turn(job))).unwrap_or_else(panicked) {
                Ok(more) => merging = more,
                Err(fault) => {
                    tracing::error!(%fault, "coins could not be written");
                    return self.status.fail(fault);
                }
            }
        }
    }

    /// A flush, or a slice of a merge; says whether there may be something to merge.
    fn turn(&self, job: Option<(FlushJob, Frozen)>) -> Result<bool, ChainFault> {
        match job {
            Some((job, frozen)) => {
                self.flush(job, frozen)?;
                self.status.change(|now| (now.flushing, now.merging) = (false, true));
                Ok(true)
            }
            None => {
                let more = self.merge()?;
                self.status.change(|now| now.merging = more);
                Ok(more)
            }
        }
    }

    fn flush(&self, job: FlushJob, frozen: Frozen) -> Result<(), ChainFault> {
        let FlushJob { state, tip, nodes, room_bytes, then } = job;
        let live = &self.live;
        live.blocks.sync()?;
        live.undo.sync()?;
        let mut changes = frozen.changes();
        self.db.flush(Flush { state, nodes, coins: &mut changes })?;
        drop(changes);
        then.into_iter().try_for_each(|then| then(&self.store, Arc::clone(&tip)))?;
        match room_bytes {
            Some(room_bytes) => live.coins.flushed(frozen, self.db.snapshot()?, room_bytes),
            None => Ok(()),
        }
    }

    fn merge(&self) -> Result<bool, ChainFault> {
        match self.db.merge_step_while(MERGE_RECORDS, &|| self.status.merges())? {
            MergeStep::Idle => Ok(false),
            MergeStep::More => Ok(true),
            MergeStep::Done => {
                self.live.coins.merged(self.db.snapshot()?)?;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
#[path = "flusher/tests.rs"]
mod tests;
