//! How a test's gateway and simulator are set up: quick, unless the test says otherwise.

use std::time::Duration;

use evolink_gateway::app::{App, Listeners};
use evolink_gateway::catalog::Catalog;
use evolink_gateway::clock::Clock;
use evolink_gateway::config::{self, Checks, Environment, Loaded, Reload, Source};
use evolink_gateway::server::Patience;
use evolink_gateway::server::listener::Shutdown;
use evolink_gateway::simulator::{self, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::harness::Harness;
use super::{Books, DESIGN_KEY, EXPIRING_KEY, PRINT_KEY, STRICT_KEY, UPSTREAM_KEY, log};

/// Settings of one test.
pub(crate) struct Setup {
    config: Value,
    pub(crate) simulator: simulator::Options,
    clock: Clock,
    file: Option<std::path::PathBuf>,
    patience: Patience,
    account_every: Option<Duration>,
    books: Option<Books>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let simulator = simulator::Options {
            latency: Some((Duration::from_millis(20), Duration::from_millis(60))),
            estimated_time: 0,
            api_keys: vec![UPSTREAM_KEY.to_owned()],
            ..simulator::Options::default()
        };
        Self {
            config: usual(),
            simulator,
            clock: Clock::system(),
            file: None,
            patience: Patience::default(),
            account_every: None,
            books: None,
        }
    }

    /// Merges settings over the usual ones, as JSON, which is YAML too.
    pub(crate) fn config(mut self, patch: &Value) -> Self {
        merge(&mut self.config, patch);
        self
    }

    pub(crate) fn simulator(mut self, change: impl FnOnce(&mut simulator::Options)) -> Self {
        change(&mut self.simulator);
        self
    }

    /// The gateway's wall clock stands still at this second, until the test moves it.
    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Shortens times that no setting changes.
    pub(crate) fn patience(mut self, change: impl FnOnce(&mut Patience)) -> Self {
        change(&mut self.patience);
        self
    }

    /// The account at upstream is looked at so often.
    pub(crate) fn account_every(mut self, every: Duration) -> Self {
        self.account_every = Some(every);
        self
    }

    /// The settings are written to this file, which is watched.
    pub(crate) fn file(mut self, path: std::path::PathBuf) -> Self {
        self.file = Some(path);
        self
    }

    /// The state is kept in a folder of the test's own, where its end looks at the books.
    pub(crate) fn kept(mut self) -> Self {
        let books = Books::own();
        merge(&mut self.config, &json!({"state": {"store": "embedded", "path": books.folder()}}));
        self.books = Some(books);
        self
    }

    /// The state ends with the process.
    pub(crate) fn forgetful(mut self) -> Self {
        merge(&mut self.config, &json!({"state": {"store": "memory"}}));
        self.books = None;
        self
    }

    pub(crate) async fn start(self) -> Harness {
        log::start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, self.simulator).await;
        let mut config = json!({"evolink": {"base_url": simulator.url(), "files_url": simulator.url()}});
        merge(&mut config, &self.config);
        let source = match &self.file {
            Some(path) => {
                std::fs::write(path, config.to_string()).unwrap();
                Source::File(path.clone())
            }
            None => Source::Text(config.to_string()),
        };
        let reload = Reload {
            source,
            environment: Environment::default(),
            checks: checks(),
            now: std::sync::Arc::default(),
        };
        let loaded = load(&reload);
        let mut app = App::build(&loaded.settings, self.clock).unwrap();
        std::sync::Arc::get_mut(&mut app.gateway).expect("nobody else has it yet").patience = self.patience;
        app.account_every = self.account_every.unwrap_or(app.account_every);
        let listeners = Listeners::bind(&loaded.settings).await.unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let (api, admin) = (address(&listeners.api), address(&listeners.admin));
        let (shutdown, now) = (Shutdown::new(), std::sync::Arc::clone(&reload.now));
        let per_second = loaded.settings.evolink.poll.per_second;
        let mut running = JoinSet::new();
        let served = app.run(listeners, Some((reload, loaded)), shutdown.clone());
        running.spawn(async move { served.await.unwrap() });
        let mut house = Harness::new(simulator, api, admin, shutdown, running, now, config, per_second);
        house.books = self.books;
        house
    }
}

fn load(reload: &Reload) -> Loaded {
    config::load(&reload.source, &reload.environment, &reload.checks)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn checks() -> Checks {
    let known_models = Catalog::model_ids();
    Checks { known_models, allow_missing_secrets: false }
}

fn usual() -> Value {
    json!({
        "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "drain": "20s"},
        "evolink": {
            "api_key": UPSTREAM_KEY,
            "allow_private_media": true,
            "poll": {"min": "10ms", "max": "8s", "per_second": 200},
        },
        "generation": {"queue_timeout": "20s", "attempts": 1},
        "images": {"store": "none"},
        "state": {"store": "memory", "path": std::env::temp_dir().join("evolink-gateway-it")},
        "teams": [
            {"name": "design", "keys": [
                {"name": "ci", "secret": DESIGN_KEY},
                {"name": "old", "secret": EXPIRING_KEY, "expires": "2026-01-01T01:00:00Z"},
            ]},
            {"name": "print", "keys": [{"name": "press", "secret": PRINT_KEY}], "models": []},
            {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}], "strict": true},
        ],
    })
}

/// Objects are merged, everything else is replaced.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}
