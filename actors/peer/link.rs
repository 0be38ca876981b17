use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

/// Bytes that wait to be sent before nothing more of the peer's is processed: Core's limit. One message may go beyond it, and what
/// one message of the peer's leads to (2 MB of inventory at most): a peer that never reads holds less than 4 MB.
const QUEUED_BYTES_MAX: usize = 1_000_000;

/// The actor's end of what is to be sent. When it is dropped, the connection closes.
#[derive(Clone)]
pub(crate) struct Link {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    level: Arc<Level>,
}

/// The connection's end.
pub(super) struct Outbox {
    frames: mpsc::UnboundedReceiver<Vec<u8>>,
    level: Arc<Level>,
}

#[derive(Default)]
struct Level {
    bytes: AtomicUsize,
    fell: Notify,
}

/// Both ends.
pub(super) fn link() -> (Link, Outbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let level = Arc::new(Level::default());
    (Link { frames: sender, level: Arc::clone(&level) }, Outbox { frames: receiver, level })
}

impl Link {
    /// Appends a frame. Where the connection has closed, it goes nowhere.
    pub(super) fn push(&self, frame: Vec<u8>) {
        self.level.bytes.fetch_add(frame.len(), Ordering::SeqCst);
        let _ = self.frames.send(frame);
    }

    /// Whether so much waits that nothing should be added.
    pub(super) fn is_full(&self) -> bool {
        self.level.bytes.load(Ordering::SeqCst) > QUEUED_BYTES_MAX
    }

    /// Waits until there is room, or the connection has closed.
    pub(super) async fn room(&self) {
        loop {
            let fell = self.level.fell.notified();
            if !self.is_full() || self.frames.is_closed() {
                return;
            }
            fell.await;
        }
    }
}

impl Outbox {
    /// The next frame; none when the actor has let go.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.frames.recv().await
    }

    /// A frame has been sent.
    pub(super) fn sent(&self, bytes: usize) {
        self.level.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.level.fell.notify_waiters();
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.frames.close();
        self.level.fell.notify_waiters();
    }
}
