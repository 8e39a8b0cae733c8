//! The row of gpt-image-2, figure by figure from Evolink's page of the model ("GPT Image 2 Image Generation").

use std::time::Duration;

use super::row::{PixelRule, PromptLimits, RatioRow, Row, Sizes, TypicalTime};
use super::tokens::{TokenRates, TokenTable};
use crate::image::{COUNT_MAX, Pixels, Quality, Ratio, Tier};

pub(super) const MODEL: &str = "gpt-image-2";

/// 2026-04-21, the date in the model's dated name.
const RELEASED: i64 = 1_776_729_600;

pub(super) fn row() -> Row {
    Row {
        model: MODEL.to_owned(),
        released: RELEASED,
        // 32,000 Chinese characters are 96,000 bytes: the byte limit, on later versions of the page, bites first.
        prompt: PromptLimits { chars_max: 32_000, bytes_max: 60_000 },
        sizes: sizes(),
        qualities: vec![Quality::Low, Quality::Medium, Quality::High],
        quality_default: Quality::Medium,
        count_max: COUNT_MAX,
        references_max: 16,
        mask: true,
        transparent: true,
        native: Vec::new(),
        tokens: tokens(),
        typical_times: typical_times(),
        task_timeout: None,
    }
}

fn sizes() -> Sizes {
    Sizes {
        ratios: ratios(),
        tier_default: Tier::K1,
        pixels: PixelRule {
            step: 16,
            edge_min: 16,
            edge_max: 3840,
            area_min: 655_360,
            area_max: 8_294_400,
            ratio_max: 3,
        },
        auto: Pixels::new(1024, 1024),
        legacy: vec![Pixels::new(256, 256), Pixels::new(512, 512)],
    }
}

/// Width and height.
type Edges = (u32, u32);

/// Ratio, then the pictures at 1K, 2K and 4K; the page lists landscape, portrait is the same turned.
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

fn ratios() -> Vec<RatioRow> {
    let row = |(width, height), [k1, k2, k4]: [Edges; 3]| {
        let pixels = |(width, height)| Pixels::new(width, height);
        RatioRow { ratio: Ratio::new(width, height), k1: pixels(k1), k2: pixels(k2), k4: pixels(k4) }
    };
    let turned = |(width, height)| (height, width);
    let mut ratios = Vec::with_capacity(LANDSCAPE.len() * 2);
    for (ratio, pictures) in LANDSCAPE {
        ratios.push(row(ratio, pictures));
        if ratio != turned(ratio) {
            ratios.push(row(turned(ratio), pictures.map(turned)));
        }
    }
    ratios
}

/// Tokens of a 1024x1024 picture: the table of the gpt-image-2.5 page, which equates its qualities with this
/// model's. Rates: Evolink's public price list of 2026-10-10 (1.836, 0.4896 and 0.306 credits per 1,000 tokens).
fn tokens() -> TokenTable {
    TokenTable {
        square_1k: vec![(Quality::Low, 196), (Quality::Medium, 1756), (Quality::High, 7024)],
        // No page says how many tokens a reference picture costs. OpenAI counts about 4,800 for a 1024x1024 one at
        // the high input fidelity that this model always works with.
        per_reference: 4_800,
        rates: TokenRates { output: 1_836_000, input_image: 489_600, input_text: 306_000 },
    }
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
