//! Nano Banana, as Gemini's own names and as Evolink's betas: `quality` is the resolution, pictures are nominal.

use super::gpt_image_small::tokens_max;
use super::{Edges, nominal};
use crate::catalog::own::OwnParameter;
use crate::catalog::row::{Inputs, Row, TierField, Tiers};
use crate::catalog::sizes::{Sizes, nominal as nominal_picture};
use crate::image::{Ratio, Tier};

/// Of Nano Banana Pro.
const RATIOS: [Edges; 10] =
    [(1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9)];
/// Which Nano Banana 2 has besides.
const LONG: [Edges; 4] = [(1, 4), (4, 1), (1, 8), (8, 1)];
const FIRST: [Edges; 7] = [(1, 1), (2, 3), (3, 2), (4, 3), (3, 4), (16, 9), (9, 16)];

const TIERS: [Tier; 3] = [Tier::K1, Tier::K2, Tier::K4];

pub(super) fn rows() -> Vec<Row> {
    let long = [&RATIOS[..], &LONG].concat();
    let search = || vec![flag("web_search"), flag("image_search")];
    let with = |levels: &[&str]| {
        let mut own = search();
        own.push(thinking(levels));
        own
    };
    vec![
        Row { own: vec![flag("web_search")], ..tiered("gemini-3-pro-image-preview", &RATIOS, &TIERS) },
        Row {
            own: with(&["auto", "min", "high"]),
            ..tiered("gemini-3.1-flash-image-preview", &long, &[Tier::K0_5, Tier::K1, Tier::K2, Tier::K4])
        },
        Row {
            own: vec![thinking(&["auto", "min", "high"])],
            ..tiered("gemini-3.1-flash-lite-image", &long, &[Tier::K1])
        },
        Row {
            prompt: tokens_max(4_000),
            own: with(&["auto", "min", "medium", "high"]),
            ..tiered("gemini-nano-banana-2.1", &long, &TIERS)
        },
        Row { inputs: Inputs::up_to(14).of_megabytes(10), ..tiered("nano-banana-2.1-beta", &long, &TIERS) },
        Row { inputs: Inputs::up_to(10).of_megabytes(10), ..tiered("nano-banana-pro-beta", &RATIOS, &TIERS) },
        Row {
            inputs: Inputs::up_to(14).of_megabytes(10),
            own: vec![thinking(&["auto", "min", "high"])],
            ..tiered("nano-banana-2-beta", &long, &TIERS)
        },
        Row {
            names: vec!["nano-banana-2-lite".to_owned()],
            ..tiered("nano-banana-2-lite-beta", &long, &[Tier::K1])
        },
        Row {
            sizes: sizes(&FIRST, &[Tier::K1], Tier::K1),
            tiers: None,
            inputs: Inputs::up_to(5).of_megabytes(10),
            ..tiered("nano-banana-beta", &FIRST, &[Tier::K1])
        },
    ]
}

/// 2K by default, where the model has it.
fn tiered(model: &str, ratios: &[Edges], tiers: &[Tier]) -> Row {
    let default = if tiers.contains(&Tier::K2) { Tier::K2 } else { Tier::K1 };
    Row {
        prompt: tokens_max(2_000),
        sizes: sizes(ratios, tiers, default),
        tiers: Some(Tiers { field: TierField::Quality, all: tiers.to_vec(), default, with_auto: true }),
        inputs: Inputs::up_to(14).of_megabytes(20),
        ..Row::minimal(model)
    }
}

fn sizes(ratios: &[Edges], tiers: &[Tier], default: Tier) -> Sizes {
    Sizes {
        auto: true,
        auto_picture: nominal_picture(Ratio::new(1, 1), default),
        ratios: nominal(tiers, ratios),
        ..Sizes::none()
    }
}

fn flag(name: &str) -> OwnParameter {
    OwnParameter::flag(&format!("model_params.{name}"))
}

fn thinking(levels: &[&str]) -> OwnParameter {
    OwnParameter::choice("model_params.thinking_level", levels)
}
