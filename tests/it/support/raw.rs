//! A client that writes bytes as they are.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// A connection.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the gateway does not read");
    }

    /// Everything until the gateway closes; a reset fails.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let read =
            timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the gateway does not close");
        read.expect("the connection was cut");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The first bytes of an answer, up to the end of its head or more.
    pub(crate) async fn read_head(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = timeout(PATIENCE, self.0.read_buf(&mut bytes)).await.expect("no answer").expect("cut");
            assert!(read > 0, "closed within the head: {}", String::from_utf8_lossy(&bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The connection's two halves, for clients that read while they write.
    pub(crate) fn halves(self) -> (tokio::net::tcp::OwnedReadHalf, tokio::net::tcp::OwnedWriteHalf) {
        self.0.into_split()
    }
}
