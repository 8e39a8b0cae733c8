use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use axum::routing::post;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::server::listener::Limits;
use crate::server::listener::testing::{PATIENCE, TestServer, json_of};

async fn drained(request: Request, next: Next) -> Response {
    let (request, lent) = lend(request);
    lent.read_out(next.run(request).await).await
}

/// Refuses every upload; `/look` reads one piece first.
fn refusing() -> Router {
    let refuse = || Fault::new(FaultKind::TooLarge, "too large").into_response();
    let look = async move |request: Request| {
        let mut body = request.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        refuse()
    };
    Router::new()
        .route("/", post(async move |_: Request| refuse()))
        .route("/look", post(look))
        .layer(from_fn(drained))
}

fn upload(path: &str, length: u64, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n{more}\r\n")
}

const UPLOAD: usize = 30 * 1024 * 1024;

#[tokio::test]
async fn a_client_that_writes_everything_before_it_reads_gets_its_413_and_keeps_the_connection() {
    let server = TestServer::start(refusing(), Limits::default()).await;
    let mut client = server.connect().await;
    for path in ["/", "/look"] {
        client.send(upload(path, UPLOAD.try_into().unwrap(), "")).await;
        client.send(vec![b'x'; UPLOAD]).await;
        let answer = client.read_until("}}").await;
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{path}: {answer}");
        assert!(!answer.contains("connection: close"), "{path}: {answer}");
        assert_eq!(json_of(&answer)["error"]["code"], "request_too_large", "{path}");
    }
}

#[tokio::test]
async fn a_chunked_upload_is_drained_too() {
    let server = TestServer::start(refusing(), Limits::default()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..200 {
        client.send(&chunk).await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.read_until("}}").await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && !answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn what_is_over_the_bound_is_not_read() {
    let server = TestServer::start(refusing(), Limits::default()).await;
    let answer = server.connect().await.exchange(upload("/", DRAIN_BYTES_MAX + 1, "")).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_held_back_is_not_asked_for() {
    let server = TestServer::start(refusing(), Limits::default()).await;
    let answer = server.connect().await.exchange(upload("/", 1000, "expect: 100-continue\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_upload_is_given_up() {
    let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let before = Instant::now();
    assert!(!read_out(body).await);
    assert_eq!(before.elapsed().as_secs(), DRAIN_IDLE_MAX.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_dripping_upload_is_given_up() {
    let drip = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
    });
    let before = Instant::now();
    assert!(!read_out(Body::from_stream(drip)).await);
    assert_eq!(before.elapsed().as_secs(), DRAIN_TIME_MAX.as_secs());
}

#[tokio::test]
async fn a_body_that_was_read_is_passed_through_unchanged() {
    let saw_end = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&saw_end);
    let read = async move |request: Request| {
        let mut body = request.into_body();
        assert_eq!(body.size_hint().exact(), Some(5));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        seen.store(body.is_end_stream(), Ordering::SeqCst);
        piece
    };
    let router = Router::new().route("/", post(read)).layer(from_fn(drained));
    let server = TestServer::start(router, Limits::default()).await;
    let request = format!("{}12345", upload("/", 5, "connection: close\r\n"));
    let answer = timeout(PATIENCE, server.connect().await.exchange(request)).await.unwrap();
    assert!(answer.ends_with("12345"), "{answer}");
    assert!(saw_end.load(Ordering::SeqCst), "the end is known without another poll");
}
