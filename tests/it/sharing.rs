//! Doing it once where a team shares its answers, which is the default: joins, hits, and what a request may ask of them.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, Live, STRICT_KEY, small};

fn generation_of(answer: &Answer) -> &str {
    answer.header("x-gateway-generation-id").unwrap()
}

fn status_of(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap().strip_prefix("evolink-gateway; ").unwrap()
}

fn controlled(request: RequestBuilder, control: &str) -> RequestBuilder {
    request.header("cache-control", control)
}

async fn controlled_draw(house: &Harness, prompt: &str, control: &str) -> Answer {
    house.send(controlled(house.generation(small(prompt)), control)).await
}

#[tokio::test]
async fn five_hundred_identical_requests_at_once_buy_one_picture() {
    let house = Harness::start().await;
    let answers = join_all((0..500).map(|_| house.draw("a fox [latency:300ms]"))).await;
    let pictures: BTreeSet<Vec<u8>> = answers.iter().map(|answer| answer.picture().bytes).collect();
    let firsts = answers.iter().filter(|answer| status_of(answer) == "fwd=miss; stored").count();
    assert_eq!((pictures.len(), firsts), (1, 1));
    let charged = house.ledger().totals.credits_charged;
    let told: f64 = answers
        .iter()
        .map(|answer| answer.header("x-gateway-credits").unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((told - charged).abs() < 1e-6, "one pays for all: {told}");
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_finished_picture_answers_the_same_request_again() {
    let house = Harness::start().await;
    let first = house.draw("a fox").await;
    let second = house.draw("a fox").await;
    assert_eq!(first.picture(), second.picture());
    for member in ["created", "usage", "size", "quality"] {
        assert_eq!(first.json()[member], second.json()[member], "{member}");
    }
    assert_eq!((status_of(&first), first.header("age")), ("fwd=miss; stored", None));
    assert_eq!(second.header("x-gateway-credits"), Some("0"));
    assert!(second.header("age").unwrap().parse::<u64>().unwrap() < 30);
    let left: u64 = status_of(&second).strip_prefix("hit; ttl=").unwrap().parse().unwrap();
    // Nothing is stored here: as long as Evolink's link, with a margin.
    assert!(left > 82_700 && left <= 82_800, "{left}");
    assert_eq!(generation_of(&first), generation_of(&second));
    let timing = second.header("server-timing").unwrap();
    assert!(timing.contains("create;dur=0.0, wait;dur=0.0"), "nothing was waited for: {timing}");
    let metrics = house.metrics().await;
    let requests = |label| metrics.sum("request_duration_seconds_count", &[label]);
    assert_eq!((requests("cache=\"hit\""), requests("cache=\"miss\"")), (1.0, 1.0));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_hit_comes_in_every_form_and_manner() {
    let house = Harness::start().await;
    house.draw("a fox").await.picture();
    let mut body = small("a fox");
    body["output_format"] = json!("jpeg");
    assert_eq!(house.generate(body).await.picture().format, image::ImageFormat::Jpeg);
    let mut body = small("a fox");
    body["stream"] = json!(true);
    let mut stream = Live::open(house.generation(body)).await;
    assert!(stream.header("cache-status").unwrap().contains("hit") && stream.header("age").is_some());
    assert_eq!(stream.event().await.1, "image_generation.completed");
    let deferred = house.generation(small("a fox")).header("prefer", "respond-async");
    house.send(deferred).await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn who_wants_another_picture_gets_one_and_the_latest_is_shared() {
    let house = Harness::start().await;
    let first = house.draw("a fox").await;
    let second = controlled_draw(&house, "a fox", "No-Cache").await;
    assert_eq!(status_of(&second), "fwd=miss; stored");
    assert_ne!(generation_of(&first), generation_of(&second));
    assert_eq!(generation_of(&house.draw("a fox").await), generation_of(&second));
    let answers = join_all((0..10).map(|_| controlled_draw(&house, "an owl", "no-cache"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    house.has_tasks(12);
    house.finish().await;
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_for_its_own_client() {
    let house = Harness::start().await;
    let first = controlled_draw(&house, "a fox", "no-store").await;
    assert_eq!(status_of(&first), "fwd=bypass");
    let second = house.draw("a fox").await;
    assert_eq!(status_of(&second), "fwd=miss; stored");
    let third = controlled_draw(&house, "a fox", "no-store").await;
    let all = [&first, &second, &third].map(|answer| generation_of(answer).to_owned());
    assert_eq!(BTreeSet::from(all).len(), 3);
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn only_what_is_cached_or_nothing() {
    let house = Harness::start().await;
    let answer = controlled_draw(&house, "a fox", "only-if-cached").await;
    answer.is_error(504, "timeout_error", "cache_miss", false);
    house.draw("a fox").await.picture();
    controlled_draw(&house, "a fox", "only-if-cached").await.picture();
    controlled_draw(&house, "a fox", "only-if-cached, max-age=3600").await.picture();
    let old = controlled_draw(&house, "a fox", "only-if-cached, max-age=0").await;
    old.is_error(504, "timeout_error", "cache_miss", false);
    let none = controlled_draw(&house, "a fox", "only-if-cached, no-cache").await;
    none.is_error(504, "timeout_error", "cache_miss", false);
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn each_variant_of_a_picture_is_kept() {
    let house = Harness::start().await;
    let draw = async |variant: &str| {
        let request = house.generation(small("a fox")).header("x-gateway-cache-variant", variant);
        let answer = house.send(request).await;
        generation_of(&answer).to_owned()
    };
    let plain = generation_of(&house.draw("a fox").await).to_owned();
    let (one, two) = (draw("1").await, draw("2").await);
    assert_eq!(BTreeSet::from([&plain, &one, &two]).len(), 3);
    assert_eq!((draw("1").await, draw("2").await), (one, two));
    let long = house.generation(small("a fox")).header("x-gateway-cache-variant", "v".repeat(65));
    let refused = house.send(long).await;
    refused.is_error(400, "invalid_request_error", "invalid_value", false);
    assert_eq!(refused.error("param"), "x-gateway-cache-variant");
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn teams_share_nothing_with_each_other() {
    let house = Harness::start().await;
    let prompt = "a fox [latency:200ms]";
    let other = || house.send(house.generation_by(STRICT_KEY, small(prompt)));
    let (ours, theirs) = tokio::join!(house.draw(prompt), other());
    assert_ne!(generation_of(&ours), generation_of(&theirs));
    assert_eq!(generation_of(&other().await), generation_of(&theirs));
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn a_team_may_share_where_others_do_not() {
    let mut config: Value = json!({"cache": {"enabled": false}, "teams": []});
    config["teams"] = json!([
        {"name": "design", "keys": [{"name": "ci", "secret": crate::support::DESIGN_KEY}], "cache": {"enabled": true}},
        {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}]},
    ]);
    let house = Harness::with(config).await;
    house.draw("a fox").await.picture();
    assert!(status_of(&house.draw("a fox").await).starts_with("hit"));
    for _ in 0..2 {
        let answer = house.send(house.generation_by(STRICT_KEY, small("a fox"))).await;
        assert_eq!(status_of(&answer), "fwd=bypass");
    }
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn an_answer_in_part_is_not_shared() {
    let house = Harness::start().await;
    let body = json!({"prompt": "a fox [fail:service_error*1]", "n": 2, "size": "816x816", "quality": "low"});
    let first = house.generate(body.clone()).await;
    first.is_ok();
    assert_eq!((first.header("x-gateway-partial"), status_of(&first)), (Some("1/2"), "fwd=miss"));
    assert_eq!(house.generate(body).await.pictures().len(), 2);
    house.has_tasks(4);
    house.finish().await;
}

#[tokio::test]
async fn a_refusal_is_not_bought_again_by_clients_that_repeat_it() {
    let house = Harness::start().await;
    for _ in 0..5 {
        let answer = house.draw("a fox [fail:content_policy_violation]").await;
        answer.is_error(400, "image_generation_user_error", "moderation_blocked", false);
    }
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn who_takes_an_answer_back_has_it_made_anew() {
    let house = Harness::start().await;
    let first = house.draw("a fox").await;
    let path = format!("/v1/images/generations/{}", generation_of(&first));
    house.send(house.ask(Method::DELETE, &path)).await.is_ok();
    assert_ne!(generation_of(&house.draw("a fox").await), generation_of(&first));
    house.has_tasks(2);
    house.finish().await;
}

/// A gateway that cancels what nobody waits for, and a client that left while its task ran.
async fn left_behind(prompt: &str) -> Harness {
    let house = Harness::with(json!({"generation": {"on_disconnect": "cancel"}})).await;
    let asked = house.generation(small(prompt)).send();
    tokio::select! {
        _ = asked => panic!("the answer came too early"),
        _ = house.until("a task", |ledger| !ledger.tasks.is_empty()) => {}
    }
    house
}

#[tokio::test]
async fn what_its_client_left_is_cancelled_and_made_anew_for_who_asks_again() {
    let prompt = "a fox [latency:20s]";
    let house = left_behind(prompt).await;
    house.until("a cancel", |ledger| ledger.tasks[0].status == "cancelled").await;
    let asked = house.generation(small(prompt)).send();
    tokio::select! {
        _ = asked => panic!("the answer came too early"),
        _ = house.until("another task", |ledger| ledger.tasks.len() == 2) => {}
    }
    house.until("another cancel", |ledger| ledger.tasks[1].status == "cancelled").await;
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_is_told_to_ask_again_has_not_left() {
    let config = json!({"generation": {"on_disconnect": "cancel"}, "server": {"deadline": "200ms"}});
    let house = Harness::with(config).await;
    let prompt = "a fox [latency:500ms]";
    house.draw(prompt).await.is_error(504, "timeout_error", "generation_timeout", true);
    house.until("its end", |ledger| ledger.tasks[0].status == "completed").await;
    assert_eq!(house.ledger().totals.cancel_calls, 0);
    let mut answer = house.draw(prompt).await;
    while answer.status == 504 {
        answer = house.draw(prompt).await;
    }
    answer.picture();
    let accepted =
        house.send(house.generation(small("an owl [latency:500ms]")).header("prefer", "respond-async"));
    assert_eq!(accepted.await.status, 202);
    house.until("its end", |ledger| ledger.tasks.len() == 2 && ledger.tasks[1].status == "completed").await;
    assert_eq!(house.ledger().totals.cancel_calls, 0);
    house.finish().await;
}
