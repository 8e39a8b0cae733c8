//! [`Upstream`] over HTTP: the one place where Evolink's key is put on a request.

mod files;
mod list;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Proxy, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::exchange::{Answer, exchange};
use super::{
    CallError, CallFuture, CreateBody, Credit, FileId, Task, TaskId, TaskList, Upload, UploadedFile,
    Upstream, UpstreamKey, decode, problem,
};
use crate::telemetry::{Call, Metrics};

/// Ids one batch query may name, by Evolink's page.
pub const BATCH_IDS_MAX: usize = 50;

/// Creates under way at once. A create takes a fraction of a second, a thousand at once would open a thousand
/// connections; the others wait their turn.
const CREATES_AT_ONCE_MAX: usize = 64;
/// Longest wait for a turn; then nothing was sent.
const TURN_MAX: Duration = Duration::from_secs(20);
/// Queries under way at once, apart from creates so that neither starves the other.
const QUERIES_AT_ONCE_MAX: usize = 64;
const IDLE_CONNECTIONS_MAX: usize = 64;
/// Below the 60 s after which common load balancers drop an idle connection.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// Finds a dead HTTP/2 connection before every call on it has timed out.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// What a [`Client`] needs to know.
#[derive(Clone)]
pub struct Options {
    pub api_key: SecretString,
    /// For example `https://api.evolink.ai`; may have a path.
    pub base_url: String,
    /// For example `https://files-api.evolink.ai`; uploads go there.
    pub files_url: String,
    /// Egress proxy; none means none, whatever the environment says.
    pub proxy: Option<String>,
    /// To a connection with TLS.
    pub connect_timeout: Duration,
    /// A whole query; a create has the patience it is called with.
    pub read_timeout: Duration,
}

impl Options {
    /// Evolink's production hosts and the time-outs of its own client.
    pub fn new(api_key: SecretString) -> Self {
        Self {
            api_key,
            base_url: "https://api.evolink.ai".to_owned(),
            files_url: "https://files-api.evolink.ai".to_owned(),
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
        }
    }
}

