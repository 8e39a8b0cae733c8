use bytes::Bytes;
use futures_util::FutureExt as _;

use super::shelf::UPLOADS_AT_ONCE_MAX;
use super::*;
use crate::evolink::{CallError, Refusal};
use crate::generation::tests::fake::{Bench, MINUTE, after, options, picture, picture_of, plan, soon};
use crate::generation::{Options, State};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> CallError {
    CallError::Down { status: 500, code: "storage_error".into(), retry_after: None }
}

fn refused() -> CallError {
    CallError::Refused {
        refusal: Refusal::BadRequest,
        status: 400,
        code: "file_type_not_allowed".into(),
        message: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_of_two_generations_is_uploaded_once_and_deleted_after_the_last() {
    let bench = Bench::new();
    bench.script().uploads_take = 2 * SECOND;
    bench.script().tasks_take = [5 * SECOND, 40 * SECOND].into();
    let fox = picture("a fox's face");
    let mut first =
        bench.begin(&plan("in oil", 1, std::slice::from_ref(&fox)), std::slice::from_ref(&fox)).await;
    let mut second = bench.begin(&plan("in ink", 1, std::slice::from_ref(&fox)), &[fox]).await;
    first.finished(soon()).await.unwrap();
    after(SECOND).await;
    {
        let script = bench.script();
        assert_eq!((script.uploads.len(), script.deletions.len()), (1, 0));
        let link = format!(r#""image_urls":["https://files.test/{}"]"#, script.uploads[0]);
        assert!(script.creates.len() == 2 && script.creates.iter().all(|body| body.contains(&link)));
    }
    second.finished(soon()).await.unwrap();
    after(SECOND).await;
    let script = bench.script();
    assert_eq!(script.deletions, script.uploads);
}

#[tokio::test(start_paused = true)]
async fn a_picture_given_twice_is_uploaded_once() {
    let bench = Bench::new();
    let both = [picture("a fox"), picture("a fox")];
    bench.begin(&plan("two foxes", 2, &both), &both).await.finished(soon()).await.unwrap();
    after(SECOND).await;
    let script = bench.script();
    assert_eq!((script.uploads.len(), script.deletions.len(), script.creates.len()), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failing_upload_is_tried_again_under_its_name() {
    let bench = Bench::new();
    bench.script().upload_errors = [down(), CallError::Timeout].into();
    let fox = [picture("a fox")];
    bench.begin(&plan("in oil", 1, &fox), &fox).await.finished(soon()).await.unwrap();
    let script = bench.script();
    assert_eq!(script.uploads.len(), 3);
    assert!(script.uploads.iter().all(|name| *name == script.uploads[0]));
}

#[tokio::test(start_paused = true)]
async fn a_failed_upload_answers_who_waited_for_it_and_nobody_after() {
    let bench = Bench::new();
    bench.script().upload_errors = [down(), down(), down()].into();
    let fox = [picture("a fox")];
    let mut waiters = [
        bench.begin(&plan("in oil", 2, &fox), &fox).await,
        bench.begin(&plan("in ink", 2, &fox), &fox).await,
    ];
    for waiter in &mut waiters {
        let fault = waiter.finished(soon()).await.unwrap_err();
        assert_eq!((fault.status(), fault.code()), (503, "upstream_unavailable"));
        assert_eq!(waiter.generation().state(), State::Failed);
    }
    assert_eq!(bench.script().uploads.len(), 3);
    assert!(bench.script().creates.is_empty());
    bench.begin(&plan("in oil", 1, &fox), &fox).await.finished(soon()).await.unwrap();
    assert_eq!(bench.script().uploads.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refused_picture_is_tried_once_and_what_came_with_it_is_deleted() {
    let bench = Bench::new();
    bench.script().upload_errors = [refused()].into();
    let both = [picture("a text"), picture("a fox")];
    let fault = bench.begin(&plan("in oil", 1, &both), &both).await.finished(soon()).await.unwrap_err();
    assert_eq!((fault.status(), fault.code()), (400, "invalid_image"));
    after(SECOND).await;
    let script = bench.script();
    assert_eq!((script.uploads.len(), script.deletions.len(), script.creates.len()), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_upstream_asks_for_is_kept() {
    let bench = Bench::new();
    bench.script().upload_errors = [CallError::Busy { retry_after: Some(30 * SECOND) }].into();
    let fox = [picture("a fox")];
    let waiter = bench.begin(&plan("in oil", 1, &fox), &fox).await;
    after(29 * SECOND).await;
    assert_eq!(bench.script().uploads.len(), 1);
    after(2 * SECOND).await;
    assert_eq!((bench.script().uploads.len(), waiter.generation().state()), (2, State::Running));
}

#[tokio::test(start_paused = true)]
async fn an_overdue_generation_still_holds_its_picture() {
    let bench = Bench::new();
    bench.script().tasks_take = [20 * MINUTE].into();
    let fox = [picture("a fox")];
    let mut waiter = bench.begin(&plan("in oil", 1, &fox), &fox).await;
    assert_eq!(waiter.finished(soon()).await.unwrap_err().code(), "generation_timeout");
    drop(waiter);
    after(15 * MINUTE).await;
    assert!(bench.script().deletions.is_empty());
    after(10 * MINUTE).await;
    assert_eq!(bench.script().deletions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_generation_in_doubt_still_holds_its_picture() {
    let bench = Bench::new();
    bench.script().create_errors = std::iter::repeat_n(CallError::Timeout, 12).collect();
    let fox = [picture("a fox")];
    let mut waiter = bench.begin(&plan("in oil", 1, &fox), &fox).await;
    assert_eq!(waiter.finished(soon()).await.unwrap_err().code(), "upstream_outcome_unknown");
    drop(waiter);
    after(2 * MINUTE).await;
    assert!(bench.script().deletions.is_empty());
    after(10 * MINUTE).await;
    let script = bench.script();
    assert_eq!((script.creates.len(), script.deletions.len()), (13, 1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_not_uploaded() {
    let bench = Bench::new();
    let fox = [picture("a fox")];
    // Its client leaves before it is written down.
    assert!(bench.begin(&plan("in oil", 1, &fox), &fox).now_or_never().is_none());
    after(MINUTE).await;
    let script = bench.script();
    assert_eq!((script.uploads.len(), script.creates.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_is_uploaded() {
    let bench = Bench::new();
    let fox = [picture("a fox")];
    bench.begin(&plan("in oil", 1, &fox), &fox).await.promise(()).await.unwrap();
    after(MINUTE).await;
    let script = bench.script();
    assert_eq!((script.uploads.len(), script.creates.len(), script.deletions.len()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_that_joins_uploads_nothing() {
    let bench = Bench::new();
    let fox = [picture("a fox")];
    let oil = plan("in oil", 1, &fox);
    let first = bench.begin(&oil, &fox).await;
    after(SECOND).await;
    drop(first);
    let mut again = bench.begin(&oil, &fox).await;
    assert!(again.joined() && again.finished(soon()).await.is_ok());
    assert_eq!(bench.script().uploads.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_bounded_and_one_that_was_given_up_in_the_queue_is_left_to_who_still_wants_it() {
    let bench = Bench::new();
    bench.script().uploads_take = 10 * SECOND;
    let many: Vec<_> = (0..UPLOADS_AT_ONCE_MAX).map(|number| picture(&number.to_string())).collect();
    let mut busy = bench.begin(&plan("a crowd", 1, &many), &many).await;
    after(SECOND).await;
    let fox = [picture("a fox")];
    let first = bench.begin(&plan("in oil", 1, &fox), &fox).await;
    after(SECOND).await;
    let mut second = bench.begin(&plan("in ink", 1, &fox), &fox).await;
    after(SECOND).await;
    drop(first);
    busy.finished(soon()).await.unwrap();
    second.finished(soon()).await.unwrap();
    let script = bench.script();
    assert_eq!((script.uploads.len(), script.uploading_most), (UPLOADS_AT_ONCE_MAX + 1, UPLOADS_AT_ONCE_MAX));
    assert_eq!(script.creates.len(), 2, "the one that was given up bought nothing");
}

#[tokio::test(start_paused = true)]
async fn only_those_whose_turn_is_near_have_files_upstream() {
    let bench = Bench::with(Options { max_tasks: 1, ..options() });
    bench.script().tasks_take = [50 * SECOND].into();
    let begin = async |text: &str| {
        let file = [picture(text)];
        bench.begin(&plan(text, 1, &file), &file).await
    };
    let mut waiters =
        [begin("a fox").await, begin("a bear").await, begin("a hare").await, begin("a crow").await];
    let uploads = || bench.script().uploads.len();
    after(40 * SECOND).await;
    assert_eq!((uploads(), waiters[2].generation().state()), (2, State::Queued));
    let [first, second, third, fourth] = &mut waiters;
    assert!(first.finished(soon()).await.is_ok());
    after(SECOND).await;
    assert_eq!(uploads(), 3);
    assert_eq!(fourth.finished(soon()).await.unwrap_err().code(), "concurrency_limit_exceeded");
    let finished = second.finished(soon()).await.unwrap();
    assert!(finished.timing.queue > 45 * SECOND, "{:?}", finished.timing);
    let finished = third.finished(soon()).await.unwrap();
    assert!(finished.timing.queue > 90 * SECOND && finished.timing.create < SECOND, "{:?}", finished.timing);
    after(SECOND).await;
    assert_eq!((uploads(), bench.script().deletions.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_would_not_last_is_not_handed_on() {
    let bench = Bench::with(Options { task_timeout: 10 * MINUTE, ..options() });
    bench.script().life = Some(Duration::from_hours(1));
    bench.script().tasks_take = [5 * MINUTE].into();
    let fox = [picture("a fox")];
    let mut first = bench.begin(&plan("in oil", 1, &fox), &fox).await;
    after(SECOND).await;
    let mut second = bench.begin(&plan("in ink", 1, &fox), &fox).await;
    first.finished(soon()).await.unwrap();
    second.finished(soon()).await.unwrap();
    after(SECOND).await;
    let mut script = bench.script();
    assert_eq!(script.uploads.len(), 2);
    script.deletions.sort();
    let mut uploads = script.uploads.clone();
    uploads.sort();
    assert_eq!(script.deletions, uploads, "each is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_tried_a_few_times() {
    for (errors, tries) in
        [(vec![down(), CallError::Timeout], 3), (vec![CallError::Missing], 1), (vec![down(); 9], 3)]
    {
        let bench = Bench::new();
        bench.script().deletion_errors = errors.into();
        let fox = [picture("a fox")];
        bench.begin(&plan("in oil", 1, &fox), &fox).await.finished(soon()).await.unwrap();
        after(MINUTE).await;
        assert_eq!(bench.script().deletions.len(), tries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_let_go_as_soon_as_it_is_uploaded() {
    /// Counts as alive while its bytes are held.
    struct Held(Arc<[u8]>);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let bench = Bench::new();
    bench.script().uploads_take = 10 * SECOND;
    let alive: Arc<[u8]> = b"a fox".to_vec().into();
    let fox = picture_of(Bytes::from_owner(Held(Arc::clone(&alive))));
    let plan = plan("in oil", 1, std::slice::from_ref(&fox));
    let waiter = bench.begin(&plan, &[fox]).await;
    after(5 * SECOND).await;
    assert_eq!(Arc::strong_count(&alive), 2);
    after(6 * SECOND).await;
    assert_eq!((Arc::strong_count(&alive), waiter.generation().state()), (1, State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_was_not_handed_in_is_a_mistake_of_the_gateway() {
    let bench = Bench::new();
    let fault =
        bench.begin(&plan("in oil", 1, &[picture("a fox")]), &[]).await.finished(soon()).await.unwrap_err();
    assert_eq!(fault.code(), "internal_error");
    assert!(bench.script().creates.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_what_nobody_uses() {
    let bench = Bench::new();
    let fox = [picture("a fox")];
    bench.begin(&plan("in oil", 1, &fox), &fox).await.finished(soon()).await.unwrap();
    after(SECOND).await;
    assert!(bench.generations.0.uploads.0.entries().is_empty());
}
