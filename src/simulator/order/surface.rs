//! File format and background of the pictures that a create asks for.

use serde_json::Value;

use super::{Fields, OrderError, text, value};
use crate::catalog::{MODEL_PARAMS, Output, Row, Transparency};
use crate::image::Format;

/// What the picture's file is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Surface {
    pub(super) format: Format,
    pub(super) transparent: bool,
}

pub(super) fn read(row: &Row, fields: &Fields, references: usize) -> Result<Surface, OrderError> {
    let transparent = transparent(row, fields, references)?;
    let named = match row.output {
        Output::Png => format(text(fields, "output_format")?, &Format::ALL)?,
        Output::Asked => format(text(fields, "output_format")?, &[Format::Png, Format::Jpeg])?,
        // checked with the model's own parameters
        Output::AskedInModelParams => {
            let member = fields.get(MODEL_PARAMS).and_then(|members| members.get("output_format"));
            member.and_then(Value::as_str).and_then(Format::from_name)
        }
        Output::Unknown => Some(Format::Png),
    };
    if transparent && named == Some(Format::Jpeg) {
        return Err(value("background transparent requires output_format png or webp"));
    }
    let default = match row.output {
        Output::Asked | Output::AskedInModelParams if !transparent => Format::Jpeg,
        _ => Format::Png,
    };
    Ok(Surface { format: named.unwrap_or(default), transparent })
}

fn format(name: Option<&str>, known: &[Format]) -> Result<Option<Format>, OrderError> {
    let Some(name) = name else { return Ok(None) };
    let found = Format::from_name(name).filter(|format| known.contains(format));
    let names: Vec<_> = known.iter().map(|format| format.name()).collect();
    found
        .map(Some)
        .ok_or_else(|| value(format!("output_format '{name}' must be one of {}", names.join(", "))))
}

fn transparent(row: &Row, fields: &Fields, references: usize) -> Result<bool, OrderError> {
    if row.transparency == Transparency::Never {
        return Ok(false);
    }
    match text(fields, "background")? {
        None | Some("opaque") => Ok(false),
        Some("transparent") if row.transparency == Transparency::OfInput && references != 1 => {
            Err(value("background transparent requires exactly 1 input image"))
        }
        Some("transparent") => Ok(true),
        Some(other) => Err(value(format!("background '{other}' must be opaque or transparent"))),
    }
}
