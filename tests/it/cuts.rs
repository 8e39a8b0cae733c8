//! Middle boxes that cut, delay and repeat: before the gateway, and between it and upstream.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Chaos, Harness, PATIENCE, Spoil, small};

/// Asks through the proxy as an SDK does: a new connection for each try, and again after a cut. Tells how often it
/// asked again.
async fn ask_through(house: &Harness, chaos: &Chaos, prompt: &str) -> (Answer, u32) {
    let request = house.generation(small(prompt)).build().unwrap();
    for retry in 0..20_u32 {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let again = client.post(format!("{}{}", chaos.url(), request.url().path()));
        let again = again.headers(request.headers().clone()).header("x-stainless-retry-count", retry);
        let again = again.body(request.body().unwrap().as_bytes().unwrap().to_vec());
        if let Ok(response) = again.send().await {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            if let Ok(body) = response.bytes().await {
                return (Answer { status, headers, body }, retry);
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("never answered");
}

#[tokio::test]
async fn a_box_that_cuts_waiting_clients_costs_them_nothing() {
    let house = Harness::start().await;
    let chaos = Chaos::before(house.api).await;
    chaos.script([Spoil::After(Duration::from_secs(1)); 2]);
    let (answer, tries) = ask_through(&house, &chaos, "a fox [latency:2500ms]").await;
    answer.picture();
    assert!(tries == 2 && chaos.is_spent(), "{tries} tries");
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_asked_for_again_without_buying_again() {
    let house = Harness::start().await;
    let chaos = Chaos::before(house.api).await;
    let cuts = [0, 1, 60, 400, 2_000, 40_000];
    for (number, cut) in cuts.into_iter().enumerate() {
        chaos.script([Spoil::AfterBytes(cut)]);
        let (answer, tries) = ask_through(&house, &chaos, &format!("fox {number}")).await;
        answer.picture();
        assert!(tries >= 1 && chaos.is_spent(), "cut after {cut}: {tries} tries");
        house.has_tasks(number + 1);
    }
    house.finish().await;
}

#[tokio::test]
async fn a_slow_box_changes_nothing() {
    let house = Harness::start().await;
    let chaos = Chaos::before(house.api).await;
    chaos.script([Spoil::Late(Duration::from_millis(700))]);
    let began = Instant::now();
    let (answer, tries) = ask_through(&house, &chaos, "a fox").await;
    answer.picture();
    assert!(tries == 0 && began.elapsed() >= Duration::from_millis(700));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_request_that_a_box_sends_twice_buys_one_picture() {
    let house = Harness::start().await;
    let chaos = Chaos::before(house.api).await;
    chaos.script([Spoil::Twice]);
    let (answer, tries) = ask_through(&house, &chaos, "a fox [latency:500ms]").await;
    answer.picture();
    assert!(tries == 0 && chaos.is_spent());
    house.until_metrics("a second answer", |metrics| metrics.sum("requests_total", &[]) >= 2.0).await;
    house.has_tasks(1);
    house.finish().await;
}

/// A gateway whose calls to upstream's API go through the proxy. Its pictures do not: their links name the simulator.
async fn with_spoilt_upstream() -> (Harness, Chaos) {
    let chaos = Chaos::start().await;
    let house = Harness::with(json!({"evolink": {"base_url": chaos.url(), "create_patience": "3s"}})).await;
    chaos.aim(house.simulator.url().trim_start_matches("http://").parse().unwrap());
    (house, chaos)
}

/// Pictures by creates whose answers are cut after so many bytes: within the status line, the head, the body, or when
/// all has come.
#[tokio::test]
async fn a_create_whose_answer_is_cut_at_any_point_is_charged_once() {
    for cut in [0, 9, 80, 180, 260, 100_000] {
        let (house, chaos) = with_spoilt_upstream().await;
        // The create is the first thing the gateway says to upstream.
        chaos.script([if cut > 10_000 {
            Spoil::After(Duration::from_millis(15))
        } else {
            Spoil::AfterBytes(cut)
        }]);
        let answer = house.draw("a fox [latency:200ms]").await;
        assert_eq!(answer.status, 200, "cut after {cut}: {}", answer.text());
        answer.picture();
        assert!(chaos.is_spent());
        let ledger = house.ledger();
        let charged = ledger.tasks.iter().filter(|task| task.credits_charged > 0.0).count();
        assert_eq!((ledger.tasks.len(), charged), (1, 1), "cut after {cut}: {:?}", ledger.totals);
        house.finish().await;
    }
}
