//! Houses that crash at any moment, also between any two writes of the journal, and the next ones on the same journal.
//!
//! Upstream loses answers, fails and has its own ledger, which is the truth here. Time is paused: a life of a house is a
//! runtime of its own, and upstream's time goes on from one to the next. The seed is printed by what fails; chance of
//! the house's own (pauses, keys) is not under it.

mod world;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::super::journal::{Admission, Intent, JournalFuture, Page, Past, PastAt, Unfinished};
use super::super::*;
use super::fake::{house_on, options, plan, soon, wish};
use crate::evolink::{FileId, TaskId};
use crate::fault::FaultKind;
use crate::store::{Engine, EngineJournal};
use world::World;

/// Crashes of one run, before the last house brings everything to its end.
const LIVES: u32 = 8;
/// A life's longest time; all of them together stay below the age at which nobody joins any more.
const LIFE_MAX: Duration = Duration::from_secs(45);

/// A journal that stops answering after so many calls: before the call has an effect, or after.
struct Fused {
    inner: EngineJournal,
    left: AtomicI64,
    crash: Notify,
}

impl Fused {
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
    fn admit(&self, admission: Admission, intents: Vec<Intent>) -> JournalFuture<'_, ()> {
        self.run(self.inner.admit(admission, intents))
    }

    fn begin(&self, intent: Intent) -> JournalFuture<'_, ()> {
        self.run(self.inner.begin(intent))
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        self.run(self.inner.note(notes))
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

    fn idle_files(&self, limit: usize) -> JournalFuture<'_, Vec<FileId>> {
        self.run(self.inner.idle_files(limit))
    }

    fn on_record(&self, tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        self.run(self.inner.on_record(tasks))
    }

    fn sweep(&self, before: i64, now: i64, limit: usize) -> JournalFuture<'_, usize> {
        self.run(self.inner.sweep(before, now, limit))
    }
}

/// One wish: asked again, as an SDK does, until there is an answer.
struct Client {
    plan: Arc<Plan>,
    /// With a key of its own, or as an SDK repeats without one.
    reuse: Reuse,
    /// The id it was told, or would have been: a crash between the promise and its telling leaves a client that knows
    /// nothing of it, which nobody can help.
    promised: Mutex<Option<String>>,
    told: AtomicBool,
    /// The tasks of the pictures, or the final failure.
    answer: Mutex<Option<Result<Vec<TaskId>, Fault>>>,
}

impl Client {
    fn new(number: u64, random: &mut StdRng) -> Arc<Self> {
        let plan = plan(&format!("wish {number}"), random.random_range(1..=3), &[]);
        let idempotency_key = random.random_bool(0.3).then(|| IdempotencyKey::kept(&format!("key {number}")));
        let sharing = if random.random_bool(0.5) { Sharing::Own } else { Sharing::default() };
        let reuse = Reuse { sharing, only_if_cached: false, automatic_retry: true, idempotency_key };
        Arc::new(Self {
            plan,
            reuse,
            promised: Mutex::default(),
            told: AtomicBool::new(false),
            answer: Mutex::default(),
        })
    }

    fn is_answered(&self) -> bool {
        self.answer.lock().unwrap().is_some()
    }

