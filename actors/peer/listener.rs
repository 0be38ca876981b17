use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use adit_domain::peer::{Candidate, ConnectionKind, Host, Permissions, choose_evicted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{self, Begin};
use super::{Links, manager, open_peer};
use crate::messages::peer::ReleasePeer;
use crate::net::{Accepted, Listener, OpenHere, accept_all};

/// Accepts connections. One beyond the limit takes the place of another, if there is one that may go, or is closed at once.
pub(super) async fn listen(open: OpenHere<Box<dyn Listener>>, places: Arc<Semaphore>, links: Links) {
    let waiting = Arc::new(Semaphore::new(WAITING_MAX));
    accept_all(open, "nodes", |accepted| {
        if !is_admitted(&accepted, &links) {
            return ControlFlow::Continue(());
        }
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            actix::spawn(admit(accepted, place, links.clone()));
        } else if let Ok(waiting) = Arc::clone(&waiting).try_acquire_owned() {
            let (places, links) = (Arc::clone(&places), links.clone());
            actix::spawn(async move {
                if !make_room(&links).await {
                    return;
                }
                // Whoever goes has gone within a moment; if another one was faster, this one is closed as before.
                let place = tokio::time::timeout(ROOM_WITHIN, places.acquire_owned()).await;
                if let Ok(Ok(place)) = place {
                    drop(waiting);
                    admit(accepted, place, links).await;
                }
            });
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// Those that wait at most for the place of one who goes: a crowd costs no more sockets than this.
const WAITING_MAX: usize = 8;
/// How long one waits.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// Has one of those that connected to us go, if there is one without merits.
async fn make_room(links: &Links) -> bool {
    let host = |remote: &str| remote.parse::<SocketAddr>().ok().map(|at| Host::from(at.ip()));
    let infos = manager::shown(&links.board).await;
    let keyed = |group: &[u8]| links.board.boards().addresses.group_key(group);
    let candidates = infos.iter().filter_map(|info| Candidate::of(info, host(&info.remote), keyed));
    let Some(id) = choose_evicted(candidates.collect()) else {
        tracing::debug!(target: "adit_actors::net", "failed to find an eviction candidate - connection dropped (full)");
        return false;
    };
    tracing::debug!(target: "adit_actors::net", "selected inbound connection for eviction, disconnecting peer={id}");
    links.board.addr_of(id).is_some_and(|addr| addr.try_send(ReleasePeer { for_good: false }).is_ok())
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
    let begin = if links.config.rules.encrypts { Begin::Respond } else { Begin::Clear };
    connection::run(stream, remote, (true, begin), (&addr, &status), &links).await;
    // Where the actor is gone already, nobody else does it.
    links.board.leave(id);
    drop(place);
}
