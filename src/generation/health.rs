//! Whether new generations could be begun, found out by trying.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::journal::{Journal, JournalError};

/// A trial's answer holds for so long.
const TRIAL_LASTS: Duration = Duration::from_secs(1);
/// Longest wait for a trial of the journal; one that takes longer has failed.
const TRIAL_MAX: Duration = Duration::from_secs(2);

/// What works, and why the rest does not.
#[derive(Debug, Clone)]
pub struct Health {
    /// The journal can be written.
    pub state: Result<(), Arc<str>>,
    /// This machine can store pictures; true where none are stored, where the store is full, and where it is a bucket.
    pub images: Result<(), Arc<str>>,
}

/// Trials of the journal, one at a time.
pub(super) struct Trials {
    journal: Arc<dyn Journal>,
    last: Mutex<Last>,
}

struct Last {
    answer: Option<(Instant, Result<(), Arc<str>>)>,
    /// One that was not answered in time goes on; the next who asks waits for the same.
    under_way: JoinSet<Result<(), JournalError>>,
}

impl Trials {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, last: Mutex::new(Last { answer: None, under_way: JoinSet::new() }) }
    }

    /// # Errors
    /// Why the journal cannot be written.
    pub(super) async fn journal(&self) -> Result<(), Arc<str>> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &last.answer
            && at.elapsed() < TRIAL_LASTS
        {
            return answer.clone();
        }
        if last.under_way.is_empty() {
            let journal = Arc::clone(&self.journal);
            last.under_way.spawn(async move { journal.trial().await });
        }
        let answer = match timeout(TRIAL_MAX, last.under_way.join_next()).await {
            Ok(Some(Ok(Ok(())))) => Ok(()),
            Ok(Some(Ok(Err(error)))) => Err(error.to_string()),
            Ok(Some(Err(_)) | None) => Err("its trial crashed".to_owned()),
            Err(_elapsed) => Err("the journal does not answer".to_owned()),
        };
        let answer = answer.map_err(Arc::from);
        last.answer = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::journal::{
        Admission, Intent, JournalFuture, Note, Page, Past, PastAt, PastResult, Purge, Unfinished, Wanted,
    };
    use super::*;
    use crate::cache::Key;
    use crate::evolink::{FileId, TaskId};
    use crate::quota::Exceeded;

    /// Answers each trial after this many seconds; is asked nothing else.
    #[derive(Default)]
    struct Slow {
        seconds: u64,
        trials: AtomicUsize,
    }

    impl Journal for Slow {
        fn trial(&self) -> JournalFuture<'_, ()> {
            self.trials.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(self.seconds)).await;
                Ok(())
            })
        }

        fn admit(&self, _: Admission, _: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>> {
            unreachable!()
        }

        fn begin(&self, _: Intent) -> JournalFuture<'_, ()> {
            unreachable!()
        }

        fn note(&self, _: Arc<[Note]>) -> JournalFuture<'_, ()> {
            unreachable!()
        }

        fn unfinished(&self, _: i64, _: usize) -> JournalFuture<'_, Page<Unfinished, i64>> {
            unreachable!()
        }

        fn ended(&self, _: i64, _: Option<PastAt>, _: usize) -> JournalFuture<'_, Page<Past, PastAt>> {
            unreachable!()
        }

        fn idle_files(&self, _: usize) -> JournalFuture<'_, Vec<FileId>> {
            unreachable!()
        }

        fn recall(&self, _: Wanted, _: i64) -> JournalFuture<'_, Vec<Past>> {
            unreachable!()
        }

        fn result(&self, _: Key, _: i64) -> JournalFuture<'_, Option<PastResult>> {
            unreachable!()
        }

        fn results_until(&self) -> JournalFuture<'_, Option<i64>> {
            unreachable!()
        }

        fn purge(&self, _: Purge) -> JournalFuture<'_, usize> {
            unreachable!()
        }

        fn on_record(&self, _: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
            unreachable!()
        }

        fn sweep(&self, _: i64, _: i64, _: usize) -> JournalFuture<'_, usize> {
            unreachable!()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_journal_is_tried_once_a_second_however_many_ask() {
        let journal = Arc::new(Slow::default());
        let trials = Trials::new(journal.clone());
        let asked = futures_util::future::join_all((0..50).map(|_| trials.journal())).await;
        assert!(asked.iter().all(Result::is_ok));
        assert_eq!(journal.trials.load(Ordering::Relaxed), 1);
        tokio::time::sleep(TRIAL_LASTS).await;
        assert_eq!((trials.journal().await, journal.trials.load(Ordering::Relaxed)), (Ok(()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_does_not_answer_is_said_not_to_work_and_not_asked_anew() {
        let journal = Arc::new(Slow { seconds: 100, ..Slow::default() });
        let trials = Trials::new(journal.clone());
        let began = Instant::now();
        assert!(trials.journal().await.is_err());
        assert_eq!(began.elapsed(), TRIAL_MAX);
        while trials.journal().await.is_err() {
            tokio::time::sleep(TRIAL_LASTS).await;
            assert_eq!(journal.trials.load(Ordering::Relaxed), 1);
        }
        assert_eq!(began.elapsed().as_secs(), 100, "it answers at last");
    }
}
