//! Which generations a repeated request can join, and which are found by their id.

mod by_id;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::audience::Withdrawal;
use super::model::{Finished, Generation, Owner, Phase};
use crate::fault::{Fault, FaultKind};
use by_id::{ById, bytes_of};

/// How old a generation may be whose answer reached nobody, to answer a repetition.
const ORPHAN_AGE_MAX: Duration = Duration::from_mins(15);
/// Generations remembered, those under way included; one more is refused.
const REMEMBERED_MAX: usize = 50_000;
/// What they may take together; nearly all of it are prompts.
const REMEMBERED_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Fewer are not worth looking through for those that can be forgotten.
const SWEEP_MIN: usize = 256;

/// The generations under way, those that ended without reaching anyone, and by their ids for a while those that did.
#[derive(Debug)]
pub(super) struct Registry {
    /// Oldest first.
    by_owner: HashMap<Owner, Vec<Arc<Generation>>>,
    count: usize,
    bytes: usize,
    /// The count at which to sweep again: twice what the last sweep left, so that sweeping stays cheap.
    sweep_at: usize,
    max: usize,
    bytes_max: usize,
    by_id: ById,
}

impl Registry {
    /// `replay`: how long a generation is found by its id after its end.
    pub(super) fn new(replay: Duration) -> Self {
        let by_owner = HashMap::new();
        Self {
            by_owner,
            count: 0,
            bytes: 0,
            sweep_at: SWEEP_MIN,
            max: REMEMBERED_MAX,
            bytes_max: REMEMBERED_BYTES_MAX,
            by_id: ById::new(replay),
        }
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
        self.by_owner.entry(generation.owner().clone()).or_default().push(Arc::clone(generation));
        self.count += 1;
        self.bytes += bytes_of(generation);
        self.by_id.add(generation);
        Ok(())
    }

    /// Takes up one that ended before a restart, so long ago. They come latest first; false: there is no room for it,
    /// nor for older ones.
    pub(super) fn restore_ended(&mut self, generation: &Arc<Generation>, ended: Duration) -> bool {
        let room = self.by_id.restore(generation, ended);
        if room && generation.age() <= ORPHAN_AGE_MAX && !self.is_full() {
            self.by_owner.entry(generation.owner().clone()).or_default().push(Arc::clone(generation));
            self.count += 1;
            self.bytes += bytes_of(generation);
            self.tidy(generation);
        }
        room
    }

    fn is_full(&self) -> bool {
        self.count >= self.max || self.bytes >= self.bytes_max
    }

    /// The oldest orphan (its last waiter left without the answer); for an automatic retry else the oldest of all.
    /// The caller is counted in as a waiter before anyone else can take the same orphan.
    pub(super) fn join(&mut self, owner: &Owner, automatic_retry: bool) -> Option<Arc<Generation>> {
        let candidates = self.by_owner.get(owner)?;
        let joinable = |generation: &&Arc<Generation>| {
            generation.age() <= ORPHAN_AGE_MAX
                && !generation.audience.is_delivered()
                && !matches!(generation.phase(), Phase::Overdue)
        };
        // One that was given up or taken back cannot be entered: another may stand behind it.
        let mut orphans =
            candidates.iter().filter(joinable).filter(|generation| generation.audience.is_orphan());
        let orphan = orphans.find(|generation| generation.audience.enter());
        let of_retry = || {
            let mut all = candidates.iter().filter(|_| automatic_retry).filter(joinable);
            all.find(|generation| generation.audience.enter())
        };
        orphan.or_else(of_retry).map(Arc::clone)
    }

    /// The team's generation of this id. The caller is counted in as a waiter.
    pub(super) fn find(&mut self, team: &str, id: &str) -> Option<Arc<Generation>> {
        let generation = self.by_id.get(team, id)?;
        generation.audience.enter().then(|| Arc::clone(generation))
    }

    /// Takes the team's generation of this id back: nobody finds or joins it from now on.
    pub(super) fn withdraw(&mut self, team: &str, id: &str) -> Option<(Arc<Generation>, Withdrawal)> {
        let generation = self.by_id.remove(team, id)?;
        let withdrawal = generation.audience.withdraw();
        self.tidy(&generation);
        Some((generation, withdrawal))
    }

    /// All of them, some twice, in no order; those taken back included while they run.
    pub(super) fn all(&self) -> Vec<Arc<Generation>> {
        self.by_owner.values().flatten().chain(self.by_id.all()).map(Arc::clone).collect()
    }

    /// Puts those that were taken up into the order of their admission.
    pub(super) fn sort(&mut self) {
        self.by_owner.values_mut().for_each(|same| same.sort_by_key(|generation| generation.created_ms()));
    }

    /// One that could not be admitted.
    pub(super) fn refuse(&mut self, generation: &Arc<Generation>) {
        self.by_id.remove(&generation.owner().team, generation.id().as_str());
    }

    /// A generation has ended: from here on it is found by its id only for a while.
    pub(super) fn ended(&mut self, generation: &Arc<Generation>) {
        self.by_id.ended(generation);
        self.tidy(generation);
    }

    /// Forgets a generation as one to be joined when its answer is out, it is fetched by id, was given up, or has
    /// nothing to answer a repetition with; called at its end and when a waiter leaves.
    pub(super) fn tidy(&mut self, generation: &Arc<Generation>) {
        let Phase::Finished(finished) = generation.phase() else { return };
        let audience = &generation.audience;
        let spent = audience.is_delivered()
            || audience.is_claimed()
            || audience.is_given_up()
            || is_passing(&finished);
        if audience.is_awaited() || !spent {
            return;
        }
        let Some(same) = self.by_owner.get_mut(generation.owner()) else { return };
        let before = same.len();
        same.retain(|other| !Arc::ptr_eq(other, generation));
        let gone = before - same.len();
        self.count -= gone;
        self.bytes -= gone * bytes_of(generation);
        if same.is_empty() {
            self.by_owner.remove(generation.owner());
        }
    }

    /// Forgets those that ended and can no longer be joined.
    pub(super) fn sweep(&mut self) {
        self.by_owner.retain(|_, same| {
            same.retain(|generation| {
                let ended = matches!(generation.phase(), Phase::Finished(_));
                !ended || generation.audience.is_awaited() || generation.age() <= ORPHAN_AGE_MAX
            });
            !same.is_empty()
        });
        self.count = self.by_owner.values().map(Vec::len).sum();
        self.bytes = self.by_owner.values().flatten().map(|generation| bytes_of(generation)).sum();
        self.sweep_at = (self.count * 2).max(SWEEP_MIN);
    }
}

/// A failure that tells of that moment only: nothing was bought, and a repetition is to be tried anew.
fn is_passing(finished: &Finished) -> bool {
    finished.failure().is_some_and(|fault| {
        matches!(fault.kind(), FaultKind::NoSlot | FaultKind::Overloaded | FaultKind::UpstreamUnavailable)
    })
}

#[cfg(test)]
mod tests;
