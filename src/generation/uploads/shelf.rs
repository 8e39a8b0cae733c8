//! The files upstream, one entry a content: made once, let go with their last lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::super::Options;
use super::super::audience::Audience;
use super::super::journal::Note;
use super::super::scribe::Scribe;
use crate::evolink::{
    CallError, FILE_QUOTA_FULL, FileId, Refusal, Upload, UploadedFile, Upstream, upload_fault,
};
use crate::fault::Fault;
use crate::image::ContentHash;
use crate::media::InputFile;

/// Uploads under way at once, all together; the others wait, at most one for each picture of a running generation.
pub(super) const UPLOADS_AT_ONCE_MAX: usize = 8;
/// Generations that hold files upstream, for each task that may run: those under way, and as many with their pictures
/// ready for a place. A longer queue would fill the account's quota of files with pictures whose turn may never come.
const HOLDERS_PER_TASK: usize = 2;
/// How often one picture is tried.
const TRIES_MAX: u32 = 3;
/// The first pause between tries; twice as long after the second.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest time for one picture, its wait for a turn and its repetitions included.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a file is kept upstream, by Evolink's pages.
const LIFE_USUAL: Duration = Duration::from_hours(72);
/// A file that lives no longer than this beyond a task's time is not used by another generation: its queue, its doubts
/// and a slow task need their time too.
const LIFE_SPARE: Duration = Duration::from_hours(1);
/// Deletions under way at once; they are in no hurry.
const DELETIONS_AT_ONCE_MAX: usize = 4;
/// How often a file is tried to be deleted; after that it expires by itself.
const DELETION_TRIES_MAX: u32 = 3;
const DELETION_PAUSE: Duration = Duration::from_secs(5);

/// Where the files stand.
pub(super) struct Shelf {
    upstream: Arc<dyn Upstream>,
    scribe: Scribe,
    pub tasks: TaskTracker,
    places: Semaphore,
    deletions: Semaphore,
    pub holders: Arc<Semaphore>,
    /// Longest wait to be a holder.
    pub queue_timeout: Duration,
    entries: Mutex<HashMap<ContentHash, Weak<Entry>>>,
    /// A link with less time left is not handed to another generation.
    pub life_min: Duration,
}

/// One content. Alive as long as a generation holds a lease; what it becomes is known to all of them.
pub(super) struct Entry {
    pub shelf: Arc<Shelf>,
    pub content: ContentHash,
    pub outcome: OnceCell<Result<Kept, Fault>>,
}

pub(super) struct Kept {
    pub file: UploadedFile,
    pub expires: Instant,
}

/// Nobody wanted the generation any more when its turn came: nothing is known of its pictures.
pub(super) struct GivenUp;

impl Shelf {
    pub(super) fn new(
        upstream: Arc<dyn Upstream>,
        scribe: Scribe,
        tasks: TaskTracker,
        options: &Options,
    ) -> Self {
        let holders = options.max_tasks.saturating_mul(HOLDERS_PER_TASK).min(Semaphore::MAX_PERMITS);
        Self {
            upstream,
            scribe,
            tasks,
            places: Semaphore::new(UPLOADS_AT_ONCE_MAX),
            deletions: Semaphore::new(DELETIONS_AT_ONCE_MAX),
            holders: Arc::new(Semaphore::new(holders)),
            queue_timeout: options.queue_timeout,
            entries: Mutex::default(),
            life_min: options.task_timeout + LIFE_SPARE,
        }
    }

    /// The content's entry, being uploaded or good for long enough; else a new one.
    pub(super) fn entry(self: &Arc<Self>, content: ContentHash) -> Arc<Entry> {
        let mut entries = self.entries();
        let known = entries.get(&content).and_then(Weak::upgrade);
        if let Some(known) = &known
            && known.is_usable(self.life_min)
        {
            return Arc::clone(known);
        }
        let outcome = OnceCell::new();
        let entry = Arc::new(Entry { shelf: Arc::clone(self), content, outcome });
        entries.insert(content, Arc::downgrade(&entry));
        // First the lock, then `known`: the last of an entry takes the lock.
        drop(entries);
        entry
    }

