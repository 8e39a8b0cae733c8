//! The upstream of the crashes: by chance slow, failing, losing requests or answers; with books.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::time::Instant;

use crate::evolink::{
    CallError, CallFuture, Credit, FileId, Task, TaskError, TaskId, TaskStatus, TaskUsage, Upload,
    UploadedFile, Upstream, UpstreamKey,
};
use crate::media::{FetchError, MediaHost, Picture};
use crate::money::Credits;

const START_MS: i64 = 1_800_000_000_000;
/// How long a create may be repeated: `evolink.idempotency_window`.
const WINDOW_MS: i64 = 3_600_000;
/// How long a result link is good.
const LINK_LIFE_MS: i64 = 20_000;
/// The start and the end of a file that passes for a PNG of one pixel.
const HEAD: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const TAIL: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

pub(super) struct World(Mutex<Books>);

pub(super) struct Books {
    random: StdRng,
    /// The time when this life began, and when that was by this life's clock.
    base_ms: i64,
    since: Option<Instant>,
    keys: HashMap<String, Sent>,
    tasks: HashMap<TaskId, Entry>,
    /// Creates with a known key and other bytes.
    pub conflicts: usize,
    /// Creates of a key longer after its first than the window allows.
    pub late: usize,
}

/// The first create of a key.
struct Sent {
    body: Bytes,
    at_ms: i64,
    task: TaskId,
}

struct Entry {
    prompt: String,
    ends_ms: i64,
    completes: bool,
    reserved: Credits,
    charged: Credits,
}

enum Luck {
    /// Nothing arrives.
    Lost,
    Refused,
    /// It arrives, and its answer is lost.
    Unheard,
    Good,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x5eed);
        let (keys, tasks) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Books { random, base_ms: START_MS, since: None, keys, tasks, conflicts: 0, late: 0 }))
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// A life begins. Its Unix time in milliseconds.
    pub(super) fn wake(&self) -> i64 {
        let mut books = self.ledger();
        books.since = Some(Instant::now());
        books.base_ms
    }

    /// A life has ended, and the next one begins so much later.
    pub(super) fn sleep(&self, ms: i64) {
        let mut books = self.ledger();
        books.base_ms = books.now_ms() + ms;
        books.since = None;
    }

    /// The tasks of a wish that were made and charged.
    pub(super) fn completed(&self, prompt: &str) -> Vec<TaskId> {
        let books = self.ledger();
        let paid = books.tasks.iter().filter(|(_, task)| task.completes && task.prompt == prompt);
        paid.map(|(id, _)| id.clone()).collect()
    }

    /// Pictures that were made, and what was charged for them.
    pub(super) fn charged(&self) -> (u64, Credits) {
        let books = self.ledger();
        let made = books.tasks.values().filter(|task| task.completes);
        let (mut pictures, mut credits) = (0, Credits::ZERO);
        made.for_each(|task| (pictures, credits) = (pictures + 1, credits + task.charged));
        (pictures, credits)
    }

    /// Upstream failed all tasks of this wish, or made none.
    pub(super) fn may_fail(&self, prompt: &str) -> bool {
        !self.ledger().tasks.values().any(|task| task.prompt == prompt && task.completes)
    }

    async fn pass(&self, most_ms: u64) {
        let takes = self.ledger().random.random_range(0..=most_ms);
        tokio::time::sleep(Duration::from_millis(takes)).await;
    }

    fn luck(&self) -> Luck {
        match self.ledger().random.random_range(0..100) {
            0..10 => Luck::Lost,
            10..15 => Luck::Refused,
            15..30 => Luck::Unheard,
            _ => Luck::Good,
        }
    }
}

impl Books {
    fn now_ms(&self) -> i64 {
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.base_ms + i64::try_from(passed.as_millis()).unwrap()
    }

    /// Tasks of a wish, and how many of them failed.
    pub(super) fn tasks_of(&self, prompt: &str) -> (usize, usize) {
        let of = |task: &&Entry| task.prompt == prompt;
        let failed = self.tasks.values().filter(of).filter(|task| !task.completes).count();
        (self.tasks.values().filter(of).count(), failed)
    }

    fn take(&mut self, key: &UpstreamKey, body: &Bytes) -> TaskId {
        let now_ms = self.now_ms();
        if let Some(first) = self.keys.get(key.as_str()) {
            self.conflicts += usize::from(first.body != *body);
            self.late += usize::from(now_ms - first.at_ms > WINDOW_MS);
            return first.task.clone();
        }
        let id = TaskId::new(format!("task-unified-1-{:08}", self.tasks.len()));
        let body_read: Value = serde_json::from_slice(body).unwrap();
        let ends_ms = now_ms + self.random.random_range(1_000..40_000);
        let completes = self.random.random_bool(0.92);
        let prompt = body_read["prompt"].as_str().unwrap().to_owned();
        let (reserved, charged) = price(self.tasks.len());
        self.tasks.insert(id.clone(), Entry { prompt, ends_ms, completes, reserved, charged });
        let sent = Sent { body: body.clone(), at_ms: now_ms, task: id.clone() };
        self.keys.insert(key.as_str().to_owned(), sent);
        id
    }

