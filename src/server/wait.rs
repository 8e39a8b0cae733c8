//! One request's wait for its generation: from its admission to the pictures in the form it asked for.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::answer::head::Access;
use super::answer::timing::Before;
use super::answer::{self, Composed, Made};
use super::gateway::Gateway;
use super::layers::Trail;
use super::waiting_room::Place;
use crate::fault::{Fault, FaultKind};
use crate::generation::Waiter;
use crate::image::{Delivery, Plan};

/// Owns all that the wait needs, so that it can go on in an answer's body. Dropping it leaves the generation.
pub(super) struct Wait {
    pub(super) gateway: Arc<Gateway>,
    pub(super) trail: Trail,
    pub(super) plan: Arc<Plan>,
    pub(super) waiter: Waiter,
    pub(super) access: Access,
    pub(super) before: Before,
    /// What own links in the answer begin with; see [`super::visit::Visit::link_base`].
    pub(super) link_base: String,
    pub(super) place: Place,
}

impl Wait {
    /// The pictures in the asked form; past `deadline` a repetition of the request waits on.
    ///
    /// # Errors
    /// The generation's own; `Deadline`; `Overloaded` when the gateway stops before the end.
    pub(super) async fn ended(&mut self, deadline: Instant) -> Result<Composed, Fault> {
        let Self { gateway, trail, plan, waiter, link_base, .. } = self;
        let composed = tokio::select! {
            biased;
            composed = composed(gateway, trail, plan, waiter, link_base, deadline) => Some(composed),
            () = gateway.giving_up.cancelled() => None,
        };
        composed.unwrap_or_else(|| {
            waiter.told();
            Err(going_down())
        })
    }
}

async fn composed(
    gateway: &Gateway,
    trail: &Trail,
    plan: &Plan,
    waiter: &mut Waiter,
    link_base: &str,
    deadline: Instant,
) -> Result<Composed, Fault> {
    let waiting = Instant::now();
    let stored = plan.delivery == Delivery::Url && gateway.own_links.is_some();
    let made = made(waiter, stored, deadline).await;
    trail.set_waited(waiting.elapsed());
    let composing = answer::compose(gateway, plan, made?, link_base);
    timeout_at(deadline, composing).await.map_err(|_elapsed| Waiter::at_deadline())?
}

/// The end of the generation and its pictures. `stored`: the answer leads to where they are stored.
async fn made(waiter: &mut Waiter, stored: bool, deadline: Instant) -> Result<Made, Fault> {
    let finished = waiter.finished(deadline).await?;
    let pictures = timeout_at(deadline, waiter.pictures(&finished)).await;
    let pictures = pictures.map_err(|_elapsed| Waiter::at_deadline())??;
    let stored = if stored { waiter.stored(&finished).await } else { Vec::new() };
    Ok(Made { finished, pictures, stored })
}

fn going_down() -> Fault {
    let message = "This server is being stopped. The picture may still be made; send the request again.";
    Fault::new(FaultKind::Overloaded, message)
}
