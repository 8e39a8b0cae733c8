//! The ledger of budgets and the daily figures, for those who ask.
//!
//! Readings stand in the queue of writes. Whoever asked may be gone when their turn comes, so their number is bounded
//! here: else a disk that hangs would let impatient readers fill the queue, and no generation could be written down.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Engine, StoreError, ledger, usage};
use crate::money::Credits;
use crate::quota::{BudgetId, BudgetStanding, Ledger, LedgerError, LedgerFuture, UsageLine, UsageQuery};

/// Readings in the queue at once; further ones wait in front of it.
const READINGS_MAX: usize = 32;

/// `quota`'s ledger in the embedded database; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineLedger {
    engine: Engine,
    readings: Arc<Semaphore>,
}

impl EngineLedger {
    pub fn new(engine: Engine) -> Self {
        Self { engine, readings: Arc::new(Semaphore::new(READINGS_MAX)) }
    }

    fn run<T, F>(&self, work: F) -> LedgerFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Box::pin(async move {
            let place = Arc::clone(&self.readings).acquire_owned().await;
            let place = place.map_err(|closed| LedgerError(closed.to_string()))?;
            let work = move |db: &Connection| {
                let _until_read = place;
                work(db)
            };
            self.engine.write(work).await.map_err(|error| LedgerError(error.to_string()))
        })
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
