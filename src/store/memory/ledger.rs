//! Budgets and daily figures of a process that keeps nothing.
//!
//! Only generations that hold something touch the database, and daily figures are added up beside it until somebody
//! asks: a whole journal in a database in memory costs more than all else that is done for a request.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::reader::Unwritten;
use super::super::{Engine, EngineLedger, StoreError, ledger};
use crate::generation::GenerationId;
use crate::generation::journal::{Admission, Note};
use crate::quota::{Exceeded, Settlement, Spent};

/// The writing side.
#[derive(Debug)]
pub(super) struct MemoryLedger {
    engine: Engine,
    /// Generations that hold something.
    holding: Mutex<HashSet<GenerationId>>,
    figures: Arc<Unwritten>,
}

/// What changes the holds of a generation that has any.
#[derive(Debug)]
pub(super) struct Change {
    generation: GenerationId,
    spent: Spent,
    micro_credits_per_usd: u64,
    /// It ends, and is not only known to cost so much.
    ends: bool,
}

impl MemoryLedger {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, holding: Mutex::default(), figures: Arc::default() }
    }

    pub(super) fn reader(&self) -> EngineLedger {
        EngineLedger::new(self.engine.clone()).with(Arc::clone(&self.figures))
    }

    /// # Errors
    /// `Exceeded` when an enforced budget has no room.
    pub(super) async fn hold(&self, admission: Admission) -> Result<Vec<Exceeded>, StoreError> {
        let Admission { id, demands, created_ms, .. } = admission;
        let name = id.clone();
        let over = self.engine.write(move |db| ledger::hold(db, name.as_str(), &demands, created_ms)).await?;
        self.holding().insert(id);
        Ok(over)
    }

    /// Adds up the daily figures. Returns what is to be settled.
    pub(super) fn note(&self, notes: &[Note]) -> Vec<Change> {
        let mut changes = Vec::new();
        for note in notes {
            let change = match note {
                Note::Counted(row) => {
                    self.figures.add(row.clone());
                    continue;
                }
                Note::Finished { generation, settlement, .. } => {
                    let Settlement { spent, micro_credits_per_usd, usage } = &**settlement;
                    self.figures.add(usage.clone());
                    (generation, *spent, *micro_credits_per_usd, true)
                }
                Note::Dropped { generation } => (generation, Spent::default(), 0, true),
                Note::Raised { generation, spent, micro_credits_per_usd } => {
                    (generation, *spent, *micro_credits_per_usd, false)
                }
                _ => continue,
            };
            let (generation, spent, micro_credits_per_usd, ends) = change;
            if self.holding().contains(generation) {
                changes.push(Change { generation: generation.clone(), spent, micro_credits_per_usd, ends });
            }
        }
        changes
    }

    pub(super) async fn settle(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let ended = self.engine.write(move |db| {
            let mut ended = Vec::new();
            for Change { generation, spent, micro_credits_per_usd, ends } in changes {
                if ends {
                    ledger::settle(db, generation.as_str(), spent, micro_credits_per_usd)?;
                    ended.push(generation);
                } else {
                    ledger::raise(db, generation.as_str(), spent, micro_credits_per_usd)?;
                }
            }
            Ok(ended)
        });
        for generation in ended.await? {
            self.holding().remove(&generation);
        }
        Ok(())
    }

    /// Forgets windows that nobody asks for any more, and writes the figures.
    pub(super) async fn sweep(&self, now_ms: i64, limit: usize) -> Result<(), StoreError> {
        let (figures, limit) = (Arc::clone(&self.figures), i64::try_from(limit).unwrap_or(i64::MAX));
        self.engine
            .write(move |db| {
                figures.write(db)?;
                ledger::sweep(db, now_ms, limit)
            })
            .await
    }

    fn holding(&self) -> MutexGuard<'_, HashSet<GenerationId>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Ledger as _, UsageQuery, UsageRow, Used};

    fn finished(number: u8) -> Note {
        let used = Used { images: 1, ..Used::default() };
        let (team, key, model) = ("design".into(), "ci".into(), "gpt-image-2".into());
        let usage = UsageRow { day: "2026-11-22".parse().unwrap(), team, key, model, used };
        let spent = Spent { images: 1, micro_credits: 7 };
        let settlement = Settlement { spent, micro_credits_per_usd: 1, usage };
        Note::Finished {
            generation: GenerationId::kept(format!("gen_{number}")),
            created: 0,
            ended_ms: 0,
            images: Vec::new(),
            settlement: Box::new(settlement),
            shared: None,
        }
    }

    #[tokio::test]
    async fn what_holds_nothing_is_only_added_up_until_somebody_asks() {
        let engine = Engine::in_memory().unwrap();
        let memory = MemoryLedger::new(engine.clone());
        assert!(memory.note(&[finished(1), finished(2), finished(2)]).is_empty());
        let count = "SELECT count(*) FROM usage";
        let rows = || engine.write(|db| Ok(db.query_row(count, [], |row| row.get::<_, i64>(0))?));
        assert_eq!(rows().await.unwrap(), 0);
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
        let query = UsageQuery { from, to, team: None, by: Vec::new() };
        assert_eq!(memory.reader().usage(query).await.unwrap()[0].used.images, 3);
        assert_eq!(rows().await.unwrap(), 1);
        memory.note(&[finished(3)]);
        memory.sweep(0, 10).await.unwrap();
        assert!(memory.figures.is_empty(), "the sweep writes them too");
    }
}
