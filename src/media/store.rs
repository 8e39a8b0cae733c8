//! Pictures under the hash of their bytes: what was paid for outlives upstream's links and a restart.
//!
//! Each picture is kept once, however often it is put, as `ab/cd/<hash>.<ext>` in a folder or in a bucket of S3. After a
//! crash at any moment a picture is there whole or not at all, and what [`PictureStore::get`] gives has been checked
//! against its hash. Any number of tasks and processes may use one folder or bucket.
//!
//! A picture's age is counted from its last *put*, not from the last time it was read; [`PictureStore::sweep`] removes
//! those older than `keep`. Of a store that holds more than it may, it removes those that have gone unused longest. A put
//! never waits for that: the store may hold too much for a moment. Knows nothing of generations, links or teams.
//!
//! Start with [`PictureStore`]; the work is in `files` and `sweep` for a folder, in `bucket` for S3.

mod bucket;
mod fault;
mod files;
mod folder;
mod layout;
mod oldest;
mod sweep;
mod tally;
mod volume;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::bucket::Bucket;
pub use self::bucket::{BucketError, BucketOptions};
pub use self::fault::StoreFault;
use self::folder::Folder;
use self::layout::Place;
pub use self::sweep::Swept;
use self::tally::Tally;
use self::volume::Disk;
#[cfg(test)]
pub(crate) use self::volume::Volume;
use super::Picture;
use crate::clock::Clock;
use crate::image::{ContentHash, Format, Pixels};
use crate::telemetry::Metrics;

/// Pictures read at once, and as many written. The sweep has a place of its own and takes none of these.
pub const JOBS_AT_ONCE: usize = 16;
/// Longest a put is waited for.
pub const PUT_ANSWER_MAX: Duration = Duration::from_secs(30);
/// Longest a picture is waited for: who wants it has other ways to come by it, and little patience.
pub const READ_ANSWER_MAX: Duration = Duration::from_secs(4);
/// Longest a run of the sweep is waited for.
const SWEEP_ANSWER_MAX: Duration = Duration::from_mins(5);
/// Longest a caller waits to hear whether there is room.
const ROOM_ANSWER_MAX: Duration = Duration::from_secs(2);
/// The largest picture taken or given.
pub const PICTURE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What is known of a picture in the store: enough to find it again and to describe it without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoredPicture {
    pub content: ContentHash,
    pub format: Format,
    pub pixels: Pixels,
    /// Length of the file.
    pub bytes: u64,
}

/// What there is of a picture.
#[derive(Debug)]
enum Found {
    Whole(Picture),
    Missing,
    /// It has changed since it was put, and is removed.
    Damaged,
}

/// The store. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct PictureStore {
    backend: Backend,
    metrics: Option<Arc<Metrics>>,
}

#[derive(Debug, Clone)]
enum Backend {
    Folder(Folder),
    Bucket(Bucket),
}

impl PictureStore {
    /// A store in `path`, which is made when the first picture comes. Touches no disk. `clock` dates the pictures.
    /// `max_bytes`: the most it may hold.
    pub fn in_folder(path: PathBuf, max_bytes: u64, clock: Clock) -> Self {
        Self::of(Backend::Folder(Folder::new(Arc::new(Disk), path, max_bytes, clock)))
    }

    /// A store in a bucket, whose server dates the pictures. Sends nothing.
    pub fn in_bucket(options: &BucketOptions, max_bytes: u64) -> Result<Self, BucketError> {
        Ok(Self::of(Backend::Bucket(Bucket::new(options, max_bytes)?)))
    }

    /// One in a folder whose steps on the disk a test lets fail.
    #[cfg(test)]
    pub(crate) fn on(volume: Arc<dyn Volume>, path: PathBuf, max_bytes: u64, clock: Clock) -> Self {
        Self::of(Backend::Folder(Folder::new(volume, path, max_bytes, clock)))
    }

    fn of(backend: Backend) -> Self {
        Self { backend, metrics: None }
    }

