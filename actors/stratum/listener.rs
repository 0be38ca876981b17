use std::ops::ControlFlow;

use actix::Addr;

use super::gate::{Gate, Permit};
use super::{Links, StratumActor, connection};
use crate::messages::stratum::OpenSession;
use crate::net::{Accepted, Listener, OpenHere, accept_all};

/// A refused connection is logged this often, with the count of those between.
const REFUSED_LOGGED_EVERY: u64 = 1_000;

/// Accepts miners until the manager is gone.
pub(super) async fn listen(open: OpenHere<Box<dyn Listener>>, manager: Addr<StratumActor>, links: Links) {
    let gate = Gate::new(links.config.connections_max, links.config.connections_per_ip_max);
    let (mut admitted, mut refused) = (0usize, 0u64);
    accept_all(open, "miners", |accepted| {
        if !manager.connected() {
            return ControlFlow::Break(());
        }
        let remote = accepted.remote;
        if let Some(permit) = gate.enter(remote.ip()) {
            admitted = admitted.wrapping_add(1);
            actix::spawn(admit(accepted, permit, admitted, manager.clone(), links.clone()));
        } else {
            // Accepted and closed: a queue that is left full would keep honest miners out of it as well.
            if refused % REFUSED_LOGGED_EVERY == 0 {
                tracing::warn!(%remote, refused, "too many connections");
            }
            refused = refused.saturating_add(1);
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// Opens a session and sends the connection to its thread.
async fn admit(accepted: Accepted, permit: Permit, thread: usize, manager: Addr<StratumActor>, links: Links) {
    let Accepted { remote, open } = accepted;
    let opened = match manager.send(OpenSession { remote, thread }).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return tracing::error!(%error, "no session"),
        Err(error) => return tracing::warn!(%error, %remote, "no session: the miner will come again"),
    };
    let index = thread.checked_rem(links.threads.len()).unwrap_or(0);
    let Some(arbiter) = links.threads.get(index).cloned() else { return };
    arbiter.spawn_fn(move || {
        actix::spawn(async move {
            connection::run(open, opened, links).await;
            drop(permit);
        });
    });
}
