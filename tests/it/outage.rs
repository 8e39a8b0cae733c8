//! An upstream that is down, wants quiet, fails its tasks or ignores keys: nothing is bought twice, nothing in vain.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Answer, Harness, PATIENCE, Setup, small};

/// Asks as a client does that retries, until there is a picture.
async fn drawn(house: &Harness, prompt: &str) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = house.draw(prompt).await;
        if answer.status == 200 {
            return answer;
        }
        assert_eq!(answer.header("x-should-retry"), Some("true"), "{}", answer.text());
        assert!(Instant::now() < deadline, "never drawn: {}", answer.text());
    }
}

/// Credits charged for the pictures of these answers, and for nothing else.
fn is_charged_for(house: &Harness, answers: &[Answer]) {
    let told: f64 = answers
        .iter()
        .map(|answer| answer.header("x-gateway-credits").unwrap().parse::<f64>().unwrap())
        .sum();
    let charged = house.ledger().totals.credits_charged;
    assert!((told - charged).abs() < 1e-6 && charged > 0.0, "told {told}, charged {charged}");
}

#[tokio::test]
async fn an_outage_opens_the_breaker_and_one_probe_closes_it() {
    let house = Harness::with(json!({"evolink": {"create_patience": "1s"}})).await;
    house.simulator.script("create:503*5".parse().unwrap());
    let prompts = ["fox 1", "fox 2", "fox 3", "fox 4", "fox 5"];
    let doubtful = join_all(prompts.map(async |prompt| house.draw(prompt).await));
    let refused = async {
        house.until("five failures", |ledger| ledger.totals.create_calls == 5).await;
        let began = Instant::now();
        let answer = loop {
            // The last of the five answers may be on its way.
            let answer = house.draw("a bear").await;
            if answer.status == 503 {
                break answer;
            }
        };
        (answer, began.elapsed())
    };
    let (doubtful, (refused, took)) = tokio::join!(doubtful, refused);
    refused.is_error(503, "upstream_error", "upstream_unavailable", true);
    let pause: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&pause) && took < Duration::from_millis(700), "{pause} s, told after {took:?}");
    assert_eq!(refused.header("x-gateway-generation-id"), None, "nothing was begun for it");
    for answer in doubtful {
        answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    }
    join_all(prompts.map(async |prompt| drawn(&house, prompt).await)).await;
    house.has_tasks(5);
    assert_eq!(house.ledger().totals.create_calls, 10, "nothing was sent while the breaker was open");
    drawn(&house, "a bear").await;
    house.finish().await;
}

#[tokio::test]
async fn a_429_pauses_the_creates_of_all_clients() {
    let house = Harness::start().await;
    house.simulator.script("create:429*1;retry-after=1".parse().unwrap());
    let first = drawn(&house, "a fox");
    let second = async {
        house.until("a 429", |ledger| ledger.totals.creates_refused == 1).await;
        // The answer has to reach the gateway.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let paused = house.ledger().now_ms;
        drawn(&house, "a bear").await;
        paused
    };
    let (_, paused) = tokio::join!(first, second);
    let ledger = house.ledger();
    assert_eq!((ledger.totals.create_calls, ledger.tasks.len()), (3, 2));
    let soonest = ledger.tasks.iter().map(|task| task.created_ms).fold(f64::MAX, f64::min);
    assert!(soonest - paused > 700.0, "{soonest} {paused}");
    house.finish().await;
}

#[tokio::test]
async fn failed_tasks_are_refunded_and_bought_again() {
    let house = Harness::with(json!({"generation": {"attempts": 3}})).await;
    let answer = house.draw("a fox [fail:service_error*2]").await;
    answer.picture();
    assert_eq!(answer.header("x-evolink-task-ids").unwrap().split(',').count(), 3);
    house.has_tasks(3);
    is_charged_for(&house, &[answer]);
    let failed = house.draw("a bear [fail:resource_exhausted]").await;
    failed.is_error(502, "upstream_error", "resource_exhausted", false);
    house.has_tasks(6);
    house.finish().await;
}

#[tokio::test]
async fn several_images_are_each_bought_again() {
    let house = Harness::with(json!({"generation": {"attempts": 3}})).await;
    let answer =
        house.generate(json!({"prompt": "a fox [fail:service_error*2]", "n": 3, "size": "816x816"})).await;
    assert_eq!((answer.pictures().len(), answer.header("x-gateway-partial")), (3, None));
    house.has_tasks(5);
    is_charged_for(&house, &[answer]);
    house.finish().await;
}

async fn that_ignores_keys() -> Harness {
    let config = json!({"evolink": {"idempotent_creates": false, "create_patience": "6s"}});
    Setup::new().config(&config).simulator(|options| options.idempotency = false).start().await
}

#[tokio::test]
async fn a_lost_answer_of_an_upstream_that_ignores_keys_is_found_in_its_list() {
    let house = that_ignores_keys().await;
    let mut answers = vec![house.draw("a bear").await];
    for fault in ["lost*1", "malformed*1", "no-id*1"] {
        let answer = house.draw(&format!("a fox [create:{fault}]")).await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        answers.push(answer);
    }
    let mut pair = small("two foxes [create:lost*1]");
    pair["n"] = json!(2);
    let pair = house.generate(pair).await;
    assert_eq!(pair.pictures().len(), 2);
    answers.push(pair);
    let totals = house.ledger().totals;
    assert_eq!((totals.create_calls, totals.creates_accepted), (6, 6));
    is_charged_for(&house, &answers);
    assert!(house.metrics().await.sum("upstream_requests_total", &[r#"call="list""#]) >= 4.0);
    house.finish().await;
}

#[tokio::test]
async fn two_lost_answers_that_cannot_be_told_apart_stay_in_doubt() {
    let house = that_ignores_keys().await;
    let prompts = ["a fox [create:lost*1]", "a bear [create:lost*1]"];
    for answer in join_all(prompts.map(async |prompt| house.draw(prompt).await)).await {
        answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    }
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("in_doubt_generations", &[]), 2.0);
    assert_eq!(house.ledger().totals.create_calls, 2);
    house.abandon().await;
}
