//! Keys minted, rotated and revoked by way of the admin API, as operators and the keys' holders see it.

mod refusals;

use std::path::Path;
use std::time::Duration;

use evolink_gateway::clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{Answer, DESIGN_KEY, Harness, PATIENCE, Setup, logged, small};

const INVALID: &str = "invalid_request_error";
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600;

/// A minted key as its answer told it.
struct Minted {
    id: String,
    secret: String,
}

impl Minted {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let told = answer.json();
        let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{name}: {told}")).to_owned();
        Self { id: text("id"), secret: text("secret") }
    }
}

impl Harness {
    fn operate(&self, method: Method, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("http://{}/admin/v1/keys{path}", self.admin);
        let request = self.http.request(method, url).header("content-type", "application/json");
        if body.is_null() { request } else { request.body(body.to_string()) }
    }

    async fn mint(&self, team: &str, name: &str) -> Minted {
        let body = json!({"team": team, "name": name});
        Minted::of(&self.send(self.operate(Method::POST, "", &body)).await)
    }

    async fn rotate(&self, key: &Minted, body: Value) -> Answer {
        self.send(self.operate(Method::POST, &format!("/{}/rotate", key.id), &body)).await
    }

    async fn revoke(&self, id: &str) -> Answer {
        self.send(self.operate(Method::DELETE, &format!("/{id}"), &Value::Null)).await
    }

    async fn listed_keys(&self) -> Vec<Value> {
        let list = self.admin("/admin/v1/keys").await.is_ok().json();
        list["data"].as_array().unwrap().clone()
    }

    async fn row(&self, key: &Minted) -> Value {
        let rows = self.listed_keys().await;
        rows.into_iter().find(|row| row["id"] == key.id.as_str()).unwrap_or(Value::Null)
    }

    async fn visit_with(&self, secret: &str) -> Answer {
        self.send(self.http.get(self.url("/v1/models")).bearer_auth(secret)).await
    }

    async fn is_shut_for(&self, key: &Minted) {
        self.visit_with(&key.secret).await.is_error(401, INVALID, "invalid_api_key", false);
    }

    async fn has_reloaded(&self) {
        let url = format!("http://{}/admin/v1/reload", self.admin);
        let request = self.http.post(url).header("content-type", "application/json");
        self.send(request).await.is_ok();
    }
}

/// The writer's thread lets go of its folder a moment after its gateway has ended.
async fn released(folder: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while std::fs::File::open(folder.join("state.lock")).unwrap().try_lock().is_err() {
        assert!(Instant::now() < deadline, "the state stays locked");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Whether any file below holds this text.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    entries
        .into_iter()
        .any(|path| if path.is_dir() { is_on_disk(&path, text) } else { holds(std::fs::read(path).unwrap()) })
}

#[tokio::test]
async fn a_minted_key_works_until_its_rotations_grace_is_over_or_it_is_deleted() {
    let clock = Clock::fixed(NEW_YEAR);
    let house = Setup::new().clock(clock.clone()).start().await;
    let old = house.mint("design", "web").await;
    let row = house.row(&old).await;
    let expected = json!({
        "id": old.id, "team": "design", "name": "web", "source": "minted", "state": "active",
        "created": NEW_YEAR, "expires": null, "last_used": null, "replaced_by": null,
    });
    assert_eq!(row, expected);
    house.send(house.generation_by(&old.secret, small("a fox"))).await.picture();
    assert_eq!(house.row(&old).await["last_used"], NEW_YEAR);
    let answer = house.rotate(&old, json!({"grace": "1h"})).await;
    let new = Minted::of(&answer);
    assert_eq!(answer.json()["replaces"], json!({"id": old.id, "expires": NEW_YEAR + 3600}));
    assert_eq!((&answer.json()["team"], &answer.json()["name"]), (&json!("design"), &json!("web")));
    for key in [&old, &new] {
        house.visit_with(&key.secret).await.is_ok();
    }
    clock.set(NEW_YEAR + 3600);
    house.is_shut_for(&old).await;
    house.visit_with(&new.secret).await.is_ok();
    let row = house.row(&old).await;
    assert_eq!((&row["state"], &row["replaced_by"]), (&json!("expired"), &json!(new.id)));
    let again = house.rotate(&old, json!({})).await;
    again.is_error(409, INVALID, "key_replaced", false);
    assert!(again.error("message").contains(&new.id));
    let teams = house.admin("/admin/v1/teams").await.json();
    assert_eq!(teams["data"][0]["keys"], 4, "two of the configuration, two minted: {teams}");
    let deleted = house.revoke(&new.id).await;
    assert_eq!((deleted.status, deleted.text()), (204, String::new()));
    house.is_shut_for(&new).await;
    house.revoke(&new.id).await.is_error(404, INVALID, "key_not_found", false);
    let told = format!("{}{:?}{}", house.metrics().await.text(), house.listed_keys().await, logged());
    for key in [&old, &new] {
        assert!(told.contains(&key.id) && !told.contains(&key.secret));
    }
    house.finish().await;
}

#[tokio::test]
async fn what_a_deleted_key_began_goes_on_to_its_end() {
    let house = Harness::start().await;
    let key = house.mint("design", "web").await;
    let request = house.generation_by(&key.secret, small("a slow fox [latency:600ms]"));
    let mut running = JoinSet::new();
    running.spawn(async move { Answer::read(request.send().await.unwrap()).await });
    house.until("the task", |ledger| ledger.tasks.len() == 1).await;
    assert_eq!(house.revoke(&key.id).await.status, 204);
    house.is_shut_for(&key).await;
    running.join_next().await.unwrap().unwrap().picture();
    house.finish().await;
}

#[tokio::test]
async fn minted_keys_are_there_after_a_restart_and_their_secrets_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup::new().config(&json!({"state": {"store": "embedded", "path": folder.path()}}));
    let house = setup().start().await;
    let (first, second) = (house.mint("design", "web").await, house.mint("design", "gone").await);
    let third = Minted::of(&house.rotate(&first, json!({"grace": "1h"})).await);
    let fourth = Minted::of(&house.rotate(&third, json!({"grace": "0s"})).await);
    assert_eq!(house.revoke(&second.id).await.status, 204);
    house.send(house.generation_by(&fourth.secret, small("a fox"))).await.picture();
    let listed = house.listed_keys().await;
    for key in [&first, &second, &third, &fourth] {
        assert!(!is_on_disk(folder.path(), &key.secret));
    }
    assert!(is_on_disk(folder.path(), &fourth.id), "this is where keys are kept");
    house.finish().await;
    released(folder.path()).await;
    let house = setup().start().await;
    for open in [&first, &fourth] {
        house.visit_with(&open.secret).await.is_ok();
    }
    for shut in [&second, &third] {
        house.is_shut_for(shut).await;
    }
    let without_uses = |mut rows: Vec<Value>| {
        for row in &mut rows {
            row["last_used"] = Value::Null;
        }
        rows
    };
    assert_eq!(without_uses(house.listed_keys().await), without_uses(listed));
    house.finish().await;
}

