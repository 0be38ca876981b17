//! The scripts of one block, on the workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use adit_domain::consensus::BlockUndo;
use adit_domain::script::{ScriptError, ScriptFlags, ScriptVerifier, Spend};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::TxOut;

use crate::workers::Workers;

/// Inputs in one job: some 3 ms of work, so that a cancelled block is left soon and the queue costs nothing beside it.
const JOB_INPUTS: usize = 64;

/// An input whose script fails: of all that fail, the first in the block's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptFailure {
    pub(crate) tx: usize,
    pub(crate) input: usize,
    pub(crate) error: ScriptError,
}

/// A check panicked: our bug, and no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// The verdict on a block's scripts, as it comes to be.
pub(crate) struct ScriptRun {
    /// No transaction from here on need be looked at any more.
    end: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: usize,
    failure: Option<ScriptFailure>,
    panicked: bool,
}

/// What the jobs of one block share.
struct Work {
    block: Arc<ParsedBlock>,
    undo: Arc<BlockUndo>,
    flags: ScriptFlags,
    verifier: Arc<dyn ScriptVerifier>,
    run: Arc<ScriptRun>,
}

impl ScriptRun {
    /// A block without scripts to check.
    pub(crate) fn nothing() -> Arc<ScriptRun> {
        let end = AtomicUsize::new(usize::MAX);
        Arc::new(ScriptRun { end, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Sends all inputs of `block` to the workers; `undo` has the coin of each.
    pub(crate) fn start(
        workers: &Workers,
        verifier: &Arc<dyn ScriptVerifier>,
        block: &Arc<ParsedBlock>,
        undo: &Arc<BlockUndo>,
        flags: ScriptFlags,
    ) -> Arc<ScriptRun> {
        let run = ScriptRun::nothing();
        let jobs = slices(block.txs());
        run.state().jobs = jobs.len();
        for (first, last) in jobs {
            let work = Work {
                block: Arc::clone(block),
                undo: Arc::clone(undo),
                flags,
                verifier: Arc::clone(verifier),
                run: Arc::clone(&run),
            };
            workers.script(move || work.check(first, last));
        }
        run
    }

    /// Whether the verdict stands.
    pub(crate) fn is_done(&self) -> bool {
        self.state().jobs == 0
    }

    /// Waits for the verdict.
    pub(crate) fn wait(&self) -> Result<Option<ScriptFailure>, Panicked> {
        let mut state = self.state();
        while state.jobs > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.panicked {
            true => Err(Panicked),
            false => Ok(state.failure),
        }
    }

    /// The verdict is of no use any more: what has not begun is left out.
    pub(crate) fn cancel(&self) {
        self.end.store(0, Ordering::Relaxed);
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
struct Done<'a>(&'a ScriptRun);

impl Drop for Done<'_> {
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
        let _done = Done(&self.run);
        for index in first..last {
            if index >= self.run.end.load(Ordering::Relaxed) {
                return;
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
