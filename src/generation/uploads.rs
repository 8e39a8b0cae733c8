//! Pictures that came with requests, at Evolink's files API: each content once, shared while in use, deleted after.
//!
//! A [`Lease`] holds an uploaded file for one generation. The first that needs a content uploads it, in its own task;
//! the others wait for the same upload. When the last lease is dropped, the file is deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use super::Options;
use super::audience::Audience;
use super::journal::{Note, StoredUpload};
use super::queue::no_slot;
use super::scribe::Scribe;
use crate::evolink::{
    CallError, FILE_QUOTA_FULL, FileId, Refusal, Upload, UploadLinks, UploadedFile, Upstream, upload_fault,
};
use crate::fault::{Fault, FaultKind};
use crate::image::ContentHash;
use crate::media::InputFile;

/// Uploads under way at once, all together; the others wait, at most one for each picture of a running generation.
const UPLOADS_AT_ONCE_MAX: usize = 8;
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

/// All uploaded files of this gateway.
pub(super) struct Uploads(Arc<Shelf>);

struct Shelf {
    upstream: Arc<dyn Upstream>,
    scribe: Scribe,
    tasks: TaskTracker,
    places: Semaphore,
    deletions: Semaphore,
    holders: Arc<Semaphore>,
    /// Longest wait to be a holder.
    queue_timeout: Duration,
    entries: Mutex<HashMap<ContentHash, Weak<Entry>>>,
    /// A link with less time left is not handed to another generation.
    life_min: Duration,
}

/// One content. Alive as long as a generation holds a lease; what it becomes is known to all of them.
struct Entry {
    shelf: Arc<Shelf>,
    content: ContentHash,
    outcome: OnceCell<Result<Kept, Fault>>,
}

struct Kept {
    file: UploadedFile,
    expires: Instant,
}

/// An uploaded picture, held until this is dropped.
pub(super) struct Lease(Arc<Entry>);

/// The uploaded pictures of a generation, held until this is dropped.
pub(super) struct Leases {
    held: Vec<Lease>,
    queued: Duration,
    _holder: Option<OwnedSemaphorePermit>,
}

/// Nobody wanted the generation any more when its turn came: nothing is known of its pictures.
struct GivenUp;

