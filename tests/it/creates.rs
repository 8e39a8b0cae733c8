//! What a client meets when a create goes wrong upstream.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Answer, Harness, Setup};

/// A patience long enough for one create to time out (half of it) and be asked again.
const SHORT: &str = "3s";

/// One picture by one task, whatever happened on the way.
async fn is_made_once(house: &Harness, prompt: &str) -> Answer {
    let answer = house.draw(prompt).await;
    assert_eq!(answer.status, 200, "{prompt}: {}", answer.text());
    assert_eq!(answer.picture().size, (816, 816), "{prompt}");
    let ledger = house.ledger();
    let tasks = ledger.tasks.iter().filter(|task| task.prompt.starts_with(prompt));
    assert_eq!(tasks.count(), 1, "{prompt}");
    answer
}

#[tokio::test]
async fn a_spoilt_answer_to_a_create_is_asked_for_again_and_makes_one_task() {
    let house = Harness::with(json!({"evolink": {"create_patience": SHORT}})).await;
    let after_the_task = ["lost", "hang", "malformed", "no-id", "slow;seconds=0.2"];
    let before_the_task =
        ["500", "502", "503", "html", "intcode", "200-error", "redirect", "429;retry-after=1"];
    let prompts = after_the_task.iter().chain(&before_the_task).map(|fault| match fault.split_once(';') {
        Some((name, details)) => format!("a fox [create:{name}*1;{details}]"),
        None => format!("a fox [create:{fault}*1]"),
    });
    // Fewer at once than failures in a row open the breaker.
    let prompts: Vec<_> = prompts.collect();
    for some in prompts.chunks(4) {
        join_all(some.iter().map(async |prompt| is_made_once(&house, prompt).await)).await;
    }
    house.has_tasks(after_the_task.len() + before_the_task.len());
    let replayed = house.ledger().totals.creates_replayed;
    assert!(
        replayed >= 4,
        "lost, hung, malformed and nameless answers were asked for with their key: {replayed}"
    );
    house.finish().await;
}

#[tokio::test]
async fn a_short_pause_that_upstream_asks_for_is_waited_out() {
    let house = Harness::start().await;
    let began = tokio::time::Instant::now();
    is_made_once(&house, "a fox [create:429*1;retry-after=1]").await;
    assert!(began.elapsed().as_millis() >= 1000, "{:?}", began.elapsed());
    assert_eq!(house.ledger().totals.create_calls, 2);
    house.finish().await;
}

#[tokio::test]
async fn a_pause_beyond_our_patience_is_passed_on() {
    let house = Harness::start().await;
    let answer = house.draw("a fox [create:429;retry-after=45]").await;
    answer.is_error(503, "upstream_error", "upstream_unavailable", true);
    assert_eq!(answer.header("retry-after"), Some("45"));
    assert_eq!(answer.header("retry-after-ms"), Some("45000"));
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn a_create_that_never_gets_an_answer_is_in_doubt_and_then_given_up() {
    let patience = json!({
        "evolink": {"create_patience": "600ms", "idempotency_window": "2s"},
        "generation": {"replay": "3s"},
    });
    let house = Harness::with(patience).await;
    let prompts = ["a fox [create:500]", "a fox [create:malformed]", "a fox [create:html]"];
    let answers = join_all(prompts.map(|prompt| house.draw(prompt))).await;
    for answer in answers {
        answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    }
    house.has_tasks(1);
    let calls = house.ledger().totals.create_calls;
    assert!(calls >= 5, "they are asked again until the breaker opens: {calls}");
    house.finish().await;
}

#[tokio::test]
async fn a_request_repeated_while_its_create_is_in_doubt_joins_it() {
    let house = Harness::with(json!({"evolink": {"create_patience": "1s"}})).await;
    let prompt = "a fox [create:lost*2]";
    house.draw(prompt).await.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    let answer = is_made_once(&house, prompt).await;
    assert_eq!(answer.header("cache-status"), Some("evolink-gateway; fwd=miss; collapsed"));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_refused_create_is_answered_by_whose_fault_it_is() {
    let house = Harness::start().await;
    let (request, upstream) = ("invalid_request_error", "upstream_error");
    let table = [
        ("400", 400, request, "invalid_value"),
        ("flat", 400, request, "invalid_value"),
        ("422", 400, request, "invalid_value"),
        ("400;code=content_policy_violation", 400, "image_generation_user_error", "moderation_blocked"),
        ("403;code=input_moderation_failed", 400, "image_generation_user_error", "moderation_blocked"),
        ("404", 404, request, "model_not_found"),
        ("400;code=image_processing_error", 400, request, "invalid_image"),
        ("413", 413, request, "request_too_large"),
        ("401", 502, upstream, "upstream_account_error"),
        ("402", 502, upstream, "upstream_account_error"),
        ("402;code=key_daily_quota_exhausted", 502, upstream, "upstream_account_error"),
        ("403", 502, upstream, "upstream_account_error"),
        ("403;code=key_disabled", 502, upstream, "upstream_account_error"),
        ("403;code=permission_denied", 502, upstream, "upstream_account_error"),
        ("200-error;code=insufficient_quota", 502, upstream, "upstream_account_error"),
        ("409", 500, "server_error", "internal_error"),
    ];
    let answers = table.map(async |(fault, ..)| house.draw(&format!("a fox [create:{fault}]")).await);
    for ((fault, status, kind, code), answer) in table.iter().zip(join_all(answers).await) {
        assert_eq!(
            (answer.status, answer.error("code").as_str()),
            (*status, *code),
            "{fault}: {}",
            answer.text()
        );
        answer.is_error(*status, kind, code, false);
        assert!(answer.header("x-gateway-generation-id").is_some(), "{fault}");
    }
    house.has_tasks(0);
    assert_eq!(
        house.ledger().totals.create_calls,
        u64::try_from(table.len()).unwrap(),
        "what is refused is not asked for again"
    );
    house.finish().await;
}

#[tokio::test]
async fn a_task_that_has_ended_in_the_create_answer_is_not_looked_at() {
    let house = Harness::start().await;
    is_made_once(&house, "a fox [create:terminal]").await;
    let failed = house.draw("a fox [create:terminal] [fail:service_error]").await;
    failed.is_error(502, "upstream_error", "service_error", false);
    house.finish().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_503_and_buys_nothing() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let house = Harness::with(json!({"evolink": {"base_url": address, "create_patience": "800ms"}})).await;
    let answer = house.draw("a fox").await;
    answer.is_error(503, "upstream_error", "upstream_unavailable", true);
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn a_wrong_upstream_key_is_the_operators_problem() {
    let house =
        Setup::new().simulator(|options| options.api_keys = vec!["sk-another".to_owned()]).start().await;
    let answer = house.draw("a fox").await;
    answer.is_error(502, "upstream_error", "upstream_account_error", false);
    assert!(!answer.error("message").to_lowercase().contains("key"), "{}", answer.text());
    house.finish().await;
}

#[tokio::test]
async fn an_empty_account_is_the_operators_problem() {
    let house = Setup::new().simulator(|options| options.credits = 0.001).start().await;
    house.draw("a fox").await.is_error(502, "upstream_error", "upstream_account_error", false);
    house.has_tasks(0);
    house.finish().await;
}
