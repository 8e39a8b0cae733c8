//! Where a picture is found: in the store, behind the link of its task's end, behind the link Evolink gives today.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::again::Sought;
use super::rescue::Rescue;
use super::{Gallery, LINK_LIFE, indexed};
use crate::evolink::CallError;
use crate::fault::{Fault, FaultKind};
use crate::generation::model::{ImageResult, MadeImage};
use crate::generation::pictures::{Asked, Delivered, Pictures};
use crate::image::ContentHash;
use crate::media::{FetchError, Held, Picture, Room};

/// Longest wait for the store to give a picture; then it is fetched by its link.
const READ_MAX: Duration = Duration::from_secs(5);

/// What the store has of a picture.
enum Stored {
    Whole(Picture, ContentHash),
    /// It is not there any more, or was damaged.
    Lost,
    /// It never was.
    Not,
    /// It may be there, and cannot be read at the moment.
    Unreadable,
}

/// A picture that no link gives.
pub(super) struct Unfound {
    pub(super) error: FetchError,
    /// Later it may be had all the same.
    may_pass: bool,
}

impl From<FetchError> for Unfound {
    fn from(error: FetchError) -> Self {
        Self { may_pass: error.is_transient(), error }
    }
}

/// A picture, and where it was.
enum Found {
    Hot(Held),
    Read(Picture, ContentHash),
    Fetched(Picture),
}

impl Found {
    /// The length of one that was not in memory.
    fn came(&self) -> Option<usize> {
        match self {
            Self::Hot(_) => None,
            Self::Read(picture, _) | Self::Fetched(picture) => Some(picture.bytes().len()),
        }
    }
}

impl Gallery {
    /// All pictures of an end, in the order of their index.
    pub(in crate::generation) async fn find_all(
        &self,
        pictures: &Arc<Pictures>,
        images: &[ImageResult],
        asked: Asked,
    ) -> Delivered {
        match asked {
            Asked::First => {
                let made = images.iter().flatten().count();
                let room = self.memory.room(self.memory.guess(made)).await;
                let sought = indexed(images).map(|(index, image)| Sought::unknown(index, image));
                self.load(pictures, sought.collect(), room, asked).await
            }
            Asked::Again => self.find_again(pictures, images).await,
        }
    }

    /// Brings those into memory that are not there yet, all side by side.
    pub(super) async fn load(
        &self,
        pictures: &Arc<Pictures>,
        sought: Vec<Sought<'_>>,
        mut room: Room,
        asked: Asked,
    ) -> Delivered {
        let began = Instant::now();
        let found = join_all(sought.into_iter().map(async |sought| match (sought.hot, sought.image) {
            (Some(hot), _) => Ok(Found::Hot(hot)),
            (None, Ok(made)) => self.find_or_say(pictures, sought.index, made).await,
            (None, Err(fault)) => Err(fault.clone()),
        }));
        let found: Vec<Result<Found, Fault>> = found.await;
        let lengths: Vec<usize> = found.iter().flatten().filter_map(Found::came).collect();
        room.settle(&lengths);
        let held = found.into_iter().map(|found| {
            found.map(|found| match found {
                Found::Hot(held) => held,
                Found::Read(picture, content) if asked == Asked::Again => {
                    let held = room.hold(picture, Some(content));
                    self.memory.keep(&held);
                    held
                }
                Found::Read(picture, _) | Found::Fetched(picture) => room.hold(picture, None),
            })
        });
        Delivered::new(held.collect(), began.elapsed())
    }

    /// From the store; else by the link of the task's end; else by the link Evolink gives today.
    async fn find_or_say(
        &self,
        pictures: &Arc<Pictures>,
        index: u8,
        made: &MadeImage,
    ) -> Result<Found, Fault> {
        let stored = match self.read(pictures, index).await {
            Stored::Whole(picture, content) => return Ok(Found::Read(picture, content)),
            stored => stored,
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
                if matches!(stored, Stored::Lost) {
                    self.rescue(Rescue::new(pictures, index, made, LINK_LIFE));
                }
                Ok(Found::Fetched(picture))
            }
            Err(Unfound { error, may_pass }) => {
                tracing::error!(task_id = %made.task, %error, "a paid picture could not be fetched");
                // What the store may have is not lost, whatever has become of the links.
                let repeat = may_pass || matches!(stored, Stored::Unreadable);
                Err(unavailable(repeat).with_cause(error))
            }
        }
    }

    /// By its links alone.
    pub(super) async fn by_links(&self, made: &MadeImage) -> Result<Picture, Unfound> {
        match self.fetcher.fetch(&made.link).await {
            Ok(picture) => Ok(picture),
            Err(error) => self.by_link_of_today(made, error).await,
        }
    }

    /// `error`: that of the link of its task's end.
    async fn by_link_of_today(&self, made: &MadeImage, error: FetchError) -> Result<Picture, Unfound> {
        let task = match self.upstream.task(&made.task).await {
            Ok(task) => task,
            Err(CallError::TaskNotFound) => return Err(error.into()),
            // Upstream may know another link.
            Err(_) => return Err(Unfound { error, may_pass: true }),
        };
        match task.links.into_iter().next() {
            Some(link) if link != made.link => Ok(self.fetcher.fetch(&link).await?),
            _ => Err(error.into()),
        }
    }

    async fn read(&self, pictures: &Pictures, index: u8) -> Stored {
        let (Some(disk), Some(stored)) = (&self.disk, pictures.stored(index)) else { return Stored::Not };
        match timeout(READ_MAX, disk.store().get(&stored.content, stored.format)).await {
            Ok(Ok(Some(picture))) => Stored::Whole(picture, stored.content),
            Ok(Ok(None)) => {
                pictures.note_missing(index);
                Stored::Lost
            }
            Ok(Err(error)) => {
                tracing::warn!(picture = %stored.content, %error, "a stored picture could not be read");
                Stored::Unreadable
            }
            Err(_elapsed) => Stored::Unreadable,
        }
    }
}

fn unavailable(repeat: bool) -> Fault {
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
