//! The gauges of the teams' budgets and of the cache, read when metrics are asked for.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::quota::{Account, Book, Budget, Ledger};
use crate::server::gateway::Gateway;
use crate::telemetry::BudgetGauge;

/// Longest wait for the ledger; then the gauges keep their last values. Prometheus gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Brings the gauges up to date; those of budgets with the limits in force at once, and with what was used if the ledger
/// tells it in time.
pub(super) async fn refresh(gateway: &Gateway) {
    let Gateway { quota, ledger, metrics, clock, generations, memory, .. } = gateway;
    metrics.cache_bytes(memory.hot_bytes());
    if quota.book().teams().any(|limits| !limits.budgets.is_empty()) {
        generations.write_figures().await;
    }
    metrics.cache_entries(generations.results());
    metrics.budgets(gauges(&quota.book(), &**ledger, clock.now()).await);
}

async fn gauges(book: &Book, ledger: &dyn Ledger, now: Timestamp) -> Vec<BudgetGauge> {
    let budgets: Vec<(&str, &Account, &Budget)> = book
        .teams()
        .filter_map(|limits| match &limits.account {
            Account::Team(team) => Some((&**team, limits)),
            Account::Key { .. } => None,
        })
        .flat_map(|(team, limits)| limits.budgets.iter().map(move |budget| (team, &limits.account, budget)))
        .collect();
    if budgets.is_empty() {
        return Vec::new();
    }
    let asked = budgets.iter().map(|(_, account, budget)| (budget.id(account), budget.window(now).start_ms));
    let standings = timeout(PATIENCE, ledger.standings(asked.collect())).await.ok().and_then(Result::ok);
    let mut standings = standings.unwrap_or_default().into_iter();
    let gauge = |(team, _, budget): (&str, _, &Budget)| {
        gauge(team, budget, standings.next().map(|standing| (standing.used, standing.held)))
    };
    budgets.into_iter().map(gauge).collect()
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::money::Credits;
    use crate::quota::{
        BudgetId, BudgetStanding, LedgerError, LedgerFuture, Limits, Period, Unit, UsageLine, UsageQuery,
    };

    /// What a ledger does.
    #[derive(Debug, Clone, Copy)]
    enum Fake {
        Tells,
        Fails,
        Hangs,
    }

    impl Ledger for Fake {
        fn standings(&self, asked: Vec<(BudgetId, i64)>) -> LedgerFuture<'_, Vec<BudgetStanding>> {
            let told = BudgetStanding { used: 3, held: 2, since_ms: None };
            match self {
                Self::Tells => Box::pin(async move { Ok(vec![told; asked.len()]) }),
                Self::Fails => Box::pin(async { Err(LedgerError("disk full".into())) }),
                Self::Hangs => Box::pin(std::future::pending()),
            }
        }

        fn usage(&self, _: UsageQuery) -> LedgerFuture<'_, Vec<UsageLine>> {
            Box::pin(std::future::pending())
        }

        fn settled(&self) -> LedgerFuture<'_, Credits> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_fails_or_hangs_holds_up_no_scrape() {
        let budget = Budget {
            unit: Unit::Images,
            period: Period::Day,
            zone: TimeZone::UTC,
            enforced: true,
            amount: 10_000_000,
        };
        let team = Account::Team("design".into());
        let limits = Limits { budgets: vec![budget], ..Limits::none(team) };
        let book = Book::new([(limits, 1)]);
        for (ledger, taken) in [(Fake::Tells, Some((3, 2))), (Fake::Fails, None), (Fake::Hangs, None)] {
            let gauges = timeout(PATIENCE * 2, gauges(&book, &ledger, Timestamp::UNIX_EPOCH)).await.unwrap();
            let [gauge] = gauges.as_slice() else { panic!("{gauges:?}") };
            assert_eq!((gauge.team.as_str(), gauge.limit, gauge.taken), ("design", 10_000_000, taken));
        }
        assert_eq!(gauges(&Book::default(), &Fake::Hangs, Timestamp::UNIX_EPOCH).await, []);
    }
}
