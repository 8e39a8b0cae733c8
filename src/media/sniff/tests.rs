use image::{DynamicImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::media::picture::samples;

const ALL: [Format; 3] = Format::ALL;

#[test]
fn real_files_of_every_format_are_recognised_with_their_size() {
    for format in ALL {
        let bytes = samples::encoded(format, 37, 21);
        assert_eq!(sniff(&bytes), Some(format));
        assert_eq!(dimensions(format, &bytes), Some(Pixels::new(37, 21)), "{format:?}");
        assert!(is_complete(format, &bytes), "{format:?}");
    }
}

#[test]
fn every_cut_of_a_file_is_incomplete_and_a_little_padding_is_not_minded() {
    for format in ALL {
        let mut bytes = samples::encoded(format, 37, 21);
        for length in 0..bytes.len() {
            assert!(!is_complete(format, &bytes[..length]), "{format:?} cut at {length}");
        }
        bytes.extend([0; TRAILING_MAX]);
        assert!(is_complete(format, &bytes), "{format:?} padded");
        bytes.push(0);
        assert!(!is_complete(format, &bytes), "{format:?} with another file behind it");
    }
}

#[test]
fn lossy_and_lossless_and_extended_webp_tell_their_size_and_alpha() {
    let lossless = samples::encoded(Format::Webp, 300, 5);
    assert_eq!(lossless.get(12..16), Some(b"VP8L".as_slice()));
    assert_eq!(dimensions(Format::Webp, &lossless), Some(Pixels::new(300, 5)));

    let rgb = samples::pixels(300, 5).to_rgb8();
    let lossy = webp::Encoder::from_rgb(&rgb, 300, 5).encode(80.0);
    assert_eq!(lossy.get(12..16), Some(b"VP8 ".as_slice()));
    assert_eq!(dimensions(Format::Webp, &lossy), Some(Pixels::new(300, 5)));
    assert!(!has_alpha(Format::Webp, &lossy));

    let glass = RgbaImage::from_pixel(300, 5, Rgba([9, 9, 9, 9]));
    let extended = webp::Encoder::from_rgba(&glass, 300, 5).encode(80.0);
    assert_eq!(extended.get(12..16), Some(b"VP8X".as_slice()));
    assert_eq!(dimensions(Format::Webp, &extended), Some(Pixels::new(300, 5)));
    assert!(has_alpha(Format::Webp, &extended));
    assert!(is_complete(Format::Webp, &extended));
}

#[test]
fn a_jpeg_frame_header_is_found_behind_big_application_segments_and_fill_bytes() {
    let plain = samples::encoded(Format::Jpeg, 64, 48);
    let mut bytes = plain[..2].to_vec();
    for marker in [0xe1, 0xe2, 0xeb] {
        bytes.extend([0xff, 0xff, 0xff, marker, 0xff, 0xff]);
        bytes.extend(std::iter::repeat_n(0xc0, 0xfffd));
    }
    bytes.extend(&plain[2..]);
    assert_eq!(dimensions(Format::Jpeg, &bytes), Some(Pixels::new(64, 48)));
}

#[test]
fn a_size_of_zero_is_no_size() {
    let mut png = samples::encoded(Format::Png, 4, 4);
    png[19] = 0;
    assert_eq!(dimensions(Format::Png, &png), None);
}

#[test]
fn a_png_tells_its_alpha_by_colour_type_or_transparency_chunk() {
    let opaque = samples::encoded(Format::Png, 4, 4);
    assert!(!has_alpha(Format::Png, &opaque));
    let glass = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, Rgba([0; 4])));
    assert!(has_alpha(Format::Png, &samples::encode(&glass, Format::Png)));
    // between IHDR (8 + 25 bytes) and IDAT
    let mut keyed = opaque[..33].to_vec();
    keyed.extend(b"\0\0\0\x06tRNS\0\0\0\0\0\0CRC4");
    keyed.extend(&opaque[33..]);
    assert!(has_alpha(Format::Png, &keyed));
}

#[test]
fn other_files_are_no_pictures() {
    let others: [&[u8]; 7] =
        [b"", b"GIF89a", b"<html>", b"<svg xmlns=''/>", b"RIFF\0\0\0\0WAVE", b"PK\x03\x04", b"{\"error\":1}"];
    for bytes in others {
        assert_eq!(sniff(bytes), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_any_question(
        head in prop::sample::select(vec![
            &b""[..], PNG_MAGIC, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", JPEG_MAGIC, b"\xff\xd8\xff\xe0\xff\xff",
            b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8L", b"RIFF\0\0\0\0WEBPVP8X",
        ]),
        tail in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..200),
    ) {
        let bytes = [head, &tail].concat();
        let _ = sniff(&bytes);
        for format in ALL {
            if let Some(pixels) = dimensions(format, &bytes) {
                prop_assert!(pixels.width > 0 && pixels.height > 0);
            }
            let _ = is_complete(format, &bytes);
            let _ = has_alpha(format, &bytes);
        }
    }
}
