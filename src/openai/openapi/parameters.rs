//! The parameters of image requests, in JSON and in forms.

use serde_json::{Map, Value, json};

use super::with;
use crate::image::{Background, COUNT_MAX, Format, Quality, Tier};
use crate::openai::params::{REFERENCES_MAX, parameter_names};

/// Characters of the longest prompt that any model takes.
const PROMPT_MAX: u32 = 32_000;

/// The body of a generation.
pub(super) fn generation() -> Value {
    object(&properties(or_null), &["prompt"])
}

/// The body of an edit in JSON. Pictures may stand in any of three members.
pub(super) fn edit() -> Value {
    let mut properties = properties(or_null);
    let list = json!({"type": "array", "items": reference(), "maxItems": REFERENCES_MAX, "description": "In order."});
    let one_or_more = json!({"anyOf": [reference(), list, {"type": "null"}]});
    properties.insert("images".to_owned(), or_null(list));
    properties.insert("image".to_owned(), one_or_more);
    properties.insert("mask".to_owned(), json!({"anyOf": [reference(), {"type": "null"}]}));
    with_any(&object(&properties, &["prompt"]), &["images", "image", "image_urls"])
}

/// The object, in which one of these members must be there and have something in it.
fn with_any(object: &Value, names: &[&str]) -> Value {
    let given =
        |name: &&str| json!({"required": [name], "properties": {*name: {"not": {"enum": [null, []]}}}});
    with(object.clone(), "anyOf", &names.iter().map(given).collect())
}

/// The form of an edit. Pictures may stand in `image`, `image[]`, `images`, `images[]` or `image[0]` and so on.
pub(super) fn edit_form() -> Value {
    let mut properties = properties(|schema| schema);
    properties.insert("image".to_owned(), file("A picture to work on: PNG, JPEG or WebP."));
    let list = json!({
        "type": "array", "items": file("A picture."), "minItems": 1, "maxItems": REFERENCES_MAX,
        "description": "Several pictures, in order.",
    });
    properties.insert("image[]".to_owned(), list);
    let mask = "A PNG of the first picture's size; where it is transparent, the picture is made anew.";
    properties.insert("mask".to_owned(), file(mask));
    with_any(&object(&properties, &["prompt"]), &["image", "image[]", "image_urls"])
}

/// The form of a variation.
pub(super) fn variation_form() -> Value {
    let names = ["model", "n", "response_format", "size", "user"];
    let mut properties: Map<_, _> =
        names.into_iter().map(|name| (name.to_owned(), parameter(name).unwrap_or_default())).collect();
    properties.insert("image".to_owned(), file("The picture: PNG, JPEG or WebP."));
    object(&properties, &["image"])
}

fn object(properties: &Map<String, Value>, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// All known parameters. Only the prompt must not be null.
fn properties(written: fn(Value) -> Value) -> Map<String, Value> {
    parameter_names()
        .map(|name| {
            let schema = parameter(name).unwrap_or_default();
            (name.to_owned(), if name == "prompt" { schema } else { written(schema) })
        })
        .collect()
}

/// What a parameter may be; none for a name that is no parameter.
pub(super) fn parameter(name: &str) -> Option<Value> {
    let schema = match name {
        "prompt" => json!({"type": "string", "minLength": 1, "maxLength": PROMPT_MAX, "pattern": "\\S"}),
        "model" => json!({"type": "string", "description": "A model or an alias from /v1/models."}),
        "n" => json!({"type": "integer", "minimum": 1, "maximum": COUNT_MAX, "default": 1}),
        "size" => json!({
            "type": "string", "pattern": "^(auto|[1-9][0-9]{0,4}[x:][1-9][0-9]{0,4})$", "default": "auto",
            "description": "`auto`, a ratio such as `16:9`, or `WIDTHxHEIGHT`; what a model can make is in /v1/models.",
            "examples": ["auto", "1024x1024", "16:9"],
        }),
        "resolution" => choice(&Tier::ALL.map(Tier::name), "With a ratio: how large."),
        "quality" => {
            choice(&Quality::ALL.map(Quality::name), "`standard` is the model's default, `hd` is high.")
        }
        "background" => choice(&Background::ALL.map(Background::name), "Transparency needs png or webp."),
        "output_format" => choice(&Format::ALL.map(Format::name), "The file's format; png by default."),
        "output_compression" => json!({"type": "integer", "minimum": 0, "maximum": 100, "default": 100}),
        "response_format" => choice(&["url", "b64_json"], "Whether the answer has links or pictures."),
        "stream" => {
            json!({"type": "boolean", "description": "Answer with server-sent events; only with `n` of 1."})
        }
        "partial_images" => json!({
            "type": "integer", "minimum": 0, "maximum": 3, "description": "Without effect: none are made.",
        }),
        "image_urls" => json!({
            "type": "array", "items": link(), "maxItems": REFERENCES_MAX, "description": "Reference pictures, in order.",
        }),
        "mask_url" => link(),
        "negative_prompt" => text("What should not be in the picture, for models that take it."),
        "seed" => json!({"type": "integer", "description": "For models that take it."}),
        "model_params" => json!({"type": "object", "description": "Evolink's own, for models that take it."}),
        "prompt_extend" | "watermark" | "nsfw_check" => {
            json!({"type": "boolean", "description": "Evolink's own, for models that take it."})
        }
        "prompt_priority" => choice(&["standard", "fast"], "Evolink's own, for models that take it."),
        "tools" => json!({"type": "array", "description": "Evolink's own, for models that take it."}),
        "moderation" => choice(&["auto", "low"], "Without effect."),
        "style" => choice(&["vivid", "natural"], "Without effect."),
        "input_fidelity" => choice(&["high", "low"], "Without effect."),
        "complexity" => choice(&["low", "medium", "high"], "Without effect."),
        "user" | "safety_identifier" => text("Without effect, and not passed on."),
        "callback_url" => json!({"description": "Without effect: the gateway waits for the task itself."}),
        _ => return None,
    };
    Some(schema)
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn choice(names: &[&str], description: &str) -> Value {
    json!({"type": "string", "enum": names, "description": description})
}

fn link() -> Value {
    json!({
        "type": "string", "pattern": "^(https?://|data:)",
        "description": "An https link that anyone can open, which Evolink fetches; or a data URL in base64.",
    })
}

/// A picture as OpenAI's JSON has it, or its bare link.
fn reference() -> Value {
    let object = json!({"type": "object", "properties": {"image_url": link()}, "required": ["image_url"]});
    json!({"anyOf": [object, link()]})
}

fn file(description: &str) -> Value {
    json!({"type": "string", "contentMediaType": "application/octet-stream", "description": description})
}

/// The same, or null, which is as if it were absent.
pub(super) fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind, "null"]);
    }
    if let Some(Value::Array(names)) = schema.get_mut("enum") {
        names.push(Value::Null);
    }
    schema
}
