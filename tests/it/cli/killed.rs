//! `serve` killed at any moment and started again on the same folder, with the simulator's ledger as the truth.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evolink_gateway::simulator::{self, Simulator};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::process::{Folder, Running, run, serve_at};
use crate::support::{Books, PATIENCE, micro};

const KEY: &str = "egk_killed";
/// How long the gateway is killed and started; then it is left alone.
const KILLING: Duration = Duration::from_secs(5);
/// Budgets that nobody spends.
const BUDGETS: &str = "limits: {budgets: [{amount: 9000, unit: images, per: total}, {amount: 9000, unit: credits, per: month}]}";
/// Requests under way.
const WISHES: usize = 8;

async fn simulator() -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let latency = Some((Duration::from_millis(50), Duration::from_millis(400)));
    let faults = vec!["create:lost*3".parse().unwrap()];
    Simulator::start(listener, simulator::Options { latency, faults, ..simulator::Options::default() }).await
}

/// Asks for one picture until it has one, wherever the gateway listens by then: as an SDK with endless patience.
async fn ask(prompt: String, gateway: Arc<Mutex<SocketAddr>>) -> String {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
    for tries in 0_u32.. {
        let address = *gateway.lock().unwrap();
        let request = client.post(format!("http://{address}/v1/images/generations")).bearer_auth(KEY);
        let request = request.header("content-type", "application/json").body(body.clone());
        let answer = request.header("x-stainless-retry-count", tries.to_string()).send().await;
        if let Ok(answer) = answer {
            let status = answer.status();
            let tasks =
                answer.headers().get("x-evolink-task-ids").map(|ids| ids.to_str().unwrap().to_owned());
            let again = answer.headers().get("x-should-retry").is_some_and(|again| again == "true");
            match answer.bytes().await {
                Ok(body) if status == 200 => {
                    assert!(body.starts_with(b"{"), "no JSON");
                    return tasks.unwrap();
                }
                Ok(body) => assert!(again, "{prompt}: {status} {}", String::from_utf8_lossy(&body)),
                Err(_) => {}
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_buys_nothing_twice_and_loses_nothing() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (folder, simulator) = (Folder::new(), simulator().await);
    let file = folder.write("gateway.yaml", BUDGETS);
    let serve = || {
        let mut command = serve_at(&folder, &simulator.url(), KEY);
        command.arg("--config").arg(&file);
        command
    };
    let mut process = Running::start(&mut serve());
    let (api, _) = process.addresses().await;
    let gateway = Arc::new(Mutex::new(api));
    let (mut asking, mut asked, mut answers) = (JoinSet::new(), 0, Vec::new());
    let began = Instant::now();
    let (mut kills, mut kill_at) = (0, began + Duration::from_millis(random.random_range(20..600)));
    loop {
        let killing = began.elapsed() < KILLING;
        while killing && asking.len() < WISHES {
            asking.spawn(ask(format!("wish {asked}"), Arc::clone(&gateway)));
            asked += 1;
        }
        tokio::select! {
            answered = asking.join_next() => match answered {
                Some(answer) => answers.push(answer.unwrap()),
                None => break,
            },
            () = tokio::time::sleep_until(kill_at), if killing => {
                process.signal("KILL").await;
                process.ended().await;
                process = Running::start(&mut serve());
                *gateway.lock().unwrap() = process.addresses().await.0;
                kills += 1;
                kill_at = Instant::now() + Duration::from_millis(random.random_range(20..600));
            }
        }
    }
    let ledger = simulator.ledger();
    println!("{kills} kills, {asked} wishes, {:?}", ledger.totals);
    let delivered: BTreeSet<String> = answers.iter().cloned().collect();
    let made: BTreeSet<String> = ledger.tasks.iter().map(|task| task.id.clone()).collect();
    assert!(kills >= 5 && answers.len() == asked, "{kills} kills, {} of {asked} answered", answers.len());
    assert_eq!(delivered, made, "seed {seed}: each task was delivered, and there is none else");
    assert_eq!((made.len(), answers.len()), (asked, asked), "seed {seed}: one task for each wish");
    let books = Books::at(&folder.path("data"));
    books.agree_with(|| simulator.ledger()).await;
    let (images, charged) = (u64::try_from(asked).unwrap() * 1_000_000, micro(ledger.totals.credits_charged));
    let used = ["images", "credits"].map(|unit| books.standing("team:default", unit));
    assert_eq!(used, [(images, 0), (charged, 0)], "seed {seed}: used and held");
}

#[tokio::test]
async fn what_a_client_has_once_it_has_after_a_kill_too() {
    let (folder, simulator) = (Folder::new(), simulator().await);
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let draw = async |api: SocketAddr, prompt: &str, key: &str| {
        let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
        let request = client.post(format!("http://{api}/v1/images/generations")).bearer_auth(KEY);
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        let answer = request.body(body).send().await.unwrap();
        let hit = answer
            .headers()
            .get("cache-status")
            .is_some_and(|status| status.to_str().unwrap().starts_with("evolink-gateway; hit"));
        (answer.status().as_u16(), hit, answer.bytes().await.unwrap())
    };
    let mut process = Running::start(&mut serve_at(&folder, &simulator.url(), KEY));
    let (api, _) = process.addresses().await;
    let first = draw(api, "a fox", "a").await;
    assert_eq!((first.0, first.1), (200, false));
    assert_eq!(draw(api, "a fox", "b").await, (200, true, first.2.clone()), "another name for it");
    // What is noted down without waiting is on the disk when the next of its kind is.
    assert_eq!(draw(api, "an owl", "c").await.0, 200);
    process.signal("KILL").await;
    process.ended().await;
    let mut process = Running::start(&mut serve_at(&folder, &simulator.url(), KEY));
    let (api, _) = process.addresses().await;
    for key in ["a", "b", "new"] {
        let (status, _, body) = draw(api, "a fox", key).await;
        assert_eq!((status, body == first.2), (200, true), "{key}");
    }
    assert_eq!(draw(api, "a bear", "b").await.0, 409);
    assert_eq!(simulator.ledger().tasks.len(), 2);
}

#[tokio::test]
async fn a_folder_in_use_or_unusable_stops_the_start() {
    let folder = Folder::new();
    let mut first = Running::start(&mut serve_at(&folder, "http://127.0.0.1:1", KEY));
    first.addresses().await;
    let second = run(&mut serve_at(&folder, "http://127.0.0.1:1", KEY)).await;
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("in use by another gateway"), "{}", second.err);
    let other = Folder::new();
    let file = other.write("no-folder", "");
    let mut command = serve_at(&other, "http://127.0.0.1:1", KEY);
    let ran = run(command.env("EVOLINK_GATEWAY__STATE__PATH", file)).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("state.path"), "{}", ran.err);
}
