//! The gauges of the teams' budgets, read when metrics are asked for.

use std::time::Duration;

use tokio::time::timeout;

use crate::quota::{Account, Budget, Limits};
use crate::server::gateway::Gateway;
use crate::telemetry::BudgetGauge;

/// Longest wait for the ledger; then the gauges keep their last values. Prometheus gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Brings the gauges up to date: with the limits in force at once, with what was used if the ledger tells it in time.
pub(super) async fn refresh(gateway: &Gateway) {
    let (book, now) = (gateway.quota.book(), gateway.clock.now());
    let budgets = || {
        let of_team = |limits: &'_ Limits| match &limits.account {
            Account::Team(team) => Some(team.clone()),
            Account::Key { .. } => None,
        };
        book.teams().filter_map(move |limits| Some((of_team(limits)?, limits))).flat_map(|(team, limits)| {
            limits.budgets.iter().map(move |budget| (team.clone(), &limits.account, budget))
        })
    };
    let asked: Vec<_> =
        budgets().map(|(_, account, budget)| (budget.id(account), budget.window(now).start_ms)).collect();
    let standings = if asked.is_empty() {
        None
    } else {
        timeout(PATIENCE, gateway.ledger.standings(asked)).await.ok().and_then(Result::ok)
    };
    let mut standings = standings.map(Vec::into_iter);
    let gauges: Vec<_> = budgets()
        .map(|(team, _, budget)| {
            let standing = standings.as_mut().and_then(Iterator::next);
            gauge(&team, budget, standing.map(|standing| (standing.used, standing.held)))
        })
        .collect();
    gateway.metrics.budgets(gauges);
}

fn gauge(team: &str, budget: &Budget, taken: Option<(u64, u64)>) -> BudgetGauge {
    BudgetGauge {
        team: team.to_owned(),
        unit: budget.unit.name(),
        per: budget.period.name(),
        mode: budget.mode(),
        limit: budget.amount,
        taken,
    }
}
