//! Callbacks that are expected, and those that came: what stands between the route and the watcher's loop.
//!
//! However many callbacks come, there is one mark a task at most, so that nothing grows. A callback may come before its
//! create was answered: the mark waits for the task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::evolink::{CallbackToken, TaskId};

#[derive(Debug, Default)]
struct Place {
    /// Unknown until the create is answered.
    task: Option<TaskId>,
    /// It came, and the loop has not taken it yet.
    came: bool,
}

/// Every create under way that may be called back.
#[derive(Debug, Default)]
pub(super) struct Callbacks {
    places: Mutex<HashMap<CallbackToken, Place>>,
    /// Something came, or no more is to be expected.
    news: Notify,
    /// They cannot reach the gateway any more.
    over: AtomicBool,
}

impl Callbacks {
    /// From now on a callback of this name counts, until the guard is dropped.
    pub(super) fn expect(self: &Arc<Self>, token: CallbackToken, sure: bool) -> Expected {
        self.places().insert(token, Place::default());
        Expected { callbacks: Arc::clone(self), token, sure }
    }

    /// A callback of this name came. What is not expected does nothing.
    pub(super) fn came(&self, token: &CallbackToken) {
        if let Some(place) = self.places().get_mut(token)
            && !std::mem::replace(&mut place.came, true)
        {
            self.news.notify_one();
        }
    }

    /// No callback will come from now on.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.news.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits for news; may be dropped at any moment.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The tasks that were called back since this was last asked.
    pub(super) fn take(&self) -> Vec<TaskId> {
        let mut places = self.places();
        let came = places.values_mut().filter(|place| place.came);
        let taken = came.filter_map(|place| {
            let task = place.task.clone()?;
            place.came = false;
            Some(task)
        });
        taken.collect()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<CallbackToken, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One create that may be called back; no longer when this is dropped.
#[derive(Debug)]
pub struct Expected {
    callbacks: Arc<Callbacks>,
    token: CallbackToken,
    /// No callback can have been missed: there is no need to look much meanwhile.
    sure: bool,
}

impl Expected {
    /// Whether few looks will do until the callback comes.
    pub(super) fn is_sure(&self) -> bool {
        self.sure && !self.callbacks.is_over()
    }

    /// The create was answered with this task. A callback that came before is news now.
    pub(super) fn is_of(&self, task: &TaskId) {
        if let Some(place) = self.callbacks.places().get_mut(&self.token) {
            place.task = Some(task.clone());
            if place.came {
                self.callbacks.news.notify_one();
            }
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.callbacks.places().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolink::UpstreamKey;

    fn token(key: &str) -> CallbackToken {
        CallbackToken::of(&UpstreamKey::kept(key.to_owned()))
    }

    #[test]
    fn a_callback_counts_once_and_only_while_it_is_expected() {
        let (callbacks, task) = (Arc::new(Callbacks::default()), TaskId::new("task-unified-1-a"));
        callbacks.came(&token("a"));
        let expected = callbacks.expect(token("a"), true);
        expected.is_of(&task);
        assert_eq!(callbacks.take(), [], "it came before it was expected");
        callbacks.came(&token("a"));
        callbacks.came(&token("a"));
        callbacks.came(&token("b"));
        assert_eq!(callbacks.take(), [task]);
        assert_eq!(callbacks.take(), []);
        callbacks.came(&token("a"));
        drop(expected);
        callbacks.came(&token("a"));
        assert_eq!(callbacks.take(), []);
        assert!(callbacks.places().is_empty());
    }

    #[test]
    fn a_callback_ahead_of_its_creates_answer_waits_for_the_task() {
        let (callbacks, task) = (Arc::new(Callbacks::default()), TaskId::new("task-unified-1-a"));
        let expected = callbacks.expect(token("a"), true);
        callbacks.came(&token("a"));
        assert_eq!(callbacks.take(), []);
        expected.is_of(&task);
        assert_eq!(callbacks.take(), [task]);
    }

    #[test]
    fn none_is_sure_to_come_once_they_are_over() {
        let callbacks = Arc::new(Callbacks::default());
        let (sure, other) = (callbacks.expect(token("a"), true), callbacks.expect(token("b"), false));
        assert_eq!((sure.is_sure(), other.is_sure()), (true, false));
        callbacks.end();
        assert!(!sure.is_sure());
    }
}
