//! Pictures on disk, under the hash of their bytes: what was paid for outlives upstream's links and a restart.
//!
//! `path/ab/cd/<hash>.<ext>`, each picture once, however often it is put. A file is written aside, synced, and renamed
//! to its place: after a crash at any moment a picture is there whole or not at all, and what [`PictureStore::get`]
//! gives has been checked against its hash. Any number of tasks and processes may use one folder.
//!
//! A picture's age is counted from its last *put*, not from the last time it was read; [`PictureStore::sweep`] removes
//! those older than `keep`. How much the store may hold altogether is not its business. Knows nothing of generations,
//! links or teams. Start with [`PictureStore`]; `files` has the work itself.
//!
//! All file work runs on the blocking pool, [`JOBS_AT_ONCE`] calls at a time; a call has [`ANSWER_MAX`] to be answered,
//! its wait for a place included. A caller that leaves does not end the work, which then goes on to its end.

mod files;
mod layout;
mod sweep;
mod volume;

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use self::files::Files;
use self::layout::Place;
pub use self::sweep::Swept;
use self::volume::Disk;
pub(crate) use self::volume::Volume;
use super::Picture;
use crate::clock::Clock;
use crate::disk::NoRoom;
use crate::image::{ContentHash, Format, Pixels};

/// Pictures read and written at once. The sweep has a place of its own and takes none of these.
pub const JOBS_AT_ONCE: usize = 16;
/// Longest a caller waits for the disk.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
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

/// Why the store could not do what it was asked. Nothing is broken by it: the next call may succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// No room, or the quota of the disk is used up.
    #[error("the disk of the picture store is full")]
    Full(#[source] io::Error),
    /// Mounted read-only, or the gateway's user may not write there.
    #[error("the folder of the picture store cannot be written")]
    ReadOnly(#[source] io::Error),
    #[error("the disk of the picture store failed")]
    Disk(#[source] io::Error),
    #[error("a picture of {0} bytes is larger than the picture store takes")]
    TooLarge(u64),
    #[error("the disk of the picture store did not answer in time")]
    Slow,
    #[error("the picture store crashed")]
    Crashed,
}

impl From<NoRoom> for StoreFault {
    fn from(no: NoRoom) -> Self {
        match no {
            NoRoom::Full { .. } => Self::Full(io::Error::new(ErrorKind::StorageFull, no)),
            NoRoom::ReadOnly(error) => Self::ReadOnly(error),
            NoRoom::Unknown(error) => Self::Disk(error),
        }
    }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full(error),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly(error),
            _ => Self::Disk(error),
        }
    }
}

/// The disk store. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct PictureStore {
    files: Arc<Files>,
    jobs: Arc<Semaphore>,
    sweeping: Arc<Semaphore>,
    looking: Arc<Semaphore>,
}

impl PictureStore {
    /// A store in `path`, which is made when the first picture comes. Touches no disk. `clock` dates the pictures.
    pub fn new(path: PathBuf, clock: Clock) -> Self {
        Self::on(Arc::new(Disk), path, clock)
    }

    /// One whose steps on the disk a test lets fail.
    pub(crate) fn on(volume: Arc<dyn Volume>, path: PathBuf, clock: Clock) -> Self {
        Self {
            files: Arc::new(Files::new(volume, path, clock)),
            jobs: Arc::new(Semaphore::new(JOBS_AT_ONCE)),
            sweeping: Arc::new(Semaphore::new(1)),
            looking: Arc::new(Semaphore::new(1)),
        }
    }

    /// Keeps the picture. On return it is on the disk itself, and its age is zero, whether or not it was there before.
    ///
    /// Putting what is there already needs no room: it succeeds on a full disk.
    pub async fn put(&self, picture: Picture) -> Result<StoredPicture, StoreFault> {
        self.run(&self.jobs, ANSWER_MAX, move |files| files.put(&picture)).await
    }

    /// The picture, checked against its hash; `None` if it is not there. A file that has changed since it was put is
    /// removed, counted ([`PictureStore::damaged`]) and not there.
    pub async fn get(&self, content: &ContentHash, format: Format) -> Result<Option<Picture>, StoreFault> {
        let place = Place { content: *content, format };
        self.run(&self.jobs, ANSWER_MAX, move |files| files.get(place)).await
    }

    /// Whether there is a file for the picture; its bytes are not looked at.
    pub async fn contains(&self, content: &ContentHash, format: Format) -> Result<bool, StoreFault> {
        let place = Place { content: *content, format };
        self.run(&self.jobs, ANSWER_MAX, move |files| files.contains(place)).await
    }

    /// Whether a picture of so many bytes could be put now, found out by writing and removing a file of that length, of
    /// 1 MiB at least: for asking *before* pictures are bought.
    pub async fn trial(&self, bytes: usize) -> Result<(), StoreFault> {
        self.run(&self.jobs, ANSWER_MAX, move |files| files.trial(bytes)).await
    }

    /// Whether there is room and leave to write, asked of the system without writing: cheap enough to be asked often.
    pub async fn room(&self) -> Result<(), StoreFault> {
        self.run(&self.looking, ROOM_ANSWER_MAX, |files| files.volume.room(files.layout.root())).await
    }

    /// Removes what crashed processes left half-written, and tells how many files that were; for the start. Files that
    /// a living process is writing are left alone.
    pub async fn clear_leftovers(&self) -> Result<u64, StoreFault> {
        self.run(&self.sweeping, SWEEP_ANSWER_MAX, Files::clear_leftovers).await
    }

    /// One bounded run of the sweep: removes pictures that were last put more than `keep` before `now`, and leftovers.
    ///
    /// The next run goes on where this one stopped; [`Swept::round_ended`] tells when every folder has been looked at.
    /// Runs follow one another, and each uses one thread. A picture put during the sweep is kept.
    pub async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        self.run(&self.sweeping, SWEEP_ANSWER_MAX, move |files| files.sweep(now, keep)).await
    }

    /// Files found changed since they were put, as long as this process runs.
    pub fn damaged(&self) -> u64 {
        self.files.damaged()
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

#[cfg(test)]
mod tests;
