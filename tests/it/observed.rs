//! What operators see: metrics that agree with upstream's books, and logs.

use http::Method;
use serde_json::json;

use crate::support::{Harness, PRINT_KEY, Setup, small};

#[tokio::test]
async fn the_metrics_agree_with_upstreams_books() {
    let house = Harness::start().await;
    house.generate(json!({"prompt": "a fox", "n": 2, "size": "816x816", "quality": "low"})).await.is_ok();
    house.draw("a bear [create:500*1]").await.is_ok();
    house.draw("a wolf [fail:service_error]").await;
    house.generate(json!({"prompt": "a cat", "n": 0})).await;
    house.send(house.generation_by(PRINT_KEY, small("a cat"))).await;
    house.send(house.http.post(house.url("/v1/images/generations"))).await;
    house.send(house.ask(Method::GET, "/v1/models")).await;
    let metrics =
        house.until_metrics("all counted", |metrics| metrics.sum("requests_total", &[]) == 7.0).await;
    let sum = |metric: &str, labels: &[&str]| metrics.sum(metric, labels);
    let route = "route=\"/v1/images/generations\"";
    for (count, labels) in [
        (2.0, vec![route, "team=\"design\"", "status=\"200\"", "code=\"\""]),
        (1.0, vec![route, "team=\"design\"", "status=\"502\"", "code=\"task_failed\""]),
        (1.0, vec![route, "team=\"design\"", "status=\"400\"", "code=\"invalid_value\""]),
        (1.0, vec![route, "team=\"print\"", "status=\"403\"", "code=\"model_not_allowed\""]),
        (1.0, vec![route, "team=\"\"", "status=\"401\"", "code=\"invalid_api_key\""]),
        (1.0, vec!["route=\"/v1/models\"", "team=\"design\"", "status=\"200\""]),
    ] {
        assert_eq!(sum("requests_total", &labels), count, "{labels:?}\n{}", metrics.text());
    }
    let totals = house.ledger().totals;
    let count = |number: u64| f64::from(u32::try_from(number).unwrap());
    assert_eq!(sum("upstream_requests_total", &["call=\"create\""]), count(totals.create_calls));
    assert_eq!(sum("upstream_requests_total", &["call=\"create\"", "status=\"500\""]), 1.0);
    let looks = ["call=\"task\"", "call=\"batch\""].map(|call| sum("upstream_requests_total", &[call]));
    assert_eq!(looks, [count(totals.task_calls), count(totals.batch_calls)]);
    assert_eq!(sum("upstream_requests_total", &["call=\"media\""]), count(totals.media_fetches));
    assert_eq!(sum("polls_per_task_sum", &[]), count(totals.looks));
    assert_eq!((sum("polls_per_task_count", &[]), sum("poll_lag_seconds_count", &[])), (4.0, 4.0));
    assert_eq!(sum("images_total", &["team=\"design\"", "model=\"gpt-image-2\""]), 3.0);
    let credits = sum("credits_total", &["team=\"design\"", "model=\"gpt-image-2\""]);
    assert!((credits - totals.credits_charged).abs() < 1e-6, "{credits} {}", totals.credits_charged);
    let made = ["team=\"design\"", "model=\"gpt-image-2\"", "quality=\"low\"", "outcome=\"completed\""];
    assert_eq!(sum("generations_total", &made), 2.0, "{}", metrics.text());
    assert_eq!(sum("generations_total", &[]), 3.0);
    assert_eq!(sum("generation_duration_seconds_count", &[]), 3.0);
    assert_eq!(sum("request_duration_seconds_count", &[route]), 6.0);
    assert_eq!(sum("overhead_seconds_count", &[route]), 3.0);
    house.finish().await;
}

#[tokio::test]
async fn all_metrics_of_the_contract_are_there() {
    let house = Harness::start().await;
    house.draw("a fox").await.is_ok();
    let metrics = house
        .until_metrics("the credits", |metrics| metrics.sum("upstream_credits_remaining", &[]) > 0.0)
        .await;
    for name in [
        "requests_total",
        "request_duration_seconds",
        "overhead_seconds",
        "waiting_requests",
        "running_generations",
        "queued_generations",
        "generations_total",
        "generation_duration_seconds",
        "images_total",
        "credits_total",
        "upstream_requests_total",
        "upstream_request_duration_seconds",
        "polls_per_task",
        "poll_lag_seconds",
        "joined_requests_total",
        "upstream_credits_remaining",
        "config_reloads_total",
        "config_last_reload_successful",
        "build_info",
    ] {
        let head = format!("# TYPE evolink_gateway_{name} ");
        assert!(metrics.text().contains(&head), "{name} is missing\n{}", metrics.text());
    }
    house.finish().await;
}

#[tokio::test]
async fn no_client_can_make_the_metrics_grow() {
    let house = Harness::start().await;
    let series = async || house.metrics().await.text().lines().filter(|line| !line.starts_with('#')).count();
    let poke = async |number: u32| {
        house.generate(json!({"prompt": "x", "model": format!("model-{number}")})).await;
        house.send(house.ask(Method::GET, &format!("/path-{number}"))).await;
        house.send(house.ask(Method::GET, &format!("/v1/models/model-{number}"))).await;
        house.send(house.ask(Method::GET, "/v1/models").bearer_auth(format!("key-{number}"))).await;
        let method = Method::from_bytes(format!("METHOD{number}").as_bytes()).unwrap();
        house.send(house.ask(method, "/v1/models")).await;
    };
    poke(0).await;
    let before = series().await;
    for number in 1..30 {
        poke(number).await;
    }
    assert_eq!(series().await, before);
    house.finish().await;
}

#[tokio::test]
async fn the_log_names_a_failure_once_with_its_cause_and_no_secret() {
    let house = Setup::new().start().await;
    let answer = house.draw("a fox [create:402;code=key_quota_exhausted]").await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    let has_cause = || {
        let log = crate::support::logged();
        let line = log.lines().find(|line| line.contains(&id)).map(ToOwned::to_owned);
        line.is_some_and(|line| line.contains("key_quota_exhausted") && line.contains("status=502"))
    };
    // Written when the last byte of the answer is out, perhaps after the client has read it.
    house.until_metrics("the line", |_| has_cause()).await;
    house.finish().await;
}
