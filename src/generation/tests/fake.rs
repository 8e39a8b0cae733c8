//! A scripted upstream for whole generations on paused time, and what a test needs around it.

mod wishes;

use std::collections::{HashMap, VecDeque};
use std::sync::MutexGuard;

use bytes::Bytes;
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::watch::{Batching, PollBounds, WatchOptions};
use super::super::*;
use crate::evolink::{CallError, CallFuture, Credit, FileId, ListedTask, Task, TaskError, TaskId, TaskList};
use crate::evolink::{TaskStatus, TaskUsage, Upload, UploadedFile, UpstreamKey};
use crate::image::Plan;
use crate::media::{FetchOptions, InputFile};
use crate::money::Credits;
use crate::store::{Engine, EngineJournal};
pub(in crate::generation) use wishes::{own, owner, picture, picture_of, plan, settlement, wish};

/// What upstream does, and what it was asked.
#[derive(Default)]
pub(in crate::generation) struct Script {
    pub uploads_take: Duration,
    /// How the next uploads end; then they succeed.
    pub upload_errors: VecDeque<CallError>,
    /// How long uploaded files are kept, as upstream tells it.
    pub life: Option<Duration>,
    /// The names of all tries.
    pub uploads: Vec<String>,
    pub uploading: usize,
    pub uploading_most: usize,
    pub deletion_errors: VecDeque<CallError>,
    pub deletions: Vec<String>,
    pub creates_take: Duration,
    pub create_errors: VecDeque<CallError>,
    /// Bodies of all tries.
    pub creates: Vec<String>,
    /// Their keys.
    pub keys: Vec<String>,
    /// How long the next tasks take; the last is repeated.
    pub tasks_take: VecDeque<Duration>,
    pub looks_take: Duration,
    /// The progress told by the next looks.
    pub told: VecDeque<u8>,
    pub refuses_cancels: bool,
    pub cancels: Vec<TaskId>,
    /// How the next tasks fail; then they complete.
    pub failures: VecDeque<&'static str>,
    /// So many of the next creates are taken, and their answers lost.
    pub unheard: usize,
    /// Since when there is a list of tasks; that moment is [`LIST_EPOCH`].
    pub listing: Option<Instant>,
    /// Tasks in it that nobody here has made.
    pub strangers: Vec<ListedTask>,
    /// Looks at it.
    pub lists: usize,
    /// All tasks, and when they were made.
    pub made: Vec<(TaskId, Instant)>,
    /// Creates are answered with 503 before then.
    pub down_until: Option<Instant>,
    /// What the next tasks reserve and charge, in credits; then upstream does not tell.
    pub prices: VecDeque<(u64, u64)>,
    priced: HashMap<TaskId, (u64, u64)>,
    failed: HashMap<TaskId, &'static str>,
    ends: HashMap<TaskId, (Instant, TaskStatus)>,
}

#[derive(Default)]
pub(in crate::generation) struct Fake(Mutex<Script>);

impl Fake {
    pub(in crate::generation) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// A task made before the test began, which completes after `takes`.
    pub(in crate::generation) fn knows(&self, id: &str, takes: Duration) {
        let end = (Instant::now() + takes, TaskStatus::Completed);
        self.script().ends.insert(TaskId::new(id), end);
    }

    fn look(&self, id: &TaskId) -> Result<Task, CallError> {
        let mut script = self.script();
        let (end, fate) = *script.ends.get(id).ok_or(CallError::TaskNotFound)?;
        let ended = Instant::now() >= end;
        let completed = ended && fate == TaskStatus::Completed;
        Ok(Task {
            id: id.clone(),
            status: if ended { fate } else { TaskStatus::Processing },
            progress: if ended { None } else { script.told.pop_front() },
            // a link that the guard refuses without asking anybody
            links: completed.then(|| "https://127.0.0.1/a.png".to_owned()).into_iter().collect(),
            error: (ended && fate == TaskStatus::Failed).then(|| TaskError {
                code: script.failed.get(id).copied().unwrap_or_default().to_owned(),
                message: "it broke".to_owned(),
            }),
            estimated: None,
            usage: script.priced.get(id).map_or_else(TaskUsage::default, |(reserved, charged)| TaskUsage {
                reserved: Some(credits(*reserved)),
                used: completed.then(|| credits(*charged)),
            }),
        })
    }
}

