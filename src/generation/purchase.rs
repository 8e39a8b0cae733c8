//! The create of one image: its key and bytes, fixed and written down before it is sent.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::House;
use super::claims::{Claim, Wanted};
use super::journal::{Intent, JournalError, JournalFuture, Note, PurchaseId, StoredPurchase};
use super::model::{Finished, Generation, ImageResult};
use super::watch::Expected;
use crate::evolink::{CallbackToken, CreateBody, Task, TaskId, UpstreamKey, with_callback, without_callback};
use crate::fault::{Fault, FaultKind};
use crate::money::Credits;

/// Longest a client waits for the journal: a disk that hangs keeps nobody beyond it.
pub(super) const JOURNAL_PATIENCE: Duration = Duration::from_secs(30);

/// One create, begun.
#[derive(Debug)]
pub(super) struct Purchase {
    pub id: PurchaseId,
    pub key: UpstreamKey,
    pub body: CreateBody,
    /// When it was first sent; before this process began for one that was taken up.
    pub begun: Instant,
    /// The same in milliseconds of Unix time.
    pub begun_ms: i64,
    /// It was begun by an earlier process, so that it may have been bought already.
    pub taken_up: bool,
    pub claim: Claim,
}

/// How far an image was when an earlier process ended.
#[derive(Debug)]
pub(super) enum Left {
    /// Its outcome is unknown.
    Begun(Purchase),
    /// Upstream has the task.
    Made {
        purchase: Purchase,
        task: TaskId,
        reserved: Option<Credits>,
    },
    Ended {
        purchase: Purchase,
        task: Option<TaskId>,
        result: ImageResult,
    },
}

impl Purchase {
    /// A create that is to be sent as soon as it is written down. `attempt`: from 0.
    pub(super) fn new(
        house: &House,
        generation: &Generation,
        image: u8,
        attempt: u32,
        body: CreateBody,
    ) -> Self {
        let id = PurchaseId { generation: generation.id().clone(), image, attempt };
        let begun_ms = house.clock.unix_ms();
        let claim = house.claims.open(id.clone(), wanted(generation, begun_ms, &body));
        let key = UpstreamKey::random();
        let body = match &house.options.callback_base {
            Some(base) => with_callback(&body, &CallbackToken::of(&key).url(base)),
            None => body,
        };
        Self { id, key, body, begun: Instant::now(), begun_ms, taken_up: false, claim }
    }

    /// From now on its callback is taken, if it has one. One that was begun by an earlier process may have been called
    /// back meanwhile, in vain.
    pub(super) fn expect_callback(&self, house: &House) -> Option<Expected> {
        house.options.callback_base.as_ref()?;
        Some(house.watcher.expect(CallbackToken::of(&self.key), !self.taken_up))
    }

    pub(super) fn to_intent(&self) -> Intent {
        let (purchase, key, body) = (self.id.clone(), self.key.clone(), self.body.clone());
        Intent { purchase, key, body, begun_ms: self.begun_ms }
    }

    /// Writes down that this image is being bought; only then may it be. There is no time-out: a write that was given
    /// up may still happen, and would be a create that is sent after the next start though its client was told no.
    ///
    /// # Errors
    /// `Overloaded` when it cannot be written: nothing is bought.
    pub(super) async fn begin(
        house: &House,
        generation: &Generation,
        image: u8,
        attempt: u32,
        body: CreateBody,
    ) -> Result<Self, Fault> {
        let purchase = Self::new(house, generation, image, attempt, body);
        house.journal.begin(purchase.to_intent()).await.map_err(|error| {
            tracing::error!(generation_id = %generation.id(), %error, "a create is not sent: it cannot be written down");
            unwritten().with_cause(error)
        })?;
        Ok(purchase)
    }

