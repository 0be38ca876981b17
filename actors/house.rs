//! What every actor may reach: the sources of time and chance, the sockets, the supervisor, and the other actors' addresses.

use std::sync::{Arc, OnceLock};

use actix::{Actor, Addr};
use adit_domain::units::{Clock, Entropy};

use crate::net::Net;
use crate::supervision::Supervisor;

/// A place for an address that is known once its actor has started. The address outlives restarts, so it is set once.
pub struct Seat<A: Actor>(OnceLock<Addr<A>>);

impl<A: Actor> Default for Seat<A> {
    fn default() -> Self {
        Seat(OnceLock::new())
    }
}

impl<A: Actor> Seat<A> {
    /// Gives the address out; the first one stands.
    pub fn take(&self, addr: Addr<A>) {
        let _ = self.0.set(addr);
    }

    /// The address; none before the actor has started, and for a role that this node does not play.
    pub fn addr(&self) -> Option<&Addr<A>> {
        self.0.get()
    }
}

/// The sources, the sockets and the supervisor, shared by all.
#[derive(Clone)]
pub struct Shared {
    /// The one clock that everything that waits uses.
    pub clock: Arc<dyn Clock>,
    /// The one source of chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where miners and other nodes come from.
    pub net: Arc<dyn Net>,
    /// Who watches.
    pub supervisor: Supervisor,
}
