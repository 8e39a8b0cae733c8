//! Requests and images per minute: what counts, what is told, and what a refusal leaves.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::support::{Answer, DESIGN_KEY, FormBody, Harness, STRICT_KEY, form, small};

const OTHER: &str = "egk_rates-canary-77c0d1";

/// Team `design` with these limits.
async fn limited(limits: Value) -> Harness {
    let teams = json!([
        {"name": "design", "keys": [{"name": "ci", "secret": DESIGN_KEY}], "limits": limits},
        {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}]},
    ]);
    Harness::with(json!({"teams": teams})).await
}

/// A refusal, with the seconds to wait.
fn is_limited(answer: &Answer) -> u64 {
    answer.is_error(429, "rate_limit_error", "rate_limit_exceeded", true);
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// Limit and what is left of `requests` or `images`; none where the answer tells nothing.
fn told(answer: &Answer, what: &str) -> Option<(u32, u32)> {
    let number = |part: &str| {
        let value = answer.header(&format!("x-ratelimit-{part}-{what}"))?;
        Some(value.parse().unwrap())
    };
    let told = number("limit").zip(number("remaining"));
    assert_eq!(told.is_some(), answer.header(&format!("x-ratelimit-reset-{what}")).is_some());
    told
}

/// Reads `1s`, `6m0s`, `250ms`.
fn reset(answer: &Answer, what: &str) -> Duration {
    let text = answer.header(&format!("x-ratelimit-reset-{what}")).expect("no reset");
    if let Some(millis) = text.strip_suffix("ms") {
        return Duration::from_millis(millis.parse().unwrap());
    }
    let seconds = text.strip_suffix('s').unwrap_or_else(|| panic!("{text}"));
    let (minutes, seconds) = seconds.split_once('m').unwrap_or(("0", seconds));
    let minutes: u32 = minutes.parse().unwrap();
    Duration::from_secs_f64(f64::from(minutes) * 60.0 + seconds.parse::<f64>().unwrap())
}

#[tokio::test]
async fn a_minutes_worth_of_requests_is_served_and_the_next_told_when() {
    let house = limited(json!({"requests_per_minute": 3})).await;
    let began = Instant::now();
    for left in [2, 1, 0] {
        let answer = house.draw("a fox").await;
        answer.picture();
        assert_eq!((told(&answer, "requests"), told(&answer, "images")), (Some((3, left)), None));
        let whole = Duration::from_secs(20 * (3 - u64::from(left)));
        let reset = reset(&answer, "requests");
        assert!(
            reset <= whole && reset + began.elapsed() + Duration::from_millis(2) >= whole,
            "{reset:?} of {whole:?}"
        );
    }
    let refused = house.draw("an owl").await;
    assert!((15..=20).contains(&is_limited(&refused)), "{:?}", refused.headers);
    assert!(refused.error("message").contains("3 requests per minute"), "{}", refused.text());
    assert_eq!(told(&refused, "requests"), Some((3, 0)));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_wait_that_was_told_is_enough() {
    let house = limited(json!({"requests_per_minute": 60})).await;
    let crowd = join_all((0..70).map(|_| house.draw("a fox"))).await;
    let refused = crowd.iter().find(|answer| answer.status == 429).expect("seventy were served");
    let (wait, now) = (is_limited(refused), Instant::now());
    assert_eq!(wait, 1);
    sleep_until(now + Duration::from_secs(wait)).await;
    house.draw("a fox").await.picture();
    house.finish().await;
}

#[tokio::test]
async fn many_at_once_are_counted_one_by_one() {
    let house = limited(json!({"requests_per_minute": 20})).await;
    let began = Instant::now();
    let answers = join_all((0..200).map(|_| house.draw("a fox"))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let came_back = usize::try_from(began.elapsed().as_secs() / 3).unwrap();
    assert!((20..=20 + came_back).contains(&served), "{served} served");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        is_limited(answer);
    }
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn images_are_counted_as_they_are_asked_for() {
    let house = limited(json!({"images_per_minute": 4})).await;
    let several = |count: u32| json!({"prompt": format!("{count} foxes"), "n": count, "size": "816x816", "quality": "low"});
    let answer = house.generate(several(3)).await;
    assert_eq!(answer.pictures().len(), 3);
    assert_eq!((told(&answer, "images"), told(&answer, "requests")), (Some((4, 1)), None));
    let wait = is_limited(&house.generate(several(2)).await);
    assert!((5..=15).contains(&wait), "one more in 15 s: {wait}");
    let answer = house.draw("an owl").await;
    answer.picture();
    assert_eq!(told(&answer, "images").unwrap().1, 0);
    house.has_tasks(4);
    house.finish().await;
}

#[tokio::test]
async fn hits_and_joins_are_requests_without_images() {
    let house = limited(json!({"requests_per_minute": 4, "images_per_minute": 2})).await;
    let prompt = "a fox [latency:300ms]";
    let (one, two) = tokio::join!(house.draw(prompt), house.draw(prompt));
    let hit = house.draw(prompt).await;
    for answer in [&one, &two, &hit] {
        answer.picture();
    }
    assert_eq!((told(&hit, "requests"), told(&hit, "images")), (Some((4, 1)), Some((2, 1))));
    house.draw("an owl").await.picture();
    is_limited(&house.draw(prompt).await);
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn only_image_requests_count() {
    let house = limited(json!({"requests_per_minute": 2})).await;
    for path in ["/v1/models", "/v1/models/gpt-image-2", "/v1/images/generations/gen_none", "/healthz"] {
        for _ in 0..3 {
            let answer = house.send(house.ask(Method::GET, path)).await;
            assert!([200, 404].contains(&answer.status), "{path}: {}", answer.text());
            assert_eq!(told(&answer, "requests"), None, "{path}");
        }
    }
    let answer = house.draw("a fox").await;
    answer.picture();
    let by_id = format!("/v1/images/generations/{}", answer.header("x-gateway-generation-id").unwrap());
    house.send(house.ask(Method::GET, &by_id)).await.picture();
    let answer = house.draw("a fox").await;
    assert_eq!(told(&answer, "requests"), Some((2, 0)));
    house.finish().await;
}

#[tokio::test]
async fn what_is_refused_eats_nothing() {
    let limits = json!({
        "requests_per_minute": 2, "images_per_minute": 2, "max_n": 1,
        "budgets": [{"amount": 1, "unit": "images", "per": "total"}],
    });
    let house = limited(limits).await;
    let refusals = [
        json!({"prompt": "a fox", "n": 2}),
        json!({"prompt": "a fox", "n": 0}),
        json!({"prompt": "a fox", "size": "17x4"}),
        json!({"prompt": "a fox", "model": "gpt-image-99"}),
        json!({"size": "1024x1024"}),
    ];
    for body in refusals {
        let answer = house.generate(body).await;
        assert!([400, 403, 404].contains(&answer.status), "{}", answer.text());
    }
    house.post("not json").await.is_error(400, "invalid_request_error", "invalid_json", false);
    let cached = house.generation(small("a fox")).header("cache-control", "only-if-cached");
    house.send(cached).await.is_error(504, "timeout_error", "cache_miss", false);
    let answer = house.draw("a fox").await;
    answer.picture();
    assert_eq!((told(&answer, "requests"), told(&answer, "images")), (Some((2, 1)), Some((2, 1))));
    for prompt in ["an owl", "a bear"] {
        let spent = house.draw(prompt).await;
        spent.is_error(429, "insufficient_quota", "insufficient_quota", false);
        assert_eq!((told(&spent, "requests"), told(&spent, "images")), (Some((2, 1)), Some((2, 1))));
    }
    house.finish().await;
}

#[tokio::test]
async fn who_finds_no_place_upstream_is_given_back_what_it_took() {
    let limits = json!({"requests_per_minute": 3, "images_per_minute": 3});
    let teams = json!([{"name": "design", "keys": [{"name": "ci", "secret": DESIGN_KEY}], "limits": limits}]);
    let narrow = json!({"max_tasks": 1});
    let house =
        Harness::with(json!({"teams": teams, "evolink": narrow, "generation": {"queue_timeout": "200ms"}}))
            .await;
    let first = house.draw("a fox [latency:1500ms]");
    let others = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        for prompt in ["an owl", "a bear", "a cat"] {
            let answer = house.draw(prompt).await;
            answer.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
        }
    };
    let (first, ()) = tokio::join!(first, others);
    first.picture();
    let answer = house.draw("a fox [latency:1500ms]").await;
    assert_eq!((told(&answer, "requests"), told(&answer, "images")), (Some((3, 1)), Some((3, 2))));
    house.finish().await;
}

#[tokio::test]
async fn a_request_that_its_rate_refuses_takes_no_images_and_no_idempotency_key() {
    let house = limited(json!({"requests_per_minute": 1, "images_per_minute": 5})).await;
    house.draw("a fox").await.picture();
    let named = |prompt| house.generation(small(prompt)).header("idempotency-key", "one");
    for prompt in ["a fox", "an owl"] {
        let refused = house.send(named(prompt)).await;
        is_limited(&refused);
        assert_eq!(told(&refused, "images"), Some((5, 4)), "{prompt}");
    }
    house.finish().await;
}

#[tokio::test]
async fn every_route_and_manner_counts_alike() {
    let house = limited(json!({"requests_per_minute": 10, "images_per_minute": 10})).await;
    let mut stream = small("a stream");
    stream["stream"] = json!(true);
    let azure = "/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview";
    let azure = house.http.post(house.url(azure)).header("api-key", DESIGN_KEY);
    let requests = [
        house.form("/v1/images/edits", FormBody::small("an edit").file("image", &form::png(512, 512, 1))),
        azure.header("content-type", "application/json").body(small("an azure one").to_string()),
        house.generation(stream),
        house.generation(small("a later one")).header("prefer", "respond-async"),
    ];
    for (request, left) in requests.into_iter().zip([9, 8, 7, 6]) {
        let answer = house.send(request).await;
        assert!([200, 202].contains(&answer.status), "{}", answer.text());
        assert_eq!(
            (told(&answer, "requests"), told(&answer, "images")),
            (Some((10, left)), Some((10, left)))
        );
    }
    house
        .until("all ends", |ledger| {
            ledger.tasks.len() == 4 && ledger.tasks.iter().all(|task| task.status == "completed")
        })
        .await;
    house.finish_uploads().await;
}

#[tokio::test]
async fn key_and_team_have_rates_of_their_own_and_the_tighter_is_told() {
    let keys = json!([
        {"name": "ci", "secret": DESIGN_KEY, "limits": {"requests_per_minute": 2}},
        {"name": "other", "secret": OTHER},
    ]);
    let teams = json!([{"name": "design", "keys": keys, "limits": {"requests_per_minute": 3}}]);
    let house = Harness::with(json!({"teams": teams})).await;
    let by = async |key: &str| house.send(house.generation_by(key, small("a fox"))).await;
    assert_eq!(told(&by(DESIGN_KEY).await, "requests"), Some((2, 1)));
    assert_eq!(told(&by(DESIGN_KEY).await, "requests"), Some((2, 0)));
    let refused = by(DESIGN_KEY).await;
    is_limited(&refused);
    assert!(refused.error("message").contains("API key"), "{}", refused.text());
    assert_eq!(told(&by(OTHER).await, "requests"), Some((3, 0)));
    let refused = by(OTHER).await;
    assert!(refused.error("message").contains("team"), "{}", refused.text());
    house.finish().await;
}

#[tokio::test]
async fn who_has_no_limits_is_told_none_and_others_are_not_counted() {
    let house = limited(json!({"requests_per_minute": 1})).await;
    house.draw("a fox").await.picture();
    is_limited(&house.draw("a fox").await);
    for _ in 0..3 {
        let answer = house.send(house.generation_by(STRICT_KEY, small("a fox"))).await;
        answer.picture();
        assert_eq!((told(&answer, "requests"), told(&answer, "images")), (None, None));
    }
    house.finish().await;
}

#[tokio::test]
async fn refusals_are_counted() {
    let house = limited(json!({"requests_per_minute": 2, "images_per_minute": 1})).await;
    house.draw("a fox").await.picture();
    is_limited(&house.draw("an owl").await);
    house.draw("a fox").await.picture();
    is_limited(&house.draw("a fox").await);
    let metrics = house.metrics().await;
    for limit in ["requests_per_minute", "images_per_minute"] {
        let labels = ["team=\"design\"", &format!("limit=\"{limit}\""), "mode=\"enforce\""];
        assert_eq!(metrics.sum("quota_rejections_total", &labels), 1.0, "{limit}\n{}", metrics.text());
    }
    house.finish().await;
}
