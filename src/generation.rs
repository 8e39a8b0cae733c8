//! The story: a plan becomes pictures, once.
//!
//! A generation is an owned background task. A request only *waits* for it, with its own deadline and free to leave:
//! joining, retries that buy nothing, hand-over at the deadline and drain all come from this one idea.
//!
//! Reading order: [`Generations::begin`] (find or start), `run` (one image: place, create, watch), `create` (one key,
//! many tries), [`watch`] (when do tasks end), [`Waiter`] (waiting and leaving), `pictures` (links become bytes).
//! Knows the capabilities; nothing of HTTP towards clients.

mod create;
mod memory;
mod model;
mod pictures;
mod registry;
mod run;
mod slots;
mod waiter;
pub mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::task::TaskTracker;

pub use model::{Finished, Generation, GenerationId, ImageResult, MadeImage, Owner, Timing};
pub use pictures::Delivered;
pub use waiter::Waiter;

use crate::clock::Clock;
use crate::evolink::Upstream;
use crate::fault::Fault;
use crate::image::Plan;
use crate::media::Fetcher;
use crate::telemetry::Metrics;
use memory::PictureMemory;
use registry::Registry;
use slots::Slots;
use watch::Watcher;

/// Bytes of pictures held in memory at once, all answers together; more wait their turn.
const PICTURE_MEMORY_MAX: usize = 256 * 1024 * 1024;

/// How generations behave (`evolink` and `generation` of the configuration).
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Tasks running upstream at once.
    pub max_tasks: usize,
    /// Longest wait for a place, until the generation's first image starts.
    pub queue_timeout: Duration,
    /// Longest a client waits on a create whose outcome is unknown.
    pub create_patience: Duration,
    /// How long a create is repeated with its key.
    pub idempotency_window: Duration,
    /// After this a task's waiters are told.
    pub task_timeout: Duration,
}

/// All generations of this gateway; cheap to clone.
#[derive(Clone)]
pub struct Generations(Arc<House>);

/// What a running generation works with.
struct House {
    upstream: Arc<dyn Upstream>,
    fetcher: Fetcher,
    watcher: Watcher,
    options: Options,
    slots: Slots,
    memory: PictureMemory,
    registry: Mutex<Registry>,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Generations {
    pub fn new(
        upstream: Arc<dyn Upstream>,
        fetcher: Fetcher,
        watcher: Watcher,
        options: Options,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(House {
            upstream,
            fetcher,
            watcher,
            options,
            slots: Slots::new(options.max_tasks, options.queue_timeout),
            memory: PictureMemory::new(PICTURE_MEMORY_MAX),
            registry: Mutex::default(),
            tasks: TaskTracker::new(),
            metrics,
            clock,
        }))
    }

    /// Waits for a generation of this plan: one that was paid for and never delivered to this key, or for a client's
    /// automatic retry the one still running, else a new one.
    ///
    /// # Errors
    /// `Overloaded` when too many generations are under way already.
    pub fn begin(&self, plan: Arc<Plan>, owner: Owner, automatic_retry: bool) -> Result<Waiter, Fault> {
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = registry.join(&owner, automatic_retry) {
            drop(registry);
            self.0.metrics.joined();
            tracing::info!(generation_id = %generation.id(), team = %owner.team, "a repeated request joined its generation");
            return Ok(Waiter::new(Arc::clone(&self.0), generation, true));
        }
        let generation = Arc::new(Generation::new(plan, owner));
        generation.enter();
        registry.add(&generation)?;
        drop(registry);
        self.0.tasks.spawn(run::run(Arc::clone(&self.0), Arc::clone(&generation)));
        Ok(Waiter::new(Arc::clone(&self.0), generation, false))
    }
}

#[cfg(test)]
mod tests;