pub(in crate::generation) fn credits(whole: u64) -> Credits {
    Credits::from_micro(whole * 1_000_000)
}

/// The second of Unix time at which a list begins.
pub(in crate::generation) const LIST_EPOCH: i64 = 1_800_000_000;

impl Upstream for Fake {
    fn create<'a>(&'a self, key: &'a UpstreamKey, body: Bytes, _: Duration) -> CallFuture<'a, Task> {
        Box::pin(async move {
            let takes = self.script().creates_take;
            tokio::time::sleep(takes).await;
            let id = {
                let mut script = self.script();
                script.creates.push(String::from_utf8(body.to_vec()).unwrap());
                script.keys.push(key.as_str().to_owned());
                if script.down_until.is_some_and(|until| Instant::now() < until) {
                    let code = "service_unavailable".to_owned();
                    return Err(CallError::Down { status: 503, code, retry_after: None });
                }
                if let Some(error) = script.create_errors.pop_front() {
                    return Err(error);
                }
                let takes = match script.tasks_take.len() {
                    0 | 1 => script.tasks_take.front().copied().unwrap_or(Duration::from_secs(10)),
                    _ => script.tasks_take.pop_front().unwrap(),
                };
                let id = TaskId::new(format!("task-unified-1-{:08}", script.creates.len()));
                let failure = script.failures.pop_front();
                let fate = if failure.is_some() { TaskStatus::Failed } else { TaskStatus::Completed };
                failure.and_then(|code| script.failed.insert(id.clone(), code));
                script.prices.pop_front().and_then(|price| script.priced.insert(id.clone(), price));
                script.made.push((id.clone(), Instant::now()));
                script.ends.insert(id.clone(), (Instant::now() + takes, fate));
                if script.unheard > 0 {
                    script.unheard -= 1;
                    return Err(CallError::Broken("cut".to_owned()));
                }
                id
            };
            self.look(&id)
        })
    }

    fn task<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, Task> {
        let takes = self.script().looks_take;
        Box::pin(after(takes).map(move |()| self.look(id)))
    }

    fn batch<'a>(&'a self, ids: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        Box::pin(async move { Ok(ids.iter().filter_map(|id| self.look(id).ok()).collect()) })
    }

    fn tasks_since<'a>(&'a self, model: &'a str, since: i64) -> CallFuture<'a, TaskList> {
        Box::pin(async move {
            let mut script = self.script();
            script.lists += 1;
            let epoch = script.listing.ok_or(CallError::Missing)?;
            let made = script.made.iter().map(|(id, at)| ListedTask {
                id: id.clone(),
                model: model.to_owned(),
                created: LIST_EPOCH + at.duration_since(epoch).as_secs().cast_signed(),
            });
            let all = made.chain(script.strangers.iter().cloned());
            let tasks = all.filter(|task| task.created >= since).collect();
            Ok(TaskList { tasks, reaches_back: true })
        })
    }

    fn cancel<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, ()> {
        Box::pin(async move {
            let mut script = self.script();
            script.cancels.push(id.clone());
            if script.refuses_cancels {
                return Err(CallError::Missing);
            }
            script.ends.insert(id.clone(), (Instant::now(), TaskStatus::Cancelled));
            Ok(())
        })
    }

    fn upload(&self, upload: Upload) -> CallFuture<'_, UploadedFile> {
        Box::pin(async move {
            let takes = {
                let mut script = self.script();
                script.uploads.push(upload.name());
                script.uploading += 1;
                script.uploading_most = script.uploading_most.max(script.uploading);
                script.uploads_take
            };
            let bytes: Vec<Bytes> = upload.open().try_collect().await.unwrap();
            assert_eq!(u64::try_from(bytes.concat().len()).unwrap(), upload.length());
            tokio::time::sleep(takes).await;
            let mut script = self.script();
            script.uploading -= 1;
            if let Some(error) = script.upload_errors.pop_front() {
                return Err(error);
            }
            let name = upload.name();
            let url = format!("https://files.test/{name}");
            Ok(UploadedFile { id: Some(FileId::new(name)), url, life: script.life })
        })
    }

    fn delete_file<'a>(&'a self, id: &'a FileId) -> CallFuture<'a, ()> {
        Box::pin(async move {
            let mut script = self.script();
            script.deletions.push(id.to_string());
            script.deletion_errors.pop_front().map_or(Ok(()), Err)
        })
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        Box::pin(async { Err(CallError::Missing) })
    }
}

