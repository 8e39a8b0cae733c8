//! A checked picture: bytes that are a whole file of a known format and size.

use bytes::Bytes;

use super::sniff::{dimensions, is_complete, sniff};
use crate::image::{Format, Pixels};

/// A whole picture file. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    bytes: Bytes,
    format: Format,
    pixels: Pixels,
}

/// Why bytes are no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("it is empty")]
    Empty,
    #[error("it is not a PNG, JPEG or WebP file")]
    NotAPicture,
    #[error("its end is missing")]
    Incomplete,
}

impl Picture {
    /// Reads format and size from the bytes themselves and looks for the file's end. Decodes nothing.
    pub fn read(bytes: Bytes) -> Result<Self, PictureError> {
        if bytes.is_empty() {
            return Err(PictureError::Empty);
        }
        let format = sniff(&bytes).ok_or(PictureError::NotAPicture)?;
        if !is_complete(format, &bytes) {
            return Err(PictureError::Incomplete);
        }
        let pixels = dimensions(format, &bytes).ok_or(PictureError::NotAPicture)?;
        Ok(Self { bytes, format, pixels })
    }

    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    pub const fn format(&self) -> Format {
        self.format
    }

    pub const fn pixels(&self) -> Pixels {
        self.pixels
    }
}

/// Pictures for this room's tests.
#[cfg(test)]
pub(super) mod samples {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

    use super::*;

    /// A picture with some structure in it.
    pub(in crate::media) fn pixels(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_fn(width, height, |x, y| {
            let [a, .., b] = ((x * 40_503) ^ (y * 2_654_435)).to_le_bytes();
            Rgb([a, b, a ^ b])
        })
        .into()
    }

    pub(in crate::media) fn encode(image: &DynamicImage, format: Format) -> Vec<u8> {
        let format = match format {
            Format::Png => ImageFormat::Png,
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Webp => ImageFormat::WebP,
        };
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, format).expect("a sample");
        file.into_inner()
    }

    pub(in crate::media) fn encoded(format: Format, width: u32, height: u32) -> Vec<u8> {
        encode(&pixels(width, height), format)
    }

    pub(in crate::media) fn picture(format: Format, width: u32, height: u32) -> Picture {
        Picture::read(encoded(format, width, height).into()).expect("a sample")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_its_bytes_alone() {
        let picture = samples::picture(Format::Webp, 12, 7);
        assert_eq!((picture.format(), picture.pixels()), (Format::Webp, Pixels::new(12, 7)));
    }

    #[test]
    fn each_kind_of_wrong_bytes_has_its_error() {
        assert_eq!(Picture::read(Bytes::new()), Err(PictureError::Empty));
        assert_eq!(Picture::read(Bytes::from_static(b"<html>404")), Err(PictureError::NotAPicture));
        let file = Bytes::from(samples::encoded(Format::Png, 12, 7));
        assert_eq!(Picture::read(file.slice(..file.len() - 20)), Err(PictureError::Incomplete));
        let mut headless = file.to_vec();
        headless[12] = b'X';
        assert_eq!(Picture::read(headless.into()), Err(PictureError::NotAPicture));
    }
}
