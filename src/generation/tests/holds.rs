//! What generations hold of budgets while they run, and what is left of that at every kind of end.

mod bench;
mod figures;
mod refused;
mod restarts;

use super::super::*;
use super::fake::{MINUTE, after, options, plan, soon};
use crate::evolink::CallError;
use crate::fault::FaultKind;
use crate::quota::Unit;
use bench::{Bench, SECOND, Store, book, of_key, of_team, per_day, shadow};

/// The table's price of one image of [`plan`], in credits.
fn price() -> f64 {
    plan("a fox", 1, &[]).price.decimal()
}

/// Within a ten-thousandth.
fn near((used, held): (f64, f64), (expected_used, expected_held): (f64, f64)) -> bool {
    (used - expected_used).abs() < 1e-4 && (held - expected_held).abs() < 1e-4
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_end_settles_what_was_made_and_releases_the_rest() {
    let table: [(&[&str], f64); 6] = [
        (&[], 3.0),
        (&["content_policy_violation"], 2.0),
        (&["content_policy_violation"; 3], 0.0),
        (&["invalid_parameters", "image_processing_error", "request_cancelled"], 0.0),
        (&["service_error"], 3.0),
        (&["service_error"; 9], 0.0),
    ];
    for store in [Store::Embedded, Store::Memory] {
        for (failures, made) in table {
            let team = of_team([per_day(Unit::Images, 10), per_day(Unit::Credits, 1_000)]);
            let key = of_key([per_day(Unit::Images, 5), per_day(Unit::Usd, 5)]);
            let bench = Bench::with(
                Options { task_timeout: 15 * MINUTE, ..options() },
                store,
                [team.clone(), key.clone()],
            );
            bench.fake.script().failures = failures.iter().copied().collect();
            let mut waiter = bench.begin(&plan("a fox", 3, &[])).await.unwrap();
            assert_eq!(bench.stands(&team, 0).await, (0.0, 3.0), "{store:?}");
            assert!(near(bench.stands(&team, 1).await, (0.0, 3.0 * price())));
            assert!(near(bench.stands(&key, 1).await, (0.0, 3.0 * price() / 68.0)));
            let _ = waiter.finished(soon()).await;
            assert_eq!(bench.stands(&team, 0).await, (made, 0.0), "{failures:?}");
            assert_eq!(bench.stands(&key, 0).await, (made, 0.0), "{failures:?}");
            assert!(near(bench.stands(&team, 1).await, (made * price(), 0.0)), "{failures:?}");
            assert!(near(bench.stands(&key, 1).await, (made * price() / 68.0, 0.0)), "{failures:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_lets_the_hold_go_on_and_where_that_cancels_it_is_released() {
    for (refuses_cancels, used) in [(false, 0.0), (true, 1.0)] {
        let team = of_team([per_day(Unit::Images, 10)]);
        let cancelling = Options { on_disconnect: OnDisconnect::Cancel, ..options() };
        let bench = Bench::with(cancelling, Store::Embedded, [team.clone()]);
        bench.fake.script().refuses_cancels = refuses_cancels;
        let waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        after(SECOND).await;
        drop(waiter);
        assert_eq!(bench.stands(&team, 0).await, (0.0, 1.0), "upstream has not named an end");
        after(MINUTE).await;
        assert_eq!(bench.stands(&team, 0).await, (used, 0.0));
    }
    let team = of_team([per_day(Unit::Images, 10)]);
    let bench = Bench::new([team.clone()]);
    drop(bench.begin(&plan("a fox", 1, &[])).await.unwrap());
    after(MINUTE).await;
    assert_eq!(bench.stands(&team, 0).await, (1.0, 0.0), "it is made and kept");
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_while_it_waits_for_its_turn_holds_nothing_any_more() {
    let team = of_team([per_day(Unit::Images, 10)]);
    let options = Options { max_tasks: 1, ..options() };
    let bench = Bench::with(options, Store::Embedded, [team.clone()]);
    let _running = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    let queued = bench.begin(&plan("a bear", 4, &[])).await.unwrap();
    let id = queued.generation().id().to_string();
    queued.promise(()).await.unwrap();
    assert_eq!(bench.stands(&team, 0).await, (0.0, 5.0));
    bench.generations.detach("design", &id).unwrap();
    after(MINUTE).await;
    assert_eq!(bench.stands(&team, 0).await, (1.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_takes_nothing_leaves_no_hold() {
    let team = of_team([per_day(Unit::Images, 10)]);
    let bench = Bench::new([team.clone()]);
    bench.fake.script().create_errors = (0..100).map(|_| CallError::Connect("refused".into())).collect();
    assert_eq!(bench.made(&plan("a fox", 2, &[])).await.unwrap_err().kind(), FaultKind::UpstreamUnavailable);
    assert_eq!(bench.stands(&team, 0).await, (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn what_upstream_reserves_or_charges_above_the_hold_is_held_too_and_counted_once() {
    let team = of_team([per_day(Unit::Credits, 100)]);
    for store in [Store::Embedded, Store::Memory] {
        let bench = Bench::with(options(), store, [team.clone()]);
        bench.fake.script().prices = [(50, 70), (20, 20)].into();
        let mut waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
        after(SECOND).await;
        assert_eq!(bench.stands(&team, 0).await, (0.0, 70.0), "raised to what is reserved");
        let count = (1_u8..=100).find(|count| f64::from(*count) * price() > 30.0);
        let too_much = plan("a bear", count.unwrap(), &[]);
        let fault = bench.begin(&too_much).await.map(drop).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::BudgetSpent, "the raise blocks what comes after it");
        waiter.finished(soon()).await.unwrap();
        assert_eq!(bench.stands(&team, 0).await, (90.0, 0.0));
        let told = bench.metrics.render();
        let line =
            told.lines().find_map(|line| line.strip_prefix("evolink_gateway_quota_overshoot_credits_total "));
        let counted: f64 = line.unwrap().parse().unwrap();
        assert!((counted - (90.0 - 2.0 * price())).abs() < 1e-4, "{counted}");
        assert_eq!(bench.made(&plan("a wolf", 1, &[])).await.unwrap_err().kind(), FaultKind::BudgetSpent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_raise_may_pass_a_budget_of_credits_and_is_not_carried_over_to_the_next_window() {
    let team = of_team([per_day(Unit::Credits, 60)]);
    let bench = Bench::new([team.clone()]);
    bench.fake.script().prices = [(500, 500)].into();
    bench.made(&plan("a fox", 1, &[])).await.unwrap();
    assert_eq!(bench.stands(&team, 0).await, (500.0, 0.0));
    assert_eq!(bench.made(&plan("a bear", 1, &[])).await.unwrap_err().kind(), FaultKind::BudgetSpent);
    after(24 * 60 * MINUTE).await;
    assert!(bench.made(&plan("a bear", 1, &[])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_dearest_of_the_latest_is_held_for_the_next() {
    let team = of_team([per_day(Unit::Credits, 1_000)]);
    let bench = Bench::new([team.clone()]);
    bench.fake.script().prices = [(30, 40)].into();
    bench.made(&plan("a fox", 1, &[])).await.unwrap();
    let _next = bench.begin(&plan("a bear", 2, &[])).await.unwrap();
    assert_eq!(bench.stands(&team, 0).await, (40.0, 80.0));
}

#[tokio::test(start_paused = true)]
async fn a_shadow_budget_is_counted_and_refuses_nothing() {
    let team = of_team([shadow(per_day(Unit::Images, 3)), per_day(Unit::Images, 100)]);
    for store in [Store::Embedded, Store::Memory] {
        let bench = Bench::with(options(), store, [team.clone()]);
        for _ in 0..3 {
            bench.made(&plan("a fox", 2, &[])).await.unwrap();
        }
        assert_eq!(bench.stands(&team, 0).await, (6.0, 0.0));
        let shadow = r#"quota_rejections_total{limit="budget_images",mode="shadow",team="design"} 2"#;
        assert!(bench.told(shadow), "{}", bench.metrics.render());
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_keeps_its_hold_until_replay_is_over() {
    let team = of_team([per_day(Unit::Images, 10)]);
    let bench = Bench::new([team.clone()]);
    bench.fake.script().create_errors = (0..5_000).map(|_| CallError::Timeout).collect();
    let mut waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    drop(waiter);
    after(23 * 60 * MINUTE).await;
    assert_eq!(bench.stands(&team, 0).await, (0.0, 1.0));
    after(2 * 60 * MINUTE).await;
    assert_eq!(bench.stands(&team, 0).await, (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_task_past_its_time_keeps_its_hold_until_upstream_names_an_end() {
    let team = of_team([per_day(Unit::Images, 10)]);
    for (takes, used) in [(5 * 60 * MINUTE, 1.0), (48 * 60 * MINUTE, 0.0)] {
        let bench = Bench::new([team.clone()]);
        bench.fake.script().tasks_take = [takes].into();
        let mut waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::TaskTimeout);
        after(4 * 60 * MINUTE).await;
        assert_eq!(bench.stands(&team, 0).await, (0.0, 1.0));
        after(21 * 60 * MINUTE).await;
        assert_eq!(bench.stands(&team, 0).await, (used, 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_removed_team_has_running_ends_and_settles() {
    let team = of_team([per_day(Unit::Images, 10), per_day(Unit::Credits, 1_000)]);
    let bench = Bench::new([team.clone()]);
    let mut waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    bench.quota.set_book(book([]));
    waiter.finished(soon()).await.unwrap();
    assert_eq!(bench.stands(&team, 0).await, (2.0, 0.0));
    assert!(near(bench.stands(&team, 1).await, (2.0 * price(), 0.0)));
}
