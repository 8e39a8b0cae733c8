//! A generation: what it is, where it stands, who waits for it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::audience::Audience;
use super::pictures::Pictures;
use super::progress::Progress;
use crate::evolink::TaskId;
use crate::fault::Fault;
use crate::image::{Fingerprint, Plan};
use crate::money::Credits;

/// `gen_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GenerationId(String);

impl Borrow<str> for GenerationId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose generation it is, and of what: repetitions are recognised by this.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    pub team: Arc<str>,
    /// The id of the caller's key.
    pub key: Arc<str>,
    pub fingerprint: Fingerprint,
}

/// One image: made and paid for, or failed.
pub type ImageResult = Result<MadeImage, Fault>;

/// An image that Evolink has made.
#[derive(Debug, Clone)]
pub struct MadeImage {
    pub task: TaskId,
    /// Evolink's link, good for 24 hours.
    pub link: String,
    /// What Evolink charged.
    pub credits: Credits,
}

/// How long the steps of a generation took; of several images the longest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    pub queue: Duration,
    /// The upload of its pictures included.
    pub create: Duration,
    pub wait: Duration,
}

/// The end of a generation.
#[derive(Debug)]
pub struct Finished {
    /// Unix time of the end, in seconds.
    pub created: i64,
    /// In the order of their index.
    pub images: Vec<ImageResult>,
    pub timing: Timing,
}

impl Finished {
    /// What the made images cost together.
    pub fn credits(&self) -> Credits {
        self.images.iter().flatten().map(|image| image.credits).sum()
    }

    /// None made: the error of the first.
    pub fn failure(&self) -> Option<&Fault> {
        match self.images.first() {
            Some(Err(fault)) if self.images.iter().all(Result::is_err) => Some(fault),
            _ => None,
        }
    }
}

/// Where a generation stands, as its waiters need to know it.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Running,
    /// Some creates may have been taken, and nobody knows yet; they are being asked again.
    InDoubt {
        creates: usize,
    },
    /// A task is past `task_timeout`; it is still looked at.
    Overdue,
    Finished(Arc<Finished>),
}

/// Where a generation stands, as clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It has no place upstream yet.
    Queued,
    Running,
    /// A create may have been taken, and nobody knows yet.
    InDoubt,
    /// Some of its images are made.
    Done,
    /// None of its images was made.
    Failed,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::InDoubt => "in_doubt",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A task that was bought.
#[derive(Debug)]
struct Bought {
    id: TaskId,
    ended: bool,
}

/// One generation; shared by its background task and its waiters.
#[derive(Debug)]
pub struct Generation {
    id: GenerationId,
    owner: Owner,
    plan: Arc<Plan>,
    born: Instant,
    created_unix: i64,
    phase: watch::Sender<Phase>,
    /// Whether an image has or had a place upstream.
    placed: AtomicBool,
    tasks: Mutex<Vec<Bought>>,
    pub(super) audience: Audience,
    pub(super) progress: Progress,
    pub(super) pictures: Pictures,
}

impl Generation {
    /// `created_unix`: now, in seconds.
    pub(super) fn new(plan: Arc<Plan>, owner: Owner, created_unix: i64) -> Self {
        Self {
            id: GenerationId(format!("gen_{}", uuid::Uuid::new_v4().simple())),
            owner,
            progress: Progress::new(plan.count),
            plan,
            born: Instant::now(),
            created_unix,
            phase: watch::Sender::new(Phase::Running),
            placed: AtomicBool::new(false),
            tasks: Mutex::default(),
            audience: Audience::default(),
            pictures: Pictures::default(),
        }
    }

    pub fn id(&self) -> &GenerationId {
        &self.id
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When it was asked for, in seconds of Unix time.
    pub fn created_unix(&self) -> i64 {
        self.created_unix
    }

    pub fn state(&self) -> State {
        match &*self.phase.borrow() {
            Phase::Finished(finished) if finished.failure().is_some() => State::Failed,
            Phase::Finished(_) => State::Done,
            Phase::InDoubt { .. } => State::InDoubt,
            Phase::Overdue => State::Running,
            Phase::Running if self.placed.load(Ordering::Relaxed) => State::Running,
            Phase::Running => State::Queued,
        }
    }

    /// 0 to 100: the average of its images, which never falls; 100 once it is done.
    pub fn progress(&self) -> u8 {
        self.progress.percent()
    }

    /// [`Generation::progress`] as it grows.
    pub fn watch_progress(&self) -> watch::Receiver<u8> {
        self.progress.subscribe()
    }

    /// The upstream tasks made so far.
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.tasks().iter().map(|task| task.id.clone()).collect()
    }

    /// Those whose end is not known yet.
    pub(super) fn running_tasks(&self) -> Vec<TaskId> {
        self.tasks().iter().filter(|task| !task.ended).map(|task| task.id.clone()).collect()
    }

    pub(super) fn note_place(&self) {
        self.placed.store(true, Ordering::Relaxed);
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    pub(super) fn note_task(&self, id: TaskId) {
        self.tasks().push(Bought { id, ended: false });
    }

    pub(super) fn note_end(&self, id: &TaskId) {
        self.tasks().iter_mut().filter(|task| task.id == *id).for_each(|task| task.ended = true);
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Bought>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Moves on; an end stays the end.
    pub(super) fn advance(&self, next: Phase) {
        self.phase.send_if_modified(|phase| {
            let open = !matches!(phase, Phase::Finished(_));
            if open {
                *phase = next;
            }
            open
        });
    }

    /// One more of its creates is in doubt, until the guard is dropped.
    pub(super) fn doubt(&self) -> Doubt<'_> {
        self.phase.send_if_modified(|phase| match phase {
            Phase::Running => {
                *phase = Phase::InDoubt { creates: 1 };
                true
            }
            Phase::InDoubt { creates } => {
                *creates += 1;
                false
            }
            Phase::Overdue | Phase::Finished(_) => false,
        });
        Doubt(self)
    }
}

/// A create in doubt; dropped when its outcome is known.
pub(super) struct Doubt<'a>(&'a Generation);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.phase.send_if_modified(|phase| match phase {
            Phase::InDoubt { creates: 0 | 1 } => {
                *phase = Phase::Running;
                true
            }
            Phase::InDoubt { creates } => {
                *creates -= 1;
                false
            }
            Phase::Running | Phase::Overdue | Phase::Finished(_) => false,
        });
    }
}
