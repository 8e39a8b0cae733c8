//! What is answered: headers and bodies.

use serde_json::{Map, Value, json};

use super::failures;
use super::parameters::or_null;
use super::{schema, with};
use crate::image::{Background, Format, Quality};

/// Qualities that a picture can have: the other names stand for one of them.
const MADE: [Quality; 5] = [Quality::Low, Quality::Medium, Quality::High, Quality::XHigh, Quality::Max];

/// All headers of answers, by name.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let number =
        |description: &str| json!({"description": description, "schema": {"type": "integer", "minimum": 0}});
    json!({
        "x-request-id": {"description": "Also in the log.", "required": true, "schema": {"type": "string"}},
        "openai-processing-ms": number("Until the answer's head."),
        "x-gateway-generation-id": {
            "description": "The generation, from its beginning on, failures included.",
            "schema": {"type": "string", "pattern": "^gen_"},
        },
        "x-evolink-task-ids": text("Its tasks at Evolink, comma separated."),
        "x-gateway-credits": text("Evolink credits charged for this answer; 0 when it was there already."),
        "x-gateway-ignored": text("Parameters that had no effect, comma separated."),
        "x-gateway-partial": text("`3/4` when some of several pictures failed for good."),
        "cache-status": text("RFC 9211: whether the answer was there already."),
        "age": number("Seconds since the answer was made, when it was there already."),
        "server-timing": text("Where the time went, in milliseconds."),
        "preference-applied": text("What of `Prefer` was heeded."),
        "x-ratelimit-limit-requests": number("Image requests a minute, of key or team, whichever has less left."),
        "x-ratelimit-remaining-requests": number("How many of them are left."),
        "x-ratelimit-reset-requests": text("Until all of them are there again, such as `20ms`, `1s` or `6m0s`."),
        "x-ratelimit-limit-images": number("Images a minute, of key or team, whichever has less left."),
        "x-ratelimit-remaining-images": number("How many of them are left."),
        "x-ratelimit-reset-images": text("Until all of them are there again."),
        "etag": text("Names the picture's very bytes."),
        "cache-control": text("For how long the link works."),
        "content-range": text("Which bytes of the picture these are."),
        "location": {
            "description": "Where the generation answers.",
            "schema": {"type": "string", "pattern": "^/v1/images/generations/gen_"},
        },
        "retry-after": {
            "description": "Seconds after which to ask again; with a failure only where a repetition may help.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 60},
        },
        "x-should-retry": {
            "description": "Whether a repetition may help and cannot buy twice; OpenAI's SDKs obey it.",
            "required": true,
            "schema": {"enum": ["true", "false"]},
        },
    })
}

/// All bodies, by name.
pub(super) fn schemas() -> Value {
    json!({
        "ImagesResponse": images_response(),
        "Usage": usage(),
        "Generation": generation(),
        "DeletedGeneration": deleted(),
        "Model": model(),
        "ModelList": {
            "type": "object",
            "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": schema("Model")}},
            "required": ["object", "data"],
        },
        "TeamUsage": team_usage(),
        "StreamEvent": stream_event(),
        "CompletedEvent": completed_event(),
        "ErrorEvent": error_event(),
        "Error": error(),
    })
}

fn images_response() -> Value {
    let failed = json!({
        "type": "object",
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "code": {"type": "string"},
            "message": {"type": "string"},
        },
        "required": ["index", "code", "message"],
    });
    json!({
        "type": "object",
        "properties": {
            "created": {"type": "integer", "description": "Unix seconds."},
            "data": {"type": "array", "minItems": 1, "items": {"oneOf": [by_link(), by_picture()]}},
            "background": effective_background(),
            "output_format": {"enum": Format::ALL.map(Format::name)},
            "quality": {"enum": MADE.map(Quality::name)},
            "size": pixels("The first picture's."),
            "usage": schema("Usage"),
            "errors": {"type": "array", "items": failed, "description": "Pictures that could not be made, if any."},
        },
        "required": ["created", "data", "background", "output_format", "quality", "usage"],
    })
}

fn by_link() -> Value {
    json!({
        "type": "object",
        "properties": {"url": {"type": "string", "format": "uri"}},
        "required": ["url"],
        "additionalProperties": false,
    })
}

fn by_picture() -> Value {
    json!({
        "type": "object",
        "properties": {"b64_json": {"type": "string", "contentEncoding": "base64"}},
        "required": ["b64_json"],
        "additionalProperties": false,
    })
}

fn effective_background() -> Value {
    json!({"enum": [Background::Opaque.name(), Background::Transparent.name()]})
}

fn pixels(description: &str) -> Value {
    json!({"type": "string", "pattern": "^[1-9][0-9]*x[1-9][0-9]*$", "description": description})
}

fn usage() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let details = json!({
        "type": "object",
        "properties": {"image_tokens": count, "text_tokens": count},
        "required": ["image_tokens", "text_tokens"],
    });
    json!({
        "type": "object",
        "properties": {
            "input_tokens": count, "input_tokens_details": details, "output_tokens": count,
            "output_tokens_details": details, "total_tokens": count,
        },
        "required": ["input_tokens", "input_tokens_details", "output_tokens", "total_tokens"],
    })
}

