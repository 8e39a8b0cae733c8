//! A stand-in for Evolink: task API, files API and media host on one listener.
//!
//! It behaves as Evolink's public pages say, draws real pictures, fails on demand ([`Fault`]) and keeps a ledger of what
//! it accepted, charged and was asked ([`LedgerView`]). Used by `simulate`, `demo`, the tests and the benchmarks;
//! documented for users in docs/SIMULATOR.md. Knows the domain's vocabulary and the table of
//! models, nothing else of the gateway.
//!
//! A task's future is fixed when it is made and worked out when it is looked at: no timers, so that a paused tokio clock
//! moves it. Start reading at `routes.rs`, then `create.rs` and `looks.rs`.

mod account;
mod answer;
mod billing;
mod callback;
mod client;
mod control;
mod create;
mod epoch;
mod faults;
mod files;
mod latency;
mod ledger;
mod looks;
mod media;
mod order;
mod picture;
mod references;
mod routes;
mod task;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use faults::{Create, Details, Done, Effect, Fault, FaultError, Files, Media, Poll, duration};
pub use ledger::{LedgerView, Refusal, TaskView, Totals};

use crate::clock::Clock;
use epoch::Epoch;
use faults::Armed;
use files::Shelf;
use ledger::Ledger;
use media::Gallery;

/// How late a slow answer comes, unless `seconds=` says otherwise.
const SLOW: Duration = Duration::from_secs(5);
/// Pause after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the simulator behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Divides the times of tasks.
    pub speed: f64,
    /// Times of tasks are spread evenly over this range, instead of by quality and size; `speed` divides them too.
    pub latency: Option<(Duration, Duration)>,
    /// The same seed gives the same times.
    pub seed: u64,
    /// `task_info.estimated_time` in seconds; Evolink says 100 for gpt-image-2.
    pub estimated_time: u64,
    /// Accepted keys; empty: any.
    pub api_keys: Vec<String>,
    /// Whether `POST /v1/tasks/batch` exists.
    pub batch: bool,
    /// Whether `GET /v1/tasks` exists.
    pub list: bool,
    /// Whether `Idempotency-Key` is honoured on creates.
    pub idempotency: bool,
    /// Plain pictures, shared by all tasks, padded to exactly so many bytes (PNG; a picture that needs more stays as it
    /// is). For benchmarks: drawing costs nothing then.
    pub picture_bytes: Option<usize>,
    /// The account's credits at the start.
    pub credits: f64,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
    /// The wall clock, for `created` and file times.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            speed: 1.0,
            latency: None,
            seed: 1,
            estimated_time: 100,
            api_keys: Vec::new(),
            batch: true,
            list: true,
            idempotency: true,
            picture_bytes: None,
            credits: 1_000_000.0,
            faults: Vec::new(),
            clock: Clock::system(),
        }
    }
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
}

/// Everything the handlers share.
#[derive(Debug)]
struct World {
    options: Options,
    epoch: Epoch,
    /// Where links point when a request has no Host header.
    host_fallback: String,
    requests: AtomicU64,
    ledger: Mutex<Ledger>,
    shelf: Mutex<Shelf>,
    gallery: Gallery,
    work: TaskTracker,
    stop: CancellationToken,
}

impl Simulator {
    /// Starts on a bound listener.
    #[expect(
        clippy::unused_async,
        reason = "starting needs a runtime; an async function cannot be called without one"
    )]
    pub async fn start(listener: TcpListener, options: Options) -> Self {
        let host_fallback =
            listener.local_addr().map_or_else(|_| "localhost".to_owned(), |addr| addr.to_string());
        let scripts = options.faults.iter().cloned().map(Armed::new).collect();
        let world = Arc::new(World {
            epoch: Epoch::begin(&options.clock),
            options,
            host_fallback,
            requests: AtomicU64::new(0),
            ledger: Mutex::new(Ledger::with(scripts)),
            shelf: Mutex::default(),
            gallery: Gallery::default(),
            work: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let accepting = accept(listener, world.clone());
        let stop = world.stop.clone();
        world.work.spawn(async move { stop.run_until_cancelled(accepting).await });
        Self { world }
    }

    /// The base URL of all three APIs, for example `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.world.host_fallback)
    }

    /// The books as they are now.
    pub fn ledger(&self) -> LedgerView {
        self.world.ledger().view(&self.world.epoch, Instant::now())
    }

    /// Adds a fault; those added earlier strike first.
    pub fn script(&self, fault: Fault) {
        self.world.ledger().scripts.push(Armed::new(fault));
    }

    /// Forgets tasks, keys, files, counters and scripted faults.
    pub fn reset(&self) {
        self.world.reset();
        self.world.ledger().scripts.clear();
    }

    /// Cuts all connections and waits until nothing runs any more.
    pub async fn stop(self) {
        self.world.stop.cancel();
        self.world.work.close();
        self.world.work.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.stop.cancel();
    }
}

/// Runs a simulator until `shutdown` ends.
pub async fn run(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    listener.local_addr()?;
    let simulator = Simulator::start(listener, options).await;
    shutdown.await;
    simulator.stop().await;
    Ok(())
}

async fn accept(listener: TcpListener, world: Arc<World>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, world.clone());
                let stop = world.stop.clone();
                world.work.spawn(async move { stop.run_until_cancelled(connection).await });
            }
            Err(error) => {
                tracing::warn!(%error, "the simulator could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, world: Arc<World>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on a connection of the simulator");
    }
    let service = service_fn(move |request| routes::answer(world.clone(), request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::trace!(%error, "a connection of the simulator ended early");
    }
}

impl World {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Under which `host:port` the client knows the simulator.
    fn host_of<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(&self.host_fallback)
    }

    fn reset(&self) {
        self.ledger().reset();
        *self.shelf() = Shelf::default();
    }
}
