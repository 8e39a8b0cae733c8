//! Doing it once where each request buys its own (`cache.enabled: false`): clients that come back, and clients that leave.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Answer, Harness, STRICT_KEY, small};

const COLLAPSED: Option<&str> = Some("evolink-gateway; fwd=miss; collapsed");

/// A gateway whose teams share no answers.
async fn sharing_nothing() -> Harness {
    Harness::with(json!({"cache": {"enabled": false}})).await
}

/// A request whose client leaves as soon as its task is made.
async fn leaves_early(house: &Harness, prompt: &str) {
    let asked = house.generation(small(prompt)).send();
    let left = tokio::select! {
        _ = asked => false,
        _ = house.until("a task", |ledger| !ledger.tasks.is_empty()) => true,
    };
    assert!(left, "the answer came too early");
    house.until_metrics("the client left", |metrics| metrics.sum("waiting_requests", &[]) == 0.0).await;
}

fn generation_of(answer: &Answer) -> &str {
    answer.header("x-gateway-generation-id").unwrap()
}

#[tokio::test]
async fn at_the_deadline_the_client_is_told_to_repeat_and_joins_what_goes_on() {
    let house = Harness::with(json!({"cache": {"enabled": false}, "server": {"deadline": "300ms"}})).await;
    let prompt = "a fox [latency:700ms]";
    let first = house.draw(prompt).await;
    first.is_error(504, "timeout_error", "generation_timeout", true);
    assert_eq!(first.header("retry-after"), Some("1"));
    let mut answer = house.draw(prompt).await;
    while answer.status == 504 {
        answer = house.draw(prompt).await;
    }
    answer.picture();
    assert_eq!((answer.header("cache-status"), answer.header("x-gateway-credits")), (COLLAPSED, Some("0")));
    assert_eq!(generation_of(&answer), generation_of(&first));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_left_while_it_ran_gets_the_same_picture_when_it_comes_back() {
    let house = sharing_nothing().await;
    let prompt = "a fox [latency:600ms]";
    leaves_early(&house, prompt).await;
    house.draw(prompt).await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_left_gets_the_picture_also_after_its_end() {
    let house = sharing_nothing().await;
    let prompt = "a fox [latency:300ms]";
    leaves_early(&house, prompt).await;
    house.until_metrics("the end", |metrics| metrics.sum("running_generations", &[]) == 0.0).await;
    house.draw(prompt).await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn an_answer_that_was_delivered_is_not_delivered_again_without_a_reason() {
    let house = sharing_nothing().await;
    leaves_early(&house, "a fox [latency:300ms]").await;
    house.draw("a fox [latency:300ms]").await.picture();
    house.draw("a fox [latency:300ms]").await.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn an_automatic_retry_joins_the_request_that_still_runs() {
    let house = sharing_nothing().await;
    let body = small("a fox [latency:500ms]");
    let first = house.generate(body.clone());
    let second = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        house.send(house.generation(body.clone()).header("x-stainless-retry-count", "1")).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.picture(), second.picture());
    assert_eq!(generation_of(&first), generation_of(&second));
    assert_eq!(second.header("cache-status"), COLLAPSED);
    house.has_tasks(1);
    assert_eq!(house.metrics().await.sum("joined_requests_total", &[]), 1.0);
    house.finish().await;
}

#[tokio::test]
async fn a_storm_of_retries_buys_one_picture() {
    let house = Harness::with(json!({"cache": {"enabled": false}, "server": {"deadline": "200ms"}})).await;
    let body = small("a fox [latency:700ms]");
    let client = async || {
        for retry in 0..20 {
            let request = house.generation(body.clone()).header("x-stainless-retry-count", retry.to_string());
            let answer = house.send(request).await;
            if answer.status == 200 {
                return answer;
            }
            answer.is_error(504, "timeout_error", "generation_timeout", true);
        }
        panic!("never came");
    };
    client().await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn joining_stays_within_a_key_and_a_request() {
    let house = Harness::with(json!({"cache": {"enabled": false}, "server": {"deadline": "200ms"}})).await;
    let prompt = "a fox [latency:400ms]";
    house.draw(prompt).await.is_error(504, "timeout_error", "generation_timeout", true);
    let other_team = house.generation_by(STRICT_KEY, small(prompt)).header("x-stainless-retry-count", "1");
    let other_size = house.generation(json!({"prompt": prompt, "size": "1024x1024", "quality": "low"}));
    let answers = join_all([other_team, other_size].map(|request| house.send(request))).await;
    assert!(answers.iter().all(|answer| answer.status == 504));
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn another_form_of_the_same_picture_joins() {
    let house = sharing_nothing().await;
    leaves_early(&house, "a fox [latency:400ms]").await;
    let mut body = small("a fox [latency:400ms]");
    body["output_format"] = json!("jpeg");
    body["user"] = json!("someone");
    let answer = house.generate(body).await;
    assert_eq!(answer.picture().format, image::ImageFormat::Jpeg);
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn who_leaves_before_the_queue_is_through_buys_nothing() {
    let house = Harness::with(json!({"evolink": {"max_tasks": 1}})).await;
    let first = house.draw("a fox [latency:600ms]");
    let second = async {
        house.until("a task", |ledger| ledger.tasks.len() == 1).await;
        let queued = house.until_metrics("a queue", |metrics| metrics.sum("queued_generations", &[]) == 1.0);
        let asked = house.generation(small("a bear")).send();
        tokio::select! {
            _ = asked => panic!("answered without a place"),
            _ = queued => {}
        }
    };
    let (first, ()) = tokio::join!(first, second);
    first.picture();
    house.until_metrics("an empty queue", |metrics| metrics.sum("queued_generations", &[]) == 0.0).await;
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_final_failure_answers_its_key_for_a_while_and_another_buys_anew() {
    let house = sharing_nothing().await;
    let prompt = "a fox [fail:service_error*1]";
    let first = house.draw(prompt).await;
    first.is_error(502, "upstream_error", "service_error", false);
    let again = house.draw(prompt).await;
    again.is_error(502, "upstream_error", "service_error", false);
    assert_eq!(generation_of(&again), generation_of(&first));
    house.has_tasks(1);
    let other = house.send(house.generation_by(STRICT_KEY, small(prompt))).await;
    other.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_request_that_reads_nothing_leaves_no_trace() {
    let house = sharing_nothing().await;
    let asked = house.ask(Method::GET, "/v1/models").send();
    timeout(Duration::from_secs(5), asked).await.unwrap().unwrap();
    house.has_tasks(0);
    house.finish().await;
}
