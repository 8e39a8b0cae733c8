//! The composition root: settings become a running gateway.
//!
//! The only place where capabilities meet. [`Gateway`] is built once; [`App::run`] serves until told to stop.

mod balance;
mod build;
mod limits;
mod links;
mod policy;
mod prices;
mod rows;
mod sharing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use build::App;
pub use policy::{PolicyError, policy};
pub use prices::table;
pub use rows::{RowProblem, rows};

use crate::config::{Loaded, Problems, Reload, Settings, needs_restart};
use crate::evolink::ClientError;
use crate::generation::Generations;
use crate::generation::journal::JournalError;
use crate::keys::MintedKeysError;
use crate::media::{BucketError, FetchBuildError};
use crate::server::listener::{self, Limits, Shutdown};
use crate::server::{Admin, Gateway, ReloadDesk, ReloadOutcome, UpstreamView};
use crate::store::OpenError;

/// The last part of the drain time: whoever still waits is answered with a 503 that clients repeat elsewhere.
const GIVE_UP_BEFORE_END: Duration = Duration::from_secs(5);

/// Why a gateway could not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} ({setting}): {error}")]
    Listen { setting: &'static str, address: SocketAddr, error: std::io::Error },
    #[error("no client for Evolink's API: {0} (are there CA certificates? SSL_CERT_FILE can name them)")]
    Upstream(#[from] ClientError),
    #[error("no client for pictures: {0} (are there CA certificates? SSL_CERT_FILE can name them)")]
    Media(#[from] FetchBuildError),
    #[error("no client for the bucket of images.s3: {0}")]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("the secret of links cannot be kept in {path} (state.path): {error}")]
    LinkSecret { path: String, error: std::io::Error },
    #[error(transparent)]
    State(#[from] OpenError),
    #[error("what earlier runs left cannot be taken up: {0}")]
    Journal(#[from] JournalError),
    #[error("the keys that earlier runs minted cannot be taken up: {0}")]
    Keys(#[from] MintedKeysError),
    #[error("a part of the gateway ended by itself, which is a bug")]
    Broken,
}

/// The bound sockets of both listeners.
pub struct Listeners {
    pub api: TcpListener,
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds `server.listen` and `server.admin_listen`.
    pub async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let bind = async |setting, address: SocketAddr| {
            TcpListener::bind(address).await.map_err(|error| StartError::Listen { setting, address, error })
        };
        Ok(Self {
            api: bind("server.listen", settings.server.listen).await?,
            admin: bind("server.admin_listen", settings.server.admin_listen).await?,
        })
    }
}

impl App {
    /// Takes up what an earlier run left, then serves until `shutdown` drains and the running answers are out, or it
    /// kills.
    pub async fn run(
        self,
        listeners: Listeners,
        reload: Option<(Reload, Loaded)>,
        shutdown: Shutdown,
    ) -> Result<(), StartError> {
        self.gateway.take_up_keys().await?;
        self.generations.recover().await?;
        let mut background = self.background;
        // Apart: the gateway goes on as it is when a reload panics.
        let mut watching = JoinSet::new();
        let mut reloads = ReloadDesk::default();
        if let Some((reload, loaded)) = reload {
            let mut reloading = Reloading {
                gateway: Arc::clone(&self.gateway),
                client: self.client,
                settings: loaded.settings,
                desk: ReloadDesk::new(Arc::clone(&reload.now)),
            };
            reloads = reloading.desk.clone();
            let desk = reloads.clone();
            let begin = move || desk.begin();
            let apply = move |outcome| reloading.apply(outcome);
            watching.spawn(crate::config::watch(reload, loaded.files, begin, apply));
        }
        let (balance, looks_per_second) = (self.account.balance.subscribe(), self.looks_per_second);
        background.spawn(self.account.follow(self.account_every));
        let generations = self.generations.clone();
        let upstream = move || UpstreamView {
            breaker: Some(generations.upstream_health()),
            balance: *balance.borrow(),
            looks_per_second,
        };
        let loopback = listeners.admin.local_addr().is_ok_and(|at| at.ip().to_canonical().is_loopback());
        let for_operators = Admin { loopback, reloads, upstream: Arc::new(upstream) };
        let admin_shutdown = Shutdown::new();
        let admin = crate::server::admin(Arc::clone(&self.gateway), shutdown.clone(), for_operators);
        let admin = listener::serve(listeners.admin, admin, Limits::default(), admin_shutdown.clone());
        background.spawn(admin);
        let api = crate::server::api(Arc::clone(&self.gateway), self.cors_origins, shutdown.clone());
        let api = listener::serve(listeners.api, api, Limits::default(), shutdown.clone());
        let ending = end(&self.gateway, &self.generations, self.drain, &shutdown);
        let serving = async {
            api.await;
            if self.durable {
                // The next start goes on with what nobody waits for here any more.
                self.generations.put_away().await;
                return;
            }
            // What was bought is seen to its end, awaited or not: nothing remembers it afterwards.
            tokio::select! {
                () = self.gateway.settled() => {}
                () = shutdown.killed() => {}
            }
        };
        let mut serving = std::pin::pin!(serving);
        let outcome = tokio::select! {
            () = &mut serving => Ok(()),
            never = ending => never,
            () = lost(&mut background) => {
                self.gateway.give_up();
                shutdown.drain();
                // An elapsed time is the bound doing its work.
                let _elapsed = timeout(GIVE_UP_BEFORE_END, &mut serving).await;
                Err(StartError::Broken)
            }
        };
        admin_shutdown.kill();
        tokio::join!(stop(background), stop(watching));
        tracing::info!("stopped");
        outcome
    }
}

/// The drain, from its beginning to the cutting off of what is left then; the serving ends by it.
async fn end<T>(gateway: &Gateway, generations: &Generations, drain: Duration, shutdown: &Shutdown) -> T {
    shutdown.draining().await;
    tracing::info!(seconds = drain.as_secs(), "draining: running answers are finished, new requests refused");
    // They are refused from now on, as all requests.
    generations.expect_no_callbacks();
    let last = GIVE_UP_BEFORE_END.min(drain / 2);
    tokio::time::sleep(drain.saturating_sub(last)).await;
    gateway.give_up();
    tokio::time::sleep(last).await;
    shutdown.kill();
    std::future::pending().await
}

/// Returns when a part that is to run as long as the gateway has ended all the same. Without the watcher nobody would
/// have an answer, and without its bookkeeping no end would be written down: another process does better.
async fn lost(background: &mut JoinSet<()>) {
    let Some(ended) = background.join_next().await else { return std::future::pending().await };
    let cause = ended.err().map(|error| error.to_string());
    tracing::error!(
        cause,
        "a part of the gateway ended by itself: the process ends, and its next start goes on"
    );
}

async fn stop(mut background: JoinSet<()>) {
    background.abort_all();
    while background.join_next().await.is_some() {}
}

/// What a reload changes in the running gateway.
struct Reloading {
    gateway: Arc<Gateway>,
    client: Arc<crate::evolink::Client>,
    /// Those of the start: what needs a restart holds until then, however often others are loaded.
    settings: Settings,
    /// Where reloads are asked for, and their outcomes told.
    desk: ReloadDesk,
}

impl Reloading {
    fn apply(&mut self, outcome: Result<Loaded, Problems>) {
        let outcome = match outcome {
            Ok(loaded) => self.take(&loaded),
            Err(problems) => {
                tracing::error!(%problems, "the changed configuration has problems; the old one stays in force");
                Err(problems.to_string())
            }
        };
        self.gateway.note_reload(outcome.is_ok());
        self.desk.end(&outcome);
    }

    fn take(&mut self, loaded: &Loaded) -> ReloadOutcome {
        let policy = policy(&loaded.settings).map_err(|error| {
            tracing::error!(%error, "the changed configuration cannot be used; the old one stays in force");
            error.to_string()
        })?;
        self.client.set_api_key(&loaded.settings.evolink.api_key.to_secret()).map_err(|error| {
            tracing::error!(%error, "the changed evolink.api_key cannot be used; the old configuration stays in force");
            format!("evolink.api_key: {error}")
        })?;
        // First: whoever the policy lets in has its limits already.
        self.gateway.set_limits(limits::book(&loaded.settings));
        self.gateway.set_cache_rules(sharing::rules(&loaded.settings));
        self.gateway.set_policy(policy);
        self.gateway.set_micro_credits_per_usd(loaded.settings.pricing.credits_per_usd.micros());
        let waiting = needs_restart(&self.settings, &loaded.settings);
        for path in &waiting {
            tracing::warn!(%path, "this changed setting holds after a restart");
        }
        tracing::info!("the configuration was reloaded");
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests;
