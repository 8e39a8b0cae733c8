//! The story: a plan becomes pictures, once.
//!
//! A generation is an owned background task. A request only *waits* for it, with its own deadline and free to leave:
//! joining, retries that buy nothing, hand-over at the deadline and drain all come from this one idea.
//!
//! Reading order: [`Generations::begin`] (`enter`: join or start, by the rules of `registry`), `booking` (what is held
//! for it), `run` (admission, its images side by side), `uploads` (pictures that came along), `one_image` (place,
//! purchase, create, watch), `queue` (whose turn it is), `create` (one key, many tries), `doubt` and `reconcile` (creates
//! without an answer), [`watch`] (when do tasks end), `attempts` (once more after a failed task), [`Waiter`] (waiting and
//! leaving), `audience` (who has an interest), `pictures` and `gallery` (links become bytes, and are stored), `results`
//! (what ended answers others);
//! [`journal`] (what outlives the process), `scribe` and `counts` (what is written without waiting), `recover` (the next
//! start).
//! Knows the capabilities; nothing of HTTP towards clients.

mod attempts;
mod audience;
mod booking;
mod cancel;
mod claims;
mod counts;
mod create;
mod doubt;
mod enter;
mod gallery;
mod health;
pub mod journal;
mod keeping;
mod model;
mod one_image;
mod options;
mod overview;
mod pictures;
mod progress;
mod purchase;
mod queue;
mod reconcile;
mod recover;
mod registry;
mod results;
mod reuse;
mod run;
mod scribe;
mod uploads;
mod waiter;
pub mod watch;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use health::Health;
pub use keeping::Keeping;
pub use model::{Finished, Generation, GenerationId, ImageResult, MadeImage, Owner, State, Timing};
pub use options::{OnDisconnect, Options};
pub use overview::{Filter, InDoubt, Overview, Place};
pub use pictures::Delivered;
pub use reuse::{Came, IdempotencyKey, Reuse, Sharing, Wish};
pub use waiter::Waiter;

use crate::clock::Clock;
use crate::evolink::breaker::{Breaker, BreakerSnapshot};
use crate::evolink::{CallbackToken, Upstream};
use crate::media::Fetcher;
use crate::quota::Quota;
use crate::telemetry::Metrics;
use audience::Withdrawal;
use cancel::Canceller;
use claims::Claims;
use counts::Counts;
use gallery::Gallery;
use health::Trials;
use journal::{Journal, JournalError, Note, Wanted};
use queue::Queue;
use registry::Registry;
use results::Cache;
use scribe::Scribe;
use uploads::Uploads;
use watch::Watcher;

/// Longest wait, when the process ends, for the pictures that are being put; then the next start puts them.
const PUTS_LAST_MAX: Duration = Duration::from_secs(5);
/// Longest wait, when the process ends, for the notes that are still to be written.
const NOTES_LAST_MAX: Duration = Duration::from_secs(5);

/// All generations of this gateway; cheap to clone.
#[derive(Clone)]
pub struct Generations(Arc<House>);

/// What a running generation works with.
struct House {
    upstream: Arc<dyn Upstream>,
    /// Asked before each try of a create.
    breaker: Breaker,
    claims: Claims,
    watcher: Watcher,
    options: Options,
    queue: Queue,
    quota: Arc<Quota>,
    gallery: Arc<Gallery>,
    journal: Arc<dyn Journal>,
    trials: Trials,
    scribe: Scribe,
    registry: Mutex<Registry>,
    cache: Arc<Cache>,
    uploads: Uploads,
    canceller: Canceller,
    tasks: TaskTracker,
    counts: Arc<Counts>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl House {
    /// Asks upstream to cancel what a generation has bought; needs a runtime to do so.
    fn cancel(self: &Arc<Self>, generation: &Arc<Generation>) {
        let (house, generation) = (Arc::clone(self), Arc::clone(generation));
        let cancelling = async move { house.canceller.cancel_all(generation.running_tasks()).await };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.spawn_on(cancelling, &runtime);
        }
    }
}

