//! Places upstream: at most `evolink.max_tasks` tasks run at once, first come, first served.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::{Fault, FaultKind};
use crate::telemetry::{GaugeGuard, Metrics};

/// A place held; dropping it frees the place.
pub(super) type Slot = OwnedSemaphorePermit;

/// Where a generation stands, shared by its images: queued until the first of them has a place, then running. In the
/// gauges until it is dropped.
pub(super) struct Standing<'a> {
    metrics: &'a Metrics,
    state: Mutex<State>,
}

struct State {
    running: bool,
    _gauge: GaugeGuard,
}

impl<'a> Standing<'a> {
    pub(super) fn queued(metrics: &'a Metrics) -> Self {
        Self { metrics, state: Mutex::new(State { running: false, _gauge: metrics.queued() }) }
    }

    fn is_running(&self) -> bool {
        self.state().running
    }

    fn run(&self) {
        let mut state = self.state();
        if !state.running {
            *state = State { running: true, _gauge: self.metrics.running() };
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    places: Arc<Semaphore>,
    queue_timeout: Duration,
}

impl Slots {
    pub(super) fn new(max_tasks: usize, queue_timeout: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(max_tasks.min(Semaphore::MAX_PERMITS))), queue_timeout }
    }

    /// A place for one image. Once one image of a generation has its place, the others wait without a limit of their
    /// own, since the generation is under way.
    ///
    /// # Errors
    /// `NoSlot` when no image of the generation had a place within `queue_timeout`.
    pub(super) async fn take(&self, standing: &Standing<'_>) -> Result<Slot, Fault> {
        let acquire = Arc::clone(&self.places).acquire_owned();
        tokio::pin!(acquire);
        let slot = match tokio::time::timeout(self.queue_timeout, &mut acquire).await {
            Ok(slot) => slot,
            Err(_) if standing.is_running() => acquire.await,
            Err(_) => return Err(no_slot(self.queue_timeout)),
        };
        standing.run();
        slot.map_err(|_closed| {
            Fault::new(FaultKind::Overloaded, "the gateway is going down; send the request again")
        })
    }

    /// A place if one is free and nobody waits for it.
    pub(super) fn take_free(&self, standing: &Standing<'_>) -> Option<Slot> {
        let slot = Arc::clone(&self.places).try_acquire_owned().ok()?;
        standing.run();
        Some(slot)
    }

    /// A place for an image that runs upstream already, if there is one; it runs on without.
    pub(super) fn take_over(&self, standing: &Standing<'_>) -> Option<Slot> {
        standing.run();
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// The fault of a generation whose turn did not come within `queue_timeout`.
pub(super) fn no_slot(queue_timeout: Duration) -> Fault {
    let waited = queue_timeout.as_secs();
    let message = format!(
        "All places for running tasks were taken for {waited} s. Nothing was bought; send the request again."
    );
    Fault::new(FaultKind::NoSlot, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_that_does_not_come_in_time_is_a_429() {
        let slots = Slots::new(1, Duration::from_mins(1));
        let metrics = Metrics::new();
        let held = slots.take(&Standing::queued(&metrics)).await;
        assert!(held.is_ok());
        let refused = slots.take(&Standing::queued(&metrics)).await.map(drop).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (429, "concurrency_limit_exceeded"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_generation_under_way_waits_for_its_other_images() {
        let slots = Slots::new(1, Duration::from_mins(1));
        let metrics = Metrics::new();
        let standing = Standing::queued(&metrics);
        let first = slots.take(&standing).await.unwrap();
        let second = slots.take(&standing);
        tokio::pin!(second);
        assert!(tokio::time::timeout(Duration::from_hours(1), &mut second).await.is_err());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn a_generation_is_queued_until_its_first_place_and_running_from_then_on() {
        let metrics = Metrics::new();
        let gauges = || {
            let text = metrics.render();
            ["queued", "running"].map(|name| text.contains(&format!("evolink_gateway_{name}_generations 1")))
        };
        let slots = Slots::new(2, Duration::from_mins(1));
        let standing = Standing::queued(&metrics);
        assert_eq!(gauges(), [true, false]);
        let _first = slots.take(&standing).await.unwrap();
        let _second = slots.take(&standing).await.unwrap();
        assert_eq!(gauges(), [false, true]);
        drop(standing);
        assert_eq!(gauges(), [false, false]);
    }
}
