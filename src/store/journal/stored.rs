//! The stored form of plans and ends: JSON with a version, read by every later version.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::evolink::TaskId;
use crate::fault::Fault;
use crate::generation::{ImageResult, MadeImage};
use crate::image::Plan;
use crate::money::Credits;
use crate::store::StoreError;

/// Changes when a record is no longer understood by its older readers.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    record: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Image<'a> {
    Made { task: Cow<'a, str>, link: Cow<'a, str>, credits: Credits },
    Failed(Cow<'a, Fault>),
}

#[derive(Serialize, Deserialize)]
struct Outcome<'a> {
    /// The answer's, in seconds.
    created: i64,
    images: Vec<Image<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Single<'a> {
    image: Image<'a>,
}

pub(super) fn plan(plan: &Plan) -> Result<String, StoreError> {
    write(plan)
}

pub(super) fn read_plan(text: &str) -> Result<Plan, StoreError> {
    read(text)
}

pub(super) fn result(result: &ImageResult) -> Result<String, StoreError> {
    write(Single { image: image(result) })
}

pub(super) fn read_result(text: &str) -> Result<ImageResult, StoreError> {
    read::<Single<'_>>(text).map(|single| single.image.into_result())
}

pub(super) fn outcome(created: i64, images: &[ImageResult]) -> Result<String, StoreError> {
    write(Outcome { created, images: images.iter().map(image).collect() })
}

/// When the answer was made, in seconds, and its images.
pub(super) fn read_outcome(text: &str) -> Result<(i64, Vec<ImageResult>), StoreError> {
    let outcome: Outcome<'_> = read(text)?;
    Ok((outcome.created, outcome.images.into_iter().map(Image::into_result).collect()))
}

pub(super) fn micro(credits: Credits) -> i64 {
    i64::try_from(credits.micro()).unwrap_or(i64::MAX)
}

/// Of a size in bytes.
pub(super) fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn credits(micro: i64) -> Credits {
    Credits::from_micro(u64::try_from(micro).unwrap_or(0))
}

fn image(result: &ImageResult) -> Image<'_> {
    match result {
        Ok(MadeImage { task, link, credits }) => {
            Image::Made { task: task.as_str().into(), link: link.into(), credits: *credits }
        }
        Err(fault) => Image::Failed(Cow::Borrowed(fault)),
    }
}

impl Image<'_> {
    fn into_result(self) -> ImageResult {
        match self {
            Self::Made { task, link, credits } => {
                Ok(MadeImage { task: TaskId::new(task), link: link.into_owned(), credits })
            }
            Self::Failed(fault) => Err(fault.into_owned()),
        }
    }
}

fn write<T: Serialize>(record: T) -> Result<String, StoreError> {
    let text = serde_json::to_string(&Versioned { version: VERSION, record });
    text.map_err(|error| StoreError::Refused(format!("a record cannot be written as JSON: {error}")))
}

fn read<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, StoreError> {
    let kept: Result<Versioned<T>, _> = serde_json::from_str(text);
    match kept {
        Ok(kept) if kept.version == VERSION => Ok(kept.record),
        Ok(kept) => Err(StoreError::Refused(format!("a record of version {} is unknown", kept.version))),
        Err(error) => Err(StoreError::Refused(format!("a record cannot be read: {error}"))),
    }
}
