//! Results over a restart, without upstream, and with pictures that are damaged or gone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use evolink_gateway::simulator::{self, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::process::{Folder, Running, serve_at};
use crate::support::{Answer, PATIENCE};

const KEY: &str = "egk_cached";

async fn simulator(address: &str) -> Simulator {
    let listener = TcpListener::bind(address).await.unwrap();
    let latency = Some((Duration::from_millis(20), Duration::from_millis(60)));
    Simulator::start(listener, simulator::Options { latency, ..simulator::Options::default() }).await
}

async fn ask(api: SocketAddr, body: Value) -> Answer {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request = client.post(format!("http://{api}/v1/images/generations")).bearer_auth(KEY);
    let request = request.header("content-type", "application/json").body(body.to_string());
    Answer::read(request.send().await.unwrap()).await
}

fn fox(more: Value) -> Value {
    let mut body = json!({"prompt": "a fox", "size": "816x816", "quality": "low"});
    let Value::Object(more) = more else { panic!("no object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").is_some_and(|status| status.contains("; hit; ttl="))
}

/// The files of the picture store.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.path("data/images")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "png") {
                found.push(path);
            }
        }
    }
    found
}

/// Waits until so many pictures are stored.
async fn stored(folder: &Folder, count: usize) -> Vec<PathBuf> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files = files(folder);
        if files.len() == count {
            return files;
        }
        assert!(Instant::now() < deadline, "{files:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Ends the gateway and starts it anew.
async fn restart(
    folder: &Folder,
    upstream: &str,
    mut process: Running,
    signal: &str,
) -> (Running, SocketAddr) {
    process.signal(signal).await;
    process.ended().await;
    let mut process = Running::start(&mut serve_at(folder, upstream, KEY));
    let (api, _) = process.addresses().await;
    (process, api)
}

#[tokio::test]
async fn a_hit_needs_no_upstream_in_any_form_and_after_any_end() {
    let (folder, simulator) = (Folder::new(), simulator("127.0.0.1:0").await);
    let upstream = simulator.url();
    let mut process = Running::start(&mut serve_at(&folder, &upstream, KEY));
    let (mut api, _) = process.addresses().await;
    let first = ask(api, fox(json!({}))).await;
    let (picture, told) = (first.picture(), first.json());
    stored(&folder, 1).await;
    simulator.stop().await;
    for signal in ["TERM", "KILL"] {
        let again = ask(api, fox(json!({}))).await;
        assert!(is_hit(&again) && again.header("x-gateway-credits") == Some("0"), "{:?}", again.headers);
        assert_eq!((again.picture(), &again.json()["created"]), (picture.clone(), &told["created"]));
        assert_eq!(again.json()["usage"], told["usage"]);
        let jpeg = ask(api, fox(json!({"output_format": "jpeg"}))).await.picture();
        assert_eq!((jpeg.format, jpeg.size), (image::ImageFormat::Jpeg, picture.size));
        let stream = ask(api, fox(json!({"stream": true}))).await.text();
        let data = stream.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!(event["type"], "image_generation.completed");
        assert_eq!(event["b64_json"], told["data"][0]["b64_json"]);
        (process, api) = restart(&folder, &upstream, process, signal).await;
    }
    let missed = ask(api, json!({"prompt": "an owl"})).await;
    missed.is_error(503, "upstream_error", "upstream_unavailable", true);
}

#[tokio::test]
async fn a_damaged_or_missing_picture_is_noticed_and_made_again_once_its_link_is_dead_too() {
    let (folder, first) = (Folder::new(), simulator("127.0.0.1:0").await);
    let mut process = Running::start(&mut serve_at(&folder, &first.url(), KEY));
    let (mut api, _) = process.addresses().await;
    let picture = ask(api, fox(json!({}))).await.picture();
    for damage in ["flip", "cut", "remove"] {
        let file = stored(&folder, 1).await.remove(0);
        let mut bytes = std::fs::read(&file).unwrap();
        match damage {
            "flip" => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&file, &bytes).unwrap();
            }
            "cut" => std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::remove_file(&file).unwrap(),
        }
        // So that nothing is had from memory.
        (process, api) = restart(&folder, &first.url(), process, "TERM").await;
        let again = ask(api, fox(json!({}))).await;
        assert!(is_hit(&again), "{damage}: by Evolink's link");
        assert_eq!(again.picture(), picture, "{damage}");
    }
    let file = stored(&folder, 1).await.remove(0);
    assert_eq!(first.ledger().tasks.len(), 1);
    // Another upstream at the same address, which knows nothing of the picture.
    let upstream = first.url();
    first.stop().await;
    let second = simulator(upstream.strip_prefix("http://").unwrap()).await;
    // A store that fails has lost nothing: nothing is bought, whatever has become of the links.
    let aside = folder.path("aside.png");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (process, api) = restart(&folder, &upstream, process, "TERM").await;
    let failing = ask(api, fox(json!({}))).await;
    failing.is_error(502, "upstream_error", "result_unavailable", true);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    let again = ask(api, fox(json!({}))).await;
    assert!(is_hit(&again) && again.picture() == picture);
    assert_eq!(second.ledger().tasks.len(), 0);
    std::fs::remove_file(&file).unwrap();
    let (_process, api) = restart(&folder, &upstream, process, "TERM").await;
    let anew = ask(api, fox(json!({}))).await;
    assert_eq!(anew.header("cache-status"), Some("evolink-gateway; fwd=miss; stored"));
    anew.picture();
    assert!(is_hit(&ask(api, fox(json!({}))).await));
    assert_eq!(second.ledger().tasks.len(), 1);
}
