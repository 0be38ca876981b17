use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Lines that are written at once.
const BATCH_LINES_MAX: usize = 64;
/// A miner that takes nothing for this long is gone, or means harm.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Writes what comes until there is no more, or the miner takes it no longer.
pub(super) async fn write_lines<W: AsyncWrite + Unpin>(mut sink: W, mut lines: mpsc::Receiver<Arc<str>>) {
    let mut batch = Vec::with_capacity(BATCH_LINES_MAX);
    while lines.recv_many(&mut batch, BATCH_LINES_MAX).await > 0 {
        let bytes = batch.drain(..).fold(Vec::new(), |mut bytes, line: Arc<str>| {
            bytes.extend_from_slice(line.as_bytes());
            bytes
        });
        match tokio::time::timeout(WRITE_TIMEOUT, sink.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    // The other end may be gone already.
    let _ = sink.shutdown().await;
}