fn generation() -> Value {
    json!({
        "type": "object",
        "description": "Where a generation stands.",
        "properties": {
            "id": {"type": "string", "pattern": "^gen_"},
            "object": {"const": "image.generation"},
            "created": {"type": "integer", "description": "Unix seconds."},
            "state": {"enum": ["queued", "running", "in_doubt", "done", "failed"]},
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "position": {
                "type": "integer", "minimum": 0,
                "description": "While it is queued: how many images come before its first one.",
            },
        },
        "required": ["id", "object", "created", "state", "progress"],
    })
}

fn deleted() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^gen_"},
            "object": {"const": "image.generation"},
            "deleted": {"const": true},
        },
        "required": ["id", "object", "deleted"],
    })
}

fn model() -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let name = json!({"type": ["string", "null"]});
    let own = json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
        "required": ["name", "type"],
    });
    let members = json!({
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer", "description": "Unix seconds."},
        "owned_by": {"type": "string"},
        "sizes": sizes(),
        "qualities": texts,
        "default_quality": name,
        "output_formats": texts,
        "transparent": {"enum": ["always", "never", "of_input"]},
        "max_n": {"type": "integer", "minimum": 1},
        "supports_edit": {"type": "boolean"},
        "images": inputs(),
        "mask": {"type": "boolean"},
        "parameters": {"type": "array", "items": own, "description": "Evolink's own, of this model."},
    });
    let alias_of = json!({"type": "string", "description": "The model that an alias stands for."});
    with(all_of(&members), "properties", &with(members, "alias_of", &alias_of))
}

fn team_usage() -> Value {
    let amount = json!({"type": "number", "minimum": 0});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let scope = json!({"enum": ["team", "key"]});
    let budget = all_of(&json!({
        "scope": scope,
        "unit": {"enum": ["images", "credits", "usd"]},
        "per": {"enum": ["minute", "hour", "day", "week", "month", "total"]},
        "timezone": {"type": "string"},
        "mode": {"enum": ["enforce", "shadow"]},
        "amount": amount,
        "used": amount,
        "held": with(amount.clone(), "description", &"By generations that have not ended.".into()),
        "left": amount,
        "resets_at": time,
        "since": time,
    }));
    let whole = json!({"type": "integer", "minimum": 0});
    let rate = all_of(&json!({
        "scope": scope,
        "name": {"enum": ["requests_per_minute", "images_per_minute", "concurrent_images"]},
        "limit": whole,
        "remaining": whole,
        "reset_seconds": {"type": ["integer", "null"], "description": "Until all of it is there again."},
    }));
    all_of(&json!({
        "team": {"type": "string"},
        "budgets": {"type": "array", "items": budget},
        "rate_limits": {"type": "array", "items": rate},
    }))
}

fn sizes() -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let number = json!({"type": "integer", "minimum": 0});
    let names = ["multiple_of", "min_edge", "max_edge", "min_pixels", "max_pixels", "max_ratio"];
    let rules: Map<String, Value> = names.into_iter().map(|name| (name.to_owned(), number.clone())).collect();
    all_of(&json!({
        "auto": {"type": "boolean"},
        "ratios": texts,
        "resolutions": texts,
        "default_resolution": {"type": ["string", "null"]},
        "pixels": or_null(all_of(&Value::Object(rules))),
        "listed": texts,
        "legacy": texts,
    }))
}

/// How many pictures a model takes, and how large.
fn inputs() -> Value {
    let number = json!({"type": "integer", "minimum": 0});
    or_null(all_of(&json!({"min": number, "max": number, "max_bytes": number})))
}

/// An object that has all of these members.
fn all_of(members: &Value) -> Value {
    let names: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "properties": members, "required": names})
}

fn stream_event() -> Value {
    let data = json!({"anyOf": [schema("CompletedEvent"), schema("ErrorEvent")]});
    json!({
        "type": "object",
        "description": "One event of a stream, which has comments and then a single one.",
        "properties": {
            "event": {"enum": ["image_generation.completed", "image_edit.completed", "error"]},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
        "required": ["event", "data"],
    })
}

fn completed_event() -> Value {
    json!({
        "type": "object",
        "description": "The data of the event that ends a stream.",
        "properties": {
            "type": {"enum": ["image_generation.completed", "image_edit.completed"]},
            "b64_json": {"type": "string", "contentEncoding": "base64"},
            "url": {"type": "string", "format": "uri"},
            "created_at": {"type": "integer", "description": "Unix seconds."},
            "size": {"type": "string"},
            "quality": {"enum": MADE.map(Quality::name)},
            "background": effective_background(),
            "output_format": {"enum": Format::ALL.map(Format::name)},
            "usage": schema("Usage"),
        },
        "required": ["type", "created_at", "size", "quality", "background", "output_format", "usage"],
    })
}

fn error_event() -> Value {
    json!({
        "type": "object",
        "description": "The data of the event that tells of a failure after the head.",
        "properties": {"type": {"const": "error"}, "error": {"$ref": "#/components/schemas/Error/properties/error"}},
        "required": ["type", "error"],
    })
}

fn error() -> Value {
    let error = json!({
        "type": "object",
        "properties": {
            "message": {"type": "string", "minLength": 1},
            "type": {"enum": failures::types()},
            "param": {"type": ["string", "null"]},
            "code": {"type": ["string", "null"]},
        },
        "required": ["message", "type", "param", "code"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"error": error},
        "required": ["error"],
        "additionalProperties": false,
    })
}
