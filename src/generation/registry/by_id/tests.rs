use super::*;
use crate::generation::tests::fake::{owner, plan};

fn generation(prompt: &str) -> Arc<Generation> {
    let plan = plan(prompt, 1, &[]);
    let owner = owner(&plan);
    let generation = Arc::new(Generation::new(plan, owner, 0));
    generation.audience.enter();
    generation
}

fn ended(by_id: &mut ById, prompt: &str) -> String {
    let generation = generation(prompt);
    by_id.add(&generation);
    by_id.ended(&generation);
    generation.id().to_string()
}

fn is_found(by_id: &mut ById, id: &str) -> bool {
    by_id.get("design", id).is_some()
}

#[tokio::test(start_paused = true)]
async fn of_too_many_ended_ones_the_oldest_goes_first_and_none_that_runs() {
    let mut by_id = ById { max: 2, ..ById::new(Duration::from_hours(1)) };
    let running = generation("a crow");
    by_id.add(&running);
    let ids = ["a fox", "a bear", "a hare"].map(|prompt| ended(&mut by_id, prompt));
    assert_eq!(ids.map(|id| is_found(&mut by_id, &id)), [false, true, true]);
    assert!(is_found(&mut by_id, &running.id().to_string()));
}

#[tokio::test(start_paused = true)]
async fn long_prompts_are_kept_within_a_bound_of_bytes() {
    let mut by_id = ById::new(Duration::from_hours(1));
    let long = "x".repeat(30_000);
    let first = ended(&mut by_id, &long);
    for _ in 0..ENDED_BYTES_MAX / 30_000 {
        ended(&mut by_id, &long);
    }
    assert!(!is_found(&mut by_id, &first) && by_id.ended_bytes <= ENDED_BYTES_MAX);
    assert!(by_id.all.len() > 1_000 && by_id.all.len() == by_id.ended.len());
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_or_is_too_old_is_not_kept() {
    let mut by_id = ById::new(Duration::from_mins(5));
    let given_up = generation("a fox");
    by_id.add(&given_up);
    given_up.audience.leave(false);
    assert!(!given_up.audience.is_wanted());
    by_id.ended(&given_up);
    let kept = ended(&mut by_id, "a bear");
    assert_eq!(by_id.all.len(), 1);
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(!is_found(&mut by_id, &kept));
    assert_eq!((by_id.all.len(), by_id.ended.len(), by_id.ended_bytes), (0, 0, 0));
}
