//! The ledger of budgets and the daily figures, for those who ask.
//!
//! Readings stand in the queue of writes. Whoever asked may be gone when their turn comes, so their number is bounded
//! here: else a disk that hangs would let impatient readers fill the queue, and no generation could be written down.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Engine, StoreError, ledger, usage};
use crate::money::Credits;
use crate::quota::{
    BudgetId, BudgetStanding, Figures, Ledger, LedgerError, LedgerFuture, UsageLine, UsageQuery, UsageRow,
};

/// Readings in the queue at once; further ones wait in front of it.
const READINGS_MAX: usize = 32;

/// `quota`'s ledger in the embedded database; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineLedger {
    engine: Engine,
    readings: Arc<Semaphore>,
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
        Self { engine, readings: Arc::new(Semaphore::new(READINGS_MAX)), unwritten: None }
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
        Box::pin(async move {
            let place = Arc::clone(&self.readings).acquire_owned().await;
            let place = place.map_err(|closed| LedgerError(closed.to_string()))?;
            let work = move |db: &Connection| {
                let _until_read = place;
                unwritten.map_or(Ok(()), |unwritten| unwritten.write(db))?;
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;

    use super::*;
    use crate::generation::journal::{Journal as _, Note};
    use crate::quota::{Dimension, UsageRow, Used};
    use crate::store::EngineJournal;

    #[tokio::test]
    async fn requests_and_hits_that_are_counted_add_up_in_the_report_and_cost_nothing() {
        let engine = Engine::in_memory().unwrap();
        let (journal, ledger) = (EngineJournal::new(engine.clone()), EngineLedger::new(engine));
        let day = jiff::civil::date(2026, 11, 22);
        let counted = |key: &str, requests, hits| {
            let used = Used { requests, hits, ..Used::default() };
            let (team, model) = ("design".to_owned(), "gpt-image-2".to_owned());
            Note::Counted(UsageRow { day, team, key: key.to_owned(), model, used })
        };
        for notes in [vec![counted("ci", 5, 2), counted("web", 1, 0)], vec![counted("ci", 3, 3)]] {
            journal.note(notes.into()).await.unwrap();
        }
        let query = UsageQuery { from: day, to: day, team: None, by: vec![Dimension::Key] };
        let lines = ledger.usage(query).await.unwrap();
        let told = lines.iter().map(|line| (line.values[0].1.as_str(), line.used.requests, line.used.hits));
        assert_eq!(told.collect::<Vec<_>>(), [("ci", 8, 5), ("web", 1, 0)]);
        assert_eq!(ledger.settled().await.unwrap(), Credits::ZERO);
    }

    #[tokio::test]
    async fn readers_who_left_take_no_room_from_writes_while_the_disk_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path()).unwrap();
        let ledger = EngineLedger::new(engine.clone());
        let (resume, hang) = mpsc::channel::<()>();
        let mut hanging = Box::pin(engine.write(move |_| Ok(hang.recv().is_ok())));
        assert!(poll!(&mut hanging).is_pending());
        for _ in 0..10_000 {
            assert!(poll!(ledger.settled()).is_pending());
        }
        let mut write = Box::pin(engine.write(|_| Ok(7)));
        assert!(poll!(&mut write).is_pending(), "it is not refused");
        resume.send(()).unwrap();
        assert!(hanging.await.unwrap());
        assert_eq!(write.await.unwrap(), 7);
        assert_eq!(ledger.settled().await.unwrap(), Credits::ZERO);
    }
}