    pub(super) async fn upload(
        &self,
        audience: &Audience,
        input: &InputFile,
    ) -> Result<Result<Kept, Fault>, GivenUp> {
        let picture = input.picture();
        let source = input.clone();
        let upload = Upload::new(picture.format, picture.bytes, move || Box::pin(source.stream()));
        let deadline = Instant::now() + PATIENCE;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.try_once(audience, &upload, deadline).await? {
                Ok(file) => {
                    let expires = Instant::now() + file.life.unwrap_or(LIFE_USUAL).min(LIFE_USUAL);
                    return Ok(Ok(Kept { file, expires }));
                }
                Err(error) => error,
            };
            let pause = error.retry_after().unwrap_or(PAUSE_FIRST * tries);
            if is_final(&error) || tries >= TRIES_MAX || Instant::now() + pause >= deadline {
                let fault = upload_fault(&error);
                report(&error, &fault, picture.content);
                return Ok(Err(fault));
            }
            tracing::warn!(picture = %picture.content, %error, "an upload failed; it will be made again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(
        &self,
        audience: &Audience,
        upload: &Upload,
        deadline: Instant,
    ) -> Result<Result<UploadedFile, CallError>, GivenUp> {
        let Ok(Ok(_place)) = timeout_at(deadline, self.places.acquire()).await else {
            return Ok(Err(CallError::Connect("too many uploads under way".to_owned())));
        };
        if !audience.is_wanted() {
            return Err(GivenUp);
        }
        let call = self.upstream.upload(upload.clone());
        Ok(timeout_at(deadline, call).await.unwrap_or(Err(CallError::Timeout)))
    }

    pub(super) async fn delete(&self, file: &FileId) {
        let Ok(_place) = self.deletions.acquire().await else { return };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.upstream.delete_file(file).await {
                // what is not there needs no deleting
                Ok(()) | Err(CallError::Missing | CallError::TaskNotFound) => {
                    return self.scribe.note(Note::FileGone { file: file.clone() });
                }
                Err(error) if tries >= DELETION_TRIES_MAX => {
                    tracing::warn!(%file, %error, "an uploaded picture could not be deleted upstream; it expires there by itself");
                    return;
                }
                Err(error) => {
                    tokio::time::sleep(error.retry_after().unwrap_or(DELETION_PAUSE)).await;
                }
            }
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, HashMap<ContentHash, Weak<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.outcome.get()?.as_ref().ok()
    }

    fn is_usable(&self, life_min: Duration) -> bool {
        match self.outcome.get() {
            None => true,
            Some(Ok(kept)) => Instant::now() + life_min < kept.expires,
            Some(Err(_)) => false,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut entries = self.shelf.entries();
        // The place may be another's by now.
        if entries.get(&self.content).is_some_and(|entry| entry.strong_count() == 0) {
            entries.remove(&self.content);
        }
        drop(entries);
        let Some(Ok(Kept { file: UploadedFile { id: Some(id), .. }, .. })) = self.outcome.take() else {
            return;
        };
        // Without a runtime the process is ending, and the file expires by itself.
        if let Ok(runtime) = Handle::try_current() {
            let owner = Arc::clone(&self.shelf);
            self.shelf.tasks.spawn_on(async move { owner.delete(&id).await }, &runtime);
        }
    }
}

/// A no that would be one again.
fn is_final(error: &CallError) -> bool {
    matches!(error, CallError::Refused { .. } | CallError::Missing | CallError::TaskNotFound)
}

fn report(error: &CallError, fault: &Fault, picture: ContentHash) {
    let cause = fault.cause().unwrap_or_default();
    match error {
        CallError::Down { code, .. } if code == FILE_QUOTA_FULL => {
            tracing::error!(%picture, cause, "evolink takes no more files: the account's file quota is full");
        }
        CallError::Refused { refusal: Refusal::Account, .. } => {
            tracing::error!(%picture, cause, "evolink's files API refuses the account or its key");
        }
        _ => tracing::warn!(%picture, cause, "a picture could not be uploaded"),
    }
}
