//! POST /v1/images/edits and /v1/images/variations: from a form's text fields or from JSON to an image request.
//!
//! A form's files are received elsewhere; here are its texts only, so whether there is a picture at all is asked later.

use serde_json::Value;

use super::form;
use super::generate::ImageParams;
use super::given::{Given, Wire};
use super::members::Members;
use super::params::{REFERENCES_MAX, take};
use crate::fault::Fault;
use crate::image::InputNames;

/// The prompt of every variation: OpenAI's call has none, upstream's models want one.
pub const VARIATION_PROMPT: &str =
    "Create a variation of this image: keep its subject, style and composition, vary the details.";

/// Reads the text fields of an edit's form, as [`super::parse_generation`] reads JSON: `n=2`, `stream=true`,
/// `model_params[web_search]=true`. An empty text is absent, `null` is a text.
///
/// Faults: 400 `missing_required_parameter`, `invalid_value`.
pub fn parse_edit_form(fields: Vec<(String, String)>) -> Result<ImageParams, Fault> {
    let mut params = ImageParams::new(InputNames::EDIT_FORM);
    for (name, value) in form::members(fields)? {
        take(&mut params, &name, value, Wire::Form)?;
    }
    params.finish()
}

/// Reads the text fields of a variation's form: an edit with the prompt [`VARIATION_PROMPT`]. A prompt that came along
/// is ignored and named so.
pub fn parse_variation_form(fields: Vec<(String, String)>) -> Result<ImageParams, Fault> {
    let (prompts, mut fields): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == "prompt");
    fields.push(("prompt".to_owned(), VARIATION_PROMPT.to_owned()));
    let mut params = parse_edit_form(fields)?;
    if !prompts.is_empty() {
        params.ignore("prompt");
    }
    Ok(params)
}

/// Reads an edit's JSON. Pictures are given as OpenAI has it (`images: [{"image_url": …}]`, `mask: {"image_url": …}`), as
/// bare links or data URLs (`image`, `images`, `mask`), or as in generations (`image_urls`, `mask_url`).
///
/// Faults: as `parse_generation`, and 400 `unsupported_parameter` for `file_id`.
pub fn parse_edit(body: &[u8]) -> Result<ImageParams, Fault> {
    let mut params = ImageParams::new(InputNames::EDIT_JSON);
    for (name, value) in Members::read(body)?.0.into_iter().filter(|(_, value)| !value.is_null()) {
        take_of_edit(&mut params, &name, value)?;
    }
    params.finish()
}

/// Takes one parameter. A refusal names pictures as the client did.
fn take_of_edit(params: &mut ImageParams, name: &str, value: Value) -> Result<(), Fault> {
    let given = |name, value| Given { name, value, wire: Wire::Json };
    let names = &mut params.request.names;
    match name {
        "images" | "image" => {
            names.image = if name == "image" { "image" } else { "images" };
            params.images.extend(given(names.image, value).image_references(REFERENCES_MAX)?);
        }
        "mask" => {
            names.mask = "mask";
            params.take_mask(given("mask", value), Given::image_reference)?;
        }
        _ => {
            match name {
                "image_urls" => names.image = "image_urls",
                "mask_url" => names.mask = "mask_url",
                _ => {}
            }
            take(params, name, value, Wire::Json)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
