//! The books: shares are credited, blocks are booked, and both are shown.
//!
//! Owns: when a group of shares goes to the log, when the ledger walks along the chain, the figures of workers. Must not know:
//! how a reward is split, what an entry looks like, how either is kept.
//!
//! Nothing that counts lives in the actor. Shares go through a [`committer`] with a thread of its own, which a panic of the
//! actor does not touch; booking is one step of the ledger after the other, each from where the ledger says that it stands.

mod actor;
mod booker;
mod chain;
mod committer;
mod figures;

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_domain::payout::{Ledger, PplnsWindow, ShareLog};
use adit_store::DataDir;
use adit_store::ledger::RedbLedger;
use adit_store::share_log::FileShareLog;
use bitcoin::ScriptBuf;

use self::booker::{Booker, Patience};
use self::committer::Committer;
use self::figures::Figures;
use crate::house::Shared;
use crate::supervision::{ChildSpec, Fault, Intensity, Role};

pub use actor::PayoutActor;
pub use chain::BooksChain;

/// Messages that may wait: shares are passed on in microseconds, so this is a burst of every miner at once; the senders wait.
const MAILBOX_MAX: usize = 4096;
/// Time to walk the ledger to the tip.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// How rewards are split.
#[derive(Clone, Debug)]
pub struct PayoutConfig {
    /// Where the pool's coinbases pay to: by it and by the tag a block is known as the pool's.
    pub payout_script: ScriptBuf,
    /// The pool's part of a reward, in hundredths of a percent.
    pub fee_basis_points: u32,
    /// The shares that a reward is split over.
    pub window: PplnsWindow,
    /// How many panics are borne.
    pub intensity: Intensity,
}

/// What the books are kept in and driven by.
#[derive(Clone)]
pub struct PayoutDeps {
    /// The chain.
    pub chain: Arc<dyn BooksChain>,
    /// The share log and the ledger.
    pub books: OpenBooks,
}

/// The books, started.
pub struct Payout {
    /// Where `CreditShare`, `ShareRejected`, `TipChanged` and the queries go.
    pub addr: Addr<PayoutActor>,
    /// Its thread.
    pub arbiter: Arbiter,
}

/// What the books are kept in.
#[derive(Clone)]
pub struct OpenBooks {
    /// Where shares are kept.
    pub log: Arc<dyn ShareLog>,
    /// Where balances are kept.
    pub ledger: Arc<dyn Ledger>,
}

/// Opens the share log and the ledger of a datadir; an audit of the ledger is part of it.
pub fn open(dir: &DataDir) -> Result<OpenBooks, Fault> {
    let disk = Arc::new(adit_store::MachineDisk);
    let (log, opened) = FileShareLog::open(disk, &dir.shares()).map_err(booker::log_fault)?;
    let ledger = RedbLedger::open(&dir.ledger()).map_err(booker::audit_fault)?;
    tracing::info!(shares = opened.shares, torn_bytes = opened.torn_bytes, "the books are open");
    Ok(OpenBooks { log: Arc::new(log), ledger: Arc::new(ledger) })
}

/// Starts the books. New ones begin at the chain's present tip, durably before this returns.
pub fn start(shared: &Shared, deps: PayoutDeps, config: PayoutConfig) -> Result<Payout, Fault> {
    let intensity = config.intensity;
    let figures = Arc::new(Figures::default());
    figures.read_back(&*deps.books.log, shared.clock.now()).map_err(booker::log_fault)?;
    let supervisor = shared.supervisor.clone();
    let on_fault = move |fault| supervisor.fault(Role::Payout.as_str(), fault);
    let committer = Committer::start(Arc::clone(&deps.books.log), Arc::clone(&figures), on_fault)
        .map_err(|e| Fault::State(format!("no thread for the share log: {e}")))?;
    let booker = Booker::new(deps, config);
    booker.begin()?;
    // Before there is anybody to find a block: what connects from here on waits for its share.
    let patience = Patience::Above(booker.tip().height);
    let own = shared.clone();
    let arbiter = Arbiter::new();
    let spec = ChildSpec::of_role(Role::Payout, MAILBOX_MAX, SHUTDOWN, intensity);
    let addr = shared.supervisor.start(spec, &arbiter.handle(), move |_| {
        PayoutActor::new(own, Arc::new(booker), committer, figures, patience)
    });
    Ok(Payout { addr, arbiter })
}

#[cfg(test)]
mod tests;
