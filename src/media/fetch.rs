//! Fetching a finished picture from a result link: guarded, bounded, without credentials.
//!
//! One picture is at most two requests: a body that was cut, a connection that failed, a 5xx or a time-out
//! is asked for once more from the start. What arrives is believed only after a look at its bytes.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Proxy, Response, Url, redirect};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::guard::{Guard, HostError, Refusal};
use super::picture::{Picture, PictureError};
use crate::telemetry::{Call, CallStatus, Metrics};

/// The default User-Agent of a library gets 403 from the media host; this one names the product.
const USER_AGENT: &str = concat!("evolink-gateway/", env!("CARGO_PKG_VERSION"), " (+image gateway)");

/// An idle connection is dropped before the media host's CDN drops it.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// Bounds of fetching.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Lets http links and private addresses pass (simulator, tests).
    pub allow_private: bool,
    /// Egress proxy, as a URL. The system's proxy settings are never used.
    pub proxy: Option<String>,
    /// `None`: the product's own.
    pub user_agent: Option<String>,
    pub connect_timeout: Duration,
    /// Longest silence of the peer.
    pub read_timeout: Duration,
    /// Longest time of one request, its body included. A picture is at most two requests.
    pub total_timeout: Duration,
    /// Largest picture file.
    pub max_bytes: u64,
    /// Requests at once; more wait.
    pub concurrent: usize,
    /// Mean pause before the second request; jittered by half.
    pub retry_pause: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            allow_private: false,
            proxy: None,
            user_agent: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(15),
            total_timeout: Duration::from_mins(1),
            max_bytes: 64 * 1024 * 1024,
            concurrent: 32,
            retry_pause: Duration::from_millis(250),
        }
    }
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum FetchBuildError {
    #[error("the proxy is not a valid URL")]
    Proxy,
    #[error("no HTTP client for pictures (are there CA certificates?)")]
    Client(#[source] reqwest::Error),
}

/// Why there is no picture. Never tells the link: its query is a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the picture's link is refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the media host answered {0}")]
    Status(u16),
    #[error("the picture is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the connection was cut before the picture's end")]
    Cut,
    #[error("the media host did not answer in time")]
    Timeout,
    #[error("the media host could not be reached")]
    Connect,
    #[error("the file is not a PNG, JPEG or WebP picture")]
    NotAPicture,
    #[error("the file at the link lacks its end")]
    Incomplete,
    #[error("the file at the link is empty")]
    Empty,
}

impl FetchError {
    /// Whether the same link may give the picture later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Cut | Self::Timeout | Self::Connect => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Refused(_) | Self::TooLarge(_) | Self::NotAPicture | Self::Incomplete | Self::Empty => {
                false
            }
        }
    }

    /// A media host that says "slow down" is not asked again at once.
    const fn is_worth_asking_again(&self) -> bool {
        self.is_transient() && !matches!(self, Self::Status(429))
    }
}

/// A media host without a network, for runs on paused time.
#[cfg(test)]
pub(crate) trait MediaHost: Send + Sync {
    /// The answer to one request.
    fn get<'a>(&'a self, link: &'a str) -> futures_util::future::BoxFuture<'a, Result<Picture, FetchError>>;
}

/// Fetches pictures, a bounded number at once. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    #[cfg(test)]
    host: Option<Arc<dyn MediaHost>>,
    metrics: Option<Arc<Metrics>>,
    guard: Guard,
    permits: Arc<Semaphore>,
    max_bytes: u64,
    retry_pause: Duration,
    behind_proxy: bool,
}

impl Fetcher {
    pub fn new(options: FetchOptions) -> Result<Self, FetchBuildError> {
        let guard = Guard::new(options.allow_private);
        Self::with_guard(options, guard)
    }

    fn with_guard(options: FetchOptions, guard: Guard) -> Result<Self, FetchBuildError> {
        let behind_proxy = options.proxy.is_some();
        let guard = guard.behind_proxy(behind_proxy);
        let client = Client::builder()
            .user_agent(options.user_agent.as_deref().unwrap_or(USER_AGENT))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .timeout(options.total_timeout)
            .pool_idle_timeout(IDLE_CONNECTION);
        let client = match options.proxy {
            // The client's resolver then finds the proxy, which may well be inside: links are judged first.
            Some(proxy) => client.proxy(Proxy::all(proxy).map_err(|_| FetchBuildError::Proxy)?),
            None => client.dns_resolver(guard.clone()),
        };
        Ok(Self {
            client: client.build().map_err(|error| FetchBuildError::Client(error.without_url()))?,
            #[cfg(test)]
            host: None,
            metrics: None,
            guard,
            permits: Arc::new(Semaphore::new(options.concurrent.max(1))),
            max_bytes: options.max_bytes,
            retry_pause: options.retry_pause,
            behind_proxy,
        })
    }

