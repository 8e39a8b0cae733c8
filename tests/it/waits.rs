//! Waiting otherwise than in silence: whitespace ahead of the answer, and answers for later.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::support::{Harness, Live, Setup, small};

fn keepalive(after: &str, every: &str) -> Value {
    json!({"server": {"keepalive": {"enabled": true, "after": after, "every": every}}})
}

/// All bytes of an answer, and those that came before the JSON.
async fn read_out(live: &mut Live) -> (usize, Value) {
    let mut bytes = Vec::new();
    while let Some(piece) = live.piece().await {
        bytes.extend(piece);
    }
    let spaces = bytes.iter().take_while(|byte| **byte == b' ').count();
    (spaces, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn an_answer_before_the_first_whitespace_is_as_without_keepalive() {
    let house = Harness::with(keepalive("20s", "15s")).await;
    let answer = house.draw("a fox").await;
    answer.picture();
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!((answer.header("x-accel-buffering"), answer.body[0]), (None, b'{'));
    assert!(answer.header("x-gateway-credits").is_some());
    let failed = house.draw("a fox [fail:service_error]").await;
    failed.is_error(502, "upstream_error", "service_error", false);
    house.finish().await;
}

#[tokio::test]
async fn a_late_answer_comes_behind_whitespace() {
    let house = Harness::with(keepalive("50ms", "30ms")).await;
    let mut live = Live::open(house.generation(small("a fox [latency:400ms]"))).await;
    assert_eq!((live.status, live.header("content-type")), (200, Some("application/json")));
    assert_eq!((live.header("x-accel-buffering"), live.header("content-length")), (Some("no"), None));
    assert!(live.header("x-gateway-generation-id").is_some());
    let (spaces, answer) = read_out(&mut live).await;
    assert!(spaces > 3, "{spaces} spaces");
    crate::support::shown(answer["data"][0]["b64_json"].as_str().unwrap());
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_failure_behind_whitespace_is_an_empty_list_with_an_error() {
    let house = Harness::with(keepalive("50ms", "30ms")).await;
    let prompt = "a fox [latency:300ms] [fail:content_policy_violation]";
    let mut live = Live::open(house.generation(small(prompt))).await;
    assert_eq!(live.status, 200);
    let (spaces, answer) = read_out(&mut live).await;
    assert!(spaces > 1, "{spaces} spaces");
    assert_eq!(answer["data"], json!([]));
    assert!(answer["created"].as_i64().unwrap() > 1_700_000_000);
    let error = answer["error"].as_object().unwrap();
    assert_eq!((error.len(), &error["code"]), (4, &json!("moderation_blocked")));
    let failed = ["status=\"400\"", "code=\"moderation_blocked\""];
    house.until_metrics("the request", |metrics| metrics.sum("requests_total", &failed) == 1.0).await;
    house.finish().await;
}

#[tokio::test]
async fn refusals_come_before_any_whitespace() {
    let house = Harness::with(keepalive("1ms", "10ms")).await;
    let answer = house.generate(json!({"prompt": "x", "n": 0})).await;
    answer.is_error(400, "invalid_request_error", "invalid_value", false);
    house.finish().await;
}

#[tokio::test]
async fn whitespace_outlives_the_silent_deadline_unless_it_began_too_late() {
    let mut config = keepalive("50ms", "30ms");
    config["server"]["deadline"] = json!("200ms");
    let house = Harness::with(config.clone()).await;
    let mut live = Live::open(house.generation(small("a fox [latency:400ms]"))).await;
    assert!(read_out(&mut live).await.1["data"][0]["b64_json"].is_string());
    house.finish().await;

    config["server"]["keepalive"]["after"] = json!("10s");
    let house = Harness::with(config).await;
    let answer = house.draw("a fox [latency:400ms]").await;
    answer.is_error(504, "timeout_error", "generation_timeout", true);
    house.draw("a fox [latency:400ms]").await;
    house.finish().await;
}

#[tokio::test]
async fn whitespace_ends_with_a_time_out_in_band() {
    let patience = std::time::Duration::from_millis(300);
    let setup = Setup::new().config(&keepalive("50ms", "30ms"));
    let house = setup.patience(|times| times.wait_max = patience).start().await;
    let prompt = "a fox [latency:500ms]";
    let mut live = Live::open(house.generation(small(prompt))).await;
    let (_, answer) = read_out(&mut live).await;
    assert_eq!((&answer["data"], &answer["error"]["code"]), (&json!([]), &json!("generation_timeout")));
    let timed_out = ["status=\"504\"", "code=\"generation_timeout\""];
    house.until_metrics("the time-out", |metrics| metrics.sum("requests_total", &timed_out) == 1.0).await;
    let mut again = answer;
    while again["data"] == json!([]) {
        again = read_out(&mut Live::open(house.generation(small(prompt))).await).await.1;
    }
    assert!(again["data"][0]["b64_json"].is_string(), "the repetition joins");
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_preference_beyond_the_deadline_leaves_the_whitespace() {
    let house = Harness::with(keepalive("50ms", "30ms")).await;
    let request = house.generation(small("a fox [latency:400ms]")).header("prefer", "wait=600");
    let mut live = Live::open(request).await;
    assert_eq!((live.status, live.header("preference-applied")), (200, None));
    let (spaces, answer) = read_out(&mut live).await;
    assert!(spaces > 0 && answer["data"][0]["b64_json"].is_string(), "{spaces} spaces");
    house.finish().await;
}

/// A request whose body takes longer (1.6 s) than the silence that is allowed (1 s).
fn slowly(house: &Harness, prompt: &str) -> reqwest::RequestBuilder {
    let body = house.generation(small(prompt)).build().unwrap().body().unwrap().as_bytes().unwrap().to_vec();
    let pieces = futures_util::stream::iter(body).chunks(12).then(async |piece| {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok::<_, std::io::Error>(piece)
    });
    house.generation(small("")).body(reqwest::Body::wrap_stream(pieces))
}

#[tokio::test]
async fn silence_is_counted_from_the_end_of_a_slow_upload() {
    let house = Harness::with(json!({"server": {"deadline": "1s"}})).await;
    house.send(slowly(&house, "a fox")).await.picture();
    house.finish().await;
    let house = Harness::with(keepalive("1s", "30ms")).await;
    let answer = house.send(slowly(&house, "a fox [fail:service_error]")).await;
    answer.is_error(502, "upstream_error", "service_error", false);
    house.finish().await;
}
