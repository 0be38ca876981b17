use std::ops::ControlFlow;
use std::sync::Arc;

use adit_domain::peer::{ConnectionKind, Permissions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Links, connection, open_peer};
use crate::net::{Accepted, Listener, OpenHere, accept_all};

/// Accepts connections; those beyond the limit are closed at once.
pub(super) async fn listen(open: OpenHere<Box<dyn Listener>>, places: Arc<Semaphore>, links: Links) {
    accept_all(open, "nodes", |accepted| {
        if !is_admitted(&accepted, &links) {
            return ControlFlow::Continue(());
        }
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            actix::spawn(admit(accepted, place, links.clone()));
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// Whether somebody from there may connect now. Whom the operator's list excuses may, banned or not.
fn is_admitted(accepted: &Accepted, links: &Links) -> bool {
    let ip = accepted.remote.ip();
    if !links.board.is_active() {
        tracing::debug!(target: "adit_actors::net", "connection from {} dropped: not accepting new connections", accepted.remote);
        return false;
    }
    let excused = links.config.whitelist.of(Some(ip), true).has(Permissions::NO_BAN);
    let banned = !excused && links.board.bans().is_banned(ip, links.shared.clock.now());
    if banned {
        tracing::debug!(target: "adit_actors::net", "connection from {} dropped (banned)", accepted.remote);
    }
    !banned
}

/// Carries a connection to its end.
async fn admit(accepted: Accepted, place: OwnedSemaphorePermit, links: Links) {
    let Ok(stream) = (accepted.open)() else { return };
    let (id, addr, status) = open_peer(&links, ConnectionKind::Inbound);
    let remote = (accepted.remote.to_string(), Some(accepted.remote.ip()));
    connection::run(stream, remote, true, (&addr, &status), &links).await;
    // Where the actor is gone already, nobody else does it.
    links.board.leave(id);
    drop(place);
}