    /// Counts every request from now on.
    #[must_use]
    pub fn counted(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Asks this host instead of the network.
    #[cfg(test)]
    pub(crate) fn of(host: Arc<dyn MediaHost>) -> Self {
        // Reading the certificates takes longer than a whole run on paused time.
        static WITHOUT: std::sync::LazyLock<Fetcher> =
            std::sync::LazyLock::new(|| Fetcher::new(FetchOptions::default()).unwrap());
        let permits = Arc::new(Semaphore::new(FetchOptions::default().concurrent));
        Self { host: Some(host), permits, ..WITHOUT.clone() }
    }

    /// The picture behind a result link, whole and of a known format and size.
    pub async fn fetch(&self, url: &str) -> Result<Picture, FetchError> {
        let url = self.guard.check_url(url)?;
        match self.request(&url).await {
            Err(error) if error.is_worth_asking_again() => {
                tracing::debug!(host = url.host_str(), %error, "a picture was not fetched, asking once more");
                tokio::time::sleep(self.retry_pause.mul_f64(rand::random_range(0.5..1.5))).await;
                self.request(&url).await
            }
            outcome => outcome,
        }
    }

    async fn request(&self, url: &Url) -> Result<Picture, FetchError> {
        // Never closed; held only while bytes can flow.
        let _permit = self.permits.acquire().await.ok();
        #[cfg(test)]
        if let Some(host) = &self.host {
            return host.get(url.as_str()).await;
        }
        let (begun, mut status) = (Instant::now(), None);
        let outcome = self.exchange(url, &mut status).await;
        if let Some(metrics) = &self.metrics {
            metrics.upstream(Call::Media, ended(&outcome, status), begun.elapsed().as_secs_f64());
        }
        outcome
    }

    async fn exchange(&self, url: &Url, status: &mut Option<u16>) -> Result<Picture, FetchError> {
        if self.behind_proxy {
            self.guard.check_host(url).await.map_err(|error| refused_host(&error))?;
        }
        let response = self.client.get(url.clone()).send().await.map_err(|error| failed(&error))?;
        let code = response.status().as_u16();
        *status = Some(code);
        match code {
            200 => {}
            300..=399 => return Err(Refusal::Redirect.into()),
            code => return Err(FetchError::Status(code)),
        }
        let promised = response.content_length();
        let bytes = self.body(response, promised).await?;
        Picture::read(bytes).map_err(|error| match error {
            PictureError::Empty => FetchError::Empty,
            PictureError::NotAPicture => FetchError::NotAPicture,
            // Without a promised length nothing else would have told that the connection broke.
            PictureError::Incomplete if promised.is_none() => FetchError::Cut,
            PictureError::Incomplete => FetchError::Incomplete,
        })
    }

    /// Collects the body: at once in the promised size, or growing up to the limit.
    async fn body(&self, mut response: Response, promised: Option<u64>) -> Result<Bytes, FetchError> {
        let too_large = FetchError::TooLarge(self.max_bytes);
        let limit = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        let promised = match promised.map(usize::try_from) {
            Some(Ok(promised)) if promised <= limit => Some(promised),
            Some(_) => return Err(too_large),
            None => None,
        };
        let mut body = Vec::with_capacity(promised.unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if chunk.len() > limit.saturating_sub(body.len()) {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        match promised {
            Some(promised) if body.len() < promised => Err(FetchError::Cut),
            Some(_) => Ok(body.into()),
            // A grown buffer has up to twice the room it needs: give the rest back.
            None => Ok(body.into_boxed_slice().into()),
        }
    }
}

/// How a request ended, for the metrics: by its status unless the answer broke off.
const fn ended(outcome: &Result<Picture, FetchError>, status: Option<u16>) -> CallStatus {
    match (outcome, status) {
        (Err(FetchError::Timeout), _) => CallStatus::Timeout,
        (Err(FetchError::Cut), _) | (Ok(_), None) => CallStatus::Broken,
        (_, Some(status)) => CallStatus::Http(status),
        (Err(FetchError::Refused(_)), None) => CallStatus::Refused,
        (Err(_), None) => CallStatus::Connect,
    }
}

/// Sorts a client error by what can be done about it. The error's own text names the link; its root cause
/// (a certificate, a reset) does not, and is kept for the log.
fn failed(error: &reqwest::Error) -> FetchError {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    if let Some(refused) = causes().find_map(|cause| cause.downcast_ref::<HostError>()) {
        return refused_host(refused);
    }
    if let Some(root) = causes().last() {
        tracing::debug!(cause = %root, "a picture's request failed");
    }
    if error.is_builder() {
        Refusal::NotAUrl.into()
    } else if error.is_connect() {
        FetchError::Connect
    } else if error.is_timeout() {
        FetchError::Timeout
    } else {
        FetchError::Cut
    }
}

const fn refused_host(error: &HostError) -> FetchError {
    match error {
        HostError::Private => FetchError::Refused(Refusal::PrivateAddress),
        HostError::Timeout | HostError::Unresolved(_) => FetchError::Connect,
    }
}

#[cfg(test)]
mod tests;
