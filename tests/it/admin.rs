//! The admin API: who may come in, and what it tells.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, DESIGN_KEY, Harness, Setup, UPSTREAM_KEY, small};

const INVALID: &str = "invalid_request_error";
const TOKEN: &str = "admin-token-of-this-test";

const READABLE: [&str; 4] =
    ["/admin/v1/generations", "/admin/v1/teams", "/admin/v1/upstream", "/admin/v1/usage"];

impl Harness {
    fn at_admin(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.admin))
    }

    async fn reloaded(&self) -> Answer {
        let post = self.at_admin(Method::POST, "/admin/v1/reload").header("content-type", "application/json");
        self.send(post.bearer_auth(TOKEN)).await
    }

    async fn listed(&self, query: &str) -> Value {
        self.admin(&format!("/admin/v1/generations?{query}")).await.is_ok().json()
    }
}

#[tokio::test]
async fn with_a_token_only_who_has_it_comes_in_and_health_needs_none() {
    let house = Harness::with(json!({"server": {"admin_token": TOKEN}})).await;
    for path in READABLE.into_iter().chain(["/admin/v1/nothing", "/admin/v1/keys", "/admin/v2"]) {
        for request in [
            house.at_admin(Method::GET, path),
            house.at_admin(Method::GET, path).bearer_auth("wrong"),
            house.at_admin(Method::GET, path).bearer_auth(DESIGN_KEY),
            house.at_admin(Method::GET, path).header("api-key", TOKEN),
            house.at_admin(Method::POST, path).body("{}"),
        ] {
            house.send(request).await.is_error(401, INVALID, "invalid_api_key", false);
        }
    }
    for path in READABLE {
        let answer = house.send(house.at_admin(Method::GET, path).bearer_auth(TOKEN)).await;
        answer.is_ok();
        assert!(
            answer.header("x-request-id").is_some() && answer.header("access-control-allow-origin").is_none()
        );
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        house.admin(path).await.is_ok();
    }
    // The token opens nothing else.
    let elsewhere = house.send(house.http.get(house.url("/v1/models")).bearer_auth(TOKEN)).await;
    elsewhere.is_error(401, INVALID, "invalid_api_key", false);
    house.finish().await;
}

#[tokio::test]
async fn without_a_token_it_is_open_to_this_machines_own_names_only() {
    let house = Harness::start().await;
    for path in READABLE {
        house.admin(path).await.is_ok();
        let rebound = house.at_admin(Method::GET, path).header("host", "gateway.evil.example");
        house.send(rebound).await.is_error(403, INVALID, "admin_access_denied", false);
    }
    let preflight =
        house.at_admin(Method::OPTIONS, "/admin/v1/reload").header("origin", "https://evil.example");
    let answer = house.send(preflight.header("access-control-request-method", "POST")).await;
    assert!(answer.status >= 400 && answer.header("access-control-allow-origin").is_none());
    let by_page =
        house.at_admin(Method::POST, "/admin/v1/reload").header("content-type", "text/plain").body("{}");
    house.send(by_page).await.is_error(415, INVALID, "unsupported_media_type", false);
    for path in ["/livez", "/readyz", "/metrics"] {
        house.send(house.at_admin(Method::GET, path).header("host", "any.example")).await.is_ok();
    }
    house.finish().await;
}

#[tokio::test]
async fn where_others_can_connect_it_is_closed_without_a_token() {
    let house = Harness::with(json!({"server": {"admin_listen": "0.0.0.0:0"}})).await;
    let port = house.admin.port();
    let get = async |path: &str| house.send(house.http.get(format!("http://127.0.0.1:{port}{path}"))).await;
    for path in READABLE {
        let answer = get(path).await;
        answer.is_error(403, INVALID, "admin_access_denied", false);
        assert!(answer.error("message").contains("server.admin_token"));
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        get(path).await.is_ok();
    }
    house.finish().await;
}

