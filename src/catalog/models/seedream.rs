//! Seedream: `quality` is the resolution. The pages list the picture of every ratio.

use super::gpt_image_small::tokens_max;
use super::{Edges, table};
use crate::catalog::own::{OwnKind, OwnParameter};
use crate::catalog::row::{Inputs, Output, Row, TierField, Tiers, Transparency};
use crate::catalog::sizes::{PixelRule, PixelSizes, RatioRow, Sizes};
use crate::image::{Pixels, Tier};

pub(super) fn rows() -> Vec<Row> {
    let priority = |choices: &[&str]| OwnParameter::choice("prompt_priority", choices);
    let four = Row {
        own: vec![priority(&["standard", "fast"])],
        ..model("doubao-seedream-4.0", &[Tier::K1, Tier::K2, Tier::K4], Tier::K2, 921_600..=16_777_216)
    };
    let four_five = Row {
        own: vec![priority(&["standard"])],
        ..model("doubao-seedream-4.5", &[Tier::K2, Tier::K4], Tier::K2, 3_686_400..=16_777_216)
    };
    let lite = Row {
        output: Output::AskedInModelParams,
        own: vec![
            priority(&["standard"]),
            OwnParameter::choice("model_params.output_format", &["png", "jpeg"]),
            OwnParameter::new("model_params.tools", OwnKind::WebSearchTools),
        ],
        ..model("doubao-seedream-5.0-lite", &[Tier::K2, Tier::K3, Tier::K4], Tier::K2, 3_686_400..=16_777_216)
    };
    let pro = |name: &str, choices: &[&str]| Row {
        prompt: tokens_max(4_000),
        inputs: inputs(10).of_megabytes(30),
        transparency: Transparency::OfInput,
        output: Output::Asked,
        own: vec![priority(choices), OwnParameter::flag("watermark")],
        ..model(name, &[Tier::K1, Tier::K1_5, Tier::K2], Tier::K1, 921_600..=4_624_220)
    };
    let fast = pro("doubao-seedream-5.0-pro", &["standard", "fast"]);
    vec![four, four_five, lite, fast, pro("doubao-seedream-5.0-flash", &["standard"])]
}

fn model(name: &str, tiers: &[Tier], default: Tier, areas: std::ops::RangeInclusive<u64>) -> Row {
    let ratios = if areas.end() < &16_777_216 { pro_ratios() } else { ratios(tiers) };
    let square = ratios.first().and_then(|row| row.at(Some(default)));
    Row {
        prompt: tokens_max(2_000),
        sizes: Sizes {
            auto: true,
            auto_picture: square.unwrap_or(Pixels::new(2048, 2048)),
            ratios,
            pixels: PixelSizes::Rule(rule(*areas.start(), *areas.end())),
        },
        tiers: Some(Tiers { field: TierField::Quality, all: tiers.to_vec(), default, with_auto: true }),
        inputs: inputs(14).of_megabytes(10),
        ..Row::minimal(name)
    }
}

/// Edges above 14 pixels, at most 16 times as long as wide.
fn inputs(max: usize) -> Inputs {
    Inputs { edge_min: 15, area_max: 36_000_000, ratio_max: 16, ..Inputs::up_to(max) }
}

/// Any edge above 14 pixels; how long an edge may be follows from area and ratio.
pub(super) const fn rule(area_min: u64, area_max: u64) -> PixelRule {
    PixelRule { step: 1, edge_min: 15, edge_max: 16_384, area_min, area_max, ratio_max: 16 }
}

const ALL: [Tier; 4] = [Tier::K1, Tier::K2, Tier::K3, Tier::K4];

/// Of 4.0, 4.5 and 5.0 lite, which differ in the tiers they have.
#[rustfmt::skip]
const LARGE: [(Edges, [Edges; 4]); 11] = [
    ((1, 1), [(1024, 1024), (2048, 2048), (3072, 3072), (4096, 4096)]),
    ((2, 3), [(832, 1248), (1664, 2496), (2496, 3744), (3328, 4992)]),
    ((3, 2), [(1248, 832), (2496, 1664), (3744, 2496), (4992, 3328)]),
    ((3, 4), [(864, 1152), (1728, 2304), (2592, 3456), (3520, 4704)]),
    ((4, 3), [(1152, 864), (2304, 1728), (3456, 2592), (4704, 3520)]),
    ((4, 5), [(896, 1120), (1792, 2240), (2688, 3360), (3584, 4480)]),
    ((5, 4), [(1120, 896), (2240, 1792), (3360, 2688), (4480, 3584)]),
    ((9, 16), [(720, 1280), (1600, 2848), (2304, 4096), (3040, 5504)]),
    ((16, 9), [(1280, 720), (2848, 1600), (4096, 2304), (5504, 3040)]),
    ((21, 9), [(1512, 648), (3136, 1344), (4704, 2016), (6240, 2656)]),
    ((9, 21), [(648, 1512), (1344, 3136), (2016, 4704), (2656, 6240)]),
];

fn ratios(tiers: &[Tier]) -> Vec<RatioRow> {
    let mut ratios = table(ALL, &LARGE);
    for row in &mut ratios {
        row.pictures.retain(|(tier, _)| tiers.contains(tier));
    }
    ratios
}

/// Of 5.0 pro and flash.
fn pro_ratios() -> Vec<RatioRow> {
    table([Tier::K1, Tier::K1_5, Tier::K2], &PRO)
}

#[rustfmt::skip]
const PRO: [(Edges, [Edges; 3]); 11] = [
    ((1, 1), [(1024, 1024), (1536, 1536), (2048, 2048)]),
    ((2, 3), [(832, 1248), (1248, 1872), (1664, 2496)]),
    ((3, 2), [(1248, 832), (1872, 1248), (2496, 1664)]),
    ((3, 4), [(864, 1152), (1344, 1792), (1776, 2368)]),
    ((4, 3), [(1152, 864), (1792, 1344), (2368, 1776)]),
    ((4, 5), [(896, 1120), (1344, 1680), (1792, 2240)]),
    ((5, 4), [(1120, 896), (1680, 1344), (2240, 1792)]),
    ((9, 16), [(800, 1424), (1152, 2048), (1584, 2816)]),
    ((16, 9), [(1424, 800), (2048, 1152), (2816, 1584)]),
    ((21, 9), [(1568, 672), (2352, 1008), (3136, 1344)]),
    ((9, 21), [(672, 1568), (1008, 2352), (1344, 3136)]),
];
