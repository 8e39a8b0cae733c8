//! What was used, as teams and operators are told: true against upstream's own books.

use std::time::Duration;

use evolink_gateway::clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{
    Answer, DESIGN_KEY, Harness, Metrics, PATIENCE, PRINT_KEY, STRICT_KEY, Setup, UPSTREAM_KEY,
};

const INVALID: &str = "invalid_request_error";
/// 2026-11-23 08:00 UTC, a Monday.
const NOW: i64 = 1_795_420_800;

/// A team with budgets of its own and of its key, one with a single budget, and one without limits.
fn teams() -> Value {
    let of_team = json!({"images_per_minute": 30, "concurrent_images": 8, "budgets": [
        {"amount": 200, "unit": "images", "per": "day", "timezone": "Europe/Berlin"},
        {"amount": 12.5, "unit": "credits", "per": "month"},
        {"amount": 50, "unit": "usd", "per": "total", "mode": "shadow"},
    ]});
    let of_key =
        json!({"requests_per_minute": 60, "budgets": [{"amount": 10, "unit": "images", "per": "week"}]});
    let print = json!({"budgets": [{"amount": 77, "unit": "images", "per": "hour"}]});
    json!([
        {"name": "design", "limits": of_team, "keys": [{"name": "ci", "secret": DESIGN_KEY, "limits": of_key}]},
        {"name": "print", "limits": print, "keys": [{"name": "=press", "secret": PRINT_KEY}]},
        {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}]},
    ])
}

/// On a disk, since nothing is counted in memory; with the clock held.
fn setup(folder: &TempDir) -> Setup {
    let state = json!({"store": "embedded", "path": folder.path()});
    Setup::new().config(&json!({"state": state, "teams": teams()})).clock(Clock::fixed(NOW))
}

/// Three pictures by `design`, a repetition, a failure and a refusal; one picture by `print`.
async fn mixed(house: &Harness) {
    house.generate(json!({"prompt": "two foxes", "n": 2, "size": "816x816", "quality": "low"})).await.is_ok();
    house.draw("a bear").await.is_ok();
    house.draw("a bear").await.is_ok();
    house.draw("a wolf [fail:service_error]").await;
    house.generate(json!({"prompt": "a cat", "n": 0})).await;
    let print = json!({"prompt": "a press", "size": "816x816", "quality": "low"});
    house.send(house.generation_by(PRINT_KEY, print)).await.is_ok();
    assert_eq!(house.ledger().totals.creates_accepted, 5);
}

fn close(one: &Value, other: f64) -> bool {
    (one.as_f64().unwrap() - other).abs() < 1e-6
}

fn members(object: &Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

/// What upstream charged for prompts with this word, or without it.
fn charged(house: &Harness, press: bool) -> f64 {
    let ledger = house.ledger();
    let tasks = ledger.tasks.iter().filter(|task| task.prompt.contains("press") == press);
    tasks.map(|task| task.credits_charged).sum()
}

impl Harness {
    async fn used_by(&self, key: &str) -> Value {
        let answer = self.send(self.http.get(self.url("/v1/usage")).bearer_auth(key)).await;
        assert_eq!(answer.is_ok().header("cache-control"), Some("no-store"));
        answer.json()
    }

    /// Waits until the books show that everything is settled: ends are written down behind the answers.
    async fn settled(&self, images: u64) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.report("by=day").await;
            let sum: u64 =
                told["data"].as_array().unwrap().iter().map(|line| line["images"].as_u64().unwrap()).sum();
            if sum == images {
                return told;
            }
            assert!(Instant::now() < deadline, "never came: {images} images in {told}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn report(&self, query: &str) -> Value {
        self.admin(&format!("/admin/v1/usage?{query}")).await.is_ok().json()
    }
}

#[tokio::test]
async fn a_team_is_told_its_own_and_its_keys_budgets_as_upstreams_books_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let house = setup(&folder).start().await;
    let before = house.used_by(DESIGN_KEY).await;
    assert_eq!(before["budgets"][0]["since"], Value::Null, "nothing was counted yet");
    assert_eq!(before["budgets"][1]["left"].to_string(), "12.5");
    mixed(&house).await;
    house.settled(4).await;
    let told = house.used_by(DESIGN_KEY).await;
    assert_eq!(told["team"], "design");
    let budgets = told["budgets"].as_array().unwrap();
    let first = json!({
        "scope": "team", "unit": "images", "per": "day", "timezone": "Europe/Berlin", "mode": "enforce",
        "amount": 200, "used": 3, "held": 0, "left": 197,
        "resets_at": "2026-11-23T23:00:00Z", "since": "2026-11-23T08:00:00Z",
    });
    assert_eq!(budgets[0], first);
    let [_, credits, usd, of_key] = budgets.as_slice() else { panic!("{told}") };
    let spent = charged(&house, false);
    assert!(spent > 0.5 && close(&credits["used"], spent) && close(&credits["left"], 12.5 - spent), "{told}");
    assert_eq!((&credits["held"], &credits["resets_at"]), (&json!(0), &json!("2026-12-01T00:00:00Z")));
    assert!((usd["used"].as_f64().unwrap() - spent / 68.0).abs() < 1e-4, "{told}");
    assert_eq!((&usd["mode"], &usd["resets_at"]), (&json!("shadow"), &Value::Null));
    assert_eq!(
        (&of_key["scope"], &of_key["used"], &of_key["per"]),
        (&json!("key"), &json!(3), &json!("week"))
    );
    assert_eq!(of_key["resets_at"], "2026-11-30T00:00:00Z");
    let document = house.send(house.http.get(house.url("/openapi.json"))).await.json();
    let schema = document["components"]["schemas"]["TeamUsage"]["properties"].clone();
    for list in ["budgets", "rate_limits"] {
        let described = &schema[list]["items"]["properties"];
        assert_eq!(members(&told[list][0]), members(described), "{list}");
    }
    assert_eq!(members(&told), members(&schema));
    // Another team's are never shown.
    let print = house.used_by(PRINT_KEY).await;
    assert_eq!((&print["team"], print["budgets"].as_array().unwrap().len()), (&json!("print"), 1));
    assert_eq!((&print["budgets"][0]["amount"], &print["budgets"][0]["used"]), (&json!(77), &json!(1)));
    assert_eq!(house.used_by(STRICT_KEY).await, json!({"team": "strict", "budgets": [], "rate_limits": []}));
    house.finish().await;
}