#[tokio::test]
async fn each_port_serves_its_own_routes_and_no_others() {
    let house = Harness::start().await;
    for path in READABLE.into_iter().chain(["/livez", "/readyz", "/metrics", "/admin/v1/reload"]) {
        let answer = house.send(house.ask(Method::GET, path)).await;
        answer.is_error(404, INVALID, "unknown_url", false);
    }
    for path in ["/v1/models", "/healthz", "/openapi.json", "/", "/admin", "/admin/v1/"] {
        house.admin(path).await.is_error(404, INVALID, "unknown_url", false);
    }
    for path in READABLE.into_iter().chain(["/livez", "/readyz", "/metrics"]) {
        let json =
            |method| house.at_admin(method, path).header("content-type", "application/json").body("{}");
        for method in [Method::POST, Method::DELETE] {
            house.send(json(method)).await.is_error(405, INVALID, "method_not_allowed", false);
        }
    }
    let answer = house.admin("/admin/v1/reload").await;
    answer.is_error(405, INVALID, "method_not_allowed", false);
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = house.admin("/admin/v1/cache").await;
    answer.is_error(405, INVALID, "method_not_allowed", false);
    assert_eq!(answer.header("allow"), Some("DELETE"));
    house.finish().await;
}

#[tokio::test]
async fn generations_are_listed_newest_first_by_state_and_team_without_prompts() {
    let quick = Duration::from_millis(30);
    let setup = Setup::new().simulator(|options| options.latency = Some((quick, quick)));
    let house = setup.start().await;
    house.draw("a fox").await.picture();
    house.draw("a wolf [fail:content_policy_violation]").await;
    house.generate(json!({"prompt": "two bears", "n": 2, "size": "816x816", "quality": "low"})).await.is_ok();
    let all = house.listed("").await;
    let data = all["data"].as_array().unwrap();
    assert_eq!((data.len(), &all["has_more"], &all["next"]), (3, &json!(false), &Value::Null));
    let states: Vec<_> = data.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "failed", "done"], "{all}");
    let [newest, failed, _] = data.as_slice() else { panic!("{all}") };
    assert_eq!(
        (&newest["n"], &newest["progress"], &newest["team"]),
        (&json!(2), &json!(100), &json!("design"))
    );
    assert_eq!((&newest["model"], &newest["quality"]), (&json!("gpt-image-2"), &json!("low")));
    assert_eq!((newest["task_ids"].as_array().unwrap().len(), &newest["in_doubt"]), (2, &json!([])));
    assert_eq!(newest["key"]["name"], "ci");
    assert_eq!(failed["error"]["code"], "moderation_blocked");
    assert!(newest.get("error").is_none());
    let text = all.to_string();
    for secret in ["fox", "wolf", "bear", "prompt", DESIGN_KEY, UPSTREAM_KEY] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let ids = |list: &Value| {
        list["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&house.listed("state=done&team=design").await).len(), 2);
    assert_eq!(ids(&house.listed("team=print").await).len(), 0);
    let first = house.listed("limit=2").await;
    assert_eq!((ids(&first), &first["has_more"]), (ids(&all)[..2].to_vec(), &json!(true)));
    let rest = house.listed(&format!("limit=2&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((ids(&rest), &rest["next"]), (ids(&all)[2..].to_vec(), &Value::Null));
    for query in ["state=lost", "limit=0", "limit=x", "after=x", "colour=red"] {
        let answer = house.admin(&format!("/admin/v1/generations?{query}")).await;
        answer.is_error(400, INVALID, "invalid_value", false);
    }
    house.finish().await;
}

#[tokio::test]
async fn a_create_in_doubt_is_listed_with_its_upstream_key() {
    let house = Harness::with(json!({"evolink": {"create_patience": "100ms"}})).await;
    let answer = house.draw("a fox [create:500*3]").await;
    answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    let list = house.listed("state=in_doubt").await;
    let doubt = &list["data"][0]["in_doubt"][0];
    assert_eq!(doubt["image"], 0, "{list}");
    assert!(doubt["since"].as_i64().unwrap() > 1_700_000_000, "{list}");
    let ledger = house.until("the task", |ledger| ledger.tasks.len() == 1).await;
    assert_eq!(doubt["upstream_key"].as_str(), ledger.tasks[0].idempotency_key.as_deref());
    house.finish().await;
}

#[tokio::test]
async fn teams_and_upstream_are_shown() {
    let house = Harness::with(json!({"cache": {"enabled": false}})).await;
    let teams = house.admin("/admin/v1/teams").await.is_ok().json();
    let cache = json!({"enabled": false, "scope": "team", "ttl_seconds": 86400});
    let expected = json!({"data": [
        {"name": "design", "models": null, "strict": false, "cache": cache, "keys": 2},
        {"name": "print", "models": [], "strict": false, "cache": cache, "keys": 1},
        {"name": "strict", "models": null, "strict": true, "cache": cache, "keys": 1},
    ]});
    assert_eq!(teams, expected);
    house.until_metrics("the balance", |metrics| metrics.sum("upstream_credits_remaining", &[]) > 0.0).await;
    let upstream = house.admin("/admin/v1/upstream").await.is_ok().json();
    assert_eq!((&upstream["tasks"], &upstream["pace"]["looks_per_second"]), (&json!(0), &json!(200)));
    assert_eq!(upstream["pace"]["paused_for_seconds"], 0);
    house.finish().await;
}

/// The members of an object; of a list, those of its first.
fn members(value: &Value) -> Vec<String> {
    let mut members = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        members.push(name.clone());
        let inner = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        members.extend(self::members(inner).iter().map(|inner| format!("{name}.{inner}")));
    }
    members.sort();
    members
}

/// The examples in docs/OPERATIONS.md: the route of each, and what it says is answered.
fn examples() -> Vec<(String, Value)> {
    let (_, examples) = include_str!("../../docs/OPERATIONS.md").split_once("$ curl").unwrap();
    let examples = examples.split("```").next().unwrap().split("$ curl");
    let parsed = examples.map(|example| {
        let (command, answer) = example.split_once('\n').unwrap();
        let path = command.split_once(":9090").unwrap().1.trim_end_matches('\'').to_owned();
        (path, serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    });
    parsed.collect()
}

#[tokio::test]
async fn the_documented_examples_have_the_members_that_are_answered() {
    let house = Harness::with(json!({"evolink": {"create_patience": "100ms"}})).await;
    house.draw("a fox [create:500*5]").await;
    house.until_metrics("the balance", |metrics| metrics.sum("upstream_credits_remaining", &[]) > 0.0).await;
    let examples = examples();
    assert_eq!(examples.len(), 4);
    for (path, told) in examples {
        let method = if path.ends_with("/reload") { Method::POST } else { Method::GET };
        let request = house.at_admin(method, &path).header("content-type", "application/json");
        let mut answered = house.send(request).await.is_ok().json();
        if let Some(breaker) = answered.get_mut("breaker").filter(|breaker| breaker.is_null()) {
            *breaker = told["breaker"].clone();
        }
        assert_eq!(members(&answered), members(&told), "{path}: {answered}");
    }
    house.until("the task", |ledger| ledger.tasks.len() == 1).await;
    house.finish().await;
}

#[tokio::test]
async fn a_reload_is_asked_for_and_tells_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let patch = json!({"server": {"admin_token": "the-first-token"}});
    let house = Setup::new().config(&patch).file(file.clone()).start().await;
    let write = |change: &dyn Fn(&mut Value)| {
        let mut config = house.config.clone();
        change(&mut config);
        std::fs::write(&file, config.to_string()).unwrap();
    };
    write(&|config| {
        config["server"]["admin_token"] = TOKEN.into();
        config["server"]["drain"] = "21s".into();
        config["teams"].as_array_mut().unwrap().truncate(1);
    });
    let post = house.at_admin(Method::POST, "/admin/v1/reload").bearer_auth("the-first-token");
    let answer = house.send(post).await;
    assert_eq!(answer.is_ok().json(), json!({"reloaded": true, "needs_restart": ["server.drain"]}));
    // The new token holds at once, and the old one no longer.
    let teams = |token: &str| house.at_admin(Method::GET, "/admin/v1/teams").bearer_auth(token.to_owned());
    house.send(teams("the-first-token")).await.is_error(401, INVALID, "invalid_api_key", false);
    assert_eq!(house.send(teams(TOKEN)).await.is_ok().json()["data"].as_array().unwrap().len(), 1);
    // What waits for a restart still does after another load.
    assert_eq!(house.reloaded().await.json(), json!({"reloaded": true, "needs_restart": ["server.drain"]}));
    write(&|config| {
        config["server"]["admin_token"] = TOKEN.into();
        config["evolink"]["max_tasks"] = 0.into();
        config["evolink"]["api_key"] = json!(["canary"]);
        config["teams"][0]["name"] = "".into();
    });
    let answer = house.reloaded().await;
    answer.is_error(400, INVALID, "invalid_configuration", false);
    let message = answer.error("message");
    for path in ["evolink.max_tasks", "evolink.api_key", "teams[0].name"] {
        assert!(message.contains(path), "{path}: {message}");
    }
    assert!(!message.contains("canary") && !message.contains(TOKEN), "{message}");
    house.send(house.generation(small("a fox"))).await.is_ok();
    house.finish().await;
}
