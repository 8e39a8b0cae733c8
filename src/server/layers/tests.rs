//! The layers together, over real connections.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{get, post};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::server::listener::Limits;
use crate::server::listener::testing::{PATIENCE, RawClient, TestServer, json_of};
use crate::server::respond::Outcome;

/// What the observer was told, less what differs from run to run.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    code: Option<&'static str>,
    team: Option<String>,
    bytes: u64,
    aborted: bool,
}

struct Teller(mpsc::UnboundedSender<Seen>);

impl Observe for Teller {
    fn finished(&self, finished: &Finished<'_>) {
        assert!(finished.request_id.starts_with("req_"));
        let seen = Seen {
            line: format!("{} {} {}", finished.method, finished.route, finished.status),
            code: finished.code,
            team: finished.team.map(str::to_owned),
            bytes: finished.bytes,
            aborted: finished.aborted,
        };
        self.0.send(seen).unwrap();
    }
}

struct Setup {
    server: TestServer,
    shutdown: Shutdown,
    seen: mpsc::UnboundedReceiver<Seen>,
    /// A handler of `/wait` has begun.
    waiting: Arc<Notify>,
}

async fn waits(waiting: Arc<Notify>, request: Request) {
    request.extensions().get::<Trail>().unwrap().set_team("design".into());
    waiting.notify_one();
    std::future::pending::<()>().await;
}

async fn endless() -> Body {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
}

async fn late(request: Request) -> &'static str {
    let failure = Outcome::of(&Fault::new(FaultKind::TaskFailed, "late"));
    request.extensions().get::<Trail>().unwrap().set_late(failure);
    "late"
}

async fn setup(origins: &[&str]) -> Setup {
    let (tell, seen) = mpsc::unbounded_channel();
    let (shutdown, waiting) = (Shutdown::new(), Arc::new(Notify::new()));
    let entered = Arc::clone(&waiting);
    let labelled = async || (axum::Extension(TeamLabel("design".into())), "five!");
    let router = Router::new()
        .route("/five/{id}", get(labelled))
        .route("/fault", get(async || Fault::new(FaultKind::NoSlot, "full")))
        .route("/panic", post(async |_: Request| -> &str { panic!("the secret is out") }))
        .route("/wait", get(async move |request: Request| waits(entered, request).await))
        .route("/endless", get(endless))
        .route("/late", get(late))
        .fallback(async || Fault::new(FaultKind::UnknownUrl, "no such page"));
    let layers = Layers {
        cors_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        shutdown: shutdown.clone(),
        observer: Arc::new(Teller(tell)),
    };
    let server = TestServer::start_with(apply(router, layers), Limits::default(), shutdown.clone()).await;
    Setup { server, shutdown, seen, waiting }
}

impl Setup {
    async fn ask(&self, line: &str, headers: &str) -> String {
        let request = format!("{line} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n{headers}\r\n");
        self.server.connect().await.exchange(request).await
    }

