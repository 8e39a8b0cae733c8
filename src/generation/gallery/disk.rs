//! The picture store: whether it takes pictures, and since when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::media::{PictureStore, StoreFault};

/// A look at the room in a folder answers for so long.
const LOOK_LASTS: Duration = Duration::from_secs(1);
/// Between two trials of a store that takes nothing.
const TRIAL_EVERY: Duration = Duration::from_secs(3);

/// The store, with what is known of it.
pub(super) struct Disk {
    store: PictureStore,
    /// Why it takes nothing.
    trouble: watch::Sender<Option<Trouble>>,
    /// The last look at its room. One looks, the others wait for the answer.
    looked: Mutex<Option<Instant>>,
    /// Bytes of the largest picture for which there was no room.
    wanted: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Trouble {
    reason: Arc<str>,
    /// The reason in the metrics.
    label: &'static str,
    /// It is this machine's own: another might do better.
    own: bool,
}

impl Disk {
    pub(super) fn new(store: PictureStore) -> Self {
        Self {
            store,
            trouble: watch::Sender::new(None),
            looked: Mutex::new(None),
            wanted: AtomicUsize::new(0),
        }
    }

    pub(super) fn store(&self) -> &PictureStore {
        &self.store
    }

    /// Whether a picture put now would be kept, as far as is known.
    pub(super) fn keeps(&self) -> bool {
        self.trouble.borrow().is_none()
    }

    /// Whether this machine does its part. A store that is full, or a bucket out of reach, is no failure of the machine:
    /// what is made goes out from memory, and what is stored can be read.
    ///
    /// # Errors
    /// Why pictures could not be stored by this machine now.
    pub(super) async fn works(&self) -> Result<(), Arc<str>> {
        let mut looked = self.looked.lock().await;
        if self.own_trouble().is_none() && looked.is_none_or(|at| at.elapsed() >= LOOK_LASTS) {
            if let Err(error) = self.store.room().await {
                self.set(&error);
            }
            *looked = Some(Instant::now());
        }
        self.own_trouble().map_or(Ok(()), Err)
    }

    /// A put of so many bytes failed.
    pub(super) fn report(&self, error: &StoreFault, bytes: usize) {
        match error {
            StoreFault::Full(_) => {
                self.wanted.fetch_max(bytes, Ordering::Relaxed);
                self.set(error);
            }
            StoreFault::ReadOnly(_) | StoreFault::Failing(_) | StoreFault::Slow => self.set(error),
            // These tell of one picture.
            StoreFault::TooLarge(_) | StoreFault::Crashed => {}
        }
    }

    /// A picture is not put, since the store takes nothing. Counts as the failure it would have been.
    pub(super) fn pass_over(&self) {
        if let Some(trouble) = &*self.trouble.borrow() {
            self.store.count_put(trouble.label);
        }
    }

    /// Waits until it works, as far as is known.
    pub(super) async fn mended(&self) {
        // The sender is this disk's own: there is no error.
        let _ = self.trouble.subscribe().wait_for(Option::is_none).await;
    }

    /// Tries a store that takes nothing until it does, for ever; owned by the caller. One that had no room for a picture
    /// works when it has: else it would stop and go on every few seconds.
    pub(super) async fn mend(&self) {
        let mut trouble = self.trouble.subscribe();
        while trouble.wait_for(Option::is_some).await.is_ok() {
            tokio::time::sleep(TRIAL_EVERY).await;
            match self.try_it().await {
                Ok(()) => {
                    tracing::info!("the picture store works again");
                    self.wanted.store(0, Ordering::Relaxed);
                    self.trouble.send_replace(None);
                }
                Err(error) => self.set(&error),
            }
        }
    }

    async fn try_it(&self) -> Result<(), StoreFault> {
        self.store.room().await?;
        self.store.trial(self.wanted.load(Ordering::Relaxed)).await
    }

    fn own_trouble(&self) -> Option<Arc<str>> {
        self.trouble
            .borrow()
            .as_ref()
            .filter(|trouble| trouble.own)
            .map(|trouble| Arc::clone(&trouble.reason))
    }

    fn set(&self, error: &StoreFault) {
        let (reason, own) = (because(error), self.store.is_own(error));
        let mut new = true;
        self.trouble.send_modify(|trouble| {
            new = trouble.is_none();
            // The latest reason, so that a full disk that turns read-only is known to.
            *trouble = Some(Trouble { reason: Arc::from(reason.as_str()), label: error.reason(), own });
        });
        if new {
            tracing::error!(
                error = reason,
                "pictures cannot be stored (images.store): answers go out from memory, and what is made is stored once it can be"
            );
        }
    }
}

/// With what the system says.
fn because(error: &StoreFault) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
