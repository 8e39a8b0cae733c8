//! Houses over a scripted upstream, one after the other on the same ledger, with limits for team and key.

use std::cell::Cell;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use super::super::super::*;
use super::super::fake::{Fake, house_with, options, owner, soon};
use crate::fault::Fault;
use crate::image::Plan;
use crate::media::FetchOptions;
use crate::money::Credits;
use crate::quota::{Account, Book, Budget, Dimension, Ledger, Limits, Period, Unit, UsageQuery};
use crate::store::{Engine, EngineJournal, EngineLedger, MemoryJournal};

pub(super) const SECOND: Duration = Duration::from_secs(1);
/// When the first house starts.
const START_MS: i64 = 1_800_000_000_000;

/// A house.
pub(super) struct Bench {
    pub fake: Arc<Fake>,
    pub metrics: Arc<Metrics>,
    pub quota: Arc<Quota>,
    pub generations: Generations,
    pub ledger: Arc<dyn Ledger>,
    _loops: JoinSet<()>,
}

/// What outlives one.
pub(super) struct World {
    pub fake: Arc<Fake>,
    engine: Engine,
    options: Options,
    passed: Cell<Duration>,
}

/// What a house keeps its state in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Store {
    Embedded,
    Memory,
}

pub(super) fn per_day(unit: Unit, amount: u64) -> Budget {
    Budget { unit, period: Period::Day, zone: TimeZone::UTC, enforced: true, amount: amount * 1_000_000 }
}

pub(super) fn shadow(budget: Budget) -> Budget {
    Budget { enforced: false, ..budget }
}

pub(super) fn of_team(budgets: impl Into<Vec<Budget>>) -> Limits {
    Limits { budgets: budgets.into(), ..Limits::none(Account::Team("design".into())) }
}

pub(super) fn of_key(budgets: impl Into<Vec<Budget>>) -> Limits {
    let account = Account::Key { team: "design".into(), name: "ci".into() };
    Limits { budgets: budgets.into(), ..Limits::none(account) }
}

impl Bench {
    pub(super) fn new(limits: impl IntoIterator<Item = Limits>) -> Self {
        Self::with(options(), Store::Embedded, limits)
    }

    pub(super) fn with(options: Options, store: Store, limits: impl IntoIterator<Item = Limits>) -> Self {
        let engine = Engine::in_memory().unwrap();
        match store {
            Store::Embedded => {
                let (journal, ledger) = (EngineJournal::new(engine.clone()), EngineLedger::new(engine));
                Self::on(Arc::new(journal), Arc::new(ledger), options, limits)
            }
            Store::Memory => {
                let journal = MemoryJournal::new(engine);
                let ledger = Arc::new(journal.ledger());
                Self::on(Arc::new(journal), ledger, options, limits)
            }
        }
    }

    pub(super) fn on(
        journal: Arc<dyn Journal>,
        ledger: Arc<dyn Ledger>,
        options: Options,
        limits: impl IntoIterator<Item = Limits>,
    ) -> Self {
        Self::at(Duration::ZERO, Arc::default(), journal, ledger, options, limits)
    }

    fn at(
        passed: Duration,
        fake: Arc<Fake>,
        journal: Arc<dyn Journal>,
        ledger: Arc<dyn Ledger>,
        options: Options,
        limits: impl IntoIterator<Item = Limits>,
    ) -> Self {
        let (metrics, quota) = (Arc::new(Metrics::new()), Arc::new(Quota::new(book(limits), 68_000_000)));
        let keeping = Keeping { quota: Arc::clone(&quota), ..journal.into() };
        let now_ms = START_MS + i64::try_from(passed.as_millis()).unwrap();
        let clock = Clock::going_from(Timestamp::from_millisecond(now_ms).unwrap());
        let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
        let upstream: Arc<dyn Upstream> = fake.clone();
        let (generations, loops) = house_with(fetcher, keeping, upstream, options, &metrics, clock);
        Self { fake, metrics, quota, generations, ledger, _loops: loops }
    }

    /// A request that shares with nobody.
    pub(super) async fn begin(&self, plan: &Arc<Plan>) -> Result<Waiter, Fault> {
        self.ask(plan, Sharing::Own).await
    }

