//! Other names for models, with defaults of their own: what clients hard-code.

use std::collections::BTreeMap;

use super::models::DEFAULT as MODEL;
use crate::image::{Background, Compression, Delivery, Format, ImageRequest, Pixels, Quality, Size, Tier};

/// What a name stands for. The defaults fill in what a request leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// A model's own id, not another alias.
    pub model: String,
    pub delivery: Option<Delivery>,
    pub quality: Option<Quality>,
    pub size: Option<Size>,
    pub resolution: Option<Tier>,
    pub background: Option<Background>,
    pub format: Option<Format>,
    pub compression: Option<Compression>,
}

impl Alias {
    /// A plain second name.
    pub fn of(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            delivery: None,
            quality: None,
            size: None,
            resolution: None,
            background: None,
            format: None,
            compression: None,
        }
    }

    /// Fills in what the request leaves open.
    pub(super) fn complete(&self, request: ImageRequest) -> ImageRequest {
        ImageRequest {
            size: request.size.or(self.size),
            resolution: request.resolution.or(self.resolution.filter(|_| request.quality_tier.is_none())),
            quality: request.quality.or(self.quality.filter(|_| request.quality_tier.is_none())),
            background: request.background.or(self.background),
            format: request.format.or(self.format),
            compression: request.compression.or(self.compression),
            ..request
        }
    }

    /// With the defaults of OpenAI's dall-e models: links, standard quality, 1024x1024.
    pub fn dall_e(model: impl Into<String>) -> Self {
        Self {
            delivery: Some(Delivery::Url),
            quality: Some(Quality::Standard),
            size: Some(Size::Pixels(Pixels::new(1024, 1024))),
            ..Self::of(model)
        }
    }
}

/// The aliases there are when the config names none.
pub fn shipped_aliases() -> BTreeMap<String, Alias> {
    let plain = ["gpt-image-1", "gpt-image-1-mini", "gpt-image-2-2026-04-21", "chatgpt-image-latest"];
    let dall_e = ["dall-e-2", "dall-e-3"];
    let plain = plain.into_iter().map(|name| (name.to_owned(), Alias::of(MODEL)));
    plain.chain(dall_e.into_iter().map(|name| (name.to_owned(), Alias::dall_e(MODEL)))).collect()
}
