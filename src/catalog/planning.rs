//! From a request to a plan: every value checked against the model's row, everything left open settled.
//!
//! What upstream would do by default is not sent, so that requests that mean the same have the same fingerprint.

use serde_json::{Map, Value};

use super::row::Row;
use super::sizing::{self, Sizing};
use super::{ANY_DURATION, Resolved};
use crate::fault::Fault;
use crate::fault::wording::supported;
use crate::image::{
    Background, Compression, Delivery, Form, Format, ImageRequest, Pixels, Plan, Quality, Reference,
    TaskClass, TaskSpec,
};

pub(super) fn plan(resolved: Resolved<'_>, request: ImageRequest, stored: bool) -> Result<Plan, Fault> {
    let Resolved { row, alias } = resolved;
    let request = match alias {
        Some(alias) => alias.complete(request),
        None => request,
    };
    let mut ignored = request.ignored;
    check_prompt(row, &request.prompt)?;
    check_count(row, request.count)?;
    check_references(row, request.references.len())?;
    let Sizing { size, resolution, scale, resolution_unused } =
        sizing::settle(row, request.size, request.resolution)?;
    if resolution_unused {
        ignored.push("resolution".to_owned());
    }
    let quality = quality(row, request.quality)?;
    let background = background(row, request.background, &mut ignored);
    let form = form(request.format, request.compression, scale, background, &mut ignored)?;
    let default = alias.and_then(|alias| alias.delivery).unwrap_or(Delivery::Base64);
    let delivery = delivery(request.delivery, default, form, stored)?;
    let mask = mask(row, request.mask, &request.references, &mut ignored);
    let pixels = sizing::expected(row, size, resolution);
    let mut parameters = native(row, request.native, &mut ignored);
    parameters.extend(size.map(|size| ("size".to_owned(), size.to_string().into())));
    parameters.extend(resolution.map(|tier| ("resolution".to_owned(), tier.name().into())));
    parameters.insert("quality".to_owned(), quality.name().into());
    if background == Background::Transparent {
        parameters.insert("background".to_owned(), background.name().into());
    }
    let task = TaskSpec {
        model: row.model.clone(),
        prompt: request.prompt,
        parameters,
        references: request.references,
        mask,
    };
    let tokens = row.tokens.estimate(&task.prompt, task.references.len(), quality, pixels);
    let class = TaskClass { model: row.model.clone(), quality, tier: pixels.tier() };
    Ok(Plan {
        typical: row.typical_duration(quality, class.tier).unwrap_or(ANY_DURATION),
        task_timeout: row.task_timeout,
        class,
        expected: pixels,
        task,
        count: request.count,
        form,
        delivery,
        delivery_explicit: request.delivery.is_some(),
        background,
        tokens,
        price: row.tokens.price(tokens),
        ignored,
    })
}

fn check_prompt(row: &Row, prompt: &str) -> Result<(), Fault> {
    let (chars, bytes) = (prompt.chars().count(), prompt.len());
    let limits = row.prompt;
    let (given, max, unit) = if chars > limits.chars_max {
        (chars, limits.chars_max, "characters")
    } else if bytes > limits.bytes_max {
        (bytes, limits.bytes_max, "bytes of UTF-8")
    } else {
        return Ok(());
    };
    let model = &row.model;
    let message =
        format!("Invalid value for 'prompt': {given} {unit} are too long, {model} takes at most {max}.");
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

fn check_references(row: &Row, given: usize) -> Result<(), Fault> {
    let (model, max) = (&row.model, row.references_max);
    if given <= max {
        return Ok(());
    }
    let message =
        format!("Invalid value for 'image_urls': {given} pictures given, {model} takes at most {max}.");
    Err(Fault::invalid("image_urls", message))
}

fn quality(row: &Row, asked: Option<Quality>) -> Result<Quality, Fault> {
    let wanted = match asked.unwrap_or(Quality::Auto) {
        Quality::Auto | Quality::Standard => row.quality_default,
        Quality::Hd => Quality::High,
        named => named,
    };
    if row.qualities.contains(&wanted) {
        return Ok(wanted);
    }
    let names: Vec<_> = [Quality::Auto].iter().chain(&row.qualities).map(|quality| quality.name()).collect();
    Err(Fault::invalid("quality", format!("Invalid value: '{wanted}'. {}", supported(&names))))
}

/// Transparent where it is asked for and can be had; opaque is upstream's default, and so what `auto` means.
fn background(row: &Row, asked: Option<Background>, ignored: &mut Vec<String>) -> Background {
    match asked {
        Some(Background::Transparent) if row.transparent => Background::Transparent,
        Some(Background::Transparent) => {
            ignored.push("background".to_owned());
            Background::Opaque
        }
        Some(Background::Auto | Background::Opaque) | None => Background::Opaque,
    }
}

fn form(
    format: Option<Format>,
    compression: Option<Compression>,
    scale: Option<Pixels>,
    background: Background,
    ignored: &mut Vec<String>,
) -> Result<Form, Fault> {
    let format = format.unwrap_or(Format::Png);
    if format == Format::Jpeg && background == Background::Transparent {
        let message = "A JPEG cannot be transparent: with 'background': 'transparent' use 'png' or 'webp'.";
        return Err(Fault::invalid("output_format", message));
    }
    if format == Format::Png && compression.is_some() {
        ignored.push("output_compression".to_owned());
    }
    Ok(Form { format, compression: compression.filter(|_| format != Format::Png), pixels: scale })
}

/// Without a store, links are Evolink's own, and so lead to the picture as Evolink made it: a PNG, unscaled.
fn delivery(asked: Option<Delivery>, default: Delivery, form: Form, stored: bool) -> Result<Delivery, Fault> {
    let linkable = stored || (form.format == Format::Png && form.pixels.is_none());
    match asked {
        Some(Delivery::Url) if !linkable => {
            let message = "A link can be given only to the picture as the model makes it, because this gateway does \
                           not store pictures. Use 'response_format': 'b64_json', or 'output_format': 'png' with a \
                           size of the model's own.";
            Err(Fault::invalid("response_format", message))
        }
        Some(delivery) => Ok(delivery),
        None if linkable => Ok(default),
        None => Ok(Delivery::Base64),
    }
}

/// A mask means something only beside the picture it masks; upstream drops it silently otherwise.
fn mask(
    row: &Row,
    mask: Option<Reference>,
    references: &[Reference],
    ignored: &mut Vec<String>,
) -> Option<Reference> {
    let usable = row.mask && !references.is_empty();
    if mask.is_some() && !usable {
        ignored.push("mask_url".to_owned());
    }
    mask.filter(|_| usable)
}

fn native(row: &Row, given: Map<String, Value>, ignored: &mut Vec<String>) -> Map<String, Value> {
    let (taken, unknown): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|(name, _)| row.native.contains(name));
    ignored.extend(unknown.into_iter().map(|(name, _)| name));
    taken.into_iter().collect()
}
