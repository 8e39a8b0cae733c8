//! The store in a folder, for tasks: file work on the blocking pool, a bounded number of calls at a time, each with its
//! time to be answered, its wait for a place included. A caller that leaves does not end the work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::files::Files;
use super::layout::Place;
use super::volume::Volume;
use super::{
    Found, JOBS_AT_ONCE, PUT_ANSWER_MAX, READ_ANSWER_MAX, ROOM_ANSWER_MAX, SWEEP_ANSWER_MAX, StoreFault,
    StoredPicture, Swept,
};
use crate::clock::Clock;
use crate::media::Picture;

#[derive(Debug, Clone)]
pub(super) struct Folder {
    files: Arc<Files>,
    /// Reads do not wait behind writes that hang.
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    sweeping: Arc<Semaphore>,
    looking: Arc<Semaphore>,
}

impl Folder {
    pub(super) fn new(volume: Arc<dyn Volume>, path: PathBuf, max_bytes: u64, clock: Clock) -> Self {
        Self {
            files: Arc::new(Files::new(volume, path, max_bytes, clock)),
            reading: Arc::new(Semaphore::new(JOBS_AT_ONCE)),
            writing: Arc::new(Semaphore::new(JOBS_AT_ONCE)),
            sweeping: Arc::new(Semaphore::new(1)),
            looking: Arc::new(Semaphore::new(1)),
        }
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    pub(super) async fn put(&self, picture: Picture) -> Result<StoredPicture, StoreFault> {
        self.run(&self.writing, PUT_ANSWER_MAX, move |files| files.put(&picture)).await
    }

    pub(super) async fn get(&self, place: Place) -> Result<Found, StoreFault> {
        self.run(&self.reading, READ_ANSWER_MAX, move |files| files.get(place)).await
    }

    pub(super) async fn contains(&self, place: Place) -> Result<bool, StoreFault> {
        self.run(&self.reading, READ_ANSWER_MAX, move |files| files.contains(place)).await
    }

    pub(super) async fn touch(&self, place: Place) -> Result<bool, StoreFault> {
        self.run(&self.reading, READ_ANSWER_MAX, move |files| files.touch(place)).await
    }

    pub(super) async fn trial(&self, bytes: usize) -> Result<(), StoreFault> {
        self.run(&self.writing, PUT_ANSWER_MAX, move |files| files.trial(bytes)).await
    }

    pub(super) async fn room(&self) -> Result<(), StoreFault> {
        self.run(&self.looking, ROOM_ANSWER_MAX, |files| files.volume.room(files.layout.root())).await
    }

    pub(super) async fn clear_leftovers(&self) -> Result<u64, StoreFault> {
        self.run(&self.sweeping, SWEEP_ANSWER_MAX, Files::clear_leftovers).await
    }

    pub(super) async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        self.run(&self.sweeping, SWEEP_ANSWER_MAX, move |files| files.sweep(now, keep)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        patience: Duration,
        work: impl FnOnce(&Files) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let answer = async {
            // The semaphore is never closed, so there always is a place.
            let place = Arc::clone(places).acquire_owned().await.ok();
            let files = Arc::clone(&self.files);
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                work(&files)
            });
            work.await.unwrap_or(Err(StoreFault::Crashed))
        };
        tokio::time::timeout(patience, answer).await.unwrap_or(Err(StoreFault::Slow))
    }
}
