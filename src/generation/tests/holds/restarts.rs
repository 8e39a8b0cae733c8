//! Holds over a restart: they are what the ledger has, and end with their generations.

use super::super::super::*;
use super::super::fake::{MINUTE, after, options, plan, soon};
use super::bench::{SECOND, World, of_team, per_day};
use super::{near, price};
use crate::evolink::CallError;
use crate::quota::{Limits, Unit};

fn team() -> Limits {
    of_team([per_day(Unit::Images, 10), per_day(Unit::Credits, 1_000)])
}

#[test]
fn what_was_held_is_held_after_a_restart_and_settled_at_its_end() {
    let world = World::new(options());
    world.fake.script().prices = [(50, 70)].into();
    let (mut id, held) = (String::new(), 50.0 + price());
    world.life([team()], async |bench| {
        let waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
        id = waiter.generation().id().to_string();
        after(SECOND).await;
        assert!(near(bench.stands(&team(), 1).await, (0.0, held)));
    });
    world.life([team()], async |bench| {
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 2.0));
        assert!(near(bench.stands(&team(), 1).await, (0.0, held)), "raised once");
        assert!(bench.told("quota_overshoot_credits_total 0"), "what was held before is no excess");
        bench.generations.find("design", &id).unwrap().finished(soon()).await.unwrap();
        assert_eq!(bench.stands(&team(), 0).await, (2.0, 0.0));
        assert!(near(bench.stands(&team(), 1).await, (70.0 + price(), 0.0)));
        assert!(bench.told("quota_overshoot_credits_total 20"), "{}", bench.metrics.render());
    });
}

#[test]
fn a_raise_that_was_lost_with_the_process_is_made_again() {
    let world = World::new(options());
    world.fake.script().prices = [(50, 50)].into();
    world.life([team()], async |bench| {
        let _waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        after(SECOND).await;
        assert_eq!(bench.stands(&team(), 1).await, (0.0, 50.0));
    });
    world.lose_raise(plan("a fox", 1, &[]).price.micro());
    world.life([team()], async |bench| {
        after(SECOND).await;
        assert_eq!(bench.stands(&team(), 1).await, (0.0, 50.0));
        assert_eq!(world.fake.script().creates.len(), 1);
    });
}

#[test]
fn what_bought_nothing_is_dropped_by_the_next_start_and_released() {
    let world = World::new(Options { max_tasks: 1, ..options() });
    world.life([team()], async |bench| {
        let _running = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        let _queued = bench.begin(&plan("a bear", 3, &[])).await.unwrap();
        let promised = bench.begin(&plan("a wolf", 2, &[])).await.unwrap();
        promised.promise(()).await.unwrap();
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 6.0));
    });
    world.life([team()], async |bench| {
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 3.0), "what was promised is still to be made");
        after(5 * MINUTE).await;
        assert_eq!(bench.stands(&team(), 0).await, (3.0, 0.0));
    });
}

#[test]
fn a_restart_with_other_amounts_goes_on_with_what_was_used_and_held() {
    let world = World::new(options());
    world.life([team()], async |bench| {
        bench.made(&plan("a fox", 3, &[])).await.unwrap();
        let _bear = bench.begin(&plan("a bear", 2, &[])).await.unwrap();
        assert_eq!(bench.stands(&team(), 0).await, (3.0, 2.0));
    });
    let less = of_team([per_day(Unit::Images, 6)]);
    world.life([less.clone()], async |bench| {
        assert_eq!(bench.stands(&less, 0).await, (3.0, 2.0));
        assert_eq!(bench.begin(&plan("a wolf", 2, &[])).await.map(drop).unwrap_err().status(), 429);
        assert!(bench.begin(&plan("a wolf", 1, &[])).await.is_ok());
    });
}

#[test]
fn what_a_team_had_running_that_is_gone_after_a_restart_ends_and_settles() {
    let world = World::new(options());
    world.life([team()], async |bench| {
        let _fox = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
        after(SECOND).await;
    });
    world.life([], async |bench| {
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 2.0));
        after(MINUTE).await;
        assert_eq!(bench.stands(&team(), 0).await, (2.0, 0.0));
    });
}

#[test]
fn of_the_attempts_before_and_after_a_restart_only_the_last_counts() {
    let world = World::new(Options { task_timeout: 15 * MINUTE, ..options() });
    world.fake.script().failures = ["service_error"; 2].into();
    world.fake.script().prices = [(40, 40), (30, 30), (20, 20)].into();
    let mut id = String::new();
    world.life([team()], async |bench| {
        let waiter = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        id = waiter.generation().id().to_string();
        after(15 * SECOND).await;
        assert_eq!(bench.fake.script().creates.len(), 2);
        assert_eq!(bench.stands(&team(), 1).await, (0.0, 40.0));
    });
    world.life([team()], async |bench| {
        assert_eq!(bench.stands(&team(), 1).await, (0.0, 40.0), "a hold falls with its end only");
        bench.generations.find("design", &id).unwrap().finished(soon()).await.unwrap();
        assert_eq!(bench.fake.script().creates.len(), 3);
        assert_eq!(bench.stands(&team(), 0).await, (1.0, 0.0));
        assert_eq!(bench.stands(&team(), 1).await, (20.0, 0.0));
    });
}

#[test]
fn what_pictures_cost_lately_is_known_after_a_restart() {
    let world = World::new(options());
    world.fake.script().prices = [(30, 40), (1, 1)].into();
    world.life([team()], async |bench| {
        bench.made(&plan("a fox", 2, &[])).await.unwrap();
    });
    world.life([team()], async |bench| {
        let _bear = bench.begin(&plan("a bear", 1, &[])).await.unwrap();
        assert_eq!(bench.stands(&team(), 1).await, (41.0, 40.0));
    });
}

#[test]
fn a_task_whose_create_was_given_up_before_a_restart_is_not_taken_for_that_of_another() {
    let world = World::new(Options { idempotent_creates: false, ..options() });
    let mut id = String::new();
    world.life([team()], async |bench| {
        bench.fake.script().listing = Some(Instant::now());
        bench.fake.script().create_errors = [CallError::Timeout].into();
        let _stone = bench.begin(&plan("a stone", 1, &[])).await.unwrap();
        after(5 * SECOND).await;
        bench.fake.script().unheard = 1;
        let _fox = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        after(25 * SECOND).await;
        bench.fake.script().create_errors = [CallError::Timeout].into();
        let bear = bench.begin(&plan("a bear", 1, &[])).await.unwrap();
        id = bear.generation().id().to_string();
        after(options().replay.saturating_sub(20 * SECOND)).await;
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 1.0), "the others are given up");
    });
    world.life([team()], async |bench| {
        let bear = bench.generations.find("design", &id).unwrap();
        after(5 * MINUTE).await;
        assert_eq!((bear.generation().state(), bear.generation().task_ids()), (State::Failed, vec![]));
        assert_eq!(bench.stands(&team(), 0).await, (0.0, 0.0));
    });
}
