//! Creates whose outcome is unknown: a state of their generation, and what becomes of those that may no longer be
//! repeated, since upstream would take them for new ones.

use std::sync::PoisonError;

use super::House;
use super::model::{Generation, Phase};
use super::overview::InDoubt;
use super::purchase::Purchase;
use crate::evolink::{CallError, Task, UpstreamKey, create_fault};
use crate::fault::Fault;

/// Waits for word of the create until `generation.replay` is over; the generation is in doubt meanwhile, in this
/// process and the next ones. Nothing but upstream's list of tasks could still tell of it; who reads that list has its
/// place here.
///
/// # Errors
/// `OutcomeUnknown` when it is given up.
pub(super) async fn outlast(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
) -> Result<Task, Fault> {
    let _doubt = generation.doubt(purchase);
    let generation_id = generation.id();
    let (key, image) = (purchase.key.as_str(), purchase.id.image);
    tracing::error!(%generation_id, image, key, "a create is in doubt and may no longer be repeated: look for its task at Evolink by time and prompt");
    tokio::time::sleep(house.options.replay.saturating_sub(purchase.age())).await;
    tracing::error!(%generation_id, image, key, "a create in doubt is given up: Evolink may have charged for it");
    Err(create_fault(&CallError::Timeout))
}

impl Generation {
    /// One more of its creates is in doubt, until the guard is dropped.
    pub(super) fn doubt<'a>(&'a self, purchase: &'a Purchase) -> Doubt<'a> {
        let Purchase { id, key, begun, .. } = purchase;
        let entry = InDoubt { image: id.image, key: key.clone(), begun: *begun };
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        self.change_phase(|phase| match phase {
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
        Doubt(self, &purchase.key)
    }
}

/// A create in doubt; dropped when its outcome is known.
pub(super) struct Doubt<'a>(&'a Generation, &'a UpstreamKey);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.doubts.lock().unwrap_or_else(PoisonError::into_inner).retain(|entry| entry.key != *self.1);
        self.0.change_phase(|phase| match phase {
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
