//! The end of the process, and changes of its configuration while it runs.

use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Answer, DESIGN_KEY, Harness, PATIENCE, Setup, UPSTREAM_KEY};

#[tokio::test]
async fn a_drain_finishes_what_runs_and_refuses_what_comes() {
    let house = Harness::start().await;
    let running = house.draw("a fox [latency:800ms]");
    let meanwhile = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        house.shutdown.drain();
        for _ in 0..2 {
            let refused = house.draw("a bear").await;
            refused.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
            assert_eq!(refused.header("connection"), Some("close"));
        }
        assert_eq!((house.admin("/readyz").await.status, house.admin("/livez").await.status), (503, 200));
    };
    let (answer, ()) = tokio::join!(running, meanwhile);
    answer.picture();
    house.has_tasks(1);
    house.has_ended().await;
}

#[tokio::test]
async fn who_still_waits_when_the_drain_ends_is_sent_elsewhere() {
    let house = Harness::with(json!({"server": {"drain": "600ms"}})).await;
    let began = Instant::now();
    let running = house.draw("a fox [latency:20s]");
    let drain = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        house.shutdown.drain();
    };
    let (answer, ()) = tokio::join!(running, drain);
    answer.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
    house.has_ended().await;
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_idle_gateway_drains_at_once() {
    let house = Harness::start().await;
    house.send(house.ask(Method::GET, "/v1/models")).await.is_ok();
    let began = Instant::now();
    house.shutdown.drain();
    house.has_ended().await;
    assert!(began.elapsed().as_secs() < 5, "idle connections do not hold it up: {:?}", began.elapsed());
}

/// A file of this test run alone.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.yaml", std::process::id()))
}

async fn until_models(house: &Harness, key: &str, status: u16) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = house.send(house.http.get(house.url("/v1/models")).bearer_auth(key)).await;
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {}", answer.status);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn with_key(config: &Value, secret: &str) -> String {
    let mut config = config.clone();
    config["teams"] = json!([{"name": "design", "keys": [{"name": "new", "secret": secret}]}]);
    config.to_string()
}

#[tokio::test]
async fn a_reload_takes_new_keys_at_once_and_drops_old_ones() {
    let path = file("reload-keys");
    let house = Setup::new().file(path.clone()).start().await;
    until_models(&house, DESIGN_KEY, 200).await;
    std::fs::write(&path, with_key(&house.config, "egk_another-key")).unwrap();
    house.reload.notify_one();
    until_models(&house, "egk_another-key", 200).await;
    until_models(&house, DESIGN_KEY, 401).await;
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("config_last_reload_successful", &[]), 1.0);
    assert!(metrics.sum("config_reloads_total", &["result=\"ok\""]) >= 1.0, "{}", metrics.text());
    house.finish().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_being_told() {
    let path = file("reload-watched");
    let house = Setup::new().file(path.clone()).start().await;
    std::fs::write(&path, with_key(&house.config, "egk_watched-key")).unwrap();
    until_models(&house, "egk_watched-key", 200).await;
    house.finish().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_configuration_in_force() {
    let path = file("reload-bad");
    let house = Setup::new().file(path.clone()).start().await;
    for bad in ["teams: [", "unknown_setting: 1", ""] {
        let mut wrong = house.config.clone();
        wrong["server"]["deadline"] = json!("never");
        let text = if bad.is_empty() { wrong.to_string() } else { bad.to_owned() };
        std::fs::write(&path, text).unwrap();
        house.reload.notify_one();
        let refused = |metrics: &crate::support::Metrics| {
            metrics.sum("config_last_reload_successful", &[]) == 0.0
                && metrics.sum("config_reloads_total", &["result=\"error\""]) >= 1.0
        };
        house.until_metrics("a refused reload", refused).await;
        until_models(&house, DESIGN_KEY, 200).await;
        std::fs::write(&path, house.config.to_string()).unwrap();
        house.reload.notify_one();
        house
            .until_metrics("a good reload", |metrics| {
                metrics.sum("config_last_reload_successful", &[]) == 1.0
            })
            .await;
    }
    house.finish().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_new_upstream_key_is_used_at_once() {
    let path = file("reload-upstream");
    let keys =
        |options: &mut evolink_gateway::simulator::Options| options.api_keys = vec!["sk-rotated".to_owned()];
    let house = Setup::new().simulator(keys).file(path.clone()).start().await;
    house.draw("a fox").await.is_error(502, "upstream_error", "upstream_account_error", false);
    let config = house.config.to_string().replace(UPSTREAM_KEY, "sk-rotated");
    std::fs::write(&path, config).unwrap();
    house.reload.notify_one();
    house
        .until_metrics("the reload", |metrics| metrics.sum("config_reloads_total", &["result=\"ok\""]) >= 1.0)
        .await;
    house.draw("a fox").await.picture();
    house.finish().await;
    std::fs::remove_file(path).unwrap();
}
