//! Reads a multipart form: texts into memory, pictures into [`InputFile`]s, everything within named bounds.
//!
//! Knows what parts with pictures are called, nothing of what the texts mean or what a model takes. The form is read as
//! it arrives, with or without a Content-Length, and what cannot be taken is refused as soon as that shows.

mod parameters;
mod parts;
mod roles;

use std::time::Duration;

use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::inputs::unusable;
use super::read_body::{
    BodyBudget, BodyLimits, Incoming, Share, essence, length_of, refuse_compressed, unsupported,
};
use crate::fault::wording::quote;
use crate::fault::{Fault, FaultKind};
use crate::image::InputNames;
use crate::media::{IN_MEMORY_BYTES_MAX, InputError, InputFile, InputWriter, Spool};
use parameters::parameter;
use parts::{Part, Parts};
use roles::Role;

/// Pictures of one form, the mask apart: OpenAI's limit.
pub const IMAGES_MAX: usize = 16;
/// Bytes of one picture or mask: what Evolink's largest model takes, with room for what a MB is.
pub const FILE_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Bytes of one text; a prompt of 32,000 characters has at most 128,000.
const TEXT_BYTES_MAX: u64 = 256 * 1024;
/// An upload of 100 MiB needs 3 Mbit/s to be in time.
const TIME_MAX: Duration = Duration::from_mins(5);
/// Longest pause between two pieces.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The standard allows 70.
const BOUNDARY_BYTES_MAX: usize = 200;

/// Bounds of one form.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits(BodyLimits);

impl FormLimits {
    /// `bytes_max` for the whole form (`server.max_upload`); 300 s in all, 30 s for a pause.
    pub const fn new(bytes_max: u64) -> Self {
        Self(BodyLimits { bytes_max, time_max: TIME_MAX, idle_max: IDLE_MAX })
    }
}

/// A form, read to its end.
#[derive(Debug)]
pub struct Form {
    /// Texts by name, in the order they came.
    pub fields: Vec<(String, String)>,
    /// In the order they came, numbered ones (`image[1]`) after the others by their numbers.
    pub images: Vec<InputFile>,
    pub mask: Option<InputFile>,
    /// Names of files that mean nothing here, each once.
    pub ignored: Vec<String>,
    /// Of the budget, for the texts.
    _share: Share,
}

/// Reads a form.
///
/// Texts and small pictures carry their share of `budget`; large pictures go to `spool`.
///
/// Fails with 415 for another media type, a missing boundary or a compressed body; 413 over `limits` (told by
/// Content-Length already, or while reading) and for a picture over [`FILE_BYTES_MAX`]; 408 for a slow client; 503 when
/// `budget` or `spool` is full; 400 `invalid_image` for a part that is no picture, 400 `invalid_value` for too many
/// parts or pictures and for a form that is damaged or breaks off.
pub async fn read_form(
    headers: &HeaderMap,
    body: Body,
    limits: &FormLimits,
    budget: &BodyBudget,
    spool: &Spool,
) -> Result<Form, Fault> {
    refuse_compressed(headers)?;
    let boundary = boundary(headers)?;
    let incoming = Incoming::new(body, &limits.0, FaultKind::InvalidValue)?;
    let mut parts = Parts::new(incoming, boundary);
    let mut reading = Reading::new(budget, spool)?;
    while let Some(part) = parts.next().await? {
        reading.take(part).await?;
    }
    Ok(reading.finish())
}

fn boundary(headers: &HeaderMap) -> Result<String, Fault> {
    if essence(headers).as_deref() != Some("multipart/form-data") {
        return Err(unsupported(
            "This endpoint reads forms and JSON. Send `Content-Type: multipart/form-data` with the pictures as files, or \
             `Content-Type: application/json` with links or data URLs.",
        ));
    }
    let boundary = headers.get(CONTENT_TYPE).and_then(|value| parameter(value.as_bytes(), "boundary"));
    let fits = |boundary: &String| {
        (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
            && boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    };
    boundary.filter(fits).ok_or_else(|| {
        unsupported(
            "`Content-Type: multipart/form-data` lacks its boundary. Let the HTTP client write this header, or send \
             `Content-Type: application/json`.",
        )
    })
}

/// A form while it is read.
struct Reading<'r> {
    budget: &'r BodyBudget,
    spool: &'r Spool,
    fields: Vec<(String, String)>,
    text_bytes: u64,
    share: Share,
    images: Vec<(Option<u32>, InputFile)>,
    mask: Option<InputFile>,
    ignored: Vec<String>,
}

