//! A row as clients are told of it.

use super::Resolved;
use super::own::{OwnKind, OwnParameter};
use super::row::{Row, Transparency};
use super::sizes::PixelSizes;
use crate::image::{Format, Quality, Tier};
use crate::openai::{InputsCard, ModelCard, OwnCard, PixelRuleCard, SizesCard};

pub(super) fn card(id: &str, found: Resolved<'_>) -> ModelCard {
    let row = found.row;
    ModelCard {
        id: id.to_owned(),
        created: row.released,
        alias_of: (id != row.model || found.alias.is_some()).then(|| row.model.clone()),
        sizes: sizes(row),
        qualities: row.efforts.iter().flat_map(|efforts| &efforts.all).copied().map(Quality::name).collect(),
        default_quality: row.efforts.as_ref().map(|efforts| efforts.default.name()),
        output_formats: Format::ALL.map(Format::name).to_vec(),
        transparent: match row.transparency {
            Transparency::Never => "never",
            Transparency::Always => "always",
            Transparency::OfInput => "of_input",
        },
        max_n: row.count_max,
        supports_edit: row.edits(),
        images: row.edits().then(|| inputs(row)),
        mask: row.mask.is_some(),
        parameters: row.own.iter().map(own).collect(),
    }
}

fn sizes(row: &Row) -> SizesCard {
    let rule = match &row.sizes.pixels {
        PixelSizes::Rule(rule) => Some(rule),
        PixelSizes::None | PixelSizes::Listed(_) => None,
    };
    let listed = match &row.sizes.pixels {
        PixelSizes::Listed(listed) => listed.as_slice(),
        PixelSizes::None | PixelSizes::Rule(_) => &[],
    };
    SizesCard {
        auto: true,
        ratios: row.sizes.ratios.iter().map(|row| row.ratio.to_string()).collect(),
        resolutions: row.tiers.iter().flat_map(|tiers| &tiers.all).copied().map(Tier::name).collect(),
        default_resolution: row.tiers.as_ref().map(|tiers| tiers.default.name()),
        pixels: rule.map(|rule| PixelRuleCard {
            multiple_of: rule.step,
            min_edge: rule.edge_min,
            max_edge: rule.edge_max,
            min_pixels: rule.area_min,
            max_pixels: rule.area_max,
            max_ratio: rule.ratio_max,
        }),
        listed: listed.iter().map(ToString::to_string).collect(),
        legacy: row.scaled_down().iter().map(ToString::to_string).collect(),
    }
}

fn inputs(row: &Row) -> InputsCard {
    let inputs = row.inputs;
    InputsCard { min: inputs.min, max: inputs.max, max_bytes: inputs.bytes_max }
}

fn own(parameter: &OwnParameter) -> OwnCard {
    let mut card = OwnCard { name: parameter.name.clone(), ..OwnCard::default() };
    match &parameter.kind {
        OwnKind::Text { chars_max } => (card.kind, card.max_length) = ("string", Some(*chars_max)),
        OwnKind::Integer { min, max } => {
            (card.kind, card.minimum, card.maximum) = ("integer", Some(*min), Some(*max));
        }
        OwnKind::Flag => card.kind = "boolean",
        OwnKind::Choice(choices) => (card.kind, card.choices) = ("string", choices.clone()),
        OwnKind::WebSearchTools => card.kind = "array",
    }
    card
}