impl Generations {
    /// The house, and its bookkeeping (writing notes, sweeping the journal) for the caller to own.
    pub fn new(
        upstream: Arc<dyn Upstream>,
        fetcher: Fetcher,
        watcher: Watcher,
        keeping: impl Into<Keeping>,
        options: Options,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let Keeping { journal, pictures, keep, memory, quota, rules } = keeping.into();
        let tasks = TaskTracker::new();
        let cache = Arc::new(Cache::new(rules, pictures.is_some()));
        let (scribe, writing) = Scribe::new(Arc::clone(&journal), Arc::clone(&cache));
        let uploads = Uploads::new(Arc::clone(&upstream), scribe.clone(), tasks.clone(), &options);
        let sweeping = recover::sweep(Arc::clone(&journal), options.replay, clock.clone());
        let store = pictures.map(|store| (store, keep));
        let (gallery, keeping) =
            Gallery::new(Arc::clone(&upstream), fetcher, scribe.clone(), memory, store, clock.clone());
        let counts = Counts::new(scribe.clone());
        let counting = Arc::clone(&counts).write();
        let house = Self(Arc::new(House {
            uploads,
            canceller: Canceller::new(Arc::clone(&upstream)),
            upstream,
            breaker: Breaker::new(),
            claims: Claims::default(),
            watcher,
            queue: Queue::new(options.max_tasks, options.queue_timeout, Arc::clone(&quota)),
            quota,
            gallery,
            trials: Trials::new(Arc::clone(&journal)),
            journal,
            scribe,
            registry: Mutex::new(Registry::new(options.replay, options.task_timeout)),
            cache,
            options,
            tasks,
            counts,
            metrics,
            clock,
        }));
        (house, async { _ = futures_util::future::join4(writing, sweeping, keeping, counting).await })
    }

    /// Goes on with what an earlier process left in the journal. To be called once, before anything is begun.
    ///
    /// # Errors
    /// The journal cannot be read: the gateway must not start, it would buy again what is bought.
    pub async fn recover(&self) -> Result<(), JournalError> {
        recover::recover(&self.0).await
    }

    /// Takes the team's generation of this id back from the journal, when it was forgotten for room.
    pub async fn remember(&self, team: &Arc<str>, id: &str) {
        let id = GenerationId::kept(id.to_owned());
        if !self.registry().may_have_forgotten(&id) {
            return;
        }
        let wanted = Wanted::Generation { team: Arc::clone(team), id };
        if let Err(error) = recover::recall(&self.0, wanted).await {
            tracing::warn!(%error, "the journal cannot be asked for a generation");
        }
    }

    /// Waits for the team's generation of this id, or for the answer of one that ended within `replay`. None when there
    /// is none, it is another team's, or it was given up or taken back.
    pub fn find(&self, team: &str, id: &str) -> Option<Waiter> {
        let generation = self.registry().find(team, id)?;
        Some(Waiter::by_id(Arc::clone(&self.0), generation))
    }

    /// Takes the team's generation of this id back: it is not found any more, and no further request joins it. When
    /// nobody waits for it now, nothing more is bought for it, and upstream is asked to cancel what is. None when there
    /// is none.
    pub fn detach(&self, team: &str, id: &str) -> Option<Arc<Generation>> {
        // The lock is let go before anything else is done.
        let withdrawn = self.registry().withdraw(team, id);
        let (generation, withdrawal) = withdrawn?;
        tracing::info!(generation_id = %generation.id(), team, "a generation was taken back");
        self.0.unshare(&generation);
        self.0.scribe.note(Note::Withdrawn { generation: generation.id().clone() });
        if withdrawal == Withdrawal::Cancel {
            self.0.cancel(&generation);
        }
        Some(generation)
    }

    /// A callback came for whatever has this name: its task is looked at soon. Nothing else; unknown names do nothing.
    pub fn wake(&self, name: &CallbackToken) {
        self.0.watcher.wake(name);
    }

    /// No callbacks will come any more, since the gateway drains: tasks are looked at as if there were none.
    pub fn expect_no_callbacks(&self) {
        self.0.watcher.expect_no_callbacks();
    }

    /// Whether upstream takes creates at the moment.
    pub fn upstream_health(&self) -> BreakerSnapshot {
        self.0.breaker.snapshot(Instant::now())
    }

    /// Other limits are in force: who waits for a place may have it now.
    pub fn limits_changed(&self) {
        self.0.queue.limits_changed();
    }

    /// Waits until nothing is under way any more: every task seen to its end, every upload deleted. For the drain, when
    /// no new generation can begin.
    pub async fn settled(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// For the end of a process whose journal outlives it: the next start goes on with all generations, but what this
    /// one still has to put or to write down is not left to it, as far as the disk takes it within some seconds.
    pub async fn put_away(&self) {
        let House { gallery, scribe, counts, .. } = &*self.0;
        counts.note();
        if tokio::time::timeout(PUTS_LAST_MAX, gallery.put_all()).await.is_err() {
            tracing::warn!("pictures could not be stored before the end; the next start stores them");
        }
        if tokio::time::timeout(NOTES_LAST_MAX, scribe.written()).await.is_err() {
            tracing::warn!(
                "notes could not be written before the end; the next start finds out what they told"
            );
        }
    }

    /// Whether new generations could be begun: tries the journal and looks at the picture store's disk, once a second
    /// at most.
    pub async fn health(&self) -> Health {
        let (state, images) = tokio::join!(self.0.trials.journal(), self.0.gallery.works());
        Health { state, images }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
