//! A log that nobody reads holds nobody up.

use std::process::Stdio;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use super::process::{Folder, serve_at};
use crate::support::{Metrics, PATIENCE};

const KEY: &str = "egk_unread-canary-77c1";
/// Requests between two looks at the metrics. Each is a line of some 300 bytes; pipe and gateway hold 2 MiB at most.
const BETWEEN: usize = 500;
const LOOKS_MAX: u32 = 40;

#[tokio::test]
async fn requests_are_answered_while_nobody_reads_the_log_and_what_it_lacks_is_told() {
    let folder = Folder::new();
    let mut command = serve_at(&folder, "http://127.0.0.1:9", KEY);
    let mut gateway = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(gateway.stderr.take().unwrap()).lines();
    let mut until = async |mark: &str| loop {
        let line = timeout(PATIENCE, log.next_line()).await.expect("nothing is said").unwrap();
        let line = line.expect("the log has ended");
        if line.contains(mark) {
            return serde_json::from_str::<Value>(&line).unwrap();
        }
    };
    let listening = until("\"listening\"").await;
    let url = |field: &str| format!("http://{}", listening["fields"][field].as_str().unwrap());
    let (models, metrics) = (url("api") + "/v1/models", url("admin") + "/metrics");
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let dropped = async || {
        let text = http.get(&metrics).send().await.unwrap().text().await.unwrap();
        Metrics::new(text).sum("log_lines_dropped_total", &[])
    };
    let ask = async |_| {
        let answer = http.get(&models).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    let mut looks = 0;
    while dropped().await == 0.0 {
        assert!(looks < LOOKS_MAX, "the log never has too much");
        looks += 1;
        stream::iter(0..BETWEEN).for_each_concurrent(32, ask).await;
    }
    let told = until("log lines were left out").await["fields"]["lines"].as_f64();
    assert_eq!(told, Some(dropped().await));
    gateway.kill().await.unwrap();
}
