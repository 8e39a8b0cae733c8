//! A picture in another form: format, compression, size. The only place where pictures are decoded.
//!
//! Decoding runs on the blocking pool, so many at once as there are permits, bounded in pixels and memory.
//! A caller that leaves does not free the permit before the work has ended.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use tokio::sync::Semaphore;

use super::picture::{Picture, PictureError};
use super::scale::{self, Fit};
use crate::image::{Compression, Form, Format, Pixels};

/// Bytes a decoder may take for each pixel allowed: 16 bits in four channels.
const DECODED_BYTES_PER_PIXEL: u64 = 8;

/// And for its own tables, besides the pixels.
const DECODER_BYTES: u64 = 1024 * 1024;

/// `output_compression` when nothing is asked: OpenAI's default.
const COMPRESSION_DEFAULT: u8 = 100;

/// Why a picture was not converted. All but `Crashed` would happen again.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("the picture has {0} pixels, more than may be decoded")]
    TooLarge(u64),
    #[error("the picture cannot be decoded")]
    Decode(#[source] image::ImageError),
    #[error("the picture cannot be written as {}: {detail}", .format.name())]
    Encode { format: Format, detail: String },
    #[error("the converted picture is broken: {0}")]
    Broken(#[from] PictureError),
    #[error("the conversion crashed")]
    Crashed,
}

/// Converts pictures, a bounded number at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Converter {
    permits: Arc<Semaphore>,
    max_pixels: u64,
}

impl Converter {
    /// `permits`: conversions at once, best the number of cores. `max_pixels`: the largest picture decoded.
    pub fn new(permits: usize, max_pixels: u64) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits.max(1))), max_pixels }
    }

    /// The picture in the asked form; the same bytes when it has that form already.
    pub async fn convert(&self, picture: &Picture, form: Form) -> Result<Picture, ConvertError> {
        if !needs_conversion(picture, form) {
            return Ok(picture.clone());
        }
        let area = picture.pixels().area();
        if area > self.max_pixels {
            return Err(ConvertError::TooLarge(area));
        }
        // The semaphore is never closed, so there always is a permit.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (picture, max_pixels) = (picture.clone(), self.max_pixels);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            converted(&picture, form, max_pixels)
        });
        work.await.unwrap_or(Err(ConvertError::Crashed))
    }
}

/// Whether a picture must be decoded to have the form. Upstream's own bytes are kept where format and size
/// fit and no compression below 100 is asked: encoding again would only lose.
pub fn needs_conversion(picture: &Picture, form: Form) -> bool {
    needs_conversion_from(picture.format(), picture.pixels(), form)
}

/// The same of a picture that is not at hand.
pub(super) fn needs_conversion_from(format: Format, pixels: Pixels, form: Form) -> bool {
    let recompressed = form.format != Format::Png && form.compression.is_some_and(|c| c.percent() < 100);
    format != form.format || pixels_in(pixels, form) != pixels || recompressed
}

/// The size that a picture of so many pixels has in the form.
pub(super) fn pixels_in(pixels: Pixels, form: Form) -> Pixels {
    planned(pixels, form).target
}

fn planned(pixels: Pixels, form: Form) -> Fit {
    scale::fit(pixels, form.pixels.unwrap_or(pixels))
}

fn converted(picture: &Picture, form: Form, max_pixels: u64) -> Result<Picture, ConvertError> {
    let image = decode(picture, max_pixels)?;
    let image = scale::apply(image, planned(picture.pixels(), form));
    let percent = form.compression.map_or(COMPRESSION_DEFAULT, Compression::percent);
    let file = match form.format {
        Format::Png => encode_png(&image),
        Format::Jpeg => encode_jpeg(image, percent),
        Format::Webp => encode_webp(image, percent),
    };
    let file = file.map_err(|detail| ConvertError::Encode { format: form.format, detail })?;
    Ok(Picture::read(file)?)
}

fn decode(picture: &Picture, max_pixels: u64) -> Result<DynamicImage, ConvertError> {
    let format = match picture.format() {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Webp => ImageFormat::WebP,
    };
    let mut limits = Limits::no_limits();
    // The decoder must find the size that was judged, whatever else the file says of itself.
    limits.max_image_width = Some(picture.pixels().width);
    limits.max_image_height = Some(picture.pixels().height);
    limits.max_alloc = Some(max_pixels.saturating_mul(DECODED_BYTES_PER_PIXEL).saturating_add(DECODER_BYTES));
    let mut reader = ImageReader::with_format(Cursor::new(picture.bytes()), format);
    reader.limits(limits);
    reader.decode().map_err(ConvertError::Decode)
}

fn encode_png(image: &DynamicImage) -> Result<Bytes, String> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive);
    image.write_with_encoder(encoder).map_err(|error| error.to_string())?;
    Ok(file.into())
}

fn encode_jpeg(image: DynamicImage, percent: u8) -> Result<Bytes, String> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, percent.clamp(1, 100));
    let opaque = if image.color().has_alpha() { on_white(image) } else { image.into_rgb8() };
    opaque.write_with_encoder(encoder).map_err(|error| error.to_string())?;
    Ok(file.into())
}

fn encode_webp(image: DynamicImage, percent: u8) -> Result<Bytes, String> {
    let quality = f32::from(percent);
    let (width, height) = (image.width(), image.height());
    let file = if image.color().has_alpha() {
        webp::Encoder::from_rgba(&image.into_rgba8(), width, height).encode_simple(false, quality)
    } else {
        webp::Encoder::from_rgb(&image.into_rgb8(), width, height).encode_simple(false, quality)
    };
    file.map(|file| Bytes::copy_from_slice(&file)).map_err(|error| format!("{error:?}"))
}

/// JPEG has no alpha: clear pixels become white, as on a page.
fn on_white(image: DynamicImage) -> RgbImage {
    let image = image.into_rgba8();
    let mut opaque = RgbImage::new(image.width(), image.height());
    for (to, from) in opaque.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let mix =
            |colour: u32| u8::try_from((colour * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(255);
        *to = Rgb([mix(red), mix(green), mix(blue)]);
    }
    opaque
}

#[cfg(test)]
mod tests;
