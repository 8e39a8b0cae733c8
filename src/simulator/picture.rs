//! Draws pictures: a gradient, the prompt's words in large letters, and a footer. Real files of exactly the asked size.
//!
//! Blocking work: callers run it off the async threads.

mod canvas;
mod pad;
mod words;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use crate::image::{Format, Pixels};
use canvas::Canvas;

const JPEG_QUALITY: u8 = 85;

/// What to draw.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pub pixels: Pixels,
    pub format: Format,
    /// No background behind the words.
    pub transparent: bool,
    /// The colours, and the noise of padding.
    pub seed: u64,
    pub content: Content,
}

/// What the picture shows.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Words over a gradient and a small line at the foot.
    Words { words: String, footer: String },
    /// One colour, padded with noise to so many bytes (PNG only; never below the picture's own size).
    Plain { bytes: usize },
}

/// The file's bytes.
pub(super) fn draw(sketch: &Sketch) -> Result<Vec<u8>, ImageError> {
    match &sketch.content {
        Content::Words { words, footer } => {
            let transparent = sketch.transparent && sketch.format != Format::Jpeg;
            let mut canvas = Canvas::new(sketch.pixels, transparent, sketch.seed);
            words::write(&mut canvas, words, footer);
            let colours = if transparent { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
            encode(canvas.bytes(), sketch, colours, CompressionType::Fast)
        }
        Content::Plain { bytes } => {
            let transparent = sketch.transparent && sketch.format == Format::Png;
            let colours = if transparent { ExtendedColorType::La8 } else { ExtendedColorType::L8 };
            let depth = if transparent { 2 } else { 1 };
            let flat = vec![0x40; canvas::cells(sketch.pixels).saturating_mul(depth)];
            let picture = encode(&flat, sketch, colours, CompressionType::Best)?;
            Ok(if sketch.format == Format::Png { pad::png(picture, *bytes, sketch.seed) } else { picture })
        }
    }
}

fn encode(
    cells: &[u8],
    sketch: &Sketch,
    colours: ExtendedColorType,
    compression: CompressionType,
) -> Result<Vec<u8>, ImageError> {
    let Pixels { width, height } = sketch.pixels;
    let mut file = Vec::with_capacity(cells.len() / 16);
    match sketch.format {
        Format::Png => PngEncoder::new_with_quality(&mut file, compression, FilterType::Up)
            .write_image(cells, width, height, colours)?,
        Format::Jpeg => JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)
            .write_image(cells, width, height, colours)?,
        Format::Webp => WebPEncoder::new_lossless(&mut file).write_image(cells, width, height, colours)?,
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(format: Format, content: Content) -> Sketch {
        Sketch { pixels: Pixels::new(640, 480), format, transparent: false, seed: 7, content }
    }

    fn words(text: &str) -> Content {
        Content::Words { words: text.to_owned(), footer: "640x480 medium task-unified-1-a".to_owned() }
    }

    #[test]
    fn every_format_decodes_to_the_asked_size() {
        for (format, guess) in [
            (Format::Png, image::ImageFormat::Png),
            (Format::Jpeg, image::ImageFormat::Jpeg),
            (Format::Webp, image::ImageFormat::WebP),
        ] {
            let file = draw(&sketch(format, words("a cat on a mat"))).unwrap();
            assert_eq!(image::guess_format(&file).unwrap(), guess);
            let picture = image::load_from_memory(&file).unwrap();
            assert_eq!((picture.width(), picture.height()), (640, 480));
        }
    }

    #[test]
    fn the_words_and_the_seed_change_the_picture() {
        let cat = draw(&sketch(Format::Png, words("cat"))).unwrap();
        let dog = draw(&sketch(Format::Png, words("dog"))).unwrap();
        let other = draw(&Sketch { seed: 8, ..sketch(Format::Png, words("cat")) }).unwrap();
        assert!(cat != dog && cat != other);
        assert_eq!(
            cat,
            draw(&sketch(Format::Png, words("cat"))).unwrap(),
            "the same sketch is the same file"
        );
    }

    #[test]
    fn a_transparent_picture_has_clear_and_opaque_cells() {
        let file = draw(&Sketch { transparent: true, ..sketch(Format::Png, words("cat")) }).unwrap();
        let picture = image::load_from_memory(&file).unwrap().into_rgba8();
        assert_eq!(picture.get_pixel(0, 0).0[3], 0);
        assert!(picture.pixels().any(|cell| cell.0[3] == 255));
    }

    #[test]
    fn a_padded_picture_has_exactly_the_asked_bytes_and_still_decodes() {
        for bytes in [10_000, 102_400, 2 << 20] {
            let file = draw(&sketch(Format::Png, Content::Plain { bytes })).unwrap();
            assert_eq!(file.len(), bytes);
            assert_eq!(image::load_from_memory(&file).unwrap().width(), 640);
        }
        let smallest = draw(&sketch(Format::Png, Content::Plain { bytes: 0 })).unwrap();
        assert!(smallest.len() < 10_000, "{}", smallest.len());
    }
}
