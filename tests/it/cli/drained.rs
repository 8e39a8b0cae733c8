//! `serve` told to stop while pictures are being made, and the next one on the same folder.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evolink_gateway::simulator::{self, Simulator};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::process::{Folder, Running, serve_at};
use crate::support::{Answer, PATIENCE};

const KEY: &str = "egk_drained";
/// Requests under way when the signal comes.
const WISHES: usize = 12;

async fn simulator(shortest_ms: u64, longest_ms: u64) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let latency = Some((Duration::from_millis(shortest_ms), Duration::from_millis(longest_ms)));
    Simulator::start(listener, simulator::Options { latency, ..simulator::Options::default() }).await
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

fn generation(api: SocketAddr, prompt: &str) -> reqwest::RequestBuilder {
    let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
    let request = client().post(format!("http://{api}/v1/images/generations")).bearer_auth(KEY);
    request.header("content-type", "application/json").body(body)
}

/// Asks until there is a picture, as an SDK with endless patience. The tasks of the picture.
async fn ask(prompt: String, gateway: Arc<Mutex<SocketAddr>>) -> String {
    for tries in 0_u32.. {
        let api = *gateway.lock().unwrap();
        let request = generation(api, &prompt).header("x-stainless-retry-count", tries.to_string());
        if let Ok(response) = request.send().await {
            let answer = Answer::read(response).await;
            if answer.status == 200 {
                answer.picture();
                return answer.header("x-evolink-task-ids").unwrap().to_owned();
            }
            assert_eq!(answer.header("x-should-retry"), Some("true"), "{}", answer.text());
            assert!(answer.header("retry-after").is_some(), "{}", answer.text());
        }
        sleep(Duration::from_millis(50)).await;
    }
    unreachable!()
}

async fn until_tasks(simulator: &Simulator, count: usize) {
    let made = async {
        while simulator.ledger().tasks.len() < count {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, made).await.expect("too few tasks");
}

#[tokio::test]
async fn what_nobody_waits_for_keeps_no_process_alive_and_is_carried_on_by_the_next() {
    let (folder, simulator) = (Folder::new(), simulator(6_000, 6_000).await);
    let mut first = Running::start(&mut serve_at(&folder, &simulator.url(), KEY));
    let (api, _) = first.addresses().await;
    let promise = generation(api, "a fox").header("prefer", "respond-async").send().await.unwrap();
    assert_eq!(promise.status(), 202);
    let location = promise.headers()["location"].to_str().unwrap().to_owned();
    until_tasks(&simulator, 1).await;
    let told = Instant::now();
    first.signal("TERM").await;
    assert_eq!(first.ended().await.code(), Some(0), "{}", first.said);
    assert!(told.elapsed() < Duration::from_secs(4), "it ended after {:?}", told.elapsed());

    let mut second = Running::start(&mut serve_at(&folder, &simulator.url(), KEY));
    let (api, _) = second.addresses().await;
    let answer = async {
        loop {
            let request = client().get(format!("http://{api}{location}")).bearer_auth(KEY);
            let answer = Answer::read(request.send().await.unwrap()).await;
            if answer.status != 202 {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.expect("no picture").picture();
    assert_eq!(simulator.ledger().tasks.len(), 1);
}

#[tokio::test]
async fn who_waits_when_the_drain_is_over_is_sent_away_and_gets_the_picture_from_the_next_start() {
    let (folder, simulator) = (Folder::new(), simulator(500, 5_000).await);
    let serve = || {
        let mut command = serve_at(&folder, &simulator.url(), KEY);
        command.env("EVOLINK_GATEWAY__SERVER__DRAIN", "2s");
        command
    };
    let mut process = Running::start(&mut serve());
    let (api, admin) = process.addresses().await;
    let gateway = Arc::new(Mutex::new(api));
    let mut asking = JoinSet::new();
    for wish in 0..WISHES {
        asking.spawn(ask(format!("wish {wish}"), Arc::clone(&gateway)));
    }
    until_tasks(&simulator, WISHES).await;
    process.signal("TERM").await;
    process.line("draining").await;
    let ready = client().get(format!("http://{admin}/readyz")).send().await.unwrap();
    assert_eq!((ready.status().as_u16(), ready.text().await.unwrap().as_str()), (503, "draining\n"));
    Answer::read(generation(api, "too late").send().await.unwrap()).await.is_error(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        true,
    );
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.said);
    let mut next = Running::start(&mut serve());
    *gateway.lock().unwrap() = next.addresses().await.0;
    let mut delivered = BTreeSet::new();
    while let Some(tasks) = asking.join_next().await {
        delivered.insert(tasks.unwrap());
    }
    let made: BTreeSet<String> = simulator.ledger().tasks.iter().map(|task| task.id.clone()).collect();
    assert_eq!((&delivered, made.len()), (&made, WISHES), "one task for each wish, and each delivered");
}