    /// One that an earlier process began `age` ago.
    fn taken_up(house: &House, generation: &Generation, stored: &StoredPurchase, age: Duration) -> Self {
        let (id, wanted) = open(generation, stored);
        let claim = house.claims.open(id.clone(), wanted);
        let now = Instant::now();
        Self {
            id,
            key: stored.key.clone(),
            body: stored.body.clone(),
            begun: now.checked_sub(age).unwrap_or(now),
            begun_ms: stored.begun_ms,
            taken_up: true,
            claim,
        }
    }

    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The create's answer.
    pub(super) fn note_task(&self, house: &House, task: &Task) {
        self.claim.settle(&task.id);
        let (task, reserved) = (task.id.clone(), task.usage.reserved);
        house.scribe.note(Note::Task { purchase: self.id.clone(), task, reserved });
    }

    pub(super) fn note_end(&self, house: &House, result: &ImageResult) {
        house.scribe.note(Note::Ended { purchase: self.id.clone(), result: result.clone() });
    }
}

impl Left {
    /// Of the last attempt at an image, begun `age` ago.
    pub(super) fn of(house: &House, generation: &Generation, stored: StoredPurchase, age: Duration) -> Self {
        let purchase = Purchase::taken_up(house, generation, &stored, age);
        if let Some(task) = &stored.task {
            purchase.claim.settle(task);
        }
        match stored {
            StoredPurchase { result: Some(result), task, .. } => Self::Ended { purchase, task, result },
            StoredPurchase { task: Some(task), reserved, .. } => Self::Made { purchase, task, reserved },
            _ => Self::Begun(purchase),
        }
    }
}

/// One of a generation that is left in the journal for the next start: its task may be anywhere in upstream's list.
pub(super) fn leave_open(house: &House, generation: &Generation, stored: &StoredPurchase) {
    if stored.task.is_none() && stored.result.is_none() {
        let (id, wanted) = open(generation, stored);
        house.claims.leave_open(id, wanted);
    }
}

/// Of one that ended in an earlier process, so long ago by the wall clock: the creates that were given up in doubt may
/// have tasks in upstream's list. They were sent between its admission and `replay` before its end.
pub(super) fn keep_given_up(house: &House, generation: &Generation, finished: &Finished, ended_ms: i64) {
    let replay = i64::try_from(house.options.replay.as_millis()).unwrap_or(i64::MAX);
    let begun_ms = generation.created_ms();
    let sent_by_ms = ended_ms.saturating_sub(replay).max(begun_ms);
    for (image, result) in (0_u8..).zip(&finished.images) {
        if result.as_ref().is_err_and(|fault| fault.kind() == FaultKind::OutcomeUnknown) {
            let id = PurchaseId { generation: generation.id().clone(), image, attempt: 0 };
            let wanted = wanted(generation, begun_ms, &CreateBody::new());
            house.claims.give_up(id, Wanted { unanswered_by_ms: Some(sent_by_ms), ..wanted });
        }
    }
}

fn open(generation: &Generation, stored: &StoredPurchase) -> (PurchaseId, Wanted) {
    let id = PurchaseId { generation: generation.id().clone(), image: stored.image, attempt: stored.attempt };
    (id, wanted(generation, stored.begun_ms, &stored.body))
}

/// Creates of the same task count as equal, whatever name each calls back to.
fn wanted(generation: &Generation, begun_ms: i64, body: &CreateBody) -> Wanted {
    let body = without_callback(body);
    Wanted { model: generation.plan().task.model.clone(), begun_ms, body, unanswered_by_ms: None }
}

/// What the journal says, if it does so while a client may still wait for it. What it writes later holds all the same.
pub(super) async fn in_patience<T>(asked: JournalFuture<'_, T>) -> Result<T, JournalError> {
    let said = timeout(JOURNAL_PATIENCE, asked).await;
    said.unwrap_or_else(|_elapsed| Err(JournalError::Failing("it does not answer".to_owned())))
}

/// What cannot be written down is not bought.
pub(super) fn unwritten() -> Fault {
    Fault::new(
        FaultKind::Overloaded,
        "The gateway cannot write down what it would buy, and so buys nothing for now. Send the request again.",
    )
}
