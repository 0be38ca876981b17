//! The verdict on one block, on the workers: its rules first, then its scripts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use adit_domain::consensus::{BlockError, BlockUndo, Refused};
use adit_domain::script::{ScriptError, ScriptFlags, ScriptVerifier, Spend};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use adit_store::EncodedUndo;
use bitcoin::TxOut;

use crate::workers::{ScriptQueue, Workers};

/// Inputs in one job: some 2 ms of work, so that a cancelled block is left soon and the queue costs nothing beside it.
const JOB_INPUTS: usize = 64;

/// An input whose script fails: of all that fail, the first in the block's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptFailure {
    pub(crate) tx: usize,
    pub(crate) input: usize,
    pub(crate) error: ScriptError,
}

impl ScriptFailure {
    /// What is said of the block in which it was found.
    pub(crate) fn error_in(self, block: &ParsedBlock) -> BlockError {
        let ScriptFailure { tx, input, error } = self;
        let txid = block.txs().get(tx).map_or_else(bitcoin::hashes::Hash::all_zeros, |tx| tx.txid());
        BlockError::Script { txid, input, error }
    }
}

/// Why a block does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A rule other than a script's, or a fault of ours.
    Rules(Refused<BlockError>),
    /// A script.
    Script(ScriptFailure),
    /// A check panicked: our bug, and no verdict.
    Panicked,
}

/// What the rules find of a block whose coins are at hand.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The coins that it spends.
    pub(crate) undo: BlockUndo,
    /// What its scripts run under; none where they need not run.
    pub(crate) flags: Option<ScriptFlags>,
}

/// The verdict on a block, as it comes to be.
pub(crate) struct ScriptRun {
    /// No transaction from here on need be looked at any more.
    end: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: usize,
    undo: Option<EncodedUndo>,
    refused: Option<Refused<BlockError>>,
    failure: Option<ScriptFailure>,
    panicked: bool,
}

/// What the jobs of one block share.
#[derive(Clone)]
struct Work {
    block: Arc<ParsedBlock>,
    undo: Arc<BlockUndo>,
    flags: ScriptFlags,
    verifier: Arc<dyn ScriptVerifier>,
    run: Arc<ScriptRun>,
}

impl ScriptRun {
    /// Has the workers judge a block before anything else, and then run its scripts. One without inputs is judged here and now: that takes
    /// less time than a job.
    pub(crate) fn start(
        workers: &Workers,
        verifier: &Arc<dyn ScriptVerifier>,
        block: &Arc<ParsedBlock>,
        judge: impl FnOnce() -> Result<Judged, Refused<BlockError>> + Send + 'static,
    ) -> Arc<ScriptRun> {
        let state = Mutex::new(State { jobs: 1, ..State::default() });
        let end = AtomicUsize::new(usize::MAX);
        let run = Arc::new(ScriptRun { end, state, changed: Condvar::new() });
        let (of_job, verifier, block) = (Arc::clone(&run), Arc::clone(verifier), Arc::clone(block));
        let (scripts, has_inputs) = (workers.scripts(), block.txs().len() > 1);
        let job = move || {
            let _done = Done(Arc::clone(&of_job));
            if of_job.is_cancelled() {
                return;
            }
            match judge() {
                Ok(judged) => of_job.judged(judged, &scripts, verifier, block),
                Err(refused) => of_job.state().refused = Some(refused),
            }
        };
        match has_inputs {
            // Nobody waits for the job itself: its end is seen in the run.
            true => drop(workers.urgent(job)),
            false => job(),
        }
        run
    }

