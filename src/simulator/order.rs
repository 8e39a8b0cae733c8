//! What a create asks for, checked as Evolink's pages say: by the model's row in the catalog.
//!
//! Fields that a model's page does not list are no error (the ledger keeps the body as it came); listed ones with values
//! that the page does not have are refused.

mod size;
mod surface;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::catalog::{MODEL_PARAMS, Price, Row, built_in};
use crate::image::{Format, Pixels, Quality, Tier};

const PICTURES_MAX: u64 = 10;
const CALLBACK_URL_MAX: usize = 2_048;

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(built_in);

/// The image models that the simulator's account may use, older names included.
pub(super) fn models() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| [&row.model].into_iter().chain(&row.names)).map(String::as_str)
}

/// A checked create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub model: String,
    pub prompt: String,
    pub pixels: Pixels,
    /// Medium where the model has no such choice.
    pub quality: Quality,
    pub n: u32,
    pub format: Format,
    pub transparent: bool,
    pub references: Vec<String>,
    /// Only with references; without them it is ignored.
    pub mask: Option<String>,
    pub callback_url: Option<String>,
    /// Of one picture, as the model's row has it.
    pub price: &'static Price,
}

/// Why a create is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OrderError {
    #[error("invalid request body: {0}")]
    Body(String),
    #[error("{0}")]
    Value(String),
    #[error("The model '{0}' does not exist")]
    Model(String),
}

type Fields = Map<String, Value>;

/// Reads the body of a create.
pub(super) fn read(body: &[u8]) -> Result<Order, OrderError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| OrderError::Body(error.to_string()))?;
    let Value::Object(fields) = body else {
        return Err(OrderError::Body("not an object".to_owned()));
    };
    let model = text(&fields, "model")?.ok_or_else(|| value("model is required"))?;
    let row = ROWS.iter().find(|row| row.model == model || row.names.iter().any(|name| name == model));
    let row = row.ok_or_else(|| OrderError::Model(model.to_owned()))?;
    let references = references(row, &fields)?;
    let surface = surface::read(row, &fields, references.len())?;
    let mask = mask(row, &fields, references.len())?;
    own_parameters(row, &fields)?;
    Ok(Order {
        model: model.to_owned(),
        prompt: prompt(row, &fields)?,
        pixels: pixels(row, &fields)?,
        quality: quality(row, &fields)?,
        n: count(&fields)?,
        format: surface.format,
        transparent: surface.transparent,
        references,
        mask,
        callback_url: callback(&fields)?,
        price: &row.price,
    })
}

fn value(message: impl Into<String>) -> OrderError {
    OrderError::Value(message.into())
}

/// A string field; null is absent.
fn text<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, OrderError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(value(format!("{name} must be a string"))),
    }
}

fn prompt(row: &Row, fields: &Fields) -> Result<String, OrderError> {
    let prompt = text(fields, "prompt")?.unwrap_or_default();
    if prompt.trim().is_empty() {
        return Err(value("prompt is required"));
    }
    match row.prompt.excess(prompt) {
        Some(excess) => Err(value(format!("prompt: {}, at most {}", excess.given, excess.max))),
        None => Ok(prompt.to_owned()),
    }
}

fn quality(row: &Row, fields: &Fields) -> Result<Quality, OrderError> {
    let Some(efforts) = &row.efforts else { return Ok(Quality::Medium) };
    let effective = |quality| if quality == Quality::Auto { Quality::Medium } else { quality };
    let Some(name) = text(fields, "quality")? else { return Ok(effective(efforts.default)) };
    let known = Quality::from_name(name)
        .filter(|quality| efforts.all.contains(quality) || *quality == efforts.default);
    known.map(effective).ok_or_else(|| value(format!("quality '{name}' is not supported by {}", row.model)))
}

