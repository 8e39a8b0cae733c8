//! What a caller may ask for at all, and whose limits hold.

use http::Method;
use serde_json::{Value, json};

use super::{DESIGN, ONE, ample, budget, is_spent, limited, setup, several};
use crate::support::{Answer, DESIGN_KEY, FormBody, Harness, STRICT_KEY, Setup, form, small};

const ALLOWED: &str = "egk_allowed-canary-40d1b7";
const OTHER: &str = "egk_other-canary-1c99e0";

/// A refusal of what exceeds `param`'s limit.
fn is_over(answer: &Answer, param: &str) -> String {
    answer.is_error(403, "invalid_request_error", "limit_exceeded", false);
    assert_eq!(answer.error("param"), param, "{}", answer.text());
    answer.error("message")
}

fn is_impossible(answer: &Answer) -> String {
    answer.is_error(400, "invalid_request_error", "invalid_value", false);
    assert_eq!(answer.error("param"), "n", "{}", answer.text());
    answer.error("message")
}

/// A request for pictures of this size and quality.
fn of(size: &str, quality: &str) -> Value {
    json!({"prompt": format!("a fox {size} {quality}"), "size": size, "quality": quality})
}

#[tokio::test]
async fn no_more_images_at_once_than_max_n() {
    let house = limited(json!({"max_n": 2})).await;
    assert_eq!(house.generate(several("a fox", 2)).await.pictures().len(), 2);
    let message = is_over(&house.generate(several("a fox", 3)).await, "n");
    assert!(message.contains("at most 2 images"), "{message}");
    let refused = [r#"team="design""#, r#"limit="max_n""#, r#"mode="enforce""#];
    assert_eq!(house.metrics().await.sum("quota_rejections_total", &refused), 1.0);
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn no_better_quality_than_max_quality() {
    let house = limited(json!({"max_quality": "medium"})).await;
    house.generate(of("816x816", "medium")).await.picture();
    // The model's own default is medium.
    house.generate(of("816x816", "auto")).await.picture();
    for quality in ["high", "hd"] {
        let message = is_over(&house.generate(of("816x816", quality)).await, "quality");
        assert!(message.contains("'medium'"), "{message}");
    }
    let low = limited(json!({"max_quality": "low"})).await;
    is_over(&low.generate(json!({"prompt": "a fox"})).await, "quality");
    low.finish().await;
    house.finish().await;
}

#[tokio::test]
async fn no_larger_pictures_than_max_resolution() {
    let house = limited(json!({"max_resolution": "1K"})).await;
    // 1,900,000 pixels are the last of 1K; `auto` counts as 1K.
    for size in ["1792x1056", "auto", "1024x1024"] {
        assert_eq!(house.generate(of(size, "low")).await.status, 200, "{size}");
    }
    for size in ["1792x1072", "2048x2048", "3840x2160"] {
        let message = is_over(&house.generate(of(size, "low")).await, "size");
        assert!(message.contains("1K"), "{message}");
    }
    let by_ratio = json!({"prompt": "a fox", "size": "16:9", "resolution": "2K", "quality": "low"});
    is_over(&house.generate(by_ratio).await, "size");
    house.has_tasks(3);
    house.finish().await;
    let house = limited(json!({"max_resolution": "2K"})).await;
    house.generate(of("2064x2064", "low")).await.picture();
    is_over(&house.generate(of("2080x2080", "low")).await, "size");
    house.finish().await;
}

#[tokio::test]
async fn more_than_could_ever_be_made_is_a_mistake_of_the_request() {
    let house = limited(json!({"images_per_minute": 3})).await;
    let message = is_impossible(&house.generate(several("a fox", 4)).await);
    assert!(message.contains("3 images a minute"), "{message}");
    assert_eq!(house.generate(several("a fox", 3)).await.pictures().len(), 3);
    house.finish().await;
    for (amount, unit) in [(json!(3), "images"), (json!(1), "credits"), (json!("0.02"), "usd")] {
        let named = format!("({} {unit} per month)", amount.to_string().trim_matches('"'));
        let house = limited(budget(amount, unit, "month")).await;
        let message = is_impossible(&house.generate(several("a fox", 10)).await);
        assert!(message.contains(&named), "{message}");
        house.draw("a fox").await.picture();
        house.has_tasks(1);
        house.finish().await;
    }
}

#[tokio::test]
async fn a_budget_that_pays_for_no_picture_is_spent_from_the_start() {
    let house = limited(budget(json!(0), "images", "day")).await;
    is_spent(&house.draw("a fox").await);
    is_spent(&house.generate(several("a fox", 4)).await);
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn a_model_outside_the_list_is_not_for_the_team() {
    let mut config = json!({"teams": []});
    config["teams"] = json!([
        {"name": "design", "keys": [{"name": "ci", "secret": DESIGN_KEY}], "models": ["gpt-image-2"]},
    ]);
    let house = Harness::with(config).await;
    house.draw("a fox").await.picture();
    let other = house.generate(json!({"prompt": "a fox", "model": "gpt-image-2-beta"})).await;
    other.is_error(403, "invalid_request_error", "model_not_allowed", false);
    assert_eq!(other.error("param"), "model");
    let unknown = house.generate(json!({"prompt": "a fox", "model": "gpt-image-99"})).await;
    unknown.is_error(404, "invalid_request_error", "model_not_found", false);
    house.has_tasks(1);
    house.finish().await;
}

/// Team `design` with the limits of a team and two keys, of which one has limits of its own.
fn with_keys(of_team: &Value, of_key: &Value) -> Setup {
    let keys =
        json!([{"name": "allowed", "secret": ALLOWED, "limits": of_key}, {"name": "other", "secret": OTHER}]);
    setup(&json!({})).config(&json!({"teams": [{"name": "design", "keys": keys, "limits": of_team}]}))
}

async fn draw_by(house: &Harness, key: &str, prompt: &str) -> Answer {
    house.send(house.generation_by(key, small(prompt))).await
}

#[tokio::test]
async fn a_keys_budget_holds_within_its_teams() {
    let house = with_keys(&budget(3, "images", "day"), &budget(2, "images", "day")).start().await;
    for prompt in ["a fox", "an owl"] {
        draw_by(&house, ALLOWED, prompt).await.picture();
    }
    let message = is_spent(&draw_by(&house, ALLOWED, "a bear").await);
    assert!(message.contains("this API key (2 images per day)"), "{message}");
    draw_by(&house, OTHER, "a bear").await.picture();
    let message = is_spent(&draw_by(&house, OTHER, "a cat").await);
    assert!(message.contains("this team (3 images per day)"), "{message}");
    let books = house.books();
    assert_eq!(books.used(DESIGN, "images").await, 3 * ONE);
    assert_eq!(books.used("key:design/allowed", "images").await, 2 * ONE);
    house.has_tasks(3);
    house.finish().await;
}

#[tokio::test]
async fn the_tighter_of_key_and_team_is_told() {
    let house = with_keys(&json!({"max_n": 4, "max_quality": "low"}), &json!({"max_n": 2})).start().await;
    let ask = async |key, count| house.send(house.generation_by(key, several("a fox", count))).await;
    assert!(is_over(&ask(ALLOWED, 3).await, "n").contains("API key"));
    assert_eq!(ask(OTHER, 3).await.pictures().len(), 3);
    assert!(is_over(&ask(OTHER, 5).await, "n").contains("team"));
    let mut better = small("a fox");
    better["quality"] = json!("medium");
    is_over(&house.send(house.generation_by(ALLOWED, better)).await, "quality");
    house.finish().await;
}

#[tokio::test]
async fn default_limits_hold_for_what_a_team_does_not_set() {
    let defaults = json!({"limits": {
        "max_n": 2,
        "max_quality": "medium",
        "budgets": [{"amount": 1, "unit": "images", "per": "day"}, {"amount": 1, "unit": "images", "per": "month"}],
    }});
    let own = json!({"max_n": 3, "budgets": [{"amount": 5, "unit": "images", "per": "week"}]});
    let house = setup(&own).config(&defaults).start().await;
    assert_eq!(house.generate(several("a fox", 3)).await.pictures().len(), 3, "its own");
    is_over(&house.generate(of("816x816", "high")).await, "quality");
    let message = is_spent(&house.generate(several("an owl", 3)).await);
    assert!(message.contains("5 images per week"), "its list replaces the default one: {message}");
    let strict = async |prompt| draw_by(&house, STRICT_KEY, prompt).await;
    is_over(&house.send(house.generation_by(STRICT_KEY, several("a fox", 3))).await, "n");
    strict("a fox").await.picture();
    let message = is_spent(&strict("an owl").await);
    assert!(message.contains("1 images per day"), "{message}");
    let books = house.books();
    assert_eq!(
        (books.used(DESIGN, "images").await, books.used("team:strict", "images").await),
        (3 * ONE, 2 * ONE)
    );
    house.finish().await;
}

#[tokio::test]
async fn what_is_refused_uses_nothing() {
    let mut limits = ample();
    limits["max_n"] = json!(2);
    let house = limited(limits).await;
    is_over(&house.generate(several("a fox", 3)).await, "n");
    house.generate(json!({"prompt": "a fox", "size": "17x4"})).await.is_error(
        400,
        "invalid_request_error",
        "invalid_value",
        false,
    );
    let cached = house.generation(small("a fox")).header("cache-control", "only-if-cached");
    house.send(cached).await.is_error(504, "timeout_error", "cache_miss", false);
    assert_eq!(house.books().lines(), []);
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn every_route_and_manner_uses_the_same_budget() {
    let house = limited(budget(5, "images", "day")).await;
    let picture = form::png(512, 512, 1);
    house.edit(FormBody::small("an edit").file("image", &picture)).await.picture();
    let azure = "/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview";
    let azure = |prompt| {
        let request = house.http.post(house.url(azure)).header("api-key", DESIGN_KEY);
        house.send(request.header("content-type", "application/json").body(small(prompt).to_string()))
    };
    azure("an azure one").await.picture();
    let streamed = |prompt| {
        let mut body = small(prompt);
        body["stream"] = json!(true);
        house.generation(body)
    };
    let answer = house.send(streamed("a stream")).await;
    assert!(answer.text().contains("image_generation.completed"), "{}", answer.text());
    let later = |prompt| house.send(house.generation(small(prompt)).header("prefer", "respond-async"));
    let promised = later("a later one").await;
    assert_eq!(promised.status, 202);
    let variation = FormBody::default().text("size", "1024x1024").file("image", &form::png(256, 256, 2));
    let variations = house.form("/v1/images/variations", variation);
    house.send(variations).await.picture();
    for refused in [
        house.edit(FormBody::small("one more").file("image", &picture)).await,
        azure("one more").await,
        house.send(streamed("one more")).await,
        later("one more").await,
        house.draw("one more").await,
    ] {
        is_spent(&refused);
    }
    house.send(house.ask(Method::GET, promised.header("location").unwrap())).await;
    house.until("all ends", |ledger| ledger.tasks.iter().all(|task| task.status == "completed")).await;
    assert_eq!(house.books().used(DESIGN, "images").await, 5 * ONE);
    house.has_tasks(5);
    house.finish_uploads().await;
}

#[tokio::test]
async fn a_shadow_budget_counts_and_refuses_nothing() {
    let mut limits = budget(1, "images", "day");
    limits["budgets"][0]["mode"] = json!("shadow");
    let house = limited(limits).await;
    for prompt in ["a fox", "an owl", "a bear"] {
        house.draw(prompt).await.picture();
    }
    assert_eq!(house.generate(several("a cat", 4)).await.pictures().len(), 4);
    assert_eq!(house.books().used(DESIGN, "images").await, 7 * ONE);
    let labels = ["team=\"design\"", "limit=\"budget_images\"", "mode=\"shadow\""];
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("quota_rejections_total", &labels), 3.0, "all but the first: {}", metrics.text());
    assert_eq!(metrics.sum("quota_rejections_total", &["mode=\"enforce\""]), 0.0);
    house.finish().await;
}
