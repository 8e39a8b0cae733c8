//! Houses that crash at any moment, also between any two writes of the journal, and the next ones on the same journal.
//!
//! Upstream loses answers, fails tasks, breaks pictures and has its own ledger, which is the truth here; the journal
//! fails for a while. Time is paused: a life of a house is a runtime of its own, and upstream's time goes on from one to
//! the next. The seed is printed by what fails; chance of the house's own (pauses, keys) is not under it.

mod books;
mod client;
mod fused;
mod world;

use std::sync::atomic::AtomicI64;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::*;
use super::fake::{house_with, options};
use crate::quota::{Account, Book, Budget, Limits, Period, Unit};
use crate::store::{Engine, EngineJournal};
use client::Client;
use fused::Fused;
use world::World;

/// Crashes of one run, before the last house brings everything to its end.
const LIVES: u32 = 8;
/// A life's longest time; all of them together stay below the age at which nobody joins any more.
const LIFE_MAX: Duration = Duration::from_secs(45);

/// Eight times that is an hour.
const SET_BACK_MS: i64 = 450_000;
/// The last life's longest time: what has no answer by then never gets one.
const LAST_LIFE_MAX: Duration = Duration::from_mins(30);
/// The budget of a minute: less than all wish for at once.
const MINUTE_IMAGES: u64 = 40;
/// Longest time for which a life's disk is full.
const FULL_MAX: Duration = Duration::from_secs(10);

/// Budgets that are never spent, but for that of a minute: who is refused by it asks again.
fn limits() -> [(Limits, u32); 2] {
    let budget = |unit, period, amount: u64, enforced| {
        let (zone, amount) = (TimeZone::UTC, amount * 1_000_000);
        Budget { unit, period, zone, enforced, amount }
    };
    let team: Arc<str> = "design".into();
    let key = Account::Key { team: Arc::clone(&team), name: "ci".into() };
    let of_team = vec![
        budget(Unit::Images, Period::Minute, MINUTE_IMAGES, true),
        budget(Unit::Images, Period::Total, 100_000, true),
        budget(Unit::Credits, Period::Total, 100_000, true),
        budget(Unit::Usd, Period::Total, 1, false),
    ];
    let of_key = vec![budget(Unit::Credits, Period::Day, 100_000, true)];
    let of_team = Limits { budgets: of_team, ..Limits::none(Account::Team(team)) };
    [(of_team, 1), (Limits { budgets: of_key, ..Limits::none(key) }, 1)]
}

/// By how much the wall clock is behind in this life; in every third run it is set back at each start.
fn set_back_ms(seed: u64) -> i64 {
    let (run, life) = (seed / 1000, seed % 1000);
    if run % 3 == 0 { i64::try_from(life).unwrap() * SET_BACK_MS } else { 0 }
}

/// One house from its start to its crash; the last one until everyone is answered.
fn live(
    world: &Arc<World>,
    engine: &Engine,
    clients: &[Arc<Client>],
    crash: Option<(Duration, i64)>,
    seed: u64,
) -> Arc<Metrics> {
    let mut random = StdRng::seed_from_u64(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let now_ms = world.wake();
        let (time, writes) = crash.unwrap_or((LAST_LIFE_MAX, i64::MAX));
        let inner = EngineJournal::new(engine.clone());
        let full = Instant::now() + random.random_range(Duration::ZERO..LIFE_MAX);
        let full = full..full + random.random_range(Duration::ZERO..FULL_MAX);
        let journal = Arc::new(Fused { inner, left: AtomicI64::new(writes), crash: Notify::new(), full });
        let upstream: Arc<dyn Upstream> = world.clone();
        let clock = Clock::going_from(Timestamp::from_millisecond(now_ms - set_back_ms(seed)).unwrap());
        let metrics = Arc::new(Metrics::new());
        let options = Options { task_timeout: Duration::from_mins(15), ..options() };
        let fetcher = Fetcher::of(world.clone());
        let quota = Arc::new(Quota::new(Book::new(limits()), 68_000_000));
        let keeping = Keeping { quota: Arc::clone(&quota), ..journal.clone().into() };
        let (generations, _loops) = house_with(fetcher, keeping, upstream, options, &metrics, clock);
        let everyone = async {
            generations.recover().await.unwrap();
            let mut asking = JoinSet::new();
            for client in clients.iter().filter(|client| !client.is_answered(false)) {
                let start = random.random_range(Duration::ZERO..Duration::from_secs(20));
                let promise = random.random_bool(0.2);
                let (generations, quota) = (generations.clone(), Arc::clone(&quota));
                asking.spawn(Arc::clone(client).ask(generations, quota, start, promise));
            }
            while let Some(asked) = asking.join_next().await {
                asked.unwrap();
            }
            // What nobody waits for any more ends too, and is written down.
            let quiet =
                |text: String| text.contains(r#"evolink_gateway_running_generations{team="design"} 0"#);
            while !quiet(metrics.render()) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let room_again = journal.full.end.max(Instant::now());
            tokio::time::sleep_until(room_again + Duration::from_secs(5)).await;
        };
        tokio::select! {
            () = everyone => {}
            () = tokio::time::sleep(time) => {}
            () = journal.crash.notified() => {}
        }
        world.sleep(random.random_range(0..5_000));
        metrics
    })
}