pub(in crate::generation) const MINUTE: Duration = Duration::from_mins(1);

pub(in crate::generation) fn options() -> Options {
    Options { task_timeout: MINUTE, ..Options::default() }
}

/// A house over `upstream`, and the watcher's loop.
pub(in crate::generation) fn house(
    upstream: Arc<dyn Upstream>,
    options: Options,
    metrics: &Arc<Metrics>,
) -> (Generations, JoinSet<()>) {
    let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
    house_on(journal, upstream, options, metrics, Clock::fixed(1_800_000_000))
}

/// One with this journal and clock.
pub(in crate::generation) fn house_on(
    journal: Arc<dyn Journal>,
    upstream: Arc<dyn Upstream>,
    options: Options,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> (Generations, JoinSet<()>) {
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    house_with(fetcher, journal, upstream, options, metrics, clock)
}

/// One that fetches its pictures so, and keeps what it knows so.
pub(in crate::generation) fn house_with(
    fetcher: Fetcher,
    keeping: impl Into<Keeping>,
    upstream: Arc<dyn Upstream>,
    options: Options,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> (Generations, JoinSet<()>) {
    let watching = WatchOptions {
        bounds: PollBounds { min: Duration::from_millis(500), max: Duration::from_secs(8) },
        per_second: 10,
        batching: Batching::Auto,
        task_timeout: options.task_timeout,
    };
    let (watcher, loops) = Watcher::new(Arc::clone(&upstream), watching, Arc::clone(metrics));
    let mut owner = JoinSet::new();
    owner.spawn(loops);
    let keeping: Keeping = keeping.into();
    let (generations, bookkeeping) =
        Generations::new(upstream, fetcher, watcher, keeping, options, Arc::clone(metrics), clock);
    owner.spawn(bookkeeping);
    (generations, owner)
}

pub(in crate::generation) struct Bench {
    pub fake: Arc<Fake>,
    pub generations: Generations,
    pub metrics: Arc<Metrics>,
    _watching: JoinSet<()>,
}

impl Bench {
    pub(in crate::generation) fn new() -> Self {
        Self::with(options())
    }

    pub(in crate::generation) fn with(options: Options) -> Self {
        let (fake, metrics) = (Arc::new(Fake::default()), Arc::new(Metrics::new()));
        let upstream: Arc<dyn Upstream> = fake.clone();
        let (generations, watching) = house(upstream, options, &metrics);
        Self { fake, generations, metrics, _watching: watching }
    }

    pub(in crate::generation) fn script(&self) -> MutexGuard<'_, Script> {
        self.fake.script()
    }

    pub(in crate::generation) async fn begin(&self, plan: &Arc<Plan>, inputs: &[InputFile]) -> Waiter {
        self.generations.begin(Wish { inputs: inputs.to_vec(), ..own(plan) }).await.unwrap()
    }

    pub(in crate::generation) fn find(&self, id: &str) -> Option<Waiter> {
        self.generations.find("design", id)
    }
}

/// Lets so much of the paused time go by.
pub(in crate::generation) async fn after(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(in crate::generation) fn soon() -> Instant {
    Instant::now() + Duration::from_hours(1)
}
