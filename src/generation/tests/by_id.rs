//! Found by id, promised, taken back.

use super::super::*;
use super::fake::{Bench, MINUTE, after, options, plan, soon, wish};
use crate::evolink::CallError;
use crate::fault::FaultKind;

const SECOND: Duration = Duration::from_secs(1);

fn retry() -> Reuse {
    Reuse { sharing: Sharing::Own, automatic_retry: true, ..Reuse::default() }
}

fn id_of(waiter: &Waiter) -> String {
    waiter.generation().id().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_is_made_without_a_waiter_and_found_by_its_id() {
    let bench = Bench::new();
    let waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    assert_eq!(waiter.generation().created_unix(), 1_800_000_000);
    let id = id_of(&waiter);
    waiter.promise(()).await.unwrap();
    after(30 * SECOND).await;
    assert_eq!(bench.script().creates.len(), 1);
    assert!(bench.generations.find("other", &id).is_none() && bench.find("gen_unknown").is_none());
    let mut waiter = bench.find(&id).unwrap();
    assert_eq!((waiter.generation().state(), waiter.generation().progress()), (State::Done, 100));
    let finished = waiter.finished(Instant::now()).await.unwrap();
    assert_eq!(finished.images.len(), 1);
    assert_eq!(waiter.pictures(&finished).await.unwrap_err().kind(), FaultKind::ResultUnavailable);
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_answers_no_repetition() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    bench.begin(&fox, &[]).await.promise(()).await.unwrap();
    after(SECOND).await;
    let second = bench.begin(&fox, &[]).await;
    assert!(!second.joined(), "while it runs");
    second.promise(()).await.unwrap();
    after(30 * SECOND).await;
    assert!(!bench.begin(&fox, &[]).await.joined(), "after its end");
    let orphan = plan("a bear", 1, &[]);
    let first = bench.begin(&orphan, &[]).await;
    after(SECOND).await;
    drop(first);
    assert!(bench.begin(&orphan, &[]).await.joined(), "one without a promise does");
}

#[tokio::test(start_paused = true)]
async fn an_orphan_delivered_by_its_id_answers_no_repetition_but_stays_found() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    let waiter = bench.begin(&fox, &[]).await;
    let id = id_of(&waiter);
    after(SECOND).await;
    drop(waiter);
    after(30 * SECOND).await;
    // A look that brings no answer leaves it what it is.
    drop(bench.find(&id).unwrap());
    let mut waiter = bench.find(&id).unwrap();
    waiter.finished(soon()).await.unwrap();
    waiter.answered();
    assert!(!bench.begin(&fox, &[]).await.joined());
    assert!(bench.find(&id).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_ended_generation_is_found_for_the_time_of_replay() {
    let bench = Bench::with(Options { replay: 5 * MINUTE, ..options() });
    let mut waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let id = id_of(&waiter);
    waiter.finished(soon()).await.unwrap();
    waiter.answered();
    after(4 * MINUTE).await;
    assert!(bench.find(&id).is_some());
    after(2 * MINUTE).await;
    assert!(bench.find(&id).is_none() && bench.generations.detach("design", &id).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_with_nobody_waiting_is_cancelled_upstream() {
    let bench = Bench::new();
    bench.script().tasks_take = [SECOND, 10 * MINUTE].into();
    let waiter = bench.begin(&plan("a fox", 3, &[]), &[]).await;
    let id = id_of(&waiter);
    waiter.promise(()).await.unwrap();
    after(20 * SECOND).await;
    assert!(bench.generations.detach("other", &id).is_none());
    assert!(bench.generations.detach("design", &id).is_some());
    assert!(bench.find(&id).is_none() && bench.generations.detach("design", &id).is_none());
    after(MINUTE).await;
    let cancels = bench.script().cancels.len();
    assert_eq!(cancels, 2, "the third had ended already");
    assert!(
        bench.metrics.render().contains(r#"evolink_gateway_running_generations{team="design"} 0"#),
        "the ends were noticed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_upstream_refuses_leaves_the_task_watched_to_its_end() {
    let bench = Bench::new();
    bench.script().refuses_cancels = true;
    let waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let id = id_of(&waiter);
    waiter.promise(()).await.unwrap();
    after(SECOND).await;
    bench.generations.detach("design", &id);
    after(SECOND).await;
    assert_eq!(bench.script().cancels.len(), 1);
    assert!(bench.metrics.render().contains(r#"evolink_gateway_running_generations{team="design"} 1"#));
    after(MINUTE).await;
    assert!(bench.metrics.render().contains(r#"outcome="completed""#));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_while_somebody_waits_goes_on_for_him() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    let mut waiter = bench.begin(&fox, &[]).await;
    let id = id_of(&waiter);
    after(SECOND).await;
    assert!(bench.generations.detach("design", &id).is_some());
    assert!(bench.find(&id).is_none());
    let retry = bench.generations.begin(wish(&fox, retry())).await.unwrap();
    assert!(!retry.joined(), "nobody new may come");
    assert!(waiter.finished(soon()).await.is_ok());
    drop((waiter, retry));
    after(MINUTE).await;
    assert!(bench.script().cancels.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_while_somebody_waits_is_cancelled_when_he_leaves() {
    let bench = Bench::new();
    let waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let id = id_of(&waiter);
    after(SECOND).await;
    assert!(bench.generations.detach("design", &id).is_some());
    after(SECOND).await;
    assert!(bench.script().cancels.is_empty(), "he still waits");
    drop(waiter);
    after(SECOND).await;
    assert_eq!(bench.script().cancels.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_in_the_queue_buys_nothing() {
    let bench = Bench::with(Options { max_tasks: 1, ..options() });
    let _first = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    after(SECOND).await;
    let second = bench.begin(&plan("a bear", 1, &[]), &[]).await;
    after(SECOND).await;
    assert_eq!(second.generation().state(), State::Queued);
    let id = id_of(&second);
    second.promise(()).await.unwrap();
    assert!(bench.generations.detach("design", &id).is_some());
    after(MINUTE).await;
    let script = bench.script();
    assert_eq!((script.creates.len(), script.cancels.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_images_of_what_was_cancelled_that_wait_for_a_place_are_not_bought() {
    let bench = Bench::with(Options { max_tasks: 1, ..options() });
    let waiter = bench.begin(&plan("a fox", 3, &[]), &[]).await;
    let id = id_of(&waiter);
    waiter.promise(()).await.unwrap();
    after(SECOND).await;
    bench.generations.detach("design", &id);
    after(5 * MINUTE).await;
    let script = bench.script();
    assert_eq!((script.creates.len(), script.cancels.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_create_under_way_when_it_is_taken_back_is_cancelled_once_its_task_is_known() {
    let bench = Bench::new();
    bench.script().creates_take = 5 * SECOND;
    let waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let id = id_of(&waiter);
    waiter.promise(()).await.unwrap();
    after(SECOND).await;
    bench.generations.detach("design", &id);
    after(SECOND).await;
    assert!(bench.script().cancels.is_empty(), "there is nothing to cancel yet");
    after(5 * SECOND).await;
    assert_eq!(bench.script().cancels.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_state_follows_the_generation() {
    let bench = Bench::with(Options { max_tasks: 1, ..options() });
    bench.script().create_errors = std::iter::repeat_n(CallError::Timeout, 10).collect();
    let mut first = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let mut second = bench.begin(&plan("a bear", 1, &[]), &[]).await;
    after(SECOND).await;
    assert_eq!([&first, &second].map(|waiter| waiter.generation().state()), [State::Running, State::Queued]);
    let doubt = first.finished(soon()).await.unwrap_err();
    assert_eq!((doubt.kind(), first.generation().state()), (FaultKind::OutcomeUnknown, State::InDoubt));
    assert_eq!(second.finished(soon()).await.unwrap_err().kind(), FaultKind::NoSlot);
    assert_eq!(second.generation().state(), State::Failed);
    after(5 * MINUTE).await;
    assert_eq!(first.generation().state(), State::Done);
}

#[tokio::test(start_paused = true)]
async fn a_refused_create_is_a_failed_state() {
    let bench = Bench::new();
    let refused = CallError::Refused {
        refusal: crate::evolink::Refusal::BadRequest,
        status: 400,
        code: "invalid_request".into(),
        message: String::new(),
    };
    bench.script().create_errors = [refused].into();
    let mut waiter = bench.begin(&plan("a crow", 1, &[]), &[]).await;
    assert!(waiter.finished(soon()).await.is_err());
    assert_eq!(waiter.generation().state(), State::Failed);
    let states = [State::Queued, State::Running, State::InDoubt, State::Done, State::Failed];
    assert_eq!(states.map(State::name), ["queued", "running", "in_doubt", "done", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn progress_is_what_the_looks_tell_and_never_falls() {
    let bench = Bench::new();
    bench.script().tasks_take = [30 * SECOND].into();
    bench.script().told = [0, 0, 30, 50, 10, 10, 70, 90].into();
    let mut waiter = bench.begin(&plan("a fox", 2, &[]), &[]).await;
    let mut progress = waiter.generation().watch_progress();
    let mut seen = vec![*progress.borrow_and_update()];
    let following = async {
        while *progress.borrow() < 100 {
            progress.changed().await.unwrap();
            seen.push(*progress.borrow_and_update());
        }
    };
    let (finished, ()) = tokio::join!(waiter.finished(soon()), following);
    assert!(finished.is_ok());
    assert!(seen.is_sorted() && seen[0] == 0 && seen.contains(&80) && seen.ends_with(&[100]), "{seen:?}");
}
