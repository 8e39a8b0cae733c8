//! The pictures of a finished generation: fetched when somebody waits for them, shared by all who wait, let go after.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::House;
use super::memory::Held;
use super::model::{Finished, ImageResult, MadeImage};
use crate::fault::{Fault, FaultKind};
use crate::media::{FetchError, Picture};

/// Pictures in memory, in the order of their index; a failed image keeps its fault.
#[derive(Debug)]
pub struct Delivered {
    pub images: Vec<Result<Picture, Fault>>,
    /// How long fetching took.
    pub took: Duration,
    _memory: Option<Held>,
}

/// Where a generation keeps its pictures while somebody waits.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    kept: Mutex<Option<Arc<Delivered>>>,
    /// One fetches, the others wait for it.
    fetching: tokio::sync::Mutex<()>,
}

impl Pictures {
    /// The pictures, from memory or from Evolink's links.
    pub(super) async fn fetch(&self, house: &House, finished: &Finished) -> Arc<Delivered> {
        let _alone = self.fetching.lock().await;
        if let Some(kept) = self.kept().clone() {
            return kept;
        }
        let fetched = Arc::new(fetch_all(house, &finished.images).await);
        // Failures too: they answer everyone who waits now. A repetition comes after `let_go`, and fetches anew.
        *self.kept() = Some(Arc::clone(&fetched));
        fetched
    }

    /// Forgets them; whoever still writes an answer keeps its share.
    pub(super) fn let_go(&self) {
        self.kept().take();
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Arc<Delivered>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch_all(house: &House, images: &[ImageResult]) -> Delivered {
    let made = images.iter().flatten().count();
    let memory = house.memory.take(made).await;
    let began = Instant::now();
    let images = join_all(images.iter().map(async |image| match image {
        Ok(made) => fetch_one(house, made).await,
        Err(fault) => Err(fault.clone()),
    }))
    .await;
    let bytes = images.iter().flatten().map(|picture| picture.bytes().len()).sum();
    let memory = memory.map(|held| house.memory.correct(held, made, bytes));
    Delivered { images, took: began.elapsed(), _memory: memory }
}

/// By the link of the task's end; when that does not work, once more by the link Evolink gives today.
async fn fetch_one(house: &House, image: &MadeImage) -> Result<Picture, Fault> {
    let error = match house.fetcher.fetch(&image.link).await {
        Ok(picture) => return Ok(picture),
        Err(error) => error,
    };
    tracing::warn!(task_id = %image.task, %error, "a paid picture could not be fetched; its task is read again");
    let today = house.upstream.task(&image.task).await.ok().and_then(|task| task.links.into_iter().next());
    let error = match today {
        Some(link) if link != image.link => match house.fetcher.fetch(&link).await {
            Ok(picture) => return Ok(picture),
            Err(error) => error,
        },
        _ => error,
    };
    tracing::error!(task_id = %image.task, %error, "a paid picture could not be fetched");
    Err(unavailable(&error).with_cause(&error))
}

fn unavailable(error: &FetchError) -> Fault {
    let repeat = error.is_transient();
    let advice = if repeat {
        "Send the same request again: it fetches the picture without buying another."
    } else {
        "The operator can find it by its task id."
    };
    let message =
        format!("The picture was made and paid for, but could not be fetched from upstream. {advice}");
    let fault = Fault::new(FaultKind::ResultUnavailable, message).with_repeat(repeat);
    if repeat { fault.with_retry_after(Duration::from_secs(2)) } else { fault }
}
