//! What has to outlive the process, as records, and the trait that keeps them. No SQL here.
//!
//! A generation is written down before anything is done for it, and each create before it is sent; who writes those
//! waits until they are on the disk. What follows ([`Note`]s: task ids, ends) makes nobody wait: a note that is lost with
//! the process can be found out again, since upstream knows it. Only what a client is told (a promise, an answer for
//! its key) is waited for as well.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::model::{GenerationId, ImageResult, Owner};
use super::reuse::IdempotencyKey;
use crate::cache::Key;
use crate::evolink::{CreateBody, FileId, TaskId, UpstreamKey};
use crate::image::{ContentHash, Plan};
use crate::media::StoredPicture;
use crate::money::Credits;
use crate::quota::{Demand, Exceeded, Settlement, Spent, Unit, UsageRow};

/// Why a record was not kept, or could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Disk full, read-only, failing, overloaded: the same may work later.
    #[error("the journal cannot be written: {0}")]
    Failing(String),
    /// It would not work later either.
    #[error("the journal refuses a record: {0}")]
    Refused(String),
    /// A budget has no room for what a generation would hold.
    #[error("a budget is spent")]
    Exceeded(Exceeded),
}

/// A call of the journal under way.
pub type JournalFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// A generation at its admission.
#[derive(Debug, Clone)]
pub struct Admission {
    pub id: GenerationId,
    pub owner: Owner,
    pub plan: Arc<Plan>,
    /// Unix time in milliseconds, as all times here.
    pub created_ms: i64,
    /// The client's own name for what it wants to have once.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Answers nobody but its own client: the request said `no-store`.
    pub private: bool,
    /// The name of its caller's key, by which limits and usage know it.
    pub key_name: Arc<str>,
    /// What it holds of budgets until its end: all of it, or it is not admitted.
    pub demands: Vec<Demand>,
}

/// One create of one image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PurchaseId {
    pub generation: GenerationId,
    /// From 0.
    pub image: u8,
    /// From 0; a task bought again after one that failed is another attempt.
    pub attempt: u32,
}

/// A create that is about to be sent: from here on it may have been bought.
#[derive(Debug, Clone)]
pub struct Intent {
    pub purchase: PurchaseId,
    pub key: UpstreamKey,
    pub body: CreateBody,
    /// When it is first sent.
    pub begun_ms: i64,
}

/// Something to be kept. Each may be written twice, and in any order with those of others.
#[derive(Debug, Clone)]
pub enum Note {
    /// A create was answered with a task.
    Task { purchase: PurchaseId, task: TaskId, reserved: Option<Credits> },
    /// How an image ended.
    Ended { purchase: PurchaseId, result: ImageResult },
    /// The whole generation's end; its holds are settled. `created` is the answer's, in seconds. `shared`: it answers
    /// others from now on.
    Finished {
        generation: GenerationId,
        created: i64,
        ended_ms: i64,
        images: Vec<ImageResult>,
        settlement: Box<Settlement>,
        shared: Option<Shared>,
    },
    /// Its tasks are known to cost at least so much: holds below that are raised.
    Raised { generation: GenerationId, spent: Spent, micro_credits_per_usd: u64 },
    /// Requests that are counted in the daily figures.
    Counted(UsageRow),
    /// A client was told to come for it by its id.
    Promised { generation: GenerationId },
    /// A picture of it is in the picture store.
    Stored { generation: GenerationId, image: u8, picture: StoredPicture },
    /// Another of the team's idempotency keys has this generation's answer. The key's own generation has it by its
    /// admission.
    Named { generation: GenerationId, team: Arc<str>, key: IdempotencyKey },
    /// Its pictures cannot be had any more: it answers no others.
    Unshared { generation: GenerationId },
    /// Its team took it back: nobody finds it any more.
    Withdrawn { generation: GenerationId },
    /// Nothing was bought and nothing will be.
    Dropped { generation: GenerationId },
    /// A picture that came with the request lies upstream.
    Uploaded { generation: GenerationId, upload: StoredUpload },
    /// It lies there no longer.
    FileGone { file: FileId },
}

/// What it is about, for the log: links, callers' texts and keys are in none.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, generation) = match self {
            Self::Task { purchase, task, .. } => return write!(f, "task {task} of {}", purchase.generation),
            Self::FileGone { file } => return write!(f, "file {file} deleted"),
            Self::Ended { purchase, .. } => ("an image's end", &purchase.generation),
            Self::Finished { generation, .. } => ("the end", generation),
            Self::Promised { generation } => ("the promise", generation),
            Self::Stored { generation, .. } => ("a stored picture", generation),
            Self::Named { generation, .. } => ("another idempotency key", generation),
            Self::Unshared { generation } => ("the loss of a result", generation),
            Self::Withdrawn { generation } => ("the withdrawal", generation),
            Self::Dropped { generation } => ("the dropping", generation),
            Self::Uploaded { generation, .. } => ("an upload", generation),
            Self::Raised { generation, .. } => ("a raised hold", generation),
            Self::Counted(_) => return f.write_str("daily figures"),
        };
        write!(f, "{what} of {generation}")
    }
}

/// A picture at Evolink's files API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUpload {
    pub content: ContentHash,
    /// None: it cannot be deleted, it expires.
    pub file: Option<FileId>,
    pub url: String,
    pub expires_ms: i64,
}

/// A purchase as it was left.
#[derive(Debug, Clone)]
pub struct StoredPurchase {
    pub image: u8,
    pub attempt: u32,
    pub key: UpstreamKey,
    /// Empty once the task is known: the create is never repeated then.
    pub body: CreateBody,
    pub begun_ms: i64,
    pub task: Option<TaskId>,
    pub reserved: Option<Credits>,
    pub result: Option<ImageResult>,
}

