//! `Idempotency-Key`: the same answer for as long as answers are kept.

use std::time::Duration;

use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, STRICT_KEY, small};

fn named(request: RequestBuilder, key: &str) -> RequestBuilder {
    request.header("idempotency-key", key)
}

async fn draw(house: &Harness, prompt: &str, key: &str) -> Answer {
    house.send(named(house.generation(small(prompt)), key)).await
}

fn generation_of(answer: &Answer) -> &str {
    answer.header("x-gateway-generation-id").unwrap()
}

/// Teams that share no answers, so that only keys do.
fn sharing_nothing() -> Value {
    json!({"cache": {"enabled": false}})
}

#[tokio::test]
async fn a_key_has_one_answer_while_it_is_made_and_after() {
    let house = Harness::with(sharing_nothing()).await;
    let prompt = "a fox [latency:200ms]";
    let (first, second) = tokio::join!(draw(&house, prompt, "a"), draw(&house, prompt, "a"));
    let third = draw(&house, prompt, "a").await;
    assert_eq!(first.picture(), second.picture());
    assert_eq!(first.picture(), third.picture());
    assert_eq!(first.json()["created"], third.json()["created"]);
    assert_eq!(third.header("x-gateway-credits"), Some("0"));
    assert!(third.header("cache-status").unwrap().contains("; hit; ttl="));
    house.has_tasks(1);
    draw(&house, prompt, "b").await.picture();
    house.draw(prompt).await.picture();
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn the_manner_and_form_may_differ_and_nothing_else() {
    let house = Harness::start().await;
    draw(&house, "a fox", "a").await.picture();
    let mut body = small("a fox");
    body["stream"] = json!(true);
    body["output_format"] = json!("webp");
    let streamed = house.send(named(house.generation(body), "a")).await;
    assert!(streamed.is_ok().text().contains("image_generation.completed"));
    let conflict = draw(&house, "a bear", "a").await;
    conflict.is_error(409, "invalid_request_error", "idempotency_conflict", false);
    house.has_tasks(1);
    let theirs = house.send(named(house.generation_by(STRICT_KEY, small("a bear")), "a")).await;
    theirs.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_final_failure_is_the_keys_answer_and_a_passing_one_is_not() {
    let house =
        Harness::with(json!({"cache": {"enabled": false}, "evolink": {"create_patience": "2s"}})).await;
    let prompt = "a fox [fail:content_policy_violation]";
    for _ in 0..3 {
        let refused = draw(&house, prompt, "a").await;
        refused.is_error(400, "image_generation_user_error", "moderation_blocked", false);
    }
    house.has_tasks(1);
    let busy = draw(&house, "a bear [create:429*1;retry-after=3]", "b").await;
    busy.is_error(503, "upstream_error", "upstream_unavailable", true);
    // Upstream's pause holds for every create.
    let after_it = async {
        loop {
            let answer = draw(&house, "a bear", "b").await;
            if answer.status != 503 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), after_it).await.unwrap().picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn what_is_refused_before_it_begins_leaves_the_key_free() {
    let house = Harness::start().await;
    let mut body = small("a fox");
    body["n"] = json!(0);
    let refused = house.send(named(house.generation(body), "a")).await;
    refused.is_error(400, "invalid_request_error", "invalid_value", false);
    draw(&house, "a fox", "a").await.picture();
    for key in ["", &"k".repeat(256)] {
        let refused = draw(&house, "a fox", key).await;
        refused.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(refused.error("param"), "Idempotency-Key");
    }
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_key_joins_nothing_of_another_but_may_be_answered_by_what_is_there() {
    let house = Harness::start().await;
    let prompt = "a fox [latency:200ms]";
    let (first, second) = tokio::join!(draw(&house, prompt, "a"), draw(&house, prompt, "b"));
    assert_ne!(generation_of(&first), generation_of(&second));
    let third = draw(&house, prompt, "c").await;
    assert!(third.header("cache-status").unwrap().contains("hit"));
    draw(&house, "a bear", "c").await.is_error(409, "invalid_request_error", "idempotency_conflict", false);
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_key_is_free_when_its_answer_was_taken_back() {
    let house = Harness::start().await;
    let first = draw(&house, "a fox", "a").await;
    let path = format!("/v1/images/generations/{}", generation_of(&first));
    house.send(house.ask(Method::DELETE, &path)).await.is_ok();
    draw(&house, "a bear", "a").await.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn after_a_deadline_the_key_waits_on_for_the_same_picture() {
    let house = Harness::with(json!({"cache": {"enabled": false}, "server": {"deadline": "200ms"}})).await;
    let prompt = "a fox [latency:700ms]";
    let mut answer = draw(&house, prompt, "a").await;
    answer.is_error(504, "timeout_error", "generation_timeout", true);
    while answer.status == 504 {
        answer = draw(&house, prompt, "a").await;
    }
    answer.picture();
    house.has_tasks(1);
    house.finish().await;
}
