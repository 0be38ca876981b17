use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_chainstate::{ChainFault, IndexKind, IndexStep, Indexer, Indexes};

use super::actor::IndexActor;
use crate::house::Seat;
use crate::messages::index::IndexerDied;

/// How often an index looks for blocks that were verified below a snapshot: of those nobody is told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One index's thread, as its actor sees it.
pub(super) struct Worker {
    /// One wish is as good as many: there is room for one.
    wake: SyncSender<()>,
    orders: Arc<Orders>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Orders {
    end: AtomicBool,
    rebuild: AtomicBool,
}

impl Worker {
    /// Starts it; it begins to work at once.
    pub(super) fn start(
        indexes: &Indexes,
        kind: IndexKind,
        actor: Arc<Seat<IndexActor>>,
        on_fault: impl Fn(ChainFault) + Send + 'static,
    ) -> Result<Worker, ChainFault> {
        let (wake, woken) = sync_channel(1);
        let orders = Arc::new(Orders::default());
        let life = Life { indexes: indexes.clone(), kind, orders: Arc::clone(&orders), woken, actor };
        let name = format!("adit-index-{}", kind.as_str());
        let run = move || {
            if let Err(fault) = life.run() {
                on_fault(fault);
            }
        };
        let thread = thread::Builder::new().name(name).spawn(run);
        let thread = thread.map_err(|e| ChainFault::State(format!("no thread for an index: {e}")))?;
        Ok(Worker { wake, orders, thread })
    }

    /// There may be something to do.
    pub(super) fn wake(&self) {
        // Full: it has not yet heard the last one. Closed: it has ended, by a fault that ends the process.
        let _ = self.wake.try_send(());
    }

    /// Goes on from what is durable.
    pub(super) fn rebuild(&self) {
        self.orders.rebuild.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Ends it after the block that it is at.
    pub(super) fn ask_to_end(&self) {
        self.orders.end.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Waits for its end.
    pub(super) fn join(self) {
        drop(self.wake);
        // What it panics over is caught in it.
        let _ = self.thread.join();
    }
}

/// What the thread itself holds.
struct Life {
    indexes: Indexes,
    kind: IndexKind,
    orders: Arc<Orders>,
    woken: Receiver<()>,
    actor: Arc<Seat<IndexActor>>,
}

impl Life {
    fn run(&self) -> Result<(), ChainFault> {
        let mut indexer = self.indexes.indexer(self.kind);
        let mut told_of = None;
        while let Some(working) = &mut indexer {
            let step = match self.step(working) {
                Ok(step) => step?,
                Err(Died) => {
                    indexer = self.indexes.indexer(self.kind);
                    IndexStep::Idle
                }
            };
            if let IndexStep::Missing(height) = step
                && told_of.replace(height) != Some(height)
            {
                let index = self.kind.as_str();
                tracing::error!(index, %height, "this block is not stored any more: the index stays below it");
            }
            if self.ends() || (step != IndexStep::More && !self.wait()) {
                return Ok(());
            }
            if self.orders.rebuild.swap(false, Ordering::SeqCst) {
                indexer = self.indexes.indexer(self.kind);
            }
        }
        Ok(())
    }

    /// A panic costs this step; it is the actor's too.
    fn step(&self, indexer: &mut Indexer) -> Result<Result<IndexStep, ChainFault>, Died> {
        let go_on = || !self.ends();
        let stepped = catch_unwind(AssertUnwindSafe(|| indexer.step(&go_on)));
        stepped.map_err(|_| {
            let told = self.actor.addr().map(|actor| actor.try_send(IndexerDied { kind: self.kind }).is_ok());
            if told != Some(true) {
                tracing::error!(index = self.kind.as_str(), "a panic that is not counted");
            }
            Died
        })
    }

    fn ends(&self) -> bool {
        self.orders.end.load(Ordering::SeqCst)
    }

    /// Until it is woken; says whether it goes on.
    fn wait(&self) -> bool {
        let goes_on = match self.indexes.follow_a_snapshot() {
            true => self.woken.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Disconnected),
            false => self.woken.recv().is_ok(),
        };
        goes_on && !self.ends()
    }
}

struct Died;
