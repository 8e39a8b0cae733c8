//! The built-in rows, figure by figure from Evolink's pages of the models; one file a family.
//!
//! What no page tells is marked as nominal where it stands: pictures of a ratio, prices, dates.

use crate::image::{Pixels, Ratio, Tier};

use super::row::Row;
use super::sizes::RatioRow;

mod alibaba;
mod gemini;
mod gpt_image;
mod gpt_image_small;
mod others;
mod seedream;

/// The model of requests that name none, first in every list.
pub(super) const DEFAULT: &str = "gpt-image-2";

/// Every built-in model, the default one first.
pub fn built_in() -> Vec<Row> {
    let families = [
        gpt_image::rows(),
        gpt_image_small::rows(),
        gemini::rows(),
        seedream::rows(),
        alibaba::rows(),
        others::rows(),
    ];
    families.into_iter().flatten().collect()
}

/// Width and height.
type Edges = (u32, u32);

/// Ratios with a picture at each of the tiers, as the pages list them.
fn table<const TIERS: usize>(tiers: [Tier; TIERS], listed: &[(Edges, [Edges; TIERS])]) -> Vec<RatioRow> {
    let row = |((width, height), pictures): &(Edges, [Edges; TIERS])| {
        let pixels = pictures.iter().map(|(width, height)| Pixels::new(*width, *height));
        RatioRow { ratio: Ratio::new(*width, *height), pictures: tiers.into_iter().zip(pixels).collect() }
    };
    listed.iter().map(row).collect()
}

/// The same, and each turned right after itself.
fn table_with_turned<const TIERS: usize>(
    tiers: [Tier; TIERS],
    listed: &[(Edges, [Edges; TIERS])],
) -> Vec<RatioRow> {
    let turned = |(width, height): Edges| (height, width);
    let both = listed.iter().flat_map(|(ratio, pictures)| {
        let other = (*ratio != turned(*ratio)).then(|| (turned(*ratio), pictures.map(turned)));
        [Some((*ratio, *pictures)), other].into_iter().flatten()
    });
    table(tiers, &both.collect::<Vec<_>>())
}

/// Ratios whose pictures no page gives.
fn nominal(tiers: &[Tier], ratios: &[Edges]) -> Vec<RatioRow> {
    let row = |(width, height): &Edges| RatioRow::nominal(Ratio::new(*width, *height), tiers);
    ratios.iter().map(row).collect()
}
