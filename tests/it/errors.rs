//! The error table as clients see it, as one golden file.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, PRINT_KEY, STRICT_KEY, small};

fn note(page: &mut String, name: &str, answer: &Answer) {
    let header = |name| answer.header(name).unwrap_or("-").to_owned();
    writeln!(
        page,
        "{name}\n  {}, x-should-retry {}, retry-after {}\n  {}\n",
        answer.status,
        header("x-should-retry"),
        header("retry-after"),
        answer.text()
    )
    .unwrap();
}

/// Doubts come soon and have an end.
fn impatient() -> Value {
    json!({
        "evolink": {"create_patience": "300ms", "idempotency_window": "3s"},
        "generation": {"replay": "4s"},
    })
}

/// The answer of a house of its own, for what would hold up the others.
async fn alone(fault: &str) -> Answer {
    let house = Harness::start().await;
    let answer = house.draw(&format!("a fox [{fault}]")).await;
    house.finish().await;
    answer
}

#[tokio::test]
async fn the_table_of_errors() {
    let house = Harness::with(impatient()).await;
    let mut page = String::new();
    let get = |path| house.ask(Method::GET, path);
    for (name, request) in [
        ("no key", house.http.get(house.url("/v1/models"))),
        ("wrong key", house.http.get(house.url("/v1/models")).bearer_auth("wrong")),
        ("model not allowed", house.generation_by(PRINT_KEY, small("x"))),
        ("unknown model", house.generation(json!({"prompt": "x", "model": "gpt-imagine-9"}))),
        ("unknown model retrieved", get("/v1/models/gpt-imagine-9")),
        ("unknown path", get("/v1/nothing")),
        ("unknown picture", house.http.get(house.url("/images/fox.png?expires=1"))),
        ("wrong method", get("/v1/images/generations")),
        ("no JSON", house.ask(Method::POST, "/v1/images/generations").body("{}")),
        ("compressed", house.generation(json!({})).header("content-encoding", "gzip")),
        (
            "bad JSON",
            house
                .ask(Method::POST, "/v1/images/generations")
                .header("content-type", "application/json")
                .body("{\"prompt\""),
        ),
        ("no prompt", house.generation(json!({}))),
        ("wrong type", house.generation(json!({"prompt": "x", "n": "two"}))),
        ("wrong n", house.generation(json!({"prompt": "x", "n": 11}))),
        ("wrong size", house.generation(json!({"prompt": "x", "size": "1000x1000"}))),
        ("wrong quality", house.generation(json!({"prompt": "x", "quality": "best"}))),
        ("stream of several", house.generation(json!({"prompt": "x", "stream": true, "n": 2}))),
        (
            "link to a converted picture",
            house.generation(json!({"prompt": "x", "response_format": "url", "output_format": "jpeg"})),
        ),
        (
            "transparent JPEG",
            house.generation(json!({"prompt": "x", "background": "transparent", "output_format": "jpeg"})),
        ),
        ("strict", house.generation_by(STRICT_KEY, json!({"prompt": "x", "style": "vivid"}))),
    ] {
        let answer = house.send(request).await;
        note(&mut page, name, &answer);
    }
    let too_large = vec![b'x'; 33 << 20];
    note(&mut page, "too large", &house.post(too_large).await);
    for fault in [
        "create:400",
        "create:400;code=content_policy_violation",
        "create:401",
        "create:402",
        "create:403",
        "create:404",
        "create:413",
        "fail:content_policy_violation",
        "fail:invalid_parameters",
        "fail:image_processing_error",
        "fail:service_error",
        "fail:resource_exhausted",
        "fail:something_new",
        "done:cancelled",
        "done:no-links",
        "poll:404",
        "media:404",
        "media:truncated",
        // These keep failing, and hold up what comes after them.
        "create:500",
        "create:html",
    ] {
        note(&mut page, fault, &house.draw(&format!("a fox [{fault}]")).await);
    }
    let fault = "create:429;retry-after=9";
    note(&mut page, fault, &alone(fault).await);
    insta::assert_snapshot!(page);
    house.finish().await;
}
