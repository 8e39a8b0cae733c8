//! Qwen, Wan and Z-Image.

use super::gpt_image_small::tokens_max;
use super::seedream::rule;
use super::{Edges, nominal, table};
use crate::catalog::own::{OwnKind, OwnParameter};
use crate::catalog::row::{Inputs, PromptLimits, Row, TierField, Tiers};
use crate::catalog::sizes::{PixelRule, PixelSizes, Sizes};
use crate::image::{Pixels, Tier};

pub(super) fn rows() -> Vec<Row> {
    vec![
        qwen_3("qwen-image-3.0"),
        qwen_3("qwen-image-3.0-pro"),
        qwen_edit_plus(),
        Row { prompt: tokens_max(2_000), inputs: qwen_inputs(1), ..Row::minimal("qwen-image-edit") },
        wan_text_to_image(),
        Row {
            prompt: tokens_max(2_000),
            inputs: Inputs {
                min: 1,
                edge_min: 384,
                edge_max: 5_000,
                alpha: false,
                ..Inputs::up_to(2).of_megabytes(10)
            },
            ..Row::minimal("wan2.5-image-to-image")
        },
        z_image(),
    ]
}

fn qwen_3(model: &str) -> Row {
    Row {
        prompt: tokens_max(4_500),
        sizes: Sizes {
            auto: true,
            ratios: table([Tier::K1, Tier::K2], &QWEN_3),
            // 512x512 to 2048x2048 in area; a side may be longer than 2048
            pixels: PixelSizes::Rule(rule(262_144, 4_194_304)),
            ..Sizes::none()
        },
        tiers: Some(Tiers {
            field: TierField::Quality,
            all: vec![Tier::K1, Tier::K2],
            default: Tier::K1,
            with_auto: false,
        }),
        inputs: qwen_inputs(0),
        own: qwen_own(),
        ..Row::minimal(model)
    }
}

/// `size` only with `n` 1, which is always so here.
fn qwen_edit_plus() -> Row {
    let edges = PixelRule {
        step: 1,
        edge_min: 512,
        edge_max: 2048,
        area_min: 512 * 512,
        area_max: 2048 * 2048,
        ratio_max: 4,
    };
    Row {
        prompt: tokens_max(2_000),
        sizes: Sizes { pixels: PixelSizes::Rule(edges), ..Sizes::none() },
        inputs: qwen_inputs(1),
        own: qwen_own(),
        ..Row::minimal("qwen-image-edit-plus")
    }
}

/// The edges as their pages say.
fn qwen_inputs(min: usize) -> Inputs {
    Inputs { min, edge_min: 384, edge_max: 3_072, ..Inputs::up_to(3) }
}

fn qwen_own() -> Vec<OwnParameter> {
    vec![
        OwnParameter::new("negative_prompt", OwnKind::Text { chars_max: 500 }),
        OwnParameter::flag("prompt_extend"),
        OwnParameter::flag("watermark"),
        OwnParameter::seed(0, 2_147_483_647),
    ]
}

/// Without a size the model makes its own; the page's example is expected.
fn wan_text_to_image() -> Row {
    Row {
        prompt: tokens_max(2_000),
        sizes: Sizes {
            auto_picture: Pixels::new(1280, 1280),
            pixels: PixelSizes::Rule(PixelRule {
                step: 1,
                edge_min: 384,
                edge_max: 2_880,
                area_min: 768 * 768,
                area_max: 1440 * 1440,
                ratio_max: 4,
            }),
            ..Sizes::none()
        },
        own: vec![OwnParameter::flag("prompt_extend")],
        ..Row::minimal("wan2.5-text-to-image")
    }
}

/// The pictures of the ratios are nominal.
fn z_image() -> Row {
    let ratios = [(1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (9, 16), (16, 9), (1, 2), (2, 1)];
    Row {
        prompt: PromptLimits { chars_max: Some(2_000), ..PromptLimits::default() },
        sizes: Sizes {
            ratios: nominal(&[Tier::K1], &ratios),
            pixels: PixelSizes::Rule(PixelRule {
                step: 1,
                edge_min: 376,
                edge_max: 1_536,
                area_min: 376 * 376,
                area_max: 1_536 * 1_536,
                // what the edges allow
                ratio_max: 5,
            }),
            ..Sizes::none()
        },
        own: vec![OwnParameter::seed(1, 2_147_483_647), OwnParameter::flag("nsfw_check")],
        ..Row::minimal("z-image-turbo")
    }
}

#[rustfmt::skip]
const QWEN_3: [(Edges, [Edges; 2]); 11] = [
    ((1, 1), [(1024, 1024), (2048, 2048)]),
    ((2, 3), [(832, 1248), (1664, 2496)]),
    ((3, 2), [(1248, 832), (2496, 1664)]),
    ((3, 4), [(864, 1152), (1770, 2360)]),
    ((4, 3), [(1152, 864), (2360, 1770)]),
    ((4, 5), [(896, 1120), (1792, 2240)]),
    ((5, 4), [(1120, 896), (2240, 1792)]),
    ((9, 16), [(800, 1424), (1530, 2720)]),
    ((16, 9), [(1424, 800), (2720, 1530)]),
    ((21, 9), [(1568, 672), (3122, 1338)]),
    ((9, 21), [(672, 1568), (1338, 3122)]),
];
