//! The indexes: the actor that wakes those who build them, each on a thread of its own.
//!
//! Owns: the threads, when they work, what follows when one panics. Must not know: what an index says of a block.
//!
//! No block waits for an index, and an index that panics ends nothing: it is counted as the actor's, and the index goes on from
//! what is durable with the next tip.

mod actor;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_chainstate::{ChainFault, Indexes};

use crate::chain::fault;
use crate::house::{Seat, Shared};
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::IndexActor;
use worker::Worker;

/// The mailbox: tips, of which only the last one counts.
const MAILBOX_MAX: usize = 64;
/// How long a commit of a thousand blocks may take, three times over.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// Starts the actor, on an arbiter of its own, and a thread for each index.
pub fn start(
    shared: &Shared,
    indexes: &Indexes,
    intensity: Intensity,
) -> Result<(Addr<IndexActor>, Arbiter), ChainFault> {
    let seat = Arc::new(Seat::default());
    let supervisor = shared.supervisor.clone();
    let on_fault = move |met| supervisor.fault(Role::Index.as_str(), fault(met));
    let start = |kind| Worker::start(indexes, kind, Arc::clone(&seat), on_fault.clone());
    let workers = indexes.kinds().into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let arbiter = Arbiter::new();
    let spec = ChildSpec::of_role(Role::Index, MAILBOX_MAX, SHUTDOWN, intensity);
    let addr = shared.supervisor.start(spec, &arbiter.handle(), move |_| IndexActor::new(workers));
    seat.take(addr.clone());
    Ok((addr, arbiter))
}

#[cfg(test)]
mod tests;
