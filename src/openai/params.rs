//! The table of known parameters: what each must look like and where it goes.
//!
//! Three kinds: OpenAI's that mean something here, Evolink's own that some model takes (`native`, sorted out by
//! `catalog`), and those that no model here has a use for, which are checked all the same and then named as ignored.

use serde_json::Value;

use super::generate::{GivenImage, ImageParams};
use super::given::{Given, Wire};
use super::ignored::ignore;
use crate::fault::Fault;
use crate::image::{Background, COUNT_MAX, Compression, Delivery, Format, Quality, Size, SizeError, Tier};

/// Reference pictures of one request, whatever the model.
pub(super) const REFERENCES_MAX: usize = 16;

type Take = fn(&mut ImageParams, Given) -> Result<(), Fault>;

const PARAMETERS: &[(&str, Take)] = &[
    ("prompt", prompt),
    ("model", |params, given| given.text().map(|name| params.request.model = Some(name))),
    ("n", count),
    ("size", |params, given| size(&given).map(|size| params.request.size = Some(size))),
    ("resolution", |params, given| tier(&given).map(|tier| params.request.resolution = Some(tier))),
    ("quality", |params, given| quality(params, &given)),
    ("background", background),
    ("output_format", format),
    ("output_compression", compression),
    ("response_format", delivery),
    ("stream", |params, given| given.flag().map(|stream| params.stream = stream)),
    // Evolink's own
    ("image_urls", |params, given| given.images(REFERENCES_MAX).map(|images| params.images.extend(images))),
    ("mask_url", |params, given| params.take_mask(given, Given::image)),
    ("negative_prompt", |params, given| native(params, given, |given| given.text().map(Value::from))),
    ("seed", |params, given| native(params, given, |given| given.any_integer().map(Value::from))),
    ("model_params", |params, given| native(params, given, |given| given.object().map(Value::from))),
    ("prompt_extend", |params, given| native(params, given, |given| given.flag().map(Value::from))),
    ("watermark", |params, given| native(params, given, |given| given.flag().map(Value::from))),
    ("nsfw_check", |params, given| native(params, given, |given| given.flag().map(Value::from))),
    ("prompt_priority", |params, given| {
        native(params, given, |given| given.choice(&["standard", "fast"], |name| Some(Value::from(name))))
    }),
    ("tools", |params, given| native(params, given, |given| given.array().map(Value::from))),
    // of no use here
    ("partial_images", |params, given| unused(params, given, |given| given.integer(0..=3).map(drop))),
    ("moderation", |params, given| unused(params, given, |given| one_of(given, &["auto", "low"]))),
    ("style", |params, given| unused(params, given, |given| one_of(given, &["vivid", "natural"]))),
    ("input_fidelity", |params, given| unused(params, given, |given| one_of(given, &["high", "low"]))),
    ("complexity", |params, given| unused(params, given, |given| one_of(given, &["low", "medium", "high"]))),
    ("user", |params, given| unused(params, given, |given| given.text().map(drop))),
    ("safety_identifier", |params, given| unused(params, given, |given| given.text().map(drop))),
    // the gateway waits for the task itself; a client's own callback would only tell others of it
    ("callback_url", |params, given| unused(params, given, |_| Ok(()))),
];

/// Names of all parameters that are known, in the order of the table.
pub fn parameter_names() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().map(|(name, _)| *name)
}

/// Takes one parameter. Null is absent; an unknown name is ignored and noted.
pub(super) fn take(params: &mut ImageParams, name: &str, value: Value, wire: Wire) -> Result<(), Fault> {
    if value.is_null() {
        return Ok(());
    }
    if let Some((name, take)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
        return take(params, Given { name, value, wire });
    }
    ignore(&mut params.request.ignored, name);
    Ok(())
}

fn prompt(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    let text = given.text()?;
    if text.trim().is_empty() {
        return Err(Fault::invalid("prompt", "Invalid value for 'prompt': it must not be empty."));
    }
    params.request.prompt = text;
    Ok(())
}

fn count(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    let count = given.integer(1..=u64::from(COUNT_MAX))?;
    params.request.count = u8::try_from(count).unwrap_or(COUNT_MAX);
    Ok(())
}

fn size(given: &Given) -> Result<Size, Fault> {
    parse(
        given,
        SizeError::Size,
        "Supported values are: 'auto', a ratio such as '16:9', or 'WIDTHxHEIGHT' such as '1024x1024'.",
    )
}

fn tier(given: &Given) -> Result<Tier, Fault> {
    parse(given, SizeError::Tier, "Expected one of the model's tiers, such as '1K', '2K' or '4K'.")
}

fn parse<T: std::str::FromStr<Err = SizeError>>(
    given: &Given,
    missing: SizeError,
    expected: &str,
) -> Result<T, Fault> {
    given.value.as_str().ok_or(missing).and_then(str::parse).map_err(|_| given.wrong(expected))
}

/// A rendering quality or, for models whose `quality` is their resolution, a tier. Which of them a model has is the
/// catalog's question.
fn quality(params: &mut ImageParams, given: &Given) -> Result<(), Fault> {
    let text = given.value.as_str().unwrap_or_default();
    let (quality, tier) = (Quality::from_name(text), text.parse().ok());
    if quality.is_none() && tier.is_none() {
        return Err(
            given.wrong("Expected 'auto', or one of the model's qualities as GET /v1/models lists them.")
        );
    }
    params.request.quality = quality;
    params.request.quality_tier = tier;
    Ok(())
}

fn background(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    let background = given.choice(&Background::ALL.map(Background::name), Background::from_name)?;
    params.request.background = Some(background);
    Ok(())
}

fn format(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    let format = given.choice(&Format::ALL.map(Format::name), Format::from_name)?;
    params.request.format = Some(format);
    Ok(())
}

fn compression(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    params.request.compression = Compression::new(given.integer(0..=100)?);
    Ok(())
}

fn delivery(params: &mut ImageParams, given: Given) -> Result<(), Fault> {
    let delivery = given.choice(&["url", "b64_json"], Delivery::from_name)?;
    params.request.delivery = Some(delivery);
    Ok(())
}

fn native(
    params: &mut ImageParams,
    given: Given,
    read: fn(Given) -> Result<Value, Fault>,
) -> Result<(), Fault> {
    let name = given.name;
    let value = read(given)?;
    params.request.native.insert(name.to_owned(), value);
    Ok(())
}

impl ImageParams {
    /// The only mask: of two, nobody could say which one is meant.
    pub(super) fn take_mask(
        &mut self,
        given: Given,
        read: fn(Given) -> Result<GivenImage, Fault>,
    ) -> Result<(), Fault> {
        if self.mask.is_some() {
            return Err(Fault::invalid(given.name, "More than one mask is given; send one."));
        }
        self.mask = Some(read(given)?);
        Ok(())
    }
}

fn unused(
    params: &mut ImageParams,
    given: Given,
    check: fn(Given) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let name = given.name;
    check(given)?;
    ignore(&mut params.request.ignored, name);
    Ok(())
}

fn one_of(given: Given, names: &[&str]) -> Result<(), Fault> {
    given.choice(names, |_| Some(()))
}
