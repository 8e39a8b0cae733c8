//! Who may come in, and to which models.

use evolink_gateway::clock::Clock;
use http::Method;
use serde_json::json;

use crate::support::{DESIGN_KEY, EXPIRING_KEY, Harness, PRINT_KEY, Setup, small};

/// 2026-01-01T00:00:00Z; the expiring key ends an hour later.
const NEW_YEAR: i64 = 1_767_225_600;

const INVALID: &str = "invalid_request_error";

#[tokio::test]
async fn a_missing_or_wrong_key_is_a_401_before_anything_else() {
    let house = Harness::start().await;
    let post =
        || house.http.post(house.url("/v1/images/generations")).header("content-type", "application/json");
    let longer = format!("{DESIGN_KEY}x");
    for request in [
        post().body("{}"),
        post().bearer_auth("wrong").body("not json"),
        post().bearer_auth("").body("{}"),
        post().bearer_auth(longer).body("{}"),
        post().header("authorization", format!("Basic {DESIGN_KEY}")).body("{}"),
        post().header("authorization", DESIGN_KEY).body("{}"),
        post().header("authorization", b"Bearer \xff\xfe".as_slice()).body("{}"),
        post().header("api-key", "wrong").body("{}"),
        house.http.get(house.url("/v1/models")),
        house.http.get(house.url("/v1/models/gpt-image-2")).bearer_auth("wrong"),
    ] {
        house.send(request).await.is_error(401, INVALID, "invalid_api_key", false);
    }
    assert_eq!(house.ledger().totals.create_calls, 0);
    house.finish().await;
}

#[tokio::test]
async fn the_key_may_come_as_bearer_or_as_api_key() {
    let house = Harness::start().await;
    let get = || house.http.get(house.url("/v1/models"));
    for request in [
        get().bearer_auth(DESIGN_KEY),
        get().header("authorization", format!("bearer {DESIGN_KEY}")),
        get().header("api-key", DESIGN_KEY),
    ] {
        house.send(request).await.is_ok();
    }
    house.finish().await;
}

#[tokio::test]
async fn a_key_works_until_the_second_it_expires() {
    let clock = Clock::fixed(NEW_YEAR);
    let house = Setup::new().clock(clock.clone()).start().await;
    let ask = async || house.send(house.http.get(house.url("/v1/models")).bearer_auth(EXPIRING_KEY)).await;
    ask().await.is_ok();
    clock.set(NEW_YEAR + 3599);
    ask().await.is_ok();
    clock.set(NEW_YEAR + 3600);
    ask().await.is_error(401, INVALID, "invalid_api_key", false);
    house.finish().await;
}

#[tokio::test]
async fn a_team_uses_and_sees_its_own_models_only() {
    let house = Harness::start().await;
    let answer = house.send(house.generation_by(PRINT_KEY, small("a fox"))).await;
    answer.is_error(403, INVALID, "model_not_allowed", false);
    let alias =
        house.send(house.generation_by(PRINT_KEY, json!({"prompt": "a fox", "model": "dall-e-3"}))).await;
    alias.is_error(403, INVALID, "model_not_allowed", false);
    let list = house.send(house.http.get(house.url("/v1/models")).bearer_auth(PRINT_KEY)).await;
    assert_eq!(list.is_ok().json()["data"], json!([]));
    let one = house.send(house.http.get(house.url("/v1/models/gpt-image-2")).bearer_auth(PRINT_KEY)).await;
    one.is_error(404, INVALID, "model_not_found", false);
    assert_eq!(house.ledger().totals.create_calls, 0);
    house.finish().await;
}

#[tokio::test]
async fn models_are_listed_in_openais_shape_aliases_included() {
    let house = Harness::start().await;
    let list = house.send(house.ask(Method::GET, "/v1/models")).await;
    let list = list.is_ok().json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    let ids: Vec<_> = models.iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(["gpt-image-2", "dall-e-3", "gpt-image-1"].iter().all(|id| ids.contains(id)), "{ids:?}");
    for model in models {
        assert_eq!((&model["object"], &model["owned_by"]), (&json!("model"), &json!("evolink")), "{model}");
        assert!(model["created"].as_i64().is_some_and(|created| created > 0), "{model}");
    }
    let one = house.send(house.ask(Method::GET, "/v1/models/dall-e-3")).await;
    assert_eq!(one.is_ok().json()["alias_of"], "gpt-image-2");
    house.finish().await;
}

#[tokio::test]
async fn a_model_with_a_slash_is_found_raw_and_encoded() {
    let aliases = json!({"models": {"aliases": {"openai/gpt-image-2": "gpt-image-2"}}});
    let house = Harness::with(aliases).await;
    for path in ["/v1/models/openai/gpt-image-2", "/v1/models/openai%2Fgpt-image-2"] {
        let answer = house.send(house.ask(Method::GET, path)).await;
        assert_eq!(answer.is_ok().json()["id"], "openai/gpt-image-2", "{path}");
    }
    let mut body = small("a fox");
    body["model"] = json!("openai/gpt-image-2");
    house.generate(body).await.picture();
    let broken = house.send(house.ask(Method::GET, "/v1/models/openai%2F%ff")).await;
    broken.is_error(404, "invalid_request_error", "model_not_found", false);
    let missing = house.send(house.ask(Method::GET, "/v1/models/openai%2Fnone")).await;
    missing.is_error(404, INVALID, "model_not_found", false);
    house.finish().await;
}
