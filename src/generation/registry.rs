//! Which generations a repeated request can join.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Finished, Generation, Owner, Phase};
use crate::fault::{Fault, FaultKind};

/// How old a generation may be whose answer reached nobody, to answer a repetition.
const ORPHAN_AGE_MAX: Duration = Duration::from_mins(15);
/// Generations remembered, those under way included; one more is refused.
const REMEMBERED_MAX: usize = 50_000;
/// Fewer are not worth looking through for those that can be forgotten.
const SWEEP_MIN: usize = 256;

/// The generations under way, and those that ended without reaching anyone.
#[derive(Debug)]
pub(super) struct Registry {
    /// Oldest first.
    by_owner: HashMap<Owner, Vec<Arc<Generation>>>,
    count: usize,
    /// The count at which to sweep again: twice what the last sweep left, so that sweeping stays cheap.
    sweep_at: usize,
    max: usize,
}

impl Default for Registry {
    fn default() -> Self {
        Self { by_owner: HashMap::new(), count: 0, sweep_at: SWEEP_MIN, max: REMEMBERED_MAX }
    }
}

impl Registry {
    /// # Errors
    /// `Overloaded` when too many are under way or wait for a repetition.
    pub(super) fn add(&mut self, generation: &Arc<Generation>) -> Result<(), Fault> {
        if self.count >= self.sweep_at.min(self.max) {
            self.sweep();
        }
        if self.count >= self.max {
            let message = "Too many generations are under way here. Send the request again.";
            return Err(Fault::new(FaultKind::Overloaded, message));
        }
        self.by_owner.entry(generation.owner().clone()).or_default().push(Arc::clone(generation));
        self.count += 1;
        Ok(())
    }

    /// The oldest orphan (its last waiter left without the answer); for an automatic retry else the oldest of all.
    /// The caller is counted in as a waiter before anyone else can take the same orphan.
    pub(super) fn join(&mut self, owner: &Owner, automatic_retry: bool) -> Option<Arc<Generation>> {
        let candidates = self.by_owner.get(owner)?;
        let joinable = |generation: &&Arc<Generation>| {
            generation.age() <= ORPHAN_AGE_MAX
                && !generation.is_delivered()
                && !matches!(generation.phase(), Phase::Overdue)
        };
        // One that was given up cannot be entered: another may stand behind it.
        let mut orphans = candidates.iter().filter(joinable).filter(|generation| !generation.is_awaited());
        let orphan = orphans.find(|generation| generation.enter());
        let of_retry = || {
            let mut all = candidates.iter().filter(|_| automatic_retry).filter(joinable);
            all.find(|generation| generation.enter())
        };
        orphan.or_else(of_retry).map(Arc::clone)
    }

    /// Forgets a generation whose answer is out, that was given up, or that has nothing to answer a repetition with;
    /// called at its end and when a waiter leaves.
    pub(super) fn tidy(&mut self, generation: &Arc<Generation>) {
        let Phase::Finished(finished) = generation.phase() else { return };
        let spent = generation.is_delivered() || generation.is_abandoned() || is_passing(&finished);
        if generation.is_awaited() || !spent {
            return;
        }
        let Some(same) = self.by_owner.get_mut(generation.owner()) else { return };
        let before = same.len();
        same.retain(|other| !Arc::ptr_eq(other, generation));
        self.count -= before - same.len();
        if same.is_empty() {
            self.by_owner.remove(generation.owner());
        }
    }

    /// Forgets those that ended and can no longer be joined.
    pub(super) fn sweep(&mut self) {
        self.by_owner.retain(|_, same| {
            same.retain(|generation| {
                let ended = matches!(generation.phase(), Phase::Finished(_));
                !ended || generation.is_awaited() || generation.age() <= ORPHAN_AGE_MAX
            });
            !same.is_empty()
        });
        self.count = self.by_owner.values().map(Vec::len).sum();
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
