//! The journal of `state.store: memory`: nothing outlives the process, so no generation is written down.
//!
//! What a running process needs of its generations, `generation` has itself. The latest tasks are kept by name, since
//! upstream's list of tasks is compared with them; budgets are in a database in memory (`ledger`).

mod ledger;

use std::collections::{HashSet, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, EngineLedger};
use crate::cache::Key;
use crate::evolink::{FileId, TaskId};
use crate::generation::journal::{
    Admission, Intent, Journal, JournalFuture, Note, Page, Past, PastAt, PastResult, Purge, Unfinished,
    Wanted,
};
use crate::quota::Exceeded;
use ledger::MemoryLedger;

/// Tasks kept; a list of upstream's reaches back some minutes.
const TASKS_MAX: usize = 20_000;

/// A journal that forgets. Everything it is told succeeds, but what a budget has no room for.
#[derive(Debug)]
pub struct MemoryJournal {
    latest: Mutex<Latest>,
    ledger: MemoryLedger,
}

#[derive(Debug, Default)]
struct Latest {
    known: HashSet<TaskId>,
    /// In the order they came.
    order: VecDeque<TaskId>,
}

impl MemoryJournal {
    /// `engine`: where budgets are kept.
    pub fn new(engine: Engine) -> Self {
        Self { latest: Mutex::default(), ledger: MemoryLedger::new(engine) }
    }

    /// For those who ask for budgets and for what was used.
    pub fn ledger(&self) -> EngineLedger {
        self.ledger.reader()
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn add(&mut self, task: &TaskId) {
        if !self.known.insert(task.clone()) {
            return;
        }
        self.order.push_back(task.clone());
        if self.order.len() > TASKS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn done<T: Send + 'static>(answer: T) -> JournalFuture<'static, T> {
    Box::pin(ready(Ok(answer)))
}

impl Journal for MemoryJournal {
    fn admit(&self, admission: Admission, _: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>> {
        if admission.demands.is_empty() {
            return done(Vec::new());
        }
        Box::pin(async move { Ok(self.ledger.hold(admission).await?) })
    }

    fn begin(&self, _: Intent) -> JournalFuture<'_, ()> {
        done(())
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        for note in notes.iter() {
            if let Note::Task { task, .. } = note {
                self.latest().add(task);
            }
        }
        let held = self.ledger.note(&notes);
        if held.is_empty() {
            return done(());
        }
        Box::pin(async move { Ok(self.ledger.settle(held).await?) })
    }

    fn unfinished(&self, _: i64, _: usize) -> JournalFuture<'_, Page<Unfinished, i64>> {
        done(Page { records: Vec::new(), next: None })
    }

    fn ended(&self, _: i64, _: Option<PastAt>, _: usize) -> JournalFuture<'_, Page<Past, PastAt>> {
        done(Page { records: Vec::new(), next: None })
    }

    fn recall(&self, _: Wanted, _: i64) -> JournalFuture<'_, Vec<Past>> {
        done(Vec::new())
    }

    fn result(&self, _: Key, _: i64) -> JournalFuture<'_, Option<PastResult>> {
        done(None)
    }

    fn results_until(&self) -> JournalFuture<'_, Option<i64>> {
        done(None)
    }

    fn purge(&self, _: Purge) -> JournalFuture<'_, usize> {
        done(0)
    }

    fn idle_files(&self, _: usize) -> JournalFuture<'_, Vec<FileId>> {
        done(Vec::new())
    }

    fn on_record(&self, mut tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        let latest = self.latest();
        tasks.retain(|task| latest.known.contains(task));
        done(tasks)
    }

    fn sweep(&self, _: i64, now_ms: i64, limit: usize) -> JournalFuture<'_, usize> {
        Box::pin(async move {
            self.ledger.sweep(now_ms, limit).await?;
            Ok(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::GenerationId;
    use crate::generation::journal::PurchaseId;

    #[tokio::test]
    async fn the_latest_tasks_are_known_and_older_ones_forgotten() {
        let journal = MemoryJournal::new(Engine::in_memory().unwrap());
        let task = |number: usize| TaskId::new(format!("task-unified-{number}"));
        let generation = GenerationId::kept("gen_1".into());
        let note = |number| Note::Task {
            purchase: PurchaseId { generation: generation.clone(), image: 0, attempt: 0 },
            task: task(number),
            reserved: None,
        };
        let notes: Vec<Note> = (0..=TASKS_MAX).map(note).collect();
        journal.note(notes.into()).await.unwrap();
        journal.note([note(TASKS_MAX)].into()).await.unwrap();
        let asked = vec![task(0), task(1), task(TASKS_MAX), task(TASKS_MAX + 1)];
        assert_eq!(journal.on_record(asked).await.unwrap(), [task(1), task(TASKS_MAX)]);
        assert_eq!(journal.latest().known.len(), TASKS_MAX);
    }
}
