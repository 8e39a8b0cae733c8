//! What a create asks for, checked as Evolink's pages say.
//!
//! gpt-image-2 and gpt-image-2.5 are checked field by field; other image models only as far as the simulator needs to
//! draw a picture. Unknown fields are no error (the ledger keeps the body as it came).

mod size;

use serde_json::{Map, Value};

use crate::image::{Format, Pixels, Quality, Tier};

const PROMPT_CHARACTERS_MAX: usize = 32_000;
const PROMPT_BYTES_MAX: usize = 60_000;
const REFERENCES_MAX: usize = 16;
const PICTURES_MAX: u64 = 10;
const CALLBACK_URL_MAX: usize = 2_048;

/// The image models that the simulator's account may use.
pub(super) const MODELS: &[&str] = &[
    "gpt-image-2",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2-beta",
    "gpt-image-1.5",
    "gpt-image-1.5-lite",
    "gpt-4o-image",
    "gemini-3-pro-image-preview",
    "gemini-3.1-flash-image-preview",
    "gemini-3.1-flash-lite-image",
    "gemini-nano-banana-2.1",
    "nano-banana-pro-beta",
    "nano-banana-2-beta",
    "nano-banana-2-lite-beta",
    "nano-banana-beta",
    "doubao-seedream-4.0",
    "doubao-seedream-4.5",
    "doubao-seedream-5.0-lite",
    "doubao-seedream-5.0-pro",
    "doubao-seedream-5.0-flash",
    "qwen-image-3.0",
    "qwen-image-3.0-pro",
    "qwen-image-edit-plus",
    "qwen-image-edit",
    "wan2.5-text-to-image",
    "wan2.5-image-to-image",
    "z-image-turbo",
    "krea-2-turbo",
    "grok-imagine-image-2.0",
];

