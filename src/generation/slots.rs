//! Places upstream: at most `evolink.max_tasks` tasks run at once, first come, first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::{Fault, FaultKind};

/// A place held; dropping it frees the place.
pub(super) type Slot = OwnedSemaphorePermit;

#[derive(Debug)]
pub(super) struct Slots {
    places: Arc<Semaphore>,
    queue_timeout: Duration,
}

impl Slots {
    pub(super) fn new(max_tasks: usize, queue_timeout: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(max_tasks.min(Semaphore::MAX_PERMITS))), queue_timeout }
    }

    /// A place for one image. `started` is shared by the images of a generation: once one of them has its place, the
    /// others wait without a limit of their own, since the generation is under way.
    ///
    /// # Errors
    /// `NoSlot` when no image of the generation had a place within `queue_timeout`.
    pub(super) async fn take(&self, started: &AtomicBool) -> Result<Slot, Fault> {
        let acquire = Arc::clone(&self.places).acquire_owned();
        tokio::pin!(acquire);
        let slot = match tokio::time::timeout(self.queue_timeout, &mut acquire).await {
            Ok(slot) => slot,
            Err(_) if started.load(Ordering::Acquire) => acquire.await,
            Err(_) => return Err(self.no_slot()),
        };
        started.store(true, Ordering::Release);
        slot.map_err(|_closed| {
            Fault::new(FaultKind::Overloaded, "the gateway is going down; send the request again")
        })
    }

    fn no_slot(&self) -> Fault {
        let waited = self.queue_timeout.as_secs();
        Fault::new(
            FaultKind::NoSlot,
            format!(
                "All places for running tasks were taken for {waited} s. Nothing was bought; send the request again."
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_that_does_not_come_in_time_is_a_429() {
        let slots = Slots::new(1, Duration::from_secs(60));
        let held = slots.take(&AtomicBool::new(false)).await;
        assert!(held.is_ok());
        let refused = slots.take(&AtomicBool::new(false)).await.map(drop).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (429, "concurrency_limit_exceeded"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_generation_under_way_waits_for_its_other_images() {
        let slots = Slots::new(1, Duration::from_secs(60));
        let started = AtomicBool::new(false);
        let first = slots.take(&started).await.unwrap();
        let second = slots.take(&started);
        tokio::pin!(second);
        assert!(tokio::time::timeout(Duration::from_secs(3600), &mut second).await.is_err());
        drop(first);
        assert!(second.await.is_ok());
    }
}
