//! POST /v1/images/generations: from the request's JSON to an [`ImageRequest`].

use bytes::Bytes;

use super::given::Wire;
use super::ignored::ignore;
use super::members::Members;
use super::params::{self, REFERENCES_MAX};
use crate::fault::{Fault, FaultKind};
use crate::image::{ImageRequest, InputNames};

/// What OpenAI answers when several images are to be streamed: its events have no place for an image's number.
const STREAM_OF_MANY: &str = "Streaming is only supported with n=1.";

/// An image request, read and checked parameter by parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageParams {
    /// Without its pictures: these are still to be looked at.
    pub request: ImageRequest,
    /// Reference pictures, in order.
    pub images: Vec<GivenImage>,
    pub mask: Option<GivenImage>,
    /// Whether the answer is wanted as server-sent events; then `request.count` is 1.
    pub stream: bool,
}

/// A reference picture or mask as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenImage {
    /// An http or https link.
    Link(String),
    /// The bytes of a data URL, decoded; whatever they are.
    Data(Bytes),
}

/// Reads a request body. Null is absent; of a repeated name the last value counts; unknown names are ignored and
/// noted in `request.ignored`.
///
/// Faults: 400 `invalid_json`, `missing_required_parameter`, `invalid_value`.
pub fn parse_generation(body: &[u8]) -> Result<ImageParams, Fault> {
    let mut params = ImageParams::new(InputNames::GENERATION);
    for (name, value) in Members::read(body)?.0 {
        params::take(&mut params, &name, value, Wire::Json)?;
    }
    params.finish()
}

impl ImageParams {
    pub(super) fn new(names: InputNames) -> Self {
        let request = ImageRequest { names, ..ImageRequest::new(String::new()) };
        Self { request, images: Vec::new(), mask: None, stream: false }
    }

    /// Notes that something of this name came and has no effect.
    pub fn ignore(&mut self, name: &str) {
        ignore(&mut self.request.ignored, name);
    }

    /// What can be said only when all parameters are there.
    pub(super) fn finish(mut self) -> Result<Self, Fault> {
        if self.request.prompt.is_empty() {
            let missing = Fault::new(FaultKind::MissingParameter, "Missing required parameter: 'prompt'.");
            return Err(missing.with_param("prompt"));
        }
        if self.images.len() > REFERENCES_MAX {
            let (name, given) = (self.request.names.image, self.images.len());
            let message = format!(
                "Invalid value for '{name}': {given} pictures given, at most {REFERENCES_MAX} are taken."
            );
            return Err(Fault::invalid(name, message));
        }
        if self.stream {
            if self.request.count > 1 {
                return Err(Fault::invalid("n", STREAM_OF_MANY));
            }
            // Fewer than asked may arrive, and of Evolink's none does: so this is no parameter without effect.
            self.request.ignored.retain(|name| name != "partial_images");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
