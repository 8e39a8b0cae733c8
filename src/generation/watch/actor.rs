//! The watcher's loop: who is due, which call, what the answer changes. What callbacks change is in [`called`],
//! what becomes of looks in vain in [`failed`].

mod called;
mod failed;

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::budget::Budget;
use super::callbacks::Callbacks;
use super::history::{Histories, Probe};
use super::schedule::{Hints, gap};
use super::{Batching, Ended, WatchOptions, Watched};
use crate::evolink::{CallError, Task, TaskId, TaskStatus, Upstream};
use crate::telemetry::Metrics;
use called::Call;
use failed::growing_pause;

/// Ids in one batch read, by Evolink's page.
const BATCH_MAX: usize = 50;
/// Calls under way at once.
const CALLS_MAX: usize = 64;
/// How often a completed task without links is read again before it is handed over as it is.
const LINKLESS_MAX: u32 = 5;
/// Looks at a task past `task_timeout`.
const OVERDUE_EVERY: Duration = Duration::from_mins(1);
/// How long the batch path counts as missing before it is tried again.
const BATCH_MISSING: Duration = Duration::from_mins(10);
/// A look is made early to share a call by at most this part of a gap.
const SLACK_PART: u32 = 16;
/// First looks are late by chance by up to this, so that tasks made together do not march in step.
const JITTER_MAX: Duration = Duration::from_millis(30);

type Answer = (Vec<TaskId>, bool, Result<Vec<Task>, CallError>);

struct Watch {
    task: Watched,
    answer: oneshot::Sender<Ended>,
    hints: Hints,
    /// Whether the look under way or next is a probe.
    probing: Option<Probe>,
    /// Looks that were answered.
    looks: u32,
    /// Age at the last answered look, which found the task running.
    running_at: Option<Duration>,
    /// Looks in a row that failed.
    failed: u32,
    unknown: u32,
    linkless: u32,
    /// When to look next; `None` while a look is under way.
    due: Option<Instant>,
    /// How early that look may be made to share a call.
    slack: Duration,
    /// When the last look was begun.
    looked: Option<Instant>,
    call: Call,
}

struct Actor {
    upstream: Arc<dyn Upstream>,
    options: WatchOptions,
    metrics: Arc<Metrics>,
    watches: HashMap<TaskId, Watch>,
    /// Every watch that is not being looked at, soonest first.
    queue: BTreeSet<(Instant, TaskId)>,
    histories: Histories,
    budget: Budget,
    batch_missing_until: Option<Instant>,
    calls: JoinSet<Answer>,
    random: StdRng,
    callbacks: Arc<Callbacks>,
}

pub(super) async fn run(
    upstream: Arc<dyn Upstream>,
    options: WatchOptions,
    metrics: Arc<Metrics>,
    random: StdRng,
    mut inbox: mpsc::Receiver<(Watched, oneshot::Sender<Ended>)>,
    callbacks: Arc<Callbacks>,
) {
    let mut actor = Actor {
        upstream,
        options,
        metrics,
        watches: HashMap::new(),
        queue: BTreeSet::new(),
        histories: Histories::default(),
        budget: Budget::new(options.per_second),
        batch_missing_until: None,
        calls: JoinSet::new(),
        random,
        callbacks: Arc::clone(&callbacks),
    };
    loop {
        let wake = actor.wake_at();
        tokio::select! {
            arrival = inbox.recv() => match arrival {
                Some((task, answer)) => actor.admit(task, answer),
                None => return,
            },
            Some(done) = actor.calls.join_next() => {
                if let Ok((ids, batched, result)) = done {
                    actor.take_answer(&ids, batched, result);
                }
            },
            () = callbacks.news() => actor.take_callbacks(),
            () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => actor.look(),
        }
    }
}

impl Actor {
    fn wake_at(&self) -> Option<Instant> {
        let (due, _) = self.queue.first()?;
        (self.calls.len() < CALLS_MAX).then(|| (*due).max(self.budget.free_at(Instant::now())))
    }

    fn admit(&mut self, task: Watched, answer: oneshot::Sender<Ended>) {
        let call = Call::of(&task);
        let probe = self.histories.of(&task.class).admit().filter(|_| !call.is_expected());
        let part = self.random.random_range(0.2..0.8);
        let hints = Hints { estimated: task.estimated, typical: task.typical, looks: 0, probe, part };
        let id = task.id.clone();
        let watch = Watch {
            task,
            answer,
            hints,
            probing: None,
            looks: 0,
            running_at: None,
            failed: 0,
            unknown: 0,
            linkless: 0,
            due: None,
            slack: Duration::ZERO,
            looked: None,
            call,
        };
        self.watches.insert(id.clone(), watch);
        self.schedule(&id);
    }

    /// Plans the next regular look.
    fn schedule(&mut self, id: &TaskId) {
        let Some(watch) = self.watches.get_mut(id) else { return };
        let history = self.histories.of(&watch.task.class);
        let seen = watch.running_at;
        let look = watch.call.look(history, watch.hints, seen, &self.options);
        let age = match seen {
            Some(seen) if seen >= self.options.task_timeout => seen + OVERDUE_EVERY,
            _ => look.at,
        };
        watch.probing = look.probe;
        if look.probe.is_some() {
            watch.hints.probe = None;
        }
        watch.slack = self.budget.spacing().min(gap(age) / SLACK_PART);
        let jitter = if seen.is_none() {
            self.random.random_range(Duration::ZERO..=JITTER_MAX)
        } else {
            Duration::ZERO
        };
        enqueue(&mut self.queue, watch, watch.task.created + age + jitter);
    }

