use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Links, connection, open_peer};
use crate::net::{Listener, OpenHere};

/// After an error of the listening socket (no file descriptors left) nothing is accepted for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections; those beyond the limit are closed at once.
pub(super) async fn listen(open: OpenHere<Box<dyn Listener>>, links: Links) {
    let mut socket = match open() {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "nobody can connect"),
    };
    let places = Arc::new(Semaphore::new(links.config.inbound_max));
    loop {
        let accepted = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let links = links.clone();
        actix::spawn(async move {
            let Ok(stream) = (accepted.open)() else { return };
            let (id, addr, status) = open_peer(&links, true);
            connection::run(stream, &accepted.remote.to_string(), &addr, &status, &links).await;
            // Where the actor is gone already, nobody else does it.
            links.board.leave(id);
            drop(place);
        });
    }
}