#[tokio::test]
async fn rates_are_told_by_scope_and_asking_takes_nothing_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let house = setup(&folder).start().await;
    for _ in 0..5 {
        house.used_by(DESIGN_KEY).await;
    }
    let rate = |scope: &str, name: &str, limit: u32, left: u32, reset: Value| json!({"scope": scope, "name": name, "limit": limit, "remaining": left, "reset_seconds": reset});
    let all = [
        rate("team", "images_per_minute", 30, 30, json!(0)),
        rate("team", "concurrent_images", 8, 8, Value::Null),
        rate("key", "requests_per_minute", 60, 60, json!(0)),
    ];
    assert_eq!(house.used_by(DESIGN_KEY).await["rate_limits"], json!(all));
    let drawing =
        house.generate(json!({"prompt": "foxes [latency:3s]", "n": 3, "size": "816x816", "quality": "low"}));
    let looking = async {
        house.until("three tasks", |ledger| ledger.tasks.len() == 3).await;
        let rates = house.used_by(DESIGN_KEY).await["rate_limits"].clone();
        let images = rates[0]["remaining"].as_u64().unwrap();
        assert!((27..=29).contains(&images), "{rates}");
        assert!((1..=6).contains(&rates[0]["reset_seconds"].as_u64().unwrap()), "{rates}");
        assert_eq!(rates[1]["remaining"], 5);
        let held = house.used_by(DESIGN_KEY).await["budgets"][0].clone();
        assert_eq!((&held["used"], &held["held"], &held["left"]), (&json!(0), &json!(3), &json!(197)));
    };
    let (drawn, ()) = tokio::join!(drawing, looking);
    drawn.is_ok();
    house.send(house.http.get(house.url("/v1/usage"))).await.is_error(401, INVALID, "invalid_api_key", false);
    house.send(house.ask(Method::POST, "/v1/usage")).await.is_error(
        405,
        INVALID,
        "method_not_allowed",
        false,
    );
    assert_eq!(house.send(house.ask(Method::HEAD, "/v1/usage")).await.status, 200);
    house.finish().await;
}

