//! Very many at once against the same budgets, from threads of their own.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::store::Engine;

const CROWD: u64 = 200;

/// Each asks for its own mixture at the same moment; tells what each of those that were let in holds.
fn all_at_once(engine: &Engine, demands: impl Fn(u64) -> Vec<Demand> + Sync) -> Vec<u64> {
    let start = Barrier::new(usize::try_from(CROWD).unwrap());
    thread::scope(|scope| {
        let one = |number: u64| {
            let (start, demands, engine) = (&start, demands(number), engine.clone());
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                start.wait();
                let held = engine.write(move |db| hold(db, &number.to_string(), &demands, 0));
                match runtime.block_on(held) {
                    Ok(_) => Some(number),
                    Err(StoreError::Exceeded(_)) => None,
                    Err(error) => panic!("{error}"),
                }
            })
        };
        let asking: Vec<_> = (0..CROWD).map(one).collect();
        asking.into_iter().filter_map(|asked| asked.join().unwrap()).collect()
    })
}

fn read_now(engine: &Engine, budget: &BudgetId) -> (u64, u64) {
    let (runtime, budget) = (tokio::runtime::Builder::new_current_thread().build().unwrap(), budget.clone());
    runtime.block_on(engine.write(move |db| stands(db, &budget, 0))).unwrap()
}

#[test]
fn of_two_hundred_at_once_just_as_many_are_let_in_as_there_is_room_for() {
    let folder = tempfile::tempdir().unwrap();
    for engine in [Engine::open(folder.path()).unwrap(), Engine::in_memory().unwrap()] {
        let images = budget("team:a", Unit::Images, true);
        let one = |_| vec![demand(images.clone(), 0, 1_000_000, 100_000_000)];
        assert_eq!(all_at_once(&engine, one).len(), 100);
        assert_eq!(read_now(&engine, &images), (0, 100_000_000));
    }
}

#[test]
fn of_mixed_wishes_at_once_none_passes_a_budget_and_none_is_refused_that_would_fit() {
    let engine = Engine::in_memory().unwrap();
    let (images, credits) = (budget("team:a", Unit::Images, true), budget("key:a/ci", Unit::Credits, true));
    let price = |number: u64| 1 + number * 7 % 13;
    let wish = |number| {
        vec![
            demand(images.clone(), 0, (1 + number % 4) * 1_000_000, 150_000_000),
            demand(credits.clone(), 0, price(number), 400),
        ]
    };
    let let_in = all_at_once(&engine, wish);
    let held: u64 = let_in.iter().map(|number| price(*number)).sum();
    assert_eq!(read_now(&engine, &credits), (0, held));
    let (_, pictures) = read_now(&engine, &images);
    assert!(held <= 400 && pictures <= 150_000_000, "{held} {pictures}");
    // Whoever was refused did not fit at the fullest moment, which is the last.
    let refused = (0..CROWD).filter(|number| !let_in.contains(number));
    let fits =
        |number: u64| held + price(number) <= 400 && pictures + (1 + number % 4) * 1_000_000 <= 150_000_000;
    let wronged: Vec<_> = refused.filter(|number| fits(*number)).collect();
    assert!(wronged.is_empty(), "{wronged:?}");
}
