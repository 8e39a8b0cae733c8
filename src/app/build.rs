//! Building the parts of the house from the settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::balance::{Account, LOOK_EVERY};
use super::limits::book;
use super::links::{origins, own_links};
use super::sharing::rules;
use super::{StartError, policy};
use crate::cache::RuleBook;
use crate::clock::Clock;
use crate::config::settings::{self, Batch, ImageStore, StateStore};
use crate::config::{Secret, Settings};
use crate::evolink::{self, Client, Upstream};
use crate::generation::journal::Journal;
use crate::generation::watch::{Batching, PollBounds, WatchOptions, Watcher};
use crate::generation::{self, Generations, Keeping, OnDisconnect};
use crate::keys::{Mint, MintedKeys};
use crate::media::{
    BucketOptions, Converter, FetchOptions, Fetcher, Guard, PictureMemory, PictureStore, Spool,
};
use crate::quota::{Ledger, Quota};
use crate::server::{Gateway, Keepalive, Parts, ServerOptions};
use crate::store::{Engine, EngineJournal, EngineKeys, EngineLedger, MemoryJournal, OpenError};
use crate::telemetry::Metrics;

/// Pixels of the largest picture that is decoded to be converted: gpt-image-2's limit for inputs is far larger, but no
/// model makes more than 17 million.
const DECODED_PIXELS_MAX: u64 = 40_000_000;

/// A gateway built but not serving yet.
pub struct App {
    pub gateway: Arc<Gateway>,
    pub(super) generations: Generations,
    pub(super) client: Arc<Client>,
    pub(super) background: JoinSet<()>,
    pub(super) cors_origins: Vec<String>,
    pub(super) drain: Duration,
    /// The journal outlives the process.
    pub(super) durable: bool,
    pub(super) account: Account,
    /// Time between two looks at the account at Evolink; tests shorten it.
    pub account_every: Duration,
    pub(super) looks_per_second: u32,
}

impl App {
    /// Builds everything and opens the state; binds nothing, sends nothing. Needs a tokio runtime.
    pub fn build(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let client = Arc::new(Client::new(client_options(settings), Arc::clone(&metrics))?);
        let upstream: Arc<dyn Upstream> = client.clone();
        let fetcher = Fetcher::new(fetch_options(settings))?.counted(Arc::clone(&metrics));
        let (watcher, watching) =
            Watcher::new(Arc::clone(&upstream), watch_options(settings), Arc::clone(&metrics));
        let mut background = JoinSet::new();
        background.spawn(watching);
        let per_usd = settings.pricing.credits_per_usd.micros();
        let quota = Arc::new(Quota::new(book(settings), per_usd));
        let State { journal, ledger, keys } = state(settings)?;
        let (mint, minting) = Mint::new(keys, clock.clone());
        background.spawn(minting);
        let durable = settings.state.store != StateStore::Memory;
        let pictures = pictures(settings, &clock, &metrics)?;
        let own_links = pictures.clone().map(|store| own_links(settings, store)).transpose()?;
        let memory = PictureMemory::new(settings.cache.memory.as_usize());
        let keeping = Keeping {
            journal,
            pictures,
            keep: settings.images.keep,
            memory: memory.clone(),
            quota: Arc::clone(&quota),
            rules: RuleBook::new(rules(settings)),
        };
        let (generations, bookkeeping) = Generations::new(
            upstream,
            fetcher,
            watcher,
            keeping,
            generation_options(settings),
            Arc::clone(&metrics),
            clock.clone(),
        );
        background.spawn(bookkeeping);
        let account = Account {
            client: Arc::clone(&client),
            generations: generations.clone(),
            // Without a journal no end is settled.
            ledger: durable.then(|| Arc::clone(&ledger)),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            balance: watch::Sender::new(None),
        };
        let parts = Parts {
            generations: generations.clone(),
            quota,
            ledger,
            mint,
            memory,
            converter: converter(),
            guard: guard(settings),
            spool: Spool::new(settings.state.path.join("spool")),
            own_links,
            origins: origins(settings),
            metrics,
            clock,
        };
        let gateway = Gateway::new(policy(settings)?, parts, server_options(settings));
        Ok(Self {
            gateway: Arc::new(gateway),
            generations,
            client,
            background,
            cors_origins: settings.server.cors.origins.clone(),
            drain: settings.server.drain,
            durable,
            account,
            account_every: LOOK_EVERY,
            looks_per_second: settings.evolink.poll.per_second,
        })
    }
}

/// As many conversions at once as there are cores.
fn converter() -> Converter {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Converter::new(cores, DECODED_PIXELS_MAX)
}

fn guard(settings: &Settings) -> Guard {
    Guard::new(settings.evolink.allow_private_media).behind_proxy(settings.evolink.proxy.is_some())
}

