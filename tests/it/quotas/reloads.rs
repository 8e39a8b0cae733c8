//! Limits that change while the gateway runs.

use std::path::PathBuf;

use evolink_gateway::clock::Clock;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{DESIGN, NOON, ONE, budget, is_spent, setup};
use crate::support::{Harness, PATIENCE, small};

/// A gateway whose configuration lies in a file.
struct Reloaded {
    house: Harness,
    path: PathBuf,
}

impl Reloaded {
    async fn start(name: &str, limits: &Value) -> Self {
        let name = format!("quotas-{name}-{}.yaml", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let house = setup(limits).clock(Clock::fixed(NOON)).file(path.clone()).start().await;
        Self { house, path }
    }

    /// Changes the limits of team `design`, and waits until they hold.
    async fn limits(&mut self, limits: Value) {
        let mut config = self.house.config.clone();
        config["teams"][0]["limits"] = limits;
        self.write(&config, "ok").await;
    }

    async fn write(&mut self, config: &Value, result: &str) {
        let label = format!("result=\"{result}\"");
        let count = async |house: &Harness| house.metrics().await.sum("config_reloads_total", &[&label]);
        let before = count(&self.house).await;
        std::fs::write(&self.path, config.to_string()).unwrap();
        self.house.reload.notify_one();
        let deadline = Instant::now() + PATIENCE;
        while count(&self.house).await <= before {
            assert!(Instant::now() < deadline, "never reloaded");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn finish(self) {
        self.house.finish().await;
        std::fs::remove_file(self.path).unwrap();
    }
}

#[tokio::test]
async fn a_changed_amount_holds_at_once_and_what_was_used_stays_used() {
    let mut gateway = Reloaded::start("amount", &budget(2, "images", "day")).await;
    for prompt in ["a fox", "an owl"] {
        gateway.house.draw(prompt).await.picture();
    }
    is_spent(&gateway.house.draw("a bear").await);
    gateway.limits(budget(3, "images", "day")).await;
    gateway.house.draw("a bear").await.picture();
    is_spent(&gateway.house.draw("a cat").await);
    gateway.limits(budget(1, "images", "day")).await;
    let message = is_spent(&gateway.house.draw("a cat").await);
    assert!(message.contains("(1 images per day)") && message.contains("3 used"), "{message}");
    assert_eq!(gateway.house.books().used(DESIGN, "images").await, 3 * ONE);
    gateway.house.has_tasks(3);
    gateway.finish().await;
}

#[tokio::test]
async fn a_refused_request_leaves_its_idempotency_key_free() {
    let mut gateway = Reloaded::start("key", &budget(0, "images", "day")).await;
    let named =
        |house: &Harness, prompt: &str| house.generation(small(prompt)).header("idempotency-key", "one");
    for prompt in ["a fox", "an owl"] {
        is_spent(&gateway.house.send(named(&gateway.house, prompt)).await);
    }
    gateway.limits(budget(1, "images", "day")).await;
    gateway.house.send(named(&gateway.house, "a bear")).await.picture();
    gateway.house.has_tasks(1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_new_budget_starts_at_nothing_and_one_that_comes_back_where_it_was() {
    let mut gateway = Reloaded::start("new", &budget(1, "images", "day")).await;
    gateway.house.draw("a fox").await.picture();
    gateway.limits(budget(1, "images", "month")).await;
    gateway.house.draw("an owl").await.picture();
    is_spent(&gateway.house.draw("a bear").await);
    gateway.limits(budget(1, "images", "day")).await;
    let message = is_spent(&gateway.house.draw("a bear").await);
    assert!(message.contains("1 used"), "{message}");
    gateway.limits(json!({})).await;
    gateway.house.draw("a bear").await.picture();
    gateway.finish().await;
}

#[tokio::test]
async fn rates_and_bounds_change_at_once() {
    let mut gateway = Reloaded::start("rates", &json!({"requests_per_minute": 1})).await;
    gateway.house.draw("a fox").await.picture();
    assert_eq!(gateway.house.draw("a fox").await.status, 429);
    gateway.limits(json!({"requests_per_minute": 3, "max_quality": "low"})).await;
    gateway.house.draw("a fox").await.picture();
    let mut better = small("a fox");
    better["quality"] = json!("medium");
    assert_eq!(gateway.house.generate(better).await.status, 403);
    gateway.limits(json!({})).await;
    let free = gateway.house.draw("a fox").await;
    free.picture();
    assert_eq!(free.header("x-ratelimit-limit-requests"), None);
    gateway.finish().await;
}

#[tokio::test]
async fn a_hold_outlives_its_budget_and_its_team() {
    let mut gateway = Reloaded::start("team", &budget(1, "images", "day")).await;
    let asked = gateway.house.generation(small("a fox [latency:800ms]")).header("prefer", "respond-async");
    let answer = gateway.house.send(asked).await;
    assert_eq!(answer.status, 202);
    gateway.house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
    let mut config = gateway.house.config.clone();
    config["teams"].as_array_mut().unwrap().remove(0);
    gateway.write(&config, "ok").await;
    assert_eq!(gateway.house.draw("an owl").await.status, 401);
    assert_eq!(gateway.house.books().standing(DESIGN, "images"), (0, ONE));
    assert_eq!(gateway.house.books().used(DESIGN, "images").await, ONE);
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_budget_twice_is_refused_and_the_old_limits_hold_on() {
    let mut gateway = Reloaded::start("twice", &budget(1, "images", "day")).await;
    let mut config = gateway.house.config.clone();
    let twice =
        json!([{"amount": 5, "unit": "images", "per": "day"}, {"amount": 9, "unit": "images", "per": "day"}]);
    config["teams"][0]["limits"]["budgets"] = twice;
    gateway.write(&config, "error").await;
    gateway.house.draw("a fox").await.picture();
    is_spent(&gateway.house.draw("an owl").await);
    gateway.finish().await;
}
