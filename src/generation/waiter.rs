//! Waiting for a generation, and leaving it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};

use super::audience::{Leaving, Withdrawal};
use super::journal::Note;
use super::model::{Finished, Generation, Phase};
use super::pictures::{Asked, Delivered};
use super::purchase::{JOURNAL_PATIENCE, in_patience, unwritten};
use super::reuse::Came;
use super::{House, OnDisconnect};
use crate::fault::{Fault, FaultKind};
use crate::media::StoredPicture;

/// Longest wait for pictures to be stored, for an answer that can be given without.
pub(super) const STORED_PATIENCE: Duration = Duration::from_secs(5);

/// One request's interest in a generation. Dropping it leaves the generation to itself: it goes on (unless
/// `on_disconnect` says otherwise), and if nobody got the answer, a repetition of the request gets it.
pub struct Waiter {
    house: Arc<House>,
    generation: Arc<Generation>,
    since: Instant,
    came: Came,
    leaving: Leaving,
}

impl Waiter {
    /// The generation has counted this waiter in already.
    pub(super) fn new(house: Arc<House>, generation: Arc<Generation>, came: Came) -> Self {
        Self { house, generation, since: Instant::now(), came, leaving: Leaving::Gone }
    }

    /// One that knows the generation by its id, and so can be back at any time.
    pub(super) fn by_id(house: Arc<House>, generation: Arc<Generation>) -> Self {
        let mut waiter = Self::new(house, generation, Came::Joined);
        waiter.told();
        waiter
    }

    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// How this request came to its generation.
    pub fn came(&self) -> Came {
        self.came
    }

    /// True when this request was not the first for its generation.
    pub fn joined(&self) -> bool {
        self.came != Came::First
    }

