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
    /// Pictures can be stored; true where none are.
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
