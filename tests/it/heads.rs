//! The heads of answers: what is in them, and nothing else.

use http::Method;
use serde_json::json;

use crate::support::{Answer, DESIGN_KEY, Harness};

/// In every answer.
const ALWAYS: [&str; 8] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "content-length",
    "content-type",
    "date",
    "openai-processing-ms",
    "server",
    "x-request-id",
];

#[track_caller]
fn has_only(answer: &Answer, further: &[&str]) {
    let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.retain(|name| name != "vary");
    names.sort();
    let mut wanted: Vec<_> = ALWAYS.iter().chain(further).map(|name| (*name).to_owned()).collect();
    wanted.sort();
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn a_picture_comes_with_what_is_known_of_it() {
    let house = Harness::start().await;
    let answer = house.generate(json!({"prompt": "a fox", "size": "816x816", "style": "vivid"})).await;
    answer.picture();
    let own = [
        "cache-status",
        "server-timing",
        "x-evolink-task-ids",
        "x-gateway-credits",
        "x-gateway-generation-id",
        "x-gateway-ignored",
    ];
    has_only(&answer, &own);
    assert!(answer.header("x-gateway-generation-id").unwrap().starts_with("gen_"));
    assert_eq!(answer.header("cache-status"), Some("evolink-gateway; fwd=miss; stored"));
    let timing = answer.header("server-timing").unwrap();
    for step in ["auth", "quota", "cache", "queue", "create", "wait", "fetch", "encode"] {
        let part = timing.split(", ").find_map(|part| part.strip_prefix(step)?.strip_prefix(";dur="));
        assert!(part.is_some_and(|ms| ms.parse::<f64>().is_ok()), "{step}: {timing}");
    }
    let ledger = house.ledger();
    let told: f64 = answer.header("x-gateway-credits").unwrap().parse().unwrap();
    assert!((told - ledger.totals.credits_charged).abs() < 1e-6, "{told} {:?}", ledger.totals);
    house.finish().await;
}

#[tokio::test]
async fn errors_come_with_what_steers_a_repetition() {
    let house = Harness::start().await;
    has_only(&house.generate(json!({"prompt": "x", "n": 0})).await, &["x-should-retry"]);
    let answer = house.draw("a fox [fail:service_error]").await;
    has_only(&answer, &["x-evolink-task-ids", "x-gateway-generation-id", "x-should-retry"]);
    let answer = house.draw("a fox [create:429;retry-after=60]").await;
    has_only(&answer, &["retry-after", "retry-after-ms", "x-gateway-generation-id", "x-should-retry"]);
    house.finish().await;
}

#[tokio::test]
async fn every_answer_has_its_own_request_id_whatever_the_client_sends() {
    let house = Harness::start().await;
    let mut ids = Vec::new();
    for (method, path) in [
        (Method::GET, "/healthz"),
        (Method::GET, "/v1/models"),
        (Method::HEAD, "/v1/models"),
        (Method::OPTIONS, "/v1/models"),
        (Method::GET, "/nothing"),
        (Method::DELETE, "/v1/models"),
        (Method::POST, "/v1/images/generations"),
    ] {
        let answer = house.send(house.ask(method, path).header("x-request-id", "mine")).await;
        ids.push(answer.header("x-request-id").expect("no id").to_owned());
    }
    assert!(ids.iter().all(|id| id.len() == 36 && id.starts_with("req_")), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
    house.finish().await;
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let house = Harness::start().await;
    let head = house.send(house.ask(Method::HEAD, "/v1/models")).await;
    let get = house.send(house.ask(Method::GET, "/v1/models")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let refused = house.send(house.ask(Method::HEAD, "/v1/images/generations")).await;
    assert_eq!((refused.status, refused.body.len()), (405, 0));
    house.finish().await;
}

#[tokio::test]
async fn a_page_in_a_browser_may_ask_and_read() {
    let house = Harness::start().await;
    let preflight = house
        .http
        .request(Method::OPTIONS, house.url("/v1/images/generations"))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-stainless-os,idempotency-key",
        );
    let answer = house.send(preflight).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(["authorization", "idempotency-key"].iter().all(|name| allowed.contains(name)), "{allowed}");
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    let refusal =
        house.http.post(house.url("/v1/images/generations")).header("origin", "https://app.example");
    let refusal = house.send(refusal).await;
    assert_eq!((refusal.status, refusal.header("access-control-allow-origin")), (401, Some("*")));
    let exposed = refusal.header("access-control-expose-headers").unwrap();
    let named =
        ["x-request-id", "x-gateway-generation-id", "x-gateway-ignored", "x-should-retry", "retry-after"];
    assert!(named.iter().all(|name| exposed.contains(name)), "{exposed}");
    assert!(answer.header("access-control-allow-credentials").is_none(), "keys travel in headers");
    house.finish().await;
}

#[tokio::test]
async fn other_origins_than_the_listed_ones_get_no_leave() {
    let house = Harness::with(json!({"server": {"cors": {"origins": ["https://app.example"]}}})).await;
    for (origin, allowed) in
        [("https://app.example", Some("https://app.example")), ("https://evil.example", None)]
    {
        let request =
            house.http.get(house.url("/v1/models")).bearer_auth(DESIGN_KEY).header("origin", origin);
        assert_eq!(house.send(request).await.header("access-control-allow-origin"), allowed);
    }
    house.finish().await;
}

#[tokio::test]
async fn the_admin_listener_speaks_of_health_and_metrics_only() {
    let house = Harness::start().await;
    assert_eq!((house.admin("/livez").await.status, house.admin("/readyz").await.status), (200, 200));
    let metrics = house.admin("/metrics").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let unknown = house.admin("/v1/models").await;
    unknown.is_error(404, "invalid_request_error", "unknown_url", false);
    assert!(metrics.header("x-request-id").unwrap().starts_with("req_"));
    let posted = house.http.post(format!("http://{}/metrics", house.admin)).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    house.finish().await;
}
