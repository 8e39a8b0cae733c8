//! A bound on the pictures that readers of links have in memory, however many there are and however slowly they read.
//!
//! A picture counts once, while anyone reads it, and is fetched once: who comes meanwhile shares it. What finds no room
//! waits, and is sent away after [`ROOM_PATIENCE`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::fault::{Fault, FaultKind};
use crate::media::{LinkedPicture, Picture};

/// Bytes of pictures that readers of links have in memory at once.
const READ_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Pictures fetched for readers at once, before their size is known: so many may be beyond [`READ_BYTES_MAX`].
const FETCHED_AT_ONCE: usize = 8;
/// Longest wait for room; the reader may come again then.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);
/// Memory is counted in these units.
const UNIT_BYTES: usize = 1024;

/// Who reads what.
#[derive(Debug)]
pub(super) struct Readers {
    fetches: Semaphore,
    memory: Arc<Semaphore>,
    units: usize,
    /// Pictures that are being read; those read to their end are forgotten when the map would grow.
    open: Mutex<HashMap<LinkedPicture, Weak<Reading>>>,
}

/// One picture that is being read, by any number of readers.
#[derive(Debug, Default)]
pub(super) struct Reading(OnceCell<(Picture, OwnedSemaphorePermit)>);

impl Reading {
    /// There for whoever has it from [`Readers::open`].
    pub(super) fn picture(&self) -> Option<&Picture> {
        self.0.get().map(|(picture, _memory)| picture)
    }
}

impl Default for Readers {
    fn default() -> Self {
        Self::new(READ_BYTES_MAX)
    }
}

impl Readers {
    fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            fetches: Semaphore::new(FETCHED_AT_ONCE),
            memory: Arc::new(Semaphore::new(units)),
            units,
            open: Mutex::default(),
        }
    }

    /// The picture, by `fetch` unless somebody reads it already.
    ///
    /// # Errors
    /// The fetch's own; `Overloaded` when there is no room in time.
    pub(super) async fn open(
        &self,
        linked: LinkedPicture,
        fetch: impl Future<Output = Result<Picture, Fault>>,
    ) -> Result<Arc<Reading>, Fault> {
        let reading = self.join(linked);
        // One fetches, the others wait for it; when it fails or leaves, the next one does.
        reading.0.get_or_try_init(async || self.fetch(fetch).await).await?;
        Ok(reading)
    }

    async fn fetch(
        &self,
        fetch: impl Future<Output = Result<Picture, Fault>>,
    ) -> Result<(Picture, OwnedSemaphorePermit), Fault> {
        // The semaphores are never closed: an error is the patience's end.
        let _place = timeout(ROOM_PATIENCE, self.fetches.acquire()).await.map_err(|_elapsed| full())?;
        let picture = fetch.await?;
        let units = picture.bytes().len().div_ceil(UNIT_BYTES).clamp(1, self.units);
        // However large, a picture gets in alone.
        let room = Arc::clone(&self.memory).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX));
        let room = timeout(ROOM_PATIENCE, room).await.map_err(|_elapsed| full())?;
        Ok((picture, room.map_err(|_closed| full())?))
    }

    fn join(&self, linked: LinkedPicture) -> Arc<Reading> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = open.get(&linked).and_then(Weak::upgrade) {
            return reading;
        }
        if open.len() == open.capacity() {
            open.retain(|_, reading| reading.strong_count() > 0);
        }
        let reading = Arc::default();
        open.insert(linked, Arc::downgrade(&reading));
        reading
    }
}

fn full() -> Fault {
    Fault::new(FaultKind::Overloaded, "Too many pictures are being read at the moment. Open the link again.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::image::{ContentHash, Form, Format};

    /// A whole PNG file of so many bytes, more or less.
    fn picture(bytes: usize) -> Picture {
        let mut file =
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0\xfd\xd4\x9as".to_vec();
        let length = u32::try_from(bytes).unwrap();
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(b"IDAT");
        file.extend(std::iter::repeat_n(0, bytes + 4));
        file.extend_from_slice(b"\0\0\0\0IEND\xaeB`\x82");
        Picture::read(file.into()).unwrap()
    }

    fn linked(number: u8) -> LinkedPicture {
        let form = Form { format: Format::Png, compression: None, pixels: None };
        LinkedPicture { content: ContentHash::from_bytes([number; 32]), stored: Format::Png, form }
    }

    #[tokio::test]
    async fn many_readers_of_one_picture_fetch_it_once() {
        let (readers, fetches) = (Readers::new(64 * 1024), AtomicUsize::new(0));
        let opened = join_all((0..100).map(|_| {
            readers.open(linked(1), async {
                fetches.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(picture(60 * 1024))
            })
        }))
        .await;
        let first = opened[0].as_ref().unwrap().picture().unwrap().bytes().as_ptr();
        for reading in &opened {
            assert_eq!(reading.as_ref().unwrap().picture().unwrap().bytes().as_ptr(), first);
        }
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_picture_waits_until_the_first_is_read() {
        let readers = Readers::new(64 * 1024);
        let first = readers.open(linked(1), async { Ok(picture(60 * 1024)) }).await.unwrap();
        let second = || readers.open(linked(2), async { Ok(picture(60 * 1024)) });
        let refused = second().await.unwrap_err();
        assert_eq!((refused.kind(), refused.should_retry()), (FaultKind::Overloaded, true));
        let mut waiting = Box::pin(second());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_picture_larger_than_all_the_room_gets_in_alone() {
        let readers = Readers::new(8 * 1024);
        readers.open(linked(1), async { Ok(picture(60 * 1024)) }).await.unwrap();
    }

    #[tokio::test]
    async fn what_failed_for_one_reader_is_tried_for_the_next() {
        let readers = Readers::default();
        readers.open(linked(1), async { Err(full()) }).await.unwrap_err();
        readers.open(linked(1), async { Ok(picture(1024)) }).await.unwrap();
    }

    #[tokio::test]
    async fn pictures_read_to_their_end_are_forgotten() {
        let readers = Readers::default();
        for number in 0..=255 {
            readers.open(linked(number), async { Ok(picture(1024)) }).await.unwrap();
        }
        assert!(readers.open.lock().unwrap().len() < 16);
        assert_eq!(readers.memory.available_permits(), readers.units);
    }
}
