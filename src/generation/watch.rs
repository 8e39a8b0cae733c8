//! The watcher: one poller for all running tasks.
//!
//! An owned actor. A generation hands it a task and waits for the [`Ended`]; the actor keeps the tasks sorted by when
//! they are to be looked at next ([`schedule`]), reads them in batches within one global [`budget`], and teaches the
//! [`history`] of their class. It knows nothing of clients and pictures. A look that fails is a look not made: it is
//! tried again with growing pauses, for as long as the task is anyone's concern. Where Evolink calls back
//! ([`callbacks`]), that call wakes the look, and few looks are made until then.

mod actor;
mod budget;
mod callbacks;
mod history;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use super::progress::ImageProgress;
pub use callbacks::Expected;
pub use schedule::PollBounds;

use crate::evolink::{CallbackToken, Task, TaskId, Upstream};
use crate::image::TaskClass;
use crate::telemetry::Metrics;
use callbacks::Callbacks;

/// Tasks that may wait to be taken over by the actor.
const INBOX_MAX: usize = 1024;

/// Whether several tasks are read by one call (`evolink.poll.batch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// Two or more due tasks by one call, until Evolink says that it has no such path.
    Auto,
    Always,
    Never,
}

/// `evolink.poll` and the limit after which a task is looked at once a minute.
#[derive(Debug, Clone, Copy)]
pub struct WatchOptions {
    pub bounds: PollBounds,
    pub per_second: u32,
    pub batching: Batching,
    pub task_timeout: Duration,
}

/// A task to be watched.
#[derive(Debug)]
pub struct Watched {
    pub id: TaskId,
    pub class: TaskClass,
    /// When the create was answered.
    pub created: Instant,
    /// `task_info.estimated_time` of the create answer.
    pub estimated: Option<Duration>,
    /// Documented times of such tasks, shortest and longest.
    pub typical: (Duration, Duration),
    /// What each look tells of the task's progress goes here.
    pub progress: ImageProgress,
    /// Its end may be told by a callback.
    pub callback: Option<Expected>,
}

/// How a watch ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The task in its terminal state.
    Task(Box<Task>),
    /// Evolink no longer knows the task, asked several times.
    Gone,
}

/// The handle to the actor; cheap to clone.
#[derive(Debug, Clone)]
pub struct Watcher {
    inbox: mpsc::Sender<(Watched, oneshot::Sender<Ended>)>,
    callbacks: Arc<Callbacks>,
}

impl Watcher {
    /// The handle, and the actor's loop for the caller to own; it ends when the last handle is gone.
    pub fn new(
        upstream: Arc<dyn Upstream>,
        options: WatchOptions,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        Self::with_random(upstream, options, metrics, StdRng::from_rng(&mut rand::rng()))
    }

    /// With a source of chance of the caller's choice, so that a simulated run can be repeated.
    fn with_random(
        upstream: Arc<dyn Upstream>,
        options: WatchOptions,
        metrics: Arc<Metrics>,
        random: StdRng,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (inbox, tasks) = mpsc::channel(INBOX_MAX);
        let callbacks = Arc::new(Callbacks::default());
        let actor = actor::run(upstream, options, metrics, random, tasks, Arc::clone(&callbacks));
        (Self { inbox, callbacks }, actor)
    }

    /// From now on a callback of this name wakes the look at its task; to be asked for before the create is sent, and
    /// given to [`Watcher::ended`] with the task. `sure`: none can have come earlier, so that few looks will do.
    pub fn expect(&self, token: CallbackToken, sure: bool) -> Expected {
        self.callbacks.expect(token, sure)
    }

    /// A callback of this name came. Anyone may send one: what is not expected does nothing, and of those that are,
    /// some cause a look each, within the budget.
    pub fn wake(&self, token: &CallbackToken) {
        self.callbacks.came(token);
    }

    /// No callback will come any more: all tasks are looked at as if there were none.
    pub fn expect_no_callbacks(&self) {
        self.callbacks.end();
    }

    /// Waits for the task's end, however long that takes; dropping the future ends the watch.
    /// `None`: the gateway is going down.
    pub async fn ended(&self, task: Watched) -> Option<Ended> {
        let (answer, ended) = oneshot::channel();
        self.inbox.send((task, answer)).await.ok()?;
        ended.await.ok()
    }
}
