//! A running gateway with its simulator, and the assertions that end every test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evolink_gateway::server::listener::Shutdown;
use evolink_gateway::simulator::{LedgerView, Simulator};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{
    Answer, Books, DESIGN_KEY, EXPIRING_KEY, Metrics, PATIENCE, PRINT_KEY, PROMPT_CANARY, Raw, STRICT_KEY,
    Setup,
};
use super::{UPSTREAM_KEY, log};

/// Words of upstream's bodies that are nobody's business but the operator's.
const UPSTREAM_SECRETS: [&str; 6] =
    [UPSTREAM_KEY, "simulator-key", "account_balance", "estimated_credits", "request id:", "169.254.169.254"];
/// Pause between two looks at something that is about to become true.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) struct Harness {
    pub(crate) simulator: Simulator,
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) shutdown: Shutdown,
    /// Asks for a reload of the configuration.
    pub(crate) reload: Arc<Notify>,
    /// The configuration as it was written down.
    pub(crate) config: Value,
    pub(crate) http: reqwest::Client,
    /// Of a gateway whose state is kept.
    pub(super) books: Option<Books>,
    running: JoinSet<()>,
    per_second: u32,
    /// Bodies and heads of all answers that carried no picture.
    said: Mutex<Vec<String>>,
}

impl Harness {
    #[expect(clippy::too_many_arguments, reason = "called once, by the setup")]
    pub(super) fn new(
        simulator: Simulator,
        api: SocketAddr,
        admin: SocketAddr,
        shutdown: Shutdown,
        running: JoinSet<()>,
        reload: Arc<Notify>,
        config: Value,
        per_second: u32,
    ) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self {
            simulator,
            api,
            admin,
            shutdown,
            reload,
            config,
            http,
            books: None,
            running,
            per_second,
            said: Mutex::default(),
        }
    }

    /// With the usual quick settings.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    pub(crate) async fn with(config: Value) -> Self {
        Setup::new().config(&config).start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    /// A request to the API by team `design`.
    pub(crate) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(DESIGN_KEY)
    }

    /// A generation request by team `design`. The prompt canary is added to its prompt.
    pub(crate) fn generation(&self, body: Value) -> reqwest::RequestBuilder {
        self.generation_by(DESIGN_KEY, body)
    }

    pub(crate) fn generation_by(&self, key: &str, mut body: Value) -> reqwest::RequestBuilder {
        if let Some(Value::String(prompt)) = body.get_mut("prompt") {
            *prompt = format!("{prompt} {PROMPT_CANARY}");
        }
        let request = self.http.post(self.url("/v1/images/generations")).bearer_auth(key);
        request.header("content-type", "application/json").body(body.to_string())
    }

    /// The answer to a request.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = Answer::read(request.send().await.expect("no answer")).await;
        self.remember(&answer);
        answer
    }

    /// The answer to a generation request by team `design`.
    pub(crate) async fn generate(&self, body: Value) -> Answer {
        self.send(self.generation(body)).await
    }

    /// One small picture of this prompt.
    pub(crate) async fn draw(&self, prompt: &str) -> Answer {
        self.generate(small(prompt)).await
    }

    /// The same answer from a JSON text as it stands.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.ask(Method::POST, "/v1/images/generations");
        self.send(request.header("content-type", "application/json").body(body)).await
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(self.api).await
    }

    pub(crate) fn ledger(&self) -> LedgerView {
        self.simulator.ledger()
    }

    /// The books of a gateway whose state is kept.
    pub(crate) fn books(&self) -> &Books {
        self.books.as_ref().expect("set up without `kept`")
    }

    /// Asserts how many tasks upstream has made, and that as many keys were used.
    #[track_caller]
    pub(crate) fn has_tasks(&self, count: usize) {
        let ledger = self.ledger();
        assert_eq!(ledger.tasks.len(), count, "{:?}", ledger.totals);
        let mut keys: Vec<_> =
            ledger.tasks.iter().map(|task| task.idempotency_key.clone().expect("no key")).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "each task has its own key");
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::new(self.admin("/metrics").await.text())
    }

    /// An answer of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let response = self.http.get(format!("http://{}{path}", self.admin)).send().await.expect("no answer");
        Answer::read(response).await
    }

    /// Waits until the ledger shows what `is_there` looks for.
    pub(crate) async fn until(&self, what: &str, is_there: impl Fn(&LedgerView) -> bool) -> LedgerView {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ledger = self.ledger();
            if is_there(&ledger) {
                return ledger;
            }
            assert!(Instant::now() < deadline, "never came: {what}: {:?}", ledger.totals);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the metrics show what `is_there` looks for.
    pub(crate) async fn until_metrics(&self, what: &str, is_there: impl Fn(&Metrics) -> bool) -> Metrics {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics().await;
            if is_there(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "never came: {what}\n{}", metrics.text());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends a test whose work upstream goes on: only the secrets are looked after.
    pub(crate) async fn abandon(mut self) {
        let metrics = self.metrics().await;
        self.keeps_secrets(metrics.text());
        self.shutdown.kill();
        timeout(PATIENCE, self.running.join_next()).await.expect("the gateway does not end");
    }

    /// Ends a test that told the gateway to stop: it must have stopped, or do so soon.
    pub(crate) async fn has_ended(mut self) {
        let ended = timeout(PATIENCE, self.running.join_next()).await.expect("the gateway does not end");
        ended.unwrap().expect("the gateway panicked");
        assert_eq!(self.ledger().leaks, Vec::<String>::new(), "keys at the media host");
        self.keeps_secrets("");
    }

    /// Ends the test: nothing may be left running, nothing may have leaked, and the gateway must drain at once.
    pub(crate) async fn finish(mut self) {
        let metrics = self
            .until_metrics("an empty house", |metrics| {
                ["waiting_requests", "running_generations", "queued_generations"]
                    .iter()
                    .all(|gauge| metrics.sum(gauge, &[]) == 0.0)
            })
            .await;
        let ledger = self.ledger();
        assert_eq!(ledger.leaks, Vec::<String>::new(), "keys at the media host");
        assert_eq!(ledger.totals.media_refused, 0, "the media host takes the gateway's User-Agent");
        if let Some(books) = &self.books {
            books.agree_with(|| self.ledger()).await;
        }
        let rate = ledger.totals.calls_per_second_max;
        assert!(rate <= self.per_second, "{rate} looks in a second");
        self.keeps_secrets(metrics.text());
        self.shutdown.drain();
        let ended = timeout(PATIENCE, self.running.join_next()).await.expect("the gateway does not end");
        ended.unwrap().expect("the gateway panicked");
        timeout(PATIENCE, self.simulator.stop()).await.expect("the simulator does not end");
    }

    fn keeps_secrets(&self, metrics: &str) {
        let team_keys = [DESIGN_KEY, PRINT_KEY, EXPIRING_KEY, STRICT_KEY, PROMPT_CANARY];
        let places = [("the metrics", metrics.to_owned()), ("the answers", self.said())];
        for (place, text) in places {
            for secret in UPSTREAM_SECRETS.iter().chain(&team_keys) {
                assert!(!text.contains(secret), "{secret} in {place}: {text}");
            }
        }
        let logged = log::all();
        for secret in team_keys.iter().chain(&[UPSTREAM_KEY]) {
            let line = logged.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} in the log");
        }
    }

    fn remember(&self, answer: &Answer) {
        let text = if answer.status == 200 { String::new() } else { answer.text() };
        self.said.lock().unwrap().push(format!("{:?} {text}", answer.headers));
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

/// A request for one picture of the smallest size.
pub(crate) fn small(prompt: &str) -> Value {
    json!({"model": "gpt-image-2", "prompt": prompt, "size": "816x816", "quality": "low"})
}