    /// Waits until the generation is written down.
    ///
    /// # Errors
    /// Why it was refused; `Overloaded` when the journal takes too long, which leaves the generation to a repetition.
    pub(super) async fn admitted(&mut self) -> Result<(), Fault> {
        // Known for most: that needs no timer.
        if let Some(admitted) = self.generation.admitted().now_or_never() {
            return admitted;
        }
        let admitted = timeout(JOURNAL_PATIENCE, self.generation.admitted()).await;
        admitted.unwrap_or_else(|_elapsed| {
            self.told();
            Err(unwritten())
        })
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The generation's own failure when no image was made; `OutcomeUnknown` after `create_patience` of doubt;
    /// `TaskTimeout` past `task_timeout`; `Deadline` at `deadline`. The last three leave the generation running.
    pub async fn finished(&mut self, deadline: Instant) -> Result<Arc<Finished>, Fault> {
        let mut phases = self.generation.subscribe();
        loop {
            let phase = phases.borrow_and_update().clone();
            let until = match phase {
                Phase::Finished(finished) => return self.take(finished),
                Phase::Overdue => {
                    self.told();
                    return Err(overdue());
                }
                Phase::InDoubt { .. } => deadline.min(self.since + self.house.options.create_patience),
                Phase::Running => deadline,
            };
            if tokio::time::timeout_at(until, phases.changed()).await.is_err() {
                self.told();
                return Err(if until < deadline { in_doubt() } else { Self::at_deadline() });
            }
        }
    }

    fn take(&mut self, finished: Arc<Finished>) -> Result<Arc<Finished>, Fault> {
        match finished.failure() {
            Some(fault) => {
                // A picture that was paid for stays within reach of a repetition; any other failure is the answer.
                if fault.kind() != FaultKind::ResultUnavailable {
                    self.leaving = Leaving::Answered;
                }
                Err(fault.clone())
            }
            None => Ok(finished),
        }
    }

    /// The pictures of the end.
    ///
    /// # Errors
    /// `ResultUnavailable` when none of the made pictures could be fetched; of a result, when any could not.
    pub async fn pictures(&self, finished: &Finished) -> Result<Arc<Delivered>, Fault> {
        let delivered = self.generation.pictures.fetch(&self.house, finished, Asked::Again).await;
        let in_part = !self.is_hit() && delivered.images.iter().any(Result::is_ok);
        match delivered
            .images
            .iter()
            .zip(&finished.images)
            .find(|(picture, made)| made.is_ok() && picture.is_err())
        {
            Some((Err(fault), _)) if !in_part => {
                if !fault.should_retry() {
                    self.house.lose(&self.generation);
                }
                Err(fault.clone())
            }
            _ => Ok(delivered),
        }
    }

    /// Whether it is a result whose pictures cannot be had any more: it answers nobody from now on, and the same request
    /// has them made again.
    pub async fn is_lost(&self) -> bool {
        let Phase::Finished(finished) = self.generation.phase() else { return false };
        let looks = self.is_hit() && finished.is_whole();
        looks && self.pictures(&finished).await.is_err_and(|fault| !fault.should_retry())
    }

    fn is_hit(&self) -> bool {
        matches!(self.came, Came::Hit { .. })
    }

    /// What the store has of the pictures, in the order of their index. Pictures are put once the end is known: their
    /// first try is waited for, some seconds at most.
    pub async fn stored(&self, finished: &Finished) -> Vec<Option<StoredPicture>> {
        let pictures = &self.generation.pictures;
        // What is not stored in time is not stored for this answer.
        let _elapsed = timeout(STORED_PATIENCE, pictures.tried()).await;
        (0..).zip(&finished.images).map(|(index, _)| pictures.stored(index)).collect()
    }

    /// The answer when the longest silent wait is over.
    pub fn at_deadline() -> Fault {
        Fault::new(
            FaultKind::Deadline,
            "The picture is not ready yet and is still being made. Send the same request again to wait on.",
        )
    }

    /// The client is to be answered with 202: it will come for the answer by the generation's id. Until then the
    /// generation has its interest, and no repetition of the request is answered with it. `kept` (the request's place
    /// among those that wait) is dropped at the generation's end: what was promised is as much under way as what is
    /// waited for. A promise holds over a restart, so it is written down first.
    ///
    /// # Errors
    /// `Overloaded` when it cannot be written down: nothing is promised.
    pub async fn promise(mut self, kept: impl Send + 'static) -> Result<(), Fault> {
        self.told();
        let note = Note::Promised { generation: self.generation.id().clone() };
        let noted = in_patience(self.house.journal.note(Arc::from([note]))).await;
        noted.map_err(|error| unwritten().with_cause(error))?;
        self.generation.audience.promise();
        let mut phases = self.generation.subscribe();
        self.house.tasks.spawn(async move {
            // An error is the generation's end as well.
            let _ = phases.wait_for(|phase| matches!(phase, Phase::Finished(_))).await;
            drop(kept);
        });
        Ok(())
    }

    /// The client is told, or knows, that the generation goes on: its leaving is no going away.
    pub fn told(&mut self) {
        if self.leaving == Leaving::Gone {
            self.leaving = Leaving::Told;
        }
    }

    /// The client has the whole answer. Another team's is none of those that the generation was made for.
    pub fn answered(mut self) {
        if !matches!(self.came, Came::Hit { foreign: true, .. }) {
            self.leaving = Leaving::Answered;
        }
    }

    /// Whether the leaving of the last one ends what it waited for.
    fn ends_it(&self) -> bool {
        let running = !matches!(self.generation.phase(), Phase::Finished(_));
        running && self.leaving == Leaving::Gone && self.house.options.on_disconnect == OnDisconnect::Cancel
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let audience = &self.generation.audience;
        if audience.leave(self.leaving) {
            self.generation.pictures.let_go();
            let withdrawal = {
                // An end is noted down under the same lock: what has ended is not abandoned.
                let mut registry = self.house.registry.lock().unwrap_or_else(PoisonError::into_inner);
                registry.tidy(&self.generation);
                if self.ends_it() { audience.abandon() } else { audience.lapse() }
            };
            if withdrawal == Withdrawal::Cancel {
                self.house.cancel(&self.generation);
            }
        }
    }
}

fn in_doubt() -> Fault {
    Fault::new(
        FaultKind::OutcomeUnknown,
        "Upstream has not said whether it took the request. It is being asked; send the same request again to join it.",
    )
}

fn overdue() -> Fault {
    Fault::new(FaultKind::TaskTimeout, "The upstream task takes longer than this gateway waits for one.")
}
