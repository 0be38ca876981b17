//! What every method may use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{MailboxError, Message, Recipient};
use adit_actors::root::NodeLinks;
use adit_chainstate::Warnings;
use arc_swap::{ArcSwap, ArcSwapOption};
use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::RpcError;
use crate::json::Json;
use crate::methods::{Counting, Made};
use crate::show::KeptBlocks;

/// How long an actor may take to answer a question; it is at most one block behind.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long one answer may keep a thread on which others are answered too: a read from disk takes longer, one from memory does not.
const BRIEF: Duration = Duration::from_millis(1);
/// What is done off those threads at a time. Who asked may have hung up since, so that those who may ask do not bound it.
pub(crate) const AWAY_MAX: usize = 64;

static AWAY: Away = Away(Semaphore::const_new(AWAY_MAX));
/// Texts of whole blocks that are made at a time: one for each core, and one that reads meanwhile. More would take turns there, each of them be
/// ready later, and all hold up who asks for little.
static WHOLE_BLOCKS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores().saturating_add(1)));

/// Threads that run at a time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How far the node has come.
enum Stage {
    Warming(String),
    Ready(Arc<NodeLinks>),
    Ending,
}

/// What every method may use.
pub(crate) struct Ctx {
    pub(crate) config: Config,
    stage: ArcSwap<Stage>,
    running: Mutex<Running>,
    /// The walk over all coins, if one runs.
    pub(crate) scan: Arc<Scan>,
    /// The walk over blocks' filters, if one runs.
    pub(crate) filter_scan: Arc<Scan>,
    /// Categories of the log that are on.
    pub(crate) log: Mutex<BTreeSet<&'static str>>,
    /// Transactions and weight of the last template that was built.
    pub(crate) last_template: Mutex<Option<(usize, u64)>>,
    /// What was made for the last who asked for a template.
    pub(crate) template: ArcSwapOption<Made>,
    /// Held by who makes it: the others wait for that one.
    pub(crate) making: tokio::sync::Mutex<()>,
    /// Blocks that were shown.
    pub(crate) kept: Arc<KeptBlocks>,
    /// Whether the last short read was one: then the next is made where it is asked for.
    is_brief: AtomicBool,
    /// When the server began.
    pub(crate) began: Instant,
    /// Whether the chain has counted as fetched once: from then on it does, as in Core.
    fetched: AtomicBool,
    warnings: Warnings,
    /// The count of blocks' transactions, where it lacks.
    counting: Arc<Counting>,
}

/// A walk over all coins: one at a time.
#[derive(Default)]
pub(crate) struct Scan {
    runs: AtomicBool,
    aborted: AtomicBool,
    percent: AtomicU8,
    height: AtomicU32,
}

/// The right to walk; given back when it is dropped.
pub(crate) struct Walks(Arc<Scan>);

impl Drop for Walks {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::SeqCst);
    }
}

impl Scan {
    /// The right to walk; none where another does.
    pub(crate) fn begin(scan: &Arc<Scan>) -> Option<Walks> {
        if scan.runs.swap(true, Ordering::SeqCst) {
            return None;
        }
        scan.aborted.store(false, Ordering::SeqCst);
        scan.percent.store(0, Ordering::SeqCst);
        Some(Walks(Arc::clone(scan)))
    }

    /// Notes how far it has come: coins lie in the order of their ids, which are as good as chance.
    pub(crate) fn at(&self, outpoint: &OutPoint) {
        let first = outpoint.txid.to_byte_array().first().copied().unwrap_or(0);
        let percent = u16::from(first).saturating_mul(100) / 256;
        self.percent.store(u8::try_from(percent).unwrap_or(100), Ordering::Relaxed);
    }

    /// Notes that it has come to a height, between the first and the last.
    pub(crate) fn reached(&self, height: u32, first: u32, last: u32) {
        let done = u64::from(height.saturating_sub(first)).saturating_mul(100);
        let percent = done.checked_div(u64::from(last.saturating_sub(first))).unwrap_or(100);
        self.percent.store(u8::try_from(percent).unwrap_or(100), Ordering::Relaxed);
        self.height.store(height, Ordering::Relaxed);
    }

    /// The height it has come to.
    pub(crate) fn height(&self) -> u32 {
        self.height.load(Ordering::Relaxed)
    }

    /// How far it has come; none where none runs.
    pub(crate) fn progress(&self) -> Option<u8> {
        self.runs.load(Ordering::SeqCst).then(|| self.percent.load(Ordering::Relaxed))
    }

    /// Ends it; whether there was one.
    pub(crate) fn abort(&self) -> bool {
        self.aborted.store(true, Ordering::SeqCst);
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }
}

/// The calls that are being carried out.
#[derive(Default)]
struct Running {
    next: u64,
    calls: BTreeMap<u64, (&'static str, Instant)>,
}

impl Ctx {
    pub(crate) fn new(config: Config) -> Ctx {
        let log = crate::logging::categories(&config.log_categories);
        let stage = ArcSwap::from_pointee(Stage::Warming("RPC server started".to_owned()));
        Ctx {
            config,
            stage,
            running: Mutex::default(),
            scan: Arc::default(),
            filter_scan: Arc::default(),
            log: Mutex::new(log),
            last_template: Mutex::default(),
            template: ArcSwapOption::empty(),
            making: tokio::sync::Mutex::default(),
            kept: Arc::default(),
            is_brief: AtomicBool::new(true),
            began: Instant::now(),
            fetched: AtomicBool::default(),
            warnings: Warnings::default(),
            counting: Arc::default(),
        }
    }

