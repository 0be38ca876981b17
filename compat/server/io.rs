use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that must be taken for each [`Timed::new`]'s patience of waiting: at 30 seconds 9 kB a second, less than any line has. Whoever takes a
/// byte now and then would hold what it asked for as long as it likes.
const TAKEN_BYTES_MIN: u32 = 256 << 10;

/// A wire whose other end must take what it has asked for: where it makes us wait for too long, the connection breaks off.
pub(super) struct Timed<W> {
    wire: W,
    patience: Duration,
    /// How long it has made us wait, less what it has taken since.
    waited: Duration,
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
    /// What has come before, and is read first.
    before: Bytes,
}

impl<W> Timed<W> {
    pub(super) fn new(wire: W, patience: Duration) -> Timed<W> {
        Timed { wire, patience, waited: Duration::ZERO, waits: None, before: Bytes::new() }
    }

    /// The same behind what has come from it already.
    pub(super) fn behind(self, came: Vec<u8>) -> Timed<W> {
        Timed { before: came.into(), ..self }
    }

    fn judge(&mut self, polled: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(taken) = &polled {
            if let Some((since, _)) = self.waits.take() {
                self.waited = self.waited.saturating_add(since.elapsed());
            }
            self.forgive(taken.as_ref().map_or(0, |taken| *taken));
            return polled;
        }
        let left = self.patience.saturating_sub(self.waited);
        let (_, ends) =
            self.waits.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        match ends.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// So many bytes were taken.
    fn forgive(&mut self, bytes: usize) {
        if !self.waited.is_zero() {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let worth = self.patience.checked_div(TAKEN_BYTES_MIN).unwrap_or_default().saturating_mul(bytes);
            self.waited = self.waited.saturating_sub(worth);
        }
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Timed<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.wire).poll_read(cx, buf);
        }
        let now = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before.split_to(now));
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Timed<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.wire).poll_write(cx, buf);
        self.judge(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.wire).poll_write_vectored(cx, bufs);
        self.judge(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
