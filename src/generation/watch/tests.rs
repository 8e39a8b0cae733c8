//! The watcher against a scripted upstream, on paused time: days of polling in milliseconds, true lags known.

mod called;
mod fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::Fake;
use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::evolink::CallError;
use crate::generation::progress::Progress;
use crate::image::{Quality, Tier};

struct Bench {
    fake: Arc<Fake>,
    watcher: Watcher,
    /// Tasks are made with a callback.
    calls_back: bool,
    _actor: JoinSet<()>,
}

fn options() -> WatchOptions {
    WatchOptions {
        bounds: PollBounds { min: Duration::from_millis(500), max: Duration::from_secs(8) },
        per_second: 10,
        batching: Batching::Auto,
        task_timeout: Duration::from_mins(15),
    }
}

fn bench(fake: Fake, options: WatchOptions) -> Bench {
    let fake = Arc::new(fake);
    let upstream: Arc<dyn Upstream> = fake.clone();
    let random = StdRng::seed_from_u64(4711);
    let (watcher, actor) = Watcher::with_random(upstream, options, Arc::new(Metrics::new()), random);
    let mut owner = JoinSet::new();
    owner.spawn(actor);
    Bench { fake, watcher, calls_back: false, _actor: owner }
}

/// One watched task: how long it took, how late its end was noticed, how often it was looked at.
#[derive(Debug, Clone, Copy)]
struct Seen {
    took: f64,
    lag: f64,
    looks: u32,
}

impl Bench {
    async fn one(&self, number: usize, takes: Duration) -> Seen {
        let id = TaskId::new(format!("task-unified-1-{number}"));
        let created = Instant::now();
        self.fake.ends.lock().unwrap().insert(id.clone(), created + takes);
        let task = Watched {
            id: id.clone(),
            class: TaskClass { model: "gpt-image-2".into(), quality: Quality::Medium, tier: Tier::K1 },
            created,
            estimated: Some(Duration::from_secs(100)),
            typical: (Duration::from_secs(10), Duration::from_secs(30)),
            progress: Progress::new(1).image(0),
            callback: self.expects(number),
        };
        let ended = self.watcher.ended(task).await;
        assert!(matches!(ended, Some(Ended::Task(ref task)) if !task.links.is_empty()), "{ended:?}");
        let looks = self.fake.looks.lock().unwrap()[&id];
        Seen {
            took: takes.as_secs_f64(),
            lag: created.elapsed().checked_sub(takes).unwrap().as_secs_f64(),
            looks,
        }
    }

    /// `count` tasks, `at_once` of them at a time; the durations drawn by `draw`.
    async fn many(&self, count: usize, at_once: usize, mut draw: impl FnMut() -> f64) -> Vec<Seen> {
        let gate = tokio::sync::Semaphore::new(at_once);
        let durations: Vec<_> = (0..count).map(|_| Duration::from_secs_f64(draw())).collect();
        let tasks = durations.iter().enumerate().map(async |(number, takes)| {
            let _place = gate.acquire().await;
            self.one(number, *takes).await
        });
        futures_util::future::join_all(tasks).await
    }

    fn calls_in_any_second(&self) -> usize {
        let calls = self.fake.calls.lock().unwrap();
        let within = |start: &Instant| {
            calls.iter().filter(|at| *at >= start && **at < *start + Duration::from_secs(1)).count()
        };
        calls.iter().map(within).max().unwrap_or_default()
    }
}

fn percentile(mut values: Vec<f64>, permille: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) * permille).div_ceil(1000)]
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// What remains of each lag after its allowance: a share of the generation's time, or so many seconds.
fn over(seen: &[Seen], share: f64, floor: f64) -> Vec<f64> {
    seen.iter().map(|seen| seen.lag / (seen.took * share).max(floor)).collect()
}

#[tokio::test(start_paused = true)]
async fn evenly_spread_durations_are_noticed_in_time_with_few_looks() {
    for seed in 1..=8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let bench = bench(Fake::default(), options());
        let seen = bench.many(600, 32, || rng.random_range(10.0..30.0)).await;
        let seen = &seen[50..];
        let (p95, average) =
            (percentile(over(seen, 0.07, 0.5), 950), mean(over(seen, 0.04, 0.25).into_iter()));
        let most = seen.iter().map(|seen| seen.looks).max().unwrap();
        println!(
            "seed {seed}: p95 {p95:.2} and mean {average:.2} of the allowance, at most {most} looks, mean {:.1}, {} calls in any second",
            mean(seen.iter().map(|seen| f64::from(seen.looks))),
            bench.calls_in_any_second()
        );
        assert!(p95 <= 1.0 && average <= 1.0 && most <= 24);
        assert!(bench.calls_in_any_second() <= 10);
    }
}

