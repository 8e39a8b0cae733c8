//! Reference pictures and masks: how many, how large, of which kind. Pictures that came with the request are checked by
//! what is known of them; what is behind a link is upstream's to judge.

use super::row::{Inputs, MaskRule, Row};
use crate::fault::{Fault, FaultKind};
use crate::image::{Format, InputNames, InputPicture, Reference};
use crate::openai::ignore;

/// Models named in a message at most; the rest are in GET /v1/models.
const NAMED_MAX: usize = 5;

/// Checks the number of pictures and each one. `rows`: all models, to name those that would do.
pub(super) fn check(
    rows: &[Row],
    row: &Row,
    references: &[Reference],
    names: InputNames,
) -> Result<(), Fault> {
    let (model, given, param) = (&row.model, references.len(), names.image);
    let Inputs { min, max, .. } = row.inputs;
    if given > 0 && max == 0 {
        let others = named(rows, Row::edits);
        let message = format!("{model} takes no pictures. Models that do: {others}.");
        return Err(Fault::invalid(param, message));
    }
    if given > max {
        let message =
            format!("Invalid value for '{param}': {given} pictures given, {model} takes at most {max}.");
        return Err(Fault::invalid(param, message));
    }
    if given < min {
        let others = named(rows, |row| row.inputs.min == 0);
        let message = format!(
            "Missing required parameter: '{param}'. {model} only edits pictures. Models that need none: {others}."
        );
        return Err(Fault::new(FaultKind::MissingParameter, message).with_param(param));
    }
    for (place, picture) in
        references.iter().enumerate().filter_map(|(at, one)| Some((at + 1, one.picture()?)))
    {
        check_one(row, picture, place, param)?;
    }
    Ok(())
}

fn check_one(row: &Row, picture: &InputPicture, place: usize, param: &'static str) -> Result<(), Fault> {
    let (model, inputs) = (&row.model, row.inputs);
    let (short, long) = {
        let (width, height) = (picture.pixels.width, picture.pixels.height);
        (width.min(height), width.max(height))
    };
    check_bytes(model, picture, inputs.bytes_max, &format!("Picture {place} of '{param}'"), param)?;
    let expected = if short < inputs.edge_min || long > inputs.edge_max {
        format!("width and height from {} to {} pixels", inputs.edge_min, inputs.edge_max)
    } else if picture.pixels.area() > inputs.area_max {
        format!("at most {} pixels in all", inputs.area_max)
    } else if long > short.saturating_mul(inputs.ratio_max) {
        format!("pictures whose longer side is at most {} times the shorter", inputs.ratio_max)
    } else if picture.alpha && !inputs.alpha {
        "pictures without an alpha channel".to_owned()
    } else {
        return Ok(());
    };
    let kind = if picture.alpha { " with alpha" } else { "" };
    let message =
        format!("Picture {place} of '{param}' is {}{kind}; {model} takes {expected}.", picture.pixels);
    Err(Fault::new(FaultKind::InvalidImage, message).with_param(param))
}

fn check_bytes(
    model: &str,
    picture: &InputPicture,
    max: u64,
    what: &str,
    param: &'static str,
) -> Result<(), Fault> {
    if picture.bytes <= max {
        return Ok(());
    }
    let message = format!("{what} has {} bytes; {model} takes at most {max}.", picture.bytes);
    Err(Fault::new(FaultKind::TooLarge, message).with_param(param))
}

/// The mask as it is sent. In a generation one that cannot work is ignored, as upstream does; an edit that silently
/// paints everything anew would cost money for nothing, and is refused.
pub(super) fn mask(
    rows: &[Row],
    row: &Row,
    mask: Option<Reference>,
    references: &[Reference],
    names: InputNames,
    ignored: &mut Vec<String>,
) -> Result<Option<Reference>, Fault> {
    let Some(mask) = mask else { return Ok(None) };
    let param = names.mask;
    let problem = match (&row.mask, references) {
        (Some(rule), [first, rest @ ..]) => {
            check_mask(row, rule, &mask, first, rest.len(), param)?;
            return Ok(Some(mask));
        }
        (None, _) => {
            let others = named(rows, |row| row.mask.is_some());
            format!("{} takes no mask. Models that do: {others}.", row.model)
        }
        (Some(_), []) => format!("'{param}' needs a picture in '{}' that it masks.", names.image),
    };
    if param == InputNames::GENERATION.mask {
        ignore(ignored, param);
        return Ok(None);
    }
    Err(Fault::invalid(param, problem))
}

fn check_mask(
    row: &Row,
    rule: &MaskRule,
    mask: &Reference,
    first: &Reference,
    others: usize,
    param: &'static str,
) -> Result<(), Fault> {
    let model = &row.model;
    if rule.single && others > 0 {
        let message = format!("{model} takes '{param}' beside one picture only; {} are given.", others + 1);
        return Err(Fault::invalid(param, message));
    }
    let Some(mask) = mask.picture() else { return Ok(()) };
    check_bytes(model, mask, rule.bytes_max, &format!("'{param}'"), param)?;
    let problem = if mask.format != Format::Png {
        format!("is {}", mask.format.name())
    } else if !mask.alpha {
        "has no alpha channel".to_owned()
    } else if let Some(first) = first.picture().filter(|first| first.pixels != mask.pixels) {
        format!("is {}, and the first picture is {}", mask.pixels, first.pixels)
    } else {
        return Ok(());
    };
    let message = format!(
        "'{param}' {problem}. A mask is a PNG with an alpha channel, exactly as large as the first picture; what is \
         transparent in it is painted anew."
    );
    Err(Fault::new(FaultKind::InvalidImage, message).with_param(param))
}

/// The first few models that fit, quoted.
fn named(rows: &[Row], fits: impl Fn(&Row) -> bool) -> String {
    let names: Vec<_> = rows.iter().filter(|row| fits(row)).map(|row| format!("'{}'", row.model)).collect();
    match names.get(..NAMED_MAX) {
        Some(first) if names.len() > NAMED_MAX => {
            format!("{}, and others in GET /v1/models", first.join(", "))
        }
        _ => names.join(", "),
    }
}
