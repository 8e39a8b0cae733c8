//! A TCP proxy that spoils what passes through it: cuts, delays, repeats.
//!
//! Knows bytes, not HTTP, but for one thing: a [`Spoil::Twice`] needs to know where a request ends, and takes it from
//! its `content-length`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Longest head and body that are read to be sent twice.
const REQUEST_MAX: usize = 1 << 20;

/// What becomes of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spoil {
    /// Cut after so many bytes of the answer; the request arrives whole.
    AfterBytes(usize),
    /// Cut so long after it was opened.
    After(Duration),
    /// The answer comes so much later.
    Late(Duration),
    /// The bytes of its first request are sent on a second connection too, whose answer nobody reads.
    Twice,
}

/// Connections are spoilt in the order of the script; those after its end pass unharmed.
pub(crate) struct Chaos {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    script: Arc<Mutex<VecDeque<Spoil>>>,
    _running: JoinSet<()>,
}

impl Chaos {
    /// A proxy in front of `target`.
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let chaos = Self::start().await;
        chaos.aim(target);
        chaos
    }

    /// One that is yet to be told where it stands.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::<OnceLock<SocketAddr>>::default();
        let aimed = Arc::clone(&target);
        let script = Arc::<Mutex<VecDeque<Spoil>>>::default();
        let (mut running, coming) = (JoinSet::new(), Arc::clone(&script));
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let spoil = coming.lock().unwrap().pop_front();
                let target = *aimed.get().expect("asked before it was aimed");
                connections.spawn(carry(client, target, spoil));
            }
        });
        Self { address, target, script, _running: running }
    }

    pub(crate) fn aim(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }

    /// What becomes of the next connections.
    pub(crate) fn script(&self, spoils: impl IntoIterator<Item = Spoil>) {
        self.script.lock().unwrap().extend(spoils);
    }

    /// Whether every spoil of the script has struck.
    pub(crate) fn is_spent(&self) -> bool {
        self.script.lock().unwrap().is_empty()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Ends with the connection, however that ends: errors of either side are what a proxy is for.
async fn carry(mut client: TcpStream, target: SocketAddr, spoil: Option<Spoil>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    match spoil {
        None => drop(copy_bidirectional(&mut client, &mut server).await),
        Some(Spoil::After(time)) => {
            drop(timeout(time, copy_bidirectional(&mut client, &mut server)).await);
            reset(&client);
        }
        Some(Spoil::AfterBytes(count)) => {
            cut_after(&mut client, &mut server, count).await;
            reset(&client);
        }
        Some(Spoil::Late(time)) => {
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.split(), server.split());
            let back = async {
                let mut first = [0; 1];
                from_server.read_exact(&mut first).await?;
                sleep(time).await;
                to_client.write_all(&first).await?;
                copy(&mut from_server, &mut to_client).await
            };
            tokio::select! {
                _ = copy(&mut from_client, &mut to_server) => {}
                _ = back => {}
            }
        }
        Some(Spoil::Twice) => {
            let Some(request) = whole_request(&mut client).await else { return };
            let Ok(mut second) = TcpStream::connect(target).await else { return };
            if server.write_all(&request).await.is_ok() && second.write_all(&request).await.is_ok() {
                // The second answer is read to its end, or the server would see a client that left.
                let mut unread = Vec::new();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = and_wait(second.read_to_end(&mut unread)) => {}
                }
            }
        }
    }
}

/// Carries requests on, and `count` bytes of the answer back. With 0 the answer has begun when the cut comes, so that
/// the request is sure to have been served.
async fn cut_after(client: &mut TcpStream, server: &mut TcpStream, count: usize) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let back = async {
        let mut first = [0; 1];
        from_server.read_exact(&mut first).await?;
        if count > 0 {
            to_client.write_all(&first).await?;
            let rest = u64::try_from(count - 1).unwrap();
            copy(&mut from_server.take(rest), &mut to_client).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        () = and_wait(copy(&mut from_client, &mut to_server)) => {}
        _ = back => {}
    }
}

/// Does not end with its work: the other side says when it is over.
async fn and_wait(work: impl Future) {
    work.await;
    std::future::pending::<()>().await;
}

/// The connection ends with a reset, not with an end of file.
fn reset(client: &TcpStream) {
    // An error means it is gone already.
    drop(client.set_zero_linger());
}

async fn whole_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 || bytes.len() > REQUEST_MAX {
            return None;
        }
        let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        if bytes.len() >= head + 4 + length.map_or(0, |length| length.trim().parse().unwrap()) {
            return Some(bytes);
        }
    }
}
