//! `models.catalog`: rows that add to or override the built-in table of models. What a row becomes is `app`'s matter;
//! the words are those of `/v1/models`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::config::amount::Amount;
use crate::config::macros::{choices, settings};
use crate::config::scalar::text_like;
use crate::config::setting::{Reader, Setting};
use crate::config::shown::{Secrets, Shown};
use crate::config::size;
use crate::image::{Pixels, Quality, Ratio, Size, Tier};

settings! {
    /// A row of the table of models. Columns left out are those of `like`, of the built-in row of the same id, or of a
    /// model that takes a prompt and nothing else.
    pub struct CatalogRow {
        /// The model's id, as Evolink knows it.
        id: String,
        /// The model whose row this one starts from. Default: the built-in row of the same id.
        like: Option<String> = None,
        /// Unicode code points of a prompt.
        prompt_characters: Option<u32> = None,
        /// Bytes of a prompt.
        prompt_bytes: Option<u32> = None,
        /// Tokens of a prompt; refused only when an estimate is clearly above.
        prompt_tokens: Option<u32> = None,
        /// Aspect ratios that `size` takes; [] for none.
        ratios: Option<Vec<Ratio>> = None,
        /// The pictures of ratios, by ratio and tier, where they are known: {"16:9": {1K: 1360x768}}.
        pictures: BTreeMap<String, BTreeMap<String, Pixels>> = BTreeMap::new(),
        /// The rules for any other WIDTHxHEIGHT.
        pixels: Option<PixelRule> = None,
        /// The only sizes in pixels that the model takes, instead of rules; [] for no sizes in pixels.
        sizes: Option<Vec<Pixels>> = None,
        /// The picture to expect of `auto`.
        auto_size: Option<Pixels> = None,
        /// Resolution tiers, smallest first; [] for none.
        resolutions: Option<Vec<Tier>> = None,
        /// The tier of requests that name none. Default: the first.
        default_resolution: Option<Tier> = None,
        /// The parameter that carries the tier to Evolink. Default: resolution.
        resolution_as: Option<ResolutionAs> = None,
        /// Whether the tier counts beside `auto` too.
        resolution_with_auto: Option<bool> = None,
        /// Rendering qualities, lowest first; [] for none.
        qualities: Option<Vec<Quality>> = None,
        /// What `auto` and `standard` mean. Default: the first.
        default_quality: Option<Quality> = None,
        /// Images of one request.
        max_n: Option<u32> = None,
        /// Reference pictures.
        images: ImageInputs = ImageInputs::default(),
        /// Whether the model takes a mask beside them.
        mask: Option<bool> = None,
        /// When `background: transparent` works.
        transparent: Option<Transparent> = None,
        /// How Evolink is asked for PNG.
        png_by: Option<PngBy> = None,
        /// The model's own parameters, instead of those of the row it starts from. A member of model_params is
        /// model_params.NAME.
        parameters: Option<BTreeMap<String, RowParameter>> = None,
        /// What one image costs, in credits.
        price_per_image: Option<Amount> = None,
        /// Instead of `evolink.task_timeout`.
        task_timeout: Option<Duration> = None,
    }
}

settings! {
    /// The rules for sizes in pixels.
    pub struct PixelRule {
        /// Width and height are multiples of this.
        multiple_of: u32 = 1 => 1..=1024,
        /// Shortest edge.
        min_edge: u32 = 16 => 1..=65_536,
        /// Longest edge.
        max_edge: u32 = 16_384 => 1..=65_536,
        /// Least width times height.
        min_pixels: u64 = 1,
        /// Most width times height.
        max_pixels: u64,
        /// The longer side is at most so many times the shorter.
        max_ratio: u32 = 16 => 1..=1024,
    }
}

settings! {
    /// Limits of reference pictures.
    pub struct ImageInputs {
        /// Fewest; more than 0 for models that only edit.
        min: Option<u32> = None,
        /// Most; 0 for models without image input.
        max: Option<u32> = None,
        /// Largest file.
        max_bytes: Option<size::Size> = None,
        /// Shortest edge.
        min_edge: Option<u32> = None,
        /// Longest edge.
        max_edge: Option<u32> = None,
        /// Most width times height.
        max_pixels: Option<u64> = None,
        /// The longer side is at most so many times the shorter.
        max_ratio: Option<u32> = None,
        /// Whether an alpha channel is taken.
        alpha: Option<bool> = None,
    }
}

settings! {
    /// One of the model's own parameters.
    pub struct RowParameter (or just kind) {
        /// What it takes.
        kind: ParameterKind,
        /// Characters of a text.
        max_length: u32 = 2000,
        /// Least integer.
        minimum: u64 = 0,
        /// Largest integer.
        maximum: u64 = 2_147_483_647 => 0..=9_007_199_254_740_991,
        /// The words of a choice.
        choices: Vec<String> = Vec::new(),
    }
}

choices! {
    /// The values of a parameter.
    pub enum ParameterKind {
        Text = "text",
        Integer = "integer",
        Boolean = "boolean",
        Choice = "choice",
        /// A list of `{"type": "web_search"}`.
        WebSearch = "web_search",
    }
}

choices! {
    /// The parameter that carries a resolution tier.
    pub enum ResolutionAs {
        Resolution = "resolution",
        Quality = "quality",
    }
}

choices! {
    /// When `background: transparent` works.
    pub enum Transparent {
        Never = "never",
        Always = "always",
        /// Kept from the only reference picture.
        OfInput = "of_input",
    }
}

choices! {
    /// How Evolink is asked for PNG.
    pub enum PngBy {
        /// PNG without being asked.
        Default = "default",
        OutputFormat = "output_format",
        ModelParams = "model_params",
        /// There is no way; what comes is converted.
        Nothing = "nothing",
    }
}

impl Setting for Ratio {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value.as_str().and_then(|text| text.parse().ok()) {
            Some(Size::Ratio(ratio)) => Some(ratio),
            _ => reader.wrong(value, "must be a ratio such as \"16:9\""),
        }
    }

    fn schema() -> Value {
        text_like(r"^[0-9]+(\.[0-9])?:[0-9]+(\.[0-9])?$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }
}

impl Setting for Pixels {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value.as_str().and_then(|text| text.parse().ok()) {
            Some(Size::Pixels(pixels)) => Some(pixels),
            _ => reader.wrong(value, "must be WIDTHxHEIGHT such as 1024x1024"),
        }
    }

    fn schema() -> Value {
        text_like("^[0-9]+x[0-9]+$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }
}
