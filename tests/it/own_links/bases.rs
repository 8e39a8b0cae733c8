//! What own links begin with.

use serde_json::json;

use super::{drawn, get, keeping, link, linked};
use crate::support::{Harness, small};

/// What the link of a request with these headers begins with.
async fn base(house: &Harness, headers: &[(&str, &str)]) -> String {
    let request = house.generation(linked(small("a fox")));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let link = link(&house.send(request).await);
    link.split("/images/").next().unwrap().to_owned()
}

#[tokio::test]
async fn links_begin_with_the_host_of_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let house = Harness::with(keeping(folder.path())).await;
    let own = format!("http://{}", house.api);
    assert_eq!(base(&house, &[]).await, own);
    assert_eq!(base(&house, &[("host", "images.internal:8443")]).await, "http://images.internal:8443");
    for wrong in ["user@evil.example", "evil.example/a", "a,b", "a:b"] {
        assert_eq!(base(&house, &[("host", wrong)]).await, own, "{wrong}");
    }
    let forwarded = [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")];
    assert_eq!(base(&house, &forwarded).await, own, "nobody is trusted");
    let mut raw = house.raw().await;
    let body = linked(small("a fox")).to_string();
    let head = format!(
        "POST /v1/images/generations HTTP/1.0\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        crate::support::DESIGN_KEY,
        body.len()
    );
    raw.send(head.as_bytes()).await;
    let answer = raw.read_to_end().await;
    assert!(answer.contains(&format!("\"url\":\"{own}/images/")), "without a host: {answer}");
    house.finish().await;
}

#[tokio::test]
async fn a_trusted_proxy_says_where_the_gateway_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = keeping(folder.path());
    config["server"] = json!({"trusted_proxies": ["127.0.0.0/8"]});
    let house = Harness::with(config).await;
    let forwarded = [("x-forwarded-host", "images.example.com"), ("x-forwarded-proto", "https")];
    assert_eq!(base(&house, &forwarded).await, "https://images.example.com");
    let appended = [("x-forwarded-host", "evil.example, images.example.com")];
    assert_eq!(base(&house, &appended).await, "http://images.example.com");
    let wrong = [("x-forwarded-host", "a/b"), ("x-forwarded-proto", "javascript")];
    assert_eq!(base(&house, &wrong).await, format!("http://{}", house.api));
    house.finish().await;
}

#[tokio::test]
async fn the_public_url_is_where_the_gateway_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = keeping(folder.path());
    config["server"] = json!({
        "public_url": "https://example.com/pictures/",
        "trusted_proxies": ["127.0.0.1"],
    });
    let house = Harness::with(config).await;
    let told = [("host", "evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(base(&house, &told).await, "https://example.com/pictures");
    // The proxy takes the prefix off.
    let link = drawn(&house, "a fox").await;
    let path = link.strip_prefix("https://example.com/pictures").unwrap();
    get(&house, &house.url(path)).await.is_ok();
    house.finish().await;
}
