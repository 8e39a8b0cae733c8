//! The pictures of one generation: in memory as long as somebody waits for them, and what the store has of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::SetOnce;

use super::House;
use super::model::{Finished, GenerationId};
use crate::fault::Fault;
use crate::media::{Held, StoredPicture};

/// Pictures in memory, in the order of their index; a failed image keeps its fault.
#[derive(Debug)]
pub struct Delivered {
    pub images: Vec<Result<Held, Fault>>,
    /// How long fetching took.
    pub took: Duration,
}

/// Who wants the pictures of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The generation itself, at its end.
    First,
    /// A request. What is read from the store for it stays in memory for the next one.
    Again,
}

impl Delivered {
    pub(super) fn new(images: Vec<Result<Held, Fault>>, took: Duration) -> Self {
        Self { images, took }
    }
}

/// Where a generation has its pictures.
#[derive(Debug)]
pub(super) struct Pictures {
    generation: GenerationId,
    /// While somebody waits.
    kept: Mutex<Option<Arc<Delivered>>>,
    /// What is in the picture store, with the index of its image.
    stored: Mutex<Vec<(u8, StoredPicture)>>,
    /// Set when the first try to store them is over, well or not; later ones are made in the background.
    tried: SetOnce<()>,
    /// One fetches, the others wait for it.
    fetching: tokio::sync::Mutex<()>,
}

impl Pictures {
    pub(super) fn of(generation: GenerationId) -> Arc<Self> {
        let (kept, stored, fetching) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(Self { generation, kept, stored, tried: SetOnce::new(), fetching })
    }

    /// The pictures, from memory, from the store or from Evolink's links.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        house: &House,
        finished: &Finished,
        asked: Asked,
    ) -> Arc<Delivered> {
        let _alone = self.fetching.lock().await;
        if let Some(kept) = self.kept().clone() {
            return kept;
        }
        let fetched = Arc::new(house.gallery.find_all(self, &finished.images, asked).await);
        // Failures too: they answer everyone who waits now. A repetition comes after `let_go`, and fetches anew.
        *self.kept() = Some(Arc::clone(&fetched));
        fetched
    }

    /// Has them in memory from now on.
    #[cfg(test)]
    pub(super) fn remember(&self, delivered: &Arc<Delivered>) {
        *self.kept() = Some(Arc::clone(delivered));
    }

    /// Forgets them; whoever still writes an answer keeps its share.
    pub(super) fn let_go(&self) {
        self.kept().take();
    }

    pub(super) fn generation(&self) -> &GenerationId {
        &self.generation
    }

    /// The picture if it is in memory.
    pub(super) fn at_hand(&self, image: u8) -> Option<Held> {
        let kept = self.kept().clone()?;
        kept.images.get(usize::from(image))?.as_ref().ok().cloned()
    }

    pub(super) fn note_stored(&self, image: u8, picture: StoredPicture) {
        let mut stored = self.stored_all();
        stored.retain(|(other, _)| *other != image);
        stored.push((image, picture));
    }

    /// It was stored, and is not there any more.
    pub(super) fn note_missing(&self, image: u8) {
        self.stored_all().retain(|(other, _)| *other != image);
    }

    pub(super) fn stored(&self, image: u8) -> Option<StoredPicture> {
        self.stored_all().iter().find(|(other, _)| *other == image).map(|(_, picture)| *picture)
    }

    /// The first try to store them is over.
    pub(super) fn note_tried(&self) {
        // Said again, it is no news.
        let _ = self.tried.set(());
    }

    /// Waits until the first try to store them is over.
    pub(super) async fn tried(&self) {
        self.tried.wait().await;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<Delivered>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored_all(&self) -> MutexGuard<'_, Vec<(u8, StoredPicture)>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
