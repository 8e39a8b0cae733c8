//! How tasks end, and what the client hears of it.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::Harness;

/// Every code of Evolink's error page and of its own clients, with its answer.
const CODES: [(&str, u16, &str, &str); 18] = [
    ("content_policy_violation", 400, "image_generation_user_error", "moderation_blocked"),
    ("sensitive_content", 400, "image_generation_user_error", "moderation_blocked"),
    ("invalid_parameters", 400, "invalid_request_error", "invalid_value"),
    ("image_processing_error", 400, "invalid_request_error", "invalid_image"),
    ("image_dimension_mismatch", 400, "invalid_request_error", "invalid_image"),
    ("request_cancelled", 502, "upstream_error", "request_cancelled"),
    ("generation_failed_no_content", 502, "upstream_error", "generation_failed_no_content"),
    ("service_error", 502, "upstream_error", "service_error"),
    ("generation_timeout", 502, "upstream_error", "generation_timeout"),
    ("resource_exhausted", 502, "upstream_error", "resource_exhausted"),
    ("quota_exceeded", 502, "upstream_error", "quota_exceeded"),
    ("service_unavailable", 502, "upstream_error", "service_unavailable"),
    ("resource_not_found", 502, "upstream_error", "resource_not_found"),
    ("unknown_error", 502, "upstream_error", "unknown_error"),
    ("model_unavailable", 502, "upstream_error", "model_unavailable"),
    ("upstream_error", 502, "upstream_error", "upstream_error"),
    ("rate_limited", 502, "upstream_error", "rate_limited"),
    ("a_code_from_tomorrow", 502, "upstream_error", "unknown_error"),
];

#[tokio::test]
async fn every_task_code_has_its_answer_and_costs_nothing() {
    let house = Harness::start().await;
    let answers = CODES.map(async |(code, ..)| house.draw(&format!("a fox [fail:{code}]")).await);
    for ((failed, status, kind, code), answer) in CODES.iter().zip(join_all(answers).await) {
        assert_eq!(
            (answer.status, answer.error("code").as_str()),
            (*status, *code),
            "{failed}: {}",
            answer.text()
        );
        answer.is_error(*status, kind, code, false);
        assert!(!answer.error("message").contains('\n'), "{}", answer.text());
    }
    assert_eq!(house.ledger().totals.credits_charged, 0.0);
    assert_eq!(house.metrics().await.sum("credits_total", &[]), 0.0);
    house.finish().await;
}

#[tokio::test]
async fn a_cancelled_task_says_so() {
    let house = Harness::start().await;
    let answer = house.draw("a fox [done:cancelled]").await;
    answer.is_error(502, "upstream_error", "request_cancelled", false);
    house.finish().await;
}

#[tokio::test]
async fn links_come_in_any_documented_form() {
    let house = Harness::start().await;
    for form in ["result_data", "result_object", "all-n", "overcharged"] {
        let answer = house.draw(&format!("a fox [done:{form}]")).await;
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        answer.picture();
    }
    house.has_tasks(4);
    house.finish().await;
}

#[tokio::test]
async fn links_that_come_late_are_waited_for() {
    let house = Harness::start().await;
    house.draw("a fox [done:no-links*3]").await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_completed_task_that_never_shows_a_link_is_named_to_the_client() {
    let house = Harness::start().await;
    let answer = house.draw("a fox [done:no-links]").await;
    answer.is_error(502, "upstream_error", "result_unavailable", false);
    assert_eq!(answer.header("x-evolink-task-ids"), Some(house.ledger().tasks[0].id.as_str()));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_task_past_its_time_is_told_and_still_watched() {
    let house = Harness::with(json!({"evolink": {"task_timeout": "300ms"}})).await;
    let answer = house.draw("a fox [latency:600ms]").await;
    answer.is_error(502, "upstream_error", "generation_timeout", false);
    assert_eq!(house.metrics().await.sum("running_generations", &[]), 1.0, "it goes on");
    // What is overdue is looked at once a minute, so the gauge cannot be waited for here.
    house.abandon().await;
}

#[tokio::test]
async fn some_images_failing_leaves_the_others() {
    let house = Harness::start().await;
    let answer =
        house.generate(json!({"prompt": "a fox [fail:service_error*1]", "n": 3, "size": "816x816"})).await;
    assert_eq!(answer.pictures().len(), 2);
    assert_eq!(answer.header("x-gateway-partial"), Some("2/3"));
    let errors = answer.json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["code"], "service_error");
    assert!(errors[0]["index"].as_u64().unwrap() < 3 && errors[0]["message"].is_string(), "{errors}");
    let charged = house.ledger().totals.credits_charged;
    let told: f64 = answer.header("x-gateway-credits").unwrap().parse().unwrap();
    assert!((told - charged).abs() < 1e-6 && charged > 0.0, "{told} {charged}");
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn all_images_failing_is_the_error_of_the_first() {
    let house = Harness::start().await;
    let answer = house.generate(json!({"prompt": "a fox [fail:resource_exhausted]", "n": 3})).await;
    answer.is_error(502, "upstream_error", "resource_exhausted", false);
    house.finish().await;
}
