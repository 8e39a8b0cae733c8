//! GET /admin/v1/upstream: how Evolink does, and how it is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Desk;
use crate::evolink::breaker::BreakerSnapshot;
use crate::money::{Credits, signed_decimal};

/// The account's balance when it was last read.
#[derive(Debug, Clone, Copy)]
pub struct Balance {
    pub remaining: Credits,
    /// By how many micro-credits Evolink has counted more than was settled here (negative: fewer), since the start. None
    /// while there is nothing to compare.
    pub drift: Option<i64>,
    /// Unix time in seconds.
    pub read: i64,
}

/// What the composition root knows of upstream at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamView {
    /// None while creates go through no breaker.
    pub breaker: Option<BreakerSnapshot>,
    /// None before it was read once.
    pub balance: Option<Balance>,
    /// Looks a second at most.
    pub looks_per_second: u32,
}

/// Tells of this moment.
pub type LookUpstream = Arc<dyn Fn() -> UpstreamView + Send + Sync>;

pub(super) async fn show(State(desk): State<Desk>) -> Response {
    let view = (desk.admin.upstream)();
    super::json(&shown(&view, desk.gateway.generations.running_tasks(), Instant::now()))
}

fn shown(view: &UpstreamView, tasks: usize, now: Instant) -> Value {
    let until = |moment: Option<Instant>| {
        let left = moment.map_or(Duration::ZERO, |moment| moment.saturating_duration_since(now));
        left.as_millis().div_ceil(1000)
    };
    let breaker = view.breaker.map(|breaker| {
        json!({
            "state": breaker.state.name(),
            "open_for_seconds": seconds(until(breaker.open_until)),
            "consecutive_failures": breaker.consecutive_failures,
        })
    });
    let paused = until(view.breaker.and_then(|breaker| breaker.paused_until));
    json!({
        "breaker": breaker,
        "pace": {"paused_for_seconds": seconds(paused), "looks_per_second": view.looks_per_second},
        "credits_remaining": view.balance.map(|balance| balance.remaining.decimal()),
        "credits_drift": view.balance.and_then(|balance| balance.drift).map(signed_decimal),
        "credits_read": view.balance.map(|balance| balance.read),
        "tasks": tasks,
    })
}

fn seconds(whole: u128) -> u64 {
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolink::breaker::BreakerState;

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_told_in_seconds_and_credits() {
        let now = Instant::now();
        let breaker = BreakerSnapshot {
            state: BreakerState::Open,
            open_until: Some(now + Duration::from_millis(1200)),
            paused_until: Some(now + Duration::from_secs(7)),
            consecutive_failures: 5,
            ramp_limit: None,
        };
        let balance = Balance {
            remaining: Credits::from_micro(2_500_000),
            drift: Some(-1_500_000),
            read: 1_800_000_000,
        };
        let view = UpstreamView { breaker: Some(breaker), balance: Some(balance), looks_per_second: 10 };
        let expected = json!({
            "breaker": {"state": "open", "open_for_seconds": 2, "consecutive_failures": 5},
            "pace": {"paused_for_seconds": 7, "looks_per_second": 10},
            "credits_remaining": 2.5,
            "credits_drift": -1.5,
            "credits_read": 1_800_000_000,
            "tasks": 3,
        });
        assert_eq!(shown(&view, 3, now), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_is_null() {
        let told = shown(&UpstreamView::default(), 0, Instant::now());
        for name in ["breaker", "credits_remaining", "credits_drift"] {
            assert_eq!(told[name], Value::Null, "{name}");
        }
    }
}
