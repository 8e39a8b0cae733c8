//! Places upstream, shared among teams: who is served in which order, by the simulator's ledger.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::{Answer, DESIGN_KEY, Harness, PATIENCE, Setup, small};

const BUSY_KEY: &str = "egk_busy-team-of-this-test";
const CALM_KEY: &str = "egk_calm-team-of-this-test";
/// Requests on their way at once, where there are many.
const AT_ONCE: usize = 32;

/// So many places, and the teams `busy` and `calm`, with what else is said of them.
fn teams(max_tasks: usize, busy: Value, calm: Value) -> Value {
    let team = |name: &str, key: &str, mut more: Value| {
        more["name"] = name.into();
        more["keys"] = json!([{"name": "ci", "secret": key}]);
        more
    };
    json!({
        "evolink": {"max_tasks": max_tasks, "poll": {"max": "50ms"}},
        "generation": {"queue_timeout": "590s"},
        "teams": [team("busy", BUSY_KEY, busy), team("calm", CALM_KEY, calm), team("design", DESIGN_KEY, json!({}))],
    })
}

/// A generation that goes on by itself.
fn promised(house: &Harness, key: &str, prompt: &str) -> reqwest::RequestBuilder {
    house.generation_by(key, small(prompt)).header("prefer", "respond-async")
}

