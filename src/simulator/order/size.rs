//! From `size` and `resolution` to exact pixels, by the tables of the gpt-image-2 page.

use crate::image::{Pixels, Ratio, Size, Tier};

const STEP: u32 = 16;
const SIDE_MAX: u32 = 3840;
const AREA_MIN: u64 = 655_360;
const AREA_MAX: u64 = 8_294_400;
/// Largest picture drawn for models without documented limits.
const LOOSE_SIDE_MAX: u32 = 4096;

/// Width and height.
type Sides = (u32, u32);

/// Landscape and square ratios with their pixels at 1K, 2K and 4K; portraits are the same turned round.
const TABLE: &[(Sides, [Sides; 3])] = &[
    ((1, 1), [(1024, 1024), (2048, 2048), (2880, 2880)]),
    ((2, 1), [(1456, 720), (2896, 1456), (3840, 1920)]),
    ((3, 1), [(1776, 592), (3552, 1184), (3840, 1280)]),
    ((3, 2), [(1248, 832), (2512, 1680), (3520, 2352)]),
    ((4, 3), [(1184, 880), (2368, 1776), (3312, 2480)]),
    ((5, 4), [(1152, 912), (2288, 1824), (3216, 2576)]),
    ((16, 9), [(1360, 768), (2736, 1536), (3840, 2160)]),
    ((21, 9), [(1568, 672), (3136, 1344), (3840, 1632)]),
];

/// The pixels of the picture, or why the size is refused. `strict`: by gpt-image-2's rules.
pub(super) fn pixels(size: &str, tier: Tier, strict: bool) -> Result<Pixels, String> {
    match size.parse() {
        // in `auto` the resolution does not apply
        Ok(Size::Auto) if strict => Ok(Pixels::new(1024, 1024)),
        Ok(Size::Auto) => Ok(in_tier(1024, 1024, tier)),
        Ok(Size::Ratio(ratio)) => match of_ratio(ratio, tier) {
            Some(pixels) => Ok(pixels),
            None if !strict && ratio.width <= 20 * ratio.height && ratio.height <= 20 * ratio.width => {
                Ok(by_area(ratio, tier))
            }
            None => Err(format!("size '{size}' is not a supported ratio")),
        },
        Ok(Size::Pixels(pixels)) if strict => checked(pixels),
        Ok(Size::Pixels(pixels)) if pixels.width.max(pixels.height) <= LOOSE_SIDE_MAX => Ok(pixels),
        Ok(Size::Pixels(_)) => Err(format!("size '{size}' is too large")),
        Err(_) => Err(format!("size '{size}' must be auto, a ratio or WIDTHxHEIGHT")),
    }
}

fn of_ratio(ratio: Ratio, tier: Tier) -> Option<Pixels> {
    let find = |wanted: (u32, u32)| TABLE.iter().find(|(ratio, _)| *ratio == wanted).map(|(_, row)| row);
    let pick = |[k1, k2, k4]: &[(u32, u32); 3]| match tier {
        Tier::K0_5 | Tier::K1 => *k1,
        Tier::K1_5 | Tier::K2 => *k2,
        Tier::K3 | Tier::K4 => *k4,
    };
    if let Some((width, height)) = find((ratio.width, ratio.height)).map(pick) {
        return Some(Pixels::new(width, height));
    }
    find((ratio.height, ratio.width)).map(pick).map(|(width, height)| Pixels::new(height, width))
}

fn checked(pixels: Pixels) -> Result<Pixels, String> {
    let Pixels { width, height } = pixels;
    if !width.is_multiple_of(STEP) || !height.is_multiple_of(STEP) {
        return Err(format!("size {pixels}: width and height must be multiples of {STEP}"));
    }
    if width > SIDE_MAX || height > SIDE_MAX {
        return Err(format!("size {pixels}: each edge must be between {STEP} and {SIDE_MAX}"));
    }
    if !(AREA_MIN..=AREA_MAX).contains(&pixels.area()) {
        return Err(format!("size {pixels}: total pixels must be between {AREA_MIN} and {AREA_MAX}"));
    }
    if width > 3 * height || height > 3 * width {
        return Err(format!("size {pixels}: aspect ratio must not exceed 3:1"));
    }
    Ok(pixels)
}

/// 1024×1024 and its like at a tier's scale.
fn in_tier(width: u32, height: u32, tier: Tier) -> Pixels {
    let factor = match tier {
        Tier::K0_5 | Tier::K1 => 1,
        Tier::K1_5 | Tier::K2 => 2,
        Tier::K3 | Tier::K4 => 4,
    };
    Pixels::new((width * factor).min(LOOSE_SIDE_MAX), (height * factor).min(LOOSE_SIDE_MAX))
}

/// About the tier's area in the ratio, in steps of 16.
fn by_area(ratio: Ratio, tier: Tier) -> Pixels {
    let area = in_tier(1024, 1024, tier).area();
    let unit = (area / (u64::from(ratio.width) * u64::from(ratio.height)).max(1)).isqrt();
    let side = |part: u32| {
        let exact = u32::try_from(unit.saturating_mul(u64::from(part))).unwrap_or(LOOSE_SIDE_MAX);
        (exact / STEP * STEP).clamp(STEP, 4 * LOOSE_SIDE_MAX)
    };
    Pixels::new(side(ratio.width), side(ratio.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ratio_has_its_documented_pixels() {
        let of = |size: &str, tier| pixels(size, tier, true).unwrap();
        assert_eq!(of("16:9", Tier::K4), Pixels::new(3840, 2160));
        assert_eq!(of("9:16", Tier::K1), Pixels::new(768, 1360));
        assert_eq!(of("9:21", Tier::K2), Pixels::new(1344, 3136));
        assert_eq!(of("auto", Tier::K4), Pixels::new(1024, 1024));
        let all =
            ["1:1", "1:2", "2:1", "1:3", "3:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9"];
        for ratio in all {
            for tier in Tier::ALL {
                assert!(checked(of(ratio, tier)).is_ok() || ratio.contains('1'), "{ratio} {tier}");
            }
        }
        assert!(pixels("7:5", Tier::K1, true).is_err());
    }

    #[test]
    fn explicit_pixels_follow_the_budget() {
        for size in ["1024x1024", "1536x1024", "1792x1024", "3840×2160", "1280x512"] {
            assert!(pixels(size, Tier::K1, true).is_ok(), "{size}");
        }
        for size in ["1000x1000", "512x512", "256x256", "3856x1024", "3840x1264", "3840x2176", "x", "1024"] {
            assert!(pixels(size, Tier::K1, true).is_err(), "{size}");
        }
    }

    #[test]
    fn other_models_may_have_other_ratios() {
        let wide = pixels("8:1", Tier::K1, false).unwrap();
        assert_eq!((wide.width, wide.height), (2896, 352));
        assert!(pixels("99999:1", Tier::K1, false).is_err());
        assert!(pixels("90000x90000", Tier::K1, false).is_err());
    }
}
