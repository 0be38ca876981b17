use std::path::PathBuf;
use std::sync::Arc;

use adit_chainstate::{
    Activated, BlockAccepted, ChainFault, FlushEnd, HeadersAccepted, LoadError, LoadedSnapshot, Mark,
    MarkError, PruneError, PruneUpTo, Pruned, SnapshotLoad, StatsJob, SubmitError,
};
use adit_domain::chain::Tip;
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;
use bitcoin::block::Header;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::supervision::Fault;

/// Requests that may wait for the engine: with blocks of 4 MB, 256 MB. Who comes then waits for a place.
const QUEUE_MAX: usize = 64;

/// Where the tip goes to that a mark led to.
pub(super) type MarkReply = oneshot::Sender<Result<Arc<Tip>, MarkError>>;

/// Where the verdict on a block goes to.
pub(super) type BlockReply = oneshot::Sender<Result<BlockAccepted, SubmitError>>;

/// Whether an earlier flush is waited for: then its end, after which the engine is to be nudged.
pub(super) type Begun = oneshot::Sender<Result<Option<FlushEnd>, ChainFault>>;

/// What the engine's thread is asked; each but `Nudge` and `Rebuild` has its answer sent back.
pub(super) enum Ask {
    Headers(Vec<Header>, UnixMillis, oneshot::Sender<Result<HeadersAccepted, SubmitError>>),
    Block(Arc<ParsedBlock>, UnixMillis, BlockReply),
    Mark(BlockHash, Mark, MarkReply),
    Prune(PruneUpTo, oneshot::Sender<Result<Pruned, PruneError>>),
    /// A flush, or the coins of one, as soon as it is written; nobody waits for it on the engine's thread.
    FlushSoon(oneshot::Sender<()>, Begun),
    Stats(oneshot::Sender<StatsJob>, Begun),
    /// A flush has ended: there may be another one that is waited for.
    Nudge,
    BeginSnapshot(PathBuf, oneshot::Sender<Result<SnapshotLoad, LoadError>>),
    ActivateSnapshot(Box<LoadedSnapshot>, oneshot::Sender<Result<Activated, LoadError>>),
    /// The actor panicked: build the engine again.
    Rebuild,
    /// The process ends: flush, say so, and end the thread.
    Stop(oneshot::Sender<Result<(), ChainFault>>),
}

/// The way to the engine's thread. It outlives the engine's panics.
#[derive(Clone)]
pub struct ChainLink {
    asks: mpsc::Sender<Ask>,
}

pub(super) fn queue() -> (ChainLink, mpsc::Receiver<Ask>) {
    let (tx, rx) = mpsc::channel(QUEUE_MAX);
    (ChainLink { asks: tx }, rx)
}

/// The engine panicked over this very request, or has ended.
fn lost() -> ChainFault {
    ChainFault::State("the chain's engine was restarted over this request".to_owned())
}

impl ChainLink {
    async fn ask<T, E: From<ChainFault>>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Ask,
    ) -> Result<T, E> {
        let (tx, rx) = oneshot::channel();
        self.asks.send(make(tx)).await.map_err(|_| lost())?;
        rx.await.map_err(|_| lost())?
    }

    pub(super) async fn headers(
        self,
        headers: Vec<Header>,
        now: UnixMillis,
    ) -> Result<HeadersAccepted, SubmitError> {
        self.ask(|reply| Ask::Headers(headers, now, reply)).await
    }

    pub(super) async fn block(
        self,
        block: Arc<ParsedBlock>,
        now: UnixMillis,
    ) -> Result<BlockAccepted, SubmitError> {
        self.ask(|reply| Ask::Block(block, now, reply)).await
    }

    pub(super) async fn mark(self, hash: BlockHash, mark: Mark) -> Result<Arc<Tip>, MarkError> {
        self.ask(|reply| Ask::Mark(hash, mark, reply)).await
    }

    pub(super) async fn prune(self, up_to: PruneUpTo) -> Result<Pruned, PruneError> {
        self.ask(|reply| Ask::Prune(up_to, reply)).await
    }

    /// Makes every changed coin and the tip durable.
    pub async fn flush(self) -> Result<(), ChainFault> {
        self.when_durable(Ask::FlushSoon).await
    }

    /// A job that counts and hashes the coins at the present tip; it takes seconds, and no actor's thread.
    pub async fn stats(self) -> Result<StatsJob, ChainFault> {
        self.when_durable(Ask::Stats).await
    }

    /// What is answered when a flush is written; where another one is on its way, it is waited for here.
    async fn when_durable<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<T>, Begun) -> Ask,
    ) -> Result<T, ChainFault> {
        let (reply, durable) = oneshot::channel();
        if let Some(earlier) = self.ask(|begun| make(reply, begun)).await? {
            // What it met the engine is told when it is nudged.
            let _ = spawn_blocking(move || earlier.wait()).await;
            self.nudge().await?;
        }
        match durable.await {
            Ok(done) => Ok(done),
            Err(_) => {
                self.nudge().await?;
                Err(ChainFault::State("the coins were not written: the log says why".to_owned()))
            }
        }
    }

    async fn nudge(&self) -> Result<(), ChainFault> {
        self.asks.send(Ask::Nudge).await.map_err(|_| lost())
    }

    /// A job that reads a snapshot of the coins; it takes minutes, and no actor's thread.
    pub(crate) async fn begin_snapshot(self, path: PathBuf) -> Result<SnapshotLoad, LoadError> {
        self.ask(|reply| Ask::BeginSnapshot(path, reply)).await
    }

    /// Makes what such a job has read what the chain stands on.
    pub(crate) async fn activate_snapshot(self, loaded: LoadedSnapshot) -> Result<Activated, LoadError> {
        self.ask(|reply| Ask::ActivateSnapshot(Box::new(loaded), reply)).await
    }

    /// Waits on this thread for the engine's end.
    pub(super) fn stop_blocking(&self) -> Result<(), Fault> {
        self.ask_blocking(Ask::Stop)
    }

    /// Has the engine built again when its turn comes; what waits in the queue before and behind it waits on.
    pub(super) fn rebuild(&self) {
        if self.asks.try_send(Ask::Rebuild).is_err() {
            // A queue that is full or closed: the engine itself is untouched by the actor's panic.
            tracing::warn!("the engine's queue is full: it is not built again");
        }
    }

    fn ask_blocking(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<(), ChainFault>>) -> Ask,
    ) -> Result<(), Fault> {
        let (tx, mut rx) = oneshot::channel();
        let mut ask = Some(make(tx));
        // The thread empties its queue by itself, so neither wait is for anything on this thread.
        while let Some(waiting) = ask.take() {
            match self.asks.try_send(waiting) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(back)) => {
                    ask = Some(back);
                    std::thread::sleep(POLL);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(fault(lost())),
            }
        }
        loop {
            match rx.try_recv() {
                Ok(done) => return done.map_err(fault),
                Err(oneshot::error::TryRecvError::Empty) => std::thread::sleep(POLL),
                Err(oneshot::error::TryRecvError::Closed) => return Err(fault(lost())),
            }
        }
    }
}

/// How often an orderly end looks whether a flush is done.
const POLL: std::time::Duration = std::time::Duration::from_millis(2);

/// A fault of the chain as the supervisor knows it.
pub(crate) fn fault(fault: ChainFault) -> Fault {
    match fault {
        ChainFault::Storage(text) => Fault::Storage(text),
        ChainFault::State(text) => Fault::State(text),
    }
}
