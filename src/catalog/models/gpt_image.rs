//! gpt-image-2 and its like: "GPT Image 2 Image Generation" and "gpt-image-2.5 API".

use std::time::Duration;

use super::{DEFAULT, Edges, table_with_turned};
use crate::catalog::row::{
    Efforts, Inputs, MaskRule, Output, Price, PromptLimits, Row, TierField, Tiers, Transparency, TypicalTime,
};
use crate::catalog::sizes::{PixelRule, PixelSizes, RatioRow, Sizes};
use crate::catalog::tokens::{TokenRates, TokenTable};
use crate::image::{Pixels, Quality, Tier};

/// 2026-04-21 and 2026-09-08, the dates in the models' dated names.
const RELEASED_2: i64 = 1_776_729_600;
const RELEASED_2_5: i64 = 1_788_825_600;

pub(super) fn rows() -> Vec<Row> {
    vec![gpt_image_2(), gpt_image_2_5("gpt-image-2.5-sunburst"), gpt_image_2_5("gpt-image-2.5-flare")]
}

fn gpt_image_2() -> Row {
    Row {
        released: RELEASED_2,
        // 32,000 Chinese characters are 96,000 bytes: the byte limit, on later versions of the page, bites first.
        prompt: PromptLimits { chars_max: Some(32_000), bytes_max: Some(60_000), tokens_max: None },
        sizes: Sizes {
            auto: true,
            auto_picture: Pixels::new(1024, 1024),
            ratios: ratios(),
            pixels: PixelSizes::Rule(PixelRule {
                step: 16,
                edge_min: 16,
                edge_max: 3840,
                area_min: 655_360,
                area_max: 8_294_400,
                ratio_max: 3,
            }),
        },
        tiers: Some(Tiers {
            field: TierField::Resolution,
            all: TIERS.to_vec(),
            default: Tier::K1,
            with_auto: false,
        }),
        efforts: Some(Efforts {
            all: vec![Quality::Low, Quality::Medium, Quality::High],
            default: Quality::Medium,
        }),
        inputs: Inputs::up_to(16),
        mask: Some(MaskRule::USUAL),
        transparency: Transparency::Always,
        output: Output::Png,
        // Tokens of a 1024x1024 picture: the table of the gpt-image-2.5 page, which equates its qualities with these.
        price: tokens(&[(Quality::Low, 196), (Quality::Medium, 1_756), (Quality::High, 7_024)]),
        typical_times: typical_times(),
        ..Row::minimal(DEFAULT)
    }
}

/// Both take the same parameters; sunburst edits more precisely, flare is faster.
fn gpt_image_2_5(model: &str) -> Row {
    let squares = [
        (Quality::Low, 196),
        (Quality::Medium, 439),
        (Quality::High, 1_756),
        (Quality::XHigh, 3_122),
        (Quality::Max, 7_024),
    ];
    let mut sizes = gpt_image_2().sizes;
    // the only pictures in which the two pages differ
    for row in &mut sizes.ratios {
        for (_, picture) in &mut row.pictures {
            *picture = match (picture.width, picture.height) {
                (3840, 1632) => Pixels::new(3840, 1648),
                (1632, 3840) => Pixels::new(1648, 3840),
                _ => *picture,
            };
        }
    }
    Row {
        model: model.to_owned(),
        released: RELEASED_2_5,
        sizes,
        efforts: Some(Efforts {
            all: squares.iter().map(|(quality, _)| *quality).collect(),
            default: Quality::Medium,
        }),
        price: tokens(&squares),
        typical_times: Vec::new(),
        ..gpt_image_2()
    }
}

const TIERS: [Tier; 3] = [Tier::K1, Tier::K2, Tier::K4];

/// Ratio, then the pictures at 1K, 2K and 4K; the pages list landscape, portrait is the same turned.
const LANDSCAPE: [(Edges, [Edges; 3]); 8] = [
    ((1, 1), [(1024, 1024), (2048, 2048), (2880, 2880)]),
    ((2, 1), [(1456, 720), (2896, 1456), (3840, 1920)]),
    ((3, 1), [(1776, 592), (3552, 1184), (3840, 1280)]),
    ((3, 2), [(1248, 832), (2512, 1680), (3520, 2352)]),
    ((4, 3), [(1184, 880), (2368, 1776), (3312, 2480)]),
    ((5, 4), [(1152, 912), (2288, 1824), (3216, 2576)]),
    ((16, 9), [(1360, 768), (2736, 1536), (3840, 2160)]),
    ((21, 9), [(1568, 672), (3136, 1344), (3840, 1632)]),
];

/// Also what gpt-image-2-beta is expected to make at 1K.
pub(super) fn ratios() -> Vec<RatioRow> {
    table_with_turned(TIERS, &LANDSCAPE)
}

/// Rates: Evolink's public price list of 2026-10-10 (1.836, 0.4896 and 0.306 credits per 1,000 tokens).
fn tokens(square_1k: &[(Quality, u64)]) -> Price {
    Price::Tokens(TokenTable {
        square_1k: square_1k.to_vec(),
        // No page says how many tokens a reference picture costs. OpenAI counts about 4,800 for a 1024x1024 one at
        // the high input fidelity that these models always work with.
        per_reference: 4_800,
        rates: TokenRates { output: 1_836_000, input_image: 489_600, input_text: 306_000 },
    })
}

/// Documented: 1K low, 1K medium, 2K high, 4K high (Evolink's own skill for the model); the rest lies between.
fn typical_times() -> Vec<TypicalTime> {
    let table = [
        (Quality::Low, Tier::K1, 5, 15),
        (Quality::Low, Tier::K2, 8, 25),
        (Quality::Low, Tier::K4, 12, 40),
        (Quality::Medium, Tier::K1, 10, 30),
        (Quality::Medium, Tier::K2, 15, 45),
        (Quality::Medium, Tier::K4, 20, 60),
        (Quality::High, Tier::K1, 15, 45),
        (Quality::High, Tier::K2, 20, 60),
        (Quality::High, Tier::K4, 30, 90),
    ];
    let seconds = Duration::from_secs;
    table
        .into_iter()
        .map(|(quality, tier, from, to)| TypicalTime { quality, tier, from: seconds(from), to: seconds(to) })
        .collect()
}
