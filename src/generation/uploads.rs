//! Pictures that came with requests, at Evolink's files API: each content once, shared while in use, deleted after.
//!
//! A [`Lease`] holds an uploaded file for one generation. The first that needs a content uploads it, in its own task;
//! the others wait for the same upload. When the last lease is dropped, the file is deleted.

mod shelf;

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::Options;
use super::audience::Audience;
use super::journal::StoredUpload;
use super::queue::no_slot;
use super::scribe::Scribe;
use crate::evolink::{FileId, UploadLinks, UploadedFile, Upstream};
use crate::fault::{Fault, FaultKind};
use crate::media::InputFile;
use shelf::{Entry, GivenUp, Kept, Shelf};

/// All uploaded files of this gateway.
pub(super) struct Uploads(Arc<Shelf>);

/// An uploaded picture, held until this is dropped.
pub(super) struct Lease(Arc<Entry>);

/// The uploaded pictures of a generation, held until this is dropped.
pub(super) struct Leases {
    held: Vec<Lease>,
    queued: Duration,
    _holder: Option<OwnedSemaphorePermit>,
}

impl Uploads {
    pub(super) fn new(
        upstream: Arc<dyn Upstream>,
        scribe: Scribe,
        tasks: TaskTracker,
        options: &Options,
    ) -> Self {
        Self(Arc::new(Shelf::new(upstream, scribe, tasks, options)))
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

#[cfg(test)]
mod tests;
