//! `stream: true`: the picture as the last event of a stream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Block, DESIGN_KEY, Harness, Live, PRINT_KEY, Setup, shown, small};

/// A house whose streams open at once and comment every 30 ms.
async fn talkative() -> Harness {
    talkative_with(json!({})).await
}

async fn talkative_with(config: Value) -> Harness {
    let setup = Setup::new().config(&config).patience(|patience| {
        patience.early_end = Duration::from_millis(20);
        patience.comment_every = Duration::from_millis(30);
    });
    setup.start().await
}

fn streamed(prompt: &str) -> Value {
    let mut body = small(prompt);
    body["stream"] = json!(true);
    body
}

fn names(data: &Value) -> Vec<&str> {
    data.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_stream_ends_with_the_picture_and_all_that_openais_event_has() {
    let house = Harness::start().await;
    let mut stream = Live::open(house.generation(streamed("a fox"))).await;
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("cache-status"), Some("evolink-gateway; fwd=miss; stored"));
    assert_eq!(stream.header("content-length"), None);
    assert!(stream.header("x-request-id").unwrap().starts_with("req_"));
    assert!(stream.header("x-gateway-generation-id").unwrap().starts_with("gen_"));
    let (comments, name, data) = stream.event().await;
    assert_eq!(comments[0], "keep-alive", "the head does not wait for the picture behind a proxy");
    assert_eq!((name.as_str(), &data["type"]), ("image_generation.completed", &json!(name)));
    let wanted =
        ["b64_json", "background", "created_at", "output_format", "quality", "size", "type", "usage"];
    assert_eq!(names(&data), wanted);
    let picture = shown(data["b64_json"].as_str().unwrap());
    assert_eq!(data["size"], json!(format!("{}x{}", picture.size.0, picture.size.1)));
    assert_eq!(
        (&data["quality"], &data["background"], &data["output_format"]),
        (&json!("low"), &json!("opaque"), &json!("png"))
    );
    assert!(data["created_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(
        names(&data["usage"]),
        ["input_tokens", "input_tokens_details", "output_tokens", "total_tokens"]
    );
    assert_eq!(names(&data["usage"]["input_tokens_details"]), ["image_tokens", "text_tokens"]);
    house.finish().await;
}

#[tokio::test]
async fn a_stream_has_the_picture_that_a_plain_answer_has() {
    let house = talkative().await;
    let prompt = "a fox [latency:300ms]";
    let plain = house.draw(prompt);
    let streamed = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        let request = house.generation(streamed(prompt)).header("x-stainless-retry-count", "1");
        Live::open(request).await.event().await.2
    };
    let (plain, data) = tokio::join!(plain, streamed);
    assert!(shown(data["b64_json"].as_str().unwrap()) == plain.picture());
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_waiting_stream_comments_and_tells_its_tasks() {
    let house = talkative().await;
    let mut stream = Live::open(house.generation(streamed("a fox [latency:500ms]"))).await;
    let (comments, name, _) = stream.event().await;
    assert_eq!(name, "image_generation.completed");
    assert!(comments.iter().filter(|text| *text == "keep-alive").count() > 3, "{comments:?}");
    house.finish().await;
}

#[tokio::test]
async fn a_stream_tells_upstreams_progress() {
    let house = talkative_with(json!({"evolink": {"poll": {"min": "10ms", "max": "50ms"}}})).await;
    let mut stream = Live::open(house.generation(streamed("a fox [latency:800ms]"))).await;
    let (comments, name, _) = stream.event().await;
    assert_eq!(name, "image_generation.completed");
    let told: Vec<u8> = comments
        .iter()
        .filter_map(|text| text.strip_prefix("progress "))
        .map(|text| text.parse().unwrap())
        .collect();
    assert!(told.len() > 1 && told.is_sorted_by(|a, b| a < b), "{comments:?}");
    house.finish().await;
}

#[tokio::test]
async fn an_early_failure_has_its_true_status() {
    let house = Harness::start().await;
    let answer = house.generate(streamed("a fox [fail:service_error]")).await;
    answer.is_error(502, "upstream_error", "service_error", false);
    assert!(answer.header("x-gateway-generation-id").is_some() && answer.header("cache-control").is_none());
    let answer = house.generate(streamed("a fox [create:429;retry-after=60]")).await;
    answer.is_error(503, "upstream_error", "upstream_unavailable", true);
    house.finish().await;
}

#[tokio::test]
async fn a_late_failure_is_an_event_and_the_metrics_know_better_than_the_head() {
    let house = talkative().await;
    let mut stream =
        Live::open(house.generation(streamed("a fox [latency:300ms] [fail:service_error]"))).await;
    assert_eq!(stream.status, 200);
    let (_, name, data) = stream.event().await;
    assert_eq!((name.as_str(), names(&data)), ("error", vec!["error", "type"]));
    assert_eq!(names(&data["error"]), ["code", "message", "param", "type"]);
    assert_eq!(data["type"], "error");
    assert_eq!(
        (&data["error"]["code"], &data["error"]["type"]),
        (&json!("service_error"), &json!("upstream_error"))
    );
    let failed = ["status=\"502\"", "code=\"task_failed\""];
    let metrics =
        house.until_metrics("the request", |metrics| metrics.sum("requests_total", &failed) == 1.0).await;
    assert_eq!(metrics.sum("requests_total", &["status=\"200\""]), 0.0);
    house.finish().await;
}

#[tokio::test]
async fn what_can_be_refused_is_refused_before_the_stream() {
    let house = Harness::start().await;
    let refusals = [
        (json!({"prompt": "x", "stream": true, "size": "3x3"}), "size"),
        (json!({"prompt": "x", "stream": true, "n": 2}), "n"),
        (json!({"prompt": "x", "stream": "yes"}), "stream"),
    ];
    for (body, param) in refusals {
        let answer = house.generate(body).await;
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(answer.error("param"), param);
    }
    let wrong_key = house.send(house.generation_by("egk_wrong", streamed("x"))).await;
    wrong_key.is_error(401, "invalid_request_error", "invalid_api_key", false);
    let not_allowed = house.send(house.generation_by(PRINT_KEY, streamed("x"))).await;
    not_allowed.is_error(403, "invalid_request_error", "model_not_allowed", false);
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn n_above_one_is_refused_in_openais_words() {
    let house = Harness::start().await;
    let answer = house.generate(json!({"prompt": "x", "stream": true, "n": 2})).await;
    assert_eq!(answer.error("message"), "Streaming is only supported with n=1.");
    house.generate(json!({"prompt": "x", "size": "816x816", "stream": false, "n": 2})).await.is_ok();
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_breaks_out_leaves_a_picture_for_its_repetition() {
    let house = talkative().await;
    let prompt = "a fox [latency:400ms]";
    let mut stream = Live::open(house.generation(streamed(prompt))).await;
    let Some(Block::Comment(_)) = stream.block().await else { panic!("no comment") };
    let generation = stream.header("x-gateway-generation-id").unwrap().to_owned();
    drop(stream);
    house.until_metrics("the client left", |metrics| metrics.sum("waiting_requests", &[]) == 0.0).await;
    let again = house.draw(prompt).await;
    again.picture();
    assert_eq!(again.header("x-gateway-generation-id"), Some(generation.as_str()));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_stream_read_to_its_end_counts_as_delivered() {
    let house = talkative_with(json!({"cache": {"enabled": false}})).await;
    let prompt = "a fox [latency:100ms]";
    Live::open(house.generation(streamed(prompt))).await.event().await;
    house.draw(prompt).await.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_link_comes_where_it_is_asked_for_but_not_by_an_aliass_default() {
    let house = Harness::start().await;
    let mut body = streamed("a fox");
    body["response_format"] = json!("url");
    let (_, _, data) = Live::open(house.generation(body)).await.event().await;
    assert!(data["url"].as_str().unwrap().starts_with("http") && data.get("b64_json").is_none(), "{data}");
    assert_eq!(data["output_format"], "png");
    let alias = json!({"prompt": "a fox", "model": "dall-e-3", "stream": true});
    let (_, _, data) = Live::open(house.generation(alias)).await.event().await;
    assert!(data["b64_json"].is_string() && data.get("url").is_none());
    house.finish().await;
}

#[tokio::test]
async fn a_stream_outlives_the_silent_deadline_and_ends_at_its_own() {
    let setup = Setup::new().config(&json!({"server": {"deadline": "100ms"}})).patience(|patience| {
        patience.early_end = Duration::from_millis(20);
        patience.wait_max = Duration::from_millis(700);
    });
    let house = setup.start().await;
    let mut stream = Live::open(house.generation(streamed("a fox [latency:300ms]"))).await;
    assert_eq!(stream.event().await.1, "image_generation.completed");
    let prompt = "an owl [latency:1500ms]";
    let mut stream = Live::open(house.generation(streamed(prompt))).await;
    let (_, name, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["error"]["code"]), ("error", &json!("generation_timeout")));
    assert_eq!(data["error"]["type"], "timeout_error");
    let timed_out = ["status=\"504\"", "code=\"generation_timeout\""];
    house.until_metrics("the time-out", |metrics| metrics.sum("requests_total", &timed_out) == 1.0).await;
    let mut stream = Live::open(house.generation(streamed(prompt))).await;
    assert_eq!(stream.header("cache-status"), Some("evolink-gateway; fwd=miss; collapsed"));
    drop(stream.event().await);
    house.has_tasks(2);
    house.abandon().await;
}

#[tokio::test]
async fn at_the_end_of_the_drain_a_stream_is_told_in_band() {
    let house = talkative_with(json!({"server": {"drain": "400ms"}})).await;
    let mut stream = Live::open(house.generation(streamed("a fox [latency:20s]"))).await;
    let Some(Block::Comment(_)) = stream.block().await else { panic!("no comment") };
    house.shutdown.drain();
    let (_, name, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["error"]["code"]), ("error", &json!("server_is_overloaded")));
    drop(stream);
    house.has_ended().await;
}

#[tokio::test]
async fn a_stream_holds_its_place_in_the_waiting_room_until_its_end() {
    let house = talkative_with(json!({"server": {"max_waiting": 1}})).await;
    let mut stream = Live::open(house.generation(streamed("a fox [latency:300ms]"))).await;
    house.draw("an owl").await.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
    stream.event().await;
    drop(stream);
    let empty = |answer: &Answer| answer.status == 200;
    let mut answer = house.draw("an owl").await;
    while !empty(&answer) {
        answer = house.draw("an owl").await;
    }
    house.finish().await;
}

#[tokio::test]
async fn accept_decides_nothing() {
    let house = Harness::start().await;
    let request = house.generation(streamed("a fox")).header("accept", "application/json");
    let stream = Live::open(request).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    drop(stream);
    let request = house.generation(small("a fox")).header("accept", "text/event-stream");
    house.send(request.bearer_auth(DESIGN_KEY)).await.picture();
    house.finish().await;
}
