//! The shape of a row: everything the gateway needs to know of one model.

use std::time::Duration;

use super::own::OwnParameter;
use super::sizes::Sizes;
use super::tokens::{TokenTable, text_tokens};
use crate::image::{Quality, Tier};
use crate::money::Credits;

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id upstream knows.
    pub model: String,
    /// Older names of the same model; requests may use them, upstream is sent `model`.
    pub names: Vec<String>,
    /// Release, Unix seconds; where no page tells it, the day the row was written.
    pub released: i64,
    pub prompt: PromptLimits,
    pub sizes: Sizes,
    /// None where the model has no choice of resolution.
    pub tiers: Option<Tiers>,
    /// None where the model has no rendering effort.
    pub efforts: Option<Efforts>,
    /// Images one request may ask for; each is a task of its own, upstream's own `n` is never sent.
    pub count_max: u8,
    pub inputs: Inputs,
    /// None where the model takes no mask.
    pub mask: Option<MaskRule>,
    pub transparency: Transparency,
    pub output: Output,
    /// The model's own parameters beyond these.
    pub own: Vec<OwnParameter>,
    pub price: Price,
    /// The first that fits counts instead of `price`.
    pub price_variants: Vec<PriceVariant>,
    pub typical_times: Vec<TypicalTime>,
    /// Overrides `evolink.task_timeout` for models that take much longer.
    pub task_timeout: Option<Duration>,
}

/// How long a prompt may be; what no page limits is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PromptLimits {
    /// Unicode code points.
    pub chars_max: Option<usize>,
    /// Bytes of UTF-8.
    pub bytes_max: Option<usize>,
    /// Tokens by the model's own count, which can only be estimated here.
    pub tokens_max: Option<u64>,
}

/// By how much a prompt is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// In words, for example `33000 characters are too long`.
    pub given: String,
    /// In the same unit.
    pub max: u64,
}

impl PromptLimits {
    /// None for a prompt within the limits, and for one whose tokens are not clearly too many: they are only estimated.
    pub fn excess(&self, prompt: &str) -> Option<Excess> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let over = |given: usize, max: Option<usize>, unit: &str| {
            let max = max.filter(|max| given > *max)?;
            Some(Excess { given: format!("{given} {unit} are too long"), max: count(max) })
        };
        let by_tokens = || {
            let tokens = text_tokens(prompt);
            let max = self.tokens_max.filter(|max| tokens.saturating_mul(4) > max.saturating_mul(5))?;
            Some(Excess { given: format!("about {tokens} tokens are too long"), max })
        };
        over(prompt.chars().count(), self.chars_max, "characters")
            .or_else(|| over(prompt.len(), self.bytes_max, "bytes of UTF-8"))
            .or_else(by_tokens)
    }
}

/// The model's resolution tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    /// Under which name a tier travels.
    pub field: TierField,
    /// Smallest first.
    pub all: Vec<Tier>,
    /// One of `all`.
    pub default: Tier,
    /// Whether the tier also counts where the model chooses the ratio; else with a ratio only.
    pub with_auto: bool,
}

/// The parameter that carries a tier upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierField {
    Resolution,
    Quality,
}

impl TierField {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolution => "resolution",
            Self::Quality => "quality",
        }
    }
}

/// How much work a model puts into a picture: `quality` in OpenAI's sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Efforts {
    /// What upstream takes, lowest first.
    pub all: Vec<Quality>,
    /// What `auto` and `standard` mean: one of `all`, or `Auto`, the model's own choice, which is not sent.
    pub default: Quality,
}

/// Reference pictures a model takes. The limits of one picture are those of a picture that came with the request; what
/// is behind a link is upstream's to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// More than 0: the model only edits.
    pub min: usize,
    /// 0 is a model without image input.
    pub max: usize,
    /// Length of one file.
    pub bytes_max: u64,
    /// Pixels of the shorter and of the longer side.
    pub edge_min: u32,
    pub edge_max: u32,
    /// Width times height.
    pub area_max: u64,
    /// The longer side is at most so many times the shorter.
    pub ratio_max: u32,
    /// Whether a picture may have an alpha channel.
    pub alpha: bool,
}