    async fn send(&self, line: &str) -> RawClient {
        let mut client = self.server.connect().await;
        client.send(format!("{line} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        client
    }

    async fn next_seen(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("nothing was observed").unwrap()
    }
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn every_answer_has_its_own_request_id() {
    let setup = setup(&["*"]).await;
    let mut ids = HashSet::new();
    for line in
        ["GET /five/1", "GET /fault", "POST /panic", "GET /nothing", "DELETE /fault", "OPTIONS /fault"]
    {
        let answer = setup.ask(line, "x-request-id: mine\r\n").await;
        let id = header(&answer, "x-request-id").unwrap_or_else(|| panic!("{line}: {answer}")).to_owned();
        assert_eq!(id.len(), "req_".len() + 32, "{line}: {id}");
        assert_eq!(answer.matches("x-request-id: ").count(), 1, "{line}: {answer}");
        assert!(header(&answer, "openai-processing-ms").unwrap().parse::<u64>().is_ok());
        ids.insert(id);
    }
    assert_eq!(ids.len(), 6);
}

#[tokio::test]
async fn a_panic_is_a_500_that_says_nothing_of_itself() {
    let mut setup = setup(&["*"]).await;
    let answer = setup.ask("POST /panic", "origin: https://app.example\r\ncontent-length: 0\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert_eq!(json_of(&answer)["error"]["code"], "internal_error");
    assert!(!answer.contains("secret"), "{answer}");
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"), "a browser can read it");
    assert_eq!(setup.next_seen().await.code, Some("internal_error"));
}

#[tokio::test]
async fn a_panic_with_an_unread_upload_keeps_the_connection() {
    let setup = setup(&["*"]).await;
    let mut client = setup.server.connect().await;
    client.send("POST /panic HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n\r\n").await;
    client.send(vec![b'x'; 1_000_000]).await;
    client.read_until("internal_error").await;
    client.send("GET /five/1 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    client.read_until("five!").await;
}

#[tokio::test]
async fn a_request_is_observed_with_its_route_team_and_bytes() {
    let mut setup = setup(&["*"]).await;
    let answer = setup.ask("GET /five/77", "").await;
    assert_eq!(header(&answer, "content-length"), Some("5"), "the wrapped body keeps its size");
    let seen = |line: &str, code, team: Option<&str>, bytes| Seen {
        line: line.to_owned(),
        code,
        team: team.map(str::to_owned),
        bytes,
        aborted: false,
    };
    assert_eq!(setup.next_seen().await, seen("GET /five/{id} 200", None, Some("design"), 5));
    let answer = setup.ask("GET /fault", "").await;
    let length = header(&answer, "content-length").unwrap().parse().unwrap();
    let full = Some("concurrency_limit_exceeded");
    assert_eq!(setup.next_seen().await, seen("GET /fault 429", full, None, length));
    setup.ask("HEAD /five/1", "").await;
    assert_eq!(setup.next_seen().await, seen("HEAD /five/{id} 200", None, Some("design"), 0));
    setup.ask("GET /nothing/here", "").await;
    assert_eq!(setup.next_seen().await.line, "GET unmatched 404");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_observed_as_499() {
    let mut setup = setup(&["*"]).await;
    let client = setup.send("GET /wait").await;
    timeout(PATIENCE, setup.waiting.notified()).await.unwrap();
    drop(client);
    let team = Some("design".to_owned());
    let left = Seen { line: "GET /wait 499".to_owned(), code: None, team, bytes: 0, aborted: true };
    assert_eq!(setup.next_seen().await, left);
}

#[tokio::test]
async fn an_answer_cut_short_is_observed_as_aborted() {
    let mut setup = setup(&["*"]).await;
    let mut client = setup.send("GET /endless").await;
    client.read_until("xxxx").await;
    drop(client);
    let seen = setup.next_seen().await;
    assert_eq!((seen.line.as_str(), seen.aborted), ("GET /endless 200", true));
    assert!(seen.bytes > 0);
}

#[tokio::test]
async fn a_failure_after_the_head_is_observed_as_what_it_is() {
    let mut setup = setup(&["*"]).await;
    let answer = setup.ask("GET /late", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("late"), "{answer}");
    let seen = setup.next_seen().await;
    assert_eq!((seen.line.as_str(), seen.code), ("GET /late 502", Some("task_failed")));
}

#[tokio::test]
async fn new_requests_are_refused_while_draining() {
    let mut setup = setup(&["*"]).await;
    let running = setup.send("GET /wait").await;
    timeout(PATIENCE, setup.waiting.notified()).await.unwrap();
    setup.shutdown.drain();
    let answer = setup.ask("GET /five/1", "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(json_of(&answer)["error"]["code"], "server_is_overloaded");
    assert_eq!(header(&answer, "x-should-retry"), Some("true"));
    assert!(header(&answer, "retry-after").is_some());
    assert_eq!(setup.next_seen().await.code, Some("server_is_overloaded"));
    drop(running);
    setup.server.ended().await;
}

#[tokio::test]
async fn a_preflight_is_answered_for_all_that_the_sdks_send() {
    let setup = setup(&["*"]).await;
    let answer = setup
        .ask(
            "OPTIONS /five/1",
            "origin: https://app.example\r\naccess-control-request-method: POST\r\n\
             access-control-request-headers: authorization,content-type,x-stainless-retry-count\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    let allowed = header(&answer, "access-control-allow-headers").unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("x-stainless-retry-count"), "{allowed}");
    assert!(header(&answer, "access-control-allow-methods").unwrap().contains("DELETE"));
}

#[tokio::test]
async fn only_listed_origins_are_allowed() {
    let setup = setup(&["https://app.example"]).await;
    let listed = setup.ask("GET /five/1", "origin: https://app.example\r\n").await;
    assert_eq!(header(&listed, "access-control-allow-origin"), Some("https://app.example"));
    assert!(header(&listed, "access-control-expose-headers").unwrap().contains("x-request-id"));
    let other = setup.ask("GET /five/1", "origin: https://evil.example\r\n").await;
    assert_eq!(header(&other, "access-control-allow-origin"), None);
}

#[test]
fn the_first_note_of_a_trail_counts() {
    let trail = Trail::default();
    let same = trail.clone();
    same.set_waited(Duration::from_secs(3));
    trail.set_waited(Duration::from_secs(9));
    assert_eq!(trail.waited(), Some(Duration::from_secs(3)));
}
