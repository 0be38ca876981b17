//! The chain: the actor that headers and blocks are sent to, and the thread that its engine runs on.
//!
//! Owns: the engine's thread and its queue, who hears of a new tip, what follows when the engine panics. Must not know: a rule,
//! a coin, a file.
//!
//! The actor only passes on, so that it answers its heartbeat while a block takes seconds. A panic of the engine is a panic of
//! the actor: it is counted, and the engine is built again from the store, with the same readers and addresses; what waits in
//! the queue waits on, and only the request that caused it is lost, with the blocks that were taken out of the queue beside it.

mod actor;
mod engine;
mod link;
mod listeners;

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_chainstate::{ChainConfig, ChainFault, ChainReader};
use adit_domain::script::ScriptVerifier;
use adit_store::Store;

use crate::house::{Seat, Shared};
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::ChainActor;
pub use link::ChainLink;
pub(crate) use link::fault;
pub use listeners::TipListeners;

/// The mailbox: the actor empties it at once into the engine's queue; this holds a burst of all peers' answers.
const MAILBOX_MAX: usize = 256;
/// Time to flush a full cache: 450 MiB at 30 MB/s, and twice that.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// Whom the chain talks to.
#[derive(Clone)]
pub struct ChainDeps {
    /// The databases and files.
    pub store: Arc<Store>,
    /// The scripts' judge.
    pub verifier: Arc<dyn ScriptVerifier>,
}

/// How the chain is kept.
#[derive(Clone, Debug)]
pub struct ChainSetup {
    /// Network, cache, threads.
    pub chain: ChainConfig,
    /// How many panics are borne.
    pub intensity: Intensity,
}

/// The chain, started.
pub struct Chain {
    /// `SubmitHeaders` and `SubmitBlock` go here.
    pub addr: Addr<ChainActor>,
    /// The chain, to read.
    pub reader: ChainReader,
    /// Who hears of each new tip; more may be added at any time.
    pub listeners: TipListeners,
    /// The engine's other callers' way to it (the utxo actor).
    pub link: ChainLink,
    /// The actor's thread; it ends with it.
    pub arbiter: Arbiter,
}

/// Opens the chain, connects again what lies above the last flush, and starts the actor. It returns when that is done.
pub fn start(shared: &Shared, deps: ChainDeps, setup: ChainSetup) -> Result<Chain, ChainFault> {
    let arbiter = Arbiter::new();
    let listeners = TipListeners::default();
    let (link, asks) = link::queue();
    let seat = Arc::new(Seat::default());
    let reader = engine::start(shared, deps, setup.chain, listeners.clone(), asks, Arc::clone(&seat))?;
    let spec = ChildSpec::of_role(Role::Chain, MAILBOX_MAX, SHUTDOWN, setup.intensity);
    let (own_link, clock) = (link.clone(), Arc::clone(&shared.clock));
    let addr = shared.supervisor.start(spec, &arbiter.handle(), |_| ChainActor::new(own_link, clock));
    seat.take(addr.clone());
    Ok(Chain { addr, reader, listeners, link, arbiter })
}

#[cfg(test)]
mod tests;
