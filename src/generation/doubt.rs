//! A create whose outcome is unknown and that may no longer be repeated: upstream would take it for a new one.

use super::House;
use super::model::Generation;
use super::purchase::Purchase;
use crate::evolink::{CallError, Task, create_fault};
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
    let _doubt = generation.doubt();
    let generation_id = generation.id();
    let (key, image) = (purchase.key.as_str(), purchase.id.image);
    tracing::error!(%generation_id, image, key, "a create is in doubt and may no longer be repeated: look for its task at Evolink by time and prompt");
    tokio::time::sleep(house.options.replay.saturating_sub(purchase.age())).await;
    tracing::error!(%generation_id, image, key, "a create in doubt is given up: Evolink may have charged for it");
    Err(create_fault(&CallError::Timeout))
}
