//! `serve`, `simulate` and `healthcheck`: processes that talk with each other.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tokio::process::Command;

use super::process::{Folder, Running, binary, run};
use crate::support::{Answer, PATIENCE};

const UPSTREAM: &str = "sk-process-canary-41d0";

async fn simulator(folder: &Folder) -> (Running, String) {
    let mut command = binary(folder);
    command.args(["simulate", "--listen", "127.0.0.1:0", "--latency", "20ms..60ms", "--api-key", UPSTREAM]);
    let mut running = Running::start(&mut command);
    let line = running.line("simulator listening on ").await;
    let url = line.rsplit(' ').next().unwrap().to_owned();
    (running, url)
}

/// `serve` without a file, pointed at a simulator by variables alone.
fn serve(folder: &Folder, upstream: &str) -> Command {
    let mut command = binary(folder);
    command.arg("serve").envs([
        ("EVOLINK_API_KEY", UPSTREAM),
        ("EVOLINK_GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
        ("EVOLINK_GATEWAY__EVOLINK__BASE_URL", upstream),
        ("EVOLINK_GATEWAY__EVOLINK__FILES_URL", upstream),
        ("EVOLINK_GATEWAY__EVOLINK__ALLOW_PRIVATE_MEDIA", "true"),
        ("EVOLINK_GATEWAY__EVOLINK__POLL__MIN", "20ms"),
    ]);
    command
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

async fn draw(api: SocketAddr, key: &str, prompt: &str) -> Answer {
    let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
    let request = client().post(format!("http://{api}/v1/images/generations")).bearer_auth(key);
    let request = request.header("content-type", "application/json").body(body);
    Answer::read(request.send().await.expect("no answer")).await
}

#[tokio::test]
async fn with_an_upstream_key_alone_it_works_and_mints_a_first_key() {
    let folder = Folder::new();
    let (_simulator, url) = simulator(&folder).await;
    let mut gateway = Running::start(&mut serve(&folder, &url));
    let (api, admin) = gateway.addresses().await;
    let file = folder.path("data/first-key");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(gateway.said.contains("first-key") && !gateway.said.contains(&key), "{}", gateway.said);
    assert_eq!(draw(api, &key, "a fox").await.picture().size, (816, 816));
    assert_eq!(draw(api, "wrong", "a fox").await.status, 401);
    let ready = async |url: &str| run(binary(&folder).args(["healthcheck", "--url", url])).await.code;
    assert_eq!(ready(&format!("http://{admin}/readyz")).await, Some(0));
    assert_ne!(ready(&format!("http://{admin}/nothing")).await, Some(0));
    let mut configured = binary(&folder);
    configured.arg("healthcheck").env("EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN", admin.to_string());
    assert_eq!(run(&mut configured).await.code, Some(0));
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.said);
    assert!(!gateway.said.contains(&key) && !gateway.said.contains(UPSTREAM), "{}", gateway.said);
    assert_ne!(ready(&format!("http://{admin}/readyz")).await, Some(0));
    let mut again = Running::start(&mut serve(&folder, &url));
    let (api, _) = again.addresses().await;
    draw(api, &key, "a fox").await.picture();
    again.signal("INT").await;
    assert_eq!(again.ended().await.code(), Some(0), "the key outlives a restart");
}

#[tokio::test]
async fn the_key_of_the_only_team_can_be_given_by_the_environment() {
    let folder = Folder::new();
    let (_simulator, url) = simulator(&folder).await;
    let mut gateway =
        Running::start(serve(&folder, &url).env("EVOLINK_GATEWAY_KEY", "egk_from-the-environment"));
    let (api, _) = gateway.addresses().await;
    draw(api, "egk_from-the-environment", "a fox").await.picture();
    assert!(!folder.path("data/first-key").exists());
}

#[tokio::test]
async fn a_created_key_is_accepted_by_a_gateway_with_its_stanza() {
    let folder = Folder::new();
    let (_simulator, url) = simulator(&folder).await;
    let created = run(binary(&folder).args(["key", "create", "--team", "design", "--name", "ci"])).await;
    assert_eq!(created.code, Some(0));
    let (secret, stanza) = created.out.split_once('\n').unwrap();
    assert!(secret.starts_with("egk_") && !stanza.contains(secret), "{}", created.out);
    let file = folder.write("gateway.yaml", stanza);
    let mut gateway = Running::start(serve(&folder, &url).arg("--config").arg(&file));
    let (api, _) = gateway.addresses().await;
    draw(api, secret, "a fox").await.picture();
    let other = run(binary(&folder).args(["key", "create", "--team", "print"])).await;
    let (other, stanza) = other.out.split_once('\n').unwrap();
    folder.write("gateway.yaml", stanza);
    gateway.signal("HUP").await;
    gateway.line("the configuration was reloaded").await;
    assert_eq!((draw(api, other, "a fox").await.status, draw(api, secret, "a fox").await.status), (200, 401));
}

#[tokio::test]
async fn without_an_upstream_key_it_does_not_start() {
    let folder = Folder::new();
    let ran = run(binary(&folder).arg("serve")).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("EVOLINK_API_KEY"), "{}", ran.err);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = serve(&folder, "http://127.0.0.1:1");
    let ran = run(command.env("EVOLINK_GATEWAY__SERVER__LISTEN", &address)).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&address) && ran.err.contains("server.listen"), "{}", ran.err);
    let ran = run(binary(&folder).args(["simulate", "--listen", &address])).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
}

