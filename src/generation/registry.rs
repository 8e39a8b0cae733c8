//! Which generation answers a request: one under way, one that ended, or none yet.

mod finding;
mod shelf;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::audience::Withdrawal;
use super::model::{Finished, Generation, GenerationId, Owner, Phase};
use super::reuse::IdempotencyKey;
use crate::fault::{Fault, FaultKind};
use crate::image::Fingerprint;
pub(super) use finding::Found;
use shelf::Shelf;
pub(super) use shelf::bytes_of;

/// How old a generation may be whose answer reached nobody, to answer a repetition.
const ORPHAN_AGE_MAX: Duration = Duration::from_mins(15);
/// Generations remembered, those under way included; one more is refused.
const REMEMBERED_MAX: usize = 50_000;
/// What they may take together; nearly all of it are prompts.
const REMEMBERED_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Fewer are not worth looking through for those that can be forgotten.
const SWEEP_MIN: usize = 256;

/// The generations under way, those that ended without reaching anyone, and for a while those that did.
#[derive(Debug)]
pub(super) struct Registry {
    /// Under way, or ended and not delivered. Oldest first.
    open: HashMap<Subject, Vec<Arc<Generation>>>,
    count: usize,
    bytes: usize,
    /// The count at which to sweep again: twice what the last sweep left, so that sweeping stays cheap.
    sweep_at: usize,
    max: usize,
    bytes_max: usize,
    shelf: Shelf,
    /// After this nobody new is made to wait for a generation in doubt.
    task_timeout: Duration,
}

/// What makes requests identical: the team, and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub team: Arc<str>,
    pub fingerprint: Fingerprint,
}

impl Subject {
    pub(super) fn of(owner: &Owner) -> Self {
        Self { team: Arc::clone(&owner.team), fingerprint: owner.fingerprint }
    }
}

impl Registry {
    /// `replay`: how long a generation answers after its end. `task_timeout`: how long others are made to wait for one
    /// in doubt.
    pub(super) fn new(replay: Duration, task_timeout: Duration) -> Self {
        Self {
            open: HashMap::new(),
            count: 0,
            bytes: 0,
            sweep_at: SWEEP_MIN,
            max: REMEMBERED_MAX,
            bytes_max: REMEMBERED_BYTES_MAX,
            shelf: Shelf::new(replay),
            task_timeout,
        }
    }

    /// Keeps only so many of those that ended.
    #[cfg(test)]
    pub(super) fn keep_only(&mut self, ended_max: usize) {
        self.shelf.keep_only(ended_max);
    }

    /// # Errors
    /// `Overloaded` when too many are under way or wait for a repetition.
    pub(super) fn add(&mut self, generation: &Arc<Generation>) -> Result<(), Fault> {
        if self.count >= self.sweep_at || self.is_full() {
            self.sweep();
        }
        if self.is_full() {
            let message = "Too many generations are under way here. Send the request again.";
            return Err(Fault::new(FaultKind::Overloaded, message));
        }
        self.open(generation);
        self.shelf.add(generation);
        Ok(())
    }

    /// Takes up one that ended before a restart, so long ago. They come latest first; false: there is no room for it,
    /// nor for older ones.
    pub(super) fn restore_ended(
        &mut self,
        generation: &Arc<Generation>,
        ended: Duration,
        names: Vec<IdempotencyKey>,
    ) -> bool {
        let room = self.shelf.restore(generation, ended, names);
        if room && generation.age() <= ORPHAN_AGE_MAX && !self.is_full() {
            self.open(generation);
            self.tidy(generation);
        }
        room
    }

    /// Takes one back that was forgotten for room.
    pub(super) fn recall(
        &mut self,
        generation: Arc<Generation>,
        ended: Duration,
        names: Vec<IdempotencyKey>,
    ) {
        if self.shelf.knows(generation.id()) {
            return;
        }
        let mut same = self.open.get(&Subject::of(generation.owner())).into_iter().flatten();
        let here = same.find(|other| other.id() == generation.id()).map(Arc::clone);
        let generation = here.unwrap_or(generation);
        self.shelf.recall(&generation, ended, names);
    }

