//! The pictures of all generations: where one is found, and that each that was paid for is stored.
//!
//! A picture is fetched once its generation has ended, awaited or not, answers from memory, and is put into the picture
//! store afterwards, by the generation's own background task. What could not be fetched or put is tried again in the
//! background (`rescue`), as long as Evolink's link lives. A store that takes nothing (`disk`) keeps nobody from
//! buying pictures and getting them.

mod again;
mod alone;
mod disk;
mod find;
mod rescue;
mod sweep;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::journal::Note;
use super::model::Finished;
use super::pictures::{Delivered, Pictures};
use super::scribe::Scribe;
use crate::clock::Clock;
use crate::evolink::Upstream;
use crate::media::{Fetcher, Picture, PictureMemory, PictureStore, StoreFault};
pub(super) use alone::MadeSoFar;
use disk::Disk;
use rescue::Rescue;

/// Evolink's links live so long.
const LINK_LIFE: Duration = Duration::from_hours(24);

/// Finds pictures, and stores them where there is a store.
pub(super) struct Gallery {
    upstream: Arc<dyn Upstream>,
    fetcher: Fetcher,
    memory: PictureMemory,
    scribe: Scribe,
    disk: Option<Disk>,
    rescues: mpsc::Sender<Rescue>,
    /// Generations whose pictures are being put.
    putting: TaskTracker,
}

impl Gallery {
    /// The gallery, and its bookkeeping (rescues, sweeps, trials of the disk) for the caller to own.
    pub(super) fn new(
        upstream: Arc<dyn Upstream>,
        fetcher: Fetcher,
        scribe: Scribe,
        memory: PictureMemory,
        store: Option<(PictureStore, Duration)>,
        clock: Clock,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (rescues, inbox) = rescue::queue();
        let sweeping = store.clone().map(|(store, keep)| sweep::run(store, keep, clock));
        let gallery = Arc::new(Self {
            upstream,
            fetcher,
            memory,
            scribe,
            disk: store.map(|(store, _)| Disk::new(store)),
            rescues,
            putting: TaskTracker::new(),
        });
        let owned = Arc::clone(&gallery);
        let bookkeeping = async move {
            if let (Some(disk), Some(sweeping)) = (&owned.disk, sweeping) {
                tokio::join!(rescue::run(&owned, disk, inbox), disk.mend(), sweeping);
            }
        };
        (gallery, bookkeeping)
    }

    /// Whether pictures are stored.
    pub(super) fn stores(&self) -> bool {
        self.disk.is_some()
    }

    /// Whether a picture made now would be kept, as far as is known; false where none are stored.
    pub(super) fn keeps(&self) -> bool {
        self.disk.as_ref().is_some_and(Disk::keeps)
    }

    /// Whether this machine does its part in storing pictures.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn works(&self) -> Result<(), Arc<str>> {
        match &self.disk {
            Some(disk) => disk.works().await,
            None => Ok(()),
        }
    }

    /// Stores the pictures of an end that are not stored yet. `delivered`: those at hand. To be called once waiters
    /// have their answer, since a disk takes its time.
    pub(super) async fn keep(&self, pictures: &Arc<Pictures>, finished: &Finished, delivered: &Delivered) {
        let Some(disk) = &self.disk else { return };
        let _under_way = self.putting.token();
        let all = indexed(&finished.images).zip(&delivered.images).filter_map(|((index, image), found)| {
            let made = image.as_ref().ok().filter(|_| pictures.stored(index).is_none())?;
            Some((index, made, found))
        });
        join_all(all.map(async |(index, made, found)| {
            let kept = match found {
                // Nobody's memory waits for a store that is known to take nothing.
                Ok(_) if !self.keeps() => {
                    disk.pass_over();
                    Err(())
                }
                Ok(held) => self.put(pictures, index, Picture::clone(held)).await.map_err(|error| {
                    tracing::warn!(task_id = %made.task, %error, "a paid picture could not be stored; it is tried again");
                }),
                Err(_) => Err(()),
            };
            if kept.is_err() {
                self.rescue(Rescue::new(pictures, index, made, LINK_LIFE));
            }
        }))
        .await;
    }

    /// Stores in the background what is not stored of an end so long ago.
    pub(super) fn catch_up(&self, pictures: &Arc<Pictures>, finished: &Finished, ended: Duration) {
        let left = LINK_LIFE.saturating_sub(ended);
        if self.disk.is_none() || left.is_zero() {
            return;
        }
        for (index, image) in indexed(&finished.images) {
            if let Ok(made) = image
                && pictures.stored(index).is_none()
            {
                self.rescue(Rescue::new(pictures, index, made, left));
            }
        }
    }

    /// Stores a picture, unless it is one that never can be.
    async fn put(&self, pictures: &Pictures, index: u8, picture: Picture) -> Result<(), StoreFault> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let bytes = picture.bytes().len();
        let stored = match disk.store().put(picture).await {
            Err(error @ StoreFault::TooLarge(_)) => {
                tracing::warn!(generation_id = %pictures.generation(), %error, "a paid picture is not stored: answers with it need Evolink's link");
                return Ok(());
            }
            outcome => outcome.inspect_err(|error| disk.report(error, bytes))?,
        };
        pictures.note_stored(index, stored);
        let generation = pictures.generation().clone();
        self.scribe.note(Note::Stored { generation, image: index, picture: stored });
        Ok(())
    }

    fn rescue(&self, rescue: Rescue) {
        if let Err(error) = self.rescues.try_send(rescue) {
            let task_id = error.into_inner().into_task();
            tracing::error!(%task_id, "too many pictures wait to be stored; this one is tried at the next start");
        }
    }

    /// Waits until no picture is being put.
    pub(super) async fn put_all(&self) {
        self.putting.close();
        self.putting.wait().await;
    }
}

/// Images with their index; no generation has more than a byte can count.
fn indexed<T>(images: &[T]) -> impl Iterator<Item = (u8, &T)> {
    (0_u8..).zip(images)
}

#[cfg(test)]
pub(super) mod tests;