#[tokio::test(start_paused = true)]
async fn durations_that_hardly_vary_need_few_looks() {
    for (seed, middle) in [(1, 2.0), (2, 5.0), (3, 6.0), (4, 10.0), (5, 15.0), (6, 25.0), (7, 10.0)] {
        let mut rng = StdRng::seed_from_u64(seed);
        let bench = bench(Fake::default(), options());
        let seen = bench.many(170, 32, || middle * rng.random_range(0.99..1.01)).await;
        let seen = &seen[50..];
        let p95 = percentile(seen.iter().map(|seen| seen.lag).collect(), 950);
        let looks = mean(seen.iter().map(|seen| f64::from(seen.looks)));
        println!("seed {seed}, {middle} s: p95 lag {p95:.3} s, {looks:.2} looks");
        assert!(p95 < f64::max(0.5, 0.045 * middle) && looks < 2.0 + middle / 8.0);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_become_faster_are_noticed_soon() {
    let bench = bench(Fake::default(), options());
    bench.many(64, 8, || 7.0).await;
    let seen = bench.many(100, 4, || 2.0).await;
    let late = seen.iter().filter(|seen| seen.lag > 1.0).count();
    println!("{late} of 100 noticed late");
    assert!(late <= 25);
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_looks_first_after_three_seconds_however_long_the_estimate() {
    let bench = bench(Fake::default(), options());
    let seen = bench.one(0, Duration::from_secs(1)).await;
    assert!(seen.lag <= 2.1 && seen.looks == 1, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_looks_at_most_24_times_at_a_task_of_30_seconds() {
    let bench = bench(Fake::default(), options());
    let seen = bench.one(0, Duration::from_secs(30)).await;
    assert!(seen.looks <= 24, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_with_single_reads_and_hundreds_of_tasks() {
    let mut rng = StdRng::seed_from_u64(7);
    let fake = Fake { no_batch: true, ..Fake::default() };
    let bench = bench(fake, options());
    bench.many(300, 100, || rng.random_range(5.0..15.0)).await;
    assert!(bench.calls_in_any_second() <= 10);
}

#[tokio::test(start_paused = true)]
async fn failing_looks_are_made_again_until_they_work() {
    let down = CallError::Down { status: 500, code: String::new(), retry_after: None };
    let errors = [CallError::Timeout, down].into_iter().cycle().take(10).collect();
    let fake = Fake { errors: Mutex::new(errors), ..Fake::default() };
    let bench = bench(fake, options());
    let seen = bench.one(0, Duration::from_secs(20)).await;
    assert_eq!(seen.looks, 1, "the first look that is answered finds it done");
    let calls = bench.fake.calls.lock().unwrap();
    assert!(calls.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_millis(4100)));
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_every_look() {
    let busy = CallError::Busy { retry_after: Some(Duration::from_secs(20)) };
    let bench = bench(Fake { errors: Mutex::new([busy].into()), ..Fake::default() }, options());
    let begin = Instant::now();
    bench.many(5, 5, || 5.0).await;
    let calls = bench.fake.calls.lock().unwrap();
    let second = calls[1] - begin;
    assert!(second >= Duration::from_secs(22), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_completed_task_without_links_is_read_again() {
    let bench = bench(Fake { linkless: 3, ..Fake::default() }, options());
    let seen = bench.one(0, Duration::from_secs(1)).await;
    assert_eq!(seen.looks, 4);
}

#[tokio::test(start_paused = true)]
async fn a_task_nobody_knows_any_more_is_given_up_after_a_few_looks() {
    let bench = bench(Fake::default(), options());
    let task = Watched {
        id: TaskId::new("task-unified-1-lost"),
        class: TaskClass { model: "gpt-image-2".into(), quality: Quality::Low, tier: Tier::K1 },
        created: Instant::now(),
        estimated: None,
        typical: (Duration::from_secs(5), Duration::from_secs(15)),
        progress: Progress::new(1).image(0),
        callback: None,
    };
    assert_eq!(bench.watcher.ended(task).await, Some(Ended::Gone));
    let calls = bench.fake.calls.lock().unwrap();
    assert_eq!(calls.len(), 6);
    assert!(calls[5] - calls[0] > Duration::from_secs(15), "a hiccup of Evolink's is waited out");
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_out_is_asked_for_alone() {
    let bench = bench(Fake { empty_batches: true, ..Fake::default() }, options());
    let seen = bench.many(3, 3, || 3.0).await;
    assert!(seen.iter().all(|seen| seen.looks == 1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_read_one_by_one() {
    let refused = CallError::Refused {
        refusal: crate::evolink::Refusal::BadRequest,
        status: 400,
        code: "invalid_request".into(),
        message: String::new(),
    };
    let bench = bench(Fake { errors: Mutex::new([refused].into()), ..Fake::default() }, options());
    let seen = bench.many(3, 3, || 3.0).await;
    assert!(seen.iter().all(|seen| seen.lag < 2.0), "{seen:?}");
    assert!(bench.fake.calls.lock().unwrap().len() >= 4, "one batch, then each alone");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_is_made_again() {
    let bench = bench(Fake { panics: Mutex::new(true), ..Fake::default() }, options());
    let seen = bench.one(0, Duration::from_secs(5)).await;
    assert!(seen.lag < 2.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn past_its_time_a_task_is_looked_at_once_a_minute() {
    let bench = bench(Fake::default(), options());
    let seen = bench.one(0, Duration::from_secs(2000)).await;
    assert!(seen.lag <= 61.0, "{seen:?}");
    let calls = bench.fake.calls.lock().unwrap();
    let late: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).rev().take(10).collect();
    assert!(late.iter().all(|gap| *gap >= Duration::from_secs(58)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_nobody_waits_for_is_dropped() {
    let bench = bench(Fake::default(), options());
    let left = tokio::time::timeout(Duration::from_secs(1), bench.one(0, Duration::from_mins(10))).await;
    assert!(left.is_err());
    tokio::time::sleep(Duration::from_mins(15)).await;
    assert!(bench.fake.calls.lock().unwrap().is_empty());
}
