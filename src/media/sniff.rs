//! What picture bytes say of themselves: format by magic bytes, size from the header, completeness from the
//! trailer. Nothing is decoded and no header of the transport is believed.
//!
//! Answers `None` or `false` to any bytes that do not fit, and never reads past them. Looks at bytes in memory or, by
//! way of [`Look`], at a file on disk, of which it reads a few blocks only.

mod end;
mod kinds;
mod look;

pub(super) use end::has_end_in;
pub(super) use kinds::{is_link, other_kind};
pub(super) use look::Look;

use crate::image::{Format, Pixels};
use look::array;

/// Bytes that may follow a picture's end: some encoders pad. More would be another file behind it.
const TRAILING_MAX: usize = 64;

/// Segments of a JPEG before its frame header, fill bytes included, or chunks of a PNG before its data. Real files have
/// dozens; without a bound a file of nothing else would be walked byte by byte.
const STEPS_MAX: usize = 64 * 1024;

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The last chunk of every PNG: no data, type, checksum.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
const JPEG_MAGIC: &[u8] = b"\xff\xd8\xff";
const JPEG_END: &[u8] = b"\xff\xd9";

/// The format by the first bytes.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(PNG_MAGIC) {
        Some(Format::Png)
    } else if bytes.starts_with(JPEG_MAGIC) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::Webp)
    } else {
        None
    }
}

/// Width and height as the file's header tells them; `None` if it has none or one of them is zero.
pub fn dimensions(format: Format, bytes: &[u8]) -> Option<Pixels> {
    dimensions_in(format, &bytes)
}

/// Whether the end of the file is there, with at most 64 bytes behind it.
pub fn is_complete(format: Format, bytes: &[u8]) -> bool {
    is_complete_in(format, &bytes)
}

/// Whether the picture can have transparent pixels: a PNG's colour type or tRNS chunk, a WebP's alpha bit.
pub fn has_alpha(format: Format, bytes: &[u8]) -> bool {
    has_alpha_in(format, &bytes)
}

/// [`dimensions`], wherever the file is.
pub(super) fn dimensions_in(format: Format, file: &dyn Look) -> Option<Pixels> {
    let pixels = match format {
        Format::Png => png_dimensions(file),
        Format::Jpeg => jpeg_dimensions(file),
        Format::Webp => webp_dimensions(file),
    }?;
    (pixels.width > 0 && pixels.height > 0).then_some(pixels)
}

/// [`is_complete`], wherever the file is.
fn is_complete_in(format: Format, file: &dyn Look) -> bool {
    match format {
        Format::Png => ends_with(file, PNG_END),
        Format::Jpeg => ends_with(file, JPEG_END),
        Format::Webp => webp_length(file)
            .and_then(|told| file.length().checked_sub(told))
            .is_some_and(|trailing| usize::try_from(trailing).is_ok_and(|it| it <= TRAILING_MAX)),
    }
}

/// [`has_alpha`], wherever the file is.
pub(super) fn has_alpha_in(format: Format, file: &dyn Look) -> bool {
    match format {
        Format::Png => matches!(byte(file, 25), Some(4 | 6)) || png_has_transparency_chunk(file),
        Format::Jpeg => false,
        Format::Webp => match array(file, 12).as_ref() {
            Some(b"VP8L") => byte(file, 24).is_some_and(|byte| byte & 0x10 != 0),
            Some(b"VP8X") => byte(file, 20).is_some_and(|byte| byte & 0x10 != 0),
            _ => false,
        },
    }
}

fn ends_with(file: &dyn Look, end: &[u8]) -> bool {
    let length = usize::try_from(file.length()).unwrap_or(usize::MAX).min(TRAILING_MAX + end.len());
    let mut tail = vec![0; length];
    let from = file.length() - u64::try_from(length).unwrap_or(0);
    file.read(from, &mut tail) && tail.windows(end.len()).any(|window| window == end)
}

/// IHDR is the first chunk and 13 bytes long.
fn png_dimensions(file: &dyn Look) -> Option<Pixels> {
    if &array(file, 8)? != b"\0\0\0\rIHDR" {
        return None;
    }
    Some(Pixels::new(be_u32(file, 16)?, be_u32(file, 20)?))
}

/// tRNS stands before the first IDAT.
fn png_has_transparency_chunk(file: &dyn Look) -> bool {
    let mut at = 8;
    for _ in 0..STEPS_MAX {
        match array(file, at + 4).as_ref() {
            Some(b"tRNS") => return true,
            None | Some(b"IDAT" | b"IEND") => return false,
            _ => {}
        }
        // length, type, data, checksum
        let Some(length) = be_u32(file, at) else { return false };
        at += u64::from(length) + 12;
    }
    false
}

/// Walks the segments to the first frame header. Application segments of any size are stepped over.
fn jpeg_dimensions(file: &dyn Look) -> Option<Pixels> {
    let mut at = 2;
    for _ in 0..STEPS_MAX {
        let [mark, kind] = array(file, at)?;
        if mark != 0xff {
            return None;
        }
        match kind {
            0xff => at += 1,               // fill byte
            0x01 | 0xd0..=0xd8 => at += 2, // markers without a body
            // frame headers: length, precision, height, width
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (height, width) = (be_u16(file, at + 5)?, be_u16(file, at + 7)?);
                return Some(Pixels::new(width.into(), height.into()));
            }
            // the scan or the end before a frame header
            0xd9 | 0xda => return None,
            _ => {
                let length = be_u16(file, at + 2)?;
                if length < 2 {
                    return None;
                }
                at += 2 + u64::from(length);
            }
        }
    }
    None
}

fn webp_dimensions(file: &dyn Look) -> Option<Pixels> {
    match &array(file, 12)? {
        b"VP8 " => {
            if &array(file, 23)? != b"\x9d\x01\x2a" {
                return None;
            }
            // the upper two bits are a scaling hint
            Some(Pixels::new((le_u16(file, 26)? & 0x3fff).into(), (le_u16(file, 28)? & 0x3fff).into()))
        }
        b"VP8L" => {
            if byte(file, 20)? != 0x2f {
                return None;
            }
            let packed = le_u32(file, 21)?;
            Some(Pixels::new((packed & 0x3fff) + 1, (packed >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some(Pixels::new(le_u24(file, 24)? + 1, le_u24(file, 27)? + 1)),
        _ => None,
    }
}

/// As the file's head tells it.
fn webp_length(file: &dyn Look) -> Option<u64> {
    le_u32(file, 4).map(|size| u64::from(size) + 8)
}

fn byte(file: &dyn Look, at: u64) -> Option<u8> {
    array(file, at).map(|[byte]| byte)
}

fn be_u16(file: &dyn Look, at: u64) -> Option<u16> {
    array(file, at).map(u16::from_be_bytes)
}

fn be_u32(file: &dyn Look, at: u64) -> Option<u32> {
    array(file, at).map(u32::from_be_bytes)
}

fn le_u16(file: &dyn Look, at: u64) -> Option<u16> {
    array(file, at).map(u16::from_le_bytes)
}

fn le_u24(file: &dyn Look, at: u64) -> Option<u32> {
    array(file, at).map(|[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]))
}

fn le_u32(file: &dyn Look, at: u64) -> Option<u32> {
    array(file, at).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;
