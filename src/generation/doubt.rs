//! Creates whose outcome is unknown: a state of their generation, and what becomes of those that may not be repeated,
//! since upstream would take them for new ones.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::House;
use super::model::{Generation, Phase};
use super::overview::InDoubt;
use super::purchase::Purchase;
use super::queue::Slot;
use super::reconcile;
use crate::evolink::{CallError, Task, UpstreamKey, create_fault};
use crate::fault::Fault;
use crate::telemetry::{GaugeGuard, Metrics};

/// However old a create of an earlier process is, this long it is looked for: after a long standstill too.
const LAST_LOOKS: Duration = Duration::from_mins(1);

/// Looks for the create's task in upstream's list until `generation.replay` is over; where its last try was refused,
/// only until the list shows that no earlier one was taken. After `create_patience` the
/// generation is in doubt, in this process and the next ones, and a task that may never come holds no place.
///
/// # Errors
/// `refusal` once that is sure; `OutcomeUnknown` when it is given up.
pub(super) async fn outlast(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
    slot: &mut Option<Slot>,
    refusal: Option<Fault>,
) -> Result<Task, Fault> {
    purchase.claim.unanswered(last_sent_ms(house, purchase));
    let until_sure = refusal.is_some();
    let unknown = || create_fault(&CallError::Timeout);
    let finding = async {
        let found = reconcile::find(house, generation, purchase, until_sure).await;
        found.ok_or_else(|| refusal.unwrap_or_else(unknown))
    };
    tokio::pin!(finding);
    let patience = house.options.create_patience.saturating_sub(purchase.age());
    if let Ok(found) = timeout(patience, &mut finding).await {
        return found;
    }
    slot.take();
    let _doubt = generation.doubt(&house.metrics, purchase);
    let generation_id = generation.id();
    let (key, image) = (purchase.key.as_str(), purchase.id.image);
    let (model, sent) = (generation.plan().task.model.as_str(), reconcile::sent(purchase));
    tracing::error!(%generation_id, image, key, model, sent, "a create is in doubt and may not be repeated: look for its task at Evolink by time and prompt");
    let least = if purchase.taken_up { LAST_LOOKS } else { Duration::ZERO };
    let left = house.options.replay.saturating_sub(purchase.age()).max(least);
    if let Ok(found) = timeout(left, finding).await {
        return found;
    }
    tracing::error!(%generation_id, image, key, model, sent, "a create in doubt is given up: Evolink may have charged for it");
    purchase.claim.give_up();
    Err(unknown())
}

/// When it can have been sent for the last time. An earlier process, which cannot be asked, ended its tries by itself
/// when their time was over.
fn last_sent_ms(house: &House, purchase: &Purchase) -> i64 {
    let options = &house.options;
    let tries = if options.idempotent_creates { options.idempotency_window } else { options.create_patience };
    let asked = if purchase.taken_up { tries } else { Duration::MAX };
    let asked = purchase.age().min(asked);
    purchase.begun_ms.saturating_add(i64::try_from(asked.as_millis()).unwrap_or(i64::MAX))
}

/// The creates of a generation that are in doubt, and its place in the gauge while there are any.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<(Vec<InDoubt>, Option<GaugeGuard>)>);

impl Doubts {
    fn lock(&self) -> MutexGuard<'_, (Vec<InDoubt>, Option<GaugeGuard>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, metrics: &Metrics, purchase: &Purchase) {
        let Purchase { id, key, begun, .. } = purchase;
        let (creates, gauge) = &mut *self.lock();
        creates.push(InDoubt { image: id.image, key: key.clone(), begun: *begun });
        gauge.get_or_insert_with(|| metrics.in_doubt());
    }

    fn remove(&self, key: &UpstreamKey) {
        let (creates, gauge) = &mut *self.lock();
        creates.retain(|create| create.key != *key);
        if creates.is_empty() {
            gauge.take();
        }
    }

    pub(super) fn list(&self) -> Vec<InDoubt> {
        self.lock().0.clone()
    }
}

impl Generation {
    /// One more of its creates is in doubt, until the guard is dropped.
    pub(super) fn doubt<'a>(&'a self, metrics: &Metrics, purchase: &'a Purchase) -> Doubt<'a> {
        self.doubts.add(metrics, purchase);
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
        self.0.doubts.remove(self.1);
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
