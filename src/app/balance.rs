//! The account at Evolink: what it has left, and whether Evolink counts what this gateway counts.
//!
//! Knows both books only by their sums. The comparison itself is in `drift`.

mod drift;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::evolink::{CallError, Client, Credit, Upstream as _};
use crate::generation::Generations;
use crate::money::{Credits, signed_decimal};
use crate::quota::Ledger;
use crate::server::Balance;
use crate::telemetry::Metrics;
use drift::{Drift, Look, News};

/// Time between two looks at the account.
pub(super) const LOOK_EVERY: Duration = Duration::from_mins(5);
/// Longest wait for the ledger.
const LEDGER_PATIENCE: Duration = Duration::from_secs(10);

/// Looks at the account again and again.
pub(super) struct Account {
    pub client: Arc<Client>,
    pub generations: Generations,
    /// None where nothing is counted: there is nothing to compare with.
    pub ledger: Option<Arc<dyn Ledger>>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub balance: watch::Sender<Option<Balance>>,
}

impl Account {
    /// Does not return. The balance is logged once, and after failures; a failure once until it works again.
    pub(super) async fn follow(self, every: Duration) {
        let (mut drift, mut key) = (Drift::default(), self.client.key_number());
        // Whether the last look succeeded; none before the first.
        let mut works = None;
        loop {
            if std::mem::replace(&mut key, self.client.key_number()) != key {
                drift = Drift::default();
            }
            let looked = self.look(&mut drift).await;
            if works.replace(looked.is_ok()) != Some(looked.is_ok()) {
                match looked {
                    Ok(left) => tracing::info!(credits = %left, "the balance of the evolink account is read"),
                    Err(error) => {
                        tracing::warn!(%error, "the balance of the evolink account cannot be read");
                    }
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn look(&self, drift: &mut Drift) -> Result<Credits, CallError> {
        let key = self.client.key_number();
        // What is settled is read after what is open, so that nothing falls between the two.
        let open = self.generations.unsettled();
        let before = self.settled().await;
        let credit = self.client.credits().await?;
        let open = open.max(self.generations.unsettled());
        let after = self.settled().await;
        let drift = match before.zip(after) {
            // The answer may be about another account.
            Some(_) if key != self.client.key_number() => None,
            Some((before, after)) => self.compare(drift, &credit, [before, after], open),
            None => None,
        };
        let last = self.balance.borrow().and_then(|balance| balance.drift);
        let drift = drift.or(last);
        self.balance.send_replace(Some(Balance {
            remaining: credit.remaining,
            read: self.clock.unix(),
            drift,
        }));
        Ok(credit.remaining)
    }

    /// Tells of the difference, if there are two counts to compare.
    fn compare(
        &self,
        drift: &mut Drift,
        credit: &Credit,
        settled: [Credits; 2],
        open: Credits,
    ) -> Option<i64> {
        let used = [credit.used_by_key, credit.used_by_account];
        let apart = drift.look(Look { used, settled, open })?;
        self.metrics.credits_drift(apart);
        let (credits, settled) = (signed_decimal(apart), signed_decimal(drift.settled()));
        match drift.news(apart) {
            Some(News::Apart) => {
                tracing::warn!(
                    credits,
                    settled,
                    "evolink counts other credits than this gateway has settled"
                );
            }
            Some(News::AgreeAgain) => {
                tracing::info!(credits, settled, "evolink's credits and this gateway's agree again");
            }
            None => {}
        }
        Some(apart)
    }

    /// None when the ledger cannot be read in time, or there is none.
    async fn settled(&self) -> Option<Credits> {
        let settled = timeout(LEDGER_PATIENCE, self.ledger.as_ref()?.settled()).await;
        settled.ok()?.ok()
    }
}
