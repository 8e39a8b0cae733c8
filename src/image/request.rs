//! A client's wish, free of any wire format. Whether a model can fulfil it is the catalog's question.

use serde_json::{Map, Value};

use super::{Background, Compression, Delivery, Format, Quality, Reference, Size, Tier};

/// Images one request may ask for.
pub const COUNT_MAX: u8 = 10;

/// What the client calls its pictures, so that a refusal names the parameter that it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputNames {
    pub image: &'static str,
    pub mask: &'static str,
}

impl InputNames {
    /// Of generations: Evolink's own parameters.
    pub const GENERATION: Self = Self { image: "image_urls", mask: "mask_url" };
    /// Of an edit's form.
    pub const EDIT_FORM: Self = Self { image: "image", mask: "mask" };
    /// Of an edit's JSON.
    pub const EDIT_JSON: Self = Self { image: "images", mask: "mask" };
}

/// What a client asked for. Every value is valid in itself; `None` is "the model's default".
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRequest {
    /// As the client wrote it: a model, an alias, or nothing.
    pub model: Option<String>,
    /// Not empty.
    pub prompt: String,
    /// 1 to [`COUNT_MAX`].
    pub count: u8,
    pub size: Option<Size>,
    pub resolution: Option<Tier>,
    pub quality: Option<Quality>,
    /// `quality` written as a resolution tier, for models whose `quality` is one; then there is no other.
    pub quality_tier: Option<Tier>,
    pub background: Option<Background>,
    pub format: Option<Format>,
    pub compression: Option<Compression>,
    pub delivery: Option<Delivery>,
    /// Reference pictures, in order.
    pub references: Vec<Reference>,
    /// What of the first reference picture is to be made anew.
    pub mask: Option<Reference>,
    pub names: InputNames,
    /// Evolink's own parameters beyond these (`seed`, `negative_prompt`, `model_params`, …), for models that have them.
    pub native: Map<String, Value>,
    /// Names of parameters that no model here has a use for, in the order they came.
    pub ignored: Vec<String>,
}

impl ImageRequest {
    /// One picture of `prompt`, everything else left to the model.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            model: None,
            prompt: prompt.into(),
            count: 1,
            size: None,
            resolution: None,
            quality: None,
            quality_tier: None,
            background: None,
            format: None,
            compression: None,
            delivery: None,
            references: Vec::new(),
            mask: None,
            names: InputNames::GENERATION,
            native: Map::new(),
            ignored: Vec::new(),
        }
    }
}
