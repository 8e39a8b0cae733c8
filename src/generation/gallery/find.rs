//! Where a picture is found: in the store, behind the link of its task's end, behind the link Evolink gives today.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::rescue::Rescue;
use super::{Gallery, LINK_LIFE, indexed};
use crate::fault::{Fault, FaultKind};
use crate::generation::model::{ImageResult, MadeImage};
use crate::generation::pictures::{Delivered, Pictures};
use crate::media::{FetchError, Picture};

/// Longest wait for the store to give a picture; then it is fetched by its link.
const READ_MAX: Duration = Duration::from_secs(5);

/// What the store has of a picture.
enum Stored {
    Whole(Picture),
    /// It is not there any more, or was damaged.
    Lost,
    /// It never was, or cannot be read at the moment.
    Not,
}

impl Gallery {
    /// All pictures of an end, in the order of their index.
    pub(in crate::generation) async fn find_all(
        &self,
        pictures: &Arc<Pictures>,
        images: &[ImageResult],
    ) -> Delivered {
        let made = images.iter().flatten().count();
        let memory = self.memory.take(made).await;
        let began = Instant::now();
        let found = join_all(indexed(images).map(async |(index, image)| match image {
            Ok(made) => self.find_or_say(pictures, index, made).await,
            Err(fault) => Err(fault.clone()),
        }));
        let images: Vec<Result<Picture, Fault>> = found.await;
        let bytes = images.iter().flatten().map(|picture| picture.bytes().len()).sum();
        let came = images.iter().flatten().count();
        let memory = memory.map(|held| self.memory.correct(held, came, bytes));
        Delivered::new(images, began.elapsed(), memory)
    }

    /// From the store; else by the link of the task's end; else by the link Evolink gives today.
    async fn find_or_say(
        &self,
        pictures: &Arc<Pictures>,
        index: u8,
        made: &MadeImage,
    ) -> Result<Picture, Fault> {
        let lost = match self.read(pictures, index).await {
            Stored::Whole(picture) => return Ok(picture),
            Stored::Lost => true,
            Stored::Not => false,
        };
        let found = match self.fetcher.fetch(&made.link).await {
            Ok(picture) => Ok(picture),
            Err(error) => {
                tracing::warn!(task_id = %made.task, %error, "a paid picture could not be fetched; its task is read again");
                self.by_link_of_today(made, error).await
            }
        };
        match found {
            Ok(picture) => {
                if lost {
                    self.rescue(Rescue::new(pictures, index, made, LINK_LIFE));
                }
                Ok(picture)
            }
            Err(error) => {
                tracing::error!(task_id = %made.task, %error, "a paid picture could not be fetched");
                Err(unavailable(&error).with_cause(error))
            }
        }
    }

    /// By its links alone.
    pub(super) async fn by_links(&self, made: &MadeImage) -> Result<Picture, FetchError> {
        match self.fetcher.fetch(&made.link).await {
            Ok(picture) => Ok(picture),
            Err(error) => self.by_link_of_today(made, error).await,
        }
    }

    /// `error`: that of the link of its task's end.
    async fn by_link_of_today(&self, made: &MadeImage, error: FetchError) -> Result<Picture, FetchError> {
        let task = self.upstream.task(&made.task).await.ok();
        match task.and_then(|task| task.links.into_iter().next()) {
            Some(link) if link != made.link => self.fetcher.fetch(&link).await,
            _ => Err(error),
        }
    }

    async fn read(&self, pictures: &Pictures, index: u8) -> Stored {
        let (Some(disk), Some(stored)) = (&self.disk, pictures.stored(index)) else { return Stored::Not };
        match timeout(READ_MAX, disk.store().get(&stored.content, stored.format)).await {
            Ok(Ok(Some(picture))) => Stored::Whole(picture),
            Ok(Ok(None)) => {
                pictures.note_missing(index);
                Stored::Lost
            }
            Ok(Err(error)) => {
                tracing::warn!(picture = %stored.content, %error, "a stored picture could not be read");
                Stored::Not
            }
            Err(_elapsed) => Stored::Not,
        }
    }
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
