use std::net::SocketAddr;
use std::time::Duration;

use actix::Addr;
use tokio::net::{TcpListener, TcpStream};

use super::gate::{Gate, Permit};
use super::{Links, StratumActor, connection};
use crate::messages::stratum::OpenSession;

/// After an error of `accept` (no file descriptor left): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A refused connection is logged this often, with the count of those between.
const REFUSED_LOGGED_EVERY: u64 = 1_000;

/// Accepts miners until the manager is gone.
pub(super) async fn listen(socket: std::net::TcpListener, manager: Addr<StratumActor>, links: Links) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the miners' socket does not work"),
    };
    let gate = Gate::new(links.config.connections_max, links.config.connections_per_ip_max);
    let (mut accepted, mut refused) = (0usize, 0u64);
    while manager.connected() {
        let (stream, remote) = match listener.accept().await {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(permit) = gate.enter(remote.ip()) else {
            // Accepted and closed: a queue that is left full would keep honest miners out of it as well.
            if refused % REFUSED_LOGGED_EVERY == 0 {
                tracing::warn!(%remote, refused, "too many connections");
            }
            refused = refused.saturating_add(1);
            continue;
        };
        accepted = accepted.wrapping_add(1);
        actix::spawn(admit(stream, remote, permit, accepted, manager.clone(), links.clone()));
    }
}

/// Opens a session and sends the connection to its thread.
async fn admit(
    stream: TcpStream,
    remote: SocketAddr,
    permit: Permit,
    thread: usize,
    manager: Addr<StratumActor>,
    links: Links,
) {
    let opened = match manager.send(OpenSession { remote, thread }).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return tracing::error!(%error, "no session"),
        Err(error) => return tracing::warn!(%error, %remote, "no session: the miner will come again"),
    };
    let Ok(stream) = stream.into_std() else { return };
    let index = thread.checked_rem(links.threads.len()).unwrap_or(0);
    let Some(arbiter) = links.threads.get(index).cloned() else { return };
    arbiter.spawn_fn(move || {
        actix::spawn(async move {
            connection::run(stream, opened, links).await;
            drop(permit);
        });
    });
}
