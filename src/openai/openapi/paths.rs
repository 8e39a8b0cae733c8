//! The paths and what each method of them does.

use serde_json::{Map, Value, json};

use super::failures::{self, Met};
use super::{OF_RATES, headers, parameters, schema, with};
use crate::image::Format;

/// Headers of answers with pictures.
const OF_PICTURES: &[&str] = &[
    "x-request-id",
    "openai-processing-ms",
    "x-gateway-generation-id",
    "x-evolink-task-ids",
    "x-gateway-credits",
    "x-gateway-ignored",
    "x-gateway-partial",
    "cache-status",
    "age",
    "server-timing",
    "preference-applied",
];

/// All paths, by name.
pub(super) fn all() -> Value {
    let id = "/v1/images/generations/{id}";
    json!({
        "/v1/images/generations": {"post": generations("createImage", &[])},
        "/v1/images/edits": {"post": edits("createImageEdit", &[])},
        "/v1/images/variations": {"post": variations()},
        id: {"get": look(), "delete": detach(), "parameters": [path_parameter("id", "`gen_…`")]},
        "/v1/models": {"get": models()},
        "/v1/models/{id}": {"get": one_model(), "parameters": [path_parameter("id", "A model or an alias.")]},
        "/v1/usage": {"get": read("getUsage", "What the key and its team have used.", Met::Models, "TeamUsage")},
        "/openai/deployments/{model}/images/generations":
            {"post": generations("createDeployedImage", &deployed())},
        "/openai/deployments/{model}/images/edits": {"post": edits("createDeployedImageEdit", &deployed())},
        "/images/{file}": {"get": stored_picture(), "parameters": [path_parameter("file", "From an answer's `url`.")]},
        "/callbacks/{token}": {"post": callback(), "parameters": [path_parameter("token", "From a `callback_url`.")]},
        "/healthz": {"get": healthz()},
        "/openapi.json": {"get": this_document()},
    })
}

fn path_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": {"type": "string", "minLength": 1},
    })
}

fn prefer() -> Value {
    json!({
        "name": "Prefer", "in": "header",
        "description": "`respond-async`, or `wait=SECONDS`: a 202 rather than a longer wait (RFC 7240).",
        "schema": {"type": "string", "examples": ["respond-async", "wait=30"]},
    })
}

/// What a request for pictures may say in its head of how it is answered.
fn of_pictures() -> [Value; 4] {
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "description": description, "schema": schema});
    let control = "`no-cache` makes a new picture, `no-store` one that is shared with nobody, `max-age=SECONDS` takes \
                   none that is older, `only-if-cached` none that is not there.";
    let key = "One answer for each key of a team, while it is made and after.";
    let variant = "Another picture of the same request, itself shared.";
    let printable = |most: u16| json!({"type": "string", "pattern": "^[!-~]+$", "maxLength": most});
    [
        prefer(),
        header("Cache-Control", control, json!({"type": "string", "examples": ["no-cache", "max-age=600"]})),
        header("Idempotency-Key", key, printable(255)),
        header("x-gateway-cache-variant", variant, printable(64)),
    ]
}

/// What Azure's clients send: the model in the path, and a version that is not looked at.
fn deployed() -> [Value; 2] {
    let version = json!({"name": "api-version", "in": "query", "schema": {"type": "string"}});
    [path_parameter("model", "A model or an alias; it counts, not the body's."), version]
}

fn generations(id: &str, parameters: &[Value]) -> Value {
    let body = json!({"application/json": {"schema": parameters::generation()}});
    pictures(id, "Makes pictures.", parameters, &body, true)
}

fn edits(id: &str, parameters: &[Value]) -> Value {
    let body = json!({
        "application/json": {"schema": parameters::edit()},
        "multipart/form-data": {"schema": parameters::edit_form()},
    });
    pictures(id, "Makes pictures after those that are sent along.", parameters, &body, true)
}

fn variations() -> Value {
    let body = json!({"multipart/form-data": {"schema": parameters::variation_form()}});
    pictures("createImageVariation", "Makes variations of a picture.", &[], &body, false)
}

/// An operation that makes pictures. `parameters`: those besides what all of them take.
fn pictures(id: &str, summary: &str, parameters: &[Value], body: &Value, streams: bool) -> Value {
    let content = json!({"application/json": {"schema": schema("ImagesResponse")}});
    let events = json!({"schema": schema("StreamEvent")});
    let content = if streams { with(content, "text/event-stream", &events) } else { content };
    let names = [OF_PICTURES, OF_RATES].concat();
    let done = json!({"description": "The pictures.", "headers": headers(&names), "content": content});
    let mut responses = failures::responses(Met::Image);
    responses.insert("200".to_owned(), done);
    responses.insert("202".to_owned(), promised(OF_RATES));
    let parameters: Vec<_> = parameters.iter().cloned().chain(of_pictures()).collect();
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "requestBody": {"required": true, "content": body},
        "responses": responses,
    })
}

