//! A generation: what it is, where it stands, who waits for it.

mod finished;

use std::borrow::Borrow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{SetOnce, watch};
use tokio::time::Instant;

use super::audience::Audience;
use super::booking::Booking;
use super::doubt::Doubts;
use super::journal::Admission;
use super::pictures::Pictures;
use super::progress::Progress;
use super::queue::Line;
use super::reuse::IdempotencyKey;
use crate::evolink::TaskId;
use crate::fault::Fault;
use crate::image::{Fingerprint, Plan};
use crate::quota::Demand;
pub use finished::{Finished, ImageResult, MadeImage, Timing};

/// `gen_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GenerationId(String);

impl GenerationId {
    fn random() -> Self {
        Self(format!("gen_{}", uuid::Uuid::new_v4().simple()))
    }

    /// One that was written down before.
    pub fn kept(id: String) -> Self {
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
    /// In the past for one that was taken up after a restart.
    born: Instant,
    created_ms: i64,
    pub(super) idempotency_key: Option<IdempotencyKey>,
    pub(super) private: bool,
    /// Its pictures were there and are no more.
    pub(super) spoilt: AtomicBool,
    /// Whether it is written down and may go on; or why not.
    admission: SetOnce<Result<(), Fault>>,
    phase: watch::Sender<Phase>,
    /// Whether an image has or had a place upstream.
    placed: AtomicBool,
    tasks: Mutex<Vec<Bought>>,
    pub(super) doubts: Doubts,
    pub(super) audience: Audience,
    pub(super) progress: Progress,
    pub(super) line: Line,
    pub(super) booking: Booking,
    pub(super) pictures: Arc<Pictures>,
}

impl Generation {
    /// `created_ms`: now.
    pub(super) fn new(plan: Arc<Plan>, owner: Owner, created_ms: i64) -> Self {
        let admission = Admission {
            id: GenerationId::random(),
            owner,
            plan,
            created_ms,
            idempotency_key: None,
            private: false,
            key_name: "".into(),
            demands: Vec::new(),
        };
        Self::of(admission, Duration::ZERO, Audience::default())
    }

    /// One that was written down so long ago.
    pub(super) fn kept(admission: Admission, age: Duration, audience: Audience) -> Self {
        let generation = Self::of(admission, age, audience);
        generation.admit(Ok(()));
        generation
    }

    fn of(admission: Admission, age: Duration, audience: Audience) -> Self {
        let Admission { id, owner, plan, created_ms, idempotency_key, private, key_name, .. } = admission;
        let booking = Booking::none(&owner.team, &key_name);
        let (now, pictures) = (Instant::now(), Pictures::of(id.clone()));
        Self {
            id,
            owner,
            progress: Progress::new(plan.count),
            plan,
            born: now.checked_sub(age).unwrap_or(now),
            created_ms,
            idempotency_key,
            private,
            spoilt: AtomicBool::new(false),
            admission: SetOnce::new(),
            phase: watch::Sender::new(Phase::Running),
            placed: AtomicBool::new(false),
            tasks: Mutex::default(),
            doubts: Doubts::default(),
            audience,
            line: Line::default(),
            booking,
            pictures,
        }
    }

    /// What is written down before anything else is done.
    pub(super) fn to_admission(&self, demands: Vec<Demand>) -> Admission {
        Admission {
            id: self.id.clone(),
            owner: self.owner.clone(),
            plan: Arc::clone(&self.plan),
            created_ms: self.created_ms,
            idempotency_key: self.idempotency_key.clone(),
            private: self.private,
            key_name: self.booking.key_name(),
            demands,
        }
    }

    /// It is written down, or refused; the first word counts.
    pub(super) fn admit(&self, outcome: Result<(), Fault>) {
        self.admission.set(outcome).ok();
    }

    /// Waits until it is written down.
    pub(super) async fn admitted(&self) -> Result<(), Fault> {
        self.admission.wait().await.clone()
    }

    pub fn id(&self) -> &GenerationId {
        &self.id
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When it was asked for, in seconds of Unix time.
    pub fn created_unix(&self) -> i64 {
        self.created_ms.div_euclid(1000)
    }

    pub(super) fn created_ms(&self) -> i64 {
        self.created_ms
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

    /// How many images come before its first one while it is queued; none before it stands in the line.
    pub fn ahead(&self) -> Option<usize> {
        (self.state() == State::Queued).then(|| self.line.ahead()).flatten()
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

    pub(super) fn change_phase(&self, change: impl FnOnce(&mut Phase) -> bool) {
        self.phase.send_if_modified(change);
    }
}
