//! Evolink's callbacks: they wake the look at their task, and nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evolink_gateway::simulator::LedgerView;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Harness, Setup, logged};

/// What stands between Evolink and the gateway: it has the public address before the gateway is there.
struct Door {
    public: SocketAddr,
    /// Connections lead to; none: all are closed.
    gateway: Arc<Mutex<Option<SocketAddr>>>,
    _passing: JoinSet<()>,
}

impl Door {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public = listener.local_addr().unwrap();
        let gateway: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let mut passing = JoinSet::new();
        let to = Arc::clone(&gateway);
        passing.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let to = *to.lock().unwrap();
                open.spawn(async move {
                    let Some(to) = to else { return };
                    let mut to = TcpStream::connect(to).await.unwrap();
                    copy_bidirectional(&mut from, &mut to).await.ok();
                });
            }
        });
        Self { public, gateway, _passing: passing }
    }

    /// A gateway whose callbacks come through this door.
    async fn house(&self, latency: Duration) -> Harness {
        let config = json!({
            "server": {"public_url": format!("http://{}", self.public)},
            "evolink": {"callback": {"enabled": true}},
        });
        let setup = Setup::new().config(&config);
        let house = setup.simulator(|options| options.latency = Some((latency, latency))).start().await;
        *self.gateway.lock().unwrap() = Some(house.api);
        house
    }
}

const SECOND: Duration = Duration::from_secs(1);

async fn draw_some(house: &Harness, count: usize) {
    let answers = (0..count).map(async |number| house.draw(&format!("fox {number}")).await);
    join_all(answers).await.iter().for_each(|answer| drop(answer.picture()));
}

#[tokio::test]
async fn callbacks_save_looks() {
    let door = Door::open().await;
    let house = door.house(SECOND).await;
    draw_some(&house, 12).await;
    let with =
        house.until("all delivered", |ledger| ledger.tasks.iter().all(|task| task.callback_delivered)).await;
    assert!(with.tasks.iter().all(|task| task.callback_tries == 1), "{:?}", with.totals);
    assert_eq!(with.totals.looks, 12, "one look a task: {:?}", with.totals);
    house.finish().await;

    let slow = |options: &mut evolink_gateway::simulator::Options| options.latency = Some((SECOND, SECOND));
    let house = Setup::new().simulator(slow).start().await;
    draw_some(&house, 12).await;
    let without = house.ledger();
    assert!(without.totals.looks > 12, "{:?}", without.totals);
    assert_eq!(without.totals.callbacks_sent, 0);
    house.finish().await;
}

#[tokio::test]
async fn what_is_no_callback_of_a_running_task_is_answered_the_same_and_does_nothing() {
    let door = Door::open().await;
    let house = door.house(SECOND / 10).await;
    house.draw("a fox").await.picture();
    let ledger = house.until("the callback", |ledger| ledger.tasks[0].callback_delivered).await;
    let looks = ledger.totals.task_calls + ledger.totals.batch_calls;
    let forged = "0123456789abcdef".repeat(4);
    let body =
        || json!({"id": "task-unified-1-forged00", "status": "completed", "results": ["https://x.example"]});
    for token in [forged.as_str(), "x", "../v1/models", "%ff", &"a".repeat(5000)] {
        let url = house.url(&format!("/callbacks/{}", token.replace('/', "%2F")));
        let answer = house.send(house.http.post(url).body(body().to_string())).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{token}");
    }
    let empty = house.send(house.http.post(house.url(&format!("/callbacks/{forged}")))).await;
    assert_eq!(empty.status, 204);
    let ledger = house.ledger();
    assert_eq!(ledger.totals.task_calls + ledger.totals.batch_calls, looks);
    let metrics = house
        .until_metrics("all counted", |metrics| {
            metrics.sum("requests_total", &["route=\"/callbacks/{token}\"", "status=\"204\""]) == 7.0
        })
        .await;
    assert!(!metrics.text().contains(&forged));
    assert!(!logged().contains(&forged), "the token is in the log");
    house.finish().await;
}

#[tokio::test]
async fn a_callback_is_bounded_and_posted() {
    let house = Harness::start().await;
    let path = format!("/callbacks/{}", "0".repeat(64));
    let large = house.http.post(house.url(&path)).body(vec![b' '; 65 * 1024]);
    house.send(large).await.is_error(413, "invalid_request_error", "request_too_large", false);
    let whole = house.send(house.http.post(house.url(&path)).body(vec![b' '; 64 * 1024])).await;
    assert_eq!(whole.status, 204);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = house.send(house.http.request(method, house.url(&path))).await;
        answer.is_error(405, "invalid_request_error", "method_not_allowed", false);
    }
    for path in ["/callbacks", "/callbacks/", "/callbacks/a/b"] {
        let answer = house.send(house.http.post(house.url(path))).await;
        answer.is_error(404, "invalid_request_error", "unknown_url", false);
    }
    house.finish().await;
}

/// While the gateway drains it refuses callbacks as all requests, and looks for itself.
#[tokio::test]
async fn a_drain_does_not_wait_for_callbacks() {
    let door = Door::open().await;
    let house = door.house(SECOND).await;
    let drawing = house.draw("a fox");
    let drain = async {
        house.until("a task", |ledger| ledger.tasks.len() == 1).await;
        house.shutdown.drain();
    };
    let began = Instant::now();
    let (answer, ()) = tokio::join!(drawing, drain);
    answer.picture();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    house.has_ended().await;
}

#[tokio::test]
async fn a_gateway_without_callbacks_asks_for_none() {
    let house = Harness::with(json!({"server": {"public_url": "https://images.example.com"}})).await;
    house.draw("a fox").await.picture();
    assert_eq!(house.ledger().totals.callbacks_sent, 0);
    house.finish().await;
}

/// The door stays closed, so that only the test's own calls come.
#[tokio::test]
async fn every_task_has_a_name_of_its_own_that_wakes_it() {
    let door = Door::open().await;
    let house = door.house(SECOND).await;
    *door.gateway.lock().unwrap() = None;
    let began = Instant::now();
    let wake = async {
        let both = |ledger: &LedgerView| {
            ledger.tasks.len() == 2 && ledger.tasks.iter().all(|task| task.callback_tries > 0)
        };
        let ledger = house.until("callbacks into the void", both).await;
        assert_eq!(ledger.totals.looks, 0, "{:?}", ledger.totals);
        let base = format!("http://{}/callbacks/", door.public);
        let urls = ledger.tasks.iter().map(|task| task.body["callback_url"].as_str().unwrap().to_owned());
        let tokens: Vec<_> = urls.map(|url| url.strip_prefix(&base).unwrap().to_owned()).collect();
        assert!(tokens.iter().all(|token| token.len() == 64) && tokens[0] != tokens[1], "{tokens:?}");
        for token in &tokens {
            let answer = house.send(house.http.post(house.url(&format!("/callbacks/{token}")))).await;
            assert_eq!(answer.status, 204);
        }
        tokens
    };
    let two = json!({"prompt": "a fox", "n": 2, "size": "816x816", "quality": "low"});
    let (answer, tokens) = tokio::join!(house.generate(two), wake);
    assert_eq!(answer.pictures().len(), 2);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(house.ledger().totals.looks, 2);
    let (metrics, log) = (house.metrics().await, logged());
    assert!(tokens.iter().all(|token| !metrics.text().contains(token) && !log.contains(token)));
    house.finish().await;
}
