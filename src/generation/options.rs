//! How generations behave.

use std::sync::Arc;
use std::time::Duration;

/// How generations behave (`evolink` and `generation` of the configuration).
#[derive(Debug, Clone)]
pub struct Options {
    /// Tasks running upstream at once.
    pub max_tasks: usize,
    /// Longest wait for a place, until the generation's first image starts.
    pub queue_timeout: Duration,
    /// Longest a client waits on a create whose outcome is unknown.
    pub create_patience: Duration,
    /// How long a create is repeated with its key.
    pub idempotency_window: Duration,
    /// After this a task's waiters are told.
    pub task_timeout: Duration,
    /// How long a generation answers repetitions and is found by its id after its end, and how long one that does not
    /// end is looked after.
    pub replay: Duration,
    /// Tasks bought at most for one image, when upstream fails.
    pub attempts: u32,
    /// So long after its admission a generation still buys an image again: a client waits no longer in silence.
    pub retry_within: Duration,
    /// Upstream honours a create's key. If not, a create that may have been taken is never repeated.
    pub idempotent_creates: bool,
    /// What becomes of a generation whose last client leaves before its end.
    pub on_disconnect: OnDisconnect,
    /// Where upstream calls back when a task ends: the gateway's own base URL. None: tasks are only looked at.
    pub callback_base: Option<Arc<str>>,
}

impl Default for Options {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            max_tasks: 32,
            queue_timeout: Duration::from_mins(1),
            create_patience: Duration::from_secs(20),
            idempotency_window: Duration::from_hours(1),
            task_timeout: Duration::from_mins(15),
            replay: Duration::from_hours(24),
            attempts: 3,
            retry_within: Duration::from_secs(285),
            idempotent_creates: true,
            on_disconnect: OnDisconnect::Finish,
            callback_base: None,
        }
    }
}

/// What becomes of a generation whose last client leaves before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is made and kept for the client's repetition.
    Finish,
    /// What is not bought is not bought, and upstream is asked to cancel the rest.
    Cancel,
}