    /// Keeps what was found, and sends the scripts to the workers.
    fn judged(
        self: &Arc<ScriptRun>,
        judged: Judged,
        scripts: &ScriptQueue,
        verifier: Arc<dyn ScriptVerifier>,
        block: Arc<ParsedBlock>,
    ) {
        let encoded = EncodedUndo::new(&block.header().prev_blockhash, &judged.undo);
        self.state().undo = Some(encoded);
        let Some(flags) = judged.flags else { return };
        let jobs = slices(block.txs());
        {
            let mut state = self.state();
            state.jobs = state.jobs.saturating_add(jobs.len());
        }
        let work = Work { block, undo: Arc::new(judged.undo), flags, verifier, run: Arc::clone(self) };
        for (first, last) in jobs {
            let work = work.clone();
            scripts.push(move || work.check(first, last));
        }
    }

    /// Whether the verdict stands.
    pub(crate) fn is_done(&self) -> bool {
        self.state().jobs == 0
    }

    /// Waits for the verdict.
    pub(crate) fn wait(&self) -> Result<(), Failure> {
        let mut state = self.state();
        while state.jobs > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match (state.panicked, &state.refused, state.failure) {
            (true, _, _) => Err(Failure::Panicked),
            (_, Some(refused), _) => Err(Failure::Rules(refused.clone())),
            (_, _, Some(failure)) => Err(Failure::Script(failure)),
            _ => Ok(()),
        }
    }

    /// What it takes to disconnect the block, as it is stored; none before it was judged, or a second time.
    pub(crate) fn take_undo(&self) -> Option<EncodedUndo> {
        self.state().undo.take()
    }

    /// The verdict is of no use any more: what has not begun is left out.
    pub(crate) fn cancel(&self) {
        self.end.store(0, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.end.load(Ordering::Relaxed) == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: ScriptFailure) {
        let mut state = self.state();
        if state.failure.is_none_or(|old| (failure.tx, failure.input) < (old.tx, old.input)) {
            state.failure = Some(failure);
            // What lies before it may still fail first; what lies behind it no longer matters.
            self.end.fetch_min(failure.tx, Ordering::Relaxed);
        }
    }
}

/// Ranges of transactions, the coinbase left out, with about [`JOB_INPUTS`] inputs each.
fn slices(txs: &[ParsedTx]) -> Vec<(usize, usize)> {
    let mut jobs = Vec::new();
    let (mut first, mut inputs) = (1usize, 0usize);
    for (index, tx) in txs.iter().enumerate().skip(1) {
        inputs = inputs.saturating_add(tx.tx().input.len());
        if inputs >= JOB_INPUTS {
            jobs.push((first, index.saturating_add(1)));
            (first, inputs) = (index.saturating_add(1), 0);
        }
    }
    if inputs > 0 {
        jobs.push((first, txs.len()));
    }
    jobs
}

/// Counts a job as done, however it ended.
struct Done(Arc<ScriptRun>);

impl Drop for Done {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.jobs = state.jobs.saturating_sub(1);
        state.panicked |= std::thread::panicking();
        if state.jobs == 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Work {
    fn check(&self, first: usize, last: usize) {
        let _done = Done(Arc::clone(&self.run));
        for index in first..last {
            if index >= self.run.end.load(Ordering::Relaxed) {
                break;
            }
            if let Err((input, error)) = self.check_tx(index) {
                self.run.fail(ScriptFailure { tx: index, input, error });
            }
        }
    }

    fn check_tx(&self, index: usize) -> Result<(), (usize, ScriptError)> {
        let row = index.checked_sub(1).and_then(|row| self.undo.spent.get(row));
        // The undo data was made of this very block: a row for each transaction.
        let (Some(tx), Some(coins)) = (self.block.txs().get(index), row) else {
            return Err((0, ScriptError::Unknown));
        };
        let prevouts: Vec<TxOut> = coins.iter().map(|coin| coin.output.clone()).collect();
        let spend = Spend { tx: tx.tx(), wtxid: tx.wtxid(), raw: tx.raw(), prevouts: &prevouts };
        self.verifier.verify_tx(&spend, self.flags)
    }
}

#[cfg(test)]
#[path = "scripts/tests.rs"]
mod tests;
