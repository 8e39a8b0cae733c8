//! `usage`: the report of a running gateway, on the command line.

use evolink_gateway::simulator::{Options, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::process::{Folder, Ran, Running, binary, run, serve_at};
use crate::support::PATIENCE;

const TEAM_KEY: &str = "egk_usage-canary-6b20";
const TOKEN: &str = "admin-token-of-the-command";

async fn usage(folder: &Folder, arguments: &[&str]) -> Ran {
    run(binary(folder).arg("usage").args(arguments)).await
}

#[tokio::test]
async fn the_command_prints_what_a_running_gateway_has_used() {
    let folder = Folder::new();
    let quick = std::time::Duration::from_millis(20);
    let options = Options { latency: Some((quick, quick)), ..Options::default() };
    let simulator = Simulator::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), options).await;
    let mut serve = serve_at(&folder, &simulator.url(), TEAM_KEY);
    let mut gateway = Running::start(serve.env("EVOLINK_GATEWAY__SERVER__ADMIN_TOKEN", TOKEN));
    let (api, admin) = gateway.addresses().await;
    let url = format!("http://{admin}");
    let nothing = usage(&folder, &["--admin", &url, "--token", TOKEN]).await;
    assert_eq!(nothing.code, Some(0), "{}", nothing.err);
    assert!(nothing.out.starts_with("Nothing was used from "), "{}", nothing.out);
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let body = json!({"prompt": "a fox", "n": 2, "size": "816x816", "quality": "low"}).to_string();
    let request = client.post(format!("http://{api}/v1/images/generations")).bearer_auth(TEAM_KEY);
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    // Ends are written down behind the answers.
    let deadline = Instant::now() + PATIENCE;
    let report = loop {
        let ran = usage(&folder, &["--admin", &url, "--token", TOKEN, "--format", "json"]).await;
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        if report["data"][0]["images"] == 2 {
            break report;
        }
        assert!(Instant::now() < deadline, "{report}");
    };
    let credits = report["data"][0]["credits"].as_f64().unwrap();
    assert!((credits - simulator.ledger().totals.credits_charged).abs() < 1e-6, "{report}");

    // The listener as the configuration names it, and the token from the environment.
    let mut command = binary(&folder);
    command.args(["usage", "--by", "team,model", "--team", "default"]);
    command.env("EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN", admin.to_string());
    let table = run(command.env("EVOLINK_GATEWAY_ADMIN_TOKEN", TOKEN)).await;
    assert_eq!(table.code, Some(0), "{}", table.err);
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", table.out);
    assert!(lines[0].starts_with("team     model"), "{}", table.out);
    assert!(lines[2].starts_with("default  gpt-image-2") && lines[4].starts_with("total"), "{}", table.out);
    let end = |line: &str| line.split_whitespace().rev().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(end(lines[2]), end(lines[4]));

    let csv = usage(&folder, &["--admin", &url, "--token", TOKEN, "--format", "csv", "--by", "team"]).await;
    let (head, line) = csv.out.trim_end().split_once("\r\n").unwrap();
    assert_eq!(head, "team,requests,hits,images,credits,usd");
    assert!(line.starts_with("default,") && line.contains(&format!(",{credits},")), "{line}");

    for (arguments, told) in [
        (vec!["--admin", url.as_str()], "wants a token"),
        (vec!["--admin", url.as_str(), "--token", "wrong"], "does not take this token"),
        (vec!["--admin", url.as_str(), "--token", TOKEN, "--from", "yesterday"], "takes days as 2026-11-30"),
        (vec!["--admin", "http://127.0.0.1:1"], "cannot be reached"),
        (vec!["--admin", "https://127.0.0.1"], "use http://HOST:PORT"),
        (vec!["--admin", &format!("http://{api}"), "--token", TOKEN], "server.admin_listen"),
    ] {
        let ran = usage(&folder, &arguments).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(ran.err.contains(told) && !ran.err.contains(TOKEN), "{arguments:?}: {}", ran.err);
    }
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.said);
    assert!(!gateway.said.contains(TOKEN));
}
