//! A bug that shows when the head is out already.

use std::io;
use std::sync::{LazyLock, Mutex};

use http::Request;

use super::*;
use crate::catalog::Catalog;
use crate::evolink::{
    CallFuture, Credit, FileId, Task, TaskId, TaskStatus, TaskUsage, Upload, UploadedFile, Upstream,
    UpstreamKey,
};
use crate::generation::watch::{Batching, PollBounds, WatchOptions, Watcher};
use crate::generation::{Generations, Options, Owner, Reuse, Waiter, Wish};
use crate::image::{ImageRequest, Plan};
use crate::keys::{Keys, Mint};
use crate::media::{Converter, FetchOptions, Fetcher, Guard, PictureMemory, Spool};
use crate::openai::StreamKind;
use crate::quota::Quota;
use crate::server::Origins;
use crate::server::answer::head::Stored;
use crate::server::answer::timing::Before;
use crate::server::gateway::{Gateway, Parts, Policy, ServerOptions};
use crate::server::layers::RequestId;
use crate::store::{Engine, EngineJournal, EngineKeys, EngineLedger};
use crate::telemetry::Metrics;

const DAY: Duration = Duration::from_hours(24);

/// Makes every picture at once, behind a link that cannot be fetched; to be asked for another is a bug.
struct Buggy;

impl Upstream for Buggy {
    fn create<'a>(&'a self, _: &'a UpstreamKey, _: Bytes, _: Duration) -> CallFuture<'a, Task> {
        Box::pin(async {
            // Whoever began it has left by then.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(Task {
                id: TaskId::new("task-unified-1-abcdefgh"),
                status: TaskStatus::Completed,
                progress: None,
                // The guard refuses it without asking anybody.
                links: vec!["https://127.0.0.1/a.png".to_owned()],
                error: None,
                estimated: None,
                usage: TaskUsage::default(),
            })
        })
    }

    fn task<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, Task> {
        panic!("a late bug")
    }

    fn batch<'a>(&'a self, _: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        Box::pin(std::future::pending())
    }

    fn cancel<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn upload(&self, _: Upload) -> CallFuture<'_, UploadedFile> {
        Box::pin(std::future::pending())
    }

    fn delete_file<'a>(&'a self, _: &'a FileId) -> CallFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        Box::pin(std::future::pending())
    }
}

fn gateway() -> Arc<Gateway> {
    let (metrics, clock) = (Arc::new(Metrics::new()), Clock::fixed(1_800_000_000));
    let watching = WatchOptions {
        bounds: PollBounds { min: Duration::from_secs(1), max: Duration::from_secs(8) },
        per_second: 10,
        batching: Batching::Auto,
        task_timeout: DAY,
    };
    // Nothing is watched: every task ends with its create.
    let (watcher, _looks) = Watcher::new(Arc::new(Buggy), watching, Arc::clone(&metrics));
    let options = Options { max_tasks: 1, queue_timeout: DAY, create_patience: DAY, ..Options::default() };
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    let upstream = Arc::new(Buggy);
    let engine = Engine::in_memory().unwrap();
    let (journal, ledger) =
        (Arc::new(EngineJournal::new(engine.clone())), Arc::new(EngineLedger::new(engine.clone())));
    let (mint, _minting) = Mint::new(Arc::new(EngineKeys::new(engine)), clock.clone());
    let (generations, _bookkeeping) =
        Generations::new(upstream, fetcher, watcher, journal, options, Arc::clone(&metrics), clock.clone());
    let (converter, guard) = (Converter::new(1, 1), Guard::new(false));
    let memory = PictureMemory::new(0);
    let spool = Spool::new(std::env::temp_dir());
    let quota = Arc::new(Quota::unlimited());
    let (own_links, origins) = (None, Origins::new(None, |_| false));
    let parts = Parts {
        generations,
        quota,
        ledger,
        mint,
        memory,
        converter,
        guard,
        spool,
        own_links,
        origins,
        metrics,
        clock,
    };
    let policy = Policy {
        keys: Keys::new(Vec::new(), Vec::new()).unwrap(),
        catalog: Catalog::default(),
        admin: crate::server::AdminPolicy::default(),
    };
    let options = ServerOptions {
        deadline: DAY,
        keepalive: None,
        max_waiting: 1,
        max_waiting_per_team: 1,
        max_json: 1,
        max_upload: 1,
        max_buffered: 1,
    };
    Arc::new(Gateway::new(policy, parts, options))
}

/// Found after its end, so that whoever waits fetches the picture himself.
async fn ended(gateway: &Gateway, plan: &Arc<Plan>) -> Waiter {
    let fingerprint = plan.fingerprint();
    let owner = Owner { team: "design".into(), key: "ci".into(), fingerprint };
    let limits = gateway.quota.limits(&owner.team, &owner.key);
    let (plan, price) = (Arc::clone(plan), plan.price);
    let wish = Wish { plan, owner, inputs: Vec::new(), reuse: Reuse::default(), limits, price };
    let begun = gateway.generations.begin(wish).await.unwrap();
    let generation = Arc::clone(begun.generation());
    begun.promise(()).await.unwrap();
    generation.watch_progress().wait_for(|percent| *percent == 100).await.unwrap();
    gateway.generations.find("design", &generation.id().to_string()).unwrap()
}

/// A trail as the layers lay it.
fn trail() -> (Trail, RequestId) {
    let (trail, id) = (Trail::default(), RequestId::give(&mut Request::new(Body::empty())));
    trail.set_request_id(id.clone());
    (trail, id)
}

/// What the whole test process logs: a subscriber of one thread can miss an event that another thread meets first.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let pen = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || pen.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_behind_the_head_is_told_in_band_and_logged_with_its_request() {
    for (writing, told) in [
        (Writing::Json, " {\"created\":1800000000,\"data\":[],\"error\":{"),
        (
            Writing::Event(StreamKind::Edit),
            ": keep-alive\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{",
        ),
    ] {
        LazyLock::force(&LOG);
        let gateway = gateway();
        let plan = Arc::new(gateway.policy.load().catalog.plan(ImageRequest::new("a fox"), false).unwrap());
        let waiter = ended(&gateway, &plan).await;
        let ((trail, id), access) = (trail(), Access::First { stored: Stored::Yes });
        let place = gateway.waiting_room.enter(&"design".into()).unwrap();
        let wait = Wait {
            before: Before::default(),
            gateway: Arc::clone(&gateway),
            trail: trail.clone(),
            plan,
            waiter,
            access,
            link_base: String::new(),
            place,
        };
        let early = Early::begin(wait, Instant::now() + DAY);
        let body = early.respond(None, writing, DAY).into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.starts_with(told) && body.contains("\"code\":\"internal_error\""), "{body}");
        assert!(!body.contains("a late bug"), "{body}");
        assert_eq!(trail.late().map(|late| (late.status, late.code)), Some((500, "internal_error")));
        let logged = String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap();
        let mut lines = logged.lines().filter(|line| line.contains("a late bug"));
        assert!(lines.any(|line| line.contains(id.as_str())), "{logged}");
        assert!(gateway.waiting_room.enter(&"design".into()).is_ok(), "its place is free");
    }
}
