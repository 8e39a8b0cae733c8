use super::*;
use crate::catalog::Catalog;
use crate::generation::audience::Leaving;
use crate::generation::model::Timing;
use crate::generation::reuse::{Reuse, Sharing};
use crate::image::{Fingerprint, ImageRequest, Plan};

fn plan() -> Arc<Plan> {
    Arc::new(Catalog::default().plan(ImageRequest::new("a fox"), false).unwrap())
}

fn owner() -> Owner {
    Owner { team: "design".into(), key: "ci".into(), fingerprint: Fingerprint::from_bytes([7; 32]) }
}

fn registry() -> Registry {
    Registry::new(Duration::from_hours(24), Duration::from_mins(15))
}

fn begun(registry: &mut Registry) -> Arc<Generation> {
    let generation = Arc::new(Generation::new(plan(), owner(), 0));
    generation.audience.enter();
    registry.add(&generation).unwrap();
    generation
}

fn ends(registry: &mut Registry, generation: &Arc<Generation>, fault: Fault) {
    let finished = Finished { created: 0, images: vec![Err(fault)], timing: Timing::default() };
    generation.advance(Phase::Finished(Arc::new(finished)));
    registry.ended(generation);
}

/// What a request that shares with nobody takes.
fn join(registry: &mut Registry) -> Option<Arc<Generation>> {
    let reuse = Reuse { sharing: Sharing::Own, ..Reuse::default() };
    registry.take(&owner(), &reuse, None).unwrap().map(|found| found.generation)
}

fn is_remembered(registry: &Registry) -> bool {
    !registry.open.is_empty()
}

#[tokio::test]
async fn an_orphan_behind_one_that_was_given_up_is_found() {
    let mut registry = registry();
    let (given_up, orphan) = (begun(&mut registry), begun(&mut registry));
    given_up.audience.leave(Leaving::Gone);
    assert!(!given_up.audience.may_buy());
    assert!(orphan.audience.may_buy());
    orphan.audience.leave(Leaving::Gone);
    let joined = join(&mut registry).unwrap();
    assert!(Arc::ptr_eq(&joined, &orphan) && joined.audience.is_awaited());
    assert!(join(&mut registry).is_none(), "it is taken once");
}

#[tokio::test]
async fn a_failure_of_the_moment_does_not_answer_a_later_repetition() {
    for (kind, kept) in [
        (FaultKind::NoSlot, false),
        (FaultKind::Overloaded, false),
        (FaultKind::UpstreamUnavailable, false),
        (FaultKind::Moderation, true),
        (FaultKind::TaskFailed, true),
        (FaultKind::ResultUnavailable, true),
    ] {
        let mut registry = registry();
        let generation = begun(&mut registry);
        generation.audience.leave(Leaving::Gone);
        ends(&mut registry, &generation, Fault::new(kind, "no"));
        assert_eq!(is_remembered(&registry), kept, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_no_longer_be_joined_is_swept_before_there_is_much_of_it() {
    let mut registry = registry();
    for _ in 0..SWEEP_MIN {
        let generation = begun(&mut registry);
        generation.audience.leave(Leaving::Gone);
        ends(&mut registry, &generation, Fault::new(FaultKind::TaskFailed, "no"));
    }
    assert_eq!(registry.count, SWEEP_MIN);
    tokio::time::advance(ORPHAN_AGE_MAX + Duration::from_secs(1)).await;
    begun(&mut registry);
    assert_eq!(registry.count, 1);
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_remembered_are_refused_until_some_are_forgotten() {
    let mut registry = Registry { max: 2, ..registry() };
    let first = begun(&mut registry);
    begun(&mut registry);
    let third = Arc::new(Generation::new(plan(), owner(), 0));
    assert_eq!(registry.add(&third).unwrap_err().kind(), FaultKind::Overloaded);
    first.audience.leave(Leaving::Answered);
    ends(&mut registry, &first, Fault::new(FaultKind::TaskFailed, "no"));
    assert!(registry.add(&third).is_ok());
}

#[tokio::test(start_paused = true)]
async fn long_prompts_are_remembered_within_a_bound_of_bytes() {
    let mut registry = Registry { bytes_max: 1, ..registry() };
    let first = begun(&mut registry);
    let second = Arc::new(Generation::new(plan(), owner(), 0));
    assert_eq!(registry.add(&second).unwrap_err().kind(), FaultKind::Overloaded);
    first.audience.leave(Leaving::Gone);
    ends(&mut registry, &first, Fault::new(FaultKind::TaskFailed, "no"));
    assert!(registry.add(&second).is_err(), "a repetition may come for the first");
    tokio::time::advance(ORPHAN_AGE_MAX + Duration::from_secs(1)).await;
    second.audience.enter();
    registry.add(&second).unwrap();
    assert_eq!((registry.count, registry.bytes), (1, bytes_of(&second)));
    second.audience.leave(Leaving::Answered);
    ends(&mut registry, &second, Fault::new(FaultKind::TaskFailed, "no"));
    assert_eq!((registry.count, registry.bytes), (0, 0));
}

#[tokio::test]
async fn who_wants_only_what_is_cached_leaves_no_trace_on_a_failure_that_is_none_for_it() {
    let mut registry = registry();
    let generation = begun(&mut registry);
    ends(&mut registry, &generation, Fault::new(FaultKind::Moderation, "no"));
    for sharing in [Sharing::default(), Sharing::Own] {
        let reuse = Reuse { sharing, only_if_cached: true, ..Reuse::default() };
        assert!(registry.take(&owner(), &reuse, None).unwrap().is_none());
    }
    generation.audience.leave(Leaving::Answered);
    assert!(!generation.audience.is_awaited());
    registry.tidy(&generation);
    assert!(!is_remembered(&registry));
}
