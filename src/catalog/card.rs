//! A row as clients are told of it.

use super::Resolved;
use crate::image::{Format, Quality, Tier};
use crate::openai::{ModelCard, PixelRuleCard, SizesCard};

pub(super) fn card(id: &str, found: Resolved<'_>) -> ModelCard {
    let row = found.row;
    let rule = row.sizes.pixels;
    ModelCard {
        id: id.to_owned(),
        created: row.released,
        alias_of: found.alias.map(|alias| alias.model.clone()),
        sizes: SizesCard {
            auto: true,
            ratios: row.sizes.ratios.iter().map(|row| row.ratio.to_string()).collect(),
            resolutions: [Tier::K1, Tier::K2, Tier::K4].map(Tier::name).to_vec(),
            pixels: PixelRuleCard {
                multiple_of: rule.step,
                min_edge: rule.edge_min,
                max_edge: rule.edge_max,
                min_pixels: rule.area_min,
                max_pixels: rule.area_max,
                max_ratio: rule.ratio_max,
            },
            legacy: row.sizes.legacy.iter().map(ToString::to_string).collect(),
        },
        qualities: row.qualities.iter().copied().map(Quality::name).collect(),
        output_formats: Format::ALL.map(Format::name).to_vec(),
        max_n: row.count_max,
        supports_edit: row.references_max > 0,
    }
}