    /// Makes one call for those that are due, taking along who would be due before the next call could be made.
    fn look(&mut self) {
        let now = Instant::now();
        let most = if self.may_batch(now) { BATCH_MAX } else { 1 };
        let mut ids = Vec::new();
        while ids.len() < most {
            let Some((due, id)) = self.queue.first().cloned() else { break };
            let slack = self.watches.get(&id).map_or(Duration::ZERO, |watch| watch.slack);
            if due > now + slack || (ids.is_empty() && due > now) {
                break;
            }
            // What a batch left out is asked for alone: only that answer says that a task is not known.
            let alone = self.is_missed(&id);
            if alone && !ids.is_empty() {
                break;
            }
            self.queue.remove(&(due, id.clone()));
            match self.watches.get_mut(&id) {
                Some(watch) if watch.answer.is_closed() => drop(self.watches.remove(&id)),
                Some(watch) => {
                    watch.due = None;
                    watch.looked = Some(now);
                    ids.push(id);
                }
                None => {}
            }
            if alone && !ids.is_empty() {
                break;
            }
        }
        if !ids.is_empty() {
            self.budget.book(now);
            self.call(ids);
        }
    }

    fn is_missed(&self, id: &TaskId) -> bool {
        self.watches.get(id).is_some_and(|watch| watch.unknown > 0)
    }

    fn may_batch(&self, now: Instant) -> bool {
        match self.options.batching {
            Batching::Never => false,
            Batching::Always | Batching::Auto => self.batch_missing_until.is_none_or(|until| now >= until),
        }
    }

    fn call(&mut self, ids: Vec<TaskId>) {
        let upstream = Arc::clone(&self.upstream);
        let alone =
            ids.len() == 1 && (self.options.batching != Batching::Always || !self.may_batch(Instant::now()));
        self.calls.spawn(async move {
            let call = async {
                match ids.first() {
                    Some(id) if alone => upstream.task(id).await.map(|task| vec![task]),
                    _ => upstream.batch(&ids).await,
                }
            };
            // Nothing of the call is used after a panic, and its tasks must not go unwatched.
            let result = AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_panic| {
                Err(CallError::Malformed { status: 0, detail: "reading the answer panicked".to_owned() })
            });
            (ids, !alone, result)
        });
    }

    fn take_answer(&mut self, ids: &[TaskId], batched: bool, result: Result<Vec<Task>, CallError>) {
        match result {
            Ok(tasks) => {
                let mut told: HashMap<TaskId, Task> =
                    tasks.into_iter().map(|task| (task.id.clone(), task)).collect();
                for id in ids {
                    match told.remove(id) {
                        Some(task) => self.take_task(id, task),
                        None => self.take_unknown(id),
                    }
                }
            }
            // Not there, or there and not for this key or these bodies: single reads may work all the same.
            Err(CallError::Missing | CallError::Refused { .. }) if batched => {
                tracing::info!("evolink has no batch query: tasks are read one by one");
                self.batch_missing_until = Some(Instant::now() + BATCH_MISSING);
                for id in ids {
                    self.again(id, Duration::ZERO);
                }
            }
            Err(CallError::TaskNotFound) if !batched => ids.iter().for_each(|id| self.take_unknown(id)),
            Err(error) => self.take_failure(ids, &error),
        }
    }

    fn take_task(&mut self, id: &TaskId, task: Task) {
        let Some(watch) = self.watches.get_mut(id) else { return };
        let age = watch.task.created.elapsed();
        watch.looks += 1;
        watch.failed = 0;
        watch.unknown = 0;
        if !task.status.is_terminal() {
            watch.running_at = Some(age);
            watch.hints.looks = watch.looks;
            watch.task.progress.told(task.progress);
            // The callback may tell of what this look came too early to see.
            if watch.call.was_running(watch.looked) {
                return self.again(id, self.options.bounds.min);
            }
            return self.schedule(id);
        }
        if task.status == TaskStatus::Completed && task.links.is_empty() && watch.linkless < LINKLESS_MAX {
            watch.linkless += 1;
            let pause = growing_pause(self.options.bounds.min, watch.linkless);
            return self.again(id, pause);
        }
        if let Some(watch) = self.watches.remove(id) {
            self.close(watch, task, age);
        }
    }

    fn close(&mut self, watch: Watch, task: Task, age: Duration) {
        let called = watch.call.came().map(|at| at.saturating_duration_since(watch.task.created).min(age));
        let last_running = watch.running_at.max(called).unwrap_or_default();
        self.metrics.noticed(watch.looks, age.saturating_sub(last_running).as_secs_f64());
        if task.status == TaskStatus::Completed {
            let history = self.histories.of(&watch.task.class);
            if let Some(probe) = watch.probing {
                history.found_done(probe, age);
            }
            history.learn(last_running, age);
        }
        drop(watch.answer.send(Ended::Task(Box::new(task))));
    }

    /// Looks once more after `pause`, outside the regular schedule.
    fn again(&mut self, id: &TaskId, pause: Duration) {
        if let Some(watch) = self.watches.get_mut(id) {
            watch.slack = Duration::ZERO;
            enqueue(&mut self.queue, watch, Instant::now() + pause);
        }
    }
}

fn enqueue(queue: &mut BTreeSet<(Instant, TaskId)>, watch: &mut Watch, due: Instant) {
    if let Some(old) = watch.due.replace(due) {
        queue.remove(&(old, watch.task.id.clone()));
    }
    queue.insert((due, watch.task.id.clone()));
}
