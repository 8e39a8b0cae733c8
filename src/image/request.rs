//! A client's wish, free of any wire format. Whether a model can fulfil it is the catalog's question.

use serde_json::{Map, Value};

use super::{Background, Compression, Delivery, Format, Quality, Reference, Size, Tier};

/// Images one request may ask for.
pub const COUNT_MAX: u8 = 10;

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
    pub background: Option<Background>,
    pub format: Option<Format>,
    pub compression: Option<Compression>,
    pub delivery: Option<Delivery>,
    /// Reference pictures, in order.
    pub references: Vec<Reference>,
    /// What of the first reference picture is to be made anew.
    pub mask: Option<Reference>,
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
            background: None,
            format: None,
            compression: None,
            delivery: None,
            references: Vec::new(),
            mask: None,
            native: Map::new(),
            ignored: Vec::new(),
        }
    }
}
