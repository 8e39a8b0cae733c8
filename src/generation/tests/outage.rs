//! An upstream that takes no creates for a while, and the breaker before them.

use tokio::time::Instant;

use super::super::*;
use super::fake::{Bench, after, options, own, picture, plan, soon, wish};
use crate::evolink::CallError;
use crate::evolink::breaker::BreakerState;
use crate::fault::FaultKind;

const SECOND: Duration = Duration::from_secs(1);

fn unreachable() -> CallError {
    CallError::Connect("refused".to_owned())
}

/// A house whose breaker was opened by an upstream that cannot be reached, and works again.
async fn broken() -> Bench {
    let bench = Bench::with(options());
    bench.script().create_errors = std::iter::repeat_n(unreachable(), 5).collect();
    let foxes: Vec<_> = (0..5).map(|number| plan(&format!("fox {number}"), 1, &[])).collect();
    for fox in &foxes {
        let mut waiter = bench.begin(fox, &[]).await;
        drop(tokio::time::timeout(Duration::from_millis(1), waiter.finished(soon())).await);
    }
    assert_eq!(bench.generations.upstream_health().state, BreakerState::Open);
    bench
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_at_once_before_anything_is_written_or_uploaded() {
    let bench = broken().await;
    let sketch = [picture("a sketch")];
    let bear = plan("a bear", 1, &sketch);
    let begun = bench.generations.begin(Wish { inputs: sketch.to_vec(), ..own(&bear) }).await;
    let fault = begun.map(drop).unwrap_err();
    assert_eq!((fault.status(), fault.code()), (503, "upstream_unavailable"));
    assert!(fault.should_retry() && fault.retry_after_seconds().unwrap() <= 2);
    let admitted = bench.generations.0.journal.unfinished(0, 10).await.unwrap().records;
    assert!(admitted.iter().all(|record| record.admission.plan.task.prompt != "a bear"));
    assert!(bench.script().uploads.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_probe_closes_the_breaker() {
    let bench = broken().await;
    after(2 * SECOND).await;
    assert_eq!(bench.generations.upstream_health().state, BreakerState::HalfOpen);
    let mut bear = bench.begin(&plan("a bear", 1, &[]), &[]).await;
    assert!(bear.finished(soon()).await.is_ok());
    assert_eq!(bench.generations.upstream_health().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn creates_that_were_never_sent_do_not_wait_for_an_upstream_that_is_down() {
    let bench = Bench::with(Options { max_tasks: 5, ..options() });
    bench.script().create_errors = std::iter::repeat_n(unreachable(), 99).collect();
    bench.script().creates_take = SECOND;
    let began = Instant::now();
    let mut waiters = Vec::new();
    for number in 0..8 {
        waiters.push(bench.begin(&plan(&format!("fox {number}"), 1, &[]), &[]).await);
    }
    for mut waiter in waiters {
        let fault = waiter.finished(soon()).await.unwrap_err();
        assert_eq!((fault.kind(), fault.status()), (FaultKind::UpstreamUnavailable, 503));
    }
    assert_eq!(bench.script().creates.len(), 5);
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_waits_through_the_outage_and_keeps_its_key() {
    let bench = Bench::with(options());
    bench.script().create_errors = std::iter::repeat_n(CallError::Timeout, 12).collect();
    let fox = plan("a fox", 1, &[]);
    let mut waiter = bench.begin(&fox, &[]).await;
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    drop(waiter);
    let retry = bench
        .generations
        .begin(wish(&fox, Reuse { automatic_retry: true, sharing: Sharing::Own, ..Reuse::default() }))
        .await;
    let mut joined = retry.expect("joins are not refused");
    assert!(joined.joined());
    let id = joined.generation().id().to_string();
    drop(joined.finished(soon()).await);
    after(Duration::from_mins(10)).await;
    assert!(bench.find(&id).unwrap().finished(soon()).await.is_ok());
    let script = bench.script();
    assert_eq!(script.creates.len(), 13);
    assert!(script.keys.iter().all(|key| *key == script.keys[0]));
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_all_creates_for_as_long_as_it_asks() {
    let bench = Bench::with(options());
    bench.script().create_errors = [CallError::Busy { retry_after: Some(10 * SECOND) }].into();
    let began = Instant::now();
    let mut fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    after(SECOND).await;
    let mut bear = bench.begin(&plan("a bear", 1, &[]), &[]).await;
    assert!(fox.finished(soon()).await.is_ok() && bear.finished(soon()).await.is_ok());
    let script = bench.script();
    assert_eq!(script.creates.len(), 3);
    assert!(script.made.iter().all(|(_, at)| at.duration_since(began) >= 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_our_patience_refuses_at_once() {
    let bench = Bench::with(options());
    bench.script().create_errors = [CallError::Busy { retry_after: Some(45 * SECOND) }].into();
    let fault = bench.begin(&plan("a fox", 1, &[]), &[]).await.finished(soon()).await.unwrap_err();
    assert_eq!((fault.status(), fault.retry_after_seconds()), (503, Some(45)));
    let bear = plan("a bear", 1, &[]);
    let begun = bench.generations.begin(own(&bear)).await;
    assert_eq!(begun.map(drop).unwrap_err().retry_after_seconds(), Some(45));
    after(30 * SECOND).await;
    assert!(bench.begin(&bear, &[]).await.finished(soon()).await.is_ok(), "it waits for the rest");
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_come_back_step_by_step() {
    let queue_timeout = Duration::from_mins(10);
    let bench = Bench::with(Options { max_tasks: 64, queue_timeout, ..options() });
    bench.script().down_until = Some(Instant::now() + Duration::from_mins(1));
    bench.script().creates_take = SECOND / 2;
    let mut waiters = Vec::new();
    for number in 0..200 {
        let waiter = bench.begin(&plan(&format!("fox {number}"), 1, &[]), &[]).await;
        waiters.push(waiter.generation().id().to_string());
        waiter.promise(()).await.unwrap();
    }
    after(Duration::from_mins(5)).await;
    for id in &waiters {
        assert_eq!(bench.find(id).unwrap().generation().state(), State::Done);
    }
    let made = bench.script().made.clone();
    assert_eq!(made.len(), 200, "nothing is bought twice");
    let first = made.iter().map(|(_, at)| *at).min().unwrap();
    let within = |seconds| made.iter().filter(|(_, at)| at.duration_since(first) < seconds * SECOND).count();
    assert!(within(1) <= 8 && within(2) <= 24 && within(5) <= 64, "{:?}", [1, 2, 5].map(within));
}
