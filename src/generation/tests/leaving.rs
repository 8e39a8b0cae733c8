//! Clients that leave: their generation is cancelled where nobody waits for it any more, and only there.

use super::super::*;
use super::fake::{Bench, MINUTE, after, options, plan, wish};
use crate::fault::FaultKind;

const SECOND: Duration = Duration::from_secs(1);

fn creates_and_cancels(bench: &Bench) -> (usize, usize) {
    let script = bench.script();
    (script.creates.len(), script.cancels.len())
}

fn cancelling() -> Options {
    Options { on_disconnect: OnDisconnect::Cancel, max_tasks: 1, ..options() }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_client_left_is_cancelled_and_its_other_images_are_not_bought() {
    let bench = Bench::with(cancelling());
    let fox = plan("a fox", 3, &[]);
    let first = bench.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
    let second = bench.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
    after(SECOND).await;
    drop(first);
    after(SECOND).await;
    assert!(bench.script().cancels.is_empty(), "one still waits");
    drop(second);
    after(SECOND).await;
    assert_eq!(creates_and_cancels(&bench), (1, 1));
    let again = bench.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
    assert!(!again.joined());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_in_the_queue_buys_nothing_and_what_is_left_in_its_create_is_cancelled_after_it() {
    let bench = Bench::with(cancelling());
    bench.script().creates_take = 5 * SECOND;
    let running = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    let queued = bench.begin(&plan("an owl", 1, &[]), &[]).await;
    after(SECOND).await;
    drop((running, queued));
    after(SECOND).await;
    assert!(bench.script().cancels.is_empty(), "there is nothing to cancel yet");
    after(10 * SECOND).await;
    assert_eq!(creates_and_cancels(&bench), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_made_all_the_same_answers_again() {
    let bench = Bench::with(cancelling());
    bench.script().refuses_cancels = true;
    let keyed = Reuse { idempotency_key: IdempotencyKey::new("a"), ..Reuse::default() };
    let fox = plan("a fox", 1, &[]);
    let first = bench.generations.begin(wish(&fox, keyed.clone())).await.unwrap();
    let id = first.generation().id().clone();
    after(SECOND).await;
    drop(first);
    after(MINUTE).await;
    let again = bench.generations.begin(wish(&fox, keyed)).await.unwrap();
    assert!(again.joined() && again.generation().id() == &id);
    assert_eq!(creates_and_cancels(&bench), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_ask_again_or_knows_the_id_has_not_left() {
    let bench = Bench::with(Options { max_tasks: 9, ..cancelling() });
    let mut told = bench.begin(&plan("a fox", 1, &[]), &[]).await;
    assert_eq!(told.finished(Instant::now()).await.unwrap_err().kind(), FaultKind::Deadline);
    drop(told);
    let promised = bench.begin(&plan("an owl", 1, &[]), &[]).await;
    let id = promised.generation().id().to_string();
    promised.promise(()).await.unwrap();
    drop(bench.find(&id).unwrap());
    after(MINUTE).await;
    assert!(bench.script().cancels.is_empty());
}