/// `more`: headers besides those of all.
fn promised(more: &[&str]) -> Value {
    let names = [
        "x-request-id",
        "x-gateway-generation-id",
        "x-gateway-ignored",
        "location",
        "retry-after",
        "preference-applied",
    ];
    json!({
        "description": "It is being made.",
        "headers": headers(&[&names, more].concat()),
        "content": {"application/json": {"schema": schema("Generation")}},
    })
}

fn look() -> Value {
    let done = json!({
        "description": "Its pictures.",
        "headers": headers(OF_PICTURES),
        "content": {"application/json": {"schema": schema("ImagesResponse")}},
    });
    let mut responses = failures::responses(Met::Generation);
    responses.insert("200".to_owned(), done);
    responses.insert("202".to_owned(), promised(&[]));
    let summary = "A generation by its id: where it stands, its pictures or its failure.";
    with(operation("getGeneration", summary, &responses), "parameters", &json!([prefer()]))
}

fn detach() -> Value {
    let mut responses = failures::responses(Met::Detach);
    responses.insert("200".to_owned(), answer("application/json", &schema("DeletedGeneration")));
    operation(
        "leaveGeneration",
        "Leaves a generation; without anyone else it is cancelled if that can be.",
        &responses,
    )
}

fn models() -> Value {
    read("listModels", "The models that the key may use.", Met::Models, "ModelList")
}

fn one_model() -> Value {
    read("getModel", "One model that the key may use.", Met::Model, "Model")
}

fn read(id: &str, summary: &str, met: Met, body: &str) -> Value {
    let mut responses = failures::responses(met);
    responses.insert("200".to_owned(), answer("application/json", &schema(body)));
    operation(id, summary, &responses)
}

/// Links are opened as they were given: their parameters are the gateway's own.
fn stored_picture() -> Value {
    let query = |name: &str, required: bool, schema: Value| json!({"name": name, "in": "query", "required": required, "schema": schema});
    let formats = Format::ALL.map(Format::name);
    let parameters = json!([
        query("from", false, json!({"enum": formats})),
        query("compression", false, json!({"type": "integer", "minimum": 0, "maximum": 100})),
        query("size", false, json!({"type": "string", "examples": ["256x256"]})),
        query("expires", true, json!({"type": "integer", "description": "Unix time."})),
        query("signature", true, json!({"type": "string"})),
    ]);
    let picture = |description: &str, names: &[&str]| {
        let names = [&["x-request-id", "etag", "cache-control"], names].concat();
        let content: Map<_, _> =
            Format::ALL.map(|format| (format.media_type().to_owned(), json!({}))).into_iter().collect();
        json!({"description": description, "headers": headers(&names), "content": content})
    };
    let known = json!({
        "description": "As the `If-None-Match` of the request knows it.",
        "headers": headers(&["x-request-id", "etag", "cache-control"]),
    });
    let mut responses = failures::responses(Met::Link);
    responses.insert("200".to_owned(), picture("The picture.", &[]));
    responses.insert("206".to_owned(), picture("The part that `Range` asks for.", &["content-range"]));
    responses.insert("304".to_owned(), known);
    let operation = operation("getPicture", "A stored picture, for whoever has its link.", &responses);
    open(with(operation, "parameters", &parameters))
}

fn callback() -> Value {
    let taken = json!({
        "description": "Taken; the same for every token.",
        "headers": headers(&["x-request-id"]),
    });
    let mut responses = failures::responses(Met::Callback);
    responses.insert("204".to_owned(), taken);
    open(operation("callBack", "For Evolink: a task has ended. The body is not looked at.", &responses))
}

fn healthz() -> Value {
    let mut responses = failures::responses(Met::Open);
    responses.insert("200".to_owned(), answer("text/plain", &json!({"type": "string"})));
    open(operation("getHealth", "For load balancers.", &responses))
}

fn this_document() -> Value {
    let mut responses = failures::responses(Met::Open);
    responses.insert("200".to_owned(), answer("application/json", &json!({"type": "object"})));
    open(operation("getDescription", "This document.", &responses))
}

fn answer(media_type: &str, schema: &Value) -> Value {
    json!({
        "description": "The answer.",
        "headers": headers(&["x-request-id"]),
        "content": {media_type: {"schema": schema}},
    })
}

fn operation(id: &str, summary: &str, responses: &Map<String, Value>) -> Value {
    json!({"operationId": id, "summary": summary, "responses": responses})
}

/// The same without a key.
fn open(operation: Value) -> Value {
    with(operation, "security", &json!([]))
}
