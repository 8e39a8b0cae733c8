//! Callbacks: on time, lost, forged, repeated, too many.

use super::*;
use crate::evolink::UpstreamKey;

/// From a task's end to its callback: billing is settled first.
const SETTLED: Duration = Duration::from_millis(200);

fn token(number: usize) -> CallbackToken {
    CallbackToken::of(&UpstreamKey::kept(format!("eg-{number}")))
}

fn calling_back(options: WatchOptions) -> Bench {
    Bench { calls_back: true, ..bench(Fake::default(), options) }
}

impl Bench {
    pub(super) fn expects(&self, number: usize) -> Option<Expected> {
        self.calls_back.then(|| self.watcher.expect(token(number), true))
    }

    /// One task whose callback comes after its end.
    async fn one_called(&self, number: usize, takes: Duration) -> Seen {
        let callback = async {
            tokio::time::sleep(takes + SETTLED).await;
            self.watcher.wake(&token(number));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            seen = self.one(number, takes) => seen,
            () = callback => unreachable!(),
        }
    }

    fn looks(&self) -> u32 {
        self.fake.looks.lock().unwrap().values().sum()
    }

    fn calls(&self) -> usize {
        self.fake.calls.lock().unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_save_nearly_all_looks_and_are_no_slower() {
    let mut rng = StdRng::seed_from_u64(3);
    let durations: Vec<_> = (0..200).map(|_| Duration::from_secs_f64(rng.random_range(10.0..30.0))).collect();
    let (with, without) = (calling_back(options()), bench(Fake::default(), options()));
    for durations in durations.chunks(20) {
        let tasks = durations.iter().enumerate();
        let seen = futures_util::future::join_all(tasks.clone().map(|(n, takes)| with.one_called(n, *takes)));
        let slowest = seen.await.iter().map(|seen| seen.lag).fold(0.0, f64::max);
        assert!(slowest < 1.5, "{slowest}");
        futures_util::future::join_all(tasks.map(|(n, takes)| without.one(n, *takes))).await;
    }
    let looks = (with.looks(), without.looks());
    println!("looks with and without callbacks: {looks:?}, calls {:?}", (with.calls(), without.calls()));
    assert!(looks.0 <= 220 && looks.1 >= 10 * looks.0, "{looks:?}");
    assert!(with.calls_in_any_second() <= 10);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_callback_is_lost_is_found_all_the_same() {
    let bench = calling_back(options());
    let seen = bench.one(0, Duration::from_secs(12)).await;
    assert!(seen.looks <= 2 && seen.lag <= 31.0, "{seen:?}");
    let seen = bench.one(1, Duration::from_secs(100)).await;
    assert!(seen.looks <= 5 && seen.lag <= 31.0, "{seen:?}");
    // What such tasks take is learned.
    for number in 2..20 {
        bench.one_called(number, Duration::from_secs(5)).await;
    }
    let seen = bench.one(20, Duration::from_secs(5)).await;
    assert!(seen.lag <= 31.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn no_later_than_its_time_is_over_a_task_is_looked_at() {
    let bench = calling_back(WatchOptions { task_timeout: Duration::from_secs(20), ..options() });
    let seen = bench.one(0, Duration::from_secs(15)).await;
    assert!(seen.looks == 1 && seen.lag < 6.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn unknown_late_and_repeated_callbacks_do_nothing() {
    let bench = calling_back(options());
    bench.watcher.wake(&token(99));
    let seen = bench.one_called(0, Duration::from_secs(5)).await;
    assert_eq!(seen.looks, 1);
    let calls = bench.calls();
    for _ in 0..100 {
        bench.watcher.wake(&token(0));
        bench.watcher.wake(&token(99));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(bench.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_callbacks_costs_a_few_looks_within_the_pace() {
    let (flooded, quiet) = (calling_back(options()), bench(Fake::default(), options()));
    let takes = Duration::from_mins(1);
    let usual = quiet.one(0, takes).await.looks;
    let flood = async {
        loop {
            flooded.watcher.wake(&token(0));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let seen = tokio::select! {
        seen = flooded.one(0, takes) => seen,
        () = flood => unreachable!(),
    };
    assert!(seen.looks <= usual + 9, "{seen:?} {usual}");
    let calls = flooded.fake.calls.lock().unwrap();
    let closest = calls.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(closest >= options().bounds.min, "{closest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_herd_of_callbacks_stays_within_the_budget() {
    let bench = calling_back(WatchOptions { batching: Batching::Never, ..options() });
    let tasks = (0..100).map(|number| bench.one_called(number, Duration::from_secs(5)));
    futures_util::future::join_all(tasks).await;
    assert!(bench.calls_in_any_second() <= 10);
    assert_eq!(bench.looks(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_called_too_early_is_looked_at_as_any_other() {
    let bench = calling_back(options());
    let early = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.watcher.wake(&token(0));
        std::future::pending::<()>().await;
    };
    let seen = tokio::select! {
        seen = bench.one(0, Duration::from_secs(8)) => seen,
        () = early => unreachable!(),
    };
    assert!(seen.lag < 2.0, "{seen:?}");
}

/// Its answer was written before the end that the callback tells of.
#[tokio::test(start_paused = true)]
async fn a_callback_during_a_look_causes_another() {
    let bench = calling_back(options());
    let (takes, grace) = (Duration::from_secs(40), Duration::from_secs(32));
    let during = async {
        tokio::time::sleep(grace + Duration::from_millis(25)).await;
        bench.watcher.wake(&token(0));
        tokio::time::sleep(takes.saturating_sub(grace)).await;
        bench.watcher.wake(&token(0));
        std::future::pending::<()>().await;
    };
    let seen = tokio::select! {
        seen = bench.one(0, takes) => seen,
        () = during => unreachable!(),
    };
    let calls = bench.fake.calls.lock().unwrap();
    assert!(calls[1] - calls[0] < Duration::from_secs(1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_callback_ahead_of_its_creates_answer_is_not_lost() {
    let bench = bench(Fake::default(), options());
    let expected = bench.watcher.expect(token(0), true);
    bench.watcher.wake(&token(0));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let task = Watched {
        id: TaskId::new("task-unified-1-0"),
        class: TaskClass { model: "gpt-image-2".into(), quality: Quality::Low, tier: Tier::K1 },
        created: Instant::now(),
        estimated: None,
        typical: (Duration::from_secs(5), Duration::from_secs(15)),
        progress: Progress::new(1).image(0),
        callback: Some(expected),
    };
    bench.fake.ends.lock().unwrap().insert(task.id.clone(), Instant::now());
    let began = Instant::now();
    bench.watcher.ended(task).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn once_no_callbacks_come_any_more_tasks_are_looked_at_as_if_there_were_none() {
    let bench = calling_back(options());
    let drain = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.watcher.expect_no_callbacks();
        std::future::pending::<()>().await;
    };
    let seen = tokio::select! {
        seen = bench.one(0, Duration::from_secs(12)) => seen,
        () = drain => unreachable!(),
    };
    assert!(seen.lag < 2.0 && seen.looks > 1, "{seen:?}");
    assert!(bench.one(1, Duration::from_secs(12)).await.lag < 2.0);
}
