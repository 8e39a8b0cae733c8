//! The HTTP edge: bytes that are no good request, and bodies that are too large.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use crate::support::{DESIGN_KEY, Harness, PATIENCE};

const MIB: usize = 1 << 20;

/// The status line's number.
fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer}"))
}

#[tokio::test]
async fn two_hundred_megabytes_are_read_and_answered_413() {
    let house = Harness::start().await;
    let body = || Bytes::from(vec![b'x'; MIB]);
    let with_length = Bytes::from(vec![b'x'; 200 * MIB]);
    let answer = house.post(with_length).await;
    answer.is_error(413, "invalid_request_error", "request_too_large", false);
    let chunks = stream::iter((0..200).map(move |_| Ok::<_, std::io::Error>(body())));
    let answer = house.post(reqwest::Body::wrap_stream(chunks)).await;
    answer.is_error(413, "invalid_request_error", "request_too_large", false);
    house.finish().await;
}

/// Node and browsers write their whole body before they read.
#[tokio::test]
async fn a_client_that_writes_all_before_it_reads_gets_its_413() {
    let house = Harness::start().await;
    let mut client = house.raw().await;
    let length = 200 * MIB;
    let head = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESIGN_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    client.send(head).await;
    let piece = vec![b'x'; MIB];
    for _ in 0..200 {
        client.send(&piece).await;
    }
    let answer = client.read_head().await;
    assert_eq!(status(&answer), 413, "{answer}");
    house.finish().await;
}

#[tokio::test]
async fn a_half_sent_header_is_answered_408_within_ten_seconds() {
    let house = Harness::start().await;
    let began = Instant::now();
    let mut client = house.raw().await;
    client.send("POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthoriza").await;
    let answer = client.read_to_end().await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(
        answer.contains("\"code\":\"request_timeout\"") && answer.contains("x-request-id: req_"),
        "{answer}"
    );
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    house.finish().await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_closed() {
    let house = Harness::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(500));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(100_000));
    let twice = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello";
    for (request, expected) in [
        ("nonsense\r\n\r\n", vec![400]),
        ("GET / HTTP/9.9\r\n\r\n", vec![400, 505]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", vec![400]),
        (long.as_str(), vec![414, 431]),
        (many.as_str(), vec![431]),
        (wide.as_str(), vec![431]),
        (twice, vec![400]),
    ] {
        let mut client = house.raw().await;
        client.send(request).await;
        let answer = client.read_to_end().await;
        let start: String = request.chars().take(60).collect();
        assert!(expected.contains(&status(&answer)), "{start:?}: {answer}");
        assert!(answer.contains("\"error\":{") && answer.contains("x-request-id"), "{start:?}: {answer}");
    }
    house.finish().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let house = Harness::start().await;
    let mut client = house.raw().await;
    let request = |path: &str, end: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\napi-key: {DESIGN_KEY}\r\n{end}\r\n")
    };
    client
        .send(
            request("/healthz", "")
                + &request("/nothing", "")
                + &request("/v1/models", "connection: close\r\n"),
        )
        .await;
    let answers = client.read_to_end().await;
    let statuses: Vec<_> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{answers}");
    house.finish().await;
}

#[tokio::test]
async fn a_refusal_does_not_ask_for_a_body_that_is_held_back() {
    let house = Harness::start().await;
    let mut client = house.raw().await;
    let head = "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n\
                content-type: application/json\r\ncontent-length: 1000000\r\nexpect: 100-continue\r\n\r\n";
    client.send(head).await;
    let answer = client.read_to_end().await;
    assert_eq!(status(&answer), 401, "no 100 first: {answer}");
    house.finish().await;
}

#[tokio::test]
async fn a_slow_reader_gets_its_whole_picture() {
    let house = Harness::start().await;
    let (mut read, mut write) = house.raw().await.halves();
    let body = r#"{"prompt":"a fox","size":"816x816"}"#;
    let request = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESIGN_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    write.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = vec![0; 4096];
    loop {
        let read = timeout(PATIENCE, read.read(&mut piece)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..read]);
        tokio::task::yield_now().await;
    }
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("no length");
    assert_eq!(length.parse::<usize>().unwrap(), body.len());
    assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    house.finish().await;
}

#[tokio::test]
async fn health_needs_no_key() {
    let house = Harness::start().await;
    let answer = house.send(house.http.request(Method::GET, house.url("/healthz"))).await;
    assert_eq!((answer.status, answer.text().trim()), (200, "ok"));
    house.finish().await;
}
