use super::*;
use crate::generation::audience::Leaving;
use crate::generation::tests::fake::{owner, plan};

fn generation(prompt: &str) -> Arc<Generation> {
    let plan = plan(prompt, 1, &[]);
    let owner = owner(&plan);
    let generation = Arc::new(Generation::new(plan, owner, 0));
    generation.audience.enter();
    generation
}

fn ended(shelf: &mut Shelf, prompt: &str) -> String {
    let generation = generation(prompt);
    shelf.add(&generation);
    shelf.ended(&generation);
    generation.id().to_string()
}

fn is_found(shelf: &mut Shelf, id: &str) -> bool {
    shelf.get("design", id).is_some()
}

#[tokio::test(start_paused = true)]
async fn of_too_many_ended_ones_the_oldest_goes_first_and_none_that_runs() {
    let mut shelf = Shelf { max: 2, ..Shelf::new(Duration::from_hours(1)) };
    let running = generation("a crow");
    shelf.add(&running);
    let ids = ["a fox", "a bear", "a hare"].map(|prompt| ended(&mut shelf, prompt));
    assert_eq!(ids.map(|id| is_found(&mut shelf, &id)), [false, true, true]);
    assert!(is_found(&mut shelf, &running.id().to_string()));
}

#[tokio::test(start_paused = true)]
async fn long_prompts_are_kept_within_a_bound_of_bytes() {
    let mut shelf = Shelf::new(Duration::from_hours(1));
    let long = "x".repeat(30_000);
    let first = ended(&mut shelf, &long);
    for _ in 0..ENDED_BYTES_MAX / 30_000 {
        ended(&mut shelf, &long);
    }
    assert!(!is_found(&mut shelf, &first) && shelf.ended_bytes <= ENDED_BYTES_MAX);
    assert!(shelf.all.len() > 1_000 && shelf.all.len() == shelf.ended.len());
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_or_is_too_old_is_not_kept() {
    let mut shelf = Shelf::new(Duration::from_mins(5));
    let given_up = generation("a fox");
    shelf.add(&given_up);
    given_up.audience.leave(Leaving::Gone);
    assert!(!given_up.audience.is_wanted());
    shelf.ended(&given_up);
    let kept = ended(&mut shelf, "a bear");
    assert_eq!(shelf.all.len(), 1);
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(!is_found(&mut shelf, &kept));
    assert_eq!((shelf.all.len(), shelf.ended.len(), shelf.ended_bytes), (0, 0, 0));
}
