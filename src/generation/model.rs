//! A generation: what it is, where it stands, who waits for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::pictures::Pictures;
use crate::evolink::TaskId;
use crate::fault::Fault;
use crate::image::{Fingerprint, Plan};
use crate::money::Credits;

/// `gen_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GenerationId(String);

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

/// Who waits, and whether anyone has the answer.
#[derive(Debug, Default)]
struct Audience {
    waiting: usize,
    /// The answer has reached a client whole.
    delivered: bool,
    /// A create has begun: from here on it runs to its end, awaited or not.
    buying: bool,
    /// Nobody was waiting when its turn came: nothing is bought.
    abandoned: bool,
}

/// One generation; shared by its background task and its waiters.
#[derive(Debug)]
pub struct Generation {
    id: GenerationId,
    owner: Owner,
    plan: Arc<Plan>,
    born: Instant,
    phase: watch::Sender<Phase>,
    audience: Mutex<Audience>,
    tasks: Mutex<Vec<TaskId>>,
    pub(super) pictures: Pictures,
}

impl Generation {
    pub(super) fn new(plan: Arc<Plan>, owner: Owner) -> Self {
        Self {
            id: GenerationId(format!("gen_{}", uuid::Uuid::new_v4().simple())),
            owner,
            plan,
            born: Instant::now(),
            phase: watch::Sender::new(Phase::Running),
            audience: Mutex::default(),
            tasks: Mutex::default(),
            pictures: Pictures::default(),
        }
    }

    pub fn id(&self) -> &GenerationId {
        &self.id
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The upstream tasks made so far.
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    pub(super) fn note_task(&self, task: TaskId) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
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

    /// One more waits. False when the generation was given up: it cannot be joined any more.
    pub(super) fn enter(&self) -> bool {
        let mut audience = self.audience();
        if !audience.abandoned {
            audience.waiting += 1;
        }
        !audience.abandoned
    }

    /// One less waits. True when the last one left.
    pub(super) fn leave(&self, with_answer: bool) -> bool {
        let mut audience = self.audience();
        audience.waiting = audience.waiting.saturating_sub(1);
        audience.delivered |= with_answer;
        audience.waiting == 0
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.audience().waiting > 0
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.audience().delivered
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.audience().abandoned
    }

    /// Asked before each create. Refused while nothing is bought and nobody waits: then nothing ever will be.
    pub(super) fn may_buy(&self) -> bool {
        let mut audience = self.audience();
        audience.abandoned |= !audience.buying && audience.waiting == 0;
        audience.buying |= !audience.abandoned;
        audience.buying
    }

    fn audience(&self) -> std::sync::MutexGuard<'_, Audience> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
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