/// Some wishes, so many crashes, and a last house that brings everything to its end.
fn crash_and_recover(seed: u64, wishes: u64, lives: u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let world = Arc::new(World::new(seed));
    let engine = Engine::in_memory().unwrap();
    let clients: Vec<_> = (0..wishes).map(|number| Client::new(number, &mut random)).collect();
    for life in 0..lives {
        let time = random.random_range(Duration::from_millis(1)..LIFE_MAX);
        let writes = random.random_range(1..wishes.cast_signed() * 8);
        live(&world, &engine, &clients, Some((time, writes)), seed + u64::from(life));
        let violations = books::in_between(&world, &engine);
        assert!(violations.is_empty(), "{REPLAY}={seed}, after life {life}: {violations:#?}");
    }
    let metrics = live(&world, &engine, &clients, None, seed + u64::from(lives));
    let counted = (lives == 0).then_some(&*metrics);
    let violations = books::violations(&clients, &world, &engine, counted);
    assert!(violations.is_empty(), "{REPLAY}={seed}: {violations:#?}");
}

/// A seed to be repeated.
const REPLAY: &str = "SIMULATED_SEED";
/// Wishes of one seed.
const WISHES: u64 = 40;

/// A share of the run over all seeds; every seventh one without a crash, so that its metrics can be counted.
fn share(of: std::ops::Range<u64>) {
    #[expect(clippy::disallowed_methods, reason = "a person repeats a seed that failed")]
    let replay = std::env::var(REPLAY).ok().and_then(|seed| seed.parse().ok());
    for seed in of.map(|seed| seed * 1000) {
        if replay.is_none_or(|replay: u64| replay == seed) {
            crash_and_recover(seed, WISHES, if seed % 7 == 0 { 0 } else { LIVES });
        }
    }
}

// Together 10,080 generations; four tests, so that all cores have something to do.

#[test]
fn ten_thousand_generations_over_crashes_first_quarter() {
    share(0..63);
}

#[test]
fn ten_thousand_generations_over_crashes_second_quarter() {
    share(63..126);
}

#[test]
fn ten_thousand_generations_over_crashes_third_quarter() {
    share(126..189);
}

#[test]
fn ten_thousand_generations_over_crashes_last_quarter() {
    share(189..252);
}

/// Two pictures, and a crash before or after each write that they take.
#[test]
fn a_crash_at_any_write_buys_nothing_twice_and_loses_nothing() {
    for seed in 0..8 {
        for write in 1..24 {
            let world = Arc::new(World::new(seed));
            let engine = Engine::in_memory().unwrap();
            let clients = vec![Client::new(seed, &mut StdRng::seed_from_u64(seed))];
            live(&world, &engine, &clients, Some((Duration::from_hours(1), write)), seed);
            let violations = books::in_between(&world, &engine);
            assert!(violations.is_empty(), "seed {seed}, after write {write}: {violations:#?}");
            live(&world, &engine, &clients, None, seed + 1);
            let violations = books::violations(&clients, &world, &engine, None);
            assert!(violations.is_empty(), "seed {seed}, write {write}: {violations:#?}");
        }
    }
}