impl<'r> Reading<'r> {
    fn new(budget: &'r BodyBudget, spool: &'r Spool) -> Result<Self, Fault> {
        Ok(Self {
            budget,
            spool,
            fields: Vec::new(),
            text_bytes: 0,
            share: budget.share()?,
            images: Vec::new(),
            mask: None,
            ignored: Vec::new(),
        })
    }

    async fn take(&mut self, part: Part<'_>) -> Result<(), Fault> {
        match Role::of(&part.name, part.file_name.is_some()) {
            Role::Image(number) => self.image(part, number).await,
            Role::Mask => self.mask(part).await,
            Role::Text => self.text(part).await,
            Role::Nothing => self.nothing(part).await,
        }
    }

    async fn image(&mut self, part: Part<'_>, number: Option<u32>) -> Result<(), Fault> {
        let param = InputNames::EDIT_FORM.image;
        if self.images.len() >= IMAGES_MAX {
            let message = format!("Too many pictures in '{param}': at most {IMAGES_MAX} are taken.");
            return Err(Fault::invalid(param, message));
        }
        let which = match self.images.len() {
            0 => format!("The picture in {}", quote(&part.name)),
            before => format!("Picture {} in {}", before + 1, quote(&part.name)),
        };
        if let Some(file) = self.file(part, param, &which).await? {
            self.images.push((number, file));
        }
        Ok(())
    }

    async fn mask(&mut self, part: Part<'_>) -> Result<(), Fault> {
        let param = InputNames::EDIT_FORM.mask;
        let file = self.file(part, param, "The mask").await?;
        if file.is_some() && self.mask.is_some() {
            return Err(Fault::invalid(param, "More than one mask is given; send one."));
        }
        self.mask = file.or(self.mask.take());
        Ok(())
    }

    /// A picture; none for the empty part that stands for a file that was not chosen.
    async fn file(
        &self,
        mut part: Part<'_>,
        param: &'static str,
        which: &str,
    ) -> Result<Option<InputFile>, Fault> {
        let in_memory_max = u64::try_from(IN_MEMORY_BYTES_MAX).unwrap_or(u64::MAX);
        let mut share = self.budget.share()?;
        let mut writer = InputWriter::new(self.spool.clone());
        while let Some(piece) = part.piece().await? {
            if writer.length().saturating_add(length_of(&piece)) > FILE_BYTES_MAX {
                let message = format!("{which} is larger than {FILE_BYTES_MAX} bytes.");
                return Err(Fault::new(FaultKind::TooLarge, message).with_param(param));
            }
            share.cover(writer.held().saturating_add(length_of(&piece)).min(in_memory_max))?;
            writer.push(&piece).await.map_err(|error| refused(param, which, error))?;
        }
        if writer.length() == 0 && part.file_name.is_none_or(|name| name.is_empty()) {
            return Ok(None);
        }
        let file = writer.finish().await.map_err(|error| refused(param, which, error))?;
        Ok(Some(file.guarded(share)))
    }

    async fn text(&mut self, mut part: Part<'_>) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        let refuse = |message: String| Err(Fault::new(FaultKind::InvalidValue, message));
        while let Some(piece) = part.piece().await? {
            if length_of(&bytes).saturating_add(length_of(&piece)) > TEXT_BYTES_MAX {
                let name = quote(&part.name);
                return refuse(format!("The text in {name} is longer than {TEXT_BYTES_MAX} bytes."));
            }
            self.text_bytes = self.text_bytes.saturating_add(length_of(&piece));
            self.share.cover(self.text_bytes)?;
            bytes.extend_from_slice(&piece);
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.fields.push((part.name, text)),
            Err(_) => return refuse(format!("The text in {} is not UTF-8.", quote(&part.name))),
        }
        Ok(())
    }

    async fn nothing(&mut self, mut part: Part<'_>) -> Result<(), Fault> {
        while part.piece().await?.is_some() {}
        if !self.ignored.contains(&part.name) {
            self.ignored.push(part.name);
        }
        Ok(())
    }

    fn finish(mut self) -> Form {
        self.images.sort_by_key(|(number, _)| *number);
        Form {
            fields: self.fields,
            images: self.images.into_iter().map(|(_, file)| file).collect(),
            mask: self.mask,
            ignored: self.ignored,
            _share: self.share,
        }
    }
}

fn refused(param: &'static str, which: &str, error: InputError) -> Fault {
    match error {
        InputError::Link => {
            let message = format!(
                "{which} is a link or a data URL; a form takes files. Send links as JSON: \
                 {{\"images\": [{{\"image_url\": …}}]}}."
            );
            Fault::new(FaultKind::InvalidImage, message).with_param(param)
        }
        error => unusable(param, which, error),
    }
}

#[cfg(test)]
mod tests;