    pub(super) async fn ask(&self, plan: &Arc<Plan>, sharing: Sharing) -> Result<Waiter, Fault> {
        let limits = self.quota.limits(&"design".into(), "ci");
        let price = self.quota.check(&limits, plan)?;
        let reuse = Reuse { sharing, ..Reuse::default() };
        let (plan, owner) = (Arc::clone(plan), owner(plan));
        self.generations.begin(Wish { plan, owner, inputs: Vec::new(), reuse, limits, price }).await
    }

    /// Asks, and waits for the end.
    pub(super) async fn made(&self, plan: &Arc<Plan>) -> Result<Arc<Finished>, Fault> {
        let mut waiter = self.begin(plan).await?;
        let finished = waiter.finished(soon()).await;
        waiter.answered();
        finished
    }

    /// Used and held of the account's budget today, in whole units, once all is written.
    pub(super) async fn stands(&self, limits: &Limits, at: usize) -> (f64, f64) {
        self.generations.write_figures().await;
        let budget = &limits.budgets[at];
        let start_ms = budget.window(Timestamp::from_millisecond(START_MS).unwrap()).start_ms;
        let asked = vec![(budget.id(&limits.account), start_ms)];
        let standing = self.ledger.standings(asked).await.unwrap()[0];
        let whole = |amount| Credits::from_micro(amount).decimal();
        (whole(standing.used), whole(standing.held))
    }

    /// Requests, hits, images and credits of all days.
    pub(super) async fn figures(&self) -> (u64, u64, u64, f64) {
        self.generations.write_figures().await;
        let (from, to) = ("2027-01-01".parse().unwrap(), "2027-12-31".parse().unwrap());
        let query = UsageQuery { from, to, team: None, by: vec![Dimension::Team, Dimension::Key] };
        let lines = self.ledger.usage(query).await.unwrap();
        let Some(line) = lines.first() else { return (0, 0, 0, 0.0) };
        assert!(lines.len() == 1 && line.values[1].1 == "ci", "{lines:?}");
        (line.used.requests, line.used.hits, line.used.images, line.used.credits.decimal())
    }

    /// Requests and images that the rates of the team let in now.
    pub(super) fn rates(&self) -> (u32, u32) {
        let limits = self.quota.limits(&"design".into(), "ci");
        let standing = self.quota.gate.standing(&limits, Instant::now());
        (standing.requests.unwrap().remaining, standing.images.unwrap().remaining)
    }

    pub(super) fn told(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|told| told == format!("evolink_gateway_{line}"))
    }
}

pub(super) fn book(limits: impl IntoIterator<Item = Limits>) -> Book {
    Book::new(limits.into_iter().map(|limits| (limits, 1)))
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let engine = Engine::in_memory().unwrap();
        Self { fake: Arc::default(), engine, options, passed: Cell::default() }
    }

    /// What is held in credits falls to this, as if nothing of a raise had been written.
    pub(super) fn lose_raise(&self, micro_credits: u64) {
        let held = i64::try_from(micro_credits).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let losing = self.engine.write(move |db| {
            for (table, column) in [("holds", "amount"), ("windows", "held")] {
                let of_credits = "budget IN (SELECT number FROM budgets WHERE unit = 'credits')";
                db.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {of_credits}"), [held])?;
            }
            Ok(())
        });
        runtime.block_on(losing).unwrap();
    }

    /// A house that takes up what the one before it left, until the end of `story`: then it dies with all that it runs.
    pub(super) fn life(&self, limits: impl IntoIterator<Item = Limits>, story: impl AsyncFnOnce(&Bench)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let journal = Arc::new(EngineJournal::new(self.engine.clone()));
            let ledger = Arc::new(EngineLedger::new(self.engine.clone()));
            let (fake, options) = (Arc::clone(&self.fake), self.options.clone());
            let bench = Bench::at(self.passed.get(), fake, journal, ledger, options, limits);
            bench.generations.recover().await.unwrap();
            story(&bench).await;
            self.passed.set(self.passed.get() + began.elapsed() + SECOND);
        });
    }
}
