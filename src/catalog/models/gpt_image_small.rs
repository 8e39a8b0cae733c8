//! gpt-image-2-beta, gpt-image-1.5 and the archived pages of older models, which are still accepted.

use super::gpt_image;
use super::table;
use crate::catalog::row::{Efforts, Inputs, MaskRule, Price, PromptLimits, Row, TierField, Tiers, mebibytes};
use crate::catalog::sizes::{PixelSizes, Sizes};
use crate::image::{Pixels, Quality, Tier};
use crate::money::Credits;

pub(super) fn rows() -> Vec<Row> {
    let lite = Efforts { default: Quality::Auto, ..efforts(Quality::High) };
    vec![
        beta(),
        Row { efforts: Some(efforts(Quality::High)), ..fixed("gpt-image-1.5") },
        Row {
            names: vec!["gpt-image-1.5-beta".to_owned()],
            efforts: Some(lite),
            ..fixed("gpt-image-1.5-lite")
        },
        // As shipped, an alias of this name leads to gpt-image-2.
        Row { efforts: Some(efforts(Quality::High)), ..fixed("gpt-image-1") },
        Row {
            names: vec!["gpt-4o-image-beta".to_owned()],
            prompt: PromptLimits::default(),
            inputs: Inputs::up_to(5).of_megabytes(10),
            mask: Some(MaskRule { bytes_max: mebibytes(4), single: true }),
            ..fixed("gpt-4o-image")
        },
    ]
}

/// Ratios at 1K only, no sizes in pixels. The page gives no pictures; gpt-image-2's are expected.
fn beta() -> Row {
    let mut ratios = gpt_image::ratios();
    for row in &mut ratios {
        row.pictures.truncate(1);
    }
    Row {
        prompt: tokens_max(2_000),
        sizes: Sizes { auto: true, ratios, ..Sizes::none() },
        tiers: Some(Tiers {
            field: TierField::Resolution,
            all: vec![Tier::K1],
            default: Tier::K1,
            with_auto: false,
        }),
        inputs: Inputs::up_to(16),
        // 0.015 USD a call, by the product page.
        price: Price::PerImage(Credits::from_micro(1_020_000)),
        ..Row::minimal("gpt-image-2-beta")
    }
}

fn efforts(default: Quality) -> Efforts {
    Efforts { all: vec![Quality::Low, Quality::Medium, Quality::High], default }
}

pub(super) fn tokens_max(tokens: u64) -> PromptLimits {
    PromptLimits { tokens_max: Some(tokens), ..PromptLimits::default() }
}

/// Three sizes, as ratios or in pixels.
fn fixed(model: &str) -> Row {
    let ratios =
        table([Tier::K1], &[((1, 1), [(1024, 1024)]), ((2, 3), [(1024, 1536)]), ((3, 2), [(1536, 1024)])]);
    let listed = vec![Pixels::new(1024, 1024), Pixels::new(1024, 1536), Pixels::new(1536, 1024)];
    Row {
        prompt: tokens_max(2_000),
        sizes: Sizes { ratios, pixels: PixelSizes::Listed(listed), ..Sizes::none() },
        inputs: Inputs::up_to(16),
        ..Row::minimal(model)
    }
}
