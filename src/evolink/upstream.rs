//! The calls the gateway makes to Evolink, as a trait, so that the house can be tested without sockets.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::{FileId, Task, TaskId, TaskList, Upload, UploadedFile};
use crate::money::Credits;

/// The `Idempotency-Key` of one create: fixed before the first try, the same for every repetition.
/// 16 to 96 characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamKey(String);

impl UpstreamKey {
    /// A new random key.
    pub fn random() -> Self {
        Self(format!("eg-{}", uuid::Uuid::new_v4().simple()))
    }

    /// A key that was written down before.
    pub fn kept(key: String) -> Self {
        Self(key)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The body of a create, verbatim: a key binds to its bytes.
pub type CreateBody = Bytes;

/// The account's balance, from GET /v1/credits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Credit {
    /// May be negative upstream; then zero here.
    pub remaining: Credits,
    /// What the account has ever used. Whether what is reserved counts is on no page.
    pub used_by_account: Option<Credits>,
    /// What of it this key has used.
    pub used_by_key: Option<Credits>,
}

/// What an unsuccessful create proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing reached Evolink, or Evolink said no: nothing was bought.
    NotBought,
    /// A task may exist. Ask again with the same key, never with another.
    Unknown,
}

/// Why Evolink said no for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400 and the like: the request is at fault. With the code `idempotency_conflict` (one key, two bodies) the
    /// gateway itself is.
    BadRequest,
    /// The safety filter, by code, whatever the status.
    Moderation,
    /// 413.
    TooLarge,
    /// 404 with `model_not_found`.
    Model,
    /// 401, 402, 403: the account or its key.
    Account,
}

/// Why a call brought no task.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// No connection: refused, DNS, TLS. Nothing was sent.
    Connect(String),
    /// Sent, but no (whole) answer: reset, cut.
    Broken(String),
    /// Sent, no answer in time.
    Timeout,
    /// 429; the pause is Evolink's `Retry-After`.
    Busy { retry_after: Option<Duration> },
    /// 5xx, or a code that says "try later".
    Down { status: u16, code: String, retry_after: Option<Duration> },
    /// The first create with this key is still open upstream (`paid_outcome_unknown`).
    Open,
    /// An answer that cannot be understood: not JSON, no id, wrong types, too long.
    Malformed { status: u16, detail: String },
    /// No for good. `message` is Evolink's own, not yet fit for a client.
    Refused { refusal: Refusal, status: u16, code: String, message: String },
    /// The path does not exist upstream (404/405 that is not about a task).
    Missing,
    /// The task is not known upstream (404 `task_not_found`).
    TaskNotFound,
}

impl CallError {
    /// What this proves when it came from a create.
    pub const fn proof(&self) -> Proof {
        match self {
            Self::Connect(_)
            | Self::Busy { .. }
            | Self::Refused { .. }
            | Self::Missing
            | Self::TaskNotFound => Proof::NotBought,
            Self::Broken(_) | Self::Timeout | Self::Down { .. } | Self::Open | Self::Malformed { .. } => {
                Proof::Unknown
            }
        }
    }

    /// Evolink's wish for a pause.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } | Self::Down { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(detail) => write!(f, "no connection: {detail}"),
            Self::Broken(detail) => write!(f, "no whole answer: {detail}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Busy { .. } => f.write_str("answered 429"),
            Self::Down { status, code, .. } => write!(f, "answered {status} ({code})"),
            Self::Open => f.write_str("the first create with this key is still open"),
            Self::Malformed { status, detail } => write!(f, "answered {status}, not understood: {detail}"),
            Self::Refused { status, code, .. } => write!(f, "refused with {status} ({code})"),
            Self::Missing => f.write_str("no such path upstream"),
            Self::TaskNotFound => f.write_str("no such task upstream"),
        }
    }
}

impl std::error::Error for CallError {}

/// A call under way.
pub type CallFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// Evolink, as the gateway sees it. Each call is one try with its own deadline; repeating is the caller's business.
pub trait Upstream: Send + Sync + 'static {
    /// POST /v1/images/generations. `patience` bounds this one try.
    fn create<'a>(
        &'a self,
        key: &'a UpstreamKey,
        body: CreateBody,
        patience: Duration,
    ) -> CallFuture<'a, Task>;
    /// GET /v1/tasks/{id}.
    fn task<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, Task>;
    /// POST /v1/tasks/batch with 1 to 50 ids; unknown ones are absent from the answer.
    fn batch<'a>(&'a self, ids: &'a [TaskId]) -> CallFuture<'a, Vec<Task>>;
    /// GET /v1/tasks, read back to `since` (seconds of Unix time) as far as its bounds let it: the tasks of this model,
    /// whoever of the account made them. `Missing` where there is no such list.
    fn tasks_since<'a>(&'a self, _model: &'a str, _since: i64) -> CallFuture<'a, TaskList> {
        Box::pin(async { Err(CallError::Missing) })
    }
    /// DELETE /v1/tasks/{id}. Evolink's pages do not promise that it works: a refusal (400, 404, 405) is a normal answer.
    fn cancel<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, ()>;
    /// POST /api/v1/files/upload/stream. When its answer is lost, the receipt is asked for before this fails. How many
    /// run at once is the caller's to bound.
    fn upload(&self, upload: Upload) -> CallFuture<'_, UploadedFile>;
    /// DELETE /api/v1/files/{id}; `Missing` when there is no such file.
    fn delete_file<'a>(&'a self, id: &'a FileId) -> CallFuture<'a, ()>;
    /// GET /v1/credits.
    fn credits(&self) -> CallFuture<'_, Credit>;
}