#[tokio::test]
async fn a_first_signal_drains_and_a_second_one_ends_at_once() {
    let folder = Folder::new();
    let (_simulator, url) = simulator(&folder).await;
    let mut gateway = Running::start(serve(&folder, &url).env("EVOLINK_GATEWAY_KEY", "egk_key"));
    let (api, _) = gateway.addresses().await;
    let running = draw(api, "egk_key", "a fox [latency:900ms]");
    let signal = async {
        until_task(&url).await;
        gateway.signal("TERM").await;
        gateway.line("draining").await;
    };
    let (answer, ()) = tokio::join!(running, signal);
    answer.picture();
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.said);

    let mut gateway = Running::start(serve(&folder, &url).env("EVOLINK_GATEWAY_KEY", "egk_key"));
    let (api, _) = gateway.addresses().await;
    let mut asked = tokio::task::JoinSet::new();
    asked.spawn(async move {
        let request = client().post(format!("http://{api}/v1/images/generations")).bearer_auth("egk_key");
        let body = json!({"prompt": "a fox [latency:60s]"}).to_string();
        request.header("content-type", "application/json").body(body).send().await.is_ok()
    });
    until_tasks(&url, 2).await;
    gateway.signal("TERM").await;
    gateway.line("draining").await;
    gateway.signal("TERM").await;
    gateway.ended().await;
    assert!(gateway.said.contains("second signal"), "{}", gateway.said);
    assert!(!asked.join_next().await.unwrap().unwrap(), "the connection was cut");
}

#[tokio::test]
async fn what_was_bought_is_seen_to_its_end_before_a_process_ends_that_writes_nothing_down() {
    let folder = Folder::new();
    let (_simulator, url) = simulator(&folder).await;
    let mut command = serve(&folder, &url);
    command.envs([("EVOLINK_GATEWAY_KEY", "egk_key"), ("EVOLINK_GATEWAY__STATE__STORE", "memory")]);
    let mut gateway = Running::start(&mut command);
    let (api, _) = gateway.addresses().await;
    let body = json!({"prompt": "a fox [latency:900ms]"}).to_string();
    let request = client().post(format!("http://{api}/v1/images/generations")).bearer_auth("egk_key");
    let request = request.header("content-type", "application/json").header("prefer", "respond-async");
    assert_eq!(request.body(body).send().await.unwrap().status(), 202);
    until_task(&url).await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.said);
    assert!(
        gateway.said.contains("outcome=completed") || gateway.said.contains(r#""outcome":"completed""#),
        "{}",
        gateway.said
    );
}

async fn until_task(url: &str) {
    until_tasks(url, 1).await;
}

/// Waits until the simulator has made so many tasks.
async fn until_tasks(url: &str, count: usize) {
    let look = async {
        loop {
            let ledger = client().get(format!("{url}/_simulator/ledger")).send().await.unwrap();
            let tasks = Answer::read(ledger).await.json()["tasks"].as_array().unwrap().len();
            if tasks >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("no task");
}
