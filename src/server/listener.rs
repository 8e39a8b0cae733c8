//! Accepts connections and speaks HTTP/1.1 on them, with a bound on everything a stranger can hold open.
//!
//! HTTP/1.1 only, by decision: OpenAI's SDKs and the proxies in front speak nothing else in clear text, and the
//! builder that tells h2c apart has no time limit while it reads the first bytes. Knows nothing of routes; start
//! reading at [`serve`], then `connection` for the life of one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod connection;
mod refusal;
mod shutdown;
mod stream;

pub use connection::Ends;
use connection::{Age, Serving};
pub use shutdown::Shutdown;

/// Pause after an accept that failed for want of descriptors or memory, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections accepted during the drain may take for their refusal, once the drain is over.
const LAST_REFUSALS: Duration = Duration::from_secs(2);

/// What one listener grants to its clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections open at once; the rest waits in the kernel's queue.
    pub connections: usize,
    /// From accept to the whole head of the first request.
    pub first_head: Duration,
    /// The same for later requests; also how long an idle connection is kept. Above the 60 s of load balancers, so
    /// that they close first and never send a request into a closing connection.
    pub later_head: Duration,
    /// Longest time without progress while an answer is written.
    pub write_idle: Duration,
    /// Request line and headers together, in bytes; also the read buffer of a connection. At least 8 KiB.
    pub head_bytes: usize,
    /// Header lines of one request.
    pub headers: usize,
    /// When the kernel starts to probe a silent peer; keeps address translation alive during long waits.
    pub tcp_keepalive: Duration,
    /// Shortest drain: load balancers need a moment to notice before connections are refused.
    pub drain_min: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            first_head: Duration::from_secs(10),
            later_head: Duration::from_secs(75),
            write_idle: Duration::from_mins(1),
            head_bytes: 64 * 1024,
            headers: 100,
            tcp_keepalive: Duration::from_secs(45),
            drain_min: Duration::ZERO,
        }
    }
}

/// Serves `router` until `shutdown` drains it to the end or kills it.
///
/// Draining: idle connections are closed, running answers are written out whole, new connections are still accepted
/// (the draining layer answers them 503) and closed after one answer. Returns when every connection that was open
/// at the drain's beginning has ended. A kill ends every connection where it stands; so does dropping this future.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let door = Door { listener, slots, serving: Serving { router, limits, shutdown: shutdown.clone() } };
    let mut open = JoinSet::new();
    tokio::select! {
        () = door.accept_into(&mut open, Age::Regular) => {}
        () = shutdown.draining() => {}
        () = shutdown.killed() => return,
    }
    let mut late = JoinSet::new();
    let drained = async {
        tokio::join!(all_ended(&mut open), sleep(limits.drain_min));
    };
    tokio::select! {
        () = door.accept_into(&mut late, Age::WhileDraining) => {}
        () = drained => {}
        () = shutdown.killed() => return,
    }
    drop(door);
    tokio::select! {
        _ = timeout(LAST_REFUSALS, all_ended(&mut late)) => {}
        () = shutdown.killed() => {}
    }
}

struct Door {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    serving: Serving,
}

impl Door {
    /// Runs until it is dropped. The tasks' owner is the caller's set.
    async fn accept_into(&self, tasks: &mut JoinSet<()>, age: Age) {
        loop {
            tokio::select! {
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
                accepted = self.accept() => match accepted {
                    Ok(Some((stream, slot))) => {
                        let serving = self.serving.clone();
                        tasks.spawn(async move {
                            serving.run(stream, age).await;
                            drop(slot);
                        });
                    }
                    Ok(None) => return,
                    Err(error) => self.bear(&error).await,
                },
            }
        }
    }

    /// The next connection and its slot; none once the slots are closed, which never happens.
    async fn accept(&self) -> io::Result<Option<(TcpStream, OwnedSemaphorePermit)>> {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return Ok(None) };
        let (stream, _) = self.listener.accept().await?;
        Ok(Some((stream, slot)))
    }

    async fn bear(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return; // The peer left before it was accepted; the next one is no worse for it.
        }
        tracing::error!(%error, "cannot accept connections at the moment");
        sleep(ACCEPT_PAUSE).await;
    }
}

async fn all_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
