//! `pricing`: what Evolink is expected to charge. Evolink's own figure replaces it when a task has ended.

use std::collections::BTreeMap;

use super::teams::MaxResolution;
use crate::config::amount::Amount;
use crate::config::macros::settings;
use crate::image::Quality;

settings! {
    /// What things cost.
    pub struct Pricing {
        /// Evolink's credits in one US dollar.
        credits_per_usd: Amount = Amount::whole(68),
        /// Credits per 1,000 tokens, of models that are paid by the token.
        tokens: TokenPrices = TokenPrices::default(),
        /// Input tokens that a reference picture is expected to come to. No page tells; rather too many than too few.
        reference_tokens: u64 = 4_800 => 0..=1_000_000,
        /// Prices of models that differ from the built-in table.
        models: BTreeMap<String, ModelPrice> = BTreeMap::new(),
    }
}

settings! {
    /// Credits per 1,000 tokens.
    pub struct TokenPrices {
        /// Of pictures made.
        image_output: Amount = Amount::from_micros(1_836_000),
        /// Of reference pictures.
        image_input: Amount = Amount::from_micros(489_600),
        /// Of prompts.
        text_input: Amount = Amount::from_micros(306_000),
    }
}

settings! {
    /// The price of a model: `per_image`, or what differs from the general price of tokens.
    pub struct ModelPrice {
        /// Credits of one image, whatever it is.
        per_image: Option<Amount> = None,
        /// Credits of images of some qualities or resolutions; the first that fits counts.
        variants: Vec<PriceVariant> = Vec::new(),
        /// Credits per 1,000 tokens.
        tokens: ModelTokenPrices = ModelTokenPrices::default(),
        /// Tokens of a picture of 1024x1024; they grow with its pixels.
        output_tokens: OutputTokens = OutputTokens::default(),
        /// Input tokens that a reference picture is expected to come to.
        reference_tokens: Option<u64> = None,
    }
}

settings! {
    /// The price of images of one quality, one resolution, or both.
    pub struct PriceVariant {
        /// Credits of one image.
        per_image: Amount,
        /// Default: any.
        quality: Option<Quality> = None,
        /// What the picture counts as, by its pixels. Default: any.
        resolution: Option<MaxResolution> = None,
    }
}

settings! {
    /// Credits per 1,000 tokens of one model; what is not set is as for all.
    pub struct ModelTokenPrices {
        /// Of pictures made.
        image_output: Option<Amount> = None,
        /// Of reference pictures.
        image_input: Option<Amount> = None,
        /// Of prompts.
        text_input: Option<Amount> = None,
    }
}

settings! {
    /// Tokens of a picture of 1024x1024 by quality.
    pub struct OutputTokens {
        /// Of quality low. A quality without a figure counts as the dearest.
        low: Option<u64> = None,
        /// Of quality medium.
        medium: Option<u64> = None,
        /// Of quality high.
        high: Option<u64> = None,
        /// Of quality xhigh.
        xhigh: Option<u64> = None,
        /// Of quality max.
        max: Option<u64> = None,
    }
}

impl ModelPrice {
    /// Whether anything is said of tokens.
    pub fn is_by_token(&self) -> bool {
        let ModelTokenPrices { image_output, image_input, text_input } = self.tokens;
        let rates = [image_output, image_input, text_input].iter().any(Option::is_some);
        rates || self.reference_tokens.is_some() || self.output_tokens.given().next().is_some()
    }
}

impl OutputTokens {
    /// Those that are set.
    pub fn given(&self) -> impl Iterator<Item = (Quality, u64)> {
        let Self { low, medium, high, xhigh, max } = *self;
        let all = [
            (Quality::Low, low),
            (Quality::Medium, medium),
            (Quality::High, high),
            (Quality::XHigh, xhigh),
            (Quality::Max, max),
        ];
        all.into_iter().filter_map(|(quality, tokens)| Some((quality, tokens?)))
    }
}
