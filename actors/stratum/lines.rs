use std::sync::Arc;

use adit_domain::stratum::LINE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read at once: a burst of twenty shares.
const CHUNK_BYTES: usize = 4096;

/// Cuts what comes into lines, and never holds more than one line and one chunk.
pub(super) struct LineReader<R> {
    source: R,
    held: Vec<u8>,
    searched: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(source: R) -> LineReader<R> {
        LineReader { source, held: Vec::new(), searched: 0 }
    }

    /// The next line that is not empty, its end left out; of one that is too long, its first bytes, one more than it may
    /// have. None at the end. May be dropped at any time without losing a byte.
    pub(super) async fn next_line(&mut self) -> std::io::Result<Option<Arc<[u8]>>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            let mut chunk = [0u8; CHUNK_BYTES];
            let read = self.source.read(&mut chunk).await?;
            if read == 0 {
                return Ok(None);
            }
            self.held.extend(chunk.iter().take(read));
        }
    }

    fn take_line(&mut self) -> Option<Arc<[u8]>> {
        loop {
            let rest = self.held.get(self.searched..).unwrap_or_default();
            let Some(at) = rest.iter().position(|b| *b == b'\n').map(|at| at.saturating_add(self.searched))
            else {
                self.searched = self.held.len();
                let longest = self.held.get(..=LINE_BYTES_MAX)?;
                return Some(longest.into());
            };
            let line: Vec<u8> = self.held.drain(..=at).collect();
            self.searched = 0;
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(line.get(..=LINE_BYTES_MAX).unwrap_or(line).into());
            }
        }
    }
}

#[cfg(test)]
#[path = "lines/tests.rs"]
mod tests;
