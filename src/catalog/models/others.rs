//! Krea and Grok.

use super::gpt_image_small::tokens_max;
use super::{Edges, nominal, table};
use crate::catalog::own::OwnParameter;
use crate::catalog::row::{Efforts, Inputs, Row, TierField, Tiers};
use crate::catalog::sizes::{RatioRow, Sizes};
use crate::image::{Quality, Ratio, Tier};

const TIERS: [Tier; 2] = [Tier::K1, Tier::K2];

pub(super) fn rows() -> Vec<Row> {
    vec![krea(), grok()]
}

fn krea() -> Row {
    Row {
        prompt: tokens_max(640),
        sizes: Sizes { ratios: table(TIERS, &KREA), ..Sizes::none() },
        tiers: Some(Tiers {
            field: TierField::Quality,
            all: TIERS.to_vec(),
            default: Tier::K1,
            with_auto: true,
        }),
        own: vec![OwnParameter::seed(0, 1_048_576), OwnParameter::flag("nsfw_check")],
        ..Row::minimal("krea-2-turbo")
    }
}

/// The pictures are nominal.
fn grok() -> Row {
    let plain = [(1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (2, 1), (1, 2)];
    let mut ratios = nominal(&TIERS, &plain);
    for (width, height) in [(195, 90), (200, 90)] {
        let ratio = Ratio::of_tenths(width, height);
        ratios.extend([ratio, ratio.turned()].map(|ratio| RatioRow::nominal(ratio, &TIERS)));
    }
    Row {
        sizes: Sizes { auto: true, ratios, ..Sizes::none() },
        tiers: Some(Tiers {
            field: TierField::Resolution,
            all: TIERS.to_vec(),
            default: Tier::K1,
            with_auto: true,
        }),
        efforts: Some(Efforts { all: vec![Quality::Low, Quality::Medium], default: Quality::Medium }),
        inputs: Inputs::up_to(3),
        ..Row::minimal("grok-imagine-image-2.0")
    }
}

#[rustfmt::skip]
const KREA: [(Edges, [Edges; 2]); 11] = [
    ((1, 1), [(1024, 1024), (2048, 2048)]),
    ((4, 3), [(1152, 896), (2304, 1728)]),
    ((3, 4), [(896, 1152), (1728, 2304)]),
    ((5, 4), [(1152, 896), (2240, 1792)]),
    ((4, 5), [(896, 1152), (1792, 2240)]),
    ((2, 3), [(832, 1280), (1664, 2496)]),
    ((3, 2), [(1280, 832), (2496, 1664)]),
    ((9, 16), [(768, 1344), (1472, 2688)]),
    ((16, 9), [(1344, 768), (2688, 1472)]),
    ((1, 2), [(704, 1472), (1408, 2816)]),
    ((2, 1), [(1472, 704), (2816, 1408)]),
];
