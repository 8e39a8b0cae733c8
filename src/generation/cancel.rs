//! Asking upstream to cancel what nobody wants any more. Best effort: the watcher goes on until upstream names an end.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::evolink::{CallError, TaskId, Upstream};

/// Cancels under way at once; the others wait, one for each generation that was taken back.
const CANCELS_AT_ONCE_MAX: usize = 4;

pub(super) struct Canceller {
    upstream: Arc<dyn Upstream>,
    places: Semaphore,
}

impl Canceller {
    pub(super) fn new(upstream: Arc<dyn Upstream>) -> Self {
        Self { upstream, places: Semaphore::new(CANCELS_AT_ONCE_MAX) }
    }

    pub(super) async fn cancel_all(&self, tasks: Vec<TaskId>) {
        for task in tasks {
            self.cancel(&task).await;
        }
    }

    /// Asks once. A no is a normal answer: the task may have ended, and upstream may not offer this at all.
    pub(super) async fn cancel(&self, task_id: &TaskId) {
        let Ok(_place) = self.places.acquire().await else { return };
        match self.upstream.cancel(task_id).await {
            Ok(()) => tracing::info!(%task_id, "a task was cancelled upstream"),
            Err(error @ (CallError::Refused { .. } | CallError::Missing | CallError::TaskNotFound)) => {
                tracing::info!(%task_id, %error, "a task is not cancelled upstream; it runs to its end");
            }
            Err(error) => {
                tracing::warn!(%task_id, %error, "a task could not be cancelled; it runs to its end");
            }
        }
    }
}