    fn look(&self, id: &TaskId) -> Result<Task, CallError> {
        let entry = self.tasks.get(id).ok_or(CallError::TaskNotFound)?;
        let ended = self.now_ms() >= entry.ends_ms;
        let (status, error) = match (ended, entry.completes) {
            (false, _) => (TaskStatus::Processing, None),
            (true, true) => (TaskStatus::Completed, None),
            (true, false) => {
                let error = TaskError { code: "service_error".into(), message: "it broke".into() };
                (TaskStatus::Failed, Some(error))
            }
        };
        let made = status == TaskStatus::Completed;
        let links = made.then(|| link(id, self.now_ms())).into_iter().collect();
        let usage = TaskUsage { reserved: Some(entry.reserved), used: made.then_some(entry.charged) };
        let (progress, estimated) = (None, None);
        Ok(Task { id: id.clone(), status, progress, links, error, estimated, usage })
    }
}

/// What the task of this number reserves and charges: below and above the table's price, and told apart.
fn price(number: usize) -> (Credits, Credits) {
    let credits = |hundredths: usize| Credits::from_micro(u64::try_from(hundredths).unwrap() * 10_000);
    let reserved = 100 + number * 7 % 400;
    (credits(reserved), credits(reserved + number % 3 * 20 - 20))
}

/// The link that a look at `now_ms` gives.
fn link(task: &TaskId, now_ms: i64) -> String {
    format!("https://media.test/{task}.png?given={now_ms}")
}

/// The picture of a task, which is no other's.
pub(super) fn picture(task: &str) -> Bytes {
    let length = u32::try_from(task.len()).unwrap().to_be_bytes();
    [HEAD, &length, b"tEXt", task.as_bytes(), &[0; 4], TAIL].concat().into()
}

impl MediaHost for World {
    fn get<'a>(&'a self, link: &'a str) -> BoxFuture<'a, Result<Picture, FetchError>> {
        Box::pin(async move {
            self.pass(2_000).await;
            match self.luck() {
                Luck::Lost => return Err(FetchError::Timeout),
                Luck::Refused => return Err(FetchError::Status(503)),
                Luck::Unheard => return Err(FetchError::Cut),
                Luck::Good => {}
            }
            let (task, given) = link.rsplit_once(".png?given=").unwrap();
            let (_, task) = task.rsplit_once('/').unwrap();
            let books = self.ledger();
            assert!(books.tasks[&TaskId::new(task)].completes, "{link}");
            if books.now_ms() - given.parse::<i64>().unwrap() > LINK_LIFE_MS {
                return Err(FetchError::Status(403));
            }
            Ok(Picture::read(picture(task)).unwrap())
        })
    }
}

impl Upstream for World {
    fn create<'a>(&'a self, key: &'a UpstreamKey, body: Bytes, patience: Duration) -> CallFuture<'a, Task> {
        let call = async move {
            self.pass(500).await;
            match self.luck() {
                Luck::Lost => Err(CallError::Broken("cut before".into())),
                Luck::Refused => Err(CallError::Connect("refused".into())),
                luck => {
                    let id = self.ledger().take(key, &body);
                    self.pass(2_000).await;
                    if matches!(luck, Luck::Unheard) {
                        return Err(CallError::Broken("cut after".into()));
                    }
                    self.ledger().look(&id)
                }
            }
        };
        Box::pin(async move { tokio::time::timeout(patience, call).await.unwrap_or(Err(CallError::Timeout)) })
    }

    fn task<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, Task> {
        Box::pin(async move {
            self.pass(300).await;
            match self.luck() {
                Luck::Lost | Luck::Refused => Err(CallError::Timeout),
                _ => self.ledger().look(id),
            }
        })
    }

    fn batch<'a>(&'a self, ids: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        Box::pin(async move {
            self.pass(300).await;
            match self.luck() {
                Luck::Lost | Luck::Refused => Err(CallError::Timeout),
                _ => Ok(ids.iter().filter_map(|id| self.ledger().look(id).ok()).collect()),
            }
        })
    }

    fn cancel<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, ()> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn upload(&self, _: Upload) -> CallFuture<'_, UploadedFile> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn delete_file<'a>(&'a self, _: &'a FileId) -> CallFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        Box::pin(async { Err(CallError::Missing) })
    }
}
