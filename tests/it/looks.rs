//! Looks at running tasks that go wrong.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Harness, Setup};

/// Quick looks that fail double their pause from 10 ms on, so that even ten failures stay within a second or two.
#[tokio::test]
async fn looks_that_fail_for_a_while_cost_nothing_but_time() {
    let house = Harness::start().await;
    let faults = [
        "500*6",
        "502*3",
        "503*2;retry-after=1",
        "429*1;retry-after=1",
        "401*2",
        "402*2",
        "403*2",
        "404*3",
        "400*2",
        "html*3",
        "malformed*3",
        "huge*2",
        "deep*2",
        "cut*3",
        "slow*1;seconds=0.1",
        "backwards",
        "unknown-status",
    ];
    let answers = faults.map(async |fault| house.draw(&format!("a fox [poll:{fault}]")).await);
    for (fault, answer) in faults.iter().zip(join_all(answers).await) {
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        answer.picture();
    }
    house.has_tasks(faults.len());
    house.finish().await;
}

#[tokio::test]
async fn a_task_that_upstream_forgot_is_given_up() {
    let house = Harness::start().await;
    let answer = house.draw("a fox [poll:404]").await;
    answer.is_error(502, "upstream_error", "resource_not_found", false);
    house.has_tasks(1);
    assert!((2..=20).contains(&house.ledger().tasks[0].looks), "bounded: {:?}", house.ledger().totals);
    house.finish().await;
}

#[tokio::test]
async fn an_upstream_without_batches_is_asked_for_one_task_at_a_time() {
    for batch in ["auto", "always"] {
        let setup = Setup::new().simulator(|options| options.batch = false);
        let house = setup.config(&json!({"evolink": {"poll": {"batch": batch}}})).start().await;
        let answers = join_all((0..6).map(async |number| house.draw(&format!("fox {number}")).await)).await;
        assert!(answers.iter().all(|answer| answer.pictures().len() == 1));
        let totals = house.ledger().totals;
        assert!(totals.task_calls >= 6 && totals.batch_calls == 0, "{batch}: {totals:?}");
        house.finish().await;
    }
}

#[tokio::test]
async fn batches_are_used_when_asked_for_and_never_otherwise() {
    for (batch, batched) in [("always", true), ("never", false)] {
        let house = Harness::with(json!({"evolink": {"poll": {"batch": batch}}})).await;
        house.draw("a fox").await.picture();
        let totals = house.ledger().totals;
        assert_eq!(
            (totals.batch_calls > 0, totals.task_calls > 0),
            (batched, !batched),
            "{batch}: {totals:?}"
        );
        house.finish().await;
    }
}

#[tokio::test]
async fn one_bad_task_in_a_batch_does_not_hold_up_the_others() {
    let house = Harness::with(json!({"evolink": {"poll": {"batch": "always"}}})).await;
    let (bad, good) = tokio::join!(house.draw("a fox [poll:500*4]"), house.draw("a bear"));
    bad.picture();
    good.picture();
    house.finish().await;
}

#[tokio::test]
async fn looks_stay_within_their_budget() {
    let slow = |options: &mut evolink_gateway::simulator::Options| {
        options.latency =
            Some((std::time::Duration::from_millis(900), std::time::Duration::from_millis(1100)));
    };
    let config = json!({"evolink": {"poll": {"per_second": 5, "batch": "never"}}});
    let house = Setup::new().simulator(slow).config(&config).start().await;
    let answers = join_all((0..8).map(async |number| house.draw(&format!("fox {number}")).await)).await;
    assert!(answers.iter().all(|answer| answer.pictures().len() == 1));
    // The harness checks the budget of each second.
    house.finish().await;
}
