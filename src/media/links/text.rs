//! A link as text, but for its signature. No two links have the same text: every part has its name and a closed set of
//! letters.

use std::fmt::Write as _;

use super::LinkedPicture;
use crate::image::{Compression, ContentHash, Form, Format, Pixels, Size};

/// What the path of every link begins with.
pub(super) const FOLDER: &str = "/images/";
pub(super) const SIGNATURE: &str = "signature";
const FROM: &str = "from";
const COMPRESSION: &str = "compression";
const SIZE: &str = "size";
const EXPIRES: &str = "expires";
/// A longer file name or query is no link.
const LENGTH_MAX: usize = 512;

pub(super) fn write(picture: &LinkedPicture, expires: i64) -> String {
    let LinkedPicture { content, stored, form: Form { format, compression, pixels } } = picture;
    let mut text = format!("{FOLDER}{content}.{}?", format.name());
    // Writing to a string never fails.
    if stored != format {
        let _ = write!(text, "{FROM}={}&", stored.name());
    }
    if let Some(compression) = compression {
        let _ = write!(text, "{COMPRESSION}={}&", compression.percent());
    }
    if let Some(pixels) = pixels {
        let _ = write!(text, "{SIZE}={pixels}&");
    }
    let _ = write!(text, "{EXPIRES}={expires}");
    text
}

/// Reads tolerantly: the caller compares the whole with what [`write`] makes of it.
pub(super) fn read(file: &str, query: &str) -> Option<(LinkedPicture, i64)> {
    if file.len() > LENGTH_MAX || query.len() > LENGTH_MAX {
        return None;
    }
    let (content, format) = file.split_once('.')?;
    let content = ContentHash::try_from(content.to_owned()).ok()?;
    let format = Format::from_name(format)?;
    let (mut stored, mut form) = (format, Form { format, compression: None, pixels: None });
    let (mut expires, mut signed) = (None, false);
    for member in query.split('&') {
        let (name, value) = member.split_once('=')?;
        match name {
            FROM => stored = Format::from_name(value)?,
            COMPRESSION => form.compression = Some(Compression::new(value.parse().ok()?)?),
            SIZE => form.pixels = Some(pixels(value)?),
            EXPIRES => expires = Some(value.parse().ok()?),
            SIGNATURE => signed = true,
            _ => return None,
        }
    }
    let picture = LinkedPicture { content, stored, form };
    expires.filter(|_| signed).map(|expires| (picture, expires))
}

fn pixels(text: &str) -> Option<Pixels> {
    match text.parse() {
        Ok(Size::Pixels(pixels)) => Some(pixels),
        _ => None,
    }
}
