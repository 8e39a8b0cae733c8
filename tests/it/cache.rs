//! The cache as clients and operators see it: what is the same, who shares it, how long, and what empties it.

use std::collections::BTreeSet;

use evolink_gateway::clock::Clock;
use http::Method;
use serde_json::{Value, json};

use crate::support::form::{half_clear_mask, mask, png};
use crate::support::{Answer, DESIGN_KEY, FormBody, Harness, PRINT_KEY, Setup, small};

const HOUR_S: i64 = 3600;

fn status(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap_or_else(|| panic!("no cache-status: {}", answer.text()))
}

fn is_hit(answer: &Answer) -> bool {
    status(answer.is_ok()).starts_with("evolink-gateway; hit; ttl=")
}

/// A request that leaves nothing open.
fn plain() -> Value {
    json!({"model": "gpt-image-2", "prompt": "a fox", "n": 1, "size": "1024x1024", "quality": "medium"})
}

fn with(change: Value) -> Value {
    let (mut body, Value::Object(change)) = (plain(), change) else { panic!("no object") };
    for (name, value) in change {
        body[name] = value;
    }
    body
}

#[tokio::test]
async fn requests_that_mean_the_same_are_one_result() {
    let house = Harness::start().await;
    let first = house.generate(plain()).await;
    let (picture, told) = (first.picture(), first.json());
    let same = [
        json!({"quality": "auto"}),
        json!({"quality": "standard"}),
        json!({"quality": null, "n": null, "background": null, "seed": null}),
        json!({"size": "1:1"}),
        json!({"size": "1:1", "resolution": "1K"}),
        json!({"model": "gpt-image-1"}),
        json!({"model": null}),
        json!({"background": "opaque"}),
        json!({"background": "auto", "user": "somebody", "style": "vivid"}),
        json!({"response_format": "b64_json", "moderation": "low"}),
    ];
    for change in same {
        let answer = house.generate(with(change.clone())).await;
        assert!(is_hit(&answer), "{change}");
        assert_eq!((answer.picture(), answer.header("x-gateway-credits")), (picture.clone(), Some("0")));
        for member in ["created", "usage", "size", "quality", "background"] {
            assert_eq!(answer.json()[member], told[member], "{change}: {member}");
        }
    }
    let ordered = r#"{"quality":"medium","n":1,"size":"1024x1024","prompt":"PROMPT","model":"gpt-image-2"}"#;
    let prompt = format!("a fox {}", crate::support::PROMPT_CANARY);
    assert!(is_hit(&house.post(ordered.replace("PROMPT", &prompt)).await), "in another order");
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn whatever_changes_the_picture_is_another_result() {
    let house = Harness::start().await;
    house.generate(plain()).await.picture();
    let other = [
        json!({"quality": "low"}),
        json!({"size": "1536x1024"}),
        json!({"n": 2}),
        json!({"background": "transparent"}),
        json!({"prompt": "A fox"}),
        json!({"model": "gpt-image-1.5"}),
        json!({"seed": 1}),
        json!({"seed": 2}),
        json!({"size": "1:1", "resolution": "2K"}),
        json!({"image_urls": ["https://8.8.8.8/a.png"]}),
        json!({"image_urls": ["https://8.8.8.8/b.png"]}),
        json!({"image_urls": ["https://8.8.8.8/a.png"], "mask_url": "https://8.8.8.8/m.png"}),
    ];
    for change in &other {
        let answer = house.generate(with(change.clone())).await;
        assert_eq!(status(answer.is_ok()), "evolink-gateway; fwd=miss; stored", "{change}");
    }
    for change in &other {
        assert!(is_hit(&house.generate(with(change.clone())).await), "{change}");
    }
    house.finish().await;
}

#[tokio::test]
async fn edits_are_known_by_the_content_of_their_pictures_and_mask() {
    let house = Harness::start().await;
    let masks = [mask(64, 64), half_clear_mask(64, 64)];
    let form = |picture: &[u8], mask: Option<usize>, prompt: &str| {
        let form = FormBody::small(prompt).file("image", picture);
        match mask {
            Some(mask) => form.file("mask", &masks[mask]),
            None => form,
        }
    };
    let (one, other) = (png(64, 64, 1), png(64, 64, 2));
    let first = house.edit(form(&one, None, "a hat")).await.picture();
    let again = house.edit(form(&one, None, "a hat").text("output_format", "png")).await;
    assert!(is_hit(&again));
    assert_eq!(again.picture(), first);
    for (picture, mask, prompt) in
        [(&other, None, "a hat"), (&one, Some(0), "a hat"), (&one, Some(1), "a hat"), (&one, None, "a cap")]
    {
        assert!(!is_hit(&house.edit(form(picture, mask, prompt)).await), "{mask:?} {prompt}");
        assert!(is_hit(&house.edit(form(picture, mask, prompt)).await), "{mask:?} {prompt}");
    }
    house.has_tasks(5);
    house.finish_uploads().await;
}

#[tokio::test]
async fn teams_share_nothing_unless_both_say_so() {
    let scope = |name: &str, key: &str, scope: &str| json!({"name": name, "keys": [{"name": "k", "secret": key}], "cache": {"scope": scope}});
    for (scopes, hits) in
        [(["team", "team"], false), (["shared", "team"], false), (["shared", "shared"], true)]
    {
        let teams = [scope("design", DESIGN_KEY, scopes[0]), scope("print", PRINT_KEY, scopes[1])];
        let house = Harness::with(json!({"teams": teams})).await;
        let first = house.draw("a fox").await;
        let second = house.send(house.generation_by(PRINT_KEY, small("a fox"))).await;
        assert_eq!(is_hit(&second), hits, "{scopes:?}");
        assert!(is_hit(&house.draw("a fox").await), "its own");
        assert_eq!(first.picture() == second.picture(), hits);
        let ids = ["x-gateway-generation-id", "x-evolink-task-ids"];
        assert!(ids.iter().all(|name| second.header(name).is_some() != hits), "{:?}", second.headers);
        if hits {
            let id = first.header("x-gateway-generation-id").unwrap();
            let path = format!("/v1/images/generations/{id}");
            let asked = house.http.get(house.url(&path)).bearer_auth(PRINT_KEY);
            assert_eq!(house.send(asked).await.status, 404);
        }
        house.has_tasks(if hits { 1 } else { 2 });
        house.finish().await;
    }
}

#[tokio::test]
async fn a_result_is_fresh_for_its_time_and_as_long_as_the_request_allows() {
    let clock = Clock::fixed(1_900_000_000);
    let config = json!({"cache": {"ttl": "2h"}});
    let house = Setup::new().config(&config).clock(clock.clone()).start().await;
    house.draw("a fox").await.picture();
    clock.set(1_900_000_000 + HOUR_S);
    let hit = house.draw("a fox").await;
    assert_eq!((status(&hit), hit.header("age")), ("evolink-gateway; hit; ttl=3600", Some("3600")));
    let asked = |control: &'static str| house.generation(small("a fox")).header("cache-control", control);
    assert!(is_hit(&house.send(asked("max-age=3600")).await));
    house.send(asked("only-if-cached, max-age=3599")).await.is_error(
        504,
        "timeout_error",
        "cache_miss",
        false,
    );
    clock.set(1_900_000_000 - HOUR_S);
    let hit = house.draw("a fox").await;
    assert_eq!(hit.header("age"), Some("0"), "a clock that was set back makes no negative age");
    clock.set(1_900_000_000 + 2 * HOUR_S);
    assert_eq!(status(&house.draw("a fox").await), "evolink-gateway; fwd=miss; stored");
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn results_are_deleted_by_team_by_model_or_all() {
    let house = Harness::with(json!({"teams": [
        {"name": "design", "keys": [{"name": "k", "secret": DESIGN_KEY}]},
        {"name": "print", "keys": [{"name": "k", "secret": PRINT_KEY}]},
    ]}))
    .await;
    let fill = async || {
        for key in [DESIGN_KEY, PRINT_KEY] {
            for model in ["gpt-image-2", "gpt-image-1.5"] {
                let body = json!({"model": model, "prompt": "a fox", "size": "1024x1024", "quality": "low"});
                house.send(house.generation_by(key, body)).await.is_ok();
            }
        }
    };
    let delete = async |query: &str| {
        let url = format!("http://{}/admin/v1/cache{query}", house.admin);
        let asked = house.http.delete(url).header("content-type", "application/json");
        house.send(asked).await
    };
    fill().await;
    house.until_metrics("four results", |metrics| metrics.sum("cache_entries", &[]) == 4.0).await;
    for (query, deleted) in
        [("?team=print&model=gpt-image-1.5", 1), ("?team=design", 2), ("?model=gpt-image-2", 2), ("", 4)]
    {
        assert_eq!(delete(query).await.is_ok().json(), json!({"deleted": deleted}), "{query}");
        assert_eq!(delete(query).await.json(), json!({"deleted": 0}), "{query}");
        fill().await;
    }
    house.has_tasks(4 + 1 + 2 + 2 + 4);
    let refused = delete("?tem=design").await;
    refused.is_error(400, "invalid_request_error", "invalid_value", false);
    house.finish().await;
}

#[tokio::test]
async fn a_refusal_answers_the_team_for_a_while_and_says_so() {
    let house = Harness::start().await;
    let refused = house.draw("a fox [fail:content_policy_violation]").await;
    refused.is_error(400, "image_generation_user_error", "moderation_blocked", false);
    assert_eq!((refused.header("cache-status"), refused.header("age")), (None, None));
    let again = house.draw("a fox [fail:content_policy_violation]").await;
    again.is_error(400, "image_generation_user_error", "moderation_blocked", false);
    let told = status(&again);
    assert!(told.starts_with("evolink-gateway; hit; ttl=") && told.ends_with("; detail=negative"), "{told}");
    assert_eq!(again.header("age"), Some("0"));
    house.has_tasks(1);
    let metrics = house.metrics().await;
    let looked = |result: &str| metrics.sum("cache_lookups_total", &[&format!("result=\"{result}\"")]);
    assert_eq!((looked("miss"), looked("negative"), looked("hit")), (1.0, 1.0, 0.0));
    house.finish().await;
}

#[tokio::test]
async fn rules_that_change_hold_at_once_and_teams_tell_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let house = Setup::new().file(file.clone()).start().await;
    house.draw("a fox").await.picture();
    let change = async |cache: Value| {
        let mut config = house.config.clone();
        config["teams"][0]["cache"] = cache;
        std::fs::write(&file, config.to_string()).unwrap();
        let url = format!("http://{}/admin/v1/reload", house.admin);
        let reloaded = house.http.post(url).header("content-type", "application/json").send().await.unwrap();
        assert_eq!(reloaded.status().as_u16(), 200);
        house.admin("/admin/v1/teams").await.json()["data"][0]["cache"].clone()
    };
    let told = change(json!({"enabled": false})).await;
    assert_eq!(told, json!({"enabled": false, "scope": "team", "ttl_seconds": 86400}));
    assert_eq!(status(&house.draw("a fox").await), "evolink-gateway; fwd=bypass");
    let told = change(json!({"scope": "shared", "ttl": "90s"})).await;
    assert_eq!(told, json!({"enabled": true, "scope": "shared", "ttl_seconds": 90}));
    assert_eq!(status(&house.draw("a fox").await), "evolink-gateway; fwd=miss; stored", "another circle");
    change(json!({})).await;
    assert!(is_hit(&house.draw("a fox").await), "what was made first is still there");
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn every_request_body_of_one_team_is_another_teams_miss() {
    let house = Harness::with(json!({"teams": [
        {"name": "design", "keys": [{"name": "k", "secret": DESIGN_KEY}]},
        {"name": "print", "keys": [{"name": "k", "secret": PRINT_KEY}]},
    ]}))
    .await;
    let bodies = ["a fox", "an owl", "a bear"].map(small);
    let mut pictures = BTreeSet::new();
    for key in [DESIGN_KEY, PRINT_KEY, DESIGN_KEY, PRINT_KEY] {
        for body in &bodies {
            let answer = house.send(house.generation_by(key, body.clone())).await;
            pictures.insert(answer.header("x-gateway-generation-id").unwrap().to_owned());
            let other = if key == DESIGN_KEY { PRINT_KEY } else { DESIGN_KEY };
            let path =
                format!("/v1/images/generations/{}", answer.header("x-gateway-generation-id").unwrap());
            let asked = house.http.request(Method::GET, house.url(&path)).bearer_auth(other);
            assert_eq!(house.send(asked).await.status, 404);
        }
    }
    assert_eq!(pictures.len(), 6);
    house.has_tasks(6);
    house.finish().await;
}
