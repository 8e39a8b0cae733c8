//! A task as Evolink tells of it, whatever form it was told in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::money::Credits;

/// `task-unified-<unix>-<8 characters>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

impl TaskId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a task stands. A status this client does not know counts as [`TaskStatus::Processing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

impl TaskStatus {
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// The answer to a create or a task query.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub status: TaskStatus,
    /// 0 to 100.
    pub progress: Option<u8>,
    /// Links to the pictures, `results` first, then those of `result_data`, without repetition. May be empty on a
    /// completed task: read it again, never make it again.
    pub links: Vec<String>,
    /// Set when failed or cancelled.
    pub error: Option<TaskError>,
    /// `task_info.estimated_time`.
    pub estimated: Option<Duration>,
    pub usage: TaskUsage,
}

/// A task in the account's list, which tells neither its prompt nor its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTask {
    pub id: TaskId,
    /// The model in Evolink's words; empty when the list does not say.
    pub model: String,
    /// `created_at`, in seconds of Unix time.
    pub created: i64,
}

/// The account's youngest tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskList {
    pub tasks: Vec<ListedTask>,
    /// Whether it goes as far back as was asked for: if not, there are others.
    pub reaches_back: bool,
}

/// Why a task failed: `error.code` and `error.message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    pub code: String,
    pub message: String,
}

/// What a task costs, as far as Evolink tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskUsage {
    pub reserved: Option<Credits>,
    pub used: Option<Credits>,
}
