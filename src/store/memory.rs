//! The journal of `state.store: memory`: nothing outlives the process, so nothing is written down.
//!
//! What a running process needs of its generations, `generation` has itself. Only the latest tasks are kept, by name:
//! upstream's list of tasks is compared with them.

use std::collections::{HashSet, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::evolink::{FileId, TaskId};
use crate::generation::journal::{
    Admission, Intent, Journal, JournalFuture, Note, Page, Past, PastAt, Unfinished, Wanted,
};

/// Tasks kept; a list of upstream's reaches back some minutes.
const TASKS_MAX: usize = 20_000;

/// A journal that forgets. Everything it is told succeeds.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    known: HashSet<TaskId>,
    /// In the order they came.
    order: VecDeque<TaskId>,
}

impl MemoryJournal {
    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn admit(&self, _: Admission, _: Vec<Intent>) -> JournalFuture<'_, ()> {
        done(())
    }

    fn begin(&self, _: Intent) -> JournalFuture<'_, ()> {
        done(())
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        let mut latest = self.latest();
        for note in notes.iter() {
            if let Note::Task { task, .. } = note {
                latest.add(task);
            }
        }
        done(())
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

    fn idle_files(&self, _: usize) -> JournalFuture<'_, Vec<FileId>> {
        done(Vec::new())
    }

    fn on_record(&self, mut tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        let latest = self.latest();
        tasks.retain(|task| latest.known.contains(task));
        done(tasks)
    }

    fn sweep(&self, _: i64, _: i64, _: usize) -> JournalFuture<'_, usize> {
        done(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::GenerationId;
    use crate::generation::journal::PurchaseId;

    #[tokio::test]
    async fn the_latest_tasks_are_known_and_older_ones_forgotten() {
        let journal = MemoryJournal::default();
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