/// Why a client could not be made or its key not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("evolink.{setting} is not a plain http or https URL")]
    Url { setting: &'static str },
    #[error("the Evolink API key is empty or has characters that no key has")]
    Key,
    #[error("evolink.proxy is not a proxy's URL")]
    Proxy,
    #[error("the HTTP client cannot be built (are CA certificates installed?): {0}")]
    Build(#[source] reqwest::Error),
}

/// Evolink over HTTP. Redirects are not followed, answers not decompressed, and the key goes to the hosts of
/// `base_url` and `files_url` only.
pub struct Client {
    http: reqwest::Client,
    metrics: Arc<Metrics>,
    /// `Bearer …`, marked sensitive.
    authorization: ArcSwap<HeaderValue>,
    /// How often it was changed.
    keys: AtomicU64,
    creates_url: Url,
    batch_url: Url,
    credits_url: Url,
    list_url: Url,
    /// `…/v1/tasks/`, to be followed by an id.
    task_url: String,
    /// `…/api/v1/files`.
    files_url: String,
    read_timeout: Duration,
    creates: Semaphore,
    queries: Semaphore,
    turn_max: Duration,
}

impl Client {
    pub fn new(options: Options, metrics: Arc<Metrics>) -> Result<Self, ClientError> {
        let http = http_client(&options)?;
        let Options { api_key, base_url, files_url, read_timeout, .. } = options;
        let base = plain_url("base_url", &base_url)?;
        let files = plain_url("files_url", &files_url)?;
        let at = |path: &str| {
            Url::parse(&format!("{base}{path}")).map_err(|_| ClientError::Url { setting: "base_url" })
        };
        Ok(Self {
            http,
            metrics,
            authorization: ArcSwap::from_pointee(bearer(&api_key)?),
            keys: AtomicU64::new(0),
            creates_url: at("/v1/images/generations")?,
            batch_url: at("/v1/tasks/batch")?,
            credits_url: at("/v1/credits")?,
            list_url: at("/v1/tasks")?,
            task_url: format!("{base}/v1/tasks/"),
            files_url: format!("{files}/api/v1/files"),
            read_timeout,
            creates: Semaphore::new(CREATES_AT_ONCE_MAX),
            queries: Semaphore::new(QUERIES_AT_ONCE_MAX),
            turn_max: TURN_MAX,
        })
    }

    /// Calls from now on use this key; those under way end with the old one.
    pub fn set_api_key(&self, key: &SecretString) -> Result<(), ClientError> {
        let key = Arc::new(bearer(key)?);
        if *self.authorization.swap(Arc::clone(&key)) != *key {
            self.keys.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Another number after each change of the key: what upstream counts may be another account's then.
    pub fn key_number(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    async fn send(
        &self,
        call: Call,
        places: &Semaphore,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let Ok(Ok(_place)) = timeout(self.turn_max, places.acquire()).await else {
            return Err(CallError::Connect("too many calls under way".to_owned()));
        };
        // The patience is for upstream: it does not begin before the call does.
        self.send_now(call, request, patience).await
    }

    async fn send_now(
        &self,
        call: Call,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let key = HeaderValue::clone(&self.authorization.load());
        let request = request.header(AUTHORIZATION, key).header(ACCEPT, "application/json");
        exchange(&self.metrics, call, request, Instant::now() + patience).await
    }

    fn query(&self, call: Call, request: RequestBuilder) -> impl Future<Output = Result<Answer, CallError>> {
        self.send(call, &self.queries, request, self.read_timeout)
    }
}

impl Upstream for Client {
    fn create<'a>(
        &'a self,
        key: &'a UpstreamKey,
        body: CreateBody,
        patience: Duration,
    ) -> CallFuture<'a, Task> {
        Box::pin(async move {
            let request = self.http.post(self.creates_url.clone()).header(CONTENT_TYPE, "application/json");
            let request = request.header("idempotency-key", key.as_str()).body(body);
            decode::task(&self.send(Call::Create, &self.creates, request, patience).await?)
        })
    }

    fn task<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, Task> {
        Box::pin(async move {
            if !decode::is_id(id.as_str()) {
                return Err(CallError::TaskNotFound);
            }
            let request = self.http.get(format!("{}{id}", self.task_url));
            let answer = self.query(Call::Task, request).await?;
            let task = match decode::task(&answer) {
                Err(CallError::Missing) if problem::is_about_a_task(&answer.body) => {
                    return Err(CallError::TaskNotFound);
                }
                result => result?,
            };
            if task.id == *id {
                return Ok(task);
            }
            // one client's picture must never be handed to another
            Err(CallError::Malformed {
                status: answer.status,
                detail: "about another task than asked for".to_owned(),
            })
        })
    }

    fn batch<'a>(&'a self, ids: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        Box::pin(async move {
            let asked: Vec<_> = ids.iter().take(BATCH_IDS_MAX).map(TaskId::as_str).collect();
            let request = self.http.post(self.batch_url.clone()).header(CONTENT_TYPE, "application/json");
            let request = request.body(json!({ "task_ids": asked }).to_string());
            match decode::batch(&self.query(Call::Batch, request).await?) {
                Ok(mut tasks) => {
                    tasks.retain(|task| asked.contains(&task.id.as_str()));
                    Ok(tasks)
                }
                Err(CallError::TaskNotFound) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        })
    }

    fn tasks_since<'a>(&'a self, model: &'a str, since: i64) -> CallFuture<'a, TaskList> {
        Box::pin(self.list(model, since))
    }

    fn cancel<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, ()> {
        Box::pin(async move {
            if !decode::is_id(id.as_str()) {
                return Err(CallError::TaskNotFound);
            }
            let request = self.http.delete(format!("{}{id}", self.task_url));
            decode::done(&self.query(Call::Cancel, request).await?)
        })
    }

    fn upload(&self, upload: Upload) -> CallFuture<'_, UploadedFile> {
        Box::pin(self.upload_file(upload))
    }

    fn delete_file<'a>(&'a self, id: &'a FileId) -> CallFuture<'a, ()> {
        Box::pin(self.remove_file(id))
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        Box::pin(async move {
            let credit =
                decode::credits(&self.query(Call::Credits, self.http.get(self.credits_url.clone())).await?)?;
            self.metrics.credits_remaining(credit.remaining);
            Ok(credit)
        })
    }
}

fn http_client(options: &Options) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("evolink-gateway/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_PATIENCE)
        .tcp_nodelay(true);
    let builder = match &options.proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(|_| ClientError::Proxy)?),
        None => builder,
    };
    builder.build().map_err(ClientError::Build)
}

fn bearer(key: &SecretString) -> Result<HeaderValue, ClientError> {
    let key = key.expose_secret().trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(ClientError::Key);
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ClientError::Key)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The URL without a slash at its end; refused with credentials, query or fragment.
fn plain_url(setting: &'static str, text: &str) -> Result<String, ClientError> {
    let wrong = || ClientError::Url { setting };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain || !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