/// A checked create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub model: String,
    pub prompt: String,
    pub pixels: Pixels,
    pub quality: Quality,
    pub n: u32,
    pub format: Format,
    pub transparent: bool,
    pub references: Vec<String>,
    /// Only with references; without them it is ignored.
    pub mask: Option<String>,
    pub callback_url: Option<String>,
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
    let model = text(&fields, "model")?.ok_or_else(|| value("model is required"))?.to_owned();
    if !MODELS.contains(&model.as_str()) {
        return Err(OrderError::Model(model));
    }
    let strict = model == "gpt-image-2" || model.starts_with("gpt-image-2.5-");
    let prompt = prompt(&fields, strict)?;
    let quality = quality(&fields, &model, strict)?;
    let (format, transparent) = surface(&fields)?;
    let references = references(&fields)?;
    let mask = link(&fields, "mask_url")?.filter(|_| !references.is_empty());
    Ok(Order {
        pixels: pixels(&fields, strict)?,
        n: count(&fields)?,
        callback_url: callback(&fields)?,
        model,
        prompt,
        quality,
        format,
        transparent,
        references,
        mask,
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

fn prompt(fields: &Fields, strict: bool) -> Result<String, OrderError> {
    let prompt = text(fields, "prompt")?.unwrap_or_default();
    if strict && prompt.trim().is_empty() {
        return Err(value("prompt is required"));
    }
    if prompt.chars().count() > PROMPT_CHARACTERS_MAX {
        return Err(value(format!("prompt exceeds {PROMPT_CHARACTERS_MAX} characters")));
    }
    if prompt.len() > PROMPT_BYTES_MAX {
        return Err(value(format!("prompt exceeds {PROMPT_BYTES_MAX} bytes")));
    }
    Ok(prompt.to_owned())
}

fn quality(fields: &Fields, model: &str, strict: bool) -> Result<Quality, OrderError> {
    let Some(name) = text(fields, "quality")? else { return Ok(Quality::Medium) };
    let found = Quality::from_name(name);
    if !strict {
        return Ok(found.unwrap_or(Quality::Medium));
    }
    let allowed: &[Quality] = if model == "gpt-image-2" {
        &[Quality::Low, Quality::Medium, Quality::High]
    } else {
        &[Quality::Low, Quality::Medium, Quality::High, Quality::XHigh, Quality::Max]
    };
    found
        .filter(|quality| allowed.contains(quality))
        .ok_or_else(|| value(format!("quality '{name}' is not supported by {model}")))
}

fn surface(fields: &Fields) -> Result<(Format, bool), OrderError> {
    let format = match text(fields, "output_format")? {
        None => Format::Png,
        Some(name) => Format::from_name(name)
            .ok_or_else(|| value(format!("output_format '{name}' must be png, jpeg or webp")))?,
    };
    let transparent = match text(fields, "background")? {
        None | Some("opaque") => false,
        Some("transparent") => true,
        Some(other) => return Err(value(format!("background '{other}' must be opaque or transparent"))),
    };
    if transparent && format == Format::Jpeg {
        return Err(value("background transparent requires output_format png or webp"));
    }
    Ok((format, transparent))
}

fn pixels(fields: &Fields, strict: bool) -> Result<Pixels, OrderError> {
    let size = text(fields, "size")?.unwrap_or("auto");
    let tier = match text(fields, "resolution")? {
        None if strict => Tier::K1,
        // for many other models `quality` is the resolution tier
        None => text(fields, "quality")?.and_then(|quality| quality.parse().ok()).unwrap_or(Tier::K1),
        Some(tier) => tier.parse().map_err(|_| value(format!("resolution '{tier}' must be 1K, 2K or 4K")))?,
    };
    size::pixels(size, tier, strict).map_err(value)
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

fn references(fields: &Fields) -> Result<Vec<String>, OrderError> {
    let list = match fields.get("image_urls") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(value("image_urls must be an array")),
    };
    if !(1..=REFERENCES_MAX).contains(&list.len()) {
        return Err(value(format!("image_urls must have 1 to {REFERENCES_MAX} entries")));
    }
    let urls = list.iter().map(|url| match url.as_str().filter(|url| is_link(url)) {
        Some(url) => Ok(url.to_owned()),
        None => Err(value("image_urls must be http or https URLs")),
    });
    urls.collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(mut extra: Value) -> Result<Order, OrderError> {
        let fields = extra.as_object_mut().unwrap();
        fields.entry("model").or_insert(json!("gpt-image-2"));
        fields.entry("prompt").or_insert(json!("a cat"));
        read(extra.to_string().as_bytes())
    }

    #[test]
    fn the_defaults_are_the_pages_defaults() {
        let order = order(json!({"seed": 7, "n": null})).unwrap();
        assert_eq!((order.pixels, order.quality, order.n), (Pixels::new(1024, 1024), Quality::Medium, 1));
        assert_eq!((order.format, order.transparent, order.mask), (Format::Png, false, None));
    }

    #[test]
    fn bad_values_are_refused_with_the_fields_name() {
        let bad = [
            (json!({"prompt": ""}), "prompt"),
            (json!({"prompt": "x".repeat(32_001)}), "32000 characters"),
            (json!({"prompt": "猫".repeat(20_001)}), "60000 bytes"),
            (json!({"quality": "auto"}), "quality"),
            (json!({"quality": "max"}), "quality"),
            (json!({"size": "1000x1000"}), "16"),
            (json!({"resolution": "3K"}), "resolution"),
            (json!({"n": 0}), "n must"),
            (json!({"n": 11}), "n must"),
            (json!({"n": "2"}), "n must"),
            (json!({"background": "auto"}), "background"),
            (json!({"background": "transparent", "output_format": "jpeg"}), "transparent"),
            (json!({"output_format": "gif"}), "output_format"),
            (json!({"image_urls": []}), "image_urls"),
            (json!({"image_urls": ["data:image/png;base64,AAAA"]}), "image_urls"),
            (json!({"mask_url": 3}), "mask_url"),
            (json!({"callback_url": format!("https://x.example/{}", "a".repeat(2048))}), "callback_url"),
        ];
        for (body, part) in bad {
            let error = order(body.clone()).unwrap_err().to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
        assert_eq!(order(json!({"model": "dall-e-9"})), Err(OrderError::Model("dall-e-9".to_owned())));
        assert!(matches!(read(b"{"), Err(OrderError::Body(_))));
        assert!(matches!(read(b"[1]"), Err(OrderError::Body(_))));
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        assert!(order(json!({"prompt": "x".repeat(32_000), "n": 10, "quality": "high"})).is_ok());
        let order = order(json!({"model": "gpt-image-2.5-flare", "quality": "max"})).unwrap();
        assert_eq!(order.quality, Quality::Max);
    }

    #[test]
    fn a_mask_without_references_is_ignored_silently() {
        let mask = "https://x.example/m.png";
        assert_eq!(order(json!({"mask_url": mask})).unwrap().mask, None);
        let both = order(json!({"mask_url": mask, "image_urls": ["https://x.example/a.png"]})).unwrap();
        assert_eq!(both.mask.as_deref(), Some(mask));
    }

    #[test]
    fn for_other_models_quality_may_be_the_resolution() {
        let order = order(json!({"model": "nano-banana-2-beta", "size": "1:1", "quality": "2K"})).unwrap();
        assert_eq!(order.pixels, Pixels::new(2048, 2048));
    }
}
