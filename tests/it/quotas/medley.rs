//! Everything at once: teams, keys and defaults, with endings of all kinds, clients that leave and come back.

use std::time::Duration;

use evolink_gateway::evolink::breaker::FAILURES_TO_OPEN;
use futures_util::future::join_all;
use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{DESIGN, ONE, setup};
use crate::support::{Harness, PROMPT_CANARY, STRICT_KEY, micro};

const STUDIO_KEY: &str = "egk_studio-canary-5f0e21";
const LIMITED_KEY: &str = "egk_limited-canary-be8890";
const WISHES: u32 = 250;
/// Of team `design`, in whole ones; `studio` has no more of its own, `limited` has a tenth of the images.
const IMAGES: u64 = 200;
const CREDITS: u64 = 120;

/// One of these in each prompt.
const ENDINGS: [&str; 9] = [
    "",
    "",
    "",
    "[fail:content_policy_violation]",
    "[fail:service_error*1]",
    "[fail:service_error]",
    "[done:overcharged]",
    "[done:cancelled]",
    "[create:400]",
];
/// The answers to these creates are lost: fewer than open the breaker, should no other answer come between them.
const LOST: [u32; 4] = [7, 69, 131, 193];
const _: () = assert!(LOST.len() == 4 && FAILURES_TO_OPEN > 4);

#[derive(Clone)]
struct Wish {
    key: &'static str,
    body: Value,
    /// How the client waits: by the time it leaves after, for later, or to the end.
    manner: Manner,
}

#[derive(Clone, Copy)]
enum Manner {
    Waits,
    Leaves(Duration),
    TakesBack,
}

fn wish(number: u32, random: &mut StdRng) -> Wish {
    let lost = LOST.contains(&number);
    let ending = if lost { "[create:lost*1]" } else { ENDINGS[random.random_range(0..ENDINGS.len())] };
    let milliseconds = random.random_range(20..400);
    let prompt = format!("wish {number} [latency:{milliseconds}ms] {ending} {PROMPT_CANARY}");
    let quality = if random.random_bool(0.2) { "medium" } else { "low" };
    // A create for each picture.
    let count = if lost { 1 } else { random.random_range(1..=3) };
    Wish {
        key: [STUDIO_KEY, LIMITED_KEY, STRICT_KEY][random.random_range(0..3)],
        body: json!({"prompt": prompt, "n": count, "size": "816x816", "quality": quality}),
        manner: manner(random),
    }
}

fn manner(random: &mut StdRng) -> Manner {
    match random.random_range(0..6) {
        0 => Manner::Leaves(Duration::from_millis(random.random_range(1..300))),
        1 => Manner::TakesBack,
        _ => Manner::Waits,
    }
}

/// Every tenth wish is one that somebody had before.
fn wishes(random: &mut StdRng) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for number in 0..WISHES {
        let wish = match wishes.get(wishes.len() / 2) {
            Some(earlier) if number.is_multiple_of(10) => {
                Wish { manner: manner(random), ..Wish::clone(earlier) }
            }
            _ => wish(number, random),
        };
        wishes.push(wish);
    }
    wishes
}

async fn ask(house: &Harness, wish: &Wish) -> Option<u16> {
    let request = house.generation_by(wish.key, wish.body.clone());
    match wish.manner {
        Manner::Waits => Some(house.send(request).await.status),
        Manner::Leaves(after) => {
            drop(timeout(after, request.send()).await);
            None
        }
        Manner::TakesBack => {
            let answer = house.send(request.header("prefer", "respond-async")).await;
            if let Some(path) = answer.header("location") {
                let request = house.http.request(Method::DELETE, house.url(path)).bearer_auth(wish.key);
                house.send(request).await;
            }
            Some(answer.status)
        }
    }
}

async fn medley(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let wishes = wishes(&mut random);
    let budgets = |images: u64| json!([{"amount": images, "unit": "images", "per": "day"}, {"amount": CREDITS, "unit": "credits", "per": "month"}]);
    let keys = json!([
        {"name": "studio", "secret": STUDIO_KEY},
        {"name": "limited", "secret": LIMITED_KEY, "limits": {"budgets": budgets(IMAGES / 10)}},
    ]);
    let teams = json!([
        {"name": "design", "keys": keys, "limits": {"budgets": budgets(IMAGES)}},
        {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}]},
    ]);
    let defaults = json!({"budgets": [{"amount": 100_000, "unit": "credits", "per": "total"}, {"amount": 50, "unit": "usd", "per": "total"}]});
    let cancel = if random.random_bool(0.5) { "cancel" } else { "finish" };
    let settings = json!({
        "teams": teams,
        "limits": defaults,
        "generation": {"on_disconnect": cancel, "attempts": 2, "queue_timeout": "20s"},
        "evolink": {"max_tasks": 40},
    });
    let house = setup(&json!({})).config(&settings).start().await;
    let statuses = join_all(wishes.iter().map(|wish| ask(&house, wish))).await;
    assert!(statuses.contains(&Some(429)), "seed {seed}: no budget was spent: {statuses:?}");
    let idle = house
        .until_metrics("its end", |metrics| {
            ["running_generations", "queued_generations", "in_doubt_generations"]
                .iter()
                .all(|gauge| metrics.sum(gauge, &[]) == 0.0)
        })
        .await;
    let books = house.books();
    books.rest().await;
    let (images, credits) = (books.standing(DESIGN, "images"), books.standing(DESIGN, "credits"));
    let of_key = books.standing("key:design/limited", "images");
    assert!(images.0 <= IMAGES * ONE && of_key.0 <= IMAGES / 10 * ONE, "seed {seed}: {images:?} {of_key:?}");
    // What was charged beyond a hold was bought already.
    let overshoot = micro(idle.sum("quota_overshoot_credits_total", &[]));
    assert!(credits.0 <= CREDITS * ONE + overshoot, "seed {seed}: {credits:?}, {overshoot} too much");
    let ledger = house.ledger();
    let made: u32 =
        ledger.tasks.iter().filter(|task| task.status == "completed").map(|task| task.pictures).sum();
    let charged = micro(ledger.totals.credits_charged);
    let booked = credits.0 + books.standing("team:strict", "credits").0;
    assert_eq!(booked, charged, "seed {seed}: {:?}", ledger.totals);
    assert!(made > 50, "seed {seed}: {made} pictures");
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_of_requests_at_once_leave_the_books_in_order() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    medley(seed).await;
}
