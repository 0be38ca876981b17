use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Lines that are written at once.
const BATCH_LINES_MAX: usize = 64;

/// Writes what comes until there is no more, or the miner takes it no longer.
///
/// A miner that takes nothing for the time of `patience` is gone, or means harm.
pub(super) async fn write_lines<W: AsyncWrite + Unpin>(
    mut sink: W,
    mut lines: mpsc::Receiver<Arc<str>>,
    patience: Duration,
) {
    let mut batch = Vec::with_capacity(BATCH_LINES_MAX);
    while lines.recv_many(&mut batch, BATCH_LINES_MAX).await > 0 {
        let bytes = batch.drain(..).fold(Vec::new(), |mut bytes, line: Arc<str>| {
            bytes.extend_from_slice(line.as_bytes());
            bytes
        });
        match tokio::time::timeout(patience, sink.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    // The other end may be gone already.
    let _ = sink.shutdown().await;
}

#[cfg(test)]
#[path = "writer/tests.rs"]
mod tests;