/// Bytes of one input where no page gives a limit, and of masks: those of gpt-image-2.
const INPUT_BYTES_MAX: u64 = mebibytes(50);

/// Evolink's pages say MB and leave open which; the larger reading leaves the rest to upstream.
pub(super) const fn mebibytes(count: u64) -> u64 {
    count * 1024 * 1024
}

impl Inputs {
    /// Text to image only.
    pub const NONE: Self = Self::up_to(0);

    /// With the limits of gpt-image-2, which hold where a page gives none.
    pub const fn up_to(max: usize) -> Self {
        Self {
            min: 0,
            max,
            bytes_max: INPUT_BYTES_MAX,
            edge_min: 1,
            edge_max: 23_170,
            area_max: 178_956_970,
            ratio_max: u32::MAX,
            alpha: true,
        }
    }

    #[must_use]
    pub(super) const fn of_megabytes(self, megabytes: u64) -> Self {
        Self { bytes_max: mebibytes(megabytes), ..self }
    }
}

/// A mask beside reference pictures: a PNG with alpha of exactly the first one's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskRule {
    pub bytes_max: u64,
    /// Only beside a single reference picture.
    pub single: bool,
}

impl MaskRule {
    pub const USUAL: Self = Self { bytes_max: INPUT_BYTES_MAX, single: false };
}

/// What `background: transparent` comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transparency {
    Never,
    Always,
    /// Keeps the alpha of the only reference picture, a PNG.
    OfInput,
}

/// The file format upstream delivers, and how it is asked for PNG, which every other form can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// PNG without being asked.
    Png,
    /// PNG when asked with `output_format`.
    Asked,
    /// PNG when asked with `model_params.output_format`.
    AskedInModelParams,
    /// No page says, and there is no way to ask.
    Unknown,
}

/// What one image costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    Tokens(TokenTable),
    PerImage(Credits),
}

/// What an image of some qualities or sizes costs, whatever the row's price says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceVariant {
    /// None: any.
    pub quality: Option<Quality>,
    /// What the expected picture counts as by its pixels. None: any.
    pub tier: Option<Tier>,
    pub price: Credits,
}

/// For models whose price no page tells: above every figure on any of their pages (8.7 credits), so that a check of
/// money errs towards refusing. Upstream's own figure replaces it when a task has ended.
pub const STAND_IN_PRICE: Price = Price::PerImage(Credits::from_micro(20_000_000));

/// How long tasks of one quality and tier usually take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypicalTime {
    pub quality: Quality,
    pub tier: Tier,
    pub from: Duration,
    pub to: Duration,
}

/// 2026-11-01, the day of the first full table.
const WRITTEN: i64 = 1_793_491_200;

impl Row {
    /// The least of a model: a prompt, `auto`, nothing else. What a configured row without a model to start from has.
    pub fn minimal(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            names: Vec::new(),
            released: WRITTEN,
            prompt: PromptLimits::default(),
            sizes: Sizes::none(),
            tiers: None,
            efforts: None,
            count_max: crate::image::COUNT_MAX,
            inputs: Inputs::NONE,
            mask: None,
            transparency: Transparency::Never,
            output: Output::Unknown,
            own: Vec::new(),
            price: STAND_IN_PRICE,
            price_variants: Vec::new(),
            typical_times: Vec::new(),
            task_timeout: None,
        }
    }

    /// None when the row has no figure.
    pub fn typical_duration(&self, quality: Quality, tier: Tier) -> Option<(Duration, Duration)> {
        let found = self.typical_times.iter().find(|time| time.quality == quality && time.tier == tier)?;
        Some((found.from, found.to))
    }

    /// The price of one image that is not by its tokens, where there is one.
    pub(super) fn price_of(&self, quality: Quality, tier: Tier) -> Option<Credits> {
        let fits = |variant: &&PriceVariant| {
            variant.quality.is_none_or(|only| only == quality) && variant.tier.is_none_or(|only| only == tier)
        };
        let own = self.price_variants.iter().find(fits).map(|variant| variant.price);
        own.or(match self.price {
            Price::PerImage(price) => Some(price),
            Price::Tokens(_) => None,
        })
    }

    /// Whether the model takes reference pictures.
    pub const fn edits(&self) -> bool {
        self.inputs.max > 0
    }
}
