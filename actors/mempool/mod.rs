//! Transactions that wait for a block: the actor, and what others may read without asking it.
//!
//! Owns: the order in which transactions are judged, the pool's pace with the chain, its copy outside of the actor, its file.
//! Must not know: a rule, a feerate, who sent a transaction.

mod actor;
mod asks;
mod chain;
mod fees;
mod file;
mod keep;
mod listeners;
mod orphans;
mod reader;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_domain::mempool::MempoolConfig as PoolConfig;
use adit_domain::script::ScriptVerifier;

use crate::house::Shared;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::MempoolActor;
pub use chain::MempoolChain;
pub use fees::FeeConfig;
pub use listeners::TxListeners;
pub use reader::MempoolReader;

/// The mailbox: what all peers may have in flight at once waits in the actor's own queue; this holds a burst of it.
const MAILBOX_MAX: usize = 256;
/// Time to write the pool's file: 300 MB at 30 MB/s.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// How large the pool may grow, and where it is kept.
#[derive(Clone, Debug)]
pub struct MempoolConfig {
    /// Memory and the lowest feerate.
    pub pool: PoolConfig,
    /// Where it is kept; none: nowhere.
    pub file: Option<PathBuf>,
    /// Whether it is kept over a restart, and not only on demand.
    pub is_kept: bool,
    /// Whether the file's bytes are as they are, and not XORed with a key.
    pub is_plain: bool,
    /// How fees are estimated; none: they are not.
    pub fees: Option<FeeConfig>,
    /// How many panics are borne.
    pub intensity: Intensity,
}

/// Whom the mempool talks to.
#[derive(Clone)]
pub struct MempoolDeps {
    /// The chain, to read.
    pub chain: Arc<dyn MempoolChain>,
    /// The scripts' judge.
    pub verifier: Arc<dyn ScriptVerifier>,
}

/// The mempool, started.
pub struct Mempool {
    /// `SubmitTransaction`, `GetMempool`, `GetTransaction`, `TipChanged` go here.
    pub addr: Addr<MempoolActor>,
    /// What it holds, to read.
    pub reader: MempoolReader,
    /// Who hears of each transaction that joins; more may be added at any time.
    pub listeners: TxListeners,
    /// Its thread; it ends with it.
    pub arbiter: Arbiter,
}

/// Starts the actor, and reads the file of the last run.
pub fn start(shared: &Shared, deps: MempoolDeps, config: MempoolConfig) -> Mempool {
    let arbiter = Arbiter::new();
    let tip = deps.chain.next_block(shared.clock.now()).prev;
    let (reader, listeners) = (MempoolReader::new(tip), TxListeners::default());
    let spec = ChildSpec::of_role(Role::Mempool, MAILBOX_MAX, SHUTDOWN, config.intensity);
    let (own, heard, sources) = (reader.clone(), listeners.clone(), shared.clone());
    let make = move |_: &mut _| MempoolActor::new(deps, config, &sources, own, heard);
    let addr = shared.supervisor.start(spec, &arbiter.handle(), make);
    Mempool { addr, reader, listeners, arbiter }
}

#[cfg(test)]
mod tests;
