//! Cutting and scaling a decoded picture to an asked size: centre crop to its ratio, then down, never up.
//!
//! Pure.

use image::imageops::FilterType;
use image::{DynamicImage, Rgba};

use crate::image::Pixels;

/// What a picture becomes: the part kept from its middle, and the size that part is scaled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) kept: Pixels,
    pub(super) target: Pixels,
}

/// The largest part of `from` with the ratio of `asked`, scaled down to it. A picture that is too small
/// keeps that part as it is: the ratio holds, the size does not.
pub(super) fn fit(from: Pixels, asked: Pixels) -> Fit {
    let kept = if product(asked.width, from.height) >= product(asked.height, from.width) {
        Pixels::new(from.width, side(product(from.width, asked.height), asked.width, from.height))
    } else {
        Pixels::new(side(product(from.height, asked.width), asked.height, from.width), from.height)
    };
    let target = if asked.width <= kept.width && asked.height <= kept.height { asked } else { kept };
    Fit { kept, target }
}

/// Cuts and scales as planned.
pub(super) fn apply(image: DynamicImage, fit: Fit) -> DynamicImage {
    let Fit { kept, target } = fit;
    let image = if Pixels::new(image.width(), image.height()) == kept {
        image
    } else {
        let left = image.width().saturating_sub(kept.width) / 2;
        let top = image.height().saturating_sub(kept.height) / 2;
        image.crop_imm(left, top, kept.width, kept.height)
    };
    if kept == target {
        image
    } else if image.color().has_alpha() {
        scale_transparent(image, target)
    } else {
        image.resize_exact(target.width, target.height, FilterType::CatmullRom)
    }
}

/// Colours are weighed by their alpha while they are mixed, or the hidden colour of clear pixels would bleed
/// into the edges.
fn scale_transparent(image: DynamicImage, target: Pixels) -> DynamicImage {
    const FULL: u32 = 0xffff;
    let mut weighed = image.into_rgba16();
    for Rgba([colours @ .., alpha]) in weighed.pixels_mut() {
        let alpha = u32::from(*alpha);
        for colour in colours {
            *colour = narrow((u32::from(*colour) * alpha + FULL / 2) / FULL);
        }
    }
    let mut scaled = image::imageops::resize(&weighed, target.width, target.height, FilterType::CatmullRom);
    for Rgba([colours @ .., alpha]) in scaled.pixels_mut() {
        let alpha = u32::from(*alpha);
        for colour in colours {
            *colour = (u32::from(*colour) * FULL + alpha / 2).checked_div(alpha).map_or(0, narrow);
        }
    }
    DynamicImage::ImageRgba16(scaled).into_rgba8().into()
}

fn narrow(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn product(a: u32, b: u32) -> u64 {
    u64::from(a) * u64::from(b)
}

/// `area / by` to the nearest, at least 1 and at most `limit`.
fn side(area: u64, by: u32, limit: u32) -> u32 {
    let by = u64::from(by.max(1));
    u32::try_from((area + by / 2) / by).unwrap_or(u32::MAX).clamp(1, limit.max(1))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn fitted(from: (u32, u32), asked: (u32, u32)) -> ((u32, u32), (u32, u32)) {
        let fit = fit(Pixels::new(from.0, from.1), Pixels::new(asked.0, asked.1));
        ((fit.kept.width, fit.kept.height), (fit.target.width, fit.target.height))
    }

    #[test]
    fn the_middle_is_kept_and_scaled_down_but_never_up() {
        assert_eq!(fitted((1024, 1024), (256, 256)), ((1024, 1024), (256, 256)));
        assert_eq!(fitted((1536, 1024), (512, 512)), ((1024, 1024), (512, 512)));
        assert_eq!(fitted((1024, 1536), (1000, 500)), ((1024, 512), (1000, 500)));
        assert_eq!(fitted((1672, 941), (1280, 720)), ((1672, 941), (1280, 720)));
        assert_eq!(fitted((1024, 1024), (1024, 1024)), ((1024, 1024), (1024, 1024)));
        assert_eq!(fitted((1000, 1200), (1024, 1024)), ((1000, 1000), (1000, 1000)), "too small: ratio only");
        assert_eq!(fitted((1, 1), (9999, 1)), ((1, 1), (1, 1)));
    }

    #[test]
    fn what_is_cut_off_lies_evenly_on_both_sides() {
        let stripes = RgbImage::from_fn(30, 10, |x, _| Rgb([u8::from(x / 10 == 1) * 200, 0, 0]));
        let middle = apply(stripes.into(), fit(Pixels::new(30, 10), Pixels::new(10, 10))).into_rgb8();
        assert_eq!(middle.dimensions(), (10, 10));
        assert!(middle.pixels().all(|pixel| pixel.0 == [200, 0, 0]));
    }

    #[test]
    fn hidden_colours_of_clear_pixels_do_not_bleed_into_the_edge() {
        let half =
            RgbaImage::from_fn(64, 64, |x, _| Rgba(if x < 31 { [0, 255, 0, 0] } else { [255, 0, 0, 255] }));
        let scaled = apply(half.into(), fit(Pixels::new(64, 64), Pixels::new(16, 16))).into_rgba8();
        assert_eq!(scaled.dimensions(), (16, 16));
        assert!(scaled.pixels().any(|Rgba([.., alpha])| (1..255).contains(alpha)), "there is an edge");
        for Rgba([red, green, _, alpha]) in scaled.pixels() {
            assert!(*green == 0 && (*alpha == 0 || *red == 255), "{red} {green} {alpha}");
        }
    }

    proptest! {
        #[test]
        fn a_fit_stays_inside_the_picture_and_the_asked_size(
            w in 1..9000_u32, h in 1..9000_u32, aw in 1..9000_u32, ah in 1..9000_u32,
        ) {
            let ((kw, kh), (tw, th)) = fitted((w, h), (aw, ah));
            prop_assert!(kw >= 1 && kh >= 1 && kw <= w && kh <= h);
            prop_assert!(tw <= kw && th <= kh && tw >= 1 && th >= 1);
            prop_assert!(kw == w || kh == h, "no more is cut than the ratio needs");
            if w >= aw && h >= ah {
                prop_assert_eq!((tw, th), (aw, ah));
            }
        }
    }
}
