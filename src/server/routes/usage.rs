//! GET /v1/usage: what the caller's team and key have used of their budgets, and where their rates stand.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::quota::{
    Account, Budget, BudgetStanding, CallerLimits, Limited, Limits, RateStanding, Standing, Window,
};
use crate::server::gateway::Gateway;
use crate::server::readings::{amount, in_time};
use crate::server::visit::Visit;

/// Longest wait for the ledger.
const PATIENCE: Duration = Duration::from_secs(5);

/// Is no image request: it takes nothing of any limit.
pub(in crate::server) async fn show(visit: Visit) -> Result<Response, Fault> {
    let gateway = &visit.gateway;
    let limits = gateway.quota.limits(visit.team(), &visit.caller.key().name);
    let scopes = [&limits.team, &limits.key];
    let budgets = budgets(gateway, scopes).await?;
    let rates: Vec<Value> = scopes.into_iter().flat_map(|limits| rates(gateway, limits)).collect();
    let body = json!({"team": &**visit.team(), "budgets": budgets, "rate_limits": rates});
    let mut response = Response::new(body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn budgets(gateway: &Gateway, scopes: [&Arc<Limits>; 2]) -> Result<Vec<Value>, Fault> {
    let now = gateway.clock.now();
    let all = scopes.into_iter().flat_map(|limits| {
        limits.budgets.iter().map(move |budget| (&limits.account, budget, budget.window(now)))
    });
    let all: Vec<(&Account, &Budget, Window)> = all.collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let asked = all.iter().map(|(account, budget, window)| (budget.id(account), window.start_ms)).collect();
    // Who has an answer is to find it in the books.
    gateway.generations.write_figures().await;
    let standings = in_time(PATIENCE, gateway.ledger.standings(asked)).await?;
    let told = all.iter().zip(standings);
    Ok(told
        .map(|((account, budget, window), standing)| told_budget(account, budget, *window, standing))
        .collect())
}

fn told_budget(account: &Account, budget: &Budget, window: Window, standing: BudgetStanding) -> Value {
    let BudgetStanding { used, held, since_ms } = standing;
    let since = since_ms.and_then(|since| Timestamp::from_millisecond(since).ok());
    json!({
        "scope": scope(account),
        "unit": budget.unit.name(),
        "per": budget.period.name(),
        "timezone": budget.id(account).timezone,
        "mode": budget.mode(),
        "amount": amount(budget.amount),
        "used": amount(used),
        "held": amount(held),
        "left": amount(budget.amount.saturating_sub(used).saturating_sub(held)),
        "resets_at": window.end.map(|end| end.to_string()),
        "since": since.map(|since| since.to_string()),
    })
}

/// The limits of one key or team that are set.
fn rates(gateway: &Gateway, limits: &Arc<Limits>) -> Vec<Value> {
    let scope = scope(&limits.account);
    let RateStanding { requests, images } = gateway.quota.gate.standing(&alone(limits), Instant::now());
    let rates = [(Limited::Requests, requests), (Limited::Images, images)];
    let rates = rates.into_iter().filter_map(|(limited, standing)| {
        let Standing { limit, remaining, reset } = standing?;
        let reset = reset.as_millis().div_ceil(1000);
        Some(told_rate(scope, limited.name(), limit, remaining, u64::try_from(reset).ok()))
    });
    let concurrent = limits.concurrent_images.map(|limit| {
        let running = gateway.generations.running_images(&limits.account);
        told_rate(scope, "concurrent_images", limit, limit.saturating_sub(running), None)
    });
    rates.chain(concurrent).collect()
}

fn told_rate(scope: &str, name: &str, limit: u32, remaining: u32, reset_seconds: Option<u64>) -> Value {
    json!({
        "scope": scope, "name": name, "limit": limit, "remaining": remaining, "reset_seconds": reset_seconds,
    })
}

/// As if there were no other limits than these.
fn alone(limits: &Arc<Limits>) -> CallerLimits {
    let none = Arc::new(Limits::none(limits.account.clone()));
    CallerLimits { key: Arc::clone(limits), team: none, weight: 1 }
}

const fn scope(account: &Account) -> &'static str {
    match account {
        Account::Team(_) => "team",
        Account::Key { .. } => "key",
    }
}
