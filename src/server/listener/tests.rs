//! The listener over raw sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{any, get, post};
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::testing::{PATIENCE, TestServer, json_of};
use super::{Limits, Shutdown};

mod framing;

const GET: &str = "GET /echo HTTP/1.1\r\nhost: t\r\n\r\n";
const LAST_GET: &str = "GET /echo HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";

/// Answers with its method, path and body.
async fn echo(request: axum::extract::Request) -> String {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_or(0, |body| body.to_bytes().len());
    format!("<{} {} {body}>", parts.method, parts.uri.path())
}

fn echoing() -> Router {
    Router::new().route("/echo", any(echo))
}

fn short() -> Limits {
    Limits { first_head: Duration::from_millis(200), ..Limits::default() }
}

#[tokio::test]
async fn a_half_sent_head_is_answered_408() {
    let server = TestServer::start(echoing(), short()).await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: t\r\nx-slow: ").await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n") && answer.contains("x-request-id: req_"), "{answer}");
    assert_eq!(json_of(&answer)["error"]["code"], "request_timeout");
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let server = TestServer::start(echoing(), short()).await;
    assert_eq!(server.connect().await.read_to_end().await, "");
}

#[tokio::test]
async fn the_guard_of_the_first_head_lets_long_answers_and_later_requests_be() {
    let release = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&release);
    let router = Router::new().route(
        "/echo",
        get(async move || {
            let _permit = gate.acquire().await.unwrap();
            "answered"
        }),
    );
    let server = TestServer::start(router, short()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    // A second connection is cut by the same limit, so the first one has outlived it.
    assert_eq!(server.connect().await.read_to_end().await, "");
    release.add_permits(2);
    client.read_until("answered").await;
    client.send(LAST_GET).await;
    assert!(client.read_to_end().await.ends_with("answered"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let limits = Limits { later_head: Duration::from_millis(100), ..Limits::default() };
    let server = TestServer::start(echoing(), limits).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.read_until("<GET /echo 0>").await;
    assert_eq!(client.read_to_end().await, "");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(echoing(), Limits::default()).await;
    let post = "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\nabc";
    let text = server.connect().await.exchange(format!("{GET}{post}{LAST_GET}")).await;
    let bodies: Vec<_> = text.match_indices('<').map(|(at, _)| &text[at..at + 13]).collect();
    assert_eq!(bodies, ["<GET /echo 0>", "<POST /echo 3", "<GET /echo 0>"]);
}

#[tokio::test]
async fn over_the_cap_a_connection_waits_for_a_free_slot() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = TestServer::start(echoing(), limits).await;
    let mut first = server.connect().await;
    first.send(GET).await;
    first.read_until("<GET /echo 0>").await;
    let mut second = server.connect().await;
    second.send(LAST_GET).await;
    let mut byte = [0];
    timeout(Duration::from_millis(200), second.0.read(&mut byte)).await.expect_err("served over the cap");
    drop(first);
    assert!(second.read_to_end().await.ends_with("<GET /echo 0>"));
}

/// Counts itself for as long as it lives.
struct Alive(Arc<Notify>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_reader_that_stalls_loses_its_connection() {
    let freed = Arc::new(Notify::new());
    let guard = Arc::clone(&freed);
    let router = Router::new().route(
        "/big",
        get(async move || {
            let alive = Alive(Arc::clone(&guard));
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            Body::from_stream(futures_util::stream::repeat_with(move || {
                let _held = &alive;
                Ok::<_, std::io::Error>(piece.clone())
            }))
        }),
    );
    let limits = Limits { write_idle: Duration::from_millis(200), ..Limits::default() };
    let server = TestServer::start(router, limits).await;
    let mut client = server.connect().await;
    client.send("GET /big HTTP/1.1\r\nhost: t\r\n\r\n").await;
    client.read_until("200 OK").await;
    timeout(PATIENCE, freed.notified())
        .await
        .expect("the answer is still held for a client that does not read");
}

/// A route whose answer comes in two halves, the second when `Semaphore` allows.
fn two_halves(release: Arc<Semaphore>) -> Router {
    let body = async move || {
        let stream = futures_util::stream::unfold((0, release), |(half, release)| async move {
            match half {
                0 => Some((Ok::<_, std::io::Error>(Bytes::from_static(b"first half, ")), (1, release))),
                1 => {
                    release.acquire().await.unwrap().forget();
                    Some((Ok(Bytes::from_static(b"second half")), (2, release)))
                }
                _ => None,
            }
        });
        Body::from_stream(stream)
    };
    Router::new().route("/halves", get(body)).route("/echo", any(echo))
}

const GET_HALVES: &str = "GET /halves HTTP/1.1\r\nhost: t\r\n\r\n";

#[tokio::test]
async fn a_running_answer_arrives_whole_across_the_drain() {
    let release = Arc::new(Semaphore::new(0));
    let server = TestServer::start(two_halves(Arc::clone(&release)), Limits::default()).await;
    let (mut idle, mut running) = (server.connect().await, server.connect().await);
    idle.send(GET).await;
    idle.read_until("<GET /echo 0>").await;
    running.send(GET_HALVES).await;
    running.read_until("first half").await;

    server.shutdown.drain();
    assert_eq!(idle.read_to_end().await, "", "an idle connection is closed");
    let late = server.connect().await.exchange(GET).await;
    assert!(late.contains("connection: close\r\n"), "a late connection gets one answer: {late}");

    release.add_permits(1);
    let rest = running.read_to_end().await;
    assert!(rest.contains("second half") && rest.ends_with("0\r\n\r\n"), "{rest}");
    server.ended().await;
}

#[tokio::test]
async fn a_drain_with_nothing_running_ends_at_once() {
    let server = TestServer::start(echoing(), Limits::default()).await;
    server.shutdown.drain();
    server.ended().await;
}

#[tokio::test]
async fn a_kill_ends_running_answers() {
    let shutdown = Shutdown::new();
    let router = two_halves(Arc::new(Semaphore::new(0)));
    let server = TestServer::start_with(router, Limits::default(), shutdown.clone()).await;
    let mut running = server.connect().await;
    running.send(GET_HALVES).await;
    running.read_until("first half").await;
    shutdown.drain();
    shutdown.kill();
    server.ended().await;
    let mut rest = Vec::new();
    let cut = timeout(PATIENCE, running.0.read_to_end(&mut rest)).await.expect("still open");
    assert!(cut.is_err() || !rest.ends_with(b"0\r\n\r\n"), "the answer must not look complete");
}

#[tokio::test]
async fn head_options_absolute_form_and_upgrade_have_plain_answers() {
    let server = TestServer::start(echoing(), Limits::default()).await;
    let ask = async |line: &str, more: &str| {
        let request = format!("{line} HTTP/1.1\r\nhost: t\r\n{more}connection: close\r\n\r\n");
        server.connect().await.exchange(request).await
    };
    let head = ask("HEAD /echo", "").await;
    assert!(head.contains("content-length: 14\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask("OPTIONS /echo", "").await.ends_with("<OPTIONS /echo 0>"));
    assert!(ask("GET http://elsewhere.example/echo?x=1", "").await.ends_with("<GET /echo 0>"));
    let upgrade = ask("GET /echo", "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n").await;
    assert!(upgrade.starts_with("HTTP/1.1 200 OK\r\n") && upgrade.ends_with("<GET /echo 0>"), "{upgrade}");
}

#[tokio::test]
async fn a_body_held_back_for_100_continue_is_asked_for_when_it_is_read() {
    let server = TestServer::start(echoing(), Limits::default()).await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 100 Continue\r\n"));
    client.send("12345").await;
    assert!(client.read_to_end().await.ends_with("<POST /echo 5>"));
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let freed = Arc::new(Notify::new());
    let (guard, entered) = (Arc::clone(&freed), Arc::new(Notify::new()));
    let enter = Arc::clone(&entered);
    let router = Router::new().route(
        "/wait",
        post(async move || {
            let _alive = Alive(Arc::clone(&guard));
            enter.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let server = TestServer::start(router, Limits::default()).await;
    let mut client = server.connect().await;
    client.send("POST /wait HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n{}").await;
    entered.notified().await;
    drop(client);
    timeout(PATIENCE, freed.notified()).await.expect("the request outlived its client");
}

/// Counts the requests that reach the router.
fn counting() -> (Router, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = Router::new().fallback(async move |request: axum::extract::Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        echo(request).await
    });
    (router, count)
}
