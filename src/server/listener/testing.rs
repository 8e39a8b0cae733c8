//! A listener on a free port and a client that writes bytes as they are; for the tests of `server`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Limits, Shutdown, serve};

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    task: JoinSet<()>,
}

impl TestServer {
    pub(crate) async fn start(router: Router, limits: Limits) -> Self {
        Self::start_with(router, limits, Shutdown::new()).await
    }

    pub(crate) async fn start_with(router: Router, limits: Limits, shutdown: Shutdown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, router, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    pub(crate) async fn connect(&self) -> RawClient {
        RawClient(TcpStream::connect(self.address).await.unwrap())
    }

    /// Waits until the listener has returned.
    pub(crate) async fn ended(mut self) {
        timeout(PATIENCE, self.task.join_next()).await.expect("the listener did not end").unwrap().unwrap();
    }
}

pub(crate) struct RawClient(pub(crate) TcpStream);

impl RawClient {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything until the server closes; fails on a reset.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server did not close").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads until `mark` was seen; more may have been read.
    pub(crate) async fn read_until(&mut self, mark: &str) -> String {
        let mut text = String::new();
        let mut piece = [0; 4096];
        while !text.contains(mark) {
            let length =
                timeout(PATIENCE, self.0.read(&mut piece)).await.expect("nothing more came").unwrap();
            assert!(length > 0, "closed before {mark:?}: {text}");
            text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        text
    }

    /// Sends a request and reads until the server closes.
    pub(crate) async fn exchange(mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request).await;
        self.read_to_end().await
    }
}

/// The JSON body of the last answer in `text`.
pub(crate) fn json_of(text: &str) -> serde_json::Value {
    let (_, body) = text.rsplit_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"))
}
