//! The pictures of a request, wherever they came from: as upstream is to get them, and the files to upload.

use axum::body::Bytes;

use super::read_body::{BodyBudget, length_of};
use crate::fault::{Fault, FaultKind};
use crate::image::{InputNames, Reference};
use crate::media::{IN_MEMORY_BYTES_MAX, InputError, InputFile, InputWriter, Spool};
use crate::openai::GivenImage;

/// A request's pictures.
#[derive(Debug, Default)]
pub struct Inputs {
    /// In order, as [`crate::image::ImageRequest::references`] wants them.
    pub references: Vec<Reference>,
    pub mask: Option<Reference>,
    /// The bytes behind [`Reference::Picture`]; the same picture given twice is there once.
    pub files: Vec<InputFile>,
}

impl Inputs {
    /// Of a form's files.
    pub fn of_form(images: Vec<InputFile>, mask: Option<InputFile>) -> Self {
        let mut inputs = Self::default();
        inputs.references = images.into_iter().map(|file| inputs.keep(file)).collect();
        inputs.mask = mask.map(|file| inputs.keep(file));
        inputs
    }

    /// With `more` behind these: a form may name links besides its files. 400 when there are two masks then.
    pub fn join(mut self, more: Self, names: InputNames) -> Result<Self, Fault> {
        if self.mask.is_some() && more.mask.is_some() {
            return Err(Fault::invalid(names.mask, "More than one mask is given; send one."));
        }
        self.references.extend(more.references);
        self.mask = self.mask.or(more.mask);
        for file in more.files {
            self.keep(file);
        }
        Ok(self)
    }

    /// For calls that are about a picture: 400 `missing_required_parameter` without one.
    pub fn require_picture(&self, names: InputNames) -> Result<(), Fault> {
        if !self.references.is_empty() {
            return Ok(());
        }
        let message = format!("Missing required parameter: '{}'.", names.image);
        Err(Fault::new(FaultKind::MissingParameter, message).with_param(names.image))
    }

    fn keep(&mut self, file: InputFile) -> Reference {
        let picture = *file.picture();
        if !self.files.iter().any(|kept| kept.picture().content == picture.content) {
            self.files.push(file);
        }
        Reference::Picture(picture)
    }
}

/// Makes pictures given in JSON definite: links stay links, bytes are checked and kept, small ones with a share of
/// `budget`, large ones in `spool` and with a share only until they are there.
///
/// Fails with 400 `invalid_image` naming the client's own parameter (`names`), and 503 when `budget` or `spool` is full.
pub async fn gather(
    images: Vec<GivenImage>,
    mask: Option<GivenImage>,
    names: InputNames,
    budget: &BodyBudget,
    spool: &Spool,
) -> Result<Inputs, Fault> {
    let mut inputs = Inputs::default();
    let total = images.len();
    // The body has given its share back, and a slow disk may keep these bytes waiting.
    let mut waiting = budget.share()?;
    waiting.cover(images.iter().chain(&mask).map(beyond_memory).sum())?;
    for (at, image) in images.into_iter().enumerate() {
        let reference = match image {
            GivenImage::Link(link) => Reference::Link(link),
            GivenImage::Data(bytes) => {
                let which = match total {
                    1 => format!("The picture in '{}'", names.image),
                    _ => format!("Picture {} of {total} in '{}'", at + 1, names.image),
                };
                inputs.keep(received(bytes, names.image, &which, budget, spool).await?)
            }
        };
        inputs.references.push(reference);
    }
    inputs.mask = match mask {
        None => None,
        Some(GivenImage::Link(link)) => Some(Reference::Link(link)),
        Some(GivenImage::Data(bytes)) => {
            Some(inputs.keep(received(bytes, names.mask, "The mask", budget, spool).await?))
        }
    };
    Ok(inputs)
}

/// Bytes that are held only until they are on the disk.
fn beyond_memory(given: &GivenImage) -> u64 {
    match given {
        GivenImage::Link(_) => 0,
        GivenImage::Data(bytes) => length_of(bytes.get(IN_MEMORY_BYTES_MAX..).unwrap_or_default()),
    }
}

async fn received(
    bytes: Bytes,
    param: &'static str,
    which: &str,
    budget: &BodyBudget,
    spool: &Spool,
) -> Result<InputFile, Fault> {
    let mut share = budget.share()?;
    share.cover(length_of(&bytes).min(u64::try_from(IN_MEMORY_BYTES_MAX).unwrap_or(u64::MAX)))?;
    let mut writer = InputWriter::new(spool.clone());
    let pushed = writer.push(&bytes).await;
    drop(bytes);
    let file = match pushed {
        Ok(()) => writer.finish().await,
        Err(error) => Err(error),
    };
    file.map(|file| file.guarded(share)).map_err(|error| unusable(param, which, error))
}

/// Why a picture was not taken: the client's fault, or the operator's when there is no place to keep it.
pub(super) fn unusable(param: &'static str, which: &str, error: InputError) -> Fault {
    match error {
        InputError::Spool(cause) => {
            let message = "The server cannot keep uploads at the moment. Try again shortly.";
            Fault::new(FaultKind::Overloaded, message).with_cause(chain(&cause))
        }
        error => {
            let message = format!("{which} cannot be used: {error}.");
            Fault::new(FaultKind::InvalidImage, message).with_param(param)
        }
    }
}

/// An error with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[cfg(test)]
mod tests;
