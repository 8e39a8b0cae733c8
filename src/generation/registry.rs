//! Which generations a repeated request can join.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Generation, Owner, Phase};

/// How old a generation may be whose answer reached nobody, to answer a repetition.
const ORPHAN_AGE_MAX: Duration = Duration::from_mins(15);
/// Generations remembered; beyond this the undelivered ones that ended first are let go.
const REMEMBERED_MAX: usize = 50_000;

/// The generations under way, and those that ended without reaching anyone.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Oldest first.
    by_owner: HashMap<Owner, Vec<Arc<Generation>>>,
    count: usize,
}

impl Registry {
    pub(super) fn add(&mut self, generation: &Arc<Generation>) {
        if self.count >= REMEMBERED_MAX {
            self.sweep();
        }
        self.by_owner.entry(generation.owner().clone()).or_default().push(Arc::clone(generation));
        self.count += 1;
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
        let orphan = candidates.iter().filter(joinable).find(|generation| !generation.is_awaited());
        let found = orphan.or_else(|| candidates.iter().filter(|_| automatic_retry).find(joinable))?;
        found.enter().then(|| Arc::clone(found))
    }

    /// Forgets a generation whose answer is out, or that was given up; called at its end and when a waiter leaves.
    pub(super) fn tidy(&mut self, generation: &Arc<Generation>) {
        let ended = matches!(generation.phase(), Phase::Finished(_));
        if !ended || generation.is_awaited() || !(generation.is_delivered() || generation.is_abandoned()) {
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
    }
}
