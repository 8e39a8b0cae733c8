//! Budgets over the end of the process, however it comes, with the simulator's ledger as the truth.

use std::net::SocketAddr;

use evolink_gateway::simulator::{self, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::process::{Folder, Running, run, serve_at};
use crate::support::{Books, PATIENCE, micro};

const KEY: &str = "egk_limited";
const ACCOUNT: &str = "team:default";
const ONE: u64 = 1_000_000;

async fn simulator() -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, simulator::Options::default()).await
}

/// `serve` with a budget of so many images, one of credits that nobody spends, and so many tasks at once.
fn serve(folder: &Folder, simulator: &Simulator, images: u32, tasks: u32) -> Command {
    let budgets = json!([
        {"amount": images, "unit": "images", "per": "total"},
        {"amount": 10_000, "unit": "credits", "per": "month"},
    ]);
    let settings = json!({"limits": {"budgets": budgets}, "evolink": {"max_tasks": tasks}});
    let file = folder.write("gateway.yaml", &settings.to_string());
    let mut command = serve_at(folder, &simulator.url(), KEY);
    command.arg("--config").arg(file);
    command
}

/// Status and error of a request for one picture; with 202 it is promised.
async fn ask(gateway: SocketAddr, prompt: &str, prefer: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
    let request = client.post(format!("http://{gateway}/v1/images/generations")).bearer_auth(KEY);
    let request = request.header("content-type", "application/json").header("prefer", prefer).body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (status, body["error"].clone())
}

async fn until_tasks(simulator: &Simulator, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while simulator.ledger().tasks.len() < count {
        assert!(Instant::now() < deadline, "never bought");
        sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn is_spent(gateway: SocketAddr, told: &str) {
    let (status, error) = ask(gateway, "one more", "wait=20").await;
    assert_eq!((status, &error["code"]), (429, &json!("insufficient_quota")), "{error}");
    assert!(error["message"].as_str().unwrap().contains(told), "{error}");
}

#[tokio::test]
async fn holds_outlive_a_kill_and_end_with_their_generations() {
    let (folder, simulator) = (Folder::new(), simulator().await);
    let books = Books::at(&folder.path("data"));
    let mut process = Running::start(&mut serve(&folder, &simulator, 3, 32));
    let (api, _) = process.addresses().await;
    for prompt in
        ["a fox [latency:3s]", "an owl [latency:3s]", "a bear [latency:3s] [fail:sensitive_content]"]
    {
        assert_eq!(ask(api, prompt, "respond-async").await.0, 202);
    }
    until_tasks(&simulator, 3).await;
    is_spent(api, "0 used, 3 held").await;
    process.signal("KILL").await;
    process.ended().await;
    assert_eq!(books.standing(ACCOUNT, "images"), (0, 3 * ONE));
    let mut process = Running::start(&mut serve(&folder, &simulator, 3, 32));
    let (api, _) = process.addresses().await;
    is_spent(api, "0 used, 3 held").await;
    books.agree_with(|| simulator.ledger()).await;
    assert_eq!(books.standing(ACCOUNT, "images"), (2 * ONE, 0), "what failed is given back");
    assert_eq!(books.standing(ACCOUNT, "credits").0, micro(simulator.ledger().totals.credits_charged));
    assert_eq!(ask(api, "a cat", "wait=20").await.0, 200);
    is_spent(api, "3 images per total").await;
    assert_eq!(simulator.ledger().tasks.len(), 4);
}

#[tokio::test]
async fn what_was_not_begun_before_a_kill_holds_nothing_after_it() {
    let (folder, simulator) = (Folder::new(), simulator().await);
    let books = Books::at(&folder.path("data"));
    let mut process = Running::start(&mut serve(&folder, &simulator, 2, 1));
    let (api, _) = process.addresses().await;
    assert_eq!(ask(api, "a fox [latency:3s]", "respond-async").await.0, 202);
    until_tasks(&simulator, 1).await;
    let waits = ask(api, "an owl", "wait=20");
    let killed = async {
        let deadline = Instant::now() + PATIENCE;
        while books.standing(ACCOUNT, "images") != (0, 2 * ONE) {
            assert!(Instant::now() < deadline, "never held: {:?}", books.lines());
            sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        (status, error) = waits => panic!("answered {status}: {error}"),
        () = killed => {}
    }
    process.signal("KILL").await;
    process.ended().await;
    let mut process = Running::start(&mut serve(&folder, &simulator, 2, 1));
    let (api, _) = process.addresses().await;
    let (status, error) = ask(api, "a bear", "respond-async").await;
    assert_eq!(status, 202, "only the fox is paid for: {error}");
    until_tasks(&simulator, 2).await;
    books.agree_with(|| simulator.ledger()).await;
    assert_eq!(books.standing(ACCOUNT, "images"), (2 * ONE, 0));
    process.signal("TERM").await;
    assert_eq!(process.ended().await.code(), Some(0));
    assert_eq!(books.standing(ACCOUNT, "images"), (2 * ONE, 0));
}

#[tokio::test]
async fn an_amount_may_change_between_two_runs_with_used_kept() {
    let (folder, simulator) = (Folder::new(), simulator().await);
    for (images, prompt, served) in
        [(1, "a fox [latency:100ms]", true), (2, "an owl [latency:100ms]", true), (2, "a bear", false)]
    {
        let mut process = Running::start(&mut serve(&folder, &simulator, images, 32));
        let (api, _) = process.addresses().await;
        if served {
            assert_eq!(ask(api, prompt, "wait=20").await.0, 200, "{images} {prompt}");
        }
        is_spent(api, &format!("({images} images per total)")).await;
        process.signal("TERM").await;
        assert_eq!(process.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn mistakes_in_limits_are_told_all_at_once() {
    let folder = Folder::new();
    let budget = |amount: Value, unit: &str| json!({"amount": amount, "unit": unit, "per": "day"});
    let limits = json!({
        "max_n": 11,
        "max_quality": "hd",
        "concurrent_images": 0,
        "budgets": [
            budget(json!(5), "images"),
            budget(json!(7), "images"),
            budget(json!("2.5"), "images"),
            budget(json!(-1), "credits"),
            budget(json!(1), "euros"),
            {"amount": 5, "unit": "credits", "per": "fortnight"},
            {"amount": 5, "unit": "usd", "per": "day", "timezone": "Mars/Olympus"},
            {"unit": "usd", "per": "week"},
        ],
    });
    let keys = json!([{"name": "ci", "secret": "egk_1", "limits": limits.clone()}]);
    let settings =
        json!({"limits": limits.clone(), "teams": [{"name": "design", "keys": keys, "limits": limits}]});
    let file = folder.write("gateway.yaml", &settings.to_string());
    let mut command = super::process::binary(&folder);
    let ran = run(command.args(["check", "--allow-missing-secrets", "--config"]).arg(file)).await;
    assert_eq!(ran.code, Some(2));
    let told = ran.out + &ran.err;
    for place in ["limits", "teams[0].limits", "teams[0].keys[0].limits"] {
        for wrong in [
            "max_n",
            "max_quality",
            "concurrent_images",
            "budgets[1]",
            "budgets[2].amount",
            "budgets[3].amount",
            "budgets[4].unit",
            "budgets[5].per",
            "budgets[6].timezone",
            "budgets[7]",
        ] {
            assert!(told.contains(&format!("{place}.{wrong}")), "{place}.{wrong} is not told:\n{told}");
        }
    }
}
