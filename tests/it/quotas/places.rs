//! Pictures made at once: each takes a place of its key's and its team's.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{limited, setup, several};
use crate::support::{Harness, STRICT_KEY, small};

const LIMITED_KEY: &str = "egk_places-canary-11f3c2";
const OTHER_KEY: &str = "egk_free-canary-6a0d44";

/// The most tasks of these prompts that were under way at once.
fn most_at_once(house: &Harness, prompts: &str) -> usize {
    let ledger = house.ledger();
    let tasks: Vec<_> = ledger.tasks.iter().filter(|task| task.prompt.contains(prompts)).collect();
    let at =
        |moment: f64| tasks.iter().filter(|task| task.created_ms <= moment && moment < task.ends_ms).count();
    tasks.iter().map(|task| at(task.created_ms)).max().unwrap_or(0)
}

#[tokio::test]
async fn no_more_than_concurrent_images_are_made_at_once_and_the_rest_wait() {
    let house = limited(json!({"concurrent_images": 2})).await;
    let singles = join_all((0..5).map(|number| {
        let house = &house;
        async move { house.draw(&format!("fox {number} [latency:200ms]")).await }
    }));
    let several = house.generate(several("an owl [latency:200ms]", 3));
    let others = join_all((0..4).map(|number| {
        let request = house.generation_by(STRICT_KEY, small(&format!("bear {number} [latency:600ms]")));
        house.send(request)
    }));
    let (singles, several, others) = tokio::join!(singles, several, others);
    singles.iter().chain(&others).for_each(|answer| drop(answer.picture()));
    assert_eq!(several.pictures().len(), 3);
    let (foxes_and_owls, bears) = (most_at_once(&house, "[latency:200ms]"), most_at_once(&house, "bear"));
    assert_eq!((foxes_and_owls, bears), (2, 4), "the other team is not held up");
    house.has_tasks(12);
    house.finish().await;
}

#[tokio::test]
async fn a_key_takes_places_of_its_own_and_of_its_team() {
    let keys: Value = json!([
        {"name": "limited", "secret": LIMITED_KEY, "limits": {"concurrent_images": 1}},
        {"name": "other", "secret": OTHER_KEY},
    ]);
    let team = json!({"name": "design", "keys": keys, "limits": {"concurrent_images": 3}});
    let house = setup(&json!({})).config(&json!({"teams": [team]})).start().await;
    let all = ["limited", "other"].into_iter().flat_map(|name| (0..5).map(move |number| (name, number)));
    let answers = join_all(all.map(|(name, number)| {
        let key = if name == "limited" { LIMITED_KEY } else { OTHER_KEY };
        house.send(house.generation_by(key, small(&format!("{name} {number} [latency:200ms]"))))
    }))
    .await;
    for answer in &answers {
        answer.picture();
    }
    assert_eq!(most_at_once(&house, "limited"), 1);
    assert_eq!(most_at_once(&house, "[latency:200ms]"), 3);
    house.has_tasks(10);
    house.finish().await;
}

#[tokio::test]
async fn who_waits_too_long_for_a_place_of_its_own_is_told() {
    let short = json!({"generation": {"queue_timeout": "200ms"}});
    let house = setup(&json!({"concurrent_images": 1})).config(&short).start().await;
    let first = house.draw("a fox [latency:1s]");
    let second = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        let answer = house.draw("an owl").await;
        answer.is_error(429, "rate_limit_error", "concurrency_limit_exceeded", true);
    };
    let (first, ()) = tokio::join!(first, second);
    first.picture();
    house.has_tasks(1);
    house.finish().await;
}
