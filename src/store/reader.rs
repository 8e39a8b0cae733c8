//! The ledger of budgets and the daily figures, for those who ask.

use std::sync::Arc;

use rusqlite::Connection;

use super::{Engine, StoreError, ledger, usage};
use crate::money::Credits;
use crate::quota::{
    BudgetId, BudgetStanding, Figures, Ledger, LedgerError, LedgerFuture, UsageLine, UsageQuery, UsageRow,
};

/// `quota`'s ledger in the embedded database; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineLedger {
    engine: Engine,
    /// Figures that are written when they are asked for.
    unwritten: Option<Arc<Unwritten>>,
}

/// Daily figures that are kept beside the database until they are asked for.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Figures);

impl Unwritten {
    pub(super) fn add(&self, row: UsageRow) {
        // The sweep writes them each minute; the teams, keys and models of one minute are few.
        let _full = self.0.add(row);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.take().is_empty()
    }

    /// In a transaction of the caller's.
    pub(super) fn write(&self, db: &Connection) -> Result<(), StoreError> {
        self.0.take().iter().try_for_each(|row| usage::add(db, row))
    }
}

impl EngineLedger {
    pub fn new(engine: Engine) -> Self {
        Self { engine, unwritten: None }
    }

    /// With figures that are written first when usage is asked for.
    pub(super) fn with(self, unwritten: Arc<Unwritten>) -> Self {
        Self { unwritten: Some(unwritten), ..self }
    }

    fn run<T, F>(&self, work: F) -> LedgerFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let unwritten = self.unwritten.clone();
        let read = move |db: &Connection| {
            unwritten.map_or(Ok(()), |unwritten| unwritten.write(db))?;
            work(db)
        };
        Box::pin(async move { self.engine.write(read).await.map_err(|error| LedgerError(error.to_string())) })
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
