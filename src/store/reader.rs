//! The ledger of budgets and the daily figures, for those who ask.

use rusqlite::Connection;

use super::{Engine, StoreError, ledger, usage};
use crate::money::Credits;
use crate::quota::{BudgetId, BudgetStanding, Ledger, LedgerError, LedgerFuture, UsageLine, UsageQuery};

/// `quota`'s ledger in the embedded database; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineLedger(Engine);

impl EngineLedger {
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }

    fn run<T, F>(&self, work: F) -> LedgerFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Box::pin(async move { self.0.write(work).await.map_err(|error| LedgerError(error.to_string())) })
    }
}

impl Ledger for EngineLedger {
    fn standings(&self, asked: Vec<(BudgetId, i64)>) -> LedgerFuture<'_, Vec<BudgetStanding>> {
        self.run(move |db| asked.iter().map(|(budget, start)| ledger::read(db, budget, *start)).collect())
    }

    fn usage(&self, query: UsageQuery) -> LedgerFuture<'_, Vec<UsageLine>> {
        self.run(move |db| usage::read(db, &query))
    }

    fn settled(&self) -> LedgerFuture<'_, Credits> {
        self.run(usage::settled)
    }
}