    async fn ask(self: Arc<Self>, generations: Generations, start: Duration, promise: bool) {
        tokio::time::sleep(start).await;
        while !self.is_answered() {
            let id = self.promised.lock().unwrap().clone();
            let found = id.and_then(|id| generations.find("design", &id));
            let waiter = if let Some(found) = found {
                found
            } else {
                assert!(!self.told.load(Ordering::Relaxed), "a promise is kept");
                let begun = generations.begin(wish(&self.plan, self.reuse.clone()));
                let Ok(waiter) = begun.await else {
                    // An outage refuses without a pause of its own.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                };
                if promise {
                    let id = waiter.generation().id().to_string();
                    *self.promised.lock().unwrap() = Some(id);
                    waiter.promise(()).await.unwrap();
                    self.told.store(true, Ordering::Relaxed);
                    continue;
                }
                waiter
            };
            self.wait(waiter).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn wait(&self, mut waiter: Waiter) {
        let answer = match waiter.finished(soon()).await {
            Ok(finished) => Ok(finished.images.iter().flatten().map(|made| made.task.clone()).collect()),
            Err(fault) if fault.kind() == FaultKind::OutcomeUnknown => return,
            Err(fault) if fault.should_retry() && !self.told.load(Ordering::Relaxed) => return,
            Err(fault) => Err(fault),
        };
        *self.answer.lock().unwrap() = Some(answer);
        waiter.answered();
    }
}

/// One house from its start to its crash; the last one until everyone is answered.
fn live(
    world: &Arc<World>,
    engine: &Engine,
    clients: &[Arc<Client>],
    crash: Option<(Duration, i64)>,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let now_ms = world.wake();
        let (time, writes) = crash.unwrap_or((Duration::from_hours(100), i64::MAX));
        let inner = EngineJournal::new(engine.clone());
        let journal = Arc::new(Fused { inner, left: AtomicI64::new(writes), crash: Notify::new() });
        let upstream: Arc<dyn Upstream> = world.clone();
        let clock = Clock::going_from(Timestamp::from_millisecond(now_ms).unwrap());
        let metrics = Arc::new(Metrics::new());
        let options = Options { task_timeout: Duration::from_mins(15), ..options() };
        let (generations, _loops) = house_on(journal.clone(), upstream, options, &metrics, clock);
        let everyone = async {
            generations.recover().await.unwrap();
            let mut asking = JoinSet::new();
            for client in clients.iter().filter(|client| !client.is_answered()) {
                let start = random.random_range(Duration::ZERO..Duration::from_secs(20));
                let promise = random.random_bool(0.2);
                asking.spawn(Arc::clone(client).ask(generations.clone(), start, promise));
            }
            while let Some(asked) = asking.join_next().await {
                asked.unwrap();
            }
            // What nobody waits for any more ends too, and is written down.
            let quiet = |text: String| text.contains("evolink_gateway_running_generations 0");
            while !quiet(metrics.render()) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        };
        tokio::select! {
            () = everyone => {}
            () = tokio::time::sleep(time) => {}
            () = journal.crash.notified() => {}
        }
        world.sleep(random.random_range(0..5_000));
    });
}

fn crash_and_recover(seed: u64, wishes: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let world = Arc::new(World::new(seed));
    let engine = Engine::in_memory().unwrap();
    let clients: Vec<_> = (0..wishes).map(|number| Client::new(number, &mut random)).collect();
    for life in 0..LIVES {
        let time = random.random_range(Duration::from_millis(1)..LIFE_MAX);
        let writes = random.random_range(1..wishes.cast_signed() * 8);
        live(&world, &engine, &clients, Some((time, writes)), seed + u64::from(life));
    }
    live(&world, &engine, &clients, None, seed);
    let mut delivered = Vec::new();
    for client in &clients {
        match &*client.answer.lock().unwrap() {
            Some(Ok(tasks)) => delivered.extend(tasks.clone()),
            Some(Err(fault)) => assert!(world.may_fail(&client.plan.task.prompt), "seed {seed}: {fault}"),
            None => panic!("seed {seed}: a client has no answer"),
        }
    }
    delivered.sort();
    assert_eq!(delivered, world.completed(), "seed {seed}: what is paid is delivered, once");
    let ledger = world.ledger();
    assert_eq!(ledger.conflicts, 0, "seed {seed}: a key was used for other bytes");
    for client in &clients {
        let (made, failed) = ledger.tasks_of(&client.plan.task.prompt);
        assert!(
            made - failed <= usize::from(client.plan.count),
            "seed {seed}: {made} tasks, {failed} failed"
        );
    }
    let left = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let left = left.block_on(EngineJournal::new(engine).unfinished(0, 1000)).unwrap().records;
    assert!(left.is_empty(), "seed {seed}: unfinished: {left:?}");
}

#[test]
fn crashes_at_any_moment_buy_nothing_twice_and_lose_nothing() {
    for seed in 0..12 {
        crash_and_recover(seed * 1000, 20);
    }
}

/// The long run: 10,000 wishes.
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_generations_over_crashes() {
    for seed in 1_000..1_250 {
        crash_and_recover(seed * 1000, 40);
    }
}
