//! Holds over a restart: they are what the ledger has, and end with their generations.

use super::super::super::*;
use super::super::fake::{MINUTE, after, options, plan, soon};
use super::bench::{Bench, SECOND, Store, of_team, per_day};
use super::{near, price};
use crate::quota::{Budget, Limits, Unit};

fn team() -> Limits {
    of_team([per_day(Unit::Images, 10), per_day(Unit::Credits, 1_000)])
}

#[tokio::test(start_paused = true)]
async fn what_was_held_is_held_after_a_restart_and_settled_at_its_end() {
    let mut bench = Bench::new([team()]);
    bench.fake.script().prices = [(50, 70)].into();
    let waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    let id = waiter.generation().id().to_string();
    after(SECOND).await;
    let held = 50.0 + price();
    assert!(near(bench.stands(&team(), 1).await, (0.0, held)));
    bench.restart(SECOND, [team()]).await;
    assert_eq!(bench.stands(&team(), 0).await, (0.0, 2.0));
    assert!(near(bench.stands(&team(), 1).await, (0.0, held)), "raised once");
    assert!(bench.told("quota_overshoot_credits_total 0"), "what was held before is no excess");
    bench.generations.find("design", &id).unwrap().finished(soon()).await.unwrap();
    assert_eq!(bench.stands(&team(), 0).await, (2.0, 0.0));
    assert!(near(bench.stands(&team(), 1).await, (70.0 + price(), 0.0)));
    assert!(bench.told("quota_overshoot_credits_total 20"), "{}", bench.metrics.render());
}

#[tokio::test(start_paused = true)]
async fn a_raise_that_was_lost_with_the_process_is_made_again() {
    let mut bench = Bench::new([team()]);
    bench.fake.script().prices = [(50, 50)].into();
    let _waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    // The create is answered, and the process ends before anything of that is written.
    bench.restart(Duration::ZERO, [team()]).await;
    assert!(near(bench.stands(&team(), 1).await, (0.0, price())));
    bench.fake.script().prices = [(50, 50)].into();
    after(SECOND).await;
    assert_eq!(bench.stands(&team(), 1).await, (0.0, 50.0));
}

#[tokio::test(start_paused = true)]
async fn what_bought_nothing_is_dropped_by_the_next_start_and_released() {
    let one = Options { max_tasks: 1, ..options() };
    let mut bench = Bench::with(one, Store::Embedded, [team()]);
    let _running = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    let queued = bench.begin(&plan("a bear", 3, &[])).await.unwrap();
    let promised = bench.begin(&plan("a wolf", 2, &[])).await.unwrap();
    promised.promise(()).await.unwrap();
    assert_eq!(bench.stands(&team(), 0).await, (0.0, 6.0));
    bench.restart(SECOND, [team()]).await;
    drop(queued);
    assert_eq!(bench.stands(&team(), 0).await, (0.0, 3.0), "what was promised is still to be made");
    after(5 * MINUTE).await;
    assert_eq!(bench.stands(&team(), 0).await, (3.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_other_amounts_goes_on_with_what_was_used_and_held() {
    let mut bench = Bench::new([team()]);
    bench.made(&plan("a fox", 3, &[])).await.unwrap();
    let _bear = bench.begin(&plan("a bear", 2, &[])).await.unwrap();
    after(SECOND).await;
    let less = of_team([Budget { amount: 6_000_000, ..per_day(Unit::Images, 0) }]);
    bench.restart(SECOND, [less.clone()]).await;
    assert_eq!(bench.stands(&less, 0).await, (3.0, 2.0));
    assert_eq!(bench.begin(&plan("a wolf", 2, &[])).await.map(drop).unwrap_err().status(), 429);
    assert!(bench.begin(&plan("a wolf", 1, &[])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_team_had_running_that_is_gone_after_a_restart_ends_and_settles() {
    let mut bench = Bench::new([team()]);
    let _fox = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    after(SECOND).await;
    bench.restart(SECOND, []).await;
    assert_eq!(bench.stands(&team(), 0).await, (0.0, 2.0));
    after(MINUTE).await;
    assert_eq!(bench.stands(&team(), 0).await, (2.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn of_the_attempts_before_and_after_a_restart_only_the_last_counts() {
    let patient = Options { task_timeout: 15 * MINUTE, ..options() };
    let mut bench = Bench::with(patient, Store::Embedded, [team()]);
    bench.fake.script().failures = ["service_error"; 2].into();
    bench.fake.script().prices = [(40, 40), (30, 30), (20, 20)].into();
    let waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    let id = waiter.generation().id().to_string();
    after(15 * SECOND).await;
    assert_eq!(bench.fake.script().creates.len(), 2);
    bench.restart(SECOND, [team()]).await;
    assert_eq!(bench.stands(&team(), 1).await, (0.0, 40.0), "a hold falls with the end only");
    bench.generations.find("design", &id).unwrap().finished(soon()).await.unwrap();
    assert_eq!(bench.fake.script().creates.len(), 3);
    assert_eq!(bench.stands(&team(), 0).await, (1.0, 0.0));
    assert_eq!(bench.stands(&team(), 1).await, (20.0, 0.0));
}
