//! Tasks that fail upstream and are bought again.

use super::super::*;
use super::fake::{Bench, after, options, plan, soon};
use super::recovery;
use crate::evolink::TaskId;
use crate::fault::{Fault, FaultKind};

const SECOND: Duration = Duration::from_secs(1);

fn patient() -> Options {
    Options { task_timeout: Duration::from_mins(15), ..options() }
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_is_bought_again_under_a_key_of_its_own() {
    let bench = Bench::with(Options { max_tasks: 1, ..patient() });
    bench.script().failures = ["service_error", "unknown_error"].into();
    let mut fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let mut bear = bench.begin(&plan("a bear", 1, &[]), &[]).await;
    assert!(fox.finished(soon()).await.unwrap().images[0].is_ok());
    assert!(bear.finished(soon()).await.is_ok());
    assert_eq!(fox.generation().task_ids().len(), 3, "those that failed are named too");
    let script = bench.script();
    let (mut keys, creates) = (script.keys.clone(), &script.creates);
    assert!(creates[..3].iter().all(|body| body.contains("fox")), "it keeps its place: {creates:?}");
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), creates.len()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_every_time_is_bought_as_often_as_attempts_say() {
    for attempts in [1, 3] {
        let bench = Bench::with(Options { attempts, ..patient() });
        bench.script().failures = ["resource_exhausted"; 9].into();
        let mut fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
        let fault = fox.finished(soon()).await.unwrap_err();
        assert_eq!((fault.status(), fault.code(), fault.should_retry()), (502, "resource_exhausted", false));
        assert_eq!(bench.script().creates.len(), usize::try_from(attempts).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_not_bought_again() {
    let codes =
        ["content_policy_violation", "invalid_parameters", "image_processing_error", "request_cancelled"];
    for code in codes {
        let bench = Bench::with(patient());
        bench.script().failures = [code].into();
        let mut fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
        assert!(fox.finished(soon()).await.is_err(), "{code}");
        assert_eq!(bench.script().creates.len(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_bought_again_when_no_client_waits_so_long() {
    let bench = Bench::with(patient());
    bench.script().failures = ["service_error"; 9].into();
    bench.script().tasks_take = [150 * SECOND].into();
    let mut fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    assert_eq!(fox.finished(soon()).await.unwrap_err().code(), "service_error");
    assert_eq!(bench.script().creates.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_is_not_bought_again() {
    let bench = Bench::with(patient());
    bench.script().failures = ["service_error"].into();
    bench.script().refuses_cancels = true;
    let fox = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let id = fox.generation().id().to_string();
    fox.promise(()).await.unwrap();
    after(SECOND).await;
    bench.generations.detach("design", &id).unwrap();
    after(60 * SECOND).await;
    assert_eq!(bench.script().creates.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_several_images_each_has_its_own_attempts() {
    let bench = Bench::with(patient());
    bench.script().failures = ["content_policy_violation", "service_error"].into();
    let mut fox = bench.begin(&plan("a fox", 3, &[]), &[]).await;
    let finished = fox.finished(soon()).await.unwrap();
    let failed: Vec<_> = finished.images.iter().filter_map(|image| image.as_ref().err()).collect();
    assert_eq!((failed.len(), failed[0].kind()), (1, FaultKind::Moderation));
    assert_eq!(bench.script().creates.len(), 4);
}

fn failed() -> ImageResult {
    Err(Fault::new(FaultKind::TaskFailed, "it broke").with_code("service_error"))
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_attempts() {
    let bench = recovery::Bench::new();
    let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", 30 * SECOND).await;
    let first = bench.begun(&id, 0, 29 * SECOND).await;
    bench.note(recovery::task_of(first.clone(), "task-unified-1-aaaaaaaa")).await;
    bench.note(Note::Ended { purchase: first, result: failed() }).await;
    let second = bench.begun_again(&id, 1, 10 * SECOND).await;
    bench.note(recovery::task_of(second.clone(), "task-unified-1-bbbbbbbb")).await;
    bench.note(Note::Ended { purchase: second, result: failed() }).await;
    let house = bench.start().await;
    let mut waiter = house.find(&id).unwrap();
    assert!(waiter.finished(soon()).await.unwrap().images[0].is_ok());
    let named = waiter.generation().task_ids();
    let before = ["task-unified-1-aaaaaaaa", "task-unified-1-bbbbbbbb"].map(TaskId::new);
    assert!(named.len() == 3 && named.starts_with(&before), "{named:?}");
    assert!(bench.fake.script().creates[0].contains("a fox"), "its bytes are made again");
    after(SECOND).await;
    assert_eq!(bench.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_buys_nothing_again_that_is_too_old_or_was_the_last_attempt() {
    for (ago, attempt) in [(300 * SECOND, 0), (30 * SECOND, 2)] {
        let bench = recovery::Bench::new();
        let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", ago).await;
        let purchase = bench.begun_again(&id, attempt, ago).await;
        bench.note(Note::Ended { purchase, result: failed() }).await;
        let house = bench.start().await;
        let fault = house.find(&id).unwrap().finished(soon()).await.unwrap_err();
        assert_eq!(fault.code(), "service_error");
        assert!(bench.fake.script().creates.is_empty());
    }
}