    fn open(&mut self, generation: &Arc<Generation>) {
        self.open.entry(Subject::of(generation.owner())).or_default().push(Arc::clone(generation));
        self.count += 1;
        self.bytes += bytes_of(generation);
    }

    fn is_full(&self) -> bool {
        self.count >= self.max || self.bytes >= self.bytes_max
    }

    /// The team's generation of this id. The caller is counted in as a waiter.
    pub(super) fn find(&mut self, team: &str, id: &str) -> Option<Arc<Generation>> {
        let generation = self.shelf.get(team, id)?;
        generation.audience.enter().then(|| Arc::clone(generation))
    }

    /// The generation of this id, whoever's it is.
    pub(super) fn known(&self, id: &GenerationId) -> Option<Arc<Generation>> {
        self.shelf.known(id).map(Arc::clone)
    }

    /// Whether the journal may know the generation of this id, and this does not.
    pub(super) fn may_have_forgotten(&self, id: &GenerationId) -> bool {
        self.shelf.is_forgetful() && !self.shelf.knows(id)
    }

    /// Takes the team's generation of this id back: nobody finds or joins it from now on.
    pub(super) fn withdraw(&mut self, team: &str, id: &str) -> Option<(Arc<Generation>, Withdrawal)> {
        let generation = self.shelf.remove(team, id)?;
        let withdrawal = generation.audience.withdraw();
        self.tidy(&generation);
        Some((generation, withdrawal))
    }

    /// All of them, some twice, in no order; those taken back included while they run.
    pub(super) fn all(&self) -> Vec<Arc<Generation>> {
        self.open.values().flatten().chain(self.shelf.all()).map(Arc::clone).collect()
    }

    /// Puts those that were taken up into the order of their admission.
    pub(super) fn sort(&mut self) {
        self.open.values_mut().for_each(|same| same.sort_by_key(|generation| generation.created_ms()));
    }

    /// One that could not be admitted.
    pub(super) fn refuse(&mut self, generation: &Arc<Generation>) {
        self.shelf.remove(&generation.owner().team, generation.id().as_str());
    }

    /// A generation has ended: from here on it answers for a while only.
    pub(super) fn ended(&mut self, generation: &Arc<Generation>) {
        if let Phase::Finished(finished) = generation.phase()
            && finished.is_whole()
        {
            generation.audience.take_back_in();
        }
        self.shelf.ended(generation);
        self.tidy(generation);
    }

    /// Forgets a generation as one that reached nobody when its answer is out, it is fetched by id, was given up, or
    /// has nothing to answer a repetition with; called at its end and when a waiter leaves.
    pub(super) fn tidy(&mut self, generation: &Arc<Generation>) {
        let Phase::Finished(finished) = generation.phase() else { return };
        let audience = &generation.audience;
        let spent = audience.is_delivered()
            || audience.is_claimed()
            || audience.is_given_up()
            || !generation.is_answer(&finished);
        if audience.is_awaited() || !spent {
            return;
        }
        let subject = Subject::of(generation.owner());
        let Some(same) = self.open.get_mut(&subject) else { return };
        let before = same.len();
        same.retain(|other| !Arc::ptr_eq(other, generation));
        let gone = before - same.len();
        self.count -= gone;
        self.bytes -= gone * bytes_of(generation);
        if same.is_empty() {
            self.open.remove(&subject);
        }
    }

    /// Forgets those that ended and can no longer be joined.
    pub(super) fn sweep(&mut self) {
        self.open.retain(|_, same| {
            same.retain(|generation| {
                let ended = matches!(generation.phase(), Phase::Finished(_));
                !ended || generation.audience.is_awaited() || generation.age() <= ORPHAN_AGE_MAX
            });
            !same.is_empty()
        });
        self.count = self.open.values().map(Vec::len).sum();
        self.bytes = self.open.values().flatten().map(|generation| bytes_of(generation)).sum();
        self.sweep_at = (self.count * 2).max(SWEEP_MIN);
    }
}

/// The end of a generation that has ended.
fn end_of(generation: &Generation) -> Option<Arc<Finished>> {
    match generation.phase() {
        Phase::Finished(finished) => Some(finished),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
