use image::{Rgba, RgbaImage};

use super::*;
use crate::image::Pixels;
use crate::media::picture::samples;
use crate::media::sniff::has_alpha;

fn converter() -> Converter {
    Converter::new(1, 1_000_000)
}

fn form(format: Format) -> Form {
    Form { format, compression: None, pixels: None }
}

fn compressed(format: Format, percent: u64) -> Form {
    Form { compression: Compression::new(percent), ..form(format) }
}

fn decoded(picture: &Picture) -> DynamicImage {
    decode(picture, 1_000_000).expect("a picture that opens")
}

/// A picture whose left half is clear and whose right half is plain red.
fn half_clear() -> Picture {
    let image =
        RgbaImage::from_fn(32, 32, |x, _| Rgba(if x < 16 { [0, 255, 0, 0] } else { [255, 0, 0, 255] }));
    Picture::read(samples::encode(&image.into(), Format::Png).into()).expect("a sample")
}

#[tokio::test]
async fn every_format_becomes_every_other_and_opens() {
    for from in Format::ALL {
        let original = samples::picture(from, 40, 30);
        for to in Format::ALL {
            let converted = converter().convert(&original, form(to)).await.expect("converted");
            assert_eq!((converted.format(), converted.pixels()), (to, Pixels::new(40, 30)));
            let opened = decoded(&converted);
            assert_eq!((opened.width(), opened.height()), (40, 30), "{from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn a_picture_that_has_its_form_keeps_its_very_bytes() {
    for format in Format::ALL {
        let original = samples::picture(format, 40, 30);
        let same_size = Form { pixels: Some(Pixels::new(40, 30)), ..form(format) };
        let larger = Form { pixels: Some(Pixels::new(80, 60)), ..form(format) };
        for form in [form(format), compressed(format, 100), same_size, larger] {
            let kept = converter().convert(&original, form).await.expect("nothing to do");
            assert_eq!(kept.bytes().as_ptr(), original.bytes().as_ptr(), "{form:?}");
        }
    }
}

#[tokio::test]
async fn stronger_compression_makes_smaller_files_and_is_no_matter_for_png() {
    for format in [Format::Jpeg, Format::Webp] {
        let original = samples::picture(format, 200, 200);
        let mut lengths = Vec::new();
        for percent in [0, 50, 99] {
            let converted = converter().convert(&original, compressed(format, percent)).await;
            lengths.push(converted.expect("converted").bytes().len());
        }
        assert!(lengths.is_sorted() && lengths[0] < lengths[2], "{format:?}: {lengths:?}");
    }
    assert!(!needs_conversion(&samples::picture(Format::Png, 4, 4), compressed(Format::Png, 10)));
}

#[tokio::test]
async fn webp_is_lossy_even_at_the_best_quality() {
    let converted = converter().convert(&samples::picture(Format::Png, 64, 64), form(Format::Webp)).await;
    let converted = converted.expect("converted");
    assert_eq!(converted.bytes().get(12..16), Some(b"VP8 ".as_slice()));
}

#[tokio::test]
async fn clear_pixels_turn_white_in_jpeg_and_stay_clear_in_webp() {
    let jpeg = converter().convert(&half_clear(), form(Format::Jpeg)).await.expect("converted");
    let jpeg = decoded(&jpeg).into_rgb8();
    let near = |at: (u32, u32), colour: [u8; 3]| {
        jpeg.get_pixel(at.0, at.1).0.iter().zip(colour).all(|(is, should)| is.abs_diff(should) < 8)
    };
    assert!(near((4, 16), [255, 255, 255]), "{:?}", jpeg.get_pixel(4, 16));
    assert!(near((28, 16), [255, 0, 0]), "{:?}", jpeg.get_pixel(28, 16));

    let webp = converter().convert(&half_clear(), form(Format::Webp)).await.expect("converted");
    assert!(has_alpha(Format::Webp, webp.bytes()));
    let webp = decoded(&webp).into_rgba8();
    assert_eq!((webp.get_pixel(4, 16).0[3], webp.get_pixel(28, 16).0[3]), (0, 255));
}

#[tokio::test]
async fn a_smaller_size_of_another_ratio_is_cut_from_the_middle() {
    let original = samples::picture(Format::Png, 120, 60);
    for format in Format::ALL {
        let asked = Form { pixels: Some(Pixels::new(32, 32)), ..form(format) };
        let converted = converter().convert(&original, asked).await.expect("converted");
        assert_eq!(converted.pixels(), Pixels::new(32, 32));
    }
}

#[tokio::test]
async fn a_picture_with_too_many_pixels_is_never_decoded() {
    let original = samples::picture(Format::Png, 40, 30);
    let outcome = Converter::new(1, 1199).convert(&original, form(Format::Jpeg)).await;
    assert!(matches!(outcome, Err(ConvertError::TooLarge(1200))));

    // 50,000 x 50,000 in a few bytes
    let mut bomb = samples::encoded(Format::Png, 40, 30);
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let bomb = Picture::read(bomb.into()).expect("only the header is read");
    let outcome = Converter::new(1, 64_000_000).convert(&bomb, form(Format::Jpeg)).await;
    assert!(matches!(outcome, Err(ConvertError::TooLarge(2_500_000_000))));
}

#[tokio::test]
async fn a_picture_broken_inside_is_an_error_and_the_permit_comes_back() {
    let converter = converter();
    let mut broken = samples::encoded(Format::Png, 40, 30);
    let middle = broken.len() / 2;
    broken[middle..middle + 8].fill(0x55);
    let broken = Picture::read(broken.into()).expect("whole by its ends");
    let outcome = converter.convert(&broken, form(Format::Jpeg)).await;
    assert!(matches!(outcome, Err(ConvertError::Decode(_))), "{outcome:?}");
    assert_eq!(converter.permits.available_permits(), 1);
    let good = converter.convert(&samples::picture(Format::Png, 4, 4), form(Format::Jpeg)).await;
    good.expect("the permit is free again");
}

#[tokio::test]
async fn a_side_beyond_the_format_is_an_error_of_the_encoder() {
    let long = samples::picture(Format::Png, 17_000, 1);
    let outcome = converter().convert(&long, form(Format::Webp)).await;
    assert!(matches!(outcome, Err(ConvertError::Encode { format: Format::Webp, .. })), "{outcome:?}");
}
