//! What the journal is asked and when, and a journal that fails.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::super::journal::{
    Admission, Intent, JournalFuture, Page, Past, PastAt, PastResult, Purge, Unfinished,
};
use super::super::*;
use super::fake::{Fake, after, house_on, options, own, picture, plan, soon};
use crate::cache::Key;
use crate::evolink::{FileId, TaskId};
use crate::fault::{Fault, FaultKind};
use crate::image::Plan;
use crate::quota::{Exceeded, Ledger};
use crate::store::{Engine, EngineJournal, EngineLedger};

const SECOND: Duration = Duration::from_secs(1);

/// A journal that can be made to fail, and counts.
pub(super) struct Fickle {
    inner: EngineJournal,
    engine: Engine,
    pub admissions_fail: AtomicBool,
    pub intents_fail: AtomicBool,
    pub notes_fail: AtomicBool,
    pub intents: AtomicUsize,
    /// How long an admission takes, in seconds.
    pub admissions_take: AtomicU64,
    /// How long a write of notes takes, in seconds.
    pub notes_take: AtomicU64,
}

impl Fickle {
    pub(super) fn new() -> Arc<Self> {
        let engine = Engine::in_memory().unwrap();
        let inner = EngineJournal::new(engine.clone());
        let no = || AtomicBool::new(false);
        let (intents, admissions_take, notes_take) =
            (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (admissions_fail, intents_fail, notes_fail) = (no(), no(), no());
        Arc::new(Self {
            inner,
            engine,
            admissions_fail,
            intents_fail,
            notes_fail,
            intents,
            admissions_take,
            notes_take,
        })
    }
}

impl Fickle {
    pub(super) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(EngineLedger::new(self.engine.clone()))
    }
}

fn full<'a, T>() -> JournalFuture<'a, T> {
    Box::pin(async { Err(JournalError::Failing("the disk is full".into())) })
}

impl Journal for Fickle {
    fn admit(&self, admission: Admission, intents: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>> {
        if self.admissions_fail.load(Ordering::Relaxed) {
            return full();
        }
        let takes = Duration::from_secs(self.admissions_take.load(Ordering::Relaxed));
        Box::pin(async move {
            after(takes).await;
            self.inner.admit(admission, intents).await
        })
    }

    fn begin(&self, intent: Intent) -> JournalFuture<'_, ()> {
        self.intents.fetch_add(1, Ordering::Relaxed);
        if self.intents_fail.load(Ordering::Relaxed) { full() } else { self.inner.begin(intent) }
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        if self.notes_fail.load(Ordering::Relaxed) {
            return full();
        }
        let takes = Duration::from_secs(self.notes_take.load(Ordering::Relaxed));
        Box::pin(async move {
            after(takes).await;
            self.inner.note(notes).await
        })
    }

    fn unfinished(&self, after: i64, limit: usize) -> JournalFuture<'_, Page<Unfinished, i64>> {
        self.inner.unfinished(after, limit)
    }

    fn ended(
        &self,
        since: i64,
        before: Option<PastAt>,
        limit: usize,
    ) -> JournalFuture<'_, Page<Past, PastAt>> {
        self.inner.ended(since, before, limit)
    }

    fn recall(&self, wanted: Wanted, since: i64) -> JournalFuture<'_, Vec<Past>> {
        self.inner.recall(wanted, since)
    }

    fn result(&self, key: Key, now_ms: i64) -> JournalFuture<'_, Option<PastResult>> {
        self.inner.result(key, now_ms)
    }

    fn results_until(&self) -> JournalFuture<'_, Option<i64>> {
        self.inner.results_until()
    }

    fn purge(&self, which: Purge) -> JournalFuture<'_, usize> {
        self.inner.purge(which)
    }

    fn idle_files(&self, limit: usize) -> JournalFuture<'_, Vec<FileId>> {
        self.inner.idle_files(limit)
    }

    fn on_record(&self, tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        self.inner.on_record(tasks)
    }

    fn sweep(&self, before: i64, now: i64, limit: usize) -> JournalFuture<'_, usize> {
        self.inner.sweep(before, now, limit)
    }
}

struct Bench {
    journal: Arc<Fickle>,
    fake: Arc<Fake>,
    generations: Generations,
    _loops: tokio::task::JoinSet<()>,
}

impl Bench {
    fn new() -> Self {
        let (journal, fake) = (Fickle::new(), Arc::new(Fake::default()));
        let metrics = Arc::new(Metrics::new());
        let upstream: Arc<dyn Upstream> = fake.clone();
        let clock = Clock::going_from(jiff::Timestamp::from_second(1_800_000_000).unwrap());
        let (generations, loops) = house_on(journal.clone(), upstream, options(), &metrics, clock);
        Self { journal, fake, generations, _loops: loops }
    }

    async fn begin(&self, plan: &Arc<Plan>) -> Result<Waiter, Fault> {
        self.generations.begin(own(plan)).await
    }

