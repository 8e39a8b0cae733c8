//! Multipart forms and the pictures in them.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::PROMPT_CANARY;

const BOUNDARY: &str = "it-boundary-7f3a";

/// A form as the SDKs write it: files under one name, texts under others, in any order.
#[derive(Debug, Default)]
pub(crate) struct FormBody(Vec<u8>);

impl FormBody {
    /// With the prompt, canary included, and the smallest size.
    pub(crate) fn small(prompt: &str) -> Self {
        let form = Self::default().text("prompt", &format!("{prompt} {PROMPT_CANARY}"));
        form.text("model", "gpt-image-2").text("size", "816x816").text("quality", "low")
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("form-data; name=\"{name}\""), None, value.as_bytes())
    }

    /// A file whose name and type say nothing.
    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"{name}\"; filename=\"upload\"");
        self.part(&disposition, Some("application/octet-stream"), bytes)
    }

    fn part(mut self, disposition: &str, media_type: Option<&str>, bytes: &[u8]) -> Self {
        self.0.extend(format!("--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n").bytes());
        self.0.extend(media_type.map(|name| format!("content-type: {name}\r\n")).unwrap_or_default().bytes());
        self.0.extend(b"\r\n");
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    pub(crate) fn media_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.0.extend(format!("--{BOUNDARY}--\r\n").bytes());
        self.0
    }
}

/// An opaque PNG of one colour.
pub(crate) fn png(width: u32, height: u32, shade: u8) -> Vec<u8> {
    encoded(&RgbImage::from_pixel(width, height, Rgb([shade, 40, 200])).into(), ImageFormat::Png)
}

/// A JPEG of one colour.
pub(crate) fn jpeg(width: u32, height: u32, shade: u8) -> Vec<u8> {
    encoded(&RgbImage::from_pixel(width, height, Rgb([shade, 40, 200])).into(), ImageFormat::Jpeg)
}

/// A PNG that is transparent everywhere: a mask of all.
pub(crate) fn mask(width: u32, height: u32) -> Vec<u8> {
    encoded(&RgbaImage::from_pixel(width, height, Rgba([0, 0, 0, 0])).into(), ImageFormat::Png)
}

/// A PNG of which half is transparent: a mask of that half.
pub(crate) fn half_clear_mask(width: u32, height: u32) -> Vec<u8> {
    let clear = |x: u32| if x < width / 2 { 0 } else { 255 };
    let picture = RgbaImage::from_fn(width, height, |x, _| Rgba([0, 0, 0, clear(x)]));
    encoded(&picture.into(), ImageFormat::Png)
}

/// A PNG that hardly compresses: three bytes a pixel.
pub(crate) fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let picture = RgbImage::from_fn(width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [a, b, c, _] = state.to_le_bytes();
        Rgb([a, b, c])
    });
    encoded(&picture.into(), ImageFormat::Png)
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
