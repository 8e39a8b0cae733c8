//! From a request to a plan: every value checked against the model's row, everything left open settled.
//!
//! What upstream would do by default is not sent where that is safe, so that requests that mean the same have the same
//! fingerprint.

use serde_json::{Map, Value, json};

use super::own::MODEL_PARAMS;
use super::row::{Output, Price, Row, TierField, Transparency};
use super::sizing::Sizing;
use super::tiering::{self, Asked};
use super::tokens::text_tokens;
use super::{ANY_DURATION, Resolved, inputs, own, sizing};
use crate::fault::Fault;
use crate::image::{
    Background, Compression, Delivery, Form, Format, ImageRequest, Plan, Quality, Reference, TaskClass,
    TaskSpec, TokenEstimate,
};
use crate::money::Credits;
use crate::openai::ignore;

/// `rows`: all models, to name others that would do. `stored`: see [`super::Catalog::plan`].
pub(super) fn plan(
    rows: &[Row],
    resolved: Resolved<'_>,
    request: ImageRequest,
    stored: bool,
) -> Result<Plan, Fault> {
    let Resolved { row, alias } = resolved;
    let request = match alias {
        Some(alias) => alias.complete(request),
        None => request,
    };
    let mut ignored = request.ignored;
    check_prompt(row, &request.prompt)?;
    check_count(row, request.count)?;
    inputs::check(rows, row, &request.references, request.names)?;
    let asked = Asked {
        quality: request.quality,
        quality_tier: request.quality_tier,
        resolution: request.resolution,
    };
    let tier = tiering::tier(row, asked, request.size, &mut ignored)?;
    let sizing = sizing::settle(row, request.size, tier)?;
    let quality = tiering::effort(row, asked, &mut ignored)?;
    let background = background(row, request.background, &request.references, &mut ignored)?;
    let parameters = own::settle(&row.own, request.native, request.count, &mut ignored)?;
    let in_pixels = sizing.in_pixels(row);
    let respelled =
        in_pixels.map(|sizing| all_parameters(row, parameters.clone(), sizing, quality, background));
    let parameters = all_parameters(row, parameters, sizing, quality, background);
    let surface = Surface { asked: request.format, delivered: delivered(row, &parameters), background };
    let form = form(surface, request.compression, sizing, &mut ignored)?;
    let default = alias.and_then(|alias| alias.delivery).unwrap_or(Delivery::Base64);
    let delivery = delivery(request.delivery, default, form, surface, stored)?;
    let mask = inputs::mask(rows, row, request.mask, &request.references, request.names, &mut ignored)?;
    let task = TaskSpec {
        model: row.model.clone(),
        prompt: request.prompt,
        parameters,
        references: request.references,
        mask,
    };
    let (tokens, price) = costs(row, &task, quality, sizing);
    let class = TaskClass { model: row.model.clone(), quality, tier: sizing.expected.tier() };
    Ok(Plan {
        typical: row.typical_duration(quality, class.tier).unwrap_or(ANY_DURATION),
        task_timeout: row.task_timeout,
        class,
        expected: sizing.expected,
        task,
        count: request.count,
        form,
        delivery,
        delivery_explicit: request.delivery.is_some(),
        background,
        tokens,
        price,
        ignored,
        respelled,
    })
}

fn check_prompt(row: &Row, prompt: &str) -> Result<(), Fault> {
    let Some(excess) = row.prompt.excess(prompt) else { return Ok(()) };
    let message =
        format!("Invalid value for 'prompt': {}, {} takes at most {}.", excess.given, row.model, excess.max);
    Err(Fault::invalid("prompt", message))
}

fn check_count(row: &Row, count: u8) -> Result<(), Fault> {
    if (1..=row.count_max).contains(&count) {
        return Ok(());
    }
    Err(Fault::invalid(
        "n",
        format!("Invalid value: {count}. Expected an integer from 1 to {}.", row.count_max),
    ))
}

/// Transparent where it is asked for and can be had; opaque is upstream's default, and so what `auto` means.
fn background(
    row: &Row,
    asked: Option<Background>,
    references: &[Reference],
    ignored: &mut Vec<String>,
) -> Result<Background, Fault> {
    if asked != Some(Background::Transparent) {
        return Ok(Background::Opaque);
    }
    match (row.transparency, references) {
        (Transparency::Always, _) | (Transparency::OfInput, [Reference::Link(_)]) => {
            Ok(Background::Transparent)
        }
        (Transparency::OfInput, [Reference::Picture(picture)]) => {
            if picture.format == Format::Png && picture.alpha {
                return Ok(Background::Transparent);
            }
            let message = format!(
                "'background': 'transparent' keeps the transparency of the picture given to {}, which must be a PNG \
                 with an alpha channel.",
                row.model
            );
            Err(Fault::invalid("background", message))
        }
        (Transparency::Never | Transparency::OfInput, _) => {
            ignore(ignored, "background");
            Ok(Background::Opaque)
        }
    }
}

