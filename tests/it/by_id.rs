//! Answers for later: 202, and the generation by its id.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, Live, PATIENCE, STRICT_KEY, small};

fn prefers(request: reqwest::RequestBuilder, preference: &str) -> reqwest::RequestBuilder {
    request.header("prefer", preference)
}

/// A generation that was begun and promised.
async fn promised(house: &Harness, body: Value) -> Answer {
    let answer = house.send(prefers(house.generation(body), "respond-async")).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer
}

fn path_of(answer: &Answer) -> String {
    let location = answer.header("location").expect("no location").to_owned();
    assert_eq!(location, format!("/v1/images/generations/{}", answer.json()["id"].as_str().unwrap()));
    location
}

/// Asks until it is no longer under way.
async fn polled(house: &Harness, path: &str) -> Answer {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = house.send(prefers(house.ask(Method::GET, path), "wait=1")).await;
        if answer.status != 202 {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", answer.text());
    }
}

#[tokio::test]
async fn an_answer_that_is_there_already_is_not_put_off() {
    let house = Harness::with(json!({"server": {"deadline": "200ms"}})).await;
    let body = small("a fox [latency:400ms]");
    house.generate(body.clone()).await.is_error(504, "timeout_error", "generation_timeout", true);
    let completed = ["outcome=\"completed\""];
    house.until_metrics("its end", |metrics| metrics.sum("generations_total", &completed) == 1.0).await;
    let answer = house.send(prefers(house.generation(body), "respond-async")).await;
    answer.picture();
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn what_is_promised_counts_among_the_requests_that_wait() {
    let house =
        Harness::with(json!({"cache": {"enabled": false}, "server": {"max_waiting_per_team": 1}})).await;
    let slow = || prefers(house.generation(small("a fox [latency:400ms]")), "respond-async");
    let promised = house.send(slow()).await;
    assert_eq!(promised.status, 202);
    let refused = house.send(slow()).await;
    refused.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
    house.until_metrics("its end", |metrics| metrics.sum("waiting_requests", &[]) == 0.0).await;
    assert_eq!(house.send(slow()).await.status, 202, "its place is free at its end");
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_wants_no_wait_gets_a_202_at_once_and_the_picture_later() {
    let house = Harness::start().await;
    let mut body = small("a fox [latency:400ms]");
    body["style"] = json!("vivid");
    let accepted = promised(&house, body).await;
    let told = accepted.json();
    let keys: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["created", "id", "object", "progress", "state"]);
    assert_eq!((&told["object"], &told["progress"]), (&json!("image.generation"), &json!(0)));
    assert!(["queued", "running"].contains(&told["state"].as_str().unwrap()), "{told}");
    assert!(told["created"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(accepted.header("preference-applied"), Some("respond-async"));
    assert_eq!(accepted.header("x-gateway-generation-id"), told["id"].as_str());
    assert_eq!(accepted.header("x-gateway-ignored"), Some("style"));
    assert_eq!(accepted.header("cache-status"), Some("evolink-gateway; fwd=miss; stored"));
    let pause: u64 = accepted.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&pause));
    let path = path_of(&accepted);
    let early = house.send(house.ask(Method::GET, &path)).await;
    assert_eq!((early.status, &early.json()["id"]), (202, &told["id"]));
    assert!(early.header("retry-after").is_some());
    assert_eq!(early.header("cache-control"), Some("no-store"), "it will soon say something else");
    let answer = polled(&house, &path).await;
    answer.picture();
    assert_eq!(answer.header("x-gateway-generation-id"), told["id"].as_str());
    assert!(answer.header("x-evolink-task-ids").is_some());
    let cost: f64 = answer.header("x-gateway-credits").unwrap().parse().unwrap();
    assert!((cost - house.ledger().totals.credits_charged).abs() < 1e-6, "the 202 could not tell: {cost}");
    assert_eq!(polled(&house, &path).await.picture(), answer.picture(), "as often as it is asked for");
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn who_waits_a_while_gets_the_picture_in_time_or_a_202() {
    let house = Harness::start().await;
    let quick = house.send(prefers(house.generation(small("a fox")), "wait=20")).await;
    quick.picture();
    assert_eq!(quick.header("preference-applied"), Some("wait=20"));
    let slow = house.generation(small("an owl [latency:1500ms]"));
    let slow = house.send(prefers(slow, "respond-async, wait=1")).await;
    assert_eq!((slow.status, slow.header("preference-applied")), (202, Some("respond-async, wait=1")));
    assert_eq!(slow.json()["state"], "running");
    polled(&house, &path_of(&slow)).await.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_changes_nothing() {
    let house = Harness::with(json!({"server": {"deadline": "200ms"}})).await;
    let answer = house.send(prefers(house.generation(small("a fox [latency:500ms]")), "wait=60")).await;
    answer.is_error(504, "timeout_error", "generation_timeout", true);
    assert_eq!(answer.header("preference-applied"), None);
    house.until_metrics("the end", |metrics| metrics.sum("running_generations", &[]) == 0.0).await;
    house.finish().await;
}

#[tokio::test]
async fn a_promised_generation_is_bought_although_nobody_waits_and_nobody_else_gets_it() {
    let house = Harness::with(json!({"cache": {"enabled": false}, "evolink": {"max_tasks": 1}})).await;
    let first = house.generation(small("an owl [latency:400ms]"));
    let first = tokio::join!(house.send(first), async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        let body = small("a fox");
        let accepted = promised(&house, body.clone()).await;
        assert_eq!(house.metrics().await.sum("waiting_requests", &[]), 2.0, "what is promised counts");
        house.generate(body).await.picture();
        house.has_tasks(3);
        polled(&house, &path_of(&accepted)).await.picture();
    });
    first.0.picture();
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn the_answer_comes_in_the_form_that_was_asked_for_first() {
    let house = Harness::with(json!({"cache": {"enabled": false}})).await;
    let mut body = small("a fox");
    body["output_format"] = json!("webp");
    let path = path_of(&promised(&house, body.clone()).await);
    assert_eq!(polled(&house, &path).await.json()["output_format"], "webp");
    body["output_format"] = json!("png");
    body["response_format"] = json!("url");
    let path = path_of(&promised(&house, body).await);
    assert!(polled(&house, &path).await.json()["data"][0]["url"].is_string());
    house.finish().await;
}

#[tokio::test]
async fn a_failure_is_told_with_its_status_and_is_final() {
    let house = Harness::start().await;
    for (fault, status, kind, code) in [
        ("fail:content_policy_violation", 400, "image_generation_user_error", "moderation_blocked"),
        ("create:429;retry-after=60", 503, "upstream_error", "upstream_unavailable"),
    ] {
        let path = path_of(&promised(&house, small(&format!("a fox [{fault}]"))).await);
        let answer = polled(&house, &path).await;
        answer.is_error(status, kind, code, false);
        assert!(answer.header("x-gateway-generation-id").is_some());
    }
    house.finish().await;
}

#[tokio::test]
async fn unknown_ids_and_other_teams_ids_are_not_found() {
    let house = Harness::start().await;
    let path = path_of(&promised(&house, small("a fox")).await);
    for method in [Method::GET, Method::DELETE] {
        for path in
            ["/v1/images/generations/gen_unknown", "/v1/images/generations/%FF", "/v1/images/generations/x"]
        {
            let answer = house.send(house.ask(method.clone(), path)).await;
            answer.is_error(404, "invalid_request_error", "generation_not_found", false);
        }
        let other = house.http.request(method.clone(), house.url(&path)).bearer_auth(STRICT_KEY);
        house.send(other).await.is_error(404, "invalid_request_error", "generation_not_found", false);
        let nobody = house.send(house.http.request(method, house.url(&path))).await;
        nobody.is_error(401, "invalid_request_error", "invalid_api_key", false);
    }
    polled(&house, &path).await.picture();
    house.finish().await;
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_there() {
    let house = Harness::start().await;
    let answer = house.send(house.ask(Method::PUT, "/v1/images/generations/gen_1")).await;
    answer.is_error(405, "invalid_request_error", "method_not_allowed", false);
    let allowed = answer.header("allow").unwrap();
    assert!(allowed.contains("GET") && allowed.contains("DELETE"), "{allowed}");
    house.finish().await;
}

#[tokio::test]
async fn what_is_deleted_is_not_found_and_cancelled_upstream() {
    let house = Harness::start().await;
    let accepted = promised(&house, small("a fox [latency:20s]")).await;
    let path = path_of(&accepted);
    house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
    let deleted = house.send(house.ask(Method::DELETE, &path)).await;
    let id = accepted.json()["id"].clone();
    assert_eq!(deleted.is_ok().json(), json!({"id": id, "object": "image.generation", "deleted": true}));
    assert_eq!(deleted.header("x-gateway-generation-id"), id.as_str());
    for method in [Method::GET, Method::DELETE] {
        let answer = house.send(house.ask(method, &path)).await;
        answer.is_error(404, "invalid_request_error", "generation_not_found", false);
    }
    house.until("a cancel", |ledger| ledger.totals.cancel_calls > 0).await;
    house.finish().await;
}

#[tokio::test]
async fn a_synchronous_generation_is_found_by_its_id_too() {
    let house = Harness::start().await;
    let answer = house.draw("a fox").await;
    let path = format!("/v1/images/generations/{}", answer.header("x-gateway-generation-id").unwrap());
    assert_eq!(house.send(house.ask(Method::GET, &path)).await.picture(), answer.picture());
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_stream_ignores_the_preference() {
    let house = Harness::start().await;
    let mut body = small("a fox");
    body["stream"] = json!(true);
    let mut stream = Live::open(prefers(house.generation(body), "respond-async")).await;
    assert_eq!((stream.status, stream.header("preference-applied")), (200, None));
    assert_eq!(stream.event().await.1, "image_generation.completed");
    house.finish().await;
}

#[tokio::test]
async fn refusals_come_before_the_202() {
    let house = Harness::start().await;
    let request = house.generation(json!({"prompt": "x", "n": 99}));
    let answer = house.send(prefers(request, "respond-async")).await;
    answer.is_error(400, "invalid_request_error", "invalid_value", false);
    house.finish().await;
}

#[tokio::test]
async fn the_metrics_know_the_routes_by_their_patterns() {
    let house = Harness::start().await;
    let path = path_of(&promised(&house, small("a fox")).await);
    polled(&house, &path).await.picture();
    let by_id = "route=\"/v1/images/generations/{id}\"";
    house
        .until_metrics("the answer", |metrics| {
            metrics.sum("requests_total", &[by_id, "status=\"200\"", "team=\"design\""]) == 1.0
        })
        .await;
    let accepted = ["route=\"/v1/images/generations\"", "status=\"202\""];
    assert_eq!(house.metrics().await.sum("requests_total", &accepted), 1.0);
    tokio::time::timeout(Duration::from_secs(20), house.finish()).await.expect("something goes on");
}
