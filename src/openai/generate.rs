//! POST /v1/images/generations: from the request's JSON to an [`ImageRequest`].

use bytes::Bytes;

use super::members::Members;
use super::params;
use crate::fault::{Fault, FaultKind};
use crate::image::ImageRequest;

/// An image request, read and checked parameter by parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageParams {
    /// Without its pictures: these are still to be looked at.
    pub request: ImageRequest,
    /// Reference pictures, in order.
    pub images: Vec<GivenImage>,
    pub mask: Option<GivenImage>,
    /// Whether the answer is wanted as server-sent events; [`parse_generation`] refuses `true` for now.
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
/// Faults: 400 `invalid_json`, `missing_required_parameter`, `invalid_value`, `unsupported_parameter` (`stream`).
pub fn parse_generation(body: &[u8]) -> Result<ImageParams, Fault> {
    let mut params = ImageParams {
        request: ImageRequest::new(String::new()),
        images: Vec::new(),
        mask: None,
        stream: false,
    };
    for (name, value) in Members::read(body)?.0 {
        params::take(&mut params, &name, value)?;
    }
    if params.request.prompt.is_empty() {
        let missing = Fault::new(FaultKind::MissingParameter, "Missing required parameter: 'prompt'.");
        return Err(missing.with_param("prompt"));
    }
    if params.stream && params.request.count > 1 {
        let message = "Streaming is only supported with n=1.";
        return Err(Fault::invalid("n", message));
    }
    Ok(params)
}

#[cfg(test)]
mod tests;