/// Everything that is sent, under upstream's names.
fn all_parameters(
    row: &Row,
    mut parameters: Map<String, Value>,
    sizing: Sizing,
    quality: Quality,
    background: Background,
) -> Map<String, Value> {
    let mut put = |name: &str, value: String| parameters.insert(name.to_owned(), value.into());
    if let Some(size) = sizing.size {
        put("size", size.to_string());
    }
    if let (Some(tiers), Some(tier)) = (&row.tiers, sizing.tier) {
        put(tiers.field.name(), tier.name().to_owned());
    }
    if quality != Quality::Auto {
        put(TierField::Quality.name(), quality.name().to_owned());
    }
    if background == Background::Transparent {
        put("background", background.name().to_owned());
    }
    let png = Format::Png.name();
    match row.output {
        Output::Asked => {
            put(OUTPUT_FORMAT, png.to_owned());
        }
        Output::AskedInModelParams => {
            let members = parameters.entry(MODEL_PARAMS).or_insert_with(|| json!({}));
            if let Value::Object(members) = members {
                members.entry(OUTPUT_FORMAT).or_insert_with(|| png.into());
            }
        }
        Output::Png | Output::Unknown => {}
    }
    parameters
}

const OUTPUT_FORMAT: &str = "output_format";

/// The file format that upstream will deliver, where that is known.
fn delivered(row: &Row, parameters: &Map<String, Value>) -> Option<Format> {
    let asked = match row.output {
        Output::Png => return Some(Format::Png),
        Output::Unknown => return None,
        Output::Asked => parameters.get(OUTPUT_FORMAT),
        Output::AskedInModelParams => {
            parameters.get(MODEL_PARAMS).and_then(|members| members.get(OUTPUT_FORMAT))
        }
    };
    asked.and_then(Value::as_str).and_then(Format::from_name)
}

/// The file formats of a request, and its background.
#[derive(Debug, Clone, Copy)]
struct Surface {
    asked: Option<Format>,
    delivered: Option<Format>,
    background: Background,
}

fn form(
    surface: Surface,
    compression: Option<Compression>,
    sizing: Sizing,
    ignored: &mut Vec<String>,
) -> Result<Form, Fault> {
    let format = surface.asked.unwrap_or(Format::Png);
    if format == Format::Jpeg && surface.background == Background::Transparent {
        let message = "A JPEG cannot be transparent: with 'background': 'transparent' use 'png' or 'webp'.";
        return Err(Fault::invalid("output_format", message));
    }
    if format == Format::Png && compression.is_some() {
        ignore(ignored, "output_compression");
    }
    Ok(Form { format, compression: compression.filter(|_| format != Format::Png), pixels: sizing.scale })
}

/// Without a store, links are Evolink's own, and so lead to the picture as Evolink made it: unscaled, not
/// compressed again, in the format that the model delivers, which only a client that named no format will take as it
/// comes.
fn delivery(
    asked: Option<Delivery>,
    default: Delivery,
    form: Form,
    surface: Surface,
    stored: bool,
) -> Result<Delivery, Fault> {
    let as_made = match surface.asked {
        None => true,
        asked => asked == surface.delivered,
    };
    let squeezed = form.compression.is_some_and(|compression| compression.percent() < 100);
    let linkable = stored || (as_made && form.pixels.is_none() && !squeezed);
    match asked {
        Some(Delivery::Url) if !linkable => {
            let message = "A link can be given only to the picture as the model makes it, because this gateway does \
                           not store pictures. Use 'response_format': 'b64_json', or leave 'output_format' and \
                           'output_compression' out and ask for a size of the model's own.";
            Err(Fault::invalid("response_format", message))
        }
        Some(delivery) => Ok(delivery),
        None if linkable => Ok(default),
        None => Ok(Delivery::Base64),
    }
}

fn costs(row: &Row, task: &TaskSpec, quality: Quality, sizing: Sizing) -> (TokenEstimate, Credits) {
    let (tokens, by_token) = match &row.price {
        Price::Tokens(table) => {
            let tokens = table.estimate(&task.prompt, task.references.len(), quality, sizing.expected);
            (tokens, table.price(tokens))
        }
        Price::PerImage(price) => {
            (TokenEstimate { input_text: text_tokens(&task.prompt), ..TokenEstimate::default() }, *price)
        }
    };
    (tokens, row.price_of(quality, sizing.expected.tier()).unwrap_or(by_token))
}