    /// Counts failures and tells how much it holds from now on.
    #[must_use]
    pub fn counted(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Keeps the picture. On return it is kept for good, and its age is zero, whether or not it was there before.
    ///
    /// Putting what is in a folder already needs no room: it succeeds on a full disk.
    pub async fn put(&self, picture: Picture) -> Result<StoredPicture, StoreFault> {
        let put = match &self.backend {
            Backend::Folder(folder) => folder.put(picture).await,
            Backend::Bucket(bucket) => bucket.put(picture).await,
        };
        self.told("put", put)
    }

    /// The picture, checked against its hash; `None` if it is not there. That is a use. One that has changed since it
    /// was put is removed, counted ([`PictureStore::damaged`]) and not there.
    pub async fn get(&self, content: &ContentHash, format: Format) -> Result<Option<Picture>, StoreFault> {
        let place = Place { content: *content, format };
        let got = match &self.backend {
            Backend::Folder(folder) => folder.get(place).await,
            Backend::Bucket(bucket) => bucket.get(place).await,
        };
        if let (Ok(Found::Damaged), Some(metrics)) = (&got, &self.metrics) {
            metrics.picture_store_failure("get", "damaged");
        }
        match self.told("get", got)? {
            Found::Whole(picture) => Ok(Some(picture)),
            Found::Missing | Found::Damaged => Ok(None),
        }
    }

    /// Whether the picture is there; its bytes are not looked at.
    pub async fn contains(&self, content: &ContentHash, format: Format) -> Result<bool, StoreFault> {
        let place = Place { content: *content, format };
        let found = match &self.backend {
            Backend::Folder(folder) => folder.contains(place).await,
            Backend::Bucket(bucket) => bucket.contains(place).await,
        };
        self.told("get", found)
    }

    /// The same, as a use of the picture: for one that is given out without being read here. A bucket knows no uses, and
    /// to ask it takes its time ([`PictureStore::is_far`]).
    pub async fn touch(&self, content: &ContentHash, format: Format) -> Result<bool, StoreFault> {
        let place = Place { content: *content, format };
        let found = match &self.backend {
            Backend::Folder(folder) => folder.touch(place).await,
            Backend::Bucket(bucket) => bucket.contains(place).await,
        };
        self.told("get", found)
    }

    /// Whether asking it is a call to another machine.
    pub const fn is_far(&self) -> bool {
        matches!(self.backend, Backend::Bucket(_))
    }

    /// Whether a picture of so many bytes could be put now, found out by writing and removing as much, in a folder 1 MiB
    /// at least: for a store that has failed.
    pub async fn trial(&self, bytes: usize) -> Result<(), StoreFault> {
        match &self.backend {
            Backend::Folder(folder) => folder.trial(bytes).await,
            Backend::Bucket(bucket) => bucket.trial(bytes).await,
        }
    }

    /// Whether there is room and leave to write, asked of the system without writing: cheap enough to be asked often. A
    /// bucket is not asked; its failures are known from its use.
    pub async fn room(&self) -> Result<(), StoreFault> {
        match &self.backend {
            Backend::Folder(folder) => folder.room().await,
            Backend::Bucket(_) => Ok(()),
        }
    }

    /// Whether a fault is one of this machine: a folder that cannot be written, fails or hangs. Another machine might do
    /// better. A full folder still gives what it has, and a bucket is the same for all.
    pub const fn is_own(&self, fault: &StoreFault) -> bool {
        let works = matches!(fault, StoreFault::Full(_) | StoreFault::TooLarge(_));
        matches!(self.backend, Backend::Folder(_)) && !works
    }

    /// Removes what crashed processes left half-written, and tells how many files that were; for the start. Files that
    /// a living process is writing are left alone, and a bucket never has half a picture.
    pub async fn clear_leftovers(&self) -> Result<u64, StoreFault> {
        match &self.backend {
            Backend::Folder(folder) => folder.clear_leftovers().await,
            Backend::Bucket(_) => Ok(0),
        }
    }

    /// One bounded run of the sweep: removes pictures that were last put more than `keep` before `now`, and leftovers.
    ///
    /// The next run goes on where this one stopped; [`Swept::round_ended`] tells when everything has been looked at.
    /// That run also removes those unused longest, if the store holds too much. Runs follow one another. A picture put
    /// during the sweep is kept.
    pub async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        let swept = match &self.backend {
            Backend::Folder(folder) => folder.sweep(now, keep).await,
            Backend::Bucket(bucket) => bucket.sweep(now, keep).await,
        };
        self.told("sweep", swept)
    }

    /// Waits until the store is known to hold more than it may, since the last time it was waited for.
    pub async fn pressed(&self) {
        self.tally().pressed().await;
    }

    /// Bytes of the pictures in the store, as far as is known; unknown until the first round of the sweep has ended.
    pub fn held(&self) -> Option<u64> {
        self.tally().held()
    }

    /// Pictures found changed since they were put, as long as this process runs.
    pub fn damaged(&self) -> u64 {
        match &self.backend {
            Backend::Folder(folder) => folder.files().damaged(),
            Backend::Bucket(bucket) => bucket.damaged(),
        }
    }

    fn tally(&self) -> &Tally {
        match &self.backend {
            Backend::Folder(folder) => &folder.files().tally,
            Backend::Bucket(bucket) => bucket.tally(),
        }
    }

    /// Counts a picture that was not put, for this reason.
    pub fn count_put(&self, reason: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.picture_store_failure("put", reason);
        }
    }

    /// Counts what came of an operation.
    fn told<T>(&self, operation: &'static str, outcome: Result<T, StoreFault>) -> Result<T, StoreFault> {
        if let Some(metrics) = &self.metrics {
            if let Err(fault) = &outcome {
                metrics.picture_store_failure(operation, fault.reason());
            }
            if let Some(held) = self.held() {
                metrics.picture_store_bytes(held);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
