//! Budgets and limits of teams and keys, from outside. What was really made and charged, the simulator's ledger says;
//! every test ends with the books at rest and equal to it.

mod crowds;
mod limits;
mod medley;
mod overshoot;
mod places;
mod releases;
mod reloads;
mod windows;

use evolink_gateway::clock::Clock;
use serde_json::{Value, json};

use crate::support::{Answer, DESIGN_KEY, Harness, STRICT_KEY, Setup};

/// 2026-01-15 12:00 in UTC: far from any window's end but that of a minute.
const NOON: i64 = 1_768_478_400;
/// Millionths in one.
const ONE: u64 = 1_000_000;
/// The team of [`DESIGN_KEY`].
const DESIGN: &str = "team:design";

/// Teams `design`, with these limits, and `strict`, with none but the default ones. Time stands still at [`NOON`].
fn setup(limits: &Value) -> Setup {
    let teams = json!([
        {"name": "design", "keys": [{"name": "ci", "secret": DESIGN_KEY}], "limits": limits},
        {"name": "strict", "keys": [{"name": "ci", "secret": STRICT_KEY}], "strict": true},
    ]);
    Setup::new().kept().clock(Clock::fixed(NOON)).config(&json!({"teams": teams}))
}

async fn limited(limits: Value) -> Harness {
    setup(&limits).start().await
}

/// One budget and nothing else.
fn budget(amount: impl Into<Value>, unit: &str, per: &str) -> Value {
    json!({"budgets": [{"amount": amount.into(), "unit": unit, "per": per}]})
}

/// A budget of each unit, which nobody spends.
fn ample() -> Value {
    json!({"budgets": [
        {"amount": 10_000, "unit": "images", "per": "day"},
        {"amount": 100_000, "unit": "credits", "per": "month"},
        {"amount": 5_000, "unit": "usd", "per": "total"},
    ]})
}

fn is_spent(answer: &Answer) -> String {
    answer.is_error(429, "insufficient_quota", "insufficient_quota", false);
    answer.error("message")
}

/// Small pictures of one prompt.
fn several(prompt: &str, count: u32) -> Value {
    json!({"prompt": prompt, "n": count, "size": "816x816", "quality": "low"})
}
