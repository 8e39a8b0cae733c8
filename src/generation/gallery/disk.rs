//! The picture store's disk: whether it takes pictures, and since when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::media::{PictureStore, StoreFault};

/// A look at the room on the disk answers for so long.
const LOOK_LASTS: Duration = Duration::from_secs(1);
/// Between two trials of a disk that does not work.
const TRIAL_EVERY: Duration = Duration::from_secs(3);

/// The store, with what is known of its disk.
pub(super) struct Disk {
    store: PictureStore,
    /// Why it does not work.
    trouble: watch::Sender<Option<Arc<str>>>,
    /// The last look at its room. One looks, the others wait for the answer.
    looked: Mutex<Option<Instant>>,
    /// Bytes of the largest picture for which there was no room.
    wanted: AtomicUsize,
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

    /// # Errors
    /// Why pictures could not be stored now.
    pub(super) async fn works(&self) -> Result<(), Arc<str>> {
        let mut looked = self.looked.lock().await;
        if self.trouble().is_none() && looked.is_none_or(|at| at.elapsed() >= LOOK_LASTS) {
            if let Err(error) = self.store.room().await {
                self.set(&error);
            }
            *looked = Some(Instant::now());
        }
        self.trouble().map_or(Ok(()), Err)
    }

    /// A put of so many bytes failed.
    pub(super) fn report(&self, error: &StoreFault, bytes: usize) {
        match error {
            StoreFault::Full(_) => {
                self.wanted.fetch_max(bytes, Ordering::Relaxed);
                self.set(error);
            }
            StoreFault::ReadOnly(_) | StoreFault::Disk(_) => self.set(error),
            // These tell of one picture or one moment.
            StoreFault::TooLarge(_) | StoreFault::Slow | StoreFault::Crashed => {}
        }
    }

    /// Waits until it works, as far as is known.
    pub(super) async fn mended(&self) {
        // The sender is this disk's own: there is no error.
        let _ = self.trouble.subscribe().wait_for(Option::is_none).await;
    }

    /// Tries a disk that does not work until it does, for ever; owned by the caller. One that had no room for a picture
    /// works when it has: else it would stop and go on every few seconds, and buy what it cannot keep.
    pub(super) async fn mend(&self) {
        let mut trouble = self.trouble.subscribe();
        while trouble.wait_for(Option::is_some).await.is_ok() {
            tokio::time::sleep(TRIAL_EVERY).await;
            let wanted = self.wanted.load(Ordering::Relaxed);
            if self.store.room().await.is_ok() && self.store.trial(wanted).await.is_ok() {
                tracing::info!("the picture store works again");
                self.wanted.store(0, Ordering::Relaxed);
                self.trouble.send_replace(None);
            }
        }
    }

    /// As far as is known; asks nobody.
    pub(super) fn seems_well(&self) -> bool {
        self.trouble.borrow().is_none()
    }

    fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.borrow().clone()
    }

    fn set(&self, error: &StoreFault) {
        let reason = because(error);
        let new = self.trouble.send_if_modified(|trouble| {
            let new = trouble.is_none();
            if new {
                *trouble = Some(Arc::from(reason.as_str()));
            }
            new
        });
        if new {
            tracing::error!(
                error = reason,
                "pictures cannot be stored (images.path): nothing new is bought until they can"
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
