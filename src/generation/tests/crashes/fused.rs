//! The journal of a house that will crash.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::super::journal::{
    Admission, Intent, Journal, JournalFuture, Page, Past, PastAt, PastResult, Purge, Unfinished,
};
use super::super::super::*;
use crate::cache::Key;
use crate::evolink::{FileId, TaskId};
use crate::quota::Exceeded;
use crate::store::EngineJournal;

/// A journal that stops answering after so many calls: before the call has an effect, or after. For a while its disk is
/// full.
pub(super) struct Fused {
    pub inner: EngineJournal,
    pub left: AtomicI64,
    pub crash: Notify,
    pub full: std::ops::Range<Instant>,
}

impl Fused {
    /// A call that writes.
    fn keep<'a, T: Send + 'a>(&'a self, call: JournalFuture<'a, T>) -> JournalFuture<'a, T> {
        if self.full.contains(&Instant::now()) {
            return Box::pin(async { Err(JournalError::Failing("the disk is full".into())) });
        }
        self.run(call)
    }

    fn run<'a, T: Send + 'a>(&'a self, call: JournalFuture<'a, T>) -> JournalFuture<'a, T> {
        Box::pin(async move {
            let left = self.left.fetch_sub(1, Ordering::Relaxed);
            if left <= 0 {
                self.crash.notify_one();
                std::future::pending::<()>().await;
            }
            let answer = call.await;
            if left == 1 {
                self.crash.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

impl Journal for Fused {
    fn admit(&self, admission: Admission, intents: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>> {
        self.keep(self.inner.admit(admission, intents))
    }

    fn begin(&self, intent: Intent) -> JournalFuture<'_, ()> {
        self.keep(self.inner.begin(intent))
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        self.keep(self.inner.note(notes))
    }

    fn unfinished(&self, after: i64, limit: usize) -> JournalFuture<'_, Page<Unfinished, i64>> {
        self.run(self.inner.unfinished(after, limit))
    }

    fn ended(
        &self,
        since: i64,
        before: Option<PastAt>,
        limit: usize,
    ) -> JournalFuture<'_, Page<Past, PastAt>> {
        self.run(self.inner.ended(since, before, limit))
    }

    fn recall(&self, wanted: Wanted, since: i64) -> JournalFuture<'_, Vec<Past>> {
        self.run(self.inner.recall(wanted, since))
    }

    fn result(&self, key: Key, now_ms: i64) -> JournalFuture<'_, Option<PastResult>> {
        self.run(self.inner.result(key, now_ms))
    }

    fn results_until(&self) -> JournalFuture<'_, Option<i64>> {
        self.run(self.inner.results_until())
    }

    fn purge(&self, which: Purge) -> JournalFuture<'_, usize> {
        self.keep(self.inner.purge(which))
    }

    fn idle_files(&self, limit: usize) -> JournalFuture<'_, Vec<FileId>> {
        self.run(self.inner.idle_files(limit))
    }

    fn on_record(&self, tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        self.run(self.inner.on_record(tasks))
    }

    fn sweep(&self, before: i64, now: i64, limit: usize) -> JournalFuture<'_, usize> {
        self.keep(self.inner.sweep(before, now, limit))
    }
}
