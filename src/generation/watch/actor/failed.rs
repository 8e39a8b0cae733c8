//! Looks in vain: those that failed, and tasks that Evolink does not know.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::super::Ended;
use super::Actor;
use crate::evolink::{CallError, TaskId};

/// How often a task may be unknown upstream before it counts as gone.
const UNKNOWN_MAX: u32 = 6;
/// The pause after a 429 that names none.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause between tries of a failing look, unless Evolink asks for a longer one.
const FAILING_PAUSE_MAX: Duration = Duration::from_secs(4);

impl Actor {
    pub(super) fn take_failure(&mut self, ids: &[TaskId], error: &CallError) {
        tracing::warn!(tasks = ids.len(), %error, "a look at running tasks failed; it will be made again");
        if let CallError::Busy { retry_after } = error {
            self.budget.pause(Instant::now(), retry_after.unwrap_or(BUSY_PAUSE));
        }
        for id in ids {
            let Some(watch) = self.watches.get_mut(id) else { continue };
            watch.failed = watch.failed.saturating_add(1);
            let pause = growing_pause(self.options.bounds.min, watch.failed.min(5));
            let jitter = self.random.random_range(0.75..1.0);
            let pause = error.retry_after().unwrap_or(pause.min(FAILING_PAUSE_MAX).mul_f64(jitter));
            self.again(id, pause);
        }
    }

    pub(super) fn take_unknown(&mut self, id: &TaskId) {
        let Some(watch) = self.watches.get_mut(id) else { return };
        watch.unknown += 1;
        if watch.unknown < UNKNOWN_MAX {
            let pause = growing_pause(self.options.bounds.min, watch.unknown);
            self.again(id, pause);
        } else if let Some(watch) = self.watches.remove(id) {
            tracing::error!(task_id = %id, looks = watch.looks, "evolink no longer knows a running task");
            drop(watch.answer.send(Ended::Gone));
        }
    }
}

/// The pause before the next try after so many in vain: `first`, then twice as long each time.
pub(super) fn growing_pause(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)))
}
