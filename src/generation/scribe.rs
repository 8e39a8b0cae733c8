//! Writes down what follows a purchase, in order, without making anybody wait.
//!
//! A journal that fails is tried again until it works; the running generations go on from memory meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::journal::{Journal, JournalError, Note};
use super::results::Cache;

/// Notes that may wait to be written. No new work is taken while the journal fails, so what waits is of the
/// generations under way, a handful each.
const NOTES_MAX: usize = 65_536;
/// Notes in one write.
const BATCH_MAX: usize = 256;
/// Between tries of a write that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes notes; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Scribe {
    desk: mpsc::Sender<Entry>,
    /// Notes that are not written yet.
    unwritten: Arc<AtomicUsize>,
}

/// What lies on the desk.
#[derive(Debug)]
enum Entry {
    Note(Note),
    /// Somebody waits for all that lies before this.
    Mark(oneshot::Sender<()>),
}

impl Scribe {
    /// The scribe, and its writing for the caller to own; that ends when the last clone is gone.
    /// `cache`: told of what is written.
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        cache: Arc<Cache>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (desk, notes) = mpsc::channel(NOTES_MAX);
        let unwritten = Arc::new(AtomicUsize::new(0));
        let writing = write_all(journal, cache, notes, Arc::clone(&unwritten));
        (Self { desk, unwritten }, writing)
    }

    pub(super) fn note(&self, note: Note) {
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        let Err(error) = self.desk.try_send(Entry::Note(note)) else { return };
        self.unwritten.fetch_sub(1, Ordering::AcqRel);
        // What is lost here is found out again after a restart, from upstream.
        if let mpsc::error::TrySendError::Full(Entry::Note(note)) = error {
            tracing::error!(%note, "too many notes wait for the failing journal; one is dropped");
        }
    }

    /// Whether something that was noted is not written yet.
    pub(super) fn is_behind(&self) -> bool {
        self.unwritten.load(Ordering::Acquire) > 0
    }

    /// Waits until all that was noted before is written or refused; for ever, as long as the journal fails.
    pub(super) async fn written(&self) {
        let (mark, reached) = oneshot::channel();
        if self.desk.send(Entry::Mark(mark)).await.is_ok() {
            // An error: nothing is written any more.
            let _ = reached.await;
        }
    }
}

async fn write_all(
    journal: Arc<dyn Journal>,
    cache: Arc<Cache>,
    mut desk: mpsc::Receiver<Entry>,
    unwritten: Arc<AtomicUsize>,
) {
    let mut entries = Vec::new();
    while desk.recv_many(&mut entries, BATCH_MAX).await > 0 {
        let (mut notes, mut marks) = (Vec::new(), Vec::new());
        for entry in entries.drain(..) {
            match entry {
                Entry::Note(note) => notes.push(note),
                Entry::Mark(mark) => marks.push(mark),
            }
        }
        let count = notes.len();
        let notes = Arc::from(notes);
        write_batch(&*journal, &notes).await;
        cache.written(&notes);
        unwritten.fetch_sub(count, Ordering::AcqRel);
        for mark in marks {
            // Who waited may have left.
            let _ = mark.send(());
        }
    }
}

async fn write_batch(journal: &dyn Journal, batch: &Arc<[Note]>) {
    if !batch.is_empty() && write(journal, batch).await.is_err() {
        // One of them is refused: the others are not to be lost with it.
        for note in batch.iter() {
            if let Err(error) = write(journal, &Arc::from([note.clone()])).await {
                tracing::error!(%note, %error, "a note is not kept");
            }
        }
    }
}

/// Until it is written or refused.
async fn write(journal: &dyn Journal, notes: &Arc<[Note]>) -> Result<(), JournalError> {
    let mut failing = false;
    loop {
        match journal.note(Arc::clone(notes)).await {
            Err(error @ JournalError::Failing(_)) => {
                if !failing {
                    tracing::error!(notes = notes.len(), %error, "the journal fails; it is tried again every second");
                    failing = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            outcome => {
                if failing {
                    tracing::info!("the journal is written again");
                }
                return outcome;
            }
        }
    }
}