#[tokio::test]
async fn a_reload_keeps_minted_keys_and_one_without_a_team_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let house = Setup::new().file(file.clone()).start().await;
    let key = house.mint("strict", "web").await;
    let write = |teams: usize| {
        let mut config = house.config.clone();
        config["teams"].as_array_mut().unwrap().truncate(teams);
        std::fs::write(&file, config.to_string()).unwrap();
    };
    house.visit_with(&key.secret).await.is_ok();
    house.has_reloaded().await;
    house.visit_with(&key.secret).await.is_ok();
    let used = house.row(&key).await["last_used"].clone();
    assert!(used.is_i64(), "{used}");
    write(2);
    house.has_reloaded().await;
    house.is_shut_for(&key).await;
    assert_eq!(house.row(&key).await["state"], "no_team");
    house.rotate(&key, json!({})).await.is_error(400, INVALID, "invalid_value", false);
    // What is minted in between is not lost to the next reload.
    let other = house.mint("design", "web").await;
    write(3);
    house.has_reloaded().await;
    for key in [&key, &other] {
        house.visit_with(&key.secret).await.is_ok();
        assert_eq!(house.row(key).await["state"], "active");
    }
    house.finish().await;
}

#[tokio::test]
async fn a_minted_key_shares_the_limits_of_the_configured_key_of_its_name() {
    let teams = json!({"teams": [
        {"name": "design", "keys": [
            {"name": "ci", "secret": DESIGN_KEY, "limits": {"requests_per_minute": 1}},
        ]},
    ]});
    let house = Setup::new().config(&teams).start().await;
    let (same, other) = (house.mint("design", "ci").await, house.mint("design", "web").await);
    house.draw("a fox").await.picture();
    let limited = house.send(house.generation_by(&same.secret, small("a cat"))).await;
    limited.is_error(429, "rate_limit_error", "rate_limit_exceeded", true);
    let rotated = Minted::of(&house.rotate(&same, json!({})).await);
    let limited = house.send(house.generation_by(&rotated.secret, small("a cat"))).await;
    limited.is_error(429, "rate_limit_error", "rate_limit_exceeded", true);
    house.send(house.generation_by(&other.secret, small("a cat"))).await.picture();
    let twice = house.send(house.operate(Method::POST, "", &json!({"team": "design", "name": "web"}))).await;
    twice.is_error(409, INVALID, "key_name_taken", false);
    assert!(twice.error("message").contains(&other.id));
    house.finish().await;
}

#[tokio::test]
async fn a_gateway_without_teams_mints_for_the_default_one() {
    let folder = tempfile::tempdir().unwrap();
    let house = Harness::with(json!({"teams": [], "state": {"path": folder.path()}})).await;
    let key = house.mint("default", "web").await;
    house.send(house.generation_by(&key.secret, small("a fox"))).await.picture();
    let names: Vec<_> = house.listed_keys().await.iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["first", "web"]);
    house.finish().await;
}

/// The members of each answer in the section on keys of docs/OPERATIONS.md.
fn documented() -> Vec<Vec<String>> {
    let (_, section) = include_str!("../../docs/OPERATIONS.md").split_once("### Keys\n").unwrap();
    let (_, block) = section.split_once("```console\n").unwrap();
    let examples = block.split("```").next().unwrap().split("$ curl").skip(1);
    // The last is answered with nothing.
    let answers = examples.filter_map(|example| Some(example.split_once("\n{")?.1));
    let parsed = answers.map(|answer| serde_json::from_str(&format!("{{{answer}")).unwrap());
    parsed.map(|told: Value| members(&told)).collect()
}

fn members(value: &Value) -> Vec<String> {
    let value = value.get("data").map_or(value, |data| &data[0]);
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn the_documented_answers_have_the_members_that_are_answered() {
    let house = Harness::start().await;
    let minted = house.send(house.operate(Method::POST, "", &json!({"team": "design", "name": "web"}))).await;
    let rotated = house.rotate(&Minted::of(&minted), json!({"grace": "24h"})).await;
    let list = house.admin("/admin/v1/keys").await;
    let answered = [&minted, &rotated, &list].map(|answer| members(&answer.json()));
    assert_eq!(documented(), answered);
    house.finish().await;
}