/// A generation that had not ended.
#[derive(Debug, Clone)]
pub struct Unfinished {
    pub admission: Admission,
    pub promised: bool,
    pub withdrawn: bool,
    /// What it holds of budgets, in millionths of each one's unit.
    pub holds: Vec<(Unit, u64)>,
    /// In the order of image and attempt.
    pub purchases: Vec<StoredPurchase>,
    pub uploads: Vec<StoredUpload>,
    /// Pictures in the picture store, with the index of their image.
    pub pictures: Vec<(u8, StoredPicture)>,
}

/// A generation that has ended.
#[derive(Debug, Clone)]
pub struct Past {
    pub admission: Admission,
    pub promised: bool,
    pub created: i64,
    pub ended_ms: i64,
    pub images: Vec<ImageResult>,
    /// Pictures in the picture store, with the index of their image.
    pub pictures: Vec<(u8, StoredPicture)>,
    /// All that name it.
    pub idempotency_keys: Vec<IdempotencyKey>,
}

/// Which ended generation is wanted.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The team's of this id.
    Generation { team: Arc<str>, id: GenerationId },
    /// The one that the team's key stands for.
    Named { team: Arc<str>, key: IdempotencyKey },
}

/// The name under which a generation answers others, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub key: Key,
    pub expires_ms: i64,
}

/// A result that is kept: the generation, and until when.
#[derive(Debug, Clone)]
pub struct PastResult {
    pub past: Past,
    pub expires_ms: i64,
}

/// Which results are meant; all of them where neither is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// Those that this team bought.
    pub team: Option<String>,
    /// Those that this model made.
    pub model: Option<String>,
}

/// Some records, and where to read on; `None` at the end.
#[derive(Debug)]
pub struct Page<T, At> {
    pub records: Vec<T>,
    pub next: Option<At>,
}

/// A place among ended generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastAt {
    pub ended_ms: i64,
    pub number: i64,
}

/// Keeps the records. What has been answered with `Ok` is there after a crash at any later moment.
///
/// Dropping a future does not undo the write.
pub trait Journal: Send + Sync + 'static {
    /// Whether a generation could be admitted now, found out by a write that changes nothing. A journal that needs no
    /// disk always works.
    fn trial(&self) -> JournalFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// A new generation, in one transaction with its holds and with its creates that are to be sent at once. Tells which
    /// of the demands have no room in budgets that are not enforced.
    ///
    /// `Exceeded` when an enforced budget has no room: nothing is held or written then.
    fn admit(&self, admission: Admission, intents: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>>;
    /// A create that is about to be sent.
    fn begin(&self, intent: Intent) -> JournalFuture<'_, ()>;
    /// All of them or none.
    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()>;
    /// Generations that have not ended, in the order of their admission, from `after` on (0: the first).
    /// One that cannot be read is left out and logged.
    fn unfinished(&self, after: i64, limit: usize) -> JournalFuture<'_, Page<Unfinished, i64>>;
    /// Generations that ended after `since_ms` and were not taken back, the latest first.
    fn ended(
        &self,
        since_ms: i64,
        before: Option<PastAt>,
        limit: usize,
    ) -> JournalFuture<'_, Page<Past, PastAt>>;
    /// What is there of it that ended after `since_ms` and was not taken back; one at most.
    fn recall(&self, wanted: Wanted, since_ms: i64) -> JournalFuture<'_, Vec<Past>>;
    /// The result of this name that is kept beyond `now_ms`, however long ago it was made.
    fn result(&self, key: Key, now_ms: i64) -> JournalFuture<'_, Option<PastResult>>;
    /// When the last of the results is no longer kept; none without any.
    fn results_until(&self) -> JournalFuture<'_, Option<i64>>;
    /// Removes results, and tells how many there were. Their generations still answer by id and key.
    fn purge(&self, which: Purge) -> JournalFuture<'_, usize>;
    /// Files upstream that no unfinished generation needs.
    fn idle_files(&self, limit: usize) -> JournalFuture<'_, Vec<FileId>>;
    /// Those of these tasks that are on record as a purchase's.
    fn on_record(&self, tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>>;
    /// Removes at most `limit` generations that ended before `ended_before_ms` and are no one's result, and results and
    /// what is known of files that expired before `now_ms`. Tells how many generations went.
    fn sweep(&self, ended_before_ms: i64, now_ms: i64, limit: usize) -> JournalFuture<'_, usize>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_note_is_about_is_told_without_links_texts_and_keys() {
        let generation = GenerationId::kept("gen_1".into());
        let (content, url) = (ContentHash::of(b"x"), "https://secret.example/up".to_owned());
        let link = "https://secret.example/a.png".to_owned();
        let task = TaskId::new("task-unified-1-a");
        let made = super::super::model::MadeImage { task: task.clone(), link, credits: Credits::ZERO };
        let key = IdempotencyKey::new("secret key").unwrap();
        let upload = StoredUpload { content, file: None, url, expires_ms: 0 };
        let purchase = PurchaseId { generation: generation.clone(), image: 0, attempt: 0 };
        for note in [
            Note::Task { purchase: purchase.clone(), task, reserved: None },
            Note::Ended { purchase, result: Ok(made) },
            Note::Raised {
                generation: generation.clone(),
                spent: Spent::default(),
                micro_credits_per_usd: 1,
            },
            Note::Named { generation: generation.clone(), team: "a".into(), key },
            Note::Uploaded { generation, upload },
        ] {
            let told = note.to_string();
            assert!(told.contains("gen_1") && !told.contains("secret"), "{told}");
        }
    }
}
