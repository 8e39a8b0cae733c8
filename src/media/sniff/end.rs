//! Where a picture ends. Behind the end of a client's picture something else may stand: phones append films, maps and
//! notes of their own there, and every reader stops before them.

use super::look::{Look, array};
use super::{STEPS_MAX, be_u16, be_u32, is_complete_in, webp_length};
use crate::image::Format;

/// Bytes looked through at once.
const BLOCK: usize = 8 * 1024;

/// Whether the picture's end is in the file, whatever follows it. Walks through the file only when the end is not at its
/// end.
pub(in crate::media) fn has_end_in(format: Format, file: &dyn Look) -> bool {
    is_complete_in(format, file)
        || match format {
            Format::Png => png_has_end(file),
            Format::Jpeg => jpeg_has_end(file),
            Format::Webp => webp_length(file).is_some_and(|told| told <= file.length()),
        }
}

fn png_has_end(file: &dyn Look) -> bool {
    let mut at = 8;
    for _ in 0..STEPS_MAX {
        // length, type, data, checksum
        let (Some(length), Some(kind)) = (be_u32(file, at), array(file, at + 4)) else { return false };
        at += u64::from(length) + 12;
        if at > file.length() || &kind == b"IEND" {
            return at <= file.length();
        }
    }
    false
}

/// Segment by segment, and behind the head of each scan to the next one.
fn jpeg_has_end(file: &dyn Look) -> bool {
    let mut at = 2;
    for _ in 0..STEPS_MAX {
        match array(file, at) {
            Some([0xff, 0xd9]) => return true,
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, 0x01 | 0xd0..=0xd8]) => at += 2,
            Some([0xff, kind]) => {
                let Some(length) = be_u16(file, at + 2).filter(|length| *length >= 2) else { return false };
                at += 2 + u64::from(length);
                if kind == 0xda {
                    let Some(next) = behind_scan(file, at) else { return false };
                    at = next;
                }
            }
            _ => return false,
        }
    }
    false
}

/// The next marker that is none of a scan's own: within scans 0xff is followed by zero or is a restart.
fn behind_scan(file: &dyn Look, from: u64) -> Option<u64> {
    let mut block = vec![0; BLOCK];
    let mut at = from;
    loop {
        let rest = usize::try_from(file.length().saturating_sub(at)).unwrap_or(usize::MAX);
        let block = block.get_mut(..rest.min(BLOCK))?;
        if block.len() < 2 || !file.read(at, block) {
            return None;
        }
        let is_marker = |pair: &[u8]| matches!(pair, [0xff, kind] if !matches!(kind, 0 | 0xd0..=0xd7 | 0xff));
        if let Some(found) = block.windows(2).position(is_marker) {
            return Some(at + u64::try_from(found).ok()?);
        }
        // the last byte may be the first of a marker
        at += u64::try_from(block.len() - 1).ok()?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::picture::samples;

    fn has_end(format: Format, bytes: &[u8]) -> bool {
        has_end_in(format, &bytes)
    }

    #[test]
    fn every_cut_lacks_its_end_and_whatever_follows_a_whole_file_is_not_minded() {
        for format in Format::ALL {
            let mut bytes = samples::encoded(format, 37, 21);
            for length in 0..bytes.len() {
                assert!(!has_end(format, &bytes[..length]), "{format:?} cut at {length}");
            }
            for appended in [b"\0".repeat(65), b"ftypmp42 \xff\xd8\xff\xe1".repeat(10_000)] {
                bytes.extend(appended);
                assert!(has_end(format, &bytes), "{format:?}");
            }
        }
    }

    #[test]
    fn a_jpeg_of_several_scans_with_restarts_ends_behind_the_last() {
        let mut bytes = b"\xff\xd8\xff\xe1\0\x06\xff\xd9\xff\xd9".to_vec();
        for _ in 0..3 {
            bytes.extend(b"\xff\xda\0\x02");
            bytes.extend(b"\x12\xff\0\xff\xd3".repeat(BLOCK / 4));
            bytes.extend(b"\xff\xff\xc4\0\x04\xff\xd9");
        }
        let film = [7; 100];
        for cut in [&film[..], b"\xff\xda\0\x02\xff"] {
            assert!(!jpeg_has_end(&[&bytes, cut].concat().as_slice()));
        }
        assert!(has_end(Format::Jpeg, &[&bytes, &b"\xff\xd9"[..], &film].concat()));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_walk(
            format in prop::sample::select(Format::ALL.to_vec()),
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0)], 0..300),
        ) {
            let _ = has_end(format, &bytes);
        }
    }
}
