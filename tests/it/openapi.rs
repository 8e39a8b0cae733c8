//! /openapi.json and the router tell of the same paths and methods.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use crate::support::Harness;

/// The router's own words.
const SERVER: &str = include_str!("../../src/server.rs");

/// The paths of the router, with `{*id}` written as OpenAPI writes it.
fn routed() -> BTreeSet<String> {
    let routes = SERVER
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    routes.map(|path| path.replace("{*", "{")).collect()
}

async fn document(house: &Harness) -> Value {
    let answer = house.http.get(house.url("/openapi.json")).send().await.expect("an answer");
    serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
}

fn described(document: &Value) -> Vec<(String, BTreeSet<String>)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |path: &Value| {
        let methods = path.as_object().expect("methods").keys().filter(|name| *name != "parameters");
        methods.map(|method| method.to_uppercase()).collect()
    };
    paths.iter().map(|(path, operations)| (path.clone(), methods(operations))).collect()
}

#[tokio::test]
async fn the_description_is_there_without_a_key() {
    let house = Harness::start().await;
    let answer = house.http.get(house.url("/openapi.json")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let document: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    house.finish().await;
}

#[tokio::test]
async fn every_model_has_the_members_that_are_described_and_no_others() {
    let house = Harness::start().await;
    let document = document(&house).await;
    let schema = &document["components"]["schemas"]["Model"];
    let described: BTreeSet<_> =
        schema["properties"].as_object().expect("properties").keys().cloned().collect();
    let list = house.send(house.ask(Method::GET, "/v1/models")).await.json();
    let models = list["data"].as_array().expect("models");
    assert!(!models.is_empty());
    for model in models {
        let members: BTreeSet<_> = model.as_object().expect("members").keys().cloned().collect();
        assert!(members.is_subset(&described), "{model}");
        for required in schema["required"].as_array().expect("names") {
            assert!(members.contains(required.as_str().expect("a name")), "{required}: {model}");
        }
    }
    house.finish().await;
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let house = Harness::start().await;
    let described = described(&document(&house).await);
    let paths: BTreeSet<_> = described.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths, routed());
    for (path, methods) in described {
        // A method that no path has is answered with those that this one has.
        let path = path.replace("{id}", "some").replace("{model}", "some");
        let request = house.http.request(Method::from_bytes(b"BREW").expect("a method"), house.url(&path));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{path}");
        let allowed =
            answer.headers()["allow"].to_str().expect("text").split(',').map(|name| name.trim().to_owned());
        let allowed: BTreeSet<_> = allowed.filter(|name| name != "HEAD").collect();
        assert_eq!(allowed, methods, "{path}");
    }
    house.finish().await;
}
