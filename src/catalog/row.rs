//! The shape of a row: everything the gateway needs to know of one model.

use std::time::Duration;

use super::tokens::TokenTable;
use crate::image::{Pixels, Quality, Ratio, Tier};

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id upstream knows.
    pub model: String,
    /// Release, Unix seconds.
    pub released: i64,
    pub prompt: PromptLimits,
    pub sizes: Sizes,
    /// What upstream takes, lowest first.
    pub qualities: Vec<Quality>,
    /// What `auto` and `standard` mean; one of `qualities`.
    pub quality_default: Quality,
    /// Images one request may ask for; each is a task of its own.
    pub count_max: u8,
    /// Reference pictures one request may give; 0 is a model without image input.
    pub references_max: usize,
    /// Takes `mask_url` beside reference pictures.
    pub mask: bool,
    /// Takes `background: transparent`.
    pub transparent: bool,
    /// Names of the model's own parameters beyond these.
    pub native: Vec<String>,
    pub tokens: TokenTable,
    pub typical_times: Vec<TypicalTime>,
    /// Overrides `evolink.task_timeout` for models that take much longer.
    pub task_timeout: Option<Duration>,
}

/// How long a prompt may be, by both measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptLimits {
    /// Unicode code points.
    pub chars_max: usize,
    /// Bytes of UTF-8.
    pub bytes_max: usize,
}

/// The sizes a model makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// With the pictures each gives at each tier.
    pub ratios: Vec<RatioRow>,
    /// The tier of a ratio without `resolution`.
    pub tier_default: Tier,
    pub pixels: PixelRule,
    /// The picture to expect of `auto`.
    pub auto: Pixels,
    /// Sizes of older models, too small for this one: made at its smallest square, then scaled down.
    pub legacy: Vec<Pixels>,
}

/// One ratio and the pictures it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatioRow {
    pub ratio: Ratio,
    pub k1: Pixels,
    pub k2: Pixels,
    pub k4: Pixels,
}

impl RatioRow {
    pub const fn at(&self, tier: Tier) -> Pixels {
        match tier {
            Tier::K0_5 | Tier::K1 => self.k1,
            Tier::K1_5 | Tier::K2 => self.k2,
            Tier::K3 | Tier::K4 => self.k4,
        }
    }
}

/// The rules for sizes given in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRule {
    /// Both edges are multiples of this.
    pub step: u32,
    pub edge_min: u32,
    pub edge_max: u32,
    /// Width times height.
    pub area_min: u64,
    pub area_max: u64,
    /// The longer side is at most so many times the shorter.
    pub ratio_max: u32,
}

/// How long tasks of one quality and tier usually take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypicalTime {
    pub quality: Quality,
    pub tier: Tier,
    pub from: Duration,
    pub to: Duration,
}

impl Row {
    /// None when the row has no figure.
    pub fn typical_duration(&self, quality: Quality, tier: Tier) -> Option<(Duration, Duration)> {
        let found = self.typical_times.iter().find(|time| time.quality == quality && time.tier == tier)?;
        Some((found.from, found.to))
    }
}
