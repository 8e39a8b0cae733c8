//! What an input picture says of itself, from a few looks at its file. Nothing is decoded: a picture that would unpack
//! to gigabytes costs no more than another.

use super::InputError;
use crate::image::{Format, Pixels};
use crate::media::sniff::{Look, dimensions_in, has_alpha_in, has_end_in, is_link, other_kind, sniff};

/// What [`check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) format: Format,
    pub(super) pixels: Pixels,
    pub(super) alpha: bool,
}

/// The format by the first bytes; what else it looks like, where it is none that is taken.
pub(super) fn format(head: &[u8]) -> Result<Format, InputError> {
    match sniff(head) {
        Some(format) => Ok(format),
        None if is_link(head) => Err(InputError::Link),
        None => Err(InputError::NotAPicture { kind: other_kind(head) }),
    }
}

/// Checks a whole file.
pub(super) fn check(format: Format, file: &dyn Look) -> Result<Found, InputError> {
    if !has_end_in(format, file) {
        return Err(InputError::Incomplete);
    }
    let pixels = dimensions_in(format, file).ok_or(InputError::NoSize)?;
    Ok(Found { format, pixels, alpha: has_alpha_in(format, file) })
}
