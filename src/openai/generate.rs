//! POST /v1/images/generations: from the request's JSON to an [`ImageRequest`].

use super::members::Members;
use super::params;
use crate::fault::{Fault, FaultKind};
use crate::image::ImageRequest;

/// A generation request, read and checked parameter by parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationParams {
    pub request: ImageRequest,
    /// Whether the answer is wanted as server-sent events; [`parse_generation`] refuses `true` for now.
    pub stream: bool,
}

/// Reads a request body. Null is absent; of a repeated name the last value counts; unknown names are ignored and
/// noted in `request.ignored`.
///
/// Faults: 400 `invalid_json`, `missing_required_parameter`, `invalid_value`, `unsupported_parameter` (`stream`).
pub fn parse_generation(body: &[u8]) -> Result<GenerationParams, Fault> {
    let mut params = GenerationParams { request: ImageRequest::new(String::new()), stream: false };
    for (name, value) in Members::read(body)?.0 {
        params::take(&mut params, &name, value)?;
    }
    if params.request.prompt.is_empty() {
        let missing = Fault::new(FaultKind::MissingParameter, "Missing required parameter: 'prompt'.");
        return Err(missing.with_param("prompt"));
    }
    if params.stream {
        let message = "Streaming is not supported. Leave 'stream' out: the answer then comes whole, as one JSON object.";
        return Err(Fault::new(FaultKind::UnsupportedParameter, message).with_param("stream"));
    }
    Ok(params)
}

#[cfg(test)]
mod tests;
