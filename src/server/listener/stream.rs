//! A TCP stream that gives up on readers that stall, and hands over the refusals that hyper writes by itself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Stands on every answer of a handler and on none that hyper makes by itself: so the two are told apart.
pub(super) const SERVER: &str = "evolink-gateway";

/// The stream under one connection.
///
/// hyper answers an unreadable head with a status and no body. Such an answer is kept back ([`Self::refused`]), so
/// that the connection can write one with a body that OpenAI's SDKs understand.
pub(super) struct GuardedStream {
    stream: TcpStream,
    write_idle: Duration,
    /// Runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
    refused: Option<u16>,
}

impl GuardedStream {
    pub(super) fn new(stream: TcpStream, write_idle: Duration) -> Self {
        Self { stream, write_idle, stalled: None, refused: None }
    }

    /// The status of the refusal that was kept back.
    pub(super) fn refused(&self) -> Option<u16> {
        self.refused
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.write_idle)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

/// The status of a refusal made by hyper: a bare 4xx head, alone in the buffer.
fn bare_refusal(bytes: &[u8]) -> Option<u16> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let head = std::str::from_utf8(bytes).ok()?;
    let bare = status.starts_with(b"4")
        && head.ends_with("\r\n\r\n")
        && head.contains("content-length: 0\r\n")
        && !head.contains("server: ");
    if bare { std::str::from_utf8(status).ok()?.parse().ok() } else { None }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(status) = bare_refusal(buf) {
            self.refused = Some(status);
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(())); // The refusal is still to be written.
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_is_kept_back() {
        let date = "date: Sun, 01 Nov 2026 00:00:00 GMT\r\n\r\n";
        let bare = format!("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n{date}");
        assert_eq!(bare_refusal(bare.as_bytes()), Some(431));
        let of_a_handler =
            format!("HTTP/1.1 404 Not Found\r\nserver: {SERVER}\r\ncontent-length: 0\r\n{date}");
        assert_eq!(bare_refusal(of_a_handler.as_bytes()), None);
        assert_eq!(bare_refusal(b"{\"b64_json\": \"HTTP/1.1 400 content-length: 0\"}"), None);
        assert_eq!(bare_refusal(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{date}").as_bytes()), None);
    }
}
