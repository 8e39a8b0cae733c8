use std::collections::BTreeSet;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::image::{Background, Format, Pixels, Quality};
use crate::openai::{
    Answer, AnswerImage, Content, GenerationState, ImageFault, Part, StreamKind, Usage, deletion_body,
    error_body, error_event, parameter_names, parse_generation,
};

fn document() -> Value {
    openapi_document("1.2.3")
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().cloned().collect()
}

/// What becomes of a generation with one more parameter.
fn read(name: &str, value: &Value) -> Result<(), Fault> {
    let mut body = json!({"prompt": "a cat"});
    body[name] = value.clone();
    parse_generation(body.to_string().as_bytes()).map(drop)
}

fn is_taken(name: &str, value: &Value) {
    read(name, value).unwrap_or_else(|fault| panic!("{name}: {value} should be taken: {fault}"));
}

fn is_refused(name: &str, value: &Value) {
    let Err(fault) = read(name, value) else { panic!("{name}: {value} should be refused") };
    assert_eq!((fault.status(), fault.param()), (400, Some(name)), "{value}");
}

#[test]
fn every_parameter_is_described_as_it_is_read() {
    let described = document()["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]
        ["application/json"]["schema"]["properties"]
        .clone();
    assert_eq!(keys(&described), parameter_names().map(str::to_owned).collect());
    for name in parameter_names() {
        let schema = parameters::parameter(name).unwrap_or_else(|| panic!("{name} is described nowhere"));
        if name != "prompt" {
            is_taken(name, &Value::Null);
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            is_taken(name, value);
        }
        let Some(kind) = schema["type"].as_str() else { continue };
        for (other, value) in [("string", json!("x y")), ("boolean", json!(true)), ("object", json!({}))] {
            if other != kind
                || schema.get("enum").is_some()
                || schema.get("pattern").is_some() && name != "prompt"
            {
                is_refused(name, &value);
            }
        }
        if let (Some(least), Some(most)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            is_taken(name, &json!(least));
            is_taken(name, &json!(most));
            is_refused(name, &json!(least - 1));
            is_refused(name, &json!(most + 1));
        }
        if let Some(most) = schema["maxItems"].as_u64() {
            let links =
                |count| (0..count).map(|number| format!("https://example.com/{number}")).collect::<Vec<_>>();
            is_taken(name, &json!(links(most)));
            is_refused(name, &json!(links(most + 1)));
        }
    }
}

#[test]
fn every_failure_is_described_where_pictures_are_asked_for_or_looked_up() {
    let document = document();
    let paths = ["/v1/images/generations", "/v1/images/generations/{id}", "/images/{file}"];
    let described: Vec<_> = paths
        .into_iter()
        .zip(["post", "get", "get"])
        .map(|(path, method)| document["paths"][path][method]["responses"].clone())
        .collect();
    for kind in FaultKind::ALL {
        let fault = Fault::new(kind, "message");
        if ["unknown_url", "method_not_allowed"].contains(&fault.code()) {
            continue;
        }
        let status = fault.status().to_string();
        let is_told = described.iter().any(|responses| {
            let narrowed = &responses[&status]["content"]["application/json"]["schema"]["allOf"][1];
            let error = &narrowed["properties"]["error"]["properties"];
            let has = |member: &str, value: &str| match error[member]["enum"].as_array() {
                Some(names) => names.contains(&json!(value)),
                None => error[member]["type"] == "string",
            };
            has("code", fault.code()) && has("type", fault.error_type())
        });
        assert!(is_told, "{kind:?}");
    }
}

#[test]
fn an_error_has_the_members_of_its_schema() {
    let body: Value = serde_json::from_slice(&error_body(&Fault::invalid("n", "Wrong."))).unwrap();
    let schema = &document()["components"]["schemas"]["Error"]["properties"]["error"];
    assert_eq!(keys(&body["error"]), keys(&schema["properties"]));
    assert_eq!(json!(keys(&body["error"]).len()), json!(schema["required"].as_array().unwrap().len()));
}

/// All references in the document, with the pointer each holds.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(pointer) = members.get("$ref").and_then(Value::as_str) {
                found.push(pointer.to_owned());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_used() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    for pointer in &found {
        assert!(document.pointer(pointer.trim_start_matches('#')).is_some(), "{pointer}");
    }
    for name in keys(&document["components"]["headers"]) {
        assert!(found.contains(&format!("#/components/headers/{name}")), "{name}");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = document();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<_> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(names.len() > 9);
}

/// Every member of `body` is in the schema, and every member that the schema requires is in `body`.
fn conforms(body: &[u8], name: &str) {
    let body: Value = serde_json::from_slice(body).unwrap();
    let schema = &document()["components"]["schemas"][name];
    assert!(keys(&body).is_subset(&keys(&schema["properties"])), "{name}: {body}");
    for required in schema["required"].as_array().unwrap() {
        assert!(body.get(required.as_str().unwrap()).is_some(), "{name}: {required}: {body}");
    }
}

#[test]
fn states_and_deletions_are_as_described() {
    let state =
        GenerationState { id: "gen_1".into(), created: 7, state: "running", progress: 40, position: Some(3) };
    conforms(&state.body(), "Generation");
    conforms(&deletion_body("gen_1"), "DeletedGeneration");
}

#[test]
fn answers_and_their_streams_are_as_described() {
    let image = AnswerImage { content: Content::Url("https://example.com/a.png".into()) };
    let fault = ImageFault { index: 1, code: "service_error".into(), message: "It failed.".into() };
    let answer = Answer {
        created: 1,
        images: vec![image],
        errors: vec![fault],
        size: Some(Pixels::new(1024, 1024)),
        quality: Quality::Low,
        background: Background::Opaque,
        output_format: Format::Png,
        usage: Usage { input_text: 1, input_image: 2, output: 3 },
    };
    let written = |parts: Vec<Part>| -> Vec<u8> {
        let text = |part| match part {
            Part::Text(text) => text,
            Part::Base64(_) => panic!("a link was asked for"),
        };
        parts.into_iter().flat_map(text).collect()
    };
    conforms(&written(answer.parts()), "ImagesResponse");
    for event in [
        written(answer.completed_event(StreamKind::Edit)),
        error_event(&Fault::new(FaultKind::Internal, "x")),
    ] {
        let text = String::from_utf8(event).unwrap();
        let (name, data) = text.trim_end().split_once("\ndata: ").unwrap();
        let schema = if name == "event: error" { "ErrorEvent" } else { "CompletedEvent" };
        conforms(data.as_bytes(), schema);
    }
}