/// The cells of a report without quotes in it.
fn cells(answer: &Answer) -> Vec<Vec<String>> {
    let text = answer.text();
    let lines = text.strip_suffix("\r\n").unwrap().split("\r\n");
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn operators_are_told_by_day_team_key_and_model_what_it_cost() {
    let folder = tempfile::tempdir().unwrap();
    let house = setup(&folder).start().await;
    mixed(&house).await;
    let by_day = house.settled(4).await;
    assert_eq!((&by_day["from"], &by_day["to"]), (&json!("2026-11-01"), &json!("2026-11-23")));
    assert_eq!((&by_day["by"], &by_day["data"][0]["day"]), (&json!(["day"]), &json!("2026-11-23")));
    assert!(by_day["data"][0].get("team").is_none());
    let all = house.report("").await;
    assert_eq!(all["by"], json!(["day", "team", "key", "model"]));
    let [design, print] = all["data"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!(
        (&design["team"], &design["key"], &design["images"]),
        (&json!("design"), &json!("ci"), &json!(3))
    );
    assert_eq!((&print["key"], &print["model"]), (&json!("=press"), &json!("gpt-image-2")));
    for (line, press) in [(design, false), (print, true)] {
        assert!(close(&line["credits"], charged(&house, press)), "{line}");
        assert!(close(&line["usd"], charged(&house, press) / 68.0) || line["usd"].as_f64().unwrap() < 0.2);
    }
    assert_eq!(house.report("team=print&by=team").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(house.report("from=2026-10-01&to=2026-11-22").await["data"], json!([]));
    for query in ["from=2026-11-24", "from=x", "by=hour", "format=xml", "days=3"] {
        let answer = house.admin(&format!("/admin/v1/usage?{query}")).await;
        answer.is_error(400, INVALID, "invalid_value", false);
    }
    // The same as CSV, whichever way it is asked for.
    let url = format!("http://{}/admin/v1/usage", house.admin);
    let by_header = house.send(house.http.get(&url).header("accept", "text/csv")).await;
    let by_query = house.admin("/admin/v1/usage?format=csv").await;
    assert_eq!(by_header.text(), by_query.text());
    assert!(by_query.header("content-type").unwrap().starts_with("text/csv"));
    let cells = cells(&by_query);
    let head = ["day", "team", "key", "model", "requests", "hits", "images", "credits", "usd"];
    assert_eq!((cells[0].clone(), cells.len()), (head.map(str::to_owned).to_vec(), 3));
    assert_eq!(cells[2][2], "'=press", "no formula");
    for (line, cells) in [(design, &cells[1]), (print, &cells[2])] {
        assert_eq!(line["credits"].to_string(), cells[7]);
        assert_eq!(
            (line["images"].to_string(), line["usd"].to_string()),
            (cells[6].clone(), cells[8].clone())
        );
    }
    house.finish().await;
}

#[tokio::test]
async fn gauges_follow_the_teams_budgets_and_go_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.json");
    let house = setup(&folder).file(file.clone()).start().await;
    mixed(&house).await;
    house.settled(4).await;
    let metrics = house.metrics().await;
    let of = |metrics: &Metrics, gauge: &str, labels: &[&str]| metrics.sum(&format!("quota_{gauge}"), labels);
    let images = ["team=\"design\"", "unit=\"images\"", "per=\"day\"", "mode=\"enforce\""];
    let shown = ["used", "held", "limit"].map(|gauge| of(&metrics, gauge, &images));
    assert_eq!(shown, [3.0, 0.0, 200.0], "{}", metrics.text());
    let usd = of(&metrics, "limit", &["team=\"design\"", "unit=\"usd\"", "mode=\"shadow\""]);
    assert_eq!(usd, 50.0);
    assert!((of(&metrics, "used", &["unit=\"credits\""]) - charged(&house, false)).abs() < 1e-6);
    assert_eq!(of(&metrics, "limit", &["per=\"week\""]), 0.0, "a key's budgets label no metric");
    let mut config = house.config.clone();
    config["teams"][0]["limits"]["budgets"] =
        json!([{"amount": 300, "unit": "images", "per": "day", "timezone": "Europe/Berlin"}]);
    std::fs::write(&file, config.to_string()).unwrap();
    house.reload.notify_one();
    let metrics =
        house.until_metrics("the new budget", |metrics| of(metrics, "limit", &images) == 300.0).await;
    assert_eq!(of(&metrics, "used", &images), 3.0, "what was used stays used");
    assert_eq!(of(&metrics, "limit", &["team=\"design\""]), 300.0, "{}", metrics.text());
    house.finish().await;
}

#[tokio::test]
async fn what_upstream_counts_beyond_what_was_settled_is_shown_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let house = setup(&folder).account_every(Duration::from_millis(20)).start().await;
    house.until_metrics("a first look", |metrics| metrics.text().contains("upstream_credits_drift 0")).await;
    mixed(&house).await;
    house.settled(4).await;
    let left = |metrics: &Metrics| metrics.sum("upstream_credits_remaining", &[]);
    // The first look was a quiet one: what this gateway bought and settled makes no difference.
    let spent = house.ledger().totals.credits_charged;
    let ours = |metrics: &Metrics| {
        (left(metrics) + spent - 1e6).abs() < 1e-6 && metrics.text().contains("upstream_credits_drift 0\n")
    };
    let settled = left(&house.until_metrics("what was settled", ours).await);
    // Bought by another program with the same key.
    let body = json!({"model": "gpt-image-2", "prompt": "not by this gateway", "quality": "high"});
    let create = house.http.post(format!("{}/v1/images/generations", house.simulator.url()));
    let create = create.bearer_auth(UPSTREAM_KEY).header("content-type", "application/json");
    assert_eq!(create.body(body.to_string()).send().await.unwrap().status(), 200);
    let foreign = || {
        let ledger = house.ledger();
        let task = ledger.tasks.iter().find(|task| task.prompt.starts_with("not by")).cloned();
        task.map_or(0.0, |task| task.credits_charged)
    };
    let metrics = house
        .until_metrics("the difference", |metrics| {
            foreign() > 10.0 && (metrics.sum("upstream_credits_drift", &[]) - foreign()).abs() < 1e-6
        })
        .await;
    assert!(left(&metrics) < settled);
    let told = house.admin("/admin/v1/upstream").await.json();
    assert!(close(&told["credits_drift"], foreign()), "{told}");
    house.finish().await;
}