    async fn unfinished(&self) -> Vec<Unfinished> {
        self.journal.inner.unfinished(0, 100).await.unwrap().records
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_admitted_is_refused_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    bench.journal.admissions_fail.store(true, Ordering::Relaxed);
    let fault = bench.begin(&fox).await.map(drop).unwrap_err();
    assert_eq!((fault.status(), fault.code()), (503, "server_is_overloaded"));
    assert!(fault.should_retry());
    after(SECOND).await;
    assert!(bench.fake.script().creates.is_empty() && bench.unfinished().await.is_empty());
    bench.journal.admissions_fail.store(false, Ordering::Relaxed);
    let mut waiter = bench.begin(&fox).await.unwrap();
    assert!(!waiter.joined(), "there is nothing to join");
    assert!(waiter.finished(soon()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_hangs_keeps_no_client_waiting_and_its_repetition_joins() {
    let bench = Bench::new();
    bench.journal.admissions_take.store(100, Ordering::Relaxed);
    let (fox, began) = (plan("a fox", 1, &[]), Instant::now());
    let fault = bench.begin(&fox).await.map(drop).unwrap_err();
    assert_eq!((fault.kind(), fault.should_retry()), (FaultKind::Overloaded, true));
    assert_eq!(began.elapsed(), 30 * SECOND);
    after(50 * SECOND).await;
    let mut waiter = bench.begin(&fox).await.unwrap();
    assert!(waiter.joined() && began.elapsed() == 100 * SECOND);
    assert!(waiter.finished(soon()).await.is_ok());
    assert_eq!(bench.fake.script().creates.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_cannot_be_written_down_is_not_sent() {
    let bench = Bench::new();
    bench.journal.intents_fail.store(true, Ordering::Relaxed);
    // With a picture that has to be uploaded first, the creates are not written down at the admission.
    let sketch = [picture("a sketch")];
    let fox = plan("a fox", 2, &sketch);
    let begun = bench.generations.begin(Wish { inputs: sketch.to_vec(), ..own(&fox) });
    let fault = begun.await.unwrap().finished(soon()).await.unwrap_err();
    assert_eq!((fault.status(), fault.kind()), (503, FaultKind::Overloaded));
    assert_eq!(bench.journal.intents.load(Ordering::Relaxed), 2);
    let script = bench.fake.script();
    assert_eq!((script.uploads.len(), script.creates.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn creates_that_wait_for_nothing_are_written_down_with_their_generation() {
    let bench = Bench::new();
    let mut waiter = bench.begin(&plan("a fox", 3, &[])).await.unwrap();
    assert_eq!(bench.unfinished().await[0].purchases.len(), 3);
    waiter.finished(soon()).await.unwrap();
    assert_eq!(bench.journal.intents.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn running_generations_end_while_the_journal_fails_and_are_written_when_it_works_again() {
    let bench = Bench::new();
    bench.fake.script().creates_take = SECOND;
    let mut waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    bench.journal.notes_fail.store(true, Ordering::Relaxed);
    assert_eq!(waiter.finished(soon()).await.unwrap().images.iter().flatten().count(), 2);
    let left = bench.unfinished().await;
    assert!(left[0].purchases.iter().all(|purchase| purchase.task.is_none() && !purchase.body.is_empty()));
    bench.journal.notes_fail.store(false, Ordering::Relaxed);
    after(5 * SECOND).await;
    assert!(bench.unfinished().await.is_empty());
    let ended = bench.journal.inner.ended(0, None, 10).await.unwrap().records;
    assert_eq!(ended[0].images.iter().flatten().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_promise_that_cannot_be_written_down_is_not_made() {
    let bench = Bench::new();
    let waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    bench.journal.notes_fail.store(true, Ordering::Relaxed);
    assert_eq!(waiter.promise(()).await.unwrap_err().kind(), FaultKind::Overloaded);
    bench.journal.notes_fail.store(false, Ordering::Relaxed);
    bench.begin(&plan("a bear", 1, &[])).await.unwrap().promise(()).await.unwrap();
    let promised: Vec<bool> = bench.unfinished().await.iter().map(|left| left.promised).collect();
    assert_eq!(promised, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_create_is_on_record_with_its_key_and_bytes_before_it_is_sent() {
    let bench = Bench::new();
    bench.fake.script().creates_take = 5 * SECOND;
    let _waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    after(SECOND).await;
    let left = bench.unfinished().await;
    let bodies: Vec<_> = left[0].purchases.iter().map(|purchase| purchase.body.clone()).collect();
    let keys: Vec<_> = left[0].purchases.iter().map(|purchase| purchase.key.as_str().to_owned()).collect();
    assert!(bench.fake.script().creates.is_empty(), "upstream has not answered yet");
    after(5 * SECOND).await;
    let script = bench.fake.script();
    assert_eq!((&script.keys, script.creates.len()), (&keys, 2));
    assert!(script.creates.iter().zip(&bodies).all(|(sent, kept)| sent.as_bytes() == kept));
}

#[tokio::test(start_paused = true)]
async fn what_ended_is_swept_after_the_time_of_replay() {
    let bench = Bench::new();
    let mut waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    waiter.finished(soon()).await.unwrap();
    let ended = async || bench.journal.inner.ended(0, None, 10).await.unwrap().records.len();
    after(options().replay.saturating_sub(Duration::from_mins(5))).await;
    assert_eq!(ended().await, 1);
    after(Duration::from_mins(10)).await;
    assert_eq!(ended().await, 0);
}
