//! The store in a bucket of S3, or of a server that speaks its protocol: `prefix/ab/cd/<hash>.<ext>`.
//!
//! A picture is put by one whole request, so that there never is half of one, and its server dates it. Whatever the
//! server does, nobody waits longer than the store's bounds: each try has its time, and there are few. What the
//! store would not have named is never touched. Start with [`Bucket`]; `client` speaks to the server.

mod client;
mod sweep;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetResult, ObjectStore as _, ObjectStoreExt as _, PutOptions};
use tokio::sync::{Mutex, Semaphore};

pub use self::client::{BucketError, BucketOptions};
use self::sweep::Round;
use self::told::{fault, is_missing};
use super::files::whole;
use super::layout::Place;
use super::tally::Tally;
use super::{
    Found, JOBS_AT_ONCE, PICTURE_BYTES_MAX, PUT_ANSWER_MAX, READ_ANSWER_MAX, SWEEP_ANSWER_MAX, StoreFault,
    StoredPicture, Swept,
};
use crate::image::ContentHash;
use crate::media::Picture;

/// What is written and removed to see whether the bucket takes anything.
const TRIAL: &str = ".trial";

/// Cheap to clone; clones are the same bucket.
#[derive(Clone)]
pub(super) struct Bucket(Arc<Inner>);

struct Inner {
    server: AmazonS3,
    prefix: Path,
    tally: Tally,
    reading: Semaphore,
    writing: Semaphore,
    /// The round of the sweep that is under way. One run at a time.
    round: Mutex<Round>,
    damaged: AtomicU64,
}

impl std::fmt::Debug for Bucket {
    /// Without what the client knows: its keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.prefix.as_ref()).finish()
    }
}

impl Bucket {
    pub(super) fn new(options: &BucketOptions, max_bytes: u64) -> Result<Self, BucketError> {
        Ok(Self(Arc::new(Inner {
            server: client::server(options)?,
            prefix: Path::from(options.prefix.as_str()),
            tally: Tally::new(max_bytes),
            reading: Semaphore::new(JOBS_AT_ONCE),
            writing: Semaphore::new(JOBS_AT_ONCE),
            round: Mutex::default(),
            damaged: AtomicU64::new(0),
        })))
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    pub(super) fn damaged(&self) -> u64 {
        self.0.damaged.load(Ordering::Relaxed)
    }

    pub(super) async fn put(&self, picture: Picture) -> Result<StoredPicture, StoreFault> {
        let bytes = u64::try_from(picture.bytes().len()).unwrap_or(u64::MAX);
        if bytes > PICTURE_BYTES_MAX.min(self.0.tally.max_bytes()) {
            return Err(StoreFault::TooLarge(bytes));
        }
        let (format, pixels) = (picture.format(), picture.pixels());
        within(&self.0.writing, PUT_ANSWER_MAX, async {
            let named = picture.bytes().clone();
            let content = blocking(move || ContentHash::of(&named)).await?;
            let place = Place { content, format };
            let attributes = Attributes::from_iter([(Attribute::ContentType, format.media_type())]);
            let options = PutOptions::from(attributes);
            let key = self.key(place);
            let put = self.0.server.put_opts(&key, picture.into_bytes().into(), options);
            put.await.map_err(|error| fault(&error))?;
            // Whether it was there is not known; the next round counts it once.
            self.0.tally.came(place, bytes);
            Ok(StoredPicture { content, format, pixels, bytes })
        })
        .await
    }

    pub(super) async fn get(&self, place: Place) -> Result<Found, StoreFault> {
        let key = self.key(place);
        within(&self.0.reading, READ_ANSWER_MAX, async {
            let got = match self.0.server.get(&key).await {
                Ok(got) => got,
                Err(error) if is_missing(&error) => return Ok(Found::Missing),
                Err(error) => return Err(fault(&error)),
            };
            let e_tag = got.meta.e_tag.clone();
            if let Some(bytes) = read(got).await?
                && let Some(picture) = blocking(move || whole(bytes, place)).await?
            {
                return Ok(Found::Whole(picture));
            }
            self.discard(place, &key, e_tag.as_deref()).await;
            Ok(Found::Damaged)
        })
        .await
    }

    /// Removes a damaged object, if it still is the one that was read.
    async fn discard(&self, place: Place, key: &Path, e_tag: Option<&str>) {
        self.0.damaged.fetch_add(1, Ordering::Relaxed);
        let removed = async {
            let found = self.0.server.head(key).await?;
            let same = found.e_tag.as_deref() == e_tag;
            if same {
                self.0.server.delete(key).await?;
                self.0.tally.went(place, found.size);
            }
            Ok::<_, object_store::Error>(same)
        };
        let removed = removed.await.map_err(|error| fault(&error));
        let content = place.content;
        tracing::warn!(%content, ?removed, "a stored picture was damaged and counts as missing");
    }

    pub(super) async fn contains(&self, place: Place) -> Result<bool, StoreFault> {
        within(&self.0.reading, READ_ANSWER_MAX, async {
            match self.0.server.head(&self.key(place)).await {
                Ok(_) => Ok(true),
                Err(error) if is_missing(&error) => Ok(false),
                Err(error) => Err(fault(&error)),
            }
        })
        .await
    }

    /// Writes and removes an object of so many bytes.
    pub(super) async fn trial(&self, bytes: usize) -> Result<(), StoreFault> {
        let key = self.0.prefix.clone().join(TRIAL);
        within(&self.0.writing, PUT_ANSWER_MAX, async {
            let payload = Bytes::from(vec![0; bytes.max(1)]);
            self.0.server.put(&key, payload.into()).await.map_err(|error| fault(&error))?;
            self.0.server.delete(&key).await.map_err(|error| fault(&error))
        })
        .await
    }

    pub(super) async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        let swept = tokio::time::timeout(SWEEP_ANSWER_MAX, self.sweep_run(now, keep));
        swept.await.unwrap_or(Err(StoreFault::Slow))
    }

    fn key(&self, place: Place) -> Path {
        let [high, low] = place.bay().to_be_bytes();
        let bay = self.0.prefix.clone().join(format!("{high:02x}")).join(format!("{low:02x}"));
        bay.join(place.file_name())
    }
}

/// All of an object; `None` if it is longer than any picture.
async fn read(got: GetResult) -> Result<Option<Bytes>, StoreFault> {
    let length = got.meta.size;
    if length > PICTURE_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let mut pieces = got.into_stream();
    while let Some(piece) = pieces.try_next().await.map_err(|error| fault(&error))? {
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes.into()))
}

async fn within<T>(
    places: &Semaphore,
    patience: Duration,
    work: impl Future<Output = Result<T, StoreFault>>,
) -> Result<T, StoreFault> {
    let answer = async {
        // The semaphore is never closed, so there always is a place.
        let _place = places.acquire().await.ok();
        work.await
    };
    tokio::time::timeout(patience, answer).await.unwrap_or(Err(StoreFault::Slow))
}

/// Hashing takes milliseconds, which others on the same thread would wait for.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreFault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreFault::Crashed)
}

#[cfg(test)]
mod tests;
