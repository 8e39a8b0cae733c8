//! `models`: names, and aliases with their own defaults.

use std::collections::BTreeMap;

use super::catalog::CatalogRow;
use crate::config::macros::{choices, settings};
use crate::image::{Background, Format, Quality, Tier};

/// The model behind the aliases shipped.
pub const DEFAULT_MODEL: &str = "gpt-image-2";

/// Aliases shipped: the names that clients carry hard-coded. Those of dall-e answer with links.
pub const SHIPPED_ALIASES: [&str; 6] = [
    "dall-e-2",
    "dall-e-3",
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-2-2026-04-21",
    "chatgpt-image-latest",
];

settings! {
    /// Models and their aliases.
    pub struct Models {
        /// The model of requests that name none.
        default: String = DEFAULT_MODEL.to_owned(),
        /// Other names for models. Added to the aliases shipped; null takes a shipped one away.
        aliases: BTreeMap<String, Alias> = shipped_aliases(),
        /// Rows that add to or override the built-in table of models.
        catalog: Vec<CatalogRow> = Vec::new(),
    }
}

fn shipped_aliases() -> BTreeMap<String, Alias> {
    SHIPPED_ALIASES
        .into_iter()
        .map(|name| {
            let mut alias = Alias::of(DEFAULT_MODEL);
            alias.answer_as(name);
            (name.to_owned(), alias)
        })
        .collect()
}

settings! {
    /// Another name for a model, with its own defaults of parameters. A plain text is the model.
    pub struct Alias (or just model) {
        /// The model's id.
        model: String,
        /// Answer with pictures or links when the request does not say. `url` for the dall-e aliases.
        response_format: Option<ResponseFormat> = None,
        /// `size` when the request does not say.
        size: Option<String> = None,
        /// `resolution` when the request does not say.
        resolution: Option<Tier> = None,
        /// `quality` when the request does not say.
        quality: Option<Quality> = None,
        /// `background` when the request does not say.
        background: Option<Background> = None,
        /// `output_format` when the request does not say.
        output_format: Option<Format> = None,
        /// `output_compression` when the request does not say.
        output_compression: Option<u8> = None,
    }
}

impl Alias {
    /// An alias of `model` without defaults of its own.
    pub fn of(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            response_format: None,
            size: None,
            resolution: None,
            quality: None,
            background: None,
            output_format: None,
            output_compression: None,
        }
    }

    /// The dall-e models answered with links to squares, and their clients rely on it.
    pub(in crate::config) fn answer_as(&mut self, name: &str) {
        if name.starts_with("dall-e-") {
            self.response_format.get_or_insert(ResponseFormat::Url);
            self.size.get_or_insert_with(|| "1024x1024".to_owned());
        }
    }
}

choices! {
    /// `response_format`.
    pub enum ResponseFormat {
        Url = "url",
        B64Json = "b64_json",
    }
}

choices!(@setting Tier {
    Tier::K0_5 => "0.5K",
    Tier::K1 => "1K",
    Tier::K1_5 => "1.5K",
    Tier::K2 => "2K",
    Tier::K3 => "3K",
    Tier::K4 => "4K"
});
choices!(@setting Quality {
    Quality::Auto => "auto",
    Quality::Standard => "standard",
    Quality::Low => "low",
    Quality::Medium => "medium",
    Quality::High => "high",
    Quality::Hd => "hd",
    Quality::XHigh => "xhigh",
    Quality::Max => "max"
});
choices!(@setting Background {
    Background::Auto => "auto",
    Background::Opaque => "opaque",
    Background::Transparent => "transparent"
});
choices!(@setting Format { Format::Png => "png", Format::Jpeg => "jpeg", Format::Webp => "webp" });
