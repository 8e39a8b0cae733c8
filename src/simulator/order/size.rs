//! From `size` and tier to exact pixels, by the model's row.

use crate::catalog::{PixelSizes, Row};
use crate::image::{Pixels, Ratio, Size, Tier};

/// The pixels of the picture, or why the size is refused. `tier`: what the create says, or the model's default.
pub(super) fn pixels(row: &Row, size: Option<&str>, tier: Option<Tier>) -> Result<Pixels, String> {
    let Some(size) = size else { return Ok(automatic(row, tier)) };
    match size.parse() {
        Ok(Size::Auto) if row.sizes.auto => Ok(automatic(row, tier)),
        Ok(Size::Ratio(ratio)) => row
            .sizes
            .ratio(ratio)
            .and_then(|known| known.at(tier))
            .ok_or_else(|| format!("size '{size}' is not a supported ratio")),
        Ok(Size::Pixels(pixels)) => match &row.sizes.pixels {
            PixelSizes::Rule(rule) if rule.allows(pixels) => Ok(pixels),
            PixelSizes::Listed(listed) if listed.contains(&pixels) => Ok(pixels),
            PixelSizes::None => Err(format!("size '{size}' must be a ratio")),
            PixelSizes::Rule(rule) => Err(format!(
                "size '{size}' is out of range: edges from {} to {} in steps of {}, {} to {} pixels in all, aspect \
                 ratio at most {}:1",
                rule.edge_min, rule.edge_max, rule.step, rule.area_min, rule.area_max, rule.ratio_max
            )),
            PixelSizes::Listed(_) => Err(format!("size '{size}' is not supported")),
        },
        Ok(Size::Auto) | Err(_) => {
            Err(format!("size '{size}' must be one of the model's ratios or WIDTHxHEIGHT"))
        }
    }
}

/// The model's choice: a square, of the tier where it counts.
fn automatic(row: &Row, tier: Option<Tier>) -> Pixels {
    let counts = row.tiers.as_ref().is_some_and(|tiers| tiers.with_auto);
    let square = row.sizes.ratio(Ratio::new(1, 1)).filter(|_| counts);
    square.and_then(|square| square.at(tier)).unwrap_or(row.sizes.auto_picture)
}