impl Uploads {
    pub(super) fn new(
        upstream: Arc<dyn Upstream>,
        scribe: Scribe,
        tasks: TaskTracker,
        options: &Options,
    ) -> Self {
        let holders = options.max_tasks.saturating_mul(HOLDERS_PER_TASK).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shelf {
            upstream,
            scribe,
            tasks,
            places: Semaphore::new(UPLOADS_AT_ONCE_MAX),
            deletions: Semaphore::new(DELETIONS_AT_ONCE_MAX),
            holders: Arc::new(Semaphore::new(holders)),
            queue_timeout: options.queue_timeout,
            entries: Mutex::default(),
            life_min: options.task_timeout + LIFE_SPARE,
        }))
    }

    /// Uploads the pictures that nobody has uploaded yet, side by side, when the generation's turn has come. The files
    /// are let go one by one as they are there.
    ///
    /// # Errors
    /// `NoSlot` when the turn did not come within `queue_timeout`; what the first failed upload means for the client.
    /// Nothing was bought.
    pub(super) async fn lease_all(
        &self,
        audience: &Audience,
        inputs: Vec<InputFile>,
    ) -> Result<Leases, Fault> {
        let began = Instant::now();
        let holder = if inputs.is_empty() { None } else { Some(self.turn().await?) };
        let queued = began.elapsed();
        // Not until the first failure: an upload cut short may leave a file that nobody deletes.
        let leases = join_all(inputs.into_iter().map(|input| self.lease(audience, input))).await;
        let held = leases.into_iter().collect::<Result<_, _>>()?;
        Ok(Leases { held, queued, _holder: holder })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let turn = Arc::clone(&self.0.holders).acquire_owned();
        match timeout(self.0.queue_timeout, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(no_slot(self.0.queue_timeout)),
        }
    }

    /// Holds a picture that an earlier process uploaded.
    pub(super) fn restore(&self, upload: StoredUpload, now_ms: i64) -> Lease {
        let StoredUpload { content, file, url, expires_ms } = upload;
        let mut entries = self.0.entries();
        let known = entries.get(&content).and_then(Weak::upgrade);
        if let Some(known) = &known
            && known.kept().is_some_and(|kept| kept.file.url == url)
        {
            return Lease(Arc::clone(known));
        }
        let left = Duration::from_millis(u64::try_from(expires_ms.saturating_sub(now_ms)).unwrap_or(0));
        let file = UploadedFile { id: file, url, life: Some(left) };
        let outcome = OnceCell::new_with(Some(Ok(Kept { file, expires: Instant::now() + left })));
        let entry = Arc::new(Entry { shelf: Arc::clone(&self.0), content, outcome });
        entries.insert(content, Arc::downgrade(&entry));
        // First the lock, then `known`: the last of an entry takes the lock.
        drop(entries);
        Lease(entry)
    }

    /// Deletes files that an earlier process left, in the background.
    pub(super) fn delete_all(&self, files: Vec<FileId>) {
        for file in files {
            let owner = Arc::clone(&self.0);
            self.0.tasks.spawn(async move { owner.delete(&file).await });
        }
    }

    async fn lease(&self, audience: &Audience, input: InputFile) -> Result<Lease, Fault> {
        let entry = self.0.entry(input.picture().content);
        let upload = || self.0.upload(audience, &input);
        match entry.outcome.get_or_try_init(upload).await {
            Ok(Ok(_)) => Ok(Lease(entry)),
            Ok(Err(fault)) => Err(fault.clone()),
            Err(GivenUp) => Err(nobody_waits()),
        }
    }
}

impl Lease {
    /// What is written down of it.
    fn stored(&self, now_ms: i64) -> Option<StoredUpload> {
        let Kept { file, expires } = self.0.kept()?;
        let left = expires.saturating_duration_since(Instant::now());
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        Some(StoredUpload {
            content: self.0.content,
            file: file.id.clone(),
            url: file.url.clone(),
            expires_ms: now_ms.saturating_add(left),
        })
    }
}

/// The fault of a generation that nobody wanted any more when its turn came; nobody sees it.
pub(super) fn nobody_waits() -> Fault {
    Fault::new(FaultKind::Overloaded, "Nobody was waiting any more when the turn came.")
}

impl Leases {
    /// Those that an earlier process uploaded, too.
    #[must_use]
    pub(super) fn with(mut self, more: Vec<Lease>) -> Self {
        self.held.extend(more);
        self
    }

    /// What is written down of them.
    pub(super) fn stored(&self, now_ms: i64) -> Vec<StoredUpload> {
        self.held.iter().filter_map(|lease| lease.stored(now_ms)).collect()
    }

    /// Where the pictures are, for the creates.
    pub(super) fn links(&self) -> UploadLinks {
        let link = |Lease(entry): &Lease| Some((entry.content, entry.kept()?.file.url.clone()));
        self.held.iter().filter_map(link).collect()
    }

    /// How long the generation waited for its turn.
    pub(super) const fn queued(&self) -> Duration {
        self.queued
    }
}

impl Shelf {
    /// The content's entry, being uploaded or good for long enough; else a new one.
    fn entry(self: &Arc<Self>, content: ContentHash) -> Arc<Entry> {
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

    async fn upload(&self, audience: &Audience, input: &InputFile) -> Result<Result<Kept, Fault>, GivenUp> {
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

    async fn delete(&self, file: &FileId) {
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

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<ContentHash, Weak<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn kept(&self) -> Option<&Kept> {
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

#[cfg(test)]
mod tests;
