//! What a callback changes: when its task is looked at.
//!
//! It is a hint that anyone may give who knows its name. So it causes a look and nothing else, not more often than the
//! configuration allows for one task, and not for ever.

use std::time::Duration;

use tokio::time::Instant;

use super::super::history::History;
use super::super::schedule::{Hints, Look, fallback_look, next_look};
use super::super::{WatchOptions, Watched};
use super::{Actor, enqueue};
use crate::evolink::TaskId;

/// Looks that callbacks cause at one task; Evolink sends four at most.
const WAKES_MAX: u32 = 8;

/// Where a task stands with its callback.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// None is expected, or it came and the task was running: looked at as any other.
    Regular,
    /// It will come, unless it is lost.
    Expected,
    /// It came then, and no look begun since was answered.
    Came(Instant),
}

/// A task's callback, as the loop knows it.
#[derive(Debug)]
pub(super) struct Call {
    stage: Stage,
    /// Looks it has caused.
    wakes: u32,
}

impl Call {
    pub(super) fn of(task: &Watched) -> Self {
        if let Some(expected) = &task.callback {
            expected.is_of(&task.id);
        }
        let sure = task.callback.as_ref().is_some_and(super::super::Expected::is_sure);
        Self { stage: if sure { Stage::Expected } else { Stage::Regular }, wakes: 0 }
    }

    pub(super) fn is_expected(&self) -> bool {
        matches!(self.stage, Stage::Expected)
    }

    /// The next look that no callback causes.
    pub(super) fn look(
        &self,
        history: &History,
        hints: Hints,
        seen: Option<Duration>,
        options: &WatchOptions,
    ) -> Look {
        let regular = next_look(history, hints, seen, options.bounds);
        if !self.is_expected() {
            return regular;
        }
        let latest = options.task_timeout.max(regular.at);
        Look { at: fallback_look(history, hints, seen).clamp(regular.at, latest), probe: None }
    }

    /// A look begun at `looked` found the task running. True when the callback came later than that.
    pub(super) fn was_running(&mut self, looked: Option<Instant>) -> bool {
        let Stage::Came(at) = self.stage else { return false };
        self.stage = Stage::Regular;
        looked.is_some_and(|looked| at > looked)
    }

    /// When the callback told of the end: the task may have run until just before.
    pub(super) fn came(&self) -> Option<Instant> {
        match self.stage {
            Stage::Came(at) => Some(at),
            Stage::Regular | Stage::Expected => None,
        }
    }
}

impl Actor {
    /// Looks soon at the tasks that were called back.
    pub(super) fn take_callbacks(&mut self) {
        for id in self.callbacks.take() {
            self.called(&id);
        }
        if self.callbacks.is_over() {
            self.expect_none();
        }
    }

    fn called(&mut self, id: &TaskId) {
        let Some(watch) = self.watches.get_mut(id).filter(|watch| watch.call.wakes < WAKES_MAX) else {
            return;
        };
        let now = Instant::now();
        watch.call.stage = Stage::Came(now);
        watch.call.wakes += 1;
        // A look that was in vain is made again soon anyway, with the pause that it asked for.
        let in_vain = watch.failed + watch.unknown + watch.linkless > 0;
        let soonest = watch.looked.map_or(now, |looked| now.max(looked + self.options.bounds.min));
        if watch.due.is_some_and(|due| due > soonest) && !in_vain {
            watch.slack = Duration::ZERO;
            enqueue(&mut self.queue, watch, soonest);
        }
    }

    fn expect_none(&mut self) {
        let expecting: Vec<TaskId> = self
            .watches
            .iter_mut()
            .filter(|(_, watch)| watch.call.is_expected())
            .map(|(id, watch)| {
                watch.call.stage = Stage::Regular;
                id.clone()
            })
            .collect();
        for id in expecting {
            let waits = self.watches.get(&id).is_some_and(|watch| watch.due.is_some());
            if waits {
                self.schedule(&id);
            }
        }
    }
}