async fn promise(house: &Harness, key: &str, prompt: &str) -> Answer {
    let answer = house.send(promised(house, key, prompt)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer
}

/// Many of them.
async fn crowd(house: &Harness, key: &str, name: &str, count: usize) {
    let mut sending = JoinSet::new();
    for number in 0..count {
        if sending.len() >= AT_ONCE {
            sending.join_next().await;
        }
        let request = promised(house, key, &format!("{name} {number}"));
        sending.spawn(async move { assert_eq!(request.send().await.unwrap().status(), 202) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
}

/// How many of these tasks have such a prompt.
fn of(house: &Harness, name: &str, from: usize, count: usize) -> usize {
    let ledger = house.ledger();
    ledger.tasks.iter().skip(from).take(count).filter(|task| task.prompt.starts_with(name)).count()
}

#[tokio::test]
async fn the_one_request_of_a_calm_team_is_served_next_after_a_thousand_of_a_busy_one() {
    let setup = Setup::new().config(&teams(2, json!({}), json!({})));
    let second = Duration::from_secs(1);
    let house = setup.simulator(|simulator| simulator.latency = Some((second, second))).start().await;
    crowd(&house, BUSY_KEY, "busy", 1000).await;
    let before = house.ledger().tasks.len();
    let answer = house.send(house.generation_by(CALM_KEY, small("calm"))).await;
    answer.picture();
    let at = house.ledger().tasks.iter().position(|task| task.prompt.starts_with("calm")).unwrap();
    assert!(before < 100, "{before} of a thousand were made before all were asked for");
    assert!(at <= before + 2, "served as number {at}, after {before} had their places");
    house.abandon().await;
}

#[tokio::test]
async fn weights_of_three_to_one_give_shares_of_three_to_one() {
    let house = Harness::with(teams(2, json!({"priority": 3}), json!({"priority": 1}))).await;
    let held = [promise(&house, DESIGN_KEY, "a [latency:3s]"), promise(&house, DESIGN_KEY, "b [latency:3s]")];
    futures_util::future::join_all(held).await;
    crowd(&house, CALM_KEY, "calm", 30).await;
    crowd(&house, BUSY_KEY, "busy", 60).await;
    assert_eq!(house.ledger().tasks.len(), 2, "all were asked for while there was no place");
    house.until("their turns", |ledger| ledger.tasks.len() >= 42).await;
    let shares = (of(&house, "busy", 2, 40), of(&house, "calm", 2, 40));
    assert!((29..=31).contains(&shares.0), "{shares:?}");
    house.until("all of them", |ledger| ledger.tasks.len() == 92).await;
    house.finish().await;
}

#[tokio::test]
async fn a_team_at_its_own_limit_keeps_nobody_waiting() {
    let narrow = json!({"limits": {"concurrent_images": 1}});
    let house = Harness::with(teams(4, narrow, json!({}))).await;
    for number in 0..6 {
        promise(&house, BUSY_KEY, &format!("busy {number} [latency:600ms]")).await;
    }
    let answers = ["one", "two", "three"]
        .map(|number| house.send(house.generation_by(CALM_KEY, small(&format!("calm {number}")))));
    for answer in futures_util::future::join_all(answers).await {
        answer.picture();
    }
    assert_eq!((of(&house, "busy", 0, 100), of(&house, "calm", 0, 100)), (1, 3));
    let gauge = |state: &str| format!("{state}_generations");
    let metrics = house.metrics().await;
    let busy = ["team=\"busy\""];
    assert_eq!(metrics.sum(&gauge("running"), &busy), 1.0, "{}", metrics.text());
    assert_eq!(metrics.sum(&gauge("queued"), &busy), 5.0);
    house.until("all of them", |ledger| ledger.tasks.len() == 9).await;
    house.finish().await;
}

#[tokio::test]
async fn who_is_queued_is_told_its_position_and_who_runs_is_not() {
    let house = Harness::with(teams(1, json!({}), json!({}))).await;
    let running = promise(&house, BUSY_KEY, "a [latency:2s]").await.json();
    house.until("the first", |ledger| ledger.tasks.len() == 1).await;
    let mut queued = Vec::new();
    for number in 0..3 {
        queued.push(promise(&house, BUSY_KEY, &format!("busy {number}")).await.json());
    }
    let state = async |generation: &Value| {
        let path = format!("/v1/images/generations/{}", generation["id"].as_str().unwrap());
        let request = house.http.request(Method::GET, house.url(&path)).bearer_auth(BUSY_KEY);
        house.send(request).await.json()
    };
    assert_eq!((&running["state"], running.get("position")), (&json!("running"), None));
    for (position, generation) in queued.iter().enumerate() {
        assert_eq!(generation["state"], "queued");
        let told = state(generation).await;
        assert_eq!((&told["state"], &told["position"]), (&json!("queued"), &json!(position)), "{told}");
    }
    // One of another team goes before all but the first.
    let calm = promise(&house, CALM_KEY, "calm").await.json();
    let listed = house.admin("/admin/v1/generations?state=queued&team=calm").await.is_ok().json();
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["position"]),
        (&calm["id"], &json!(0)),
        "{listed}"
    );
    assert_eq!(state(&queued[2]).await["position"], 3);
    assert_eq!(state(&running).await.get("position"), None);
    house.until("all of them", |ledger| ledger.tasks.len() == 5).await;
    let order: Vec<_> = house.ledger().tasks.iter().map(|task| task.prompt[..6].to_owned()).collect();
    assert_eq!(order[1..], ["calm p", "busy 0", "busy 1", "busy 2"]);
    house.finish().await;
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_those_go_who_wait() {
    let path = std::env::temp_dir().join(format!("evolink-gateway-it-queue-{}.yaml", std::process::id()));
    let narrow = json!({"limits": {"concurrent_images": 1}});
    let house = Setup::new().config(&teams(8, narrow, json!({}))).file(path.clone()).start().await;
    for number in 0..4 {
        promise(&house, BUSY_KEY, &format!("busy {number} [latency:2s]")).await;
    }
    house.until("the first", |ledger| ledger.tasks.len() == 1).await;
    let began = Instant::now();
    let mut config = house.config.clone();
    config["teams"][0]["limits"]["concurrent_images"] = json!(3);
    std::fs::write(&path, config.to_string()).unwrap();
    house.reload.notify_one();
    house.until("two more", |ledger| ledger.tasks.len() == 3).await;
    assert!(began.elapsed() < Duration::from_millis(1900), "before the first ended: {:?}", began.elapsed());
    house.until("the last", |ledger| ledger.tasks.len() == 4).await;
    house.finish().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn what_cannot_be_in_time_is_refused_at_once_and_eats_nothing() {
    let narrow = json!({"limits": {
        "concurrent_images": 1, "images_per_minute": 600,
        "budgets": [{"amount": 100, "unit": "images", "per": "day"}],
    }});
    let mut config = teams(8, narrow, json!({}));
    config["generation"]["queue_timeout"] = json!("1500ms");
    let house = Harness::with(config).await;
    for number in 0..8 {
        house.send(house.generation_by(BUSY_KEY, small(&format!("{number} [latency:1s]")))).await.picture();
    }
    for number in 8..11 {
        promise(&house, BUSY_KEY, &format!("{number} [latency:1s]")).await;
    }
    let began = Instant::now();
    let refused = house.send(house.generation_by(BUSY_KEY, small("too many"))).await;
    refused.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let pause: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&pause), "{pause}");
    assert!(refused.text().contains("concurrent_images"), "{}", refused.text());
    let rejections = ["limit=\"concurrent_images\"", "team=\"busy\""];
    assert!(house.metrics().await.sum("quota_rejections_total", &rejections) >= 1.0);
    assert_eq!(house.ledger().tasks.iter().filter(|task| task.prompt.starts_with("too many")).count(), 0);
    timeout(PATIENCE, house.finish()).await.unwrap();
}
