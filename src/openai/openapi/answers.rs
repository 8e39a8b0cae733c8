//! What is answered: headers and bodies.

use serde_json::{Value, json};

use super::failures;
use super::schema;
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
        "x-gateway-credits": text("Evolink credits charged for this answer."),
        "x-gateway-ignored": text("Parameters that had no effect, comma separated."),
        "x-gateway-partial": text("`3/4` when some of several pictures failed for good."),
        "cache-status": text("RFC 9211."),
        "server-timing": text("Where the time went, in milliseconds."),
        "preference-applied": text("What of `Prefer` was heeded."),
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
        "Model": model(),
        "ModelList": {
            "type": "object",
            "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": schema("Model")}},
            "required": ["object", "data"],
        },
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
        "description": "A generation that has not ended yet.",
        "properties": {
            "id": {"type": "string", "pattern": "^gen_"},
            "state": {"enum": ["queued", "running", "in_doubt"]},
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        },
        "required": ["id", "state", "progress"],
    })
}

fn model() -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "object": {"const": "model"},
            "created": {"type": "integer"},
            "owned_by": {"type": "string"},
            "alias_of": {"type": "string"},
            "sizes": {"type": "object"},
            "qualities": texts,
            "output_formats": texts,
            "max_n": {"type": "integer", "minimum": 1},
            "supports_edit": {"type": "boolean"},
        },
        "required": [
            "id", "object", "created", "owned_by", "sizes", "qualities", "output_formats", "max_n", "supports_edit",
        ],
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