    pub(crate) fn set_warming(&self, text: String) {
        self.stage.store(Arc::new(Stage::Warming(text)));
    }

    pub(crate) fn set_ready(&self, links: NodeLinks) {
        self.stage.store(Arc::new(Stage::Ready(Arc::new(links))));
    }

    /// Lets go of the node: what runs still has it until it is done.
    pub(crate) fn set_ending(&self) {
        self.scan.abort();
        self.filter_scan.abort();
        self.counting.end();
        self.stage.store(Arc::new(Stage::Ending));
    }

    /// The count of blocks' transactions.
    pub(crate) fn counting(&self) -> Arc<Counting> {
        Arc::clone(&self.counting)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(**self.stage.load(), Stage::Ending)
    }

    /// The node; an error before it has started, and while it ends.
    pub(crate) fn node(&self) -> Result<Arc<NodeLinks>, RpcError> {
        match &**self.stage.load() {
            Stage::Ready(links) => Ok(Arc::clone(links)),
            Stage::Warming(text) => Err(RpcError::in_warmup(text.clone())),
            Stage::Ending => Err(RpcError::not_connected("Shutting down")),
        }
    }

    /// Whether there is a node to ask.
    pub(crate) fn warm(&self) -> Result<(), RpcError> {
        self.node().map(|_| ())
    }

    /// Whether the chain is still being fetched: its tip lacks work, or is old. Not any more once it was not.
    pub(crate) fn is_fetching(&self, node: &NodeLinks) -> bool {
        if self.fetched.load(Ordering::SeqCst) {
            return false;
        }
        let tip = node.chain.tip();
        let age_s = node.clock.now().to_seconds_floor().saturating_sub(u64::from(tip.header.time));
        let fetching = tip.chain_work < node.params.minimum_chain_work || age_s > self.config.tip_age_s_max;
        self.fetched.store(!fetching, Ordering::SeqCst);
        fetching
    }

    /// What an operator should know, as Core words it; nothing while the chain is being fetched.
    pub(crate) fn warnings(&self, node: &NodeLinks) -> Json {
        if self.is_fetching(node) {
            return Json::List(Vec::new());
        }
        let found = self.warnings.of(&node.chain, Instant::now());
        Json::List(found.into_iter().map(Json::text).collect())
    }

    /// Does what reads little from disk: where the last such read was as quick as one from memory, here; else off this thread.
    pub(crate) async fn briefly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let timed = move || {
            let from = Instant::now();
            let done = work();
            Ok((done, from.elapsed() < BRIEF))
        };
        let here = self.is_brief.load(Ordering::Relaxed);
        let (done, is_brief) = if here { timed()? } else { off_thread(timed).await? };
        self.is_brief.store(is_brief, Ordering::Relaxed);
        done
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // Each change is one step.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call is being carried out, until what it returns is dropped.
    pub(crate) fn running(&self, method: &'static str) -> impl Drop + Send + use<'_> {
        let mut running = self.lock();
        let id = running.next;
        running.next = id.wrapping_add(1);
        running.calls.insert(id, (method, Instant::now()));
        Noted { ctx: self, id }
    }

    /// The calls that are being carried out, and for how long, the oldest first.
    pub(crate) fn calls(&self) -> Vec<(&'static str, Duration)> {
        self.lock().calls.values().map(|(method, since)| (*method, since.elapsed())).collect()
    }
}

struct Noted<'a> {
    ctx: &'a Ctx,
    id: u64,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.ctx.lock().calls.remove(&self.id);
    }
}

/// Asks an actor something it answers from memory.
pub(crate) async fn ask<M>(actor: &Recipient<M>, message: M) -> Result<M::Result, RpcError>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    within(ANSWER_WITHIN, actor, message).await
}

/// Tells an actor to do something that may take long.
pub(crate) async fn within<M>(time: Duration, actor: &Recipient<M>, message: M) -> Result<M::Result, RpcError>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    match tokio::time::timeout(time, actor.send(message)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(MailboxError::Closed)) => Err(RpcError::internal("The actor was restarted: ask again")),
        Ok(Err(MailboxError::Timeout)) | Err(_) => {
            Err(RpcError::internal("The actor did not answer in time"))
        }
    }
}

/// Does what reads the disk, or counts for long, on a thread where nobody waits behind it.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    AWAY.run(work).await
}

/// So much is done off the threads that speak at a time.
struct Away(Semaphore);

impl Away {
    /// A place is taken until the work is done, whether anybody still waits for it or not.
    async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let place = self.0.acquire().await.map_err(|_| RpcError::internal("No thread is left"))?;
        let work = move || {
            let _place = place;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(RpcError::internal("It panicked; the log says where")))
    }
}

/// The same for what makes a whole block's text: in the order in which it was asked for.
pub(crate) async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let turn = WHOLE_BLOCKS.acquire().await.map_err(|_| RpcError::internal("No turn comes"))?;
    // Held until it is done, though who asked may have hung up.
    let work = move || {
        let _turn = turn;
        work()
    };
    off_thread(work).await
}

#[cfg(test)]
#[path = "ctx/tests.rs"]
mod tests;
