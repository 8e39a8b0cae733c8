//! Keys minted by `serve` and what is left of them when it is killed.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::process::{Folder, Running, serve_at};
use crate::support::PATIENCE;

const KEY: &str = "egk_the-first";

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

async fn mint(admin: SocketAddr, path: &str, body: Value) -> Value {
    let request = client().post(format!("http://{admin}/admin/v1/keys{path}"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn opens(api: SocketAddr, key: &Value) -> u16 {
    let request =
        client().get(format!("http://{api}/v1/models")).bearer_auth(key["secret"].as_str().unwrap());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_was_answered_of_a_key_holds_after_a_kill_and_its_secret_was_not_said() {
    let folder = Folder::new();
    let start = || Running::start(&mut serve_at(&folder, "http://127.0.0.1:1", KEY));
    let mut process = start();
    let (_, admin) = process.addresses().await;
    let first = mint(admin, "", json!({"team": "default", "name": "web"})).await;
    process.line("a key was minted").await;
    process.signal("KILL").await;
    process.ended().await;
    let mut said = process.said;
    process = start();
    let (api, admin) = process.addresses().await;
    assert_eq!(opens(api, &first).await, 200);
    let rotation = format!("/{}/rotate", first["id"].as_str().unwrap());
    let second = mint(admin, &rotation, json!({"grace": "0s"})).await;
    assert_eq!((opens(api, &first).await, opens(api, &second).await), (401, 200));
    process.line("a key was rotated").await;
    process.signal("KILL").await;
    process.ended().await;
    said += &process.said;
    process = start();
    let (api, admin) = process.addresses().await;
    assert_eq!((opens(api, &first).await, opens(api, &second).await), (401, 200));
    let url = format!("http://{admin}/admin/v1/keys/{}", second["id"].as_str().unwrap());
    let deleted = client().delete(url).header("content-type", "application/json").send().await.unwrap();
    assert_eq!(deleted.status().as_u16(), 204);
    process.line("a key was revoked").await;
    process.signal("KILL").await;
    process.ended().await;
    said += &process.said;
    process = start();
    let (api, _) = process.addresses().await;
    assert_eq!(opens(api, &second).await, 401);
    for message in ["a key was minted", "a key was rotated", "a key was revoked"] {
        assert!(said.contains(message), "{said}");
    }
    for key in [&first, &second] {
        assert!(
            said.contains(key["id"].as_str().unwrap()) && !said.contains(key["secret"].as_str().unwrap())
        );
    }
}