fn fetch_options(settings: &Settings) -> FetchOptions {
    FetchOptions {
        allow_private: settings.evolink.allow_private_media,
        proxy: proxy(settings),
        ..FetchOptions::default()
    }
}

/// What is kept of the gateway's work, by those who read it.
struct State {
    journal: Arc<dyn Journal>,
    ledger: Arc<dyn Ledger>,
    keys: Arc<dyn MintedKeys>,
}

fn state(settings: &Settings) -> Result<State, OpenError> {
    match settings.state.store {
        StateStore::Memory => {
            let engine = Engine::in_memory()?;
            let keys = Arc::new(EngineKeys::new(engine.clone()));
            let journal = MemoryJournal::new(engine);
            let ledger = Arc::new(journal.ledger());
            Ok(State { journal: Arc::new(journal), ledger, keys })
        }
        // Redis is not there yet: its setting says so, and the embedded database stands in.
        StateStore::Embedded | StateStore::Redis => {
            let engine = Engine::open(&settings.state.path)?;
            let keys = Arc::new(EngineKeys::new(engine.clone()));
            let journal = Arc::new(EngineJournal::new(engine.clone()));
            Ok(State { journal, ledger: Arc::new(EngineLedger::new(engine)), keys })
        }
    }
}

fn pictures(
    settings: &Settings,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<Option<PictureStore>, StartError> {
    let images = &settings.images;
    let max_bytes = images.max_size.bytes();
    let store = match (images.store, &images.s3) {
        (ImageStore::Disk, _) => PictureStore::in_folder(images.path.clone(), max_bytes, clock.clone()),
        (ImageStore::S3, Some(s3)) => PictureStore::in_bucket(&bucket_options(s3), max_bytes)?,
        // S3 without a bucket is refused with the settings.
        (ImageStore::None | ImageStore::S3, _) => return Ok(None),
    };
    Ok(Some(store.counted(Arc::clone(metrics))))
}

fn bucket_options(s3: &settings::S3) -> BucketOptions {
    let id = s3.access_key_id.clone();
    let secret = s3.secret_access_key.as_ref().map(Secret::to_secret);
    BucketOptions {
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.as_ref().map(|endpoint| endpoint.base().to_owned()),
        keys: id.zip(secret),
        path_style: s3.path_style,
    }
}

fn proxy(settings: &Settings) -> Option<String> {
    settings.evolink.proxy.as_ref().map(|url| url.as_url().to_string())
}

fn client_options(settings: &Settings) -> evolink::Options {
    evolink::Options {
        base_url: settings.evolink.base_url.base().to_owned(),
        files_url: settings.evolink.files_url.base().to_owned(),
        proxy: proxy(settings),
        ..evolink::Options::new(settings.evolink.api_key.to_secret())
    }
}

fn watch_options(settings: &Settings) -> WatchOptions {
    let poll = &settings.evolink.poll;
    WatchOptions {
        bounds: PollBounds { min: poll.min, max: poll.max },
        per_second: poll.per_second,
        batching: match poll.batch {
            Batch::Auto => Batching::Auto,
            Batch::Always => Batching::Always,
            Batch::Never => Batching::Never,
        },
        task_timeout: settings.evolink.task_timeout,
    }
}

fn generation_options(settings: &Settings) -> generation::Options {
    let behaviour = &settings.generation;
    generation::Options {
        max_tasks: settings.evolink.max_tasks,
        queue_timeout: settings.generation.queue_timeout,
        create_patience: settings.evolink.create_patience,
        idempotency_window: settings.evolink.idempotency_window,
        task_timeout: settings.evolink.task_timeout,
        replay: settings.generation.replay,
        attempts: settings.generation.attempts,
        retry_within: settings.server.deadline,
        idempotent_creates: settings.evolink.idempotent_creates,
        on_disconnect: match behaviour.on_disconnect {
            settings::OnDisconnect::Finish => OnDisconnect::Finish,
            settings::OnDisconnect::Cancel => OnDisconnect::Cancel,
        },
        callback_base: callback_base(settings),
    }
}

/// Where Evolink can reach this gateway, if it is to call back.
fn callback_base(settings: &Settings) -> Option<Arc<str>> {
    let public_url = settings.server.public_url.as_ref()?;
    settings.evolink.callback.enabled.then(|| public_url.base().into())
}

fn server_options(settings: &Settings) -> ServerOptions {
    let server = &settings.server;
    ServerOptions {
        deadline: server.deadline,
        keepalive: server
            .keepalive
            .enabled
            .then_some(Keepalive { after: server.keepalive.after, every: server.keepalive.every }),
        max_waiting: server.max_waiting,
        max_waiting_per_team: server.max_waiting_per_team,
        max_json: server.max_json.bytes(),
        max_upload: server.max_upload.bytes(),
        max_buffered: server.max_buffered.bytes(),
    }
}