/// The tier a create names, where the model has any.
fn tier(row: &Row, fields: &Fields) -> Result<Option<Tier>, OrderError> {
    let Some(tiers) = &row.tiers else { return Ok(None) };
    let field = tiers.field.name();
    let Some(name) = text(fields, field)? else { return Ok(Some(tiers.default)) };
    let known = name.parse().ok().filter(|tier| tiers.all.contains(tier));
    let names: Vec<_> = tiers.all.iter().map(|tier| tier.name()).collect();
    known.map(Some).ok_or_else(|| value(format!("{field} '{name}' must be one of {}", names.join(", "))))
}

fn pixels(row: &Row, fields: &Fields) -> Result<Pixels, OrderError> {
    let tier = tier(row, fields)?;
    let size = text(fields, "size")?.filter(|_| row.sizes.any());
    size::pixels(row, size, tier).map_err(value)
}

fn count(fields: &Fields) -> Result<u32, OrderError> {
    let n = match fields.get("n") {
        None | Some(Value::Null) => return Ok(1),
        Some(n) => n.as_u64().ok_or_else(|| value("n must be an integer"))?,
    };
    if !(1..=PICTURES_MAX).contains(&n) {
        return Err(value(format!("n must be between 1 and {PICTURES_MAX}")));
    }
    u32::try_from(n).map_err(|_| value("n must be an integer"))
}

fn references(row: &Row, fields: &Fields) -> Result<Vec<String>, OrderError> {
    let (min, max) = (row.inputs.min, row.inputs.max);
    let list = match fields.get("image_urls") {
        None | Some(Value::Null) if min == 0 => return Ok(Vec::new()),
        None | Some(Value::Null) => return Err(value(format!("image_urls is required by {}", row.model))),
        Some(Value::Array(_)) if max == 0 => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(value("image_urls must be an array")),
    };
    if !(1..=max).contains(&list.len()) {
        return Err(value(format!("image_urls must have 1 to {max} entries")));
    }
    let urls = list.iter().map(|url| match url.as_str().filter(|url| is_link(url)) {
        Some(url) => Ok(url.to_owned()),
        None => Err(value("image_urls must be http or https URLs")),
    });
    urls.collect()
}

fn mask(row: &Row, fields: &Fields, references: usize) -> Result<Option<String>, OrderError> {
    let Some(rule) = &row.mask else { return Ok(None) };
    let mask = link(fields, "mask_url")?.filter(|_| references > 0);
    if mask.is_some() && rule.single && references > 1 {
        return Err(value("mask_url is supported with one image only"));
    }
    Ok(mask)
}

/// The model's own parameters, at the top and in `model_params`.
fn own_parameters(row: &Row, fields: &Fields) -> Result<(), OrderError> {
    let none = Fields::new();
    let members = match fields.get(MODEL_PARAMS) {
        None | Some(Value::Null) => &none,
        Some(Value::Object(members)) => members,
        Some(_) => return Err(value("model_params must be an object")),
    };
    for parameter in &row.own {
        let (place, name) = match parameter.name.split_once('.') {
            Some((MODEL_PARAMS, name)) => (members, name),
            _ => (fields, parameter.name.as_str()),
        };
        let given = place.get(name).filter(|given| !given.is_null());
        if let Some(problem) = given.and_then(|given| parameter.problem(given)) {
            return Err(value(format!("{} is invalid. {problem}", parameter.name)));
        }
    }
    Ok(())
}

fn link(fields: &Fields, name: &str) -> Result<Option<String>, OrderError> {
    match text(fields, name)? {
        None => Ok(None),
        Some(url) if is_link(url) => Ok(Some(url.to_owned())),
        Some(_) => Err(value(format!("{name} must be an http or https URL"))),
    }
}

fn callback(fields: &Fields) -> Result<Option<String>, OrderError> {
    let url = link(fields, "callback_url")?;
    if url.as_ref().is_some_and(|url| url.len() > CALLBACK_URL_MAX) {
        return Err(value(format!("callback_url exceeds {CALLBACK_URL_MAX} characters")));
    }
    Ok(url)
}

fn is_link(url: &str) -> bool {
    url.parse::<http::Uri>()
        .is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")))
}
