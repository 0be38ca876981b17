use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Links, connection, open_peer};
use crate::net::{Accepted, Listener, OpenHere, accept_all};

/// Accepts connections; those beyond the limit are closed at once.
pub(super) async fn listen(open: OpenHere<Box<dyn Listener>>, places: Arc<Semaphore>, links: Links) {
    accept_all(open, "nodes", |accepted| {
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            actix::spawn(admit(accepted, place, links.clone()));
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// Carries a connection to its end.
async fn admit(accepted: Accepted, place: OwnedSemaphorePermit, links: Links) {
    let Ok(stream) = (accepted.open)() else { return };
    let (id, addr, status) = open_peer(&links, true);
    connection::run(stream, &accepted.remote.to_string(), &addr, &status, &links).await;
    // Where the actor is gone already, nobody else does it.
    links.board.leave(id);
    drop(place);
}
