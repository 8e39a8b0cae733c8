//! What picture bytes say of themselves: format by magic bytes, size from the header, completeness from the
//! trailer. Nothing is decoded and no header of the transport is believed.
//!
//! Pure; answers `None` or `false` to any bytes that do not fit, and never reads past them.

use crate::image::{Format, Pixels};

/// Bytes that may follow a picture's end: some encoders pad. More would be another file behind it.
const TRAILING_MAX: usize = 64;

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
    let pixels = match format {
        Format::Png => png_dimensions(bytes),
        Format::Jpeg => jpeg_dimensions(bytes),
        Format::Webp => webp_dimensions(bytes),
    }?;
    (pixels.width > 0 && pixels.height > 0).then_some(pixels)
}

/// Whether the end of the file is there, with at most 64 bytes behind it.
pub fn is_complete(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Png => ends_with(bytes, PNG_END),
        Format::Jpeg => ends_with(bytes, JPEG_END),
        Format::Webp => {
            let told = le_u32(bytes, 4).and_then(|size| usize::try_from(size).ok());
            told.and_then(|size| bytes.len().checked_sub(size.checked_add(8)?))
                .is_some_and(|trailing| trailing <= TRAILING_MAX)
        }
    }
}

/// Whether the picture can have transparent pixels: a PNG's colour type or tRNS chunk, a WebP's alpha bit.
pub fn has_alpha(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Png => matches!(bytes.get(25), Some(4 | 6)) || png_has_transparency_chunk(bytes),
        Format::Jpeg => false,
        Format::Webp => match bytes.get(12..16) {
            Some(b"VP8L") => bytes.get(24).is_some_and(|byte| byte & 0x10 != 0),
            Some(b"VP8X") => bytes.get(20).is_some_and(|byte| byte & 0x10 != 0),
            _ => false,
        },
    }
}

fn ends_with(bytes: &[u8], end: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(TRAILING_MAX + end.len());
    bytes.get(from..).is_some_and(|tail| tail.windows(end.len()).any(|window| window == end))
}

/// IHDR is the first chunk and 13 bytes long.
fn png_dimensions(bytes: &[u8]) -> Option<Pixels> {
    if bytes.get(8..16)? != b"\0\0\0\rIHDR" {
        return None;
    }
    Some(Pixels::new(be_u32(bytes, 16)?, be_u32(bytes, 20)?))
}

/// tRNS stands before the first IDAT.
fn png_has_transparency_chunk(bytes: &[u8]) -> bool {
    let mut at = PNG_MAGIC.len();
    while let Some(kind) = bytes.get(at.saturating_add(4)..at.saturating_add(8)) {
        match kind {
            b"tRNS" => return true,
            b"IDAT" | b"IEND" => return false,
            _ => {}
        }
        // length, type, data, checksum
        let Some(length) = be_u32(bytes, at).and_then(|length| usize::try_from(length).ok()) else {
            return false;
        };
        at = at.saturating_add(length).saturating_add(12);
    }
    false
}

/// Walks the segments to the first frame header. Application segments of any size are stepped over.
fn jpeg_dimensions(bytes: &[u8]) -> Option<Pixels> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            0xff => at += 1,               // fill byte
            0x01 | 0xd0..=0xd8 => at += 2, // markers without a body
            // frame headers: length, precision, height, width
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (height, width) = (be_u16(bytes, at + 5)?, be_u16(bytes, at + 7)?);
                return Some(Pixels::new(width.into(), height.into()));
            }
            // the scan or the end before a frame header
            0xd9 | 0xda => return None,
            _ => {
                let length = usize::from(be_u16(bytes, at + 2)?);
                if length < 2 {
                    return None;
                }
                at += 2 + length;
            }
        }
    }
}

fn webp_dimensions(bytes: &[u8]) -> Option<Pixels> {
    match bytes.get(12..16)? {
        b"VP8 " => {
            if bytes.get(23..26)? != b"\x9d\x01\x2a" {
                return None;
            }
            // the upper two bits are a scaling hint
            Some(Pixels::new((le_u16(bytes, 26)? & 0x3fff).into(), (le_u16(bytes, 28)? & 0x3fff).into()))
        }
        b"VP8L" => {
            if *bytes.get(20)? != 0x2f {
                return None;
            }
            let packed = le_u32(bytes, 21)?;
            Some(Pixels::new((packed & 0x3fff) + 1, (packed >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some(Pixels::new(le_u24(bytes, 24)? + 1, le_u24(bytes, 27)? + 1)),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn le_u24(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(|[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]))
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;
