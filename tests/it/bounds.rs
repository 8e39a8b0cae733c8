//! What is refused when there is too much of it.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, DESIGN_KEY, Harness, STRICT_KEY, small};

/// A request that waits, and others while it does.
async fn while_one_waits(config: Value, meanwhile: impl AsyncFnOnce(&Harness)) {
    let house = Harness::with(config).await;
    let first = house.draw("a fox [latency:1s]");
    let others = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        meanwhile(&house).await;
    };
    let (first, ()) = tokio::join!(first, others);
    first.picture();
    house.draw("a fox").await.picture();
    house.has_tasks(2);
    house.finish().await;
}

fn is_full(answer: &Answer) {
    answer.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
}

#[tokio::test]
async fn no_place_upstream_within_the_queue_time_is_a_429() {
    let config = json!({"evolink": {"max_tasks": 1}, "generation": {"queue_timeout": "200ms"}});
    while_one_waits(config, async |house| {
        let answer = house.draw("a bear").await;
        answer.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
    })
    .await;
}

#[tokio::test]
async fn a_full_gateway_is_a_503() {
    let config = json!({"server": {"max_waiting": 1}});
    while_one_waits(config, async |house| {
        is_full(&house.draw("a bear").await);
        is_full(&house.send(house.generation_by(STRICT_KEY, small("a bear"))).await);
        house.send(house.ask(Method::GET, "/v1/models")).await.is_ok();
        house.post("not json").await.is_error(400, "invalid_request_error", "invalid_json", false);
    })
    .await;
}

#[tokio::test]
async fn a_team_with_too_many_waiting_gets_429_and_others_are_served() {
    let config = json!({"server": {"max_waiting_per_team": 1}});
    let house = Harness::with(config).await;
    let first = house.draw("a fox [latency:1s]");
    let others = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        let same = house.draw("a bear").await;
        same.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
        house.send(house.generation_by(STRICT_KEY, small("a bear"))).await.picture();
    };
    let (first, ()) = tokio::join!(first, others);
    first.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_refused() {
    let house = Harness::with(json!({"server": {"max_json": "8KiB", "max_buffered": "12KiB"}})).await;
    let large = json!({"prompt": "x".repeat(9000)}).to_string();
    house.post(large).await.is_error(413, "invalid_request_error", "request_too_large", false);
    house.draw("a fox").await.picture();
    house.finish().await;
}

/// One client holds most of the room with a body that it does not finish.
#[tokio::test]
async fn bodies_that_would_not_fit_together_are_sent_away() {
    let house = Harness::with(json!({"server": {"max_json": "8KiB", "max_buffered": "12KiB"}})).await;
    let mut slow = house.raw().await;
    let head = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESIGN_KEY}\r\n\
         content-type: application/json\r\ncontent-length: 8000\r\n\r\n"
    );
    slow.send(head + &"x".repeat(7000)).await;
    let body = json!({"prompt": "x".repeat(7000)}).to_string();
    let mut answer = house.post(body.clone()).await;
    while answer.status == 200 {
        // The slow client's bytes are still on their way.
        answer = house.post(body.clone()).await;
    }
    is_full(&answer);
    slow.send("x".repeat(1000)).await;
    assert!(slow.read_head().await.starts_with("HTTP/1.1 400 "));
    house.post(body).await.picture();
    house.finish().await;
}

/// A body and a form, both left in their midst, each nearly as large as the room.
#[tokio::test]
async fn clients_that_leave_within_their_uploads_leave_nothing_behind() {
    let house = Harness::with(json!({"server": {"max_json": "8KiB", "max_buffered": "12KiB"}})).await;
    let part = "--b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\n";
    for (path, media_type, start) in
        [("generations", "application/json", ""), ("edits", "multipart/form-data; boundary=b", part)]
    {
        let mut leaving = house.raw().await;
        let head = format!(
            "POST /v1/images/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESIGN_KEY}\r\n\
             content-type: {media_type}\r\ncontent-length: 8000\r\n\r\n{start}"
        );
        leaving.send(head + &"x".repeat(7000)).await;
        let body = json!({"prompt": "x".repeat(7000), "n": 0}).to_string();
        let mut answer = house.post(body.clone()).await;
        while answer.status == 400 {
            // The leaving client's bytes are still on their way.
            answer = house.post(body.clone()).await;
        }
        is_full(&answer);
        drop(leaving);
        while answer.status == 503 {
            answer = house.post(body.clone()).await;
        }
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
    }
    house.finish().await;
}

#[tokio::test]
async fn the_places_upstream_are_never_exceeded() {
    let house = Harness::with(json!({"evolink": {"max_tasks": 2}})).await;
    let asked = (0..3)
        .map(|number| house.generate(json!({"prompt": format!("fox {number}"), "n": 3, "size": "816x816"})));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.pictures().len() == 3));
    let tasks = house.ledger().tasks;
    for task in &tasks {
        let at_once = tasks
            .iter()
            .filter(|other| other.created_ms <= task.created_ms && task.created_ms < other.ends_ms);
        assert!(at_once.count() <= 2, "{tasks:?}");
    }
    house.finish().await;
}
