//! Coins: the actor that answers for them, and says when they are flushed.
//!
//! Owns: when coins are flushed while nothing asks for it, the count and the hash of them all. Must not know: how they are kept.

mod actor;

use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_chainstate::ChainReader;

use crate::chain::ChainLink;
use crate::house::Shared;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::UtxoActor;

/// The mailbox: questions of operators, and tips, of which only the last one counts.
const MAILBOX_MAX: usize = 64;
/// Time to flush a full cache; see the chain's.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// How long a start takes at most to connect again what was not flushed: ten minutes of blocks at the tip.
pub const FLUSH_EVERY_DEFAULT: Duration = Duration::from_secs(600);

/// When coins are flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtxoConfig {
    /// How often, where the tip has moved.
    pub flush_every: Duration,
    /// How many panics are borne.
    pub intensity: Intensity,
}

impl Default for UtxoConfig {
    fn default() -> Self {
        UtxoConfig { flush_every: FLUSH_EVERY_DEFAULT, intensity: Intensity::default() }
    }
}

/// Starts the actor on an arbiter of its own.
pub fn start(
    shared: &Shared,
    link: ChainLink,
    reader: ChainReader,
    config: UtxoConfig,
) -> (Addr<UtxoActor>, Arbiter) {
    let arbiter = Arbiter::new();
    let spec = ChildSpec::of_role(Role::Utxo, MAILBOX_MAX, SHUTDOWN, config.intensity);
    let make = move |_: &mut _| UtxoActor::new(link, reader, config.flush_every);
    (shared.supervisor.start(spec, &arbiter.handle(), make), arbiter)
}
